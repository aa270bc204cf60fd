"""What a handler may return, made into an answer."""

from __future__ import annotations

from collections.abc import AsyncIterable, Coroutine, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

import orjson

from toolkit.errors import UseError
from toolkit.protocol.head import serialize_fields
from toolkit.protocol.headers import Fields, HeadersLike, encode_fields
from toolkit.server.current import current_request
from toolkit.server.streams import Threaded, close_source, relay_owned

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.protocol.cookies import Cookie
    from toolkit.server.files import FileSpec, Outcome
    from toolkit.server.request import Request

__all__ = ["Answer", "Reply", "Streamed", "encode_returned", "encode_value"]


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
XML: Final = ContentType(b"application/xml; charset=utf-8")
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
        extra = request._extra
        if extra is not None and extra.on_answer is not None:
            extra.on_answer(self)
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


class CodedForms:
    """What compression made of a body that is sent again: by coding and level. `room` is asked before one is kept."""

    __slots__ = ("_forms", "room")

    def __init__(self) -> None:
        self._forms: dict[tuple[str, int | None], bytes] = {}
        self.room: Callable[[int], bool] | None = None

    def get(self, coding: str, level: int | None) -> bytes | None:
        """The body in this coding, if it was made before."""
        return self._forms.get((coding, level))

    def put(self, coding: str, level: int | None, coded: bytes) -> None:
        """Keep it, if there is room for so many bytes."""
        room = self.room
        if room is None or room(len(coded)):
            self._forms[coding, level] = coded


class KeptAnswer(Answer):
    """An answer that is given more than once; what was done for one request need not be done for the next."""

    __slots__ = ("coded",)

    def __init__(self, status: int, fields: Fields, body: bytes, coded: CodedForms) -> None:
        super().__init__(status, fields, body)
        self.coded = coded


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
    if isinstance(value, Coroutine):
        value.close()  # this error says it, and no warning besides
        name = getattr(value, "__qualname__", type(value).__name__)
        raise UseError(f"a handler returned a coroutine, {name}(...): it is to be awaited")
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
            await close_source(self.source)  # unread: nobody will see it
        elif (send_to := getattr(self.source, "send_to", None)) is not None:
            await send_to(request)
        else:
            await relay_owned(request, self.source)
        await request.eof()


def answer_of(done: Outcome) -> Answer | Streamed:
    """What a request gets of a file, as an answer."""
    if isinstance(done.body, bytes):
        answer = Answer(done.status, done.fields, done.body)
        answer.final = True  # a part of it, or all of it with a strong validator
        return answer
    return Streamed(done.status, [(name.decode("latin-1"), value) for name, value in done.fields], done.body)


class LateAnswer(Answer):
    """An answer that is not made before it is known which request it is for, or that is no whole one."""

    __slots__ = ()

    def resolve(self, request: Request) -> Answer | Streamed:
        """The answer to this request. May raise an `Abort`."""
        raise NotImplementedError

    async def _send(self, request: Request) -> None:
        answer = self.resolve(request)
        if isinstance(answer, Streamed):
            await answer.send(request)
        else:
            request.answer(answer.status, answer.fields, answer.body)

    def __await__(self) -> Generator[None, None, None]:
        yield from self._send(current_request()).__await__()


class FileAnswer(LateAnswer):
    """A file, of which the current request gets what it asks for: see `Deliver.file`."""

    __slots__ = ("spec",)

    def __init__(self, spec: FileSpec) -> None:
        super().__init__(spec.status, [], b"")
        self.spec = spec

    def resolve(self, request: Request) -> Answer | Streamed:
        """Raises `Abort` for 404, 412 and 416."""
        from toolkit.server.files import file_outcome  # with all that it needs, where files are delivered

        return answer_of(file_outcome(request, self.spec))


class StreamAnswer(LateAnswer):
    """A body that comes by pieces: see `Deliver.stream`."""

    __slots__ = ("stream",)

    def __init__(self, stream: Streamed) -> None:
        super().__init__(stream.status, [], b"")
        self.stream = stream

    def resolve(self, request: Request) -> Answer | Streamed:
        """The stream."""
        return self.stream


class Events(Streamed):
    """Server-sent events: see `Deliver.sse`."""

    __slots__ = ("keep_alive", "retry")

    def __init__(
        self, headers: HeadersLike | None, source: AsyncIterable[object], keep_alive: float | None, retry: int | None
    ) -> None:
        super().__init__(200, headers, cast("AsyncIterable[bytes]", source))
        self.keep_alive = keep_alive
        self.retry = retry

    async def send(self, request: Request) -> None:
        """All of them, each when it comes."""
        from toolkit.server.sse import send_events  # with all that it needs, where events are sent

        await send_events(request, self.source, self.headers, self.keep_alive, self.retry)


class Reply(Answer):
    """An answer with everything said in one place, to be returned or awaited.

    `body` is what a handler may return: dict and list are JSON, str is text, bytes are bytes, None is empty.
    `content_type` replaces the one that follows from it; `cookies` are names with values, or `Cookie`s with attributes.
    """

    __slots__ = ()

    def __init__(
        self,
        body: object = None,
        status: int = 200,
        headers: HeadersLike | None = None,
        *,
        content_type: str | None = None,
        cookies: Mapping[str, str] | Iterable[Cookie] = (),
    ) -> None:
        if isinstance(body, Answer):
            raise UseError(f"Reply({type(body).__name__}): expected a dict, list, str, bytes or None")
        made = encode_value(body, status, headers)
        fields = made.fields
        if content_type is not None:
            fields = [pair for pair in fields if pair[0].lower() != b"content-type"]
            fields += encode_fields([("content-type", content_type)])
        super().__init__(status, [*fields, *_cookies(cookies)], made.body)


def _cookies(cookies: Mapping[str, str] | Iterable[Cookie]) -> Fields:
    from toolkit.protocol.cookies import Cookie, serialize_cookie

    if isinstance(cookies, Mapping):
        cookies = [Cookie(name, value, path="/", samesite="Lax") for name, value in cookies.items()]
    return [(b"set-cookie", serialize_cookie(cookie)) for cookie in cookies]


def stream_of(source: object, status: int, headers: HeadersLike | None) -> Streamed | None:
    """An async iterable, a file, or an iterator (a generator, `map`, ...) as a stream; None for anything else."""
    if isinstance(source, AsyncIterable):
        return Streamed(status, headers, source)
    if isinstance(source, Iterator):
        return Streamed(
            status, headers, cast("AsyncIterable[bytes]", source) if hasattr(source, "read") else Threaded(source)
        )
    return None


def restated(answer: Answer | Streamed, status: int, headers: HeadersLike | None) -> Answer | Streamed:
    """An answer as a tuple around it says: with that status, and these fields instead of its own of the same names."""
    fields = encode_fields(headers)
    if isinstance(answer, FileAnswer):
        return FileAnswer(answer.spec._replace(status=status, headers=_instead(answer.spec.headers, fields)))
    if isinstance(answer, StreamAnswer):
        answer = answer.stream
    if isinstance(answer, Streamed):
        answer.status, answer.headers = status, _instead(answer.headers, fields)  # it is sent once at most
        return answer
    names = {name.lower() for name, _ in fields}
    kept = [pair for pair in answer.fields if pair[0].lower() not in names]
    other = Answer(status, [*kept, *fields], answer.body)  # a new one: the other may be returned each time
    other.final = answer.final
    return other


def _instead(headers: HeadersLike | None, fields: Fields) -> HeadersLike | None:
    if not fields:
        return headers
    names = {name.lower() for name, _ in fields}
    kept = [pair for pair in encode_fields(headers) if pair[0].lower() not in names]
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in [*kept, *fields]]


def encode_returned(value: object, request: Request | None = None) -> Answer | Streamed:
    """A returned value with its optional status and headers; `request` is the current one where none is given."""
    kind = type(value)
    if kind is str or kind is bytes:
        return encode_value(value)
    status, headers = 200, None
    if isinstance(value, tuple):
        if len(value) not in (2, 3) or not isinstance(value[0], int):
            given = ", ".join([type(one).__name__ for one in value])
            raise UseError(
                f"a handler returned a tuple of {given or 'nothing'}: expected (status, value) or "
                "(status, value, headers); a list is JSON"
            )
        status, headers = value[0], (value[2] if len(value) == 3 else None)
        value = value[1]
        if isinstance(value, (Answer, Streamed)):
            value = restated(value, status, headers)
    elif value is None:
        status = 204
    if isinstance(value, LateAnswer):
        return value.resolve(request if request is not None else current_request())
    if isinstance(value, Streamed):
        return value
    if isinstance(value, (dict, list, Answer)):
        return encode_value(value, status, headers)
    # A coroutine is no stream, though a compiled one can be iterated over.
    stream = None if isinstance(value, Coroutine) else stream_of(value, status, headers)
    return encode_value(value, status, headers) if stream is None else stream
