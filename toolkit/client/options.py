"""What a request may be given, in one place; and what a body may be made of."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import IO, TYPE_CHECKING, Final, TypeAlias, TypedDict, cast

import orjson

from toolkit.errors import UseError, caused
from toolkit.protocol.exchange import Exchange, Json
from toolkit.protocol.forms import Pairs, plain_pairs, serialize_urlencoded
from toolkit.protocol.limits import Timeouts
from toolkit.protocol.outbound_coding import check_coding

if TYPE_CHECKING:
    from toolkit.client.auth import AuthLike
    from toolkit.client.given import CookiesLike
    from toolkit.client.multipart import Files, Multipart
    from toolkit.client.proxies import ProxyChoice
    from toolkit.client.redirects import Redirects
    from toolkit.client.retries import Retries
    from toolkit.protocol.headers import Fields

__all__ = [
    "OF_TURNS",
    "PLAIN",
    "Body",
    "BodySource",
    "Params",
    "RequestOptions",
    "checked_coding",
    "checked_timeouts",
    "make_body",
    "takes_turns",
]

Stream: TypeAlias = IO[bytes] | AsyncIterable[bytes] | Exchange | os.PathLike[str] | Callable[[], AsyncIterable[bytes]]
BodySource: TypeAlias = bytes | bytearray | memoryview | str | Stream
Params: TypeAlias = "Pairs | str"
Progress: TypeAlias = Callable[[int, int | None], object]


#: The options that make a request one of several turns.
OF_TURNS: Final = frozenset(
    ["auth", "cookies", "expect_continue", "follow_redirects", "raise_for_status", "redirects", "retries"]
)
#: Those that do not.
PLAIN: Final = frozenset(
    ["body", "coding", "decode", "files", "form", "json", "params", "progress", "proxy", "timeouts", "upgrade"]
)
#: What other libraries call them, and what people type.
ELSEWHERE: Final = {
    "allow_redirects": "follow_redirects=",
    "content": "body=",
    "data": "body=, or form=",
    "header": "headers=",
    "max_redirects": "redirects=Redirects(most=...)",
    "param": "params=",
    "proxies": "proxy=Proxies(...)",
    "retry": "retries=Retries(...)",
    "ssl": "Session(tls=...)",
    "stream": "`async with`",
    "timeout": "timeouts=Timeouts(...)",
    "verify": "Session(tls=...)",
}


class RequestOptions(TypedDict, total=False):
    """The keywords of every request method."""

    params: Params | None  #: added to the URL's query, as `form` is read; or text that is one
    json: Json  #: the body, as JSON
    form: Pairs | None  #: the body, as a form: urlencoded, or multipart where there are `files`
    files: Files | None  #: the body, as a multipart form: paths, files, bytes, async iterables, (name, one of these)
    body: BodySource | None  #: the body: bytes, text, a path, a file, an async iterable or a factory of it, an exchange
    progress: Progress | None  #: called with the bytes of that body that were sent, and of how many (None: not known)
    follow_redirects: bool  #: whether to; without the word, where there is a `redirects`
    redirects: Redirects | None  #: how redirects are followed, instead of the session's; None: not at all
    retries: Retries | None  #: when it is made again after a failure, instead of the session's; None: never
    auth: AuthLike | None  #: instead of the session's and of a login in the URL; None: none
    cookies: CookiesLike | None  #: a mapping: besides the session's; a store: instead of them; False: none
    raise_for_status: bool  #: 400 and above are a `StatusError`, with the answer's body read; not with an open body
    decode: bool  #: True: ask for content codings and undo them; False: bytes as they come
    coding: str | None  #: content coding for what is sent
    expect_continue: bool  #: wait for 100 Continue before the body, at most `Timeouts.expect`
    timeouts: Timeouts | None  #: instead of the session's
    proxy: ProxyChoice  #: the way to the origin, instead of the session's; None: directly
    upgrade: str | None  #: the protocol to ask for; then `await x.upgrade()`


class Body:
    """A body ready to be sent. `data` is whole; `source` is streamed; neither is an open body or none.

    `length` in bytes, None where unknown; `replayable`: it can be sent again after a redirect.
    """

    __slots__ = ("begun", "data", "fields", "length", "progress", "replayable", "source", "start")

    def __init__(
        self,
        data: bytes | None = None,
        source: Stream | Multipart | None = None,
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
        self.progress: Progress | None = None
        self.begun = False  # something of the source may have been taken


def takes_turns(options: RequestOptions) -> bool:
    """Whether there is more to a request with these options than to send it. Raises `UseError` for no option."""
    if len(options) == 1 and ("json" in options or "body" in options):
        return False
    if PLAIN.issuperset(options):
        return False
    for name in options:
        if name not in PLAIN and name not in OF_TURNS:
            hint = ELSEWHERE.get(name)
            raise UseError(
                f"{name}= is no option of a request; here it is {hint}"
                if hint is not None
                else f"{name}= is no option of a request; expected {', '.join(sorted(PLAIN | OF_TURNS))}"
            )
    return True


def checked_timeouts(given: object) -> Timeouts:
    """The same. Raises `UseError` for what others take here: a number, a tuple."""
    if not isinstance(given, Timeouts):
        raise UseError(f"timeouts={given!r}: expected Timeouts(...), such as Timeouts(total=5)")
    return given


def checked_coding(options: RequestOptions) -> str | None:
    """`coding`, which is to be named in the head. Raises `UseError` for one not there."""
    given: Mapping[str, object] = options  # as in `make_body`
    coding = given.get("coding")
    return None if coding is None else check_coding(coding)


def make_body(options: RequestOptions) -> Body | None:
    """The body that the options describe, None without one. Raises `UseError` for what is no body."""
    given: Mapping[str, object] = options  # what people give is judged here, whatever they were told
    if "json" in given:
        if len(given) > 1:
            _check_one(given)
        data = _json(given["json"])
        body = Body(data, length=len(data), replayable=True, fields=[(b"content-type", b"application/json")])
        return body if len(given) == 1 else _watched(body, given)
    if given.get("form") is not None or given.get("files") is not None:
        _check_one(given)
        return _watched(_form_body(given.get("form"), given.get("files")), given)
    source = given.get("body")
    return None if source is None else _watched(_body_of(source), given)


def _check_one(options: Mapping[str, object]) -> None:
    """Several bodies are none; fields and files make one form."""
    given = [name for name in ("json", "form", "files", "body") if name in options]
    given = [name for name in given if name == "json" or options.get(name) is not None]
    if len(given) > 1 and given != ["form", "files"]:
        raise UseError(f"both {given[0]}= and {given[1]}=; give one of them")


def _watched(body: Body, options: Mapping[str, object]) -> Body:
    progress = options.get("progress")
    if progress is not None and not callable(progress):
        raise UseError(f"progress={progress!r}: expected a function of the bytes sent and of how many there are")
    body.progress = progress
    return body


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise caused(UseError(f"json=: {error}"), error)


def _form_body(form: object, files: object) -> Body:
    pairs = [] if form is None else plain_pairs(form, "form")
    if files is None:
        data = serialize_urlencoded(pairs)
        fields = [(b"content-type", b"application/x-www-form-urlencoded")]
        return Body(data, length=len(data), replayable=True, fields=fields)
    from toolkit.client.multipart import make_multipart

    made = make_multipart(pairs, files)
    fields = [(b"content-type", made.content_type.encode("ascii"))]
    whole = made.whole()
    if whole is not None:
        return Body(whole, length=len(whole), replayable=True, fields=fields)
    return Body(source=made, length=made.length, replayable=made.replayable, fields=fields)


def _body_of(source: object) -> Body:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return Body(data, length=len(data), replayable=True)
    if isinstance(source, str):
        data = source.encode()
        return Body(data, length=len(data), replayable=True, fields=[(b"content-type", b"text/plain; charset=utf-8")])
    if isinstance(source, Exchange):
        return _exchange_body(source)
    if isinstance(source, os.PathLike):
        with open(source, "rb") as file:
            return Body(source=source, length=os.fstat(file.fileno()).st_size, replayable=True)
    if isinstance(source, io.TextIOBase):
        raise UseError("body= is a file opened as text; open it with mode 'rb'")
    if hasattr(source, "read"):
        return _file_body(cast("IO[bytes]", source))
    if hasattr(source, "__aiter__") or callable(source):
        return Body(source=cast("Stream", source), replayable=not hasattr(source, "__aiter__"))
    hint = ""
    if isinstance(source, Mapping):
        hint = "; a dict goes into json=, form= or files="
    elif isinstance(source, Iterable):
        hint = "; of pieces of bytes make an async generator, or b''.join them"
    raise UseError(
        f"body={type(source).__name__}: expected bytes, str, a Path, a binary file, an async iterable, a function that "
        f"returns one, or an exchange{hint}"
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
    from toolkit.client.multipart import measured

    body = Body(source=file)
    body.length, body.start, body.replayable = measured(file)
    return body
