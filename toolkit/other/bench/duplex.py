"""The streams of a duplex load: chunks go out on an open request, and come back on its answer.

Each stream is one exchange of an ordinary `Session` (POST, chunked both ways) with a route that echoes. What is
measured is the way there and back of one chunk: from when it was due to when its last byte is back. A stream is as
many slots of the pacer as it may have chunks under way. Chunks are counted in bytes, however they were cut on the way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from toolkit.client.session import Session
from toolkit.client.session_options import PoolLimits
from toolkit.errors import ConnectError, Disconnected, RemoteProtocolError, ToolkitError
from toolkit.other.bench.load import FIRST_PAUSE, LONGEST_PAUSE, Load, failure
from toolkit.other.bench.options import Options, tls_context
from toolkit.other.bench.pacer import clock
from toolkit.protocol.limits import Timeouts

if TYPE_CHECKING:
    from toolkit.client.response import Response

__all__ = ["DuplexLoad", "Stream"]


class Broken(ToolkitError):
    """A stream ended before its time: the kind of the error, and how many chunks it cost (at least 1)."""

    def __init__(self, kind: str, lost: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.lost = max(1, lost)


def kind_of(error: Exception) -> str:
    """The kind of a session's error, in a word or two."""
    if isinstance(error, RemoteProtocolError):
        return "malformed"
    if isinstance(error, Disconnected):
        return "closed" if error.clean else "reset"
    if isinstance(error, ConnectError) and isinstance(error.__cause__, OSError):
        return failure(error.__cause__)
    return failure(error)


class Stream:
    """One exchange with chunks under way on it: a slot of the pacer, several times over with `--pipeline`."""

    def __init__(self, load: DuplexLoad, x: Response) -> None:
        self._load = load
        self._x = x
        self._times: deque[int] = deque()  # of the chunks under way, as they were due
        self._to_write = 0
        self._ending = False
        self._left = False
        self._wanted = asyncio.Event()
        self._place = 0  # in the chunk that is coming back
        self._right = True
        self._marked = self._marked_at = 0
        self._task = asyncio.current_task()

    def send(self, due: int) -> None:
        """A chunk that was due at this time."""
        self._times.append(due)
        self._to_write += 1
        self._wanted.set()

    def end(self) -> None:
        """End the request; the answer's end is then the stream's."""
        self._ending = True
        self._wanted.set()

    @property
    def busy(self) -> int:
        """Chunks under way."""
        return len(self._times)

    async def carry(self) -> None:
        """Write and read until the end that was asked for. Raises `Broken` at any other."""
        writing = asyncio.ensure_future(self._write())
        try:
            await self._read()
        except (OSError, ToolkitError) as error:
            raise Broken(kind_of(error), self.busy) from error
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)  # what it met, the reader met, too
        status = self._x.status or 0
        if status >= 300:
            raise Broken(f"status {status}", self.busy)
        if not self._ending or self._times:
            raise Broken("closed", self.busy)

    async def _write(self) -> None:
        chunk, record = self._load.chunk, self._load.record
        while True:
            _ = await self._wanted.wait()
            self._wanted.clear()
            while self._to_write:
                self._to_write -= 1
                await self._x.write(chunk)
                record.counts.sent += len(chunk)
            if self._ending:
                await self._x.eof()

    async def _read(self) -> None:
        await self._x.head()
        if (self._x.status or 0) >= 300:
            return
        async for piece in self._x.pull(decode=False):
            self._take(piece, clock())

    def _take(self, piece: bytes, now: int) -> None:
        load, size = self._load, len(self._load.chunk)
        load.record.counts.received += len(piece)
        pos = 0
        while pos < len(piece):
            if not self._times:
                raise RemoteProtocolError("more came back than was sent")
            taken = min(size - self._place, len(piece) - pos)
            if load.options.check and not load.chunk.startswith(piece[pos : pos + taken], self._place):
                self._right = False
            pos += taken
            self._place += taken
            if self._place == size:
                self._arrived(now)

    def _arrived(self, now: int) -> None:
        load = self._load
        if not self._right:
            load.failed("wrong body")
        self._place, self._right = 0, True
        load.record.latencies.record(now - self._times.popleft())
        load.record.counts.answers += 1
        load.pacer.free(self, now)

    def sweep(self, now: int, timeout: int) -> None:
        """Give up if the next chunk has been waited for longer than `timeout` ns."""
        if not self._times:
            return
        if self._marked != self._times[0]:
            self._marked, self._marked_at = self._times[0], now  # seen for the first time
        elif now - self._marked_at > timeout:
            self.give_up("timeout", now)

    def give_up(self, kind: str, now: int) -> None:
        """End the stream; what is under way has failed, and its age counts as a latency."""
        for due in self._times:
            self._load.waited(kind, now - due)
        self.leave()
        if self._task is not None:
            self._task.cancel()

    def leave(self) -> None:
        """The pacer's slots are no more."""
        if not self._left:
            self._left = True
            self._load.pacer.leave(self, len(self._times))
            self._times.clear()


class DuplexLoad(Load):
    """Chunks over streams, each stream kept by a task of its own."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.chunk = bytes(at % 251 for at in range(options.chunk))  # a prime: a shifted chunk is another one
        self.streams: set[Stream] = set()
        self._session = Session(
            unix=options.unix,
            tls=tls_context(options),
            headers=options.headers,
            timeouts=Timeouts(connect=options.timeout, read=None, write=None),
            pool=PoolLimits(connections=options.connections, per_origin=options.connections),
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._tries = 0  # streams that were opened, or failed
        self._all_tried = asyncio.Event()
        self._first_error: Exception | None = None

    @property
    def is_alive(self) -> bool:
        return bool(self.streams)

    async def open(self) -> None:
        for _ in range(self.options.connections):
            self._keep()
        _ = await self._all_tried.wait()
        if not self.streams and self._first_error is not None:
            raise ConnectError(str(self._first_error)) from self._first_error

    def _keep(self) -> None:
        task = asyncio.get_running_loop().create_task(self._stream())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A stream's task ends only when the stream was given up, or the load is over."""
        self._tasks.discard(task)
        if self.running:
            self._keep()

    async def _stream(self) -> None:
        """One stream after another, until one ends in order."""
        pause = FIRST_PAUSE
        while self.running:
            answers = self.record.counts.answers
            try:
                return await self._one()
            except Broken as error:
                self.failed(error.kind, error.lost)
            except (OSError, ToolkitError) as error:
                self._first_error = self._first_error or error
                self.failed(kind_of(error))
            finally:
                self._tried()
            pause = FIRST_PAUSE if self.record.counts.answers != answers else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def _tried(self) -> None:
        self._tries += 1
        if self._tries >= self.options.connections:
            self._all_tried.set()

    async def _one(self) -> None:
        begun, options = clock(), self.options
        async with self._session.request(options.method, options.url) as x:
            now = clock()
            counts = self.record.counts
            counts.opened += 1
            counts.connecting += now - begun
            counts.slowest_connect = max(counts.slowest_connect, now - begun)
            stream = Stream(self, x)
            self.streams.add(stream)
            self._tried()
            for _ in range(options.pipeline):
                self.pacer.join(stream, now)
            try:
                await stream.carry()
            finally:
                self.streams.discard(stream)
                stream.leave()

    def sweep(self, now: int) -> None:
        timeout = int(self.options.timeout * 1e9)
        for stream in list(self.streams):
            stream.sweep(now, timeout)

    def give_up(self, now: int) -> None:
        for stream in list(self.streams):
            if stream.busy:
                stream.give_up("unfinished", now)

    async def close(self) -> None:
        self.running = False
        for stream in self.streams:
            stream.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.options.grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.pacer.close()
        await self._session.close()
