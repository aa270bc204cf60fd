"""Server-sent events: the lines of `text/event-stream` as events, and events as lines (WHATWG HTML 9.2).

How it works. A stream is UTF-8 text in lines, which end with LF, CR or CRLF. A line is a field (`data: text`), a
comment (`: text`), or empty, and an empty line gives away the event that the fields before it described. The parser
keeps the bytes of one unfinished line and the data of one unfinished event, together within a limit. A line that ends
with CR is over at once, without waiting for the LF that may belong to it: an event is given away as soon as it can be
known. What was not given away when the stream ends never was an event.

What a stream tells beside its events stays with the parser: `last_id`, which a client repeats when it comes back, and
`retry`, the milliseconds it waits before it does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from toolkit.errors import LimitExceeded, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from toolkit.protocol.readable import Json, Readable

__all__ = ["EVENT_STREAM", "Event", "EventParser", "encode_comment", "encode_event", "events_of"]

EVENT_STREAM: Final = "text/event-stream"
EVENT_SIZE: Final = 1024 * 1024  #: bytes of one event: room for an image as a data URL, and no more than a tab can bear
LONGEST_RETRY: Final = 2**31 - 1  #: ms; 25 days, what a browser's timer can count

BOM: Final = b"\xef\xbb\xbf"
LINE_END: Final = re.compile(r"\r\n|\r|\n")  # str.splitlines knows seven more


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its text, its type, and the id that was in force when it came ("" where there is none)."""

    data: str
    event: str = "message"
    id: str = ""

    def json(self) -> Json:
        """The data, parsed. Raises `orjson.JSONDecodeError` (a ValueError) when it is not JSON."""
        value: Json = orjson.loads(self.data)
        return value


class EventParser:
    """Bytes cut anywhere in, events out. `limit` bounds an event, and any line, in bytes.

    `last_id` may begin with what an earlier connection left; `retry` is None until the stream names a time.
    """

    __slots__ = ("_after_cr", "_at_start", "_data", "_event", "_held", "_id", "_line", "last_id", "limit", "retry")

    def __init__(self, limit: int = EVENT_SIZE, last_id: str = "") -> None:
        self.limit = limit
        self.last_id = last_id
        self.retry: int | None = None
        self._at_start = True
        self._after_cr = False  # an LF that comes next belongs to a line that is over already
        self._line = bytearray()  # the unfinished line; an array, since it may grow a byte at a time
        self._data: list[str] = []
        self._held = 0  # bytes of `_data`
        self._event = ""
        self._id = last_id

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that end in these bytes; to be exhausted before the next call.

        Raises `LimitExceeded` behind the last event that was within the limit.
        """
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        lines = data.splitlines(keepends=True)  # of bytes: at LF, CR and CRLF alone
        if not lines:
            return
        self._after_cr = lines[-1].endswith(b"\r")
        rest = b"" if lines[-1].endswith((b"\r", b"\n")) else lines.pop()
        for line in lines:
            whole = line.rstrip(b"\r\n")
            if self._line:
                whole = bytes(self._line) + whole
                self._line.clear()
            event = self._take(whole)
            if event is not None:
                yield event
        self._check(len(self._line) + len(rest))
        self._line += rest

    def _check(self, size: int) -> None:
        if self._held + size > self.limit:
            raise LimitExceeded(f"an event over {self.limit} bytes")

    def _take(self, line: bytes) -> Event | None:
        """One whole line (9.2.6)."""
        self._check(len(line))
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(text)
            self._held += len(line) + 1
        elif name == b"event":
            self._event = text
        elif name == b"id":
            if "\0" not in text:
                self._id = text
        elif name == b"retry" and text.isascii() and text.isdigit():
            self.retry = min(int(text[:11]), LONGEST_RETRY) if len(text) < 20 else LONGEST_RETRY
        return None  # a comment has no name

    def _dispatch(self) -> Event | None:
        self.last_id = self._id
        data, event = self._data, self._event
        self._event = ""
        if not data:
            return None
        self._data = []
        self._held = 0
        return Event("\n".join(data), event or "message", self.last_id)


async def events_of(x: Readable, limit: int | None = None) -> AsyncIterator[Event]:
    """See `Readable.events`."""
    parser = EventParser(EVENT_SIZE if limit is None else limit)
    pull = x.pull()
    async for data in pull:
        try:
            for event in parser.feed(data):
                yield event
        except LimitExceeded as error:
            await pull.aclose()
            raise x._refused(error) from None


def encode_event(
    data: object = None, event: str | None = None, id: str | int | None = None, retry: int | None = None
) -> bytes:
    """An event as it is sent. `data`: text as it stands, None for no data, anything else as JSON; `retry` in ms.

    Raises `LocalProtocolError` for what would arrive as something else: an id with NUL, line ends in id or type, a
    type without data, text with lone surrogates.
    """
    lines: list[str] = []
    if event is not None:
        if data is None:
            raise LocalProtocolError(f"an event of type {event!r} without data never arrives; give data, '' at least")
        if event != "message":
            lines.append(f"event: {_one_line('event', event)}\n")
    if id is not None:
        lines.append(f"id: {_one_line('id', str(id))}\n")
    if retry is not None:
        if retry < 0:
            raise LocalProtocolError(f"retry={retry}: expected milliseconds, 0 or more")
        lines.append(f"retry: {retry:d}\n")
    if data is not None:
        text = data if isinstance(data, str) else orjson.dumps(data).decode()
        lines += [f"data: {line}\n" for line in LINE_END.split(text)]
    lines.append("\n")
    return _encode("".join(lines))


def encode_comment(text: str = "") -> bytes:
    """A comment as it is sent: nobody's event, but a sign of life."""
    return _encode("".join(f": {line}\n" for line in LINE_END.split(text)) + "\n" if text else ":\n\n")


def _one_line(name: str, value: str) -> str:
    if "\r" in value or "\n" in value or (name == "id" and "\0" in value):
        raise LocalProtocolError(f"{name}={value!r}: expected one line of text without NUL")
    return value


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"an event is UTF-8, which has no {text[error.start]!r}") from None
