"""Chunked framing (RFC 9112 7.1): a decoder that takes bytes cut anywhere, and the framing of what is sent.

The decoder is strict where peers were split open: sizes are hexadecimal digits alone and at most sixteen of them,
every line ends in CRLF, data is followed by exactly CRLF, extensions are checked, dropped and counted, the trailer
section has the full field grammar and a limit, and framing fields in it are refused (RFC 9110 6.5.1).
One call gives the payload of everything in its input as one object: a million one-byte chunks in a segment are one
hand-over, not a million (aiohttp CVE-2025-69229).
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from toolkit.errors import LimitExceeded, RemoteProtocolError
from toolkit.protocol.fields import FORBIDDEN_IN_VALUE, TOKEN, Fields
from toolkit.protocol.framing import MAX_LENGTH

if TYPE_CHECKING:
    from toolkit.protocol.limits import Limits

__all__ = ["LAST_CHUNK", "ChunkedDecoder", "chunk", "last_chunk"]

LAST_CHUNK: Final = b"0\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:" + _EXTENSION + rb")*)")
PLAIN_LINE = re.compile(rb"0{0,7}[1-9A-Fa-f][0-9A-Fa-f]{0,7}\r\n")  # what nearly every chunk begins with
PLAIN_LINE_SIZE: Final = 17
SIZES: Final = 256  # size lines that are remembered: most streams' chunks have one of a few sizes
BARE_LINE_END = re.compile(rb"\r[^\n]|(?<!\r)\n")

# A fault must not depend on how the bytes were cut, so its words quote nothing that may not have come yet.
BARE: Final = "a bare CR or LF in the framing of a chunked body: lines end in CRLF"
NO_END: Final = "chunk data is not followed by CRLF"

# Fields that would change how the message is framed, routed or authorised must not come behind it (RFC 9110 6.5.1).
NOT_IN_TRAILERS: Final = frozenset(
    b"transfer-encoding content-length host authorization proxy-authorization cookie set-cookie te trailer "
    b"content-encoding content-type content-range connection upgrade expect".split()
)


def chunk(data: bytes) -> bytes:
    """One chunk, joined: right for small data, where a copy is cheaper than a second system call."""
    return size_line(len(data)) + data + b"\r\n"


@lru_cache(maxsize=SIZES)
def size_line(size: int) -> bytes:
    """What stands before a chunk of so many bytes."""
    return b"%x\r\n" % size


@lru_cache(maxsize=SIZES)
def _plain_size(line: bytes) -> int:
    """The size that a line without extensions gives; 0 for the last chunk and for any other line."""
    return int(line, 16) if PLAIN_LINE.fullmatch(line) is not None else 0


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked body, with its trailer section."""
    return b"0\r\n" + b"".join([b"%b: %b\r\n" % pair for pair in trailers]) + b"\r\n"


def _only_chunk(data: bytes) -> bytes | None:
    """The payload, if `data` is one chunk and nothing more: what one write becomes on its way, more often than not."""
    start = data.find(b"\r\n", 0, PLAIN_LINE_SIZE) + 2
    size = _plain_size(data[:start]) if start > 2 else 0
    if not size or len(data) != start + size + 2 or not data.endswith(b"\r\n"):
        return None
    return data[start:-2]


class _At(IntEnum):
    SIZE = 0
    DATA = 1
    DATA_END = 2
    TRAILERS = 3
    DONE = 4


class ChunkedDecoder:
    """Bytes in, payload out; `done` when the last chunk and its trailers have passed."""

    __slots__ = (
        "_at",
        "_extensions",
        "_left",
        "_limits",
        "_line",
        "_plain_lines",
        "_trailer_bytes",
        "done",
        "trailers",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._plain_lines = limits.chunk_line >= 15
        self._at = _At.SIZE
        self._left = 0
        self._line = b""  # the part of a line that has come so far
        self._extensions = 0
        self._trailer_bytes = 0
        self.done = False
        self.trailers: Fields = []

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """The payload in `data`, and what stands behind the end of the body (b"" before it).

        Raises `RemoteProtocolError` on anything the grammar does not allow, `LimitExceeded` over a limit.
        """
        if self._at is _At.DATA:
            if len(data) < self._left:  # a large chunk's inner part: nothing to cut off, nothing to copy
                self._left -= len(data)
                return data, b""
        elif self._at is _At.SIZE and self._plain_lines and not self._line:
            payload = _only_chunk(data)
            if payload is not None:
                return payload, b""
        parts: list[memoryview] = []
        view = memoryview(data)
        pos, size = 0, len(data)
        while pos < size and not self.done:
            at = self._at
            if at is _At.DATA:
                take = view[pos : pos + self._left]
                parts.append(take)
                pos += len(take)
                self._left -= len(take)
                if not self._left:
                    self._at = _At.DATA_END
            elif at is _At.SIZE and self._plain_lines and not self._line and (line := PLAIN_LINE.match(data, pos)):
                pos = line.end()
                self._left = int(line[0], 16)
                self._at = _At.DATA
            elif at is _At.DATA_END and not self._line and data.startswith(b"\r\n", pos):
                pos += 2
                self._at = _At.SIZE
            else:
                pos = self._take_line(data, pos)
        return b"".join(parts), data[pos:]

    @property
    def left_of_chunk(self) -> int:
        """What the present chunk still lacks; 0 where none has begun, or its end is still to come."""
        return self._left if self._at is _At.DATA else 0

    @property
    def place(self) -> tuple[int, int]:
        """Where in a chunk the last byte was, between two lines; for `go_back`."""
        return self._at, self._left

    @property
    def in_line_end(self) -> bool:
        """Whether the CRLF behind a chunk's data is what comes next, whole or the rest of it."""
        return self._at is _At.DATA_END

    def go_back(self, place: tuple[int, int]) -> None:
        """To a place from which `skim` went on."""
        self._at, self._left = _At(place[0]), place[1]

    def skim(self, data: memoryview) -> tuple[int, int]:
        """Pass over whole lines and data that may be sent on as they are: (bytes, payload among them).

        Ends before a line that has not come whole, and before anything but plain chunks: the last one, an extension, a
        fault. What is there then is for `decode`.
        """
        pos, size, payload = 0, len(data), 0
        while pos < size:
            if self._at is _At.DATA:
                take = min(self._left, size - pos)
                pos += take
                payload += take
                self._left -= take
                if not self._left:
                    self._at = _At.DATA_END
            elif self._at is _At.DATA_END:
                if bytes(data[pos : pos + 2]) != b"\r\n":
                    break
                pos += 2
                self._at = _At.SIZE
            else:
                line = PLAIN_LINE.match(data, pos) if self._at is _At.SIZE and self._plain_lines else None
                if line is None:
                    break
                pos = line.end()
                self._left = int(line[0], 16)
                self._at = _At.DATA
        return pos, payload

    def _take_line(self, data: bytes, pos: int) -> int:
        """Add to the line at hand; when its CRLF is there, act on it. Returns the position behind what was taken."""
        limit = {_At.SIZE: self._limits.chunk_line, _At.DATA_END: 0}.get(self._at, self._limits.trailers) + 2
        carried = self._line
        window = carried + data[pos : pos + limit - len(carried) + 1]
        end = window.find(b"\r\n")
        if end < 0:
            self._check_partial(window, limit)
            self._line = window
            return pos + len(window) - len(carried)
        self._line = b""
        line = window[:end]
        if BARE_LINE_END.search(window, 0, end + 2) is not None:
            raise RemoteProtocolError(BARE)
        if self._at is _At.SIZE:
            self._size(line)
        elif self._at is _At.DATA_END:
            if line:
                raise RemoteProtocolError(NO_END)
            self._at = _At.SIZE
        else:
            self._trailer(line)
        return pos + end + 2 - len(carried)

    def _check_partial(self, window: bytes, limit: int) -> None:
        if BARE_LINE_END.search(window) is not None:
            raise RemoteProtocolError(BARE)
        if self._at is _At.DATA_END and window[:1] != b"\r":
            raise RemoteProtocolError(NO_END)
        if len(window) >= limit:
            if self._at is _At.TRAILERS:
                raise LimitExceeded(f"the trailer section is over {self._limits.trailers} bytes", 431)
            raise LimitExceeded(f"a chunk-size line is over {self._limits.chunk_line} bytes", 400)

    def _size(self, line: bytes) -> None:
        if len(line) > self._limits.chunk_line:
            raise LimitExceeded(f"a chunk-size line is over {self._limits.chunk_line} bytes", 400)
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            raise RemoteProtocolError(
                "a chunk-size line: expected hexadecimal digits, and extensions by RFC 9112 7.1.1"
            )
        self._extensions += len(match[2])
        if self._extensions > self._limits.chunk_extensions:
            raise LimitExceeded(f"chunk extensions over {self._limits.chunk_extensions} bytes in all")
        size = int(match[1], 16)
        if size > MAX_LENGTH:
            raise RemoteProtocolError(f"chunk-size {match[1]!r} is over {MAX_LENGTH}")
        self._left = size
        self._at = _At.DATA if size else _At.TRAILERS

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._at = _At.DONE
            self.done = True
            return
        self._trailer_bytes += len(line) + 2
        if len(self.trailers) >= self._limits.fields:
            raise LimitExceeded(f"more than {self._limits.fields} trailer fields", 431)
        if self._trailer_bytes > self._limits.trailers:
            raise LimitExceeded(f"the trailer section is over {self._limits.trailers} bytes", 431)
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or TOKEN.fullmatch(name) is None or FORBIDDEN_IN_VALUE.search(value) is not None:
            raise RemoteProtocolError(f"trailer line {line[:40]!r}: expected 'name: value'")
        if name.lower() in NOT_IN_TRAILERS:
            raise RemoteProtocolError(f"trailer field {name!r} may not come behind the body")
        self.trailers.append((name, value))
