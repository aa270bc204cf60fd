"""Chunks from socket to socket, through one buffer and past both transports.

How it works. A chunked body cannot be spliced: its framing has to be read. But most of it is plain (a size line, data,
CRLF), and what is plain may leave as it came: it is received into one buffer, looked over where the lines stand, and
sent from that buffer. No bytes object is made, nothing is cut out, joined or framed anew. As in
`toolkit.protocol.aio.zerocopy`, the descriptors are duplicated, the source's transport stops reading, and the sink's
buffer is drained before.

The sink is between two chunks when this begins: what the source's chunk at hand still lacks is announced to it as a
chunk. It is between two chunks again when this ends in good order: at a line that is not plain (the last chunk, an
extension, a fault), which the source's receiver then reads by itself. A source that dies in the middle leaves a sink
that is cut short, and whoever relays aborts it.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from toolkit.errors import ReadTimeout, WriteTimeout
from toolkit.protocol.aio.zerocopy import Socket, duplicate, sink_error, sink_lost
from toolkit.protocol.chunked import size_line

if TYPE_CHECKING:
    from toolkit.protocol.aio.connection import Connection
    from toolkit.protocol.chunked import ChunkedDecoder
    from toolkit.protocol.exchange import Exchange

__all__ = ["forward"]

CR: Final = 0x0D
SIZE: Final = 256 * 1024  # bytes of a buffer; what Linux gives at once from a full receive buffer is about this much
POOLED: Final = 8
_buffers: list[memoryview] = []  # the last one used comes first: it is still in the processor's cache


async def forward(sink: Connection, x: Exchange, origin: Connection, source: Exchange) -> int:
    """Send on the plain chunks of `source`'s body. Returns how many bytes of payload the sink's kernel took.

    Ends without raising at the first line that is not plain, and when the source ends or fails: its connection finds
    out by itself when it reads on. Raises only what the sink did.
    """
    was_paused = origin._paused
    origin._pause()
    origin.splicing = True
    try:
        await sink.empty_buffer()
        inbound = source._in
        if sink.lost is not None or x._error is not None:
            raise sink_error(sink, x)
        if inbound is None or inbound.chunks or inbound.ended or origin.lost is not None:
            return 0
        left, decoder = origin.in_chunk(source), origin.receiver.decoder
        if not left or decoder is None:
            return 0
        with duplicate(origin) as read_fd, duplicate(sink) as write_fd:
            peers = (sink, origin)
            run = _Forward(x, source, decoder, Socket(origin, read_fd, peers), Socket(sink, write_fd, peers))
            try:
                await run.run(left)
            finally:
                run.give_back()
            return run.moved
    finally:
        origin.splicing = False
        if not was_paused:
            origin._resume()


class _Forward:
    """One run: what stands in the buffer, and what of it the sink has."""

    def __init__(
        self, x: Exchange, source: Exchange, decoder: ChunkedDecoder, readable: Socket, writable: Socket
    ) -> None:
        self.x = x
        self.source = source
        self.decoder = decoder
        self.readable = readable
        self.writable = writable
        self.origin = readable.connection
        self.sink = writable.connection
        self.view: memoryview | None = None  # held only while it has something in it
        self.end = 0  # of what is in the buffer
        self.sent = 0  # of what the sink has of it
        self.moved = 0  # bytes of payload

    async def run(self, left: int) -> None:
        """Until a line is not plain, or has not come whole; until the source has nothing more to give."""
        await self._send(memoryview(size_line(left)))
        while await self._receive():
            view = self.view
            assert view is not None  # our own invariant: something was received
            place = self.decoder.place
            size, payload = self.decoder.skim(view[: self.end])
            try:
                await self._send(view[:size])
            except BaseException:  # the sink's own, or a cancellation: what it did not take is the source's
                self.decoder.go_back(place)
                self.sent, payload = self.decoder.skim(view[: self.sent])
                raise
            finally:
                self._account(payload)
            if size == self.end:
                self._release()
            elif not self._kept_line_end(view, size):
                return
            await asyncio.sleep(0)  # others get their turn, the source's sender among them: there is more to come then

    def _kept_line_end(self, view: memoryview, size: int) -> bool:
        """Whether all that is left is the CR behind a chunk's data, whose LF comes later: it begins the next fill.

        Between two chunks the sink may be handed back, but not here: it has yet to get the CRLF.
        """
        if self.decoder.in_line_end and self.end - size == 1 and view[size] == CR:
            view[0] = CR
            self.sent, self.end = 0, 1
            return True
        return False

    async def _receive(self) -> bool:
        """Fill a buffer, behind what was kept in it; False when the source has ended or failed."""
        kept = self.end if self.view is not None else 0
        self.sent, self.end = 0, kept
        while self.origin.lost is None:
            if self.sink.lost is not None or self.x._error is not None:
                raise sink_error(self.sink, self.x)
            view = self.view
            if view is None:
                view = self.view = _buffers.pop() if _buffers else memoryview(bytearray(SIZE))
            try:
                received = os.readv(self.readable.fd, [view[kept:]])
            except BlockingIOError:
                if not kept:
                    self._release()
            except OSError:
                return False
            else:
                self.end = kept + received
                return received > 0
            seconds = self.origin.watch.read_of(self.source).seconds
            if not await self.readable.readable(seconds):
                self.origin.fail(ReadTimeout(f"no byte came for {seconds} s"))
        return False

    async def _send(self, data: memoryview) -> None:
        """All of it."""
        self.sent = 0
        seconds = self.sink.watch.timeouts.write
        while self.sent < len(data):
            if self.sink.lost is not None or self.x._error is not None:
                raise sink_error(self.sink, self.x)
            try:
                self.sent += os.write(self.writable.fd, data[self.sent :])
            except BlockingIOError:
                if not await self.writable.writable(seconds):
                    self.sink.fail(WriteTimeout(f"the peer took nothing for {seconds} s"))
            except OSError as error:
                sink_lost(self.sink, error)

    def _account(self, payload: int) -> None:
        self.moved += payload
        self.x._sent += payload
        inbound = self.source._in
        if inbound is not None:
            inbound.received += payload

    def _release(self) -> None:
        view, self.view = self.view, None
        if view is not None and len(_buffers) < POOLED:
            _buffers.append(view)

    def give_back(self) -> None:
        """What the sink did not get goes the ordinary way."""
        view = self.view
        if view is not None:
            rest = bytes(view[self.sent : self.end])
            self._release()
            if rest and self.origin.lost is None:
                self.origin.data_received(rest)
