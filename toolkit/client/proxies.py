"""Proxies: what one is, and which requests go by which. Decisions only; `tunneling.py` talks to them.

There are two ways by an HTTP proxy. A request to http:// is given to it with the whole URL in its first line, and it
asks in our place (RFC 9112 3.2.2). For https://, for a change of protocols and by a SOCKS proxy it makes a tunnel: a
link whose other end is the origin (RFC 9110 9.3.6), in which it reads nothing where there is TLS inside.

What a proxy is told to let us in goes into the request for the tunnel, or onto a connection that leads to this very
proxy; it is no header field of the request, so that no origin, and no other proxy after a redirect, ever sees it.
"""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from yarl import URL

from toolkit.client.no_proxy import NoProxy, parse_rules
from toolkit.client.tls_options import ClientTls
from toolkit.errors import UseError, caused
from toolkit.protocol.headers import Fields, HeadersLike, encode_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Proxies", "Proxy", "ProxyChoice", "Via", "proxies_of", "way_to"]

PORTS: Final = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
FORBIDDEN: Final = frozenset([b"host", b"content-length", b"transfer-encoding", b"connection"])


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: `Proxy("http://proxy.test:3128")`. Raises `UseError` for what is none.

    The scheme is http, https (TLS up to the proxy itself), socks5h, socks4a (the proxy looks up names), socks5 or
    socks4 (this session does). A user's name and password may stand in the URL, or be `credentials`; no message and no
    `repr` shows them.
    """

    url: str = field(repr=False)
    credentials: tuple[str, str] | None = field(
        default=None, repr=False, kw_only=True
    )  #: user and password, for it alone
    headers: HeadersLike | None = field(default=None, repr=False, kw_only=True, compare=False)  #: more, for it alone
    tls: ClientTls | ssl.SSLContext | None = field(default=None, repr=False, kw_only=True)  #: up to an https:// proxy
    tunnel: bool = field(default=False, repr=False, kw_only=True)  #: a tunnel for http:// URLs, too
    scheme: str = field(init=False, repr=False)
    host: str = field(init=False, repr=False)
    port: int = field(init=False, repr=False)
    fields: tuple[tuple[bytes, bytes], ...] = field(init=False, repr=False)  #: what the proxy is told, and nobody else

    def __post_init__(self) -> None:
        url = _parse(self.url)
        own = self.credentials
        if own is None and url.user is not None:
            own = (url.user, url.password or "")
        if own is not None and (
            not isinstance(own, tuple) or len(own) != 2 or not all(isinstance(x, str) for x in own)
        ):
            raise UseError("Proxy(credentials=...): expected a tuple of user and password, as text")
        if self.tls is not None and url.scheme != "https":
            raise UseError(f"Proxy({_shown(url)!r}, tls=...): only an https:// proxy is spoken to over TLS")
        if self.tls is not None and not isinstance(self.tls, (ClientTls, ssl.SSLContext)):
            raise UseError(f"Proxy(tls={self.tls!r}): expected ClientTls(...) or an ssl.SSLContext")
        for name, value in (
            ("credentials", own),
            ("scheme", url.scheme),
            ("host", url.raw_host),
            ("port", url.explicit_port or PORTS[url.scheme]),
            ("fields", tuple(_fields(self.headers, own) if url.scheme in ("http", "https") else ())),
        ):
            object.__setattr__(self, name, value)

    @property
    def http(self) -> bool:
        """An HTTP proxy, rather than a SOCKS one."""
        return self.scheme in ("http", "https")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Proxy {self}{', with credentials' if self.credentials is not None else ''}>"


class Via(NamedTuple):
    """By which proxy a connection leads, and in which of the two ways."""

    proxy: Proxy
    tunnel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """Proxies by the URL's scheme, and the hosts that are reached without one.

    `no_proxy` has rules, separated by commas or spaces: hosts (and all below them), addresses, networks, each with
    `:port` or without, or `*`. Raises `UseError` for what is none.
    """

    http: Proxy | str | None = None  #: for http:// URLs
    https: Proxy | str | None = None  #: for https:// URLs
    all: Proxy | str | None = None  #: for those that have none of their own
    no_proxy: str | NoProxy = ""
    _chosen: dict[str, Proxy | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.no_proxy, (str, NoProxy)):
            raise UseError(f"Proxies(no_proxy={self.no_proxy!r}): expected rules as text, separated by commas")
        if isinstance(self.no_proxy, str):
            object.__setattr__(self, "no_proxy", parse_rules(self.no_proxy))
        every = _proxy_of(self.all)
        chosen = {"http": _proxy_of(self.http) or every, "https": _proxy_of(self.https) or every}
        object.__setattr__(self, "_chosen", chosen)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Proxies:
        """What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, or the same in capitals.

        But not HTTP_PROXY: where requests come in by CGI, whoever sends a field `Proxy:` sets it (CVE-2016-5385). Small
        letters come first; a value without a scheme is an http:// proxy; rules that are none are passed over.
        Raises `UseError` for a proxy that is none.
        """
        env = os.environ if environ is None else environ

        def named(name: str) -> Proxy | None:
            given = env.get(name) or (env.get(name.upper()) if name != "http_proxy" else None)
            if not given:
                return None
            try:
                return Proxy(given if "://" in given else f"http://{given}")
            except UseError as error:
                raise caused(UseError(f"{name} of the environment: {error}"), None)

        rules = env.get("no_proxy", env.get("NO_PROXY", ""))
        return cls(
            http=named("http_proxy"),
            https=named("https_proxy"),
            all=named("all_proxy"),
            no_proxy=parse_rules(rules, strict=False),
        )

    def choose(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for an origin, None where it is reached without one."""
        proxy = self._chosen.get(scheme)
        if proxy is None:
            return None
        rules = self.no_proxy
        return None if isinstance(rules, NoProxy) and rules.covers(host, port) else proxy

    def __repr__(self) -> str:
        rules = self.no_proxy.text if isinstance(self.no_proxy, NoProxy) else ""
        told = [f"{scheme}={proxy!r}" for scheme, proxy in self._chosen.items() if proxy is not None]
        return f"<Proxies {', '.join([*told, f'no_proxy={rules!r}'])}>"


ProxyChoice: TypeAlias = "Proxy | Proxies | str | None"


def proxies_of(given: object) -> Proxy | Proxies | None:
    """What a `proxy=` comes to. Raises `UseError`."""
    if given is None or isinstance(given, Proxies):
        return given
    return _proxy_of(given)


def way_to(url: URL, proxies: Proxy | Proxies | None, *, tunnel: bool) -> Via | None:
    """How to get to a URL's origin; None: directly. `tunnel`: what is asked for is not for a proxy to answer."""
    proxy = proxies.choose(url.scheme, url.raw_host or "", url.port or 0) if isinstance(proxies, Proxies) else proxies
    if proxy is None:
        return None
    return Via(proxy, tunnel or proxy.tunnel or not proxy.http or url.scheme == "https")


def _proxy_of(given: object) -> Proxy | None:
    if given is None or isinstance(given, Proxy):
        return given
    if isinstance(given, str):
        return Proxy(given)
    raise UseError(f"proxy={given!r}: expected a URL as text, Proxy(...) or Proxies(...)")


def _parse(text: object) -> URL:
    hint = "expected http://, https://, socks5h://, socks5://, socks4a:// or socks4:// and a host"
    if not isinstance(text, str):
        raise UseError(f"Proxy({type(text).__name__}): {hint}, as text")
    try:
        url = URL(text)
        port = url.explicit_port
    except ValueError:
        raise caused(UseError(f"Proxy({_without_user(text)!r}): this is no URL; {hint}"), None)
    if url.scheme not in PORTS or not url.raw_host or port == 0:
        raise UseError(f"Proxy({_without_user(text)!r}): {hint}")
    if url.raw_path not in ("", "/") or url.raw_query_string or url.raw_fragment:
        raise UseError(f"Proxy({_shown(url)!r}): a proxy has no path, query or fragment")
    return url


def _shown(url: URL) -> str:
    return str(url.with_user(None))


def _without_user(text: str) -> str:
    """A text that is no URL may yet have a password in it."""
    at = text.rfind("@")
    return text if at < 0 else f"...{text[at:]}"


def _fields(headers: HeadersLike | None, credentials: tuple[str, str] | None) -> Fields:
    """What an HTTP proxy is told besides; Basic (RFC 7617) for `credentials`."""
    fields = [] if headers is None else encode_fields(headers)
    for name, _ in fields:
        if name.lower() in FORBIDDEN:
            raise UseError(f"Proxy(headers=...): {name.decode('latin-1')} is not for a caller to say")
    if credentials is not None and all(name.lower() != b"proxy-authorization" for name, _ in fields):
        user, password = credentials
        if ":" in user:
            raise UseError("Proxy(credentials=...): a user's name must not have a colon (RFC 7617 2)")
        token = base64.b64encode(f"{user}:{password}".encode())
        fields.append((b"proxy-authorization", b"Basic " + token))
    return fields
