"""The protocol below a connection whose link is TLS: what is decrypted is read into one buffer.

Both loops' TLS transports read what they decrypted in one of two ways. For a plain protocol they make a bytes object of
256 KiB for each record of at most 16, cut it down, and join what they have; a `BufferedProtocol` gives them room, and
they fill it. Receiving 1 GB costs 1.1 CPU seconds the first way and 0.5 the second (uvloop 0.22), so that one stands
here and hands a copy of what came to the connection. The room is filled and emptied in one call: all connections of a
loop share it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from toolkit.protocol.aio.connection import Connection

__all__ = ["Room", "TlsLink"]

SIZE: Final = 256 * 1024  # bytes; sixteen records


class Room:
    """Where decrypted bytes are read into, made when a TLS link first asks."""

    __slots__ = ("_view",)

    def __init__(self) -> None:
        self._view: memoryview | None = None

    def view(self) -> memoryview:
        """All of it."""
        view = self._view
        if view is None:
            view = self._view = memoryview(bytearray(SIZE))
        return view


class TlsLink(asyncio.BufferedProtocol):
    """Passes on to a connection what its transport says, and the bytes as `data_received` has them."""

    __slots__ = ("_room", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._room: Room = connection.watch.room

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        self.connection.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Room for as much as there may be."""
        return self._room.view()

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes are in it."""
        self.connection.data_received(bytes(self._room.view()[:nbytes]))

    def eof_received(self) -> bool | None:
        """close_notify, or a FIN without it."""
        return self.connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The link is gone."""
        self.connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """The transport's buffer is over its mark."""
        self.connection.pause_writing()

    def resume_writing(self) -> None:
        """It is below again."""
        self.connection.resume_writing()
