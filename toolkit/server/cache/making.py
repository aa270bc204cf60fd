"""Making: run a handler, and see whether what it answered can be kept.

What a handler adds to its answer beside the value that it returns belongs to the answer, for the next visitor's handler
will not run: fields of `r.add_header` are told apart from those that others had added before. An answer that it awaits
(`await Deliver.json(...)`) is kept as well as one that it returns. A returned stream goes out as it comes, and a copy
is kept if it ends well and does not become too long; nobody waits for it, for it is as slow as the client who reads it.
What a handler sends by pieces itself, and a file, are not kept.

Whether it read cookies is seen by having nobody's reading remembered while it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.protocol.exchange import Exchange
from toolkit.protocol.fields import find_field
from toolkit.protocol.headers import encode_fields
from toolkit.protocol.states import IDLE
from toolkit.server.added import extra_of
from toolkit.server.answers import BYTES_HEADERS, Answer, Streamed, encode_returned
from toolkit.server.cache.entry import Entry, kept_fields
from toolkit.server.cache.keys import vary_names
from toolkit.server.cache.rules import Keeping, sessions_are_used, to_be_kept
from toolkit.server.hooks import call
from toolkit.server.middleware.conditional import tag_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence

    from toolkit.protocol.fields import Fields
    from toolkit.server.cache.rules import CacheRule
    from toolkit.server.handlers import Handler
    from toolkit.server.request import Request

__all__ = ["Made", "Tee", "entry_of", "keeping_of", "make"]


class Made(NamedTuple):
    """What a handler answered."""

    value: object  #: to be returned in its place
    answer: Answer | Streamed | None  #: None where it sent it by pieces
    added: Fields  #: by the handler, to whatever the head would be
    others: Fields  #: by those around it
    is_sent: bool
    read_cookies: bool


async def make(
    function: Handler, r: Request, parameters: dict[str, object], on_cookies: Callable[[], object] = bool
) -> Made:
    """Run the handler. `on_cookies` is called if it read cookies, whatever becomes of it. Raises what it raises."""
    extra = extra_of(r)
    others, cookies = list(extra.fields), extra.cookies
    awaited: list[Answer] = []

    def note(answer: object) -> None:
        if isinstance(answer, Answer):
            awaited.append(answer)

    extra.cookies, extra.on_answer = None, note
    try:
        value = await call(function, r, **parameters)
    finally:
        read = extra.cookies is not None
        if read:
            on_cookies()
        extra.cookies, extra.on_answer = cookies if extra.cookies is None else extra.cookies, None
    theirs = {id(pair) for pair in others}
    added = [pair for pair in extra.fields if id(pair) not in theirs]
    if r._out is IDLE:
        answer = encode_returned(value, r)
        return Made(answer, answer, added, others, False, read)
    whole = awaited[-1] if len(awaited) == 1 and value is None else None
    return Made(value, whole, added, others, True, read)


def keeping_of(rule: CacheRule, r: Request, made: Made, seconds: float, now: float) -> Keeping:
    """Whether it can be kept, and for how long."""
    answer = made.answer
    if answer is None:
        return Keeping(why_not="the handler sent it by pieces")
    if made.read_cookies and rule.key is None and "cookie" not in _names(rule, made):
        return Keeping(why_not="the handler read cookies")
    if not rule.with_credentials and sessions_are_used(r):
        return Keeping(why_not="the handler used the session")
    if rule.only_if is not None and not rule.only_if(made.value):
        return Keeping(why_not="only_if= says so")
    if isinstance(answer, Streamed):
        if type(answer) is not Streamed or r.method == "HEAD" or not _is_plain(answer.source):
            return Keeping(why_not="it is a file, an exchange, or a stream of events")
    elif len(answer.body) > rule.largest:
        return Keeping(why_not=f"it has {len(answer.body)} bytes")
    elif r.auto_head and not answer.body:
        return Keeping(why_not="HEAD got no body that GET would have")
    return to_be_kept(rule, answer.status, fields_of(made), seconds, now)


def fields_of(made: Made) -> Fields:
    """All fields that the handler gave its answer."""
    answer = made.answer
    if isinstance(answer, Streamed):
        return [*encode_fields(answer.headers if answer.headers is not None else BYTES_HEADERS), *made.added]
    return [*(answer.fields if answer is not None else []), *made.added]


def _names(rule: CacheRule, made: Made) -> tuple[str, ...]:
    return (*rule.vary, *(vary_names(fields_of(made)) or ()))


def _is_plain(source: object) -> bool:
    """Pieces come out of it, and there is no better way to send it."""
    return not isinstance(source, Exchange) and not hasattr(source, "send_to") and not hasattr(source, "read")


async def entry_of(rule: CacheRule, made: Made, body: bytes, keeping: Keeping, now: float) -> Entry:
    """What is kept of it."""
    answer = made.answer
    assert answer is not None
    born = now - keeping.age
    fields = kept_fields(fields_of(made), body, born)
    if answer.status == 200 and body and find_field(fields, b"etag") is None:
        fields.append((b"etag", await tag_of(body)))
    if rule.cache_control is not None and find_field(fields, b"cache-control") is None:
        fields.append((b"cache-control", str(rule.cache_control).encode("latin-1")))
    vary = tuple([name for name in vary_names(fields) or () if name not in rule.vary])
    if rule.vary:
        fields = with_vary(fields, rule.vary)
    if made.read_cookies:
        fields = with_vary(fields, ["cookie"])  # for caches elsewhere; `key` told this one what matters of them
    until = now + keeping.seconds
    final = not isinstance(answer, Streamed) and answer.final
    return Entry(answer.status, fields, body, born, until, until + keeping.stale, vary, final)


def with_vary(fields: Fields, names: Sequence[str]) -> Fields:
    """The same fields, saying that the answer depends on these as well (RFC 9110 12.5.5)."""
    known = vary_names(fields)
    missing = [name for name in names if known is not None and name not in known]
    return [*fields, (b"vary", ", ".join(missing).encode("latin-1"))] if missing else fields


class Tee:
    """A stream on its way out; `done` gets a copy when it has ended well, unless it is longer than `largest` bytes."""

    __slots__ = ("_copy", "_done", "_iterator", "_largest", "_source")

    def __init__(self, source: AsyncIterable[bytes], largest: int, done: Callable[[bytes], Awaitable[None]]) -> None:
        self._source = source
        self._iterator: AsyncIterator[bytes] | None = None
        self._largest = largest
        self._copy: bytearray | None = bytearray()
        self._done = done

    def __aiter__(self) -> Tee:
        return self

    async def __anext__(self) -> bytes:
        """The next piece, as it came."""
        if self._iterator is None:
            self._iterator = aiter(self._source)
        try:
            piece: object = await anext(self._iterator)
        except StopAsyncIteration:
            copy, self._copy = self._copy, None
            if copy is not None:
                await self._done(bytes(copy))
            raise
        except BaseException:
            self._copy = None
            raise
        copy = self._copy
        if copy is not None:
            if isinstance(piece, (bytes, bytearray, memoryview)):
                copy += piece
            elif isinstance(piece, str):
                copy += piece.encode()
            else:
                self._copy = None  # it is refused by whoever writes it
            if len(copy) > self._largest:
                self._copy = None
        return piece  # type: ignore[return-value] # likewise

    async def aclose(self) -> None:
        """End the stream; nothing is kept of it."""
        self._copy = None
        await _close(self._iterator)
        if self._iterator is not self._source:  # it may make an iterator for each reader
            await _close(self._source)


async def _close(source: object) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
