"""A link in memory: two transports, each handing its bytes to the other's protocol. No socket, no copy.

It keeps the contract of a socket transport: delivery happens in a later turn of the loop, never inside `write`;
a full buffer pauses the writer, a paused reader fills the buffer; `write_eof` ends one direction, `abort` shows the
peer a reset. So the same protocol code runs above it, and what is proved here holds on a socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from toolkit.protocol.wire import Caps

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MemoryTransport", "memory_pair"]

CAPS: Final = Caps(half_close=True, reset=True, zero_copy=False)
MARK: Final = 64 * 1024  # asyncio's own default for sockets
READ: Final = 256 * 1024  # asyncio's own bound for one read


class MemoryTransport(asyncio.Transport):
    """One end of the pair."""

    caps = CAPS

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, peername: tuple[str, int]) -> None:
        super().__init__({"peername": peername})
        self._loop = loop
        self._protocol = protocol
        self._peer: MemoryTransport | None = None
        self._buffer: deque[bytes | memoryview] = deque()  # written here, not yet taken by the peer
        self._size = 0
        self._high, self._low = MARK, MARK // 4
        self._writing_paused = False
        self._reading = True
        self._eof = False  # our direction is ended
        self._eof_told = False
        self._closing = False
        self._lost = False
        self._moving = False

    # -- asyncio.BaseTransport, WriteTransport, ReadTransport --------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The protocol that gets what arrives from now on."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol in charge."""
        return self._protocol

    def is_closing(self) -> bool:
        """Closed, or about to be."""
        return self._closing

    def is_reading(self) -> bool:
        """Not paused."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Leave arriving bytes in the peer's buffer."""
        self._reading = False

    def resume_reading(self) -> None:
        """Take them again."""
        if not self._reading:
            self._reading = True
            if self._peer is not None:
                self._peer._move_soon()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The marks, in bytes, at which the protocol is paused and resumed."""
        self._high = MARK if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """(low, high)."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken."""
        return self._size

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Buffer `data`; it is delivered in a later turn of the loop."""
        if self._eof:
            raise RuntimeError("write() after write_eof()")
        if self._closing or not data:
            return
        self._buffer.append(bytes(data))
        self._size += len(data)
        self._move_soon()
        if self._size > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """One piece, as a socket's gathered write would be."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """True: a half-close is possible."""
        return True

    def write_eof(self) -> None:
        """End this direction once the buffer is delivered."""
        if not self._eof and not self._closing:
            self._eof = True
            self._move_soon()

    def close(self) -> None:
        """Deliver the buffer, then end both directions in order."""
        if not self._closing:
            self._closing = True
            self._move_soon()
            if not self._buffer:
                self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """End at once; the peer sees a reset."""
        if self._lost:
            return
        if self._closing and not self._buffer:  # everything was said: there is nothing left to cut off
            self._loop.call_soon(self._lose, None)
            return
        self._closing = True
        self._buffer.clear()
        self._size = 0
        self._loop.call_soon(self._lose, None)
        peer = self._peer
        if peer is not None and not peer._lost:
            peer._closing = True
            self._loop.call_soon(peer._lose, ConnectionResetError("the peer aborted the connection"))

    # -- moving ------------------------------------------------------------------------------------------------

    def _move_soon(self) -> None:
        if not self._moving:
            self._moving = True
            self._loop.call_soon(self._move)

    def _move(self) -> None:
        """Deliver what the peer will take, then the end."""
        self._moving = False
        peer = self._peer
        if peer is None or peer._lost:
            if self._buffer:  # as a socket answers bytes for a peer that is gone
                self._buffer.clear()
                self._size = 0
                if not self._lost:
                    self._closing = True
                    self._loop.call_soon(self._lose, ConnectionResetError("the peer is gone"))
            return
        if peer._reading and self._buffer:
            data = self._take()
            if not peer._closing:
                peer._protocol.data_received(data)
            if self._writing_paused and self._size <= self._low:
                self._writing_paused = False
                self._protocol.resume_writing()
        if self._buffer:
            if peer._reading:
                self._move_soon()
            return
        if (self._eof or self._closing) and not self._eof_told and peer._reading:
            self._eof_told = True
            if not peer._closing and not peer._protocol.eof_received():
                peer.close()
        if self._closing and not self._lost:
            self._loop.call_soon(self._lose, None)

    def _take(self) -> bytes:
        """What one read of a socket would give: as much as is there, up to a bound."""
        buffer = self._buffer
        parts: list[bytes | memoryview] = []
        size = 0
        while buffer and size < READ:
            piece = buffer.popleft()
            if len(piece) > READ - size:
                view = memoryview(piece)
                buffer.appendleft(view[READ - size :])
                piece = view[: READ - size]
            parts.append(piece)
            size += len(piece)
        self._size -= size
        first = parts[0]
        return first if len(parts) == 1 and isinstance(first, bytes) else b"".join(parts)

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._closing = True
        if self._writing_paused:
            self._writing_paused = False
        peer = self._peer
        if error is None and peer is not None and not peer._lost and not self._eof_told:
            self._move_soon()  # the end is still to be told
        if peer is not None and peer._buffer:
            peer._move_soon()
        self._protocol.connection_lost(error)


def memory_pair(client: asyncio.Protocol, server: asyncio.Protocol) -> tuple[MemoryTransport, MemoryTransport]:
    """Join two protocols on the running loop; `connection_made` is called on the server's first."""
    loop = asyncio.get_running_loop()
    near = MemoryTransport(loop, client, ("memory", 0))
    far = MemoryTransport(loop, server, ("memory", 0))
    near._peer, far._peer = far, near
    server.connection_made(far)
    client.connection_made(near)
    return near, far
