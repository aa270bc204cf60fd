"""Past the transports: sendfile(2) from a file, and the way from one exchange's socket to another's.

How it works. Both loops refuse `add_reader` on a descriptor that a transport owns, and uvloop has no `sendfile`; so the
descriptors are duplicated, the source's transport stops reading, the sink's buffer is drained, and the kernel moves
bytes between the duplicates. The count is bounded by the framing, so the connections are whole afterwards and can carry
another exchange. What moves them from socket to socket is in `splicing.py` and `forwarding.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from typing import IO, TYPE_CHECKING, Final

from toolkit.errors import Disconnected, ReadTimeout, WriteTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from toolkit.protocol.aio.connection import Connection
    from toolkit.protocol.exchange import Exchange

__all__ = ["Passage", "Socket", "passage", "send_file", "sink_lost"]

BLOCK: Final = 1024 * 1024  # for one sendfile call: other connections get their turn
PEER_GONE: Final = frozenset([errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTUNREACH])


@contextlib.contextmanager
def duplicate(connection: Connection) -> Iterator[int]:
    """A descriptor of the connection's socket that the loop lets us watch."""
    fd = os.dup(connection.transport.get_extra_info("socket").fileno())
    try:
        yield fd
    finally:
        os.close(fd)


class Socket:
    """A duplicate, and how to wait on it."""

    __slots__ = ("connection", "fd", "peers")

    def __init__(self, connection: Connection, fd: int, peers: tuple[Connection, ...]) -> None:
        self.connection = connection
        self.fd = fd
        self.peers = peers

    async def readable(self, seconds: float | None) -> bool:
        """Wait; False after `seconds`. Returns early when a link of the pair is given up."""
        loop = self.connection.loop
        return await self._ready(loop.add_reader, loop.remove_reader, seconds)

    async def writable(self, seconds: float | None) -> bool:
        """The same for room in the send buffer."""
        loop = self.connection.loop
        return await self._ready(loop.add_writer, loop.remove_writer, seconds)

    async def _ready(self, add: _Add, remove: _Remove, seconds: float | None) -> bool:
        loop = self.connection.loop
        future: asyncio.Future[None] = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _expire, future)
        for peer in self.peers:
            peer.watch_ends(future)
        add(self.fd, _resolve, future)
        try:
            await future
            return True
        except TimeoutError:
            return False
        finally:
            remove(self.fd)
            for peer in self.peers:
                peer.unwatch(future)
            if timer is not None:
                timer.cancel()


if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    _Add: TypeAlias = Callable[[int, Callable[[asyncio.Future[None]], None], asyncio.Future[None]], None]
    _Remove: TypeAlias = Callable[[int], bool]


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def sink_error(connection: Connection, x: Exchange) -> Exception:
    """Why nothing more can be written."""
    return x._failure(x._error or connection.lost, "writing")


async def send_file(sink: Connection, x: Exchange, file: IO[bytes], offset: int, count: int) -> int:
    """Send `count` bytes of `file` to the sink's socket. Returns how many went; fewer if the file became shorter."""
    await sink.empty_buffer()
    if sink.lost is not None or x._error is not None:
        raise sink_error(sink, x)
    sent = 0
    source = file.fileno()
    with duplicate(sink) as fd:
        out = Socket(sink, fd, (sink,))
        while sent < count:
            if sink.lost is not None or x._error is not None:
                raise sink_error(sink, x)
            try:
                moved = os.sendfile(out.fd, source, offset + sent, min(BLOCK, count - sent))
            except BlockingIOError:
                if not await out.writable(sink.watch.timeouts.write):
                    sink.fail(WriteTimeout(f"the peer took nothing for {sink.watch.timeouts.write} s"))
                continue
            except OSError as error:
                if error.errno not in PEER_GONE:
                    break  # the file's fault, or no sendfile for such a file: copying will tell
                sink_lost(sink, error)
                continue
            if not moved:
                break
            sent += moved
            _sent(x, moved)
            await asyncio.sleep(0)
    return sent


def _sent(x: Exchange, count: int) -> None:
    x._sent += count
    if x._left >= 0:
        x._left -= count


def sink_lost(sink: Connection, error: OSError) -> None:
    """A system call said so, past the transport."""
    lost = Disconnected(f"the peer disconnected: {error}")
    lost.__cause__ = error
    sink.fail(lost)


class Passage:
    """Two sockets, from one exchange's source to the other, while neither transport uses its own."""

    __slots__ = ("origin", "sink", "sink_socket", "source", "source_socket", "x")

    def __init__(self, x: Exchange, source: Exchange, source_socket: Socket, sink_socket: Socket) -> None:
        self.x = x
        self.source = source
        self.source_socket = source_socket
        self.sink_socket = sink_socket
        self.origin = source_socket.connection
        self.sink = sink_socket.connection

    def check_sink(self) -> None:
        """Raises why nothing more can be written."""
        if self.sink.lost is not None or self.x._error is not None:
            raise sink_error(self.sink, self.x)

    async def readable(self) -> bool:
        """Wait for the source; False where it takes too long, which ends it."""
        seconds = self.origin.watch.read_of(self.source).seconds
        if await self.source_socket.readable(seconds):
            return True
        self.origin.fail(ReadTimeout(f"no byte came for {seconds} s"))
        return False

    async def writable(self) -> None:
        """Wait for the sink; where it takes too long, that ends it."""
        seconds = self.sink.watch.timeouts.write
        if not await self.sink_socket.writable(seconds):
            self.sink.fail(WriteTimeout(f"the peer took nothing for {seconds} s"))

    def passed(self, count: int) -> None:
        """The sink's kernel took so many bytes of the body."""
        _sent(self.x, count)
        inbound = self.source._in
        if inbound is not None:
            inbound.received += count


@contextlib.asynccontextmanager
async def passage(sink: Connection, x: Exchange, origin: Connection, source: Exchange) -> AsyncIterator[Passage | None]:
    """The way past both transports; None where the source has bytes that go first, or has ended.

    Raises what the sink failed of.
    """
    was_paused = origin._paused
    origin._pause()
    origin.splicing = True
    try:
        await sink.empty_buffer()
        if sink.lost is not None or x._error is not None:
            raise sink_error(sink, x)
        inbound = source._in
        if inbound is None or inbound.chunks or inbound.ended or origin.lost is not None:
            yield None
            return
        peers = (sink, origin)
        with duplicate(origin) as read_fd, duplicate(sink) as write_fd:
            yield Passage(x, source, Socket(origin, read_fd, peers), Socket(sink, write_fd, peers))
    finally:
        origin.splicing = False
        if not was_paused:
            origin._resume()
