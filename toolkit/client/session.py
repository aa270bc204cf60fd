"""Session: where requests come from. Defaults, and the connections they share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, Unpack

from toolkit._version import __version__
from toolkit.client.dialing import Dialer
from toolkit.client.heads import METHODS, Defaults, Place
from toolkit.client.policies import make_policies
from toolkit.client.proxies import proxies_of, way_to
from toolkit.client.response import Response
from toolkit.client.session_options import Connecting, PoolLimits, check_faces, check_kinds
from toolkit.client.tls_options import context_of, name_of
from toolkit.client.transport import Transports
from toolkit.client.url import base_of, join_url, parse_url, shown_url, with_params
from toolkit.errors import LocalProtocolError, UseError, caused
from toolkit.protocol.codings import available_codings
from toolkit.protocol.forms import query_pairs
from toolkit.protocol.head import HOST, check_method
from toolkit.protocol.headers import Headers, HeadersLike, encode_fields
from toolkit.protocol.limits import Limits, Timeouts

if TYPE_CHECKING:
    from types import TracebackType

    from yarl import URL

    from toolkit.client.auth import AuthLike
    from toolkit.client.cookie_jar import CookieJar
    from toolkit.client.event_source import EventSource
    from toolkit.client.given import CookiesLike
    from toolkit.client.options import Params, RequestOptions
    from toolkit.client.policies import Auth, CookieStore, Hooks
    from toolkit.client.proxies import ProxyChoice
    from toolkit.client.redirects import Redirects
    from toolkit.client.retries import Retries
    from toolkit.client.tls_options import TlsChoice

__all__ = ["InMemory", "Session"]


URLS: Final = 256  # parsed URLs that a session keeps


class InMemory(Protocol):
    """What `Session(app=...)` talks to: anything that makes the answering end of a connection. An `App` does."""

    def new_connection(self) -> asyncio.Protocol:
        """The protocol of a new link."""


class Session:
    """Requests with shared defaults and a pool of connections that are kept alive.

    `app` talks to an application in memory, `unix` to a socket by path; URLs may then be paths. `base_url` is what
    relative URLs are joined to. `tls` is a `ClientTls` or a context, instead of the default one, which verifies.
    `proxy` is one for all requests, or `Proxies` with their rules; without it the environment is not looked at.
    `headers` go with every request, and `params` into the query of every URL, where it has none of the name. `pool`
    says how many connections there are and how long each is used, `connecting` how they are made. `auth`, `cookies`,
    `redirects`, `retries`, `hooks` and `raise_for_status` hold for every request that does not name its own.

    A session belongs to the loop that first uses it; it is rebound when that loop is closed.
    """

    def __init__(
        self,
        *,
        app: InMemory | None = None,
        unix: str | None = None,
        base_url: str | None = None,
        tls: TlsChoice = None,
        proxy: ProxyChoice = None,
        headers: HeadersLike | None = None,
        params: Params | None = None,
        limits: Limits = Limits(),
        timeouts: Timeouts = Timeouts(),
        pool: PoolLimits = PoolLimits(),
        connecting: Connecting = Connecting(),
        auth: AuthLike | None = None,
        cookies: CookiesLike | None = None,
        redirects: Redirects | None = None,
        retries: Retries | None = None,
        hooks: Hooks | None = None,
        raise_for_status: bool = False,
    ) -> None:
        if app is not None and unix is not None:
            raise UseError("Session(app=..., unix=...): give one of them")
        if proxy is not None and (app is not None or unix is not None):
            raise UseError(
                "Session(proxy=..., app=... or unix=...): there is no proxy on the way to either; leave it out"
            )
        check_kinds(limits=limits, timeouts=timeouts, pool=pool, connecting=connecting)
        check_faces(app=app, unix=unix, hooks=hooks)
        self._app = app
        self._unix_path = unix
        self._tls = context_of(tls, "Session")
        self._server_name = name_of(tls)
        self._proxies = proxies_of(proxy)
        self.limits = limits
        self.timeouts = timeouts
        self.headers = Headers(headers)
        self._params = query_pairs(params) if params is not None else []
        self._pool_limits = pool
        self._connecting = connecting
        named = base_url is not None
        if base_url is None and (app is not None or unix is not None):
            base_url = "http://localhost"
        self._base = None if base_url is None else base_of(base_url)
        shown, kept = _given(auth, cookies, self._base, named)
        self.policies = make_policies(
            auth=shown,
            cookies=kept,
            redirects=redirects,
            retries=retries,
            hooks=hooks,
            raise_for_status=raise_for_status,
        )
        self._places: dict[str, Place] = {}  # a session asks for the same few again and again; parsing is 6 us
        self._transports: Transports | None = None
        agent = (b"user-agent", f"toolkit/{__version__}".encode("ascii"))
        self.defaults = Defaults([agent, (b"accept", b"*/*")], available_codings())

    def __repr__(self) -> str:
        return f"<Session {self._transports.pool!r}>" if self._transports is not None else "<Session not used yet>"

    async def __aenter__(self) -> Session:
        self.bound()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every connection; exchanges that still run get `Disconnected`. The session can be used again."""
        transports, self._transports = self._transports, None
        if transports is not None:
            await transports.close()

    @property
    def cookies(self) -> CookieJar:
        """The jar of `Session(cookies=True)`. Raises `UseError` where there is none: none is kept unless asked for."""
        from toolkit.client.cookie_jar import CookieJar

        jar = None if self.policies is None else self.policies.cookies
        if jar is None:
            raise UseError("http.cookies: this session keeps no cookies; Session(cookies=True) makes one that does")
        if not isinstance(jar, CookieJar):
            raise UseError(f"http.cookies: this session keeps them in a {type(jar).__name__} of your own; look there")
        return jar

    # -- requests ----------------------------------------------------------------------------------------------

    def request(
        self, method: str, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]
    ) -> Response:
        """A request, not sent until it is awaited or entered. See `RequestOptions` for the keywords.

        Raises `UseError` for a URL that leads nowhere, `LocalProtocolError` for a method, URL or header that may not
        be sent.
        """
        if method not in METHODS:
            check_method(method)
        return self._ask(method, url, headers, options)

    def _ask(self, method: str, url: str, headers: HeadersLike | None, options: RequestOptions) -> Response:
        place = self._places.get(url) or self._find(url)
        if options:
            if (params := options.get("params")) is not None:
                where = place.url if not self._params else self._resolve(url)  # the session's come behind the request's
                place = self.place(
                    with_params(where.extend_query(query_pairs(params)), self._params), options, place.login
                )
            elif "proxy" in options or (self._proxies is not None and "upgrade" in options):
                place = self.place(place.url, options, place.login)
        return Response(self, method, place, encode_fields(headers) if headers else [], options)

    def __call__(
        self, *, url: str, method: str = "GET", headers: HeadersLike | None = None, **options: Unpack[RequestOptions]
    ) -> Response:
        """`request` by keywords: `http(**s3.authorize(...))`."""
        return self.request(method, url, headers, **options)

    def stream(
        self, method: str, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]
    ) -> Response:
        """`request`, under the name others use."""
        return self.request(method, url, headers, **options)

    def get(self, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
        """A GET request."""
        return self._ask("GET", url, headers, options)

    def head(self, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
        """A HEAD request."""
        return self._ask("HEAD", url, headers, options)

    def options(self, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
        """An OPTIONS request."""
        return self._ask("OPTIONS", url, headers, options)

    def delete(self, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
        """A DELETE request."""
        return self._ask("DELETE", url, headers, options)

    def post(self, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
        """A POST request; entered without a body it is open for writing."""
        return self._ask("POST", url, headers, options)

    def put(self, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
        """A PUT request; entered without a body it is open for writing."""
        return self._ask("PUT", url, headers, options)

    def patch(self, url: str, headers: HeadersLike | None = None, **options: Unpack[RequestOptions]) -> Response:
        """A PATCH request; entered without a body it is open for writing."""
        return self._ask("PATCH", url, headers, options)

    def sse(
        self,
        url: str,
        headers: HeadersLike | None = None,
        *,
        last_id: str = "",
        retry: int = 3000,
        attempts: int | None = None,
        **options: Unpack[RequestOptions],
    ) -> EventSource:
        """Server-sent events: `async for event in http.sse(url)`, across as many connections as it takes.

        `last_id` is the id of the last event seen before; `retry` the time in ms to wait before coming back, until the
        server names another; `attempts` how many failures in a row are borne, None: any number. See `EventSource`.
        """
        from toolkit.client.event_source import EventSource

        return EventSource(self, url, headers, options, last_id=last_id, retry=retry, attempts=attempts)

    def _find(self, url: str) -> Place:
        place = self.place(with_params(self._resolve(url), self._params), {})
        if len(self._places) >= URLS:
            self._places.clear()
        self._places[url] = place
        return place

    def _resolve(self, url: str) -> URL:
        if not url.isprintable():
            fault = "has a control character (CR, LF, NUL, ...); percent-encode it"
            raise LocalProtocolError(f"URL {shown_url(url)!r} {fault}")
        try:
            where = parse_url(url) if self._base is None else join_url(self._base, url)
            if not where.absolute:
                raise UseError(f"URL {shown_url(url)!r} is relative; give Session(base_url=...), or scheme and host")
            port = where.port
        except ValueError as error:
            raise caused(UseError(f"URL {shown_url(url)!r}: {error}"), None)
        host = where.raw_host or ""
        named = HOST.fullmatch((f"[{host}]" if ":" in host else host).encode("latin-1", "replace"))
        if where.scheme not in ("http", "https") or named is None or port is None:
            raise UseError(f"URL {shown_url(url)!r}: expected http:// or https:// and a host")
        return where

    def place(self, url: URL, options: RequestOptions, login: tuple[str, str] | None = None) -> Place:
        """Where requests to a URL lead, and by which proxy; of a chain of them each has one of its own."""
        proxies = self._proxies
        if options and "proxy" in options:
            proxies = proxies_of(options["proxy"])
            if proxies is not None and (self._app is not None or self._unix_path is not None):
                raise UseError("proxy=: this session's application or Unix socket is not behind one")
        if proxies is None:
            return Place(url, login)
        return Place(url, login, way_to(url, proxies, tunnel=bool(options) and options.get("upgrade") is not None))

    # -- used by Response --------------------------------------------------------------------------------------

    def bound(self) -> Transports:
        """The connections, on the running loop. Raises `UseError` while they are in use on another one."""
        loop = asyncio.get_running_loop()
        transports = self._transports
        if transports is not None and transports.loop is not loop:
            if not transports.loop.is_closed():
                raise UseError("this Session is in use on another running event loop; one Session, one loop at a time")
            transports = None
        if transports is None:
            transports = self._transports = self._new_transports(loop)
        return transports

    def _new_transports(self, loop: asyncio.AbstractEventLoop) -> Transports:
        memory = None if self._app is None else self._app.new_connection
        dialer = Dialer(
            loop, self._connecting, memory=memory, unix=self._unix_path, tls=self._tls, server_name=self._server_name
        )
        return Transports(loop, self.limits, self.timeouts, self._pool_limits, dialer)


def _given(
    auth: AuthLike | None, cookies: CookiesLike | None, base: URL | None, named: bool
) -> tuple[Auth | None, CookieStore | None]:
    """What goes with every request; `named`: the base is the program's own word."""
    if auth is None and cookies is None:
        return None, None
    from toolkit.client.given import session_auth, session_cookies

    return session_auth(auth, base if named else None), session_cookies(cookies, base)
