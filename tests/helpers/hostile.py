"""A server that breaks its word, the session that meets it, and what must be true of the session afterwards.

`hostile` counts tasks and sockets before and after; `Hostile.shaken_off` says that a connection was given up on the
client's end as well, and `Hostile.goes_on` that the next request is served, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from toolkit import Timeouts

from .raw import PATIENCE, SocketRaw, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from toolkit import Session

    from .raw import Raw, RawServer

__all__ = ["ENDS", "OK", "Hostile", "end", "hostile", "sockets", "until"]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
#: The ways a server can end a link, by the kind of link. "cut": a FIN below TLS, without its close_notify.
ENDS = [("tcp", "fin"), ("tcp", "reset"), ("tls", "fin"), ("tls", "reset"), ("tls", "cut")]


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if true():
                return
            await asyncio.sleep(0)  # a turn: there is nothing to be told by


async def end(raw: Raw, how: str) -> None:
    """End the link: see `ENDS`."""
    assert isinstance(raw, SocketRaw)
    if how == "reset":
        raw.reset()
    elif how == "cut":
        raw.sock.shutdown(socket.SHUT_WR)
    elif hasattr(raw, "tls"):
        await raw.close()
    else:
        await raw.eof()


def sockets() -> int:
    """Open ones of this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the directory's own, closed by now
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


class Hostile:
    """The server, the session, and what they do to each other."""

    def __init__(self, peer: RawServer, http: Session) -> None:
        self.peer = peer
        self.http = http
        self._tasks = asyncio.all_tasks()
        http.bound()

    def ask(self, method: str = "GET", body: bytes | None = None, path: str = "/hostile") -> asyncio.Task[bytes]:
        """Ask for something in a task of its own; it returns the answer's body."""
        return asyncio.create_task(self._ask(method, body, path))

    async def _ask(self, method: str, body: bytes | None, path: str) -> bytes:
        answer = await (
            self.http.request(method, self.peer.url + path)
            if body is None
            else self.http.request(method, self.peer.url + path, body=body)
        )
        return answer.content

    async def faced(self, method: str = "GET", body: bytes | None = None) -> tuple[asyncio.Task[bytes], Raw]:
        """A request whose head and body a new connection has received."""
        asking = self.ask(method, body)
        raw = await self.peer.accept()
        await self.received(raw, body)
        return asking, raw

    async def received(self, raw: Raw, body: bytes | None = None) -> bytes:
        """The next request's head; its body is taken off the link, too."""
        head = await raw.until(b"\r\n\r\n")
        if body:
            assert await raw.receive(len(body)) == body
        return head

    async def kept(self) -> Raw:
        """A connection that has served a request and is idle now."""
        asking, raw = await self.faced()
        await raw.send(OK)
        assert await asking == b"ok"
        return raw

    async def shaken_off(self, raw: Raw) -> None:
        """The client has let go of this connection: nothing is open, lent or idle, and its socket has ended."""
        transports = self.http.bound()
        await until(lambda: not transports._open)
        assert (transports.pool.total, transports.pool.idle, transports.pool.waiting_count) == (0, {}, 0)
        assert isinstance(raw, SocketRaw)
        if not raw.closed:
            await raw.gone()

    async def goes_on(self) -> None:
        """The next request is served, and it is not served by a connection from before."""
        before = len(self.peer.accepted)
        asking = self.ask(path="/next")
        raw = await self.peer.accept()
        assert (await self.received(raw)).startswith(b"GET /next ")
        await raw.send(OK)
        assert await asking == b"ok"
        assert len(self.peer.accepted) == before + 1

    async def at_rest(self) -> None:
        """No task is left, and what is open is idle."""
        pool = self.http.bound().pool
        await until(lambda: asyncio.all_tasks() <= self._tasks)
        await until(lambda: pool.total == sum(map(len, pool.idle.values())))
        assert pool.waiting_count == 0


@asynccontextmanager
async def hostile(kind: str = "tcp", *, receive_buffer: int | None = None, **options: object) -> AsyncIterator[Hostile]:
    """Both ends; afterwards no task and no socket is left that was not there before."""
    async with raw_server(kind, receive_buffer=receive_buffer) as peer:
        await asyncio.sleep(0)  # it listens
        before = sockets()
        options.setdefault("timeouts", Timeouts(linger=0.01))  # the raw end says no close_notify in return
        async with peer.session(**options) as http:
            here = Hostile(peer, http)
            yield here
            await here.at_rest()
        for raw in peer.accepted:
            await raw.close()
        await until(lambda: sockets() <= before)
