"""What a handler may return, made into an answer."""

from __future__ import annotations

from collections.abc import AsyncIterable, Generator
from typing import TYPE_CHECKING, Final

import orjson

from toolkit.errors import UseError
from toolkit.protocol.head import serialize_fields
from toolkit.protocol.headers import Fields, Headers, HeadersLike, encode_fields
from toolkit.server.current import current_request

if TYPE_CHECKING:
    import os

    from toolkit.server.files import FileSpec, Outcome
    from toolkit.server.request import Request

__all__ = ["Answer", "Deliver", "encode_value"]


class ContentType:
    """A content-type field: as a pair, as all fields that an answer has, and as it stands on the wire.

    `others` are fields that go with it each time: those of a file, which are made once.
    """

    __slots__ = ("fields", "lines", "pair")

    def __init__(self, value: bytes, others: Fields | None = None) -> None:
        self.pair = (b"content-type", value)
        self.fields = [self.pair]
        if others is not None:
            self.fields += others
        self.lines = serialize_fields(self.fields)


JSON: Final = ContentType(b"application/json")
TEXT: Final = ContentType(b"text/plain; charset=utf-8")
HTML: Final = ContentType(b"text/html; charset=utf-8")
BYTES: Final = ContentType(b"application/octet-stream")
BYTES_HEADERS: Final = {"content-type": "application/octet-stream"}


class Answer:
    """A whole answer: awaited, it is sent to the current request; returned from a handler, it is its answer.

    `final`: its body is sent as it is, whoever takes a coding; that was decided already.
    """

    __slots__ = ("_content_type", "body", "fields", "final", "status")

    def __init__(self, status: int, fields: Fields, body: bytes, content_type: ContentType | None = None) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.final = False
        self._content_type = content_type

    @property
    def lines(self) -> bytes | None:
        """The fields as they stand on the wire, where that is known: a content type and no other."""
        content_type = self._content_type
        return content_type.lines if content_type is not None and self.fields == content_type.fields else None

    def __await__(self) -> Generator[None, None, None]:
        request = current_request()
        running = request._connection.running
        if len(self.body) >= running.compressed_from and not self.final:
            given = running.compressed(request, self)
            if isinstance(given, Streamed):
                yield from given.send(request).__await__()
                return
            request.answer(given.status, given.fields, given.body, given.lines)
            return
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
    """A returned stream, unread, with its status and headers; `coding` as `prepare` has it."""

    __slots__ = ("coding", "headers", "source", "status")

    def __init__(self, status: int, headers: HeadersLike | None, source: AsyncIterable[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.source = source
        self.coding: str | None = None

    async def send(self, request: Request) -> None:
        """The answer that it is. A source with a `send_to` knows best how its bytes get into an exchange."""
        headers = self.headers if self.headers is not None else BYTES_HEADERS
        try:
            await request.prepare(headers, self.status, coding=self.coding)
        except BaseException:
            close_now = getattr(self.source, "close", None)
            if close_now is not None:
                close_now()  # a file, that nobody will send
            raise
        if request._discard:
            close = getattr(self.source, "aclose", None)
            if close is not None:
                await close()  # unread: nobody will see it
        elif (send_to := getattr(self.source, "send_to", None)) is not None:
            await send_to(request)
        else:
            await request.relay(self.source)
        await request.eof()


def answer_of(done: Outcome) -> Answer | Streamed:
    """What a request gets of a file, as an answer."""
    if isinstance(done.body, bytes):
        answer = Answer(done.status, done.fields, done.body)
        answer.final = True  # a part of it, or all of it with a strong validator
        return answer
    return Streamed(done.status, [(name.decode("latin-1"), value) for name, value in done.fields], done.body)


class FileAnswer(Answer):
    """A file, of which the current request gets what it asks for: see `Deliver.file`."""

    __slots__ = ("_spec",)

    def __init__(self, spec: FileSpec) -> None:
        super().__init__(spec.status, [], b"")
        self._spec = spec

    def resolve(self, request: Request) -> Answer | Streamed:
        """The answer to this request. Raises `Abort` for 404, 412 and 416."""
        from toolkit.server.files import file_outcome  # with all that it needs, where files are delivered

        return answer_of(file_outcome(request, self._spec))

    async def _send(self, request: Request) -> None:
        answer = self.resolve(request)
        if isinstance(answer, Streamed):
            await answer.send(request)
        else:
            request.answer(answer.status, answer.fields, answer.body)

    def __await__(self) -> Generator[None, None, None]:
        yield from self._send(current_request()).__await__()


def encode_returned(value: object, request: Request | None = None) -> Answer | Streamed:
    """A returned value with its optional status and headers; `request` is the current one where none is given."""
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
    if isinstance(value, FileAnswer):
        return value.resolve(request if request is not None else current_request())
    if isinstance(value, Streamed):
        return value
    if isinstance(value, AsyncIterable):
        return Streamed(status, headers, value)
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
    def file(
        path: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        filename: str | None = None,
        inline: bool = False,
        content_type: str | None = None,
        headers: HeadersLike | None = None,
        status: int = 200,
    ) -> Answer:
        """A file, with validators; conditions and ranges of the request are honoured, sendfile(2) sends what is large.

        `filename`: to be saved under this name, or shown if `inline`. With `root`, `path` is a name below that folder
        and cannot lead out of it: a name that came from outside is to be given so. What is not there, and what is no
        file, is 404. Under another `status` than 200 the file is always sent whole.
        """
        from toolkit.server.files import FileSpec

        return FileAnswer(FileSpec(path, root, filename, inline, content_type, headers, status))

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
