"""The bytes between the loop and a process: frames of a kind, a length and a payload. Pure."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HEADER", "Frame", "FrameReader", "Kind", "frame", "header"]

HEADER: Final = Struct(">BQ")  #: kind and length of the payload


class Kind(IntEnum):
    """What a frame is: see the package."""

    CALL = 1
    BODY = 2
    MORE = 3
    CLOSE = 4
    READY = 16
    FAILED = 17
    HEAD = 18
    PIECE = 19
    ITEM = 20
    END = 21
    ERROR = 22


class Frame(NamedTuple):
    """One of them, read."""

    kind: Kind
    payload: bytes

    @property
    def cost(self) -> int:
        """What it takes of a stream's window, in bytes: an empty one takes something, too."""
        return HEADER.size + len(self.payload)


def header(kind: Kind, length: int) -> bytes:
    """What goes before a payload of so many bytes."""
    return HEADER.pack(kind, length)


def frame(kind: Kind, payload: bytes | bytearray | memoryview = b"") -> bytes:
    """A frame as it stands on the wire."""
    return header(kind, len(payload)) + payload


class FrameReader:
    """Bytes cut anywhere in, frames out."""

    __slots__ = ("_buffer", "_wanted")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = HEADER.size  # nothing can be read before there is so much

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that end in these bytes; to be exhausted before the next call."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= self._wanted:
            kind, length = HEADER.unpack_from(buffer, at)
            end = at + HEADER.size + length
            if len(buffer) < end:
                self._wanted = end - at
                break
            with memoryview(buffer) as view:
                payload = bytes(view[at + HEADER.size : end])
            at, self._wanted = end, HEADER.size
            yield Frame(Kind(kind), payload)
        del buffer[:at]
