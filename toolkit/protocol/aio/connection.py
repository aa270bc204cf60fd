"""Connection: a link with the protocol state on it. The same code for both ends; never seen by users.

How a byte moves. In: transport -> `data_received` -> the receiver (framing removed) -> `on_body` -> the exchange's
`Inbound`, where a waiting reader is woken. Out: `exchange.write` -> `send_part` (framing added) -> transport. There is
no queue of our own on the way out: the transport's buffer is the only one, and its mark is `Limits.write_mark`.

HTTP/1.1 carries one exchange at a time, so the connection is itself the wire it lends. It takes it back when both
messages are done (`_cycle_done`): the exchange keeps what it knows and loses its wire, so a late call can never touch
the connection's next exchange.

Subclasses say what differs: whose head arrives, and what happens between two exchanges.
"""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING, Final, cast

from toolkit.errors import Disconnected, ReadTimeout, RemoteProtocolError, WriteTimeout
from toolkit.protocol.aio import forwarding, splicing, zerocopy
from toolkit.protocol.aio.link import caps_of, reset_transport
from toolkit.protocol.chunked import LAST_CHUNK, chunk, last_chunk, size_line
from toolkit.protocol.compiled import mypyc_attr
from toolkit.protocol.framing import CHUNKED, CLOSE, RAW_BYTES
from toolkit.protocol.states import DONE
from toolkit.protocol.wire import READY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit.protocol.aio.watch import Watch
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.headers import Fields
    from toolkit.protocol.http1 import Receiver
    from toolkit.protocol.limits import Limits
    from toolkit.protocol.readable import Readable
    from toolkit.protocol.wire import Caps

__all__ = ["Connection"]

JOINED: Final = 4 * 1024  # chunks up to this size are copied into one buffer with their framing


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection(asyncio.Protocol):
    """The shared half of both ends: transport, flow control, disconnects, the wire's verbs."""

    __slots__ = (
        "_drainers",
        "_gathers",
        "_lingering",
        "_paused",
        "_progress",
        "_reading",
        "_unwritten",
        "_waiters",
        "_writing",
        "blocked",
        "caps",
        "exchange",
        "limits",
        "loop",
        "lost",
        "peer_ended",
        "receiver",
        "splicing",
        "transport",
        "watch",
    )

    receiver: Receiver
    transport: asyncio.Transport
    caps: Caps

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.limits: Limits = watch.limits
        self.loop: asyncio.AbstractEventLoop = watch.clock.loop
        self.exchange: Exchange | None = None  # who has the wire now
        self.blocked = False
        self.lost: Exception | None = None  # why the link is of no use any more
        self.peer_ended = False  # a FIN has come
        self._paused = False
        self._lingering = False
        self._waiters: list[asyncio.Future[None]] | None = None
        self._drainers: list[asyncio.Future[None]] | None = None
        self.splicing = False  # the kernel moves the inbound body past us
        self._reading = watch.read  # the read deadline in force
        self._writing = watch.write  # likewise
        self._progress = 0  # what `_moved` said when the reader began to wait
        self._unwritten = 0  # what the transport held when its write deadline began

    # -- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The link is there."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by name
        self.caps = caps_of(transport)
        # uvloop's `writelines` gathers without copying. asyncio's joins, and until 3.12.8 and 3.13.1 forgot to pause
        # the writer over the mark: a copy of ours and `write` are as quick and right everywhere.
        self._gathers = not isinstance(transport, asyncio.Transport)
        self.transport.set_write_buffer_limits(self.limits.write_mark)

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        self.receiver.receive(data)

    def eof_received(self) -> bool:
        """A FIN: the peer sends no more. Returns whether the link stays open for what we still owe it."""
        self.peer_ended = True
        self.receiver.receive_eof()
        self._on_fin()
        return self.caps.half_close and self.lost is None and not self.transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The link is gone, for whatever reason."""
        if self.lost is None:
            reason = str(exc) if exc is not None else "the connection was closed"
            self.lost = Disconnected(f"the peer disconnected: {reason}", clean=exc is None)
            self.lost.__cause__ = exc
        if exc is None and self.peer_ended:  # an end that we made, or one without close_notify, is no clean end
            self.receiver.receive_eof()
        self.receiver.stop()
        self.watch.forget(self)
        self._writing.stop(self)
        self._tell_lost(self.lost)
        self._on_lost()

    def pause_writing(self) -> None:
        """The transport's buffer is over its mark."""
        self.blocked = True
        self._unwritten = self.transport.get_write_buffer_size()
        self._writing = self.watch.write_of(self.exchange)
        self._writing.start(self)

    def resume_writing(self) -> None:
        """It is below again."""
        self.blocked = False
        self._writing.stop(self)
        self._release_drainers()

    # -- receiver's sink ---------------------------------------------------------------------------------------

    def on_body(self, data: bytes) -> None:
        """Payload for the exchange; over the mark, the socket is left alone."""
        x = self.exchange
        inbound = None if x is None else x._in
        if inbound is None:
            return
        if inbound.feed(data) >= self.limits.read_mark:
            self._pause()
        if self._waiters:
            self._wake()

    def on_end(self, trailers: Fields | None, complete: bool | None) -> None:
        """The inbound message is over."""
        x = self.exchange
        if x is None or x._in is None:
            return
        x._in.end(complete, trailers)
        self._wake()
        self._inbound_done(x)

    def on_fault(self, error: RemoteProtocolError) -> None:
        """The peer broke the protocol."""
        raise NotImplementedError

    def on_held(self, size: int) -> None:
        """Bytes of later messages wait; over the mark, the socket is left alone."""
        if size >= self.limits.pipelined:
            self._pause()

    # -- what subclasses decide --------------------------------------------------------------------------------

    def _on_fin(self) -> None:
        """The peer ended its side."""

    def _on_lost(self) -> None:
        """The link is gone and everybody has been told."""

    def _inbound_done(self, x: Exchange) -> None:
        """The inbound message ended."""
        if x._out is DONE:
            self._cycle_done(x)

    def _inbound_failed(self, x: Exchange) -> None:
        """The inbound message will never end."""

    def _outbound_done(self, x: Exchange) -> None:
        """The outbound message ended."""
        inbound = x._in
        if inbound is None or inbound.ended:
            self._cycle_done(x)

    def _cycle_done(self, x: Exchange) -> None:
        """Both are over."""
        raise NotImplementedError

    # -- wire --------------------------------------------------------------------------------------------------

    def send_part(self, x: Exchange, data: bytes) -> None:
        """A piece of the body, framed."""
        transport = self.transport
        if transport.is_closing():
            # A transport drops what it is given from here to `connection_lost`, in silence: make the writer wait for
            # that, or one that never has to wait for its data would keep the loop from ever telling him.
            self.blocked = True
        elif x._framing is not CHUNKED:
            transport.write(data)
        elif len(data) <= JOINED or not self._gathers:
            transport.write(chunk(data))
        else:
            transport.writelines((size_line(len(data)), data, b"\r\n"))

    def send_end(self, x: Exchange, trailers: Fields) -> None:
        """The clean end of the body; the caller has marked the message DONE."""
        framing = x._framing
        if framing is CHUNKED and not x._discard:
            self.transport.write(last_chunk(trailers) if trailers else LAST_CHUNK)
        elif framing is CLOSE or framing is RAW_BYTES:
            self._end_link(x)
        self._outbound_done(x)

    def _end_link(self, x: Exchange) -> None:
        """The end of the body is the end of our direction; where that cannot be said, of the link (TLS)."""
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof() and self.caps.half_close:
            self._write_eof()
            return
        if x._in is not None:  # what the peer still had to say is lost, and that is no clean end
            x._in.fail(Disconnected("eof() ended both directions: this link (TLS) cannot end one"))
            self._wake()
        self.close()

    def _write_eof(self) -> None:
        try:
            self.transport.write_eof()
        except OSError:  # asyncio: the peer has reset the link and the loop has not read that yet
            self.transport.abort()

    def consumed(self, x: Readable, count: int) -> None:
        """A reader took `count` bytes."""
        if self._paused:
            inbound = x._in
            if inbound is None or inbound.buffered <= self.limits.read_mark // 2:
                self._resume()

    def inbound_left(self, x: Exchange) -> int:
        """What a body of known length still lacks."""
        return self.receiver.left if x is self.exchange else 0

    def in_chunk(self, x: Exchange) -> int:
        """What the chunk at hand still lacks."""
        return self.receiver.in_chunk if x is self.exchange else 0

    def reset(self, x: Exchange, reason: str) -> None:
        """The end of this link; seen as an error by the peer."""
        if self.lost is not None:
            return
        self.fail(Disconnected(reason), hard=x._framing is CLOSE or x._framing is RAW_BYTES, flush=True)

    def owner(self) -> asyncio.Task[object] | None:
        """The running task."""
        try:
            return asyncio.current_task()
        except RuntimeError:  # called from a callback of another loop, or of none
            return None

    def turn(self) -> asyncio.Lock:
        """asyncio's lock is fair."""
        return asyncio.Lock()

    def later(self, call: Callable[[], None]) -> None:
        """In the loop's next turn: when the running code has waited for something."""
        self.loop.call_soon(call)

    async def drain(self) -> None:
        """Wait for the transport's buffer to fall below its mark."""
        while self.blocked and self.lost is None:
            future = self.loop.create_future()
            if self._drainers is None:
                self._drainers = []
            self._drainers.append(future)
            try:
                await future
            finally:
                self._drainers.remove(future)
        if self.lost is not None:
            raise self.lost

    def receive(self, x: Exchange) -> Awaitable[None]:
        """Over when something has arrived for `x`, or its link ends; its read deadline runs from now on."""
        if x is not self.exchange or self.lost is not None:
            return READY
        future = self.loop.create_future()
        waiters = self._waiters
        if waiters:  # those who were cancelled stay until somebody looks; mostly there is nobody
            self._waiters = [*(waiter for waiter in waiters if not waiter.done()), future]
        else:
            self._waiters = [future]
        reading = self._reading = self.watch.read_of(x)
        inbound = x._in
        if x._sent:  # what is still on its way out counts as life: see `_read_stalled`
            self._progress = self._moved(x)
        else:
            self._progress = 0 if inbound is None else inbound.received
        reading.start(self)
        return future

    async def offload(self, call: Callable[[bytes], bytes], data: bytes) -> bytes:
        """In the loop's default thread pool."""
        return await self.loop.run_in_executor(None, call, data)

    async def send_file(self, x: Exchange, file: IO[bytes], offset: int, count: int) -> int:
        """By sendfile(2)."""
        return await zerocopy.send_file(self, x, file, offset, count)

    async def forward(self, x: Exchange, source: Exchange) -> int:
        """Through one buffer, past both transports."""
        origin = source._wire
        return await forwarding.forward(self, x, origin, source) if isinstance(origin, Connection) else 0

    async def splice(self, x: Exchange, source: Exchange) -> int:
        """By splice(2), from another connection; from any other kind of wire nothing goes this way."""
        origin = source._wire
        return await splicing.splice(self, x, origin, source) if isinstance(origin, Connection) else 0

    # -- flow and waiting --------------------------------------------------------------------------------------

    def _pause(self) -> None:
        if not self._paused and self.lost is None:
            self._paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self.lost is None and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def _wake(self) -> None:
        """Whoever waits for something to arrive looks again."""
        waiters = self._waiters
        if waiters:
            self._waiters = None
            self._reading.stop(self)
            for future in waiters:
                if not future.done():
                    future.set_result(None)

    def _release_drainers(self) -> None:
        for future in self._drainers or ():
            if not future.done():
                future.set_result(None)

    def watch_ends(self, future: asyncio.Future[None]) -> None:
        """Wake `future`, too, when the link is given up: for a task that waits on the socket itself."""
        if self._drainers is None:
            self._drainers = []
        self._drainers.append(future)

    def unwatch(self, future: asyncio.Future[None]) -> None:
        """It waits no longer."""
        if self._drainers:
            self._drainers.remove(future)

    async def empty_buffer(self) -> None:
        """Wait until the kernel has everything: what goes past the transport must come behind it."""
        self.transport.set_write_buffer_limits(0, 0)
        try:
            await asyncio.sleep(0)  # uvloop writes at the end of the loop's turn
            await self.drain()
        finally:
            if self.lost is None and not self.transport.is_closing():
                self.transport.set_write_buffer_limits(self.limits.write_mark)

    # -- ends --------------------------------------------------------------------------------------------------

    def fail(self, error: Exception, *, hard: bool = False, flush: bool = False) -> None:
        """Give the link up; everybody who uses it gets `error`.

        `hard`: the peer sees a reset. `flush`: what was written still leaves, and stops short.
        """
        if self.lost is not None:
            return
        self.lost = error
        self.receiver.stop()
        self._tell_lost(error)
        if hard:
            reset_transport(self.transport)
        elif flush:
            self.close()
        else:
            self.transport.abort()

    def _tell_lost(self, error: Exception) -> None:
        x = self.exchange
        lent: object = None if x is None else x._wire
        if x is not None and lent is self:  # not one that has begun anew on another connection
            x._lost(error)
            self._inbound_failed(x)
        self._wake()
        self._release_drainers()

    def close(self) -> None:
        """Send what is buffered, then end the link; a peer that does not take it is cut off."""
        transport = self.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size():
            self._unwritten = transport.get_write_buffer_size()
            self._writing.start(self)
        transport.close()

    def linger(self) -> None:
        """A lingering close (RFC 9112 9.6): closing over unread input would reset the peer and destroy the answer."""
        self._lingering = True
        self.receiver.stop()
        if self.peer_ended:
            self.close()
            return
        if self.caps.half_close and not self.transport.is_closing():
            self._write_eof()
        self._resume()
        self.watch.linger.start(self)

    # -- time --------------------------------------------------------------------------------------------------

    def on_deadline(self, kind: str) -> None:
        """A deadline fell due; subclasses have kinds of their own."""
        if kind == "linger":
            self.close()
        elif kind == "write":
            self._write_stalled()
        elif kind == "read":
            self._read_stalled()

    def _write_stalled(self) -> None:
        """The kernel took nothing for `Timeouts.write`, or only part of it."""
        size = self.transport.get_write_buffer_size()
        if size < self._unwritten:
            self._unwritten = size
            self._writing.start(self)
        elif size:
            error = WriteTimeout(f"the peer took none of {size} bytes for {self._writing.seconds} s")
            if self.lost is None:
                self.fail(error)
            else:
                self.transport.abort()

    def _moved(self, x: Exchange) -> int:
        """A number that changes when a byte moves in either direction."""
        return x.received_len + x._sent - self.transport.get_write_buffer_size()

    def _read_stalled(self) -> None:
        """A reader waited for `read` seconds; bytes on their way out count as life."""
        x = self.exchange
        if x is None or all(waiter.done() for waiter in self._waiters or ()):
            return
        moved = self._moved(x)
        reading = self._reading
        if moved != self._progress or self._paused:
            self._progress = moved
            reading.start(self)
            return
        self.fail(ReadTimeout(f"no byte moved for {reading.seconds} s while waiting for the peer"))
