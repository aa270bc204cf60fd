"""splice(2): bodies of known length from socket to socket, which this process never sees.

How it works. A splice goes through a pipe of 1 MiB, taken from a small pool: as much as the source has is filled in,
and the sink takes as much as it can. What is in the pipe when the sink fails is read back: the source loses nothing.
Measured with a throw-away program: 0.20 - 0.25 CPU seconds a GiB, where HAProxy with splice took 0.30 and nginx 0.54.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

from toolkit.protocol.aio.zerocopy import Passage, passage, sink_lost

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.protocol.aio.connection import Connection
    from toolkit.protocol.exchange import Exchange

__all__ = ["splice"]

PIPE: Final = 1024 * 1024  # the largest an unprivileged process may ask for (/proc/sys/fs/pipe-max-size)
POOLED: Final = 8
_F_SETPIPE_SZ: Final = 1031
_FLAGS: Final = getattr(os, "SPLICE_F_MOVE", 1) | getattr(os, "SPLICE_F_NONBLOCK", 2)
_pipes: list[tuple[int, int]] = []  # empty pipes; a pipe belongs to one splice at a time


def _forget_pipes() -> None:
    """After a fork parent and child hold the same pipes: one visitor's bytes could come out in another's answer."""
    while _pipes:
        for fd in _pipes.pop():
            os.close(fd)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pipes)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """A pipe from the pool, or a new one; only an empty one goes back."""
    if _pipes:
        ends = _pipes.pop()
    else:
        ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # over the user's allowance: the default of 64 KiB works, too
            fcntl.fcntl(ends[1], _F_SETPIPE_SZ, PIPE)
    clean = False
    try:
        yield ends
        clean = True
    finally:
        if clean and len(_pipes) < POOLED:
            _pipes.append(ends)
        else:
            os.close(ends[0])
            os.close(ends[1])


class _Conduit:
    """Bytes from socket to socket through a pipe."""

    __slots__ = ("_passage", "_pipe", "held", "moved", "source_open")

    def __init__(self, way: Passage, pipe: tuple[int, int]) -> None:
        self._passage = way
        self._pipe = pipe
        self.source_open = True
        self.held = 0  # in the pipe
        self.moved = 0  # handed to the sink

    def fill(self, most: int) -> int:
        """From the source's socket into the pipe; 0 where nothing is there, no room, or the source has ended."""
        if not self.source_open or self.held >= PIPE:
            return 0
        if self._passage.origin.lost is not None:
            self.source_open = False
            return 0
        try:
            count = os.splice(self._passage.source_socket.fd, self._pipe[1], min(most, PIPE), flags=_FLAGS)
        except BlockingIOError:  # no input, or a full pipe
            return 0
        except OSError:
            count = 0
        if not count:
            self.source_open = False
        self.held += count
        return count

    def empty(self) -> int:
        """From the pipe into the sink's socket, whatever that takes."""
        try:
            count = os.splice(self._pipe[0], self._passage.sink_socket.fd, self.held, flags=_FLAGS)
        except BlockingIOError:
            return 0
        except OSError as error:
            sink_lost(self._passage.sink, error)  # a pipe of ours cannot fail: it is the socket
            return 0
        self.held -= count
        self.moved += count
        return count

    async def wait(self, progress: bool) -> None:
        """Behind a turn of `fill` and `empty`: for room, for bytes, or only until others had their turn."""
        if self.held and not progress:
            await self._passage.writable()
        elif progress or not self.source_open:
            await asyncio.sleep(0)
        elif not await self._passage.readable():
            self.source_open = False

    def read_back(self) -> bytes:
        """What the sink did not take of what was received."""
        parts = []
        while self.held and (data := os.read(self._pipe[0], self.held)):
            parts.append(data)
            self.held -= len(data)
        return b"".join(parts)


async def splice(sink: Connection, x: Exchange, origin: Connection, source: Exchange) -> int:
    """Move the rest of `source`'s body of known length to `x`. Returns how many bytes the sink's kernel took.

    Ends early, without raising, when the source ends or fails: its connection finds out by itself when it reads on.
    Raises only what the sink did.
    """
    async with passage(sink, x, origin, source) as way:
        if way is None:
            return 0
        with _pipe() as pipe:
            conduit = _Conduit(way, pipe)
            try:
                await _move(way, conduit, origin.receiver.left)
            finally:
                _account(conduit, origin, source)
            return conduit.moved


async def _move(way: Passage, conduit: _Conduit, left: int) -> None:
    while (left and conduit.source_open) or conduit.held:
        way.check_sink()
        filled = conduit.fill(left) if left else 0
        left -= filled
        emptied = conduit.empty() if conduit.held else 0
        way.passed(emptied)
        if left or conduit.held:
            await conduit.wait(bool(filled or emptied))


def _account(conduit: _Conduit, origin: Connection, source: Exchange) -> None:
    """Tell the source's receiver what went past it; what is stuck in the pipe goes back to the source."""
    taken = conduit.moved + conduit.held
    stuck = conduit.read_back()
    inbound = source._in
    if stuck and inbound is not None and not inbound.ended:
        inbound.feed(stuck)
    if taken and origin.lost is None:
        origin.receiver.skip(taken)
