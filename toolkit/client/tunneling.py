"""Getting through a proxy: what is said on the link to it before the link is the origin's.

On a bare socket, which the event loop has not been given yet, so that nothing is read that is meant for others; only
where the proxy itself is spoken to over TLS there is a transport already, and the origin's TLS goes inside of it.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import TYPE_CHECKING, Final, cast

from toolkit.client.connect_tunnel import TunnelAnswer, connect_request, named
from toolkit.errors import ConnectError, ProxyError, UseError, caused
from toolkit.protocol.aio.tls import TlsLink

if TYPE_CHECKING:
    import socket

    from toolkit.client.connection import ClientConnection
    from toolkit.client.proxies import Proxy

__all__ = ["Asking", "Layer", "http_tunnel", "inside", "socks_tunnel"]

PIECE: Final = 4096  # bytes
DAY: Final = 86400.0  # seconds; the time that there is, is `Timeouts.connect`, on whoever waits for this

Layer = tuple[ssl.SSLContext, str]  # of TLS: the context, and the name that the peer must have


async def http_tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, host: str, port: int, proxy: Proxy) -> None:
    """Have the proxy at the other end of `sock` connect it to this host. Raises `ProxyError`."""
    await loop.sock_sendall(sock, connect_request(host, port, proxy))
    answer = TunnelAnswer(proxy, named(host, port))
    while not answer.feed(await loop.sock_recv(sock, PIECE)):
        pass


async def socks_tunnel(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, host: str, port: int, proxy: Proxy
) -> None:
    """The same with SOCKS (RFC 1928, RFC 1929); the protocol is python-socks', the socket ours."""
    try:
        from python_socks import ProxyError as Refused
        from python_socks import ProxyType
        from python_socks.async_.asyncio import Proxy as Speaker
    except ImportError as error:
        raise caused(UseError("a SOCKS proxy needs python-socks: pip install 'streaming-toolkit[socks]'"), error)

    class Ready(Speaker):
        """Stands for a proxy on the way to this one: the link is there already."""

        async def connect(self, *args: object, **kwargs: object) -> socket.socket:
            return sock

    kind = ProxyType.SOCKS5 if proxy.scheme.startswith("socks5") else ProxyType.SOCKS4
    user, password = proxy.credentials or (None, None)
    ready = Ready(kind, proxy.host, proxy.port, loop=loop)
    speaker = Speaker(
        kind, proxy.host, proxy.port, user, password, rdns=proxy.scheme[-1] in "ah", forward=ready, loop=loop
    )
    try:
        await speaker.connect(host, port, timeout=DAY)
    except Refused as error:
        why = str(error) or "it ended the connection"
        raise ProxyError(f"the proxy {proxy} made no connection to {named(host, port)}: {why}") from error


class Asking(asyncio.Protocol):
    """Asks for a tunnel on a transport. `answered` is done when it is there; what comes after that is kept as `early`.

    Afterwards it stands for a connection while the origin's TLS is being set up, of which nothing may come yet.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, port: int, proxy: Proxy) -> None:
        self._request = connect_request(host, port, proxy)
        self._answer = TunnelAnswer(proxy, named(host, port))
        self.answered: asyncio.Future[None] = loop.create_future()
        self.early = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The link to the proxy is there."""
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Of the answer, or too early."""
        if self.answered.done():
            self.early = True
            return
        try:
            if self._answer.feed(data):
                self.answered.set_result(None)
        except ProxyError as error:
            self.answered.set_exception(error)

    def eof_received(self) -> None:
        """The link ends here."""
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """Likewise."""
        if exc is not None and not self.answered.done():
            self.answered.set_exception(exc)
        else:
            self.data_received(b"")


async def inside(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.Transport,
    asking: Asking,
    connection: ClientConnection,
    layer: Layer | None,
) -> None:
    """Give the tunnel in this transport, which is TLS itself, to the connection, with TLS of its own where it has a
    `layer`. The transport ends with whatever ends this.
    """
    inner: asyncio.Transport | None = transport
    try:
        await asking.answered
        _mend(transport)
        if layer is not None:
            patience = connection.watch.timeouts.linger
            inner = await loop.start_tls(
                transport, asking, layer[0], server_hostname=layer[1], ssl_shutdown_timeout=patience
            )
        if inner is None or asking.early or inner.is_closing():
            raise ConnectError("the connection ended, or spoke, before it was asked anything")
    except BaseException:
        transport.abort()
        if asking.answered.done() and not asking.answered.cancelled():
            asking.answered.exception()  # looked at
        raise
    inner.set_protocol(TlsLink(connection))
    connection.connection_made(inner)


def _mend(transport: asyncio.Transport) -> None:
    """Before Python 3.13 a TLS transport ends with a TypeError when one inside of it fails, whatever the reason."""
    if sys.version_info < (3, 13) and type(transport).__module__ == "asyncio.sslproto":
        transport._force_close = lambda exc: transport.abort()  # type: ignore[attr-defined]
