"""The certificate that a peer presents, good or not: asked for once its handshake has failed, to say what was wrong.

A handshake of its own that verifies nothing, and in which nothing is sent: the link ends with it.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from toolkit.client.certificates import Presented, read_certificate

if TYPE_CHECKING:
    import asyncio
    import socket

__all__ = ["presented"]

PIECE: Final = 16384  # bytes


async def presented(loop: asyncio.AbstractEventLoop, sock: socket.socket, name: str) -> Presented | None:
    """What the peer of this connected socket presents as `name`; None where it is no certificate.

    Raises `OSError` where there is no handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(came, goes, server_hostname=name)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await loop.sock_sendall(sock, goes.read())
            data = await loop.sock_recv(sock, PIECE)
            if not data:
                raise ConnectionResetError("the peer ended the connection during the handshake")
            came.write(data)
        else:
            der = tls.getpeercert(binary_form=True)
            return None if der is None else read_certificate(der)
