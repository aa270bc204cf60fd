"""What programs give as `auth=` and `cookies=`, made into what requests work with (`policies.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from toolkit.client.auth import Basic, ByFunction, OnlyFor, origin_of
from toolkit.client.netrc import Netrc
from toolkit.errors import UseError
from toolkit.protocol.cookies import Cookie, serialize_cookie
from toolkit.protocol.fields import find_field
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from toolkit.client.options import RequestOptions
    from toolkit.client.policies import Auth, CookieStore, Policies
    from toolkit.client.pool import Origin
    from toolkit.protocol.headers import Fields, HeadersLike

__all__ = [
    "CookiesLike",
    "RequestCookies",
    "make_auth",
    "make_cookies",
    "of_request",
    "session_auth",
    "session_cookies",
]

CookiesLike: TypeAlias = "CookieStore | Mapping[str, str] | bool"


def make_auth(auth: object) -> Auth | None:
    """What a program gives as `auth=`: an `Auth`, a pair of name and password, a function, None. Raises `UseError`."""
    if auth is None:
        return None
    if isinstance(auth, tuple) and len(auth) == 2:
        return Basic(auth[0], auth[1])
    if hasattr(auth, "prepare") and hasattr(auth, "answer") and not isinstance(auth, type):
        return auth  # its two methods are what makes it one
    if callable(auth) and not isinstance(auth, type):
        return ByFunction(auth)
    raise UseError(
        f"auth is {_kind(auth)}: expected Basic(user, password), Bearer(token), Digest(user, password), Netrc(), "
        "a pair (user, password), or a function of the request and its answer"
    )


def _kind(value: object) -> str:
    """What it is, for messages: the value itself may be a secret."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"


def of_request(
    shared: Policies, options: RequestOptions, login: tuple[str, str] | None, fields: Fields
) -> tuple[Auth | None, CookieStore | None]:
    """A request's own: its options before the login in its URL, that before its session's.

    A field of its own comes before its session's policies; two words of one caller are one too many (`UseError`).
    """
    auth, cookies = shared.auth, shared.cookies
    if "auth" in options or login is not None:
        auth = make_auth(options.get("auth", login))
    if "cookies" in options:
        cookies = make_cookies(options["cookies"], shared.cookies)
    for option, name, given in (
        ("auth", b"authorization", options.get("auth") is not None),
        ("cookies", b"cookie", isinstance(options.get("cookies"), Mapping)),
    ):
        if given and find_field(fields, name) is not None:
            raise UseError(f"both {option}= and a header {name.decode()!r}; give one of them")
    return auth, cookies


def session_auth(auth: object, base: URL | None) -> Auth | None:
    """A session's own, for its `base_url` where it has one; a file of logins says which hosts they are for."""
    made = make_auth(auth)
    return made if made is None or base is None or isinstance(made, Netrc) else OnlyFor(made, base)


def make_cookies(cookies: object, shared: CookieStore | None) -> CookieStore | None:
    """A request's: a mapping goes with it besides the session's; False and None: none. Raises `UseError`."""
    if cookies is None or cookies is False:
        return None
    if cookies is True:
        return shared
    if isinstance(cookies, Mapping):
        return RequestCookies(cookies, shared)
    if hasattr(cookies, "fields_for") and hasattr(cookies, "store") and not isinstance(cookies, type):
        return cookies  # its two methods are what makes it one
    raise UseError(f"cookies is {_kind(cookies)}: expected a CookieJar(), a mapping of names to values, True or False")


def session_cookies(cookies: object, base: URL | None) -> CookieStore | None:
    """A session's: True is a new jar; a mapping one with these in it, which belong to the host of `base_url`."""
    if cookies is True or isinstance(cookies, Mapping):
        from toolkit.client.cookie_jar import CookieJar

        jar = CookieJar()
        if isinstance(cookies, Mapping):
            if base is None:
                raise UseError("Session(cookies={...}): whose are they? Give a base_url, or jar.set(name, value, url)")
            for name, value in cookies.items():
                jar.set(name, value, str(base.with_user(None) if base.absolute else base))
        return jar
    return make_cookies(cookies, None)


class RequestCookies:
    """Cookies of one request, besides those of a store, in place of those of the same names.

    They are for the origin that the request begins with: another one, met by a redirect, gets the store's alone.
    """

    def __init__(self, cookies: Mapping[str, str], store: CookieStore | None) -> None:
        for name, value in cookies.items():
            serialize_cookie(Cookie(name, value))  # raises for what no cookie may be
        self._own = dict(cookies)
        self._store = store
        self._origin: Origin | None = None

    def __repr__(self) -> str:
        return f"<RequestCookies {len(self._own)} cookies>"

    def fields_for(self, url: URL) -> HeadersLike | None:
        """The store's, then one's own."""
        given = None if self._store is None else self._store.fields_for(url)
        if self._origin is None:
            self._origin = origin_of(url)
        if self._origin != origin_of(url) or not self._own:
            return given
        stored = Headers(given).get("cookie", "")
        pairs = [pair for pair in stored.split("; ") if pair and pair.partition("=")[0] not in self._own]
        pairs += [f"{name}={value}" for name, value in self._own.items()]
        return [("cookie", "; ".join(pairs))]

    def store(self, url: URL, values: Sequence[str]) -> None:
        """What the answer sets is the store's."""
        if self._store is not None:
            self._store.store(url, values)
