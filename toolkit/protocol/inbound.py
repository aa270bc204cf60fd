"""The inbound message's body: a bounded buffer between the wire and whoever reads.

The wire appends what arrived, uncopied; one reader takes it out. Above `Limits.read_mark` the wire is told to stop
reading its socket, below half of it to go on: that is all of inbound flow control.

A body has one reader at a time, and it may be anyone: the handler it belongs to, another handler, a task that outlives
both. `claim` records the running task; the claim ends when the body does, at `release`, or with the task, and the
position is kept for the next one. Content codings are undone between the buffer and the reader, at most
`Limits.decode_step` bytes at a time, so what a bomb costs is time that its reader chose to spend.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from toolkit.errors import Busy, RemoteProtocolError, UseError, caused

if TYPE_CHECKING:
    from toolkit.protocol.decoding import Decoder
    from toolkit.protocol.headers import Fields
    from toolkit.protocol.readable import Readable
    from toolkit.protocol.wire import Owner

__all__ = ["Inbound", "Pull", "decoding"]

COALESCE = 64 * 1024  # small pieces are joined up to this size: one turn of the reader's loop instead of many


class Inbound:
    """What has arrived of one body and has not been read."""

    __slots__ = (
        "buffered",
        "chunks",
        "coding",
        "complete",
        "decoder",
        "ended",
        "error",
        "expect",
        "mode",
        "owner",
        "received",
        "rest",
        "trailers",
    )

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.buffered = 0
        self.received = 0  # coded bytes, as `content_length` counts them
        self.ended = False  # nothing more will arrive
        self.complete: bool | None = False  # None: ended by FIN alone, nobody can tell
        self.error: Exception | None = None
        self.trailers: Fields | None = None
        self.owner: Owner | None = None
        self.expect = False  # a 100-continue is owed to the first reader
        self.mode: str | None = None  # "decoded" or "coded", once somebody has begun to read
        self.coding = ""  # the content-encoding field
        self.decoder: Decoder | None = None
        self.rest = b""  # decoded, cut off a piece of stated size

    def feed(self, data: bytes) -> int:
        """Append; returns what is buffered now."""
        if self.error is None:
            self.chunks.append(data)
            self.buffered += len(data)
        self.received += len(data)
        return self.buffered

    def fill(self, data: bytes) -> None:
        """The whole body at once."""
        if data:
            self.chunks.append(data)
        self.buffered = self.received = len(data)
        self.ended = True
        self.complete = True

    def end(self, complete: bool | None, trailers: Fields | None = None) -> None:
        """The wire saw the end of the body."""
        if self.error is not None:
            return
        self.ended = True
        self.complete = complete
        self.trailers = trailers

    def fail(self, error: Exception) -> None:
        """The body will never be whole. What arrived can still be read; then the error is raised."""
        if not self.ended:
            self.ended = True
            self.error = error

    def claim(self, owner: Owner | None, name: str) -> None:
        """The running task reads from now on. Raises `Busy` while another living task does."""
        held = self.owner
        if held is not None and held is not owner and not held.done():
            raise Busy(f"{name}: the body is being read by another task; one reader at a time")
        self.owner = owner

    @property
    def claimed(self) -> bool:
        """A living task has said that it reads."""
        return self.owner is not None and not self.owner.done()

    def release(self) -> None:
        """The reader is finished; the position is kept."""
        self.owner = None

    def take(self) -> bytes:
        """Coded bytes, b"" when there are none; small pieces come joined."""
        chunks = self.chunks
        if not chunks:
            return b""
        data = chunks.popleft()
        if chunks and len(data) < COALESCE:
            parts, size = [data], len(data)
            while chunks and size + len(chunks[0]) <= COALESCE:
                part = chunks.popleft()
                parts.append(part)
                size += len(part)
            data = b"".join(parts)
        self.buffered -= len(data)
        return data


class Pull:
    """An iterator over a body; what `exchange.pull()` returns. Not an async generator: leaving it half-way is free."""

    __slots__ = ("_decode", "_inbound", "_size", "_x")

    def __init__(self, x: Readable, inbound: Inbound | None, decode: bool, size: int | None) -> None:
        if size is not None and size < 1:
            raise UseError(f"pull(size={size}): expected at least 1")
        self._x = x
        self._inbound = inbound
        self._decode = decode
        self._size = size

    def __aiter__(self) -> Pull:
        return self

    async def __anext__(self) -> bytes:
        """The next piece, without suspending when one is there. Raises what ended the body early."""
        inbound = self._inbound
        if inbound is None:
            raise StopAsyncIteration
        if self._size is not None:
            return await self._sized(inbound, self._size)
        while True:
            data = self._step(inbound)
            if data:
                return data
            if inbound.ended and not inbound.chunks:
                self._finish(inbound)
            await self._x._receive(inbound)

    def _step(self, inbound: Inbound) -> bytes:
        """A piece that needs no waiting, or b""."""
        if inbound.rest:
            data, inbound.rest = inbound.rest, b""
            return data
        if self._decode and inbound.coding:
            return self._decoded(inbound)
        if not inbound.chunks:
            return b""
        data = inbound.take()
        self._x._consumed(len(data))
        return data

    def _decoded(self, inbound: Inbound) -> bytes:
        """The same with the coding undone, at most `Limits.decode_step` bytes."""
        try:
            decoder = inbound.decoder or self._x._start_decoding(inbound)
            if decoder is None:
                return self._step(inbound)
            while True:
                data = decoder.next()
                if data:
                    return data
                coded = inbound.take()
                if not coded:
                    return b""
                self._x._consumed(len(coded))
                decoder.feed(coded)
        except RemoteProtocolError as error:
            raise caused(self._x._failure(error, "decoding the body"), error)

    async def _sized(self, inbound: Inbound, size: int) -> bytes:
        """Pieces of exactly `size` bytes, the last one shorter."""
        parts: list[bytes] = []
        have = 0
        while have < size:
            data = self._step(inbound)
            if data:
                parts.append(data)
                have += len(data)
            elif inbound.ended and not inbound.chunks:
                if have:
                    break  # what arrived is given; what cut it short comes with the next piece
                self._finish(inbound)
            else:
                try:
                    await self._x._receive(inbound)
                except BaseException:
                    inbound.rest = b"".join(parts)  # cancelled: the position is kept
                    raise
        data = b"".join(parts)
        inbound.rest = data[size:]
        return data[:size]

    def _finish(self, inbound: Inbound) -> None:
        """The end of the body: raises StopAsyncIteration, or what cut it short."""
        self._inbound = None
        inbound.release()
        if inbound.error is not None:
            raise self._x._failure(inbound.error, "reading the body")
        if self._decode and inbound.decoder is not None:
            try:
                inbound.decoder.finish()
            except RemoteProtocolError as error:
                raise caused(self._x._failure(error, "decoding the body"), error)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give the claim back; the next reader goes on from here."""
        if self._inbound is not None:
            self._inbound.release()
            self._inbound = None


def decoding(inbound: Inbound, decode: bool) -> None:
    """Fix whether this body is read decoded or coded; it cannot change half-way."""
    mode = "decoded" if decode else "coded"
    if inbound.mode is not None and inbound.mode != mode and inbound.decoder is not None:
        raise UseError(f"pull(decode={decode}): the body was begun {inbound.mode}; go on with the same")
    inbound.mode = mode
