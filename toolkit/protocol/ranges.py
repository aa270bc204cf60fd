"""Ranges: which parts of a representation are asked for, and the bodies that carry several (RFC 9110 14, 15.3.7).

How it works. `parse_range` reads a Range field against a size: a list of parts, an empty one if none of them lies
within (416), or None if the field has no say, which is then answered by the whole. What cannot be read has no say, as
has a field that asks for more parts than anybody needs: that is how answers many times as large as the file were made
(CVE-2011-3192, CVE-2025-62727). Parts that overlap or touch are joined, so an answer has never more of the
representation than the representation has.

`ByteRanges` is a multipart/byteranges body by its pieces: bytes that stand between the parts, and the parts as spans
still to be read or sent from a file by sendfile(2). Its length is known before anything is read.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ByteRanges", "Span", "content_range", "parse_content_range", "parse_range", "unsatisfied_range"]

MOST: Final = 16  #: parts of one answer. Players and readers of PDF ask for one to five; Apache refuses from 200 on
DIGITS: Final = 18  #: of a number: more is beyond any file, and beyond what is read in no time
OWS: Final = " \t"


class Span(NamedTuple):
    """Bytes `start` to `stop`, the latter not included."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """In bytes, at least 1."""
        return self.stop - self.start


def parse_range(value: str, size: int) -> list[Span] | None:
    """The parts of `size` bytes that a Range field asks for; [] if it asks for none of them, None if it is ignored.

    Ignored are other units, what is malformed, and more than 16 parts; an empty representation has no parts, so there
    every range is (some clients send one with each request). In the order asked for; joined ones by their place.
    """
    unit, equals, listed = value.partition("=")
    if not equals or unit.strip(OWS).lower() != "bytes" or not size:
        return None
    parts: list[Span] = []
    number = 0
    for element in listed.split(","):
        spec = element.strip(OWS)
        if not spec:
            continue  # RFC 9110 5.6.1.2
        number += 1
        span = _span(spec, size) if number <= MOST else None
        if span is None:
            return None
        if span.size > 0:
            parts.append(span)
    if not number:
        return None
    return _joined(parts)


def _span(spec: str, size: int) -> Span | None:
    """One element: `0-99`, `100-` or `-5`; an empty span if it lies behind the end, None if it is malformed."""
    first, dash, last = spec.partition("-")
    if not dash or (not first and not last):
        return None
    if not first:
        suffix = _number(last)
        return None if suffix is None else Span(max(0, size - suffix), size)
    start = _number(first)
    stop = size - 1 if not last else _number(last)
    if start is None or stop is None or (last and stop < start):
        return None
    return Span(start, min(stop + 1, size)) if start < size else Span(size, size)


def _number(digits: str) -> int | None:
    """A number of any length; what has more than 18 digits is as good as infinite."""
    if not digits.isascii() or not digits.isdigit():
        return None
    if len(digits) > DIGITS:
        digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= DIGITS else int("9" * DIGITS)


def _joined(parts: list[Span]) -> list[Span]:
    """The same bytes without a byte twice; as they were if that is so already (RFC 9110 14.2, 15.3.7.2)."""
    ordered = sorted(parts)
    if all(one.stop < other.start for one, other in pairwise(ordered)):
        return parts
    joined = ordered[:1]
    for span in ordered[1:]:
        if span.start <= joined[-1].stop:
            joined[-1] = Span(joined[-1].start, max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return joined


def content_range(span: Span, size: int) -> bytes:
    """The Content-Range of a part (RFC 9110 14.4)."""
    return b"bytes %d-%d/%d" % (span.start, span.stop - 1, size)


def unsatisfied_range(size: int) -> bytes:
    """The Content-Range of a 416 (RFC 9110 14.4, 15.5.17)."""
    return b"bytes */%d" % size


def parse_content_range(value: str) -> tuple[Span | None, int | None] | None:
    """A Content-Range field: the part (None: `*`) and the size of the whole (None: `*`); None if it is none (14.4)."""
    unit, space, rest = value.strip(OWS).partition(" ")
    spec, slash, whole = rest.strip(OWS).partition("/")
    if not space or not slash or unit.lower() != "bytes":
        return None
    size = None if whole == "*" else _number(whole)
    if whole != "*" and size is None:
        return None
    if spec == "*":
        return None if size is None else (None, size)
    first, dash, last = spec.partition("-")
    start, stop = _number(first), _number(last)
    if not dash or start is None or stop is None or stop < start or (size is not None and stop >= size):
        return None
    return Span(start, stop + 1), size


class ByteRanges:
    """A multipart/byteranges body (RFC 9110 14.6): `pieces` in order, `length` bytes in all."""

    __slots__ = ("boundary", "length", "pieces")

    def __init__(self, spans: Sequence[Span], size: int, content_type: bytes, boundary: bytes) -> None:
        """`boundary` must not occur in the representation: at least 16 random letters see to that."""
        self.boundary = boundary
        self.pieces: list[bytes | Span] = []
        before = b"--"
        for span in spans:
            type_line = b"content-type: %b\r\n" % content_type if content_type else b""
            head = b"%b%b\r\n%bcontent-range: %b\r\n\r\n" % (before, boundary, type_line, content_range(span, size))
            self.pieces += [head, span]
            before = b"\r\n--"
        self.pieces.append(b"\r\n--%b--\r\n" % boundary)
        self.length = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in self.pieces)

    @property
    def content_type(self) -> bytes:
        """The content type of the whole."""
        return b"multipart/byteranges; boundary=%b" % self.boundary

    def join(self, body: bytes) -> bytes:
        """All of it, of a representation that is in memory."""
        return b"".join(piece if isinstance(piece, bytes) else body[piece.start : piece.stop] for piece in self.pieces)
