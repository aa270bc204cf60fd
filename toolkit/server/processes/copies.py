"""A request, as a process gets it: a copy of what is known of it, and its body, whole.

What stays behind is whatever belongs to the connection. Where a name is there, it is the one that `Request` has; what
has to be awaited there is here at once.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias, TypeVar
from urllib.parse import parse_qsl

from toolkit.errors import UseError
from toolkit.protocol.aio.forms import Form, read_form
from toolkit.protocol.cookies import Cookie, parse_cookies, serialize_cookie
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.forms import MultiDict
from toolkit.protocol.headers import Fields, Headers, HeaderValue, encode_fields
from toolkit.protocol.limits import FormLimits, Limits
from toolkit.server.added import add_header, set_cookie
from toolkit.server.bodies import check_charset, expect_type

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from datetime import datetime

    from toolkit.protocol.cookies import SameSite
    from toolkit.protocol.readable import Json
    from toolkit.server.request import Request as Served

__all__ = ["Added", "Copied", "RequestCopy", "add_to", "copy_of"]

T = TypeVar("T")

Added: TypeAlias = "list[tuple[str, HeaderValue] | Cookie]"  # to the answer's head, in order


class Copied(NamedTuple):
    """What of a request is sent; the body comes behind it."""

    method: str
    target: str
    url: str
    path: str
    host: str
    scheme: str
    http_version: str
    fields: Fields
    peer: tuple[str, int]
    mount_path: str
    request_id: str | None
    path_params: dict[str, object]
    store: bytes | None  #: pickled, one by one: see `_Store`


def copy_of(r: Served, path_params: dict[str, object]) -> Copied:
    """What is sent of a request."""
    return Copied(
        r.method,
        r.target,
        r.url,
        r.path,
        r.host,
        r.scheme,
        r.http_version,
        r._head.fields,
        (r.ip_host, r.ip_port),
        r.mount_path,
        r.request_id,
        path_params,
        _packed_store(r._store),
    )


def add_to(r: Served, added: Added) -> None:
    """Do with the request what was asked of its copy."""
    for one in added:
        if isinstance(one, Cookie):
            set_cookie(r, one)
        else:
            add_header(r, *one)


def _packed_store(store: Mapping[str, object] | None) -> bytes | None:
    if not store:
        return None
    packed: dict[str, bytes | None] = {}
    for name, value in store.items():
        try:
            packed[name] = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception:  # a connection, a lock: whoever asks for it there is told
            packed[name] = None
    return pickle.dumps(packed)


class _Store(dict[str, object]):
    """What the application had put into `r.store`, without what no process can be given."""

    def __init__(self, packed: bytes | None) -> None:
        super().__init__()
        self._left: set[str] = set()
        for name, value in (pickle.loads(packed) if packed else {}).items():
            if value is None:
                self._left.add(name)
            else:
                self[name] = pickle.loads(value)

    def __missing__(self, name: str) -> NoReturn:
        if name in self._left:
            raise KeyError(f"r.store[{name!r}] cannot be pickled, so that it is not known in another process")
        raise KeyError(name)


class _Body(Exchange):
    """A body that is here already, with all that an exchange can make of one."""

    def __init__(self, copied: Copied, headers: Headers, body: bytes, limits: Limits) -> None:
        super().__init__(None, copied.method, None)
        self._url = copied.url
        self._headers = headers
        self._own_limits = limits
        self._whole = body

    @property
    def url(self) -> str:
        return self._url

    @property
    def headers(self) -> Headers:
        return self._headers

    @property
    def _limits(self) -> Limits:
        return self._own_limits

    def _say(self, text: str) -> str:
        return f"{self.method} {self.url}: {text}"

    def _check_charset(self) -> None:
        raw = self.content_type.encode("latin-1")
        if raw:
            check_charset(self, raw)  # type: ignore[arg-type]  # it needs no more of a request than is here

    def _expect_type(self, kind: str, any_type: bool) -> str | None:
        raw = self.content_type.encode("latin-1")
        return expect_type(self, raw, kind, any_type) if raw else None  # type: ignore[arg-type]  # likewise


def _now(coroutine: Coroutine[object, None, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise AssertionError("a body that is here was waited for")


class RequestCopy:
    """A request, as a handler in another process gets it. Its body is here: `body`, and what is made of it, at once.

    `add_header` and `set_cookie` go back with the answer. `store` is a copy; what is put into it stays here.
    """

    def __init__(
        self, copied: Copied, body: bytes, limits: Limits = Limits(), forms: FormLimits = FormLimits()
    ) -> None:
        self.method = copied.method
        self.target = copied.target
        self.url = copied.url
        self.path = copied.path
        self.host = copied.host
        self.scheme = copied.scheme
        self.http_version = copied.http_version
        self.ip_host, self.ip_port = copied.peer
        self.mount_path = copied.mount_path
        self.request_id = copied.request_id
        self.path_params = copied.path_params
        self.headers = Headers.from_fields(copied.fields)
        self.store: dict[str, object] = _Store(copied.store)
        self.body = body
        self._body = _Body(copied, self.headers, body, limits)
        self._forms = forms
        self._form: Form | None = None
        self._added: Added | None = []

    def __repr__(self) -> str:
        return f"<RequestCopy {self.method} {self.target}>"

    def __getattr__(self, name: str) -> NoReturn:
        from toolkit.server.request import Request

        if hasattr(Request, name):
            raise AttributeError(
                f"r.{name} is not there in another process: it belongs to the connection, or to the application, which "
                "stay where the loop is"
            )
        raise AttributeError(f"'RequestCopy' object has no attribute {name!r}")

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def raw_path(self) -> str:
        """See `Request.raw_path`."""
        target = self.target
        if not target.startswith("/") and "://" in target:
            target = "/" + target.partition("://")[2].partition("?")[0].partition("/")[2]
        return target.partition("?")[0]

    @property
    def query(self) -> str:
        """See `Request.query`."""
        return self.target.partition("?")[2]

    def params(self) -> dict[str, str]:
        """See `Request.params`."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def params_all(self) -> MultiDict[str]:
        """See `Request.params_all`."""
        return MultiDict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def cookies(self) -> dict[str, str]:
        """See `Request.cookies`."""
        return parse_cookies("; ".join(self.headers.get_all("cookie")))

    @property
    def content_type(self) -> str:
        """See `Exchange.content_type`."""
        return self._body.content_type

    @property
    def content_length(self) -> int | None:
        """See `Exchange.content_length`; `len(r.body)` counts decoded bytes."""
        return self._body.content_length

    # -- the body ----------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The body as text, by its charset. Raises `RemoteProtocolError` (415) for an unknown one."""
        return _now(self._body.text())

    def json(self, *, any_type: bool = False) -> Json:
        """The body, parsed; raises as `Request.json` does."""
        return _now(self._body.json(any_type=any_type))

    def xml(self, *, any_type: bool = False) -> dict[str, Json]:
        """The body as xmltodict reads it; raises as `Request.xml` does."""
        return _now(self._body.xml(any_type=any_type))

    def form(self, limits: FormLimits | None = None) -> Form:
        """The form that the body is; raises as `Request.form` does. Of a file, `content` is what can be had here."""
        if self._form is None:
            limits = self._forms if limits is None else limits
            limits = replace(limits, memory=len(self.body))  # where it is already: no file is worth a disk now
            self._form = _now(read_form(self._body, limits))
        return self._form

    # -- what goes out with the head ---------------------------------------------------------------------------

    def _note(self, call: str, one: tuple[str, HeaderValue] | Cookie) -> None:
        if self._added is None:
            raise UseError(f"{self.method} {self.url}: {call} after the answer's head was sent; call it before")
        self._added.append(one)

    def _take_added(self) -> Added:
        added, self._added = self._added or [], None
        return added

    def add_header(self, name: str, value: HeaderValue) -> None:
        """See `Request.add_header`."""
        encode_fields([(name, value)])
        self._note(f"add_header({name!r})", (name, value))

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: datetime | float | None = None,
        domain: str | None = None,
        path: str | None = "/",
        secure: bool = False,
        httponly: bool = False,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """See `Request.set_cookie`."""
        cookie = Cookie(name, value, max_age, expires, domain, path, secure, httponly, samesite, partitioned)
        serialize_cookie(cookie)
        self._note(f"set_cookie({name!r})", cookie)

    def delete_cookie(
        self, name: str, *, domain: str | None = None, path: str | None = "/", secure: bool = False
    ) -> None:
        """See `Request.delete_cookie`."""
        self._note(f"delete_cookie({name!r})", Cookie(name, "", 0, 0, domain, path, secure))
