"""Which cookies are kept, and which go with a request (RFC 6265bis 5.1, 5.7 and 5.8). Pure.

A cookie arrives as `Cookie`, the words of a Set-Cookie field. `admit` holds them against the request that it answers,
and gives what is to be stored, or the reason why nothing is. Nothing here remembers anything: what the store already
has is asked about one cookie at a time (`protects`), and what it sends is the store's to collect (`goes_to`).

A program is no browser: there is no page that others could act from, so SameSite is kept and changes nothing, HttpOnly
likewise, and a partitioned cookie is one like others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.protocol.cookies import Cookie, SameSite, prefix_fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

__all__ = [
    "LONGEST",
    "Place",
    "StoredCookie",
    "admit",
    "default_path",
    "domain_matches",
    "goes_to",
    "is_address",
    "is_trustworthy",
    "path_matches",
    "protects",
]

LONGEST: Final = 400 * 86400  #: seconds; section 5.5: agents keep no cookie for longer than 400 days
HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class StoredCookie:
    """A cookie and where it goes. Its value is no part of its repr: what is shown ends up in logs.

    `host_only`: to `domain` alone, not to the hosts below it. `expires` in seconds since 1970 (UTC); None: with the
    session.
    """

    name: str
    value: str = field(repr=False)
    domain: str
    path: str = "/"
    host_only: bool = True
    expires: float | None = None
    secure: bool = False
    httponly: bool = False
    samesite: SameSite | None = None
    partitioned: bool = False


class Place(NamedTuple):
    """Where a request went, as far as cookies are concerned. `secure`: nobody on the way could have changed it."""

    host: str
    path: str
    secure: bool

    @classmethod
    def of(cls, url: URL) -> Place:
        """The place that a URL names."""
        host = (url.raw_host or "").lower()
        return cls(host, url.raw_path or "/", is_trustworthy(url.scheme, host))


def is_trustworthy(scheme: str, host: str) -> bool:
    """TLS, or this machine's own loopback, which Secure Contexts 3.1 counts alike: a test's server can set Secure."""
    if scheme in ("https", "wss"):
        return True
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if not is_address(host):  # an exception for every plain request would cost more than all the rest
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """An IP address, in any of the spellings that resolvers take: a last label that is a number (WHATWG URL 3.5)."""
    if ":" in host:
        return True
    last = host.removesuffix(".").rpartition(".")[2].lower()
    if last.startswith("0x"):
        return HEX.issuperset(last[2:])
    return last.isascii() and last.isdigit()


def domain_matches(host: str, domain: str) -> bool:
    """Section 5.1.3; both in lower case."""
    return host == domain or (host.endswith("." + domain) and domain != "" and not is_address(host))


def path_matches(path: str, prefix: str) -> bool:
    """Section 5.1.4: `prefix` is the cookie's path; whole segments count."""
    if not path.startswith(prefix):
        return False
    return len(path) == len(prefix) or prefix.endswith("/") or path[len(prefix)] == "/"


def default_path(path: str) -> str:
    """Section 5.1.4: the directory of the request's path."""
    if not path.startswith("/"):
        return "/"
    return path[: path.rindex("/")] or "/"


def goes_to(cookie: StoredCookie, place: Place, now: float) -> bool:
    """Whether a request to this place brings the cookie along (section 5.8.3)."""
    if cookie.host_only:
        if cookie.domain != place.host:
            return False
    elif not domain_matches(place.host, cookie.domain):
        return False
    if cookie.secure and not place.secure:
        return False
    if cookie.expires is not None and cookie.expires <= now:
        return False
    return path_matches(place.path, cookie.path)


def protects(old: StoredCookie, new: StoredCookie) -> bool:
    """Whether `old`, which TLS brought, must not be covered by `new`, which it did not (section 5.7, step 16)."""
    return (
        old.secure
        and old.name == new.name
        and (domain_matches(old.domain, new.domain) or domain_matches(new.domain, old.domain))
        and path_matches(new.path, old.path)
    )


def admit(cookie: Cookie, place: Place, now: float, is_public: Callable[[str], bool] | None) -> StoredCookie | str:
    """What is stored of a cookie that an answer from `place` sets; or why none of it is (section 5.7).

    `is_public` tells the domains under which strangers have theirs, such as "co.uk". None: nobody knows, so that no
    cookie goes to another host than its own. A cookie whose time is over comes back like others: it deletes.
    """
    scope = _scope(cookie.domain, place.host, is_public)
    if scope is None:
        return f"the domain {cookie.domain!r} is not the host's to set cookies for"
    domain, host_only = scope
    if cookie.secure and not place.secure:
        return "Secure, and set without TLS"  # step 13
    fault = prefix_fault(replace(cookie, domain=None) if host_only and is_public is not None else cookie)
    if fault is not None:
        return fault
    return StoredCookie(
        cookie.name,
        cookie.value,
        domain,
        cookie.path or default_path(place.path),
        host_only,
        _expiry(cookie, now),
        cookie.secure,
        cookie.httponly,
        cookie.samesite,
        cookie.partitioned,
    )


def _scope(asked: str | None, host: str, is_public: Callable[[str], bool] | None) -> tuple[str, bool] | None:
    """The domain that a cookie is for, and whether for this host alone; None: for neither (steps 7 to 10)."""
    if not asked:
        return host, True
    if not asked.isascii() or not domain_matches(host, asked):
        return None
    if is_address(host):
        return host, True
    if is_public is None:
        return host, True
    if is_public(asked):
        return (host, True) if asked == host else None
    return asked, False


def _expiry(cookie: Cookie, now: float) -> float | None:
    """Max-Age counts over Expires (step 6)."""
    if cookie.max_age is not None:
        return now + min(cookie.max_age, LONGEST) if cookie.max_age > 0 else 0.0
    expires = cookie.expires
    if expires is None:
        return None
    return min(expires.timestamp() if isinstance(expires, datetime) else expires, now + LONGEST)
