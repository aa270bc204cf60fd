"""A look at the certificate that a peer presents."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.client.test_tls_options import context_for, serving
from tests.helpers.proxying import accepting
from toolkit.client.probing import presented


async def connected(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def test_what_is_presented_is_read_whether_it_is_good_or_not() -> None:
    async with serving(context_for("a.test")) as url:
        with await connected(int(url.split(":")[2][:-1])) as sock:
            shown = await presented(asyncio.get_running_loop(), sock, "other.test")
    assert shown is not None
    assert shown.names == ("a.test",)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_peer_without_tls_is_an_os_error(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)

    async with accepting(serve) as port:
        with await connected(port) as sock, pytest.raises(OSError, match=r"ended|SSL"):
            await presented(asyncio.get_running_loop(), sock, "a.test")
