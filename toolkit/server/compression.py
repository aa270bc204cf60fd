"""Compression of returned bodies: which of them, in which coding, and when not (RFC 9110 8.4, 12.5.3).

How it works. `dispatch` asks here about a returned body of `Compression.minimum` bytes or more; a shorter one costs a
comparison. What may be coded gets `vary: accept-encoding` whether this request wants it coded or not, since a cache is
to keep both. A coded answer's entity tag becomes weak: the bytes are others each time a library is, and equal only in
meaning. Bodies over `OFFLOAD` bytes are coded off the event loop, in pieces, and so are chunked.

**No secrets.** Whoever sees how long an answer is, and can have text of his own put into it, learns from its compressed
length whether his text occurs in the rest: letter by letter that gives away a token (BREACH, CVE-2013-3587). So nothing
is compressed by itself that may have a secret in it:

    a request with credentials      cookie, authorization, proxy-authorization
    an answer that sets a cookie    or may be about to: a session that was used
    an answer of one person         cache-control: private, or no-store

`Compression(with_credentials=True)` says that there are none, for an application or by a middleware for a route.
Static files have no secrets, and go another way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError
from toolkit.protocol.codings import LEVELS, available_codings, make_encoder
from toolkit.protocol.conditional import weaken
from toolkit.protocol.fields import find_field, join_fields
from toolkit.protocol.headers import encode_fields
from toolkit.protocol.media_types import is_compressible
from toolkit.protocol.negotiate import choose_coding
from toolkit.server.answers import Answer, KeptAnswer, Streamed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from toolkit.protocol.fields import Fields
    from toolkit.server.answers import CodedForms
    from toolkit.server.request import Request

__all__ = [
    "CodedBody",
    "Compression",
    "code_stream",
    "compressed",
    "encode_body",
    "fields_when_sent",
    "has_credentials",
    "vary_by_coding",
]

# gzip level 6 does about 40 MB/s on one core: 64 KiB hold the loop for 1.6 ms, a hand-over to a thread costs 0.1 ms.
OFFLOAD: Final = 64 * 1024
PIECE: Final = 256 * 1024  #: coded in one go: 10 ms of a thread, and as much again that waits for the client
CREDENTIALS: Final = (b"cookie", b"authorization", b"proxy-authorization")
WHOLE: Final = frozenset([200, 201, 202, 203, 400, 401, 403, 404, 405, 409, 410, 422, 429, 500, 502, 503, 504])


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """How bodies are compressed; `App(compression=None)` compresses none.

    `codings` in the order of preference between those that a client likes equally; those whose library is missing are
    passed over. `levels` by coding, the library's own numbers, for `prepare(coding=)` as well. `types`: media types
    such as "text/html" or "text/*"; None: text, JSON, XML, and what else is known to become smaller.
    `with_credentials`: also where the request has credentials or the answer is one person's; see the module for what
    that may give away.
    """

    minimum: int = 500  #: bytes. Below, head and body fit into one packet, and there is nothing to be saved
    codings: Sequence[str] = ("zstd", "br", "gzip")  # zstd 111 MB/s, br 45, gzip 23, at about the same size
    levels: Mapping[str, int] = field(default_factory=dict)
    types: Collection[str] | None = None
    with_credentials: bool = False

    def __post_init__(self) -> None:
        for coding in (*self.codings, *self.levels):
            if coding not in LEVELS:
                raise UseError(f"Compression: {coding!r} is no coding; there are {', '.join(LEVELS)}")
        for coding, level in self.levels.items():
            _, lowest, highest = LEVELS[coding]
            if not lowest <= level <= highest:
                raise UseError(f"Compression: the level of {coding} goes from {lowest} to {highest}, not {level}")
        if self.minimum < 1:
            raise UseError(f"Compression(minimum={self.minimum}): expected at least 1 byte")

    def takes(self, content_type: str) -> bool:
        """Whether bodies of this type are compressed."""
        if self.types is None:
            return is_compressible(content_type)
        name = content_type.partition(";")[0].strip(" \t").lower()
        return name in self.types or f"{name.partition('/')[0]}/*" in self.types

    def available(self) -> tuple[str, ...]:
        """Its codings, without those whose library is missing."""
        return tuple(coding for coding in self.codings if coding in available_codings())


def encode_body(body: bytes, coding: str, level: int | None = None) -> bytes:
    """A whole body in a coding."""
    encoder = make_encoder(coding, level)
    return encoder.encode(body) + encoder.finish()


class CodedBody:
    """A body that is coded on its way out, off the loop, one piece after the other: a source for `Streamed`."""

    __slots__ = ("body", "coding", "kept", "level")

    def __init__(self, body: bytes, coding: str, level: int | None, kept: CodedForms | None = None) -> None:
        self.body = body
        self.coding = coding
        self.level = level
        self.kept = kept  # where the whole of it goes besides

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop, encoder = asyncio.get_running_loop(), make_encoder(self.coding, self.level)
        pieces = []
        for start in range(0, len(self.body), PIECE):
            piece = await loop.run_in_executor(None, encoder.encode, self.body[start : start + PIECE])
            if self.kept is not None:
                pieces.append(piece)
            yield piece
        end = encoder.finish()
        if self.kept is not None:
            self.kept.put(self.coding, self.level, b"".join([*pieces, end]))
        yield end


def has_credentials(request: Request, fields: Fields) -> bool:
    """Whether the request has credentials, or its answer is one person's."""
    for name, _ in request._head.fields:
        if len(name) in (6, 13, 19) and name.lower() in CREDENTIALS:
            return True
    extra = request._extra
    if extra is not None and extra.before_head:
        return True  # a session that was used: it may set a cookie yet
    for name, value in fields if extra is None else [*fields, *extra.fields]:
        key = name.lower()
        if key == b"set-cookie" or (key == b"cache-control" and _is_personal(value)):
            return True
    return False


def _is_personal(cache_control: bytes) -> bool:
    value = cache_control.lower()
    return b"private" in value or b"no-store" in value


def vary_by_coding(fields: Fields) -> Fields:
    """The same fields, saying that the answer depends on Accept-Encoding (RFC 9110 12.5.5)."""
    value = join_fields(fields, b"vary")
    if value is not None and any(one.strip(b" \t").lower() in (b"*", b"accept-encoding") for one in value.split(b",")):
        return fields
    return [*fields, (b"vary", b"accept-encoding")]


def compressed(request: Request, answer: Answer, options: Compression | None = None) -> Answer | Streamed:
    """The answer to be sent for this one: itself, its coded form, or one that is coded off the loop.

    `options` are the application's where none are given.
    """
    if options is None:
        options = request._connection.running.app.compression
    status, fields, body = answer.status, answer.fields, answer.body
    if options is None or len(body) < options.minimum or not _may_be_coded(request, options, status, fields):
        return answer
    fields = vary_by_coding(fields)
    coding = _choice(request, options)
    if coding is None:
        return _final(status, fields, body)
    level = options.levels.get(coding)
    kept = answer.coded if isinstance(answer, KeptAnswer) else None
    coded = None if kept is None else kept.get(coding, level)
    if coded is None:
        if len(body) > OFFLOAD:
            pairs = [(name.decode("latin-1"), value) for name, value in _coded(fields, coding)]
            return Streamed(status, pairs, CodedBody(body, coding, level, kept))
        coded = encode_body(body, coding, level)
        if kept is not None:
            kept.put(coding, level, coded)
    return _final(status, fields, body) if len(coded) >= len(body) else _final(status, _coded(fields, coding), coded)


def code_stream(request: Request, stream: Streamed, options: Compression) -> None:
    """Have a stream coded on its way out, where it may be and the client takes it: its fields are then of that form."""
    fields = encode_fields(stream.headers)
    if not _may_be_coded(request, options, stream.status, fields):
        return
    stream.coding = _choice(request, options)
    # `prepare` says which coding it is, and that it depends on what the client takes.
    fields = vary_by_coding(fields) if stream.coding is None else _of_coded(fields)
    stream.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def fields_when_sent(request: Request, answer: Answer) -> Fields:
    """The fields that the application's compression makes of an answer's, for a 304 that stands for it.

    Nothing is coded for that: of a body that would not become smaller the tag is weak here, and compares all the same.
    """
    options = request._connection.running.app.compression
    fields = answer.fields
    if options is None or answer.final or len(answer.body) < options.minimum:
        return fields
    if not _may_be_coded(request, options, answer.status, fields):
        return fields
    coding = _choice(request, options)
    fields = vary_by_coding(fields)
    return fields if coding is None else _coded(fields, coding)


def _choice(request: Request, options: Compression) -> str | None:
    accepted = join_fields(request._head.fields, b"accept-encoding")
    return choose_coding(None if accepted is None else accepted.decode("latin-1"), options.available())


def _final(status: int, fields: Fields, body: bytes) -> Answer:
    answer = Answer(status, fields, body)
    answer.final = True
    return answer


def _may_be_coded(request: Request, options: Compression, status: int, fields: Fields) -> bool:
    kind = find_field(fields, b"content-type")
    if kind is None or status not in WHOLE or not options.takes(kind.decode("latin-1")):
        return False  # nothing, a part of something, or what gains nothing
    for name, value in fields:
        key = name.lower()
        if key in (b"content-encoding", b"content-range"):
            return False  # coded already, or not to be, where it says identity; a part
        if key == b"cache-control" and b"no-transform" in value.lower():
            return False  # RFC 9111 5.2.2.6: meant for those in between, and good advice here
    return options.with_credentials or not has_credentials(request, fields)


def _coded(fields: Fields, coding: str) -> Fields:
    return [*_of_coded(fields), (b"content-encoding", coding.encode("ascii"))]


def _of_coded(fields: Fields) -> Fields:
    """The fields of the coded form, but for the coding's own."""
    kept: Fields = []
    for name, value in fields:
        key = name.lower()
        if key in (b"content-length", b"accept-ranges", b"content-md5", b"digest", b"repr-digest", b"content-digest"):
            continue  # of the body as it was
        if key == b"etag":
            value = weaken(value.decode("latin-1")).encode("latin-1")
        kept.append((name, value))
    return kept
