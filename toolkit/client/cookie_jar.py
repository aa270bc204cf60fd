"""The jar: cookies kept between requests (RFC 6265bis 5.7 and 5.8). What belongs where is `cookie_rules.py`'s to say.

How it works. Cookies lie in one dict for each domain, so that a request looks at its host and at the domains above it,
however many others there are. Ages are counted rather than timed: a cookie's `made` orders it among those that go out
together, and its `used` says which to throw away first. A server can make a client keep things, so everything is
bounded: what one answer may set, what one domain may have, what the jar holds in all, and how long the field that goes
out may become (CVE-2022-32205).

A jar does no input or output but for `save` and `load`, and what it holds are secrets: its repr counts them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

from toolkit.client.cookie_files import CookieFormat, read_cookies, write_cookies
from toolkit.client.cookie_rules import Place, StoredCookie, admit, goes_to, is_address, protects
from toolkit.client.public_suffix import public_suffixes
from toolkit.client.url import parse_url
from toolkit.errors import UseError
from toolkit.protocol.cookies import Cookie, SameSite, parse_set_cookie, serialize_cookie

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from yarl import URL

    from toolkit.protocol.headers import HeadersLike

__all__ = ["CookieJar", "CookieLimits"]

log = logging.getLogger("toolkit.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieLimits:
    """What servers may make a jar keep."""

    total: int = 3000  #: cookies in all; section 6.1 asks for that many
    per_domain: int = 180  #: of one domain; section 6.1 asks for 50, Chrome keeps 180
    per_answer: int = 50  #: Set-Cookie fields of one answer that are looked at, as curl does
    field: int = 8190  #: bytes of the field that goes out, as curl does; servers refuse heads that are much longer


class CookieAttributes(TypedDict, total=False):
    """The keywords of `CookieJar.set`, as in a Set-Cookie field."""

    max_age: int | None  #: seconds
    expires: datetime | float | None  #: aware, or seconds since 1970
    domain: str | None  #: None: the URL's host alone
    path: str | None  #: "/" by default
    secure: bool
    httponly: bool
    samesite: SameSite | None


class _Kept:
    """A cookie in the jar, and its ages."""

    __slots__ = ("cookie", "made", "used")

    def __init__(self, cookie: StoredCookie, made: int) -> None:
        self.cookie = cookie
        self.made = made
        self.used = made


_Shelf = dict[tuple[str, str, bool], _Kept]  # by name, path and whether it is for the host alone


class CookieJar:
    """Cookies that servers set, sent to where they belong: `Session(cookies=CookieJar())`.

    `jar["name"]` is a value, `"name" in jar`, `jar.get`, `jar.set`, `jar.delete`; iterating gives `StoredCookie`s, the
    oldest first. Two cookies may have one name, for two hosts or paths: name the `domain` then.

    `now` is the clock, seconds since 1970. `is_public_suffix` tells domains under which strangers have theirs, instead
    of the list that `publicsuffixlist` brings; without either no cookie goes to another host than its own.
    """

    def __init__(
        self,
        *,
        limits: CookieLimits = CookieLimits(),
        is_public_suffix: Callable[[str], bool] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits
        self._now = now
        self._is_public = is_public_suffix
        self._shelves: dict[str, _Shelf] = {}
        self._count = 0
        self._secure: dict[str, int] = {}  # names of those with Secure, and how many: most have no such name
        self._age = 0  # grows with every cookie that is set or sent
        self._told = False  # that there is no list of public suffixes

    def __repr__(self) -> str:
        return f"<CookieJar {self._count} cookies of {len(self._shelves)} domains>"

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[StoredCookie]:
        kept = [one for shelf in self._shelves.values() for one in shelf.values()]
        return iter([one.cookie for one in sorted(kept, key=_made)])

    # -- what a session does -----------------------------------------------------------------------------------

    def fields_for(self, url: URL) -> HeadersLike | None:
        """The `cookie` field for a request to this URL, None without cookies (section 5.8.3)."""
        if not self._count:
            return None
        pairs, size = [], 0
        for kept in self._going_to(Place.of(url)):
            cookie = kept.cookie
            pair = f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
            size += len(pair) + 2
            if size - 2 > self.limits.field:
                break
            pairs.append(pair)
        return [("cookie", "; ".join(pairs).encode("latin-1"))] if pairs else None

    def store(self, url: URL, values: Sequence[str]) -> None:
        """Take in the Set-Cookie fields of an answer from this URL. What is not taken is told to the log, at DEBUG."""
        place = Place.of(url)
        for value in values[: self.limits.per_answer]:
            cookie = parse_set_cookie(value)
            if cookie is None:
                log.debug("a cookie from %s was not kept: malformed", place.host)
            elif (fault := self._keep(cookie, place, self._suffixes(cookie, place))) is not None:
                log.debug("cookie %r from %s was not kept: %s", cookie.name, place.host, fault)
        if len(values) > self.limits.per_answer:
            log.debug("%d cookies from %s were not kept: too many", len(values) - self.limits.per_answer, place.host)

    # -- what a program does -----------------------------------------------------------------------------------

    def __contains__(self, name: object) -> bool:
        return any(kept.cookie.name == name for kept in self._alive())

    def __getitem__(self, name: str) -> str:
        """The cookie's value. Raises `KeyError`, also where cookies of this name have several values."""
        values = {kept.cookie.value for kept in self._alive() if kept.cookie.name == name}
        if len(values) > 1:
            raise KeyError(f"{name!r} has {len(values)} values; jar.get({name!r}, domain=...) tells them apart")
        if not values:
            raise KeyError(name)
        return values.pop()

    def __setitem__(self, name: str, value: str) -> None:
        raise UseError(f"jar[{name!r}] = ...: a cookie belongs to a host; jar.set({name!r}, value, url) says to which")

    def __delitem__(self, name: str) -> None:
        """Delete every cookie of this name. Raises `KeyError` where there is none."""
        if not self.delete(name):
            raise KeyError(name)

    def get(
        self, name: str, default: str | None = None, *, domain: str | None = None, path: str | None = None
    ) -> str | None:
        """The value of the first cookie of this name, of this domain and path where they are named."""
        found = [kept for kept in self._alive() if _is(kept.cookie, name, domain, path)]
        return min(found, key=_first).cookie.value if found else default

    def for_url(self, url: str) -> dict[str, str]:
        """Names and values of what a request to this URL brings; of a repeated name the more specific."""
        found: dict[str, str] = {}
        for kept in self._going_to(_place(url, "jar.for_url"), touch=False):
            found.setdefault(kept.cookie.name, kept.cookie.value)
        return found

    def set(self, name: str, value: str, url: str, **attributes: Unpack[CookieAttributes]) -> None:
        """Put in a cookie as if an answer from this URL had set it, with path "/" where none is named.

        Raises `LocalProtocolError` for what no cookie may be, `UseError` for one that this URL may not set.
        """
        attributes.setdefault("path", "/")
        cookie = parse_set_cookie(serialize_cookie(Cookie(name, value, **attributes)).decode())
        assert cookie is not None  # what is written by these rules is read by those
        fault = self._keep(cookie, _place(url, "jar.set"), self._suffixes(cookie, None) or _nobody)
        if fault is not None:
            raise UseError(f"jar.set({name!r}, ..., {url!r}): {fault}")

    def delete(self, name: str, *, domain: str | None = None, path: str | None = None) -> int:
        """Delete the cookies of this name, of this domain and path where they are named; how many there were."""
        return self._drop([kept for kept in self._all() if _is(kept.cookie, name, domain, path)])

    def clear(self, *, domain: str | None = None, session: bool = False) -> int:
        """Delete all, or those of a domain, or (`session`) those that end with the session; how many there were."""
        return self._drop(
            [
                kept
                for kept in self._all()
                if domain in (None, kept.cookie.domain) and not (session and kept.cookie.expires is not None)
            ]
        )

    def save(self, path: str | os.PathLike[str], *, session: bool = False, form: CookieFormat = "json") -> None:
        """Write the cookies to a file that nobody else may read, in one piece or not at all.

        `session`: those that end with the session, too. `form` "netscape" is the cookies.txt of curl and wget, which
        knows neither SameSite nor Partitioned. Blocks: up to some megabytes are written. Raises `OSError`.
        """
        kept = sorted(self._alive(), key=_made)
        write_cookies(path, [one.cookie for one in kept if session or one.cookie.expires is not None], form)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Add the cookies of a file, of either format; those that are over are left out. Blocks.

        Raises `UseError` for a malformed file, naming the line, and `OSError`; nothing is added then.
        """
        for cookie in read_cookies(path):
            self._put(cookie)

    # -- the shelves -------------------------------------------------------------------------------------------

    def _all(self) -> Iterator[_Kept]:
        return (kept for shelf in self._shelves.values() for kept in shelf.values())

    def _alive(self) -> list[_Kept]:
        now = self._now()
        return [kept for kept in self._all() if kept.cookie.expires is None or kept.cookie.expires > now]

    def _going_to(self, place: Place, *, touch: bool = True) -> list[_Kept]:
        now, domain = self._now(), place.host
        found: list[_Kept] = []
        while True:
            shelf = self._shelves.get(domain)
            if shelf is not None:
                found += [kept for kept in shelf.values() if goes_to(kept.cookie, place, now)]
            dot = domain.find(".")
            if dot < 0 or is_address(domain):
                break
            domain = domain[dot + 1 :]
        found.sort(key=_first)
        if touch and found:
            self._age += 1
            for kept in found:
                kept.used = self._age
        return found

    def _suffixes(self, cookie: Cookie, place: Place | None) -> Callable[[str], bool] | None:
        """What tells public suffixes; looked for when a cookie names a domain. None: nothing does."""
        if self._is_public is not None or not cookie.domain:
            return self._is_public
        found = public_suffixes()
        if found is None and place is not None and cookie.domain != place.host and not self._told:
            self._told = True
            log.warning(
                "a cookie from %s for all of %s is kept for that host alone: who else has hosts there is known to the "
                "package publicsuffixlist, which is not installed (pip install 'streaming-toolkit[cookies]')",
                place.host,
                cookie.domain[:80],
            )
        return found

    def _keep(self, cookie: Cookie, place: Place, is_public: Callable[[str], bool] | None) -> str | None:
        """Store it, or say why not."""
        stored = admit(cookie, place, self._now(), is_public)
        if isinstance(stored, str):
            return stored
        exposed = not stored.secure and not place.secure and stored.name in self._secure
        if exposed and any(kept.cookie.secure and protects(kept.cookie, stored) for kept in self._all()):
            return "it would cover a Secure cookie"
        self._put(stored)
        return None

    def _put(self, cookie: StoredCookie) -> None:
        """Section 5.7, steps 23 and 24; a cookie that is over deletes the one that it replaces."""
        shelf = self._shelves.setdefault(cookie.domain, {})
        key = (cookie.name, cookie.path, cookie.host_only)
        old = shelf.pop(key, None)
        if old is not None:
            self._forget(old)
        if cookie.expires is None or cookie.expires > self._now():
            self._age += 1
            kept = shelf[key] = _Kept(cookie, self._age)
            if old is not None:
                kept.made = old.made
            self._count += 1
            if cookie.secure:
                self._secure[cookie.name] = self._secure.get(cookie.name, 0) + 1
            if len(shelf) > self.limits.per_domain:
                self._evict(list(shelf.values()), self.limits.per_domain)
            if self._count > self.limits.total:
                self._evict(list(self._all()), self.limits.total)
        elif not shelf:
            del self._shelves[cookie.domain]

    def _evict(self, kept: list[_Kept], most: int) -> None:
        """Down to nine tenths, so that a flood does not sort them each time: what is over, then the least used.

        Of one domain those without Secure go first (section 5.7): an attacker on the way cannot push the others out.
        """
        now = self._now()
        alike = len({one.cookie.domain for one in kept}) == 1
        over = [one for one in kept if one.cookie.expires is not None and one.cookie.expires <= now]
        rest = sorted(
            (one for one in kept if one.cookie.expires is None or one.cookie.expires > now),
            key=lambda one: (alike and one.cookie.secure, one.used),
        )
        self._drop(over + rest[: max(0, len(rest) - (most - most // 10))])

    def _drop(self, those: list[_Kept]) -> int:
        for kept in those:
            cookie = kept.cookie
            shelf = self._shelves[cookie.domain]
            del shelf[cookie.name, cookie.path, cookie.host_only]
            if not shelf:
                del self._shelves[cookie.domain]
            self._forget(kept)
        return len(those)

    def _forget(self, kept: _Kept) -> None:
        """It is counted no more."""
        self._count -= 1
        name = kept.cookie.name
        if kept.cookie.secure:
            self._secure[name] -= 1
            if not self._secure[name]:
                del self._secure[name]


def _made(kept: _Kept) -> int:
    return kept.made


def _first(kept: _Kept) -> tuple[int, int]:
    """Section 5.8.3: longer paths before shorter ones, then the older before the younger."""
    return -len(kept.cookie.path), kept.made


def _is(cookie: StoredCookie, name: str, domain: str | None, path: str | None) -> bool:
    return cookie.name == name and domain in (None, cookie.domain) and path in (None, cookie.path)


def _nobody(domain: str) -> bool:
    """A program's own word on a domain counts where no list says otherwise."""
    return False


def _place(url: str, call: str) -> Place:
    try:
        where = parse_url(url)
    except ValueError as error:
        raise UseError(f"{call}(..., {url!r}): {error}") from None
    if where.scheme not in ("http", "https") or not where.raw_host:
        raise UseError(f"{call}(..., {url!r}): expected a URL with http:// or https:// and a host")
    return Place.of(where)
