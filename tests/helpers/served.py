"""An application served over each kind of link, and ways to reach it: a session or a raw byte end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolkit.protocol.aio.memory import memory_pair
from toolkit.protocol.aio.tls import TlsLink

from .raw import KINDS, PATIENCE, SOCKET_KINDS, Caps, MemoryRaw, Raw, SocketRaw, TlsRaw, caps_of, make_session
from .tls import server_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import App, Session

__all__ = ["KINDS", "PATIENCE", "SOCKET_KINDS", "Caps", "Raw", "Served", "served"]


class Served:
    """An application that can be reached over one kind of link."""

    def __init__(self, web: App, kind: str, url: str, path: str | None = None) -> None:
        self.web = web
        self.kind = kind
        self.url = url  # the base of a session's URLs, without a trailing slash
        self.path = path  # of the Unix socket
        self.caps: Caps = caps_of(kind)
        self.raws: list[Raw] = []

    def session(self, **options: object) -> Session:
        """A session, not yet entered, that knows how to reach the application over this kind of link."""
        if self.kind == "memory":
            options["app"] = self.web
        return make_session(self.kind, path=self.path, **options)

    async def raw(self, *, receive_buffer: int | None = None) -> Raw:
        """A raw byte connection to the application; `receive_buffer` bounds what the kernel takes unread."""
        raw = await self._connect(receive_buffer)
        self.raws.append(raw)
        return raw

    async def _connect(self, receive_buffer: int | None) -> Raw:
        if self.kind == "memory":
            memory = MemoryRaw()
            memory_pair(memory, self.web.new_connection())
            return memory
        loop = asyncio.get_running_loop()
        family = socket.AF_UNIX if self.kind == "unix" else socket.AF_INET
        sock = socket.socket(family)
        sock.setblocking(False)
        if receive_buffer is not None:  # must stand before the window is offered
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        parts = urlsplit(self.url)
        address: str | tuple[str, int] = self.path or (parts.hostname or "", parts.port or 0)
        async with asyncio.timeout(PATIENCE):
            await loop.sock_connect(sock, address)
        if self.kind != "tls":
            return SocketRaw(sock)
        raw = TlsRaw(sock)
        await raw.handshake()
        return raw

    def drop(self) -> None:
        """End the raw connections that a test left open, so that no handler waits for them."""
        for raw in self.raws:
            with contextlib.suppress(OSError):
                raw.reset()


@asynccontextmanager
async def served(web: App, kind: str = "memory") -> AsyncIterator[Served]:
    """Serve `web` over one kind of link for the length of the block; ends with a graceful exit."""
    if kind == "tcp":
        serving = asyncio.ensure_future(web.serve("127.0.0.1", 0))
        async with asyncio.timeout(PATIENCE):
            _ = await web.started()
        here = Served(web, kind, web.server_address)
        try:
            yield here
        finally:
            here.drop()
            await web.exit()
            await serving
        return
    with tempfile.TemporaryDirectory(prefix="tk-") as folder:
        loop = asyncio.get_running_loop()
        listener: asyncio.Server | None = None
        if kind == "memory":
            here = Served(web, kind, "")
        elif kind == "unix":
            path = os.path.join(folder, "s")
            listener = await loop.create_unix_server(web.new_connection, path)
            here = Served(web, kind, "http://localhost", path)
        else:
            listener = await loop.create_server(
                lambda: TlsLink(web.new_connection()), "127.0.0.1", 0, ssl=server_context()
            )
            port = listener.sockets[0].getsockname()[1]
            here = Served(web, kind, f"https://127.0.0.1:{port}")
        try:
            yield here
        finally:
            here.drop()
            if listener is not None:
                listener.close()
            await web.exit()
