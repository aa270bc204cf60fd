"""Multipart bodies, sans I/O: pieces of bytes in, parts out (RFC 2046 5.1, RFC 7578).

How it works. The body is cut at delimiters, CRLF, two hyphens and the boundary; a CRLF that nobody sent stands before
the first byte, so that the first delimiter is like the others. Four states follow each other:

    PREAMBLE   thrown away, up to the first delimiter
    HEAD       a part's fields, up to the empty line; measured while they come
    BODY       given out at once, all but a tail that may be the beginning of a delimiter
    EPILOGUE   behind the last delimiter: thrown away

Everything is `find`, from where the last search ended, over a buffer that holds no more than a delimiter or a part's
head besides what was fed last. So the time is linear, wherever a peer cuts his bytes, and whatever he repeats in them
(Werkzeug CVE-2023-46136, python-multipart CVE-2024-53981). What is not well formed is an error at the first such byte.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from toolkit.errors import LimitExceeded, RemoteProtocolError, caused
from toolkit.protocol.fields import FORBIDDEN_IN_VALUE, TOKEN

if TYPE_CHECKING:
    from toolkit.protocol.fields import Fields
    from toolkit.protocol.limits import FormLimits

__all__ = [
    "Disposition",
    "MultipartParser",
    "PartHead",
    "Signal",
    "boundary_of",
    "parse_disposition",
    "parse_parameters",
]

OWS: Final = " \t"
OWS_BYTES: Final = b" \t"
PADDING: Final = 64  # bytes of white space behind a delimiter (RFC 2046 5.1.1); nobody sends any
BOUNDARY: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ")


class Signal(Enum):
    """What `MultipartParser.next` says when it has neither a head nor bytes."""

    NEED_DATA = auto()  #: feed more
    PART_END = auto()  #: the part is complete
    END = auto()  #: the last part was complete; nothing follows


class State(Enum):
    """Where in the body the parser is."""

    PREAMBLE = auto()
    HEAD = auto()
    BODY = auto()
    EPILOGUE = auto()


class PartHead(NamedTuple):
    """A part begins: its fields, as they came."""

    fields: Fields


class MultipartParser:
    """One multipart body. `feed` bytes, then call `next` until it needs data; `finish` at the end of the bytes.

    All of them raise `RemoteProtocolError`, and after that only the same again.
    """

    __slots__ = ("_buffer", "_delimiter", "_failed", "_limits", "_searched", "_state")

    def __init__(self, boundary: bytes, limits: FormLimits) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._limits = limits
        self._buffer = bytearray(b"\r\n")
        self._searched = 0  # nothing that is looked for begins before here
        self._state = State.PREAMBLE
        self._failed: RemoteProtocolError | None = None

    def feed(self, data: bytes) -> None:
        """More of the body."""
        if self._state is not State.EPILOGUE:
            self._buffer += data

    def finish(self) -> None:
        """The bytes are over. Raises `RemoteProtocolError` before the last delimiter."""
        if self._failed is not None:
            raise self._failed
        if self._state is not State.EPILOGUE:
            raise self._fault("the multipart body ends before its last boundary")

    def next(self) -> PartHead | bytes | Signal:
        """The head of a part, a piece of its body, its end, the end of all, or that more is needed."""
        if self._failed is not None:
            raise self._failed
        event: PartHead | bytes | Signal | None = None
        while event is None:
            if self._state is State.HEAD:
                event = self._head()
            elif self._state is State.EPILOGUE:
                event = Signal.END
            else:
                event = self._until_delimiter()
        return event

    def _fault(self, text: str) -> RemoteProtocolError:
        self._failed = RemoteProtocolError(text)
        self._buffer.clear()
        return self._failed

    def _over(self, text: str) -> RemoteProtocolError:
        self._failed = LimitExceeded(text)
        self._buffer.clear()
        return self._failed

    def _until_delimiter(self) -> bytes | Signal | None:
        """Preamble and body: what stands before the next delimiter; None: go on with what is behind it."""
        buffer, delimiter = self._buffer, self._delimiter
        at = buffer.find(delimiter, self._searched)
        if at < 0:
            # A delimiter has one CR, its first byte: only the last CR can begin one.
            at = buffer.rfind(b"\r", max(0, len(buffer) - len(delimiter) + 1))
            if at < 0 or not delimiter.startswith(buffer[at:]):
                at = len(buffer)
            data = self._take(at)
            self._searched = 0
            return data if data and self._state is State.BODY else Signal.NEED_DATA
        if at and self._state is State.BODY:
            data = self._take(at)
            self._searched = 0
            return data
        return self._at_delimiter(at)

    def _at_delimiter(self, at: int) -> Signal | None:
        """What follows the delimiter's own bytes says which one it is."""
        buffer = self._buffer
        after = at + len(self._delimiter)
        self._searched = at
        last = buffer.startswith(b"--", after)
        end = buffer.find(b"\r\n", after, after + PADDING + 2)
        if not last:
            between = bytes(buffer[after : after + PADDING + 2 if end < 0 else end])
            if end < 0 and len(between) < PADDING + 2 and between.strip(OWS_BYTES) in (b"", b"\r", b"-"):
                return Signal.NEED_DATA
            if end < 0 or between.strip(OWS_BYTES):
                raise self._fault("other bytes behind a multipart boundary; expected CRLF, or '--' behind the last one")
        ended = self._state is State.BODY
        if last:
            self._state = State.EPILOGUE
            buffer.clear()
            return Signal.PART_END if ended else None
        self._take(end)  # its CRLF stays: with the next one it is the empty line of a part without fields
        self._searched = 0
        self._state = State.HEAD
        return Signal.PART_END if ended else None

    def _head(self) -> PartHead | Signal:
        """The fields of a part, between two CRLFs and an empty line."""
        buffer, limit = self._buffer, self._limits.part_head
        end = buffer.find(b"\r\n\r\n", self._searched)
        if (len(buffer) - 3 if end < 0 else end) > limit + 2:
            raise self._over(f"the header of a part is over {limit} bytes")
        if end < 0:
            self._searched = max(0, len(buffer) - 3)
            return Signal.NEED_DATA
        block = self._take(end + 4)[2:-4]  # b"" for the empty line alone
        self._searched = 0
        self._state = State.BODY
        return PartHead(self._fields(block))

    def _fields(self, block: bytes) -> Fields:
        fields: Fields = []
        if not block:
            return fields
        lines = block.split(b"\r\n")
        if len(lines) > self._limits.part_fields:
            raise self._over(f"a part has {len(lines)} header fields, the limit is {self._limits.part_fields}")
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or TOKEN.fullmatch(name) is None or FORBIDDEN_IN_VALUE.search(value) is not None:
                raise self._fault(f"header line {line[:80]!r} of a part: expected 'name: value'")
            fields.append((name, value.strip(b" \t")))
        return fields

    def _take(self, count: int) -> bytes:
        with memoryview(self._buffer) as view:
            data = bytes(view[:count])
        del self._buffer[:count]
        return data


# -- the fields that say what a part is --------------------------------------------------------------------------------


def parse_parameters(field: str) -> tuple[str, dict[str, str]]:
    """`form-data; name="a"` as ("form-data", {"name": "a"}), names in lower case; of a repeated one the first counts.

    Quotes are what browsers make of them (RFC 7578 4.2, WHATWG HTML 4.10.21.8): a backslash escapes nothing but a
    quote, as it may be part of a path. One pass; a parameter without value is left out.
    """
    first, _, _ = field.partition(";")
    found: dict[str, str] = {}
    at, size = len(first) + 1, len(field)
    while at < size:
        end = field.find(";", at)
        if end < 0:
            end = size
        equals = field.find("=", at, end)
        if equals < 0:
            at = end + 1
            continue
        name = field[at:equals].strip(OWS).lower()
        start = equals + 1
        while start < size and field[start] in OWS:
            start += 1
        if start < size and field[start] == '"':
            value, end = _quoted(field, start + 1)
        else:
            value = field[start:end].strip(OWS)
        found.setdefault(name, value)
        at = end + 1
    return first.strip(OWS).lower(), found


def _quoted(field: str, start: int) -> tuple[str, int]:
    """The text up to the closing quote, and where the semicolon behind it is."""
    at = start
    while True:
        quote = field.find('"', at)
        if quote < 0:
            return field[start:], len(field)
        if field[quote - 1] != "\\" or quote == start:
            break
        at = quote + 1
    end = field.find(";", quote)
    return field[start:quote].replace('\\"', '"'), len(field) if end < 0 else end


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart content type. Raises `RemoteProtocolError` unless it is one (RFC 2046 5.1.1)."""
    _, parameters = parse_parameters(content_type)
    boundary = parameters.get("boundary", "")
    if not 1 <= len(boundary) <= 70 or not BOUNDARY.issuperset(boundary) or boundary.endswith(" "):
        raise RemoteProtocolError(
            f"content-type {content_type[:120]!r}: expected a boundary of 1 to 70 letters, digits and '()+_,-./:=?"
        )
    return boundary.encode("ascii")


class Disposition(NamedTuple):
    """What a content-disposition field says."""

    kind: str
    name: str | None
    filename: str | None


def parse_disposition(value: bytes, charset: str = "utf-8") -> Disposition:
    """A content-disposition field of a part, its text in the form's charset; bytes that are not of it become U+FFFD.

    Browsers write a quote as %22 and a line end as %0D%0A; nothing else is escaped. `filename*` (RFC 8187) counts where
    there is no filename: RFC 7578 4.2 forbids it, and clients send it.
    """
    kind, parameters = parse_parameters(value.decode(charset, "replace"))
    name = parameters.get("name")
    filename = parameters.get("filename")
    if filename is None and "filename*" in parameters:
        filename = _extended(parameters["filename*"])
    return Disposition(
        kind, None if name is None else _unescape(name), None if filename is None else _unescape(filename)
    )


def _unescape(text: str) -> str:
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _extended(value: str) -> str | None:
    """An RFC 8187 value: charset'language'percent-encoded."""
    charset, _, rest = value.partition("'")
    _, quote, text = rest.partition("'")
    if not quote or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    try:
        return unquote(text, charset.lower(), "strict")
    except UnicodeDecodeError as error:
        raise caused(RemoteProtocolError(f"filename* {value[:80]!r}: these bytes are not {charset}"), error)
