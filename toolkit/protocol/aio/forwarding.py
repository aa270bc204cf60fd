"""Chunks from socket to socket, through one buffer and past both transports.

How it works. A chunked body cannot be spliced: its framing has to be read. But most of it is plain (a size line, data,
CRLF), and what is plain may leave as it came: it is received into one buffer, looked over where the lines stand, and
sent from that buffer. No bytes object is made, nothing is cut out, joined or framed anew.

Splicing large chunks with their lines looked at in the receive buffer (MSG_PEEK) was tried: chunks of 64 KiB took 0.44
CPU seconds a GiB instead of 0.42, and the signaling self-test, whose chunks have 100 KiB, lost a quarter of its speed.

The sink is between two chunks when this begins: what the source's chunk at hand still lacks is announced to it as a
chunk. It is between two chunks again when this ends in good order: at a line that is not plain (the last chunk, an
extension, a fault), which the source's receiver then reads by itself. A source that dies in the middle leaves a sink
that is cut short, and whoever relays aborts it.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from toolkit.protocol.aio.zerocopy import Passage, passage, sink_lost
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
    async with passage(sink, x, origin, source) as way:
        left, decoder = origin.in_chunk(source), origin.receiver.decoder
        if way is None or not left or decoder is None:
            return 0
        run = _Forward(way, decoder)
        try:
            await run.run(left)
        finally:
            run.give_back()
        return run.moved


class _Forward:
    """One run: what stands in the buffer, and what of it the sink has."""

    def __init__(self, way: Passage, decoder: ChunkedDecoder) -> None:
        self.way = way
        self.decoder = decoder
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
                self.moved += payload
                self.way.passed(payload)
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
        while self.way.origin.lost is None:
            self.way.check_sink()
            view = self.view
            if view is None:
                view = self.view = _buffers.pop() if _buffers else memoryview(bytearray(SIZE))
            try:
                received = os.readv(self.way.source_socket.fd, [view[kept:]])
            except BlockingIOError:
                if not kept:
                    self._release()
            except OSError:
                return False
            else:
                self.end = kept + received
                return received > 0
            await self.way.readable()
        return False

    async def _send(self, data: memoryview) -> None:
        """All of it."""
        self.sent = 0
        while self.sent < len(data):
            self.way.check_sink()
            try:
                self.sent += os.write(self.way.sink_socket.fd, data[self.sent :])
            except BlockingIOError:
                await self.way.writable()
            except OSError as error:
                sink_lost(self.way.sink, error)

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
            if rest and self.way.origin.lost is None:
                self.way.origin.data_received(rest)
