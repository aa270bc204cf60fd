"""A TCP proxy whose streams can be cut one at a time: what a failing network does to one direction of one link."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Cutter", "Direction", "cutter"]

Direction = Literal["request", "response"]
PIECE = 65536


class Cutter:
    """One proxied connection. "request" is the stream towards the server, "response" the one towards the client."""

    def __init__(self, listener: socket.socket, server: tuple[str, int]) -> None:
        host, port = listener.getsockname()
        self.url = f"http://{host}:{port}"
        self.client: socket.socket | None = None
        self.server = socket.socket()
        self.server.setblocking(False)
        self.pumps: dict[Direction, asyncio.Task[None]] = {}
        self._run = asyncio.create_task(self._serve(listener, server))

    async def _serve(self, listener: socket.socket, server: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        self.client, _ = await loop.sock_accept(listener)
        self.client.setblocking(False)
        await loop.sock_connect(self.server, server)
        self.pumps["request"] = asyncio.create_task(_pump(self.client, self.server))
        self.pumps["response"] = asyncio.create_task(_pump(self.server, self.client))
        pumps = self.pumps.values()
        await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
        broken = any(pump.done() and not pump.cancelled() and pump.exception() for pump in pumps)
        await self._close(self.client, self.server, reset=broken)

    async def fin(self, direction: Direction) -> None:
        """End one stream in order, wherever it stands; the other one goes on."""
        await _stop(self.pumps[direction])
        self._towards(direction).shutdown(socket.SHUT_WR)

    async def reset(self, direction: Direction) -> None:
        """Reset the link at the end that the stream flows to; the other end is closed in order."""
        await _stop(self._run)
        await self._close(self._towards(direction), reset=True)
        await self._close(self.server, self.client)

    def _towards(self, direction: Direction) -> socket.socket:
        assert self.client is not None
        return self.server if direction == "request" else self.client

    async def _close(self, *ends: socket.socket | None, reset: bool = False) -> None:
        for pump in self.pumps.values():
            await _stop(pump)
        for end in ends:
            if end is not None and end.fileno() >= 0:
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()

    async def close(self) -> None:
        """End whatever is left."""
        await _stop(self._run)
        await self._close(self.server, self.client)


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, PIECE):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, OSError):
        raise error  # a fault of the proxy itself must not pass for one of the network


@asynccontextmanager
async def cutter(address: str) -> AsyncIterator[Cutter]:
    """A proxy of one connection to the server at `address` ("http://127.0.0.1:PORT"), on a free loopback port."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        link = Cutter(listener, (parts.hostname, parts.port))
        try:
            yield link
        finally:
            await link.close()
