"""Conditional answers: returned bodies get an entity tag, and who has that version already gets 304 (RFC 9110 13)."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from toolkit.protocol.conditional import evaluate, read_conditions
from toolkit.protocol.dates import parse_http_date
from toolkit.protocol.fields import find_field
from toolkit.protocol.status import reason_phrase
from toolkit.server.abort import Abort
from toolkit.server.answers import Answer, Streamed, encode_returned
from toolkit.server.compression import fields_when_sent

if TYPE_CHECKING:
    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["Conditional", "by_conditions", "tag_of"]

OFFLOAD: Final = 1024 * 1024  #: bytes; blake2b does 1 GB/s, so this holds the loop for a millisecond
#: What a 304 says of the representation (RFC 9110 15.4.5); the rest the client has.
KEPT: Final = frozenset(
    [
        b"age",
        b"cache-control",
        b"content-location",
        b"date",
        b"etag",
        b"expires",
        b"last-modified",
        b"set-cookie",
        b"vary",
    ]
)


@dataclass(frozen=True, slots=True)
class Conditional:
    """GET and HEAD are answered 304 where the client has what the handler returned, 412 where it wants another version.

    The handler does its work all the same: what is saved is the way of the bytes. An `etag` that it gave counts, as
    does its `last-modified`; without one the tag is a hash of the body, unless `hashed` is False. Streams pass.
    """

    hashed: bool = True

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Wait for the answer, then hold the conditions against it."""
        value = await handler(r)
        if r.method not in ("GET", "HEAD") or r.status is not None:
            return value
        answer = encode_returned(value, r)
        if isinstance(answer, Streamed) or answer.status != 200:
            return answer
        fields = answer.fields
        if find_field(fields, b"etag") is None and self.hashed and answer.body:
            answer, final = Answer(200, [*fields, (b"etag", await tag_of(answer.body))], answer.body), answer.final
            answer.final = final
        return by_conditions(r, answer)


def by_conditions(r: Request, answer: Answer) -> Answer:
    """What the request's conditions make of a 200 to GET or HEAD: itself, or a 304. Raises `Abort` for a 412."""
    conditions = read_conditions(r._head.fields)
    if conditions is None:
        return answer
    etag, modified = find_field(answer.fields, b"etag"), find_field(answer.fields, b"last-modified")
    verdict = evaluate(
        r.method,
        conditions,
        None if etag is None else etag.decode("latin-1"),
        None if modified is None else parse_http_date(modified.decode("latin-1")),
    )
    if verdict == 304:
        sent = fields_when_sent(r, answer)  # RFC 9110 15.4.5: vary and the tag as the 200 would have them
        return Answer(304, [pair for pair in sent if pair[0].lower() in KEPT], b"")
    if verdict == 412:
        raise Abort(reason_phrase(412), 412)
    return answer


async def tag_of(body: bytes) -> bytes:
    """An entity tag out of a body."""
    if len(body) > OFFLOAD:
        return await asyncio.get_running_loop().run_in_executor(None, _hash, body)
    return _hash(body)


def _hash(body: bytes) -> bytes:
    return b'"%b"' % hashlib.blake2b(body, digest_size=16).hexdigest().encode("ascii")
