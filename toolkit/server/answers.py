"""What a handler may return, made into an answer."""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator
from typing import Final

import orjson

from toolkit.errors import UseError
from toolkit.protocol.head import serialize_fields
from toolkit.protocol.headers import Fields, Headers, HeadersLike, encode_fields
from toolkit.server.current import current_request

__all__ = ["Answer", "Deliver", "encode_value"]


class ContentType:
    """A content-type field: as a pair, as all fields that an answer has, and as it stands on the wire."""

    __slots__ = ("fields", "lines", "pair")

    def __init__(self, value: bytes) -> None:
        self.pair = (b"content-type", value)
        self.fields = [self.pair]
        self.lines = serialize_fields(self.fields)


JSON: Final = ContentType(b"application/json")
TEXT: Final = ContentType(b"text/plain; charset=utf-8")
HTML: Final = ContentType(b"text/html; charset=utf-8")
BYTES: Final = ContentType(b"application/octet-stream")


class Answer:
    """A whole answer: awaited, it is sent to the current request; returned from a handler, it is its answer."""

    __slots__ = ("_content_type", "body", "fields", "status")

    def __init__(self, status: int, fields: Fields, body: bytes, content_type: ContentType | None = None) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self._content_type = content_type

    @property
    def lines(self) -> bytes | None:
        """The fields as they stand on the wire, where that is known: a content type and no other."""
        content_type = self._content_type
        return content_type.lines if content_type is not None and self.fields == content_type.fields else None

    def __await__(self) -> Generator[None, None, None]:
        request = current_request()
        request.answer(self.status, self.fields, self.body, self.lines)
        yield from ()  # an awaitable is an iterator; this one never waits


def make(status: int, headers: HeadersLike | None, content_type: ContentType, body: bytes) -> Answer:
    """An answer with a content type unless the caller gave one."""
    if not headers:
        return Answer(status, [content_type.pair], body, content_type)
    fields = encode_fields(headers)
    if not any(name.lower() == b"content-type" for name, _ in fields):
        fields.append(content_type.pair)
    return Answer(status, fields, body)


def encode_value(value: object, status: int = 200, headers: HeadersLike | None = None) -> Answer:
    """An answer for a returned value: dict and list are JSON, str is text, bytes are bytes, None is empty.

    Raises `UseError` for anything else.
    """
    if isinstance(value, (dict, list)):
        return make(status, headers, JSON, orjson.dumps(value))
    if isinstance(value, str):
        return make(status, headers, TEXT, value.encode())
    if isinstance(value, (bytes, bytearray, memoryview)):
        return make(status, headers, BYTES, bytes(value))
    if value is None:
        return Answer(status, encode_fields(headers), b"")
    if isinstance(value, Answer):
        return value
    raise UseError(
        f"a handler returned {type(value).__name__}: expected dict, list, str, bytes, None, Deliver.x(...), "
        "an async iterable of bytes, or (status, value[, headers])"
    )


class Streamed:
    """A returned stream, unread, with its status and headers."""

    __slots__ = ("headers", "source", "status")

    def __init__(self, status: int, headers: HeadersLike | None, source: AsyncIterable[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.source = source


def encode_returned(value: object) -> Answer | Streamed:
    """A returned value with its optional status and headers."""
    kind = type(value)
    if kind is str or kind is bytes:
        return encode_value(value)
    status, headers = 200, None
    if isinstance(value, tuple):
        if len(value) not in (2, 3) or not isinstance(value[0], int):
            raise UseError("a handler returned a tuple: expected (status, value) or (status, value, headers)")
        status, headers = value[0], (value[2] if len(value) == 3 else None)
        value = value[1]
    elif value is None:
        status = 204
    if isinstance(value, AsyncIterable):
        return Streamed(status, headers, value)
    if isinstance(value, Streamed):
        return value
    return encode_value(value, status, headers)


class Deliver:
    """Whole answers by kind, to be awaited or returned; no request is named, the current one is known.

    Each raises `UseError` when awaited outside a handler or after the head was sent.
    """

    @staticmethod
    def json(data: object, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """`data` as JSON (what orjson takes: dict, list, str, numbers, dataclasses, datetime, UUID)."""
        return make(status, headers, JSON, orjson.dumps(data))

    @staticmethod
    def text(text: str, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """Plain text, UTF-8."""
        return make(status, headers, TEXT, text.encode())

    @staticmethod
    def html(html: str, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """HTML, UTF-8; nothing is escaped."""
        return make(status, headers, HTML, html.encode())

    @staticmethod
    def bytes(data: bytes, status: int = 200, headers: HeadersLike | None = None) -> Answer:
        """Bytes, as application/octet-stream unless `headers` say otherwise."""
        return make(status, headers, BYTES, data)

    @staticmethod
    def redirect(location: str, status: int = 302, headers: HeadersLike | None = None) -> Answer:
        """A redirect to `location`."""
        together = Headers(headers)
        together["location"] = location
        return Answer(status, encode_fields(together), b"")

    @staticmethod
    def empty(status: int = 204, headers: HeadersLike | None = None) -> Answer:
        """No body."""
        return Answer(status, encode_fields(headers), b"")
