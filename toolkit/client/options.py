"""What a request may be given, in one place; and what a body may be made of."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Final, TypeAlias, TypedDict, cast

import orjson

from toolkit.errors import UseError
from toolkit.protocol.exchange import Exchange, Json
from toolkit.protocol.relay import descriptor_of

if TYPE_CHECKING:
    from toolkit.client.policies import Auth, CookieStore
    from toolkit.client.redirects import Redirects
    from toolkit.client.retries import Retries
    from toolkit.protocol.headers import Fields
    from toolkit.protocol.limits import Timeouts

__all__ = ["OF_TURNS", "Body", "BodySource", "Params", "RequestOptions", "make_body"]

Stream: TypeAlias = IO[bytes] | AsyncIterable[bytes] | Exchange | Callable[[], AsyncIterable[bytes]]
BodySource: TypeAlias = bytes | bytearray | memoryview | str | Stream
Params: TypeAlias = Mapping[str, str | int | float | Sequence[str]] | Sequence[tuple[str, str]]


#: The options that make a request one of several turns.
OF_TURNS: Final = frozenset(["auth", "cookies", "expect_continue", "follow_redirects", "redirects", "retries"])


class RequestOptions(TypedDict, total=False):
    """The keywords of every request method."""

    params: Params | None  #: added to the URL's query
    json: Json  #: the body, as JSON
    body: BodySource | None  #: the body: bytes, text, a file, an async iterable or a factory of one, an exchange
    follow_redirects: bool  #: whether to; without the word, where there is a `redirects`
    redirects: Redirects | None  #: how redirects are followed, instead of the session's; None: not at all
    retries: Retries | None  #: when it is made again after a failure, instead of the session's; None: never
    auth: Auth | None  #: instead of the session's; None: none
    cookies: CookieStore | None  #: instead of the session's; None: none
    decode: bool  #: True: ask for content codings and undo them; False: bytes as they come
    coding: str | None  #: content coding for what is sent
    expect_continue: bool  #: wait for 100 Continue before the body, at most `Timeouts.expect`
    timeouts: Timeouts | None  #: instead of the session's
    upgrade: str | None  #: the protocol to ask for; then `await x.upgrade()`


class Body:
    """A body ready to be sent. `data` is whole; `source` is streamed; neither is an open body or none.

    `length` in bytes, None where unknown; `replayable`: it can be sent again after a redirect.
    """

    __slots__ = ("begun", "data", "fields", "length", "replayable", "source", "start")

    def __init__(
        self,
        data: bytes | None = None,
        source: Stream | None = None,
        length: int | None = None,
        replayable: bool = False,
        fields: Fields | None = None,
    ) -> None:
        self.data = data
        self.source = source
        self.length = length
        self.replayable = replayable
        self.fields = fields or []
        self.start = 0
        self.begun = False  # something of the source may have been taken


def make_body(options: RequestOptions) -> Body | None:
    """The body that the options describe, None without one. Raises `UseError` for what is no body."""
    source = options.get("body")
    if "json" in options:
        if source is not None:
            raise UseError("both json= and body=; give one of them")
        data = orjson.dumps(options["json"])
        return Body(data, length=len(data), replayable=True, fields=[(b"content-type", b"application/json")])
    if source is None:
        return None
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Body(bytes(source), length=len(source), replayable=True)
    if isinstance(source, str):
        data = source.encode()
        return Body(data, length=len(data), replayable=True, fields=[(b"content-type", b"text/plain; charset=utf-8")])
    if isinstance(source, Exchange):
        return _exchange_body(source)
    if isinstance(source, io.TextIOBase):
        raise UseError("body= is a file opened as text; open it with mode 'rb'")
    if hasattr(source, "read"):
        return _file_body(cast("IO[bytes]", source))
    if hasattr(source, "__aiter__") or callable(source):
        return Body(source=source, replayable=not hasattr(source, "__aiter__"))
    raise UseError(
        f"body={type(source).__name__}: expected bytes, str, a binary file, an async iterable, a function that "
        "returns one, or an exchange"
    )


def _exchange_body(source: Exchange) -> Body:
    """Coded bytes with what describes them; the length from the source's own word."""
    headers = source.headers
    fields: Fields = [
        (name.encode("ascii"), headers[name].encode("latin-1"))
        for name in ("content-type", "content-encoding")
        if name in headers
    ]
    return Body(source=source, length=source.content_length, fields=fields)


def _file_body(file: IO[bytes]) -> Body:
    body = Body(source=file)
    descriptor = descriptor_of(file)
    try:
        body.start = file.tell()
        if descriptor is not None:
            body.length = max(0, os.fstat(descriptor).st_size - body.start)
        elif isinstance(file, io.BytesIO):
            body.length = len(file.getbuffer()) - body.start
        body.replayable = file.seekable()
    except (OSError, ValueError, AttributeError):  # a pipe, a socket file: its end is found by reading it
        body.length = None
    return body
