"""CacheRule: what is kept of a handler's answers, for whom and for how long. Decisions, without any doing.

**Who is answered out of the cache.** GET and HEAD, without a body, since a body is in no key. Nobody who brings
`authorization`, and nobody whose session is in use: what they get may be theirs alone (RFC 9111 3.5).

**What is kept.** An answer with a status of the rule's list, that sets no cookie, is no part (206), does not depend on
what nobody can tell (`vary: *`), and does not say `no-store`, `private` or `no-cache`. Not what a handler made that
read cookies, unless they are in the key: the next visitor has others.

**For how long.** The rule's seconds, or those of the store; less, where the answer says so itself by `s-maxage`,
`max-age` or `expires` (4.2.1). The rule is the server's own agreement with itself, so an answer cannot ask for more.

What a request says in its Cache-Control counts where the rule's `refresh` says so, and nowhere else: a visitor who
could have every answer made anew would be the load that a cache is there to keep away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from toolkit.errors import LocalProtocolError, UseError
from toolkit.protocol.cache_control import CacheControl
from toolkit.protocol.dates import parse_http_date
from toolkit.protocol.fields import TOKEN, encode_pairs, find_field, join_fields
from toolkit.protocol.framing import NONE
from toolkit.server.cache.keys import Key, chosen_query, normal_path, odd_spelling, vary_names
from toolkit.server.cache.store import check_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from toolkit.protocol.fields import Fields
    from toolkit.server.request import Request

__all__ = ["SAFE", "CacheOptions", "CacheRule", "Keeping", "sessions_are_used", "to_be_kept"]

SAFE: Final = frozenset(["GET", "HEAD", "OPTIONS", "TRACE"])  #: RFC 9110 9.2.1
READING: Final = frozenset(["GET", "HEAD"])
# Of those that may be kept by themselves (RFC 9110 15.1) the ones that say something which stays true for a while. What
# is not found now may be there in a moment; a rule may say otherwise.
STATUSES: Final = frozenset([200, 203, 204, 300, 301, 308])
MIB: Final = 1024 * 1024
REMEMBERED: Final = 256  #: keys by what was asked for, of each rule: to make one takes 1 us, to look it up 0.3
SHORT: Final = 200  #: characters of a target; whoever asks for long ones is not to fill the memory with them


class CacheOptions(TypedDict, total=False):
    """The keywords of `web.cache`; see `Caching.__call__`. What each is without a word, `CacheRule` says."""

    query: Collection[str] | None
    vary: Sequence[str]
    key: Callable[[Request], object] | None
    host: bool
    unless: Callable[[Request], object] | None
    only_if: Callable[[object], object] | None
    statuses: Collection[int]
    largest: int
    with_credentials: bool
    refresh: bool | Callable[[Request], object]
    stale_while_revalidate: float
    stale_if_error: float
    cache_control: CacheControl | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """See `Caching.__call__`, which has a word on each of these."""

    seconds: float | None = None
    query: Collection[str] | None = None
    vary: Sequence[str] = ()
    key: Callable[[Request], object] | None = None
    host: bool = True
    unless: Callable[[Request], object] | None = None
    only_if: Callable[[object], object] | None = None
    statuses: Collection[int] = STATUSES
    largest: int = MIB
    with_credentials: bool = False
    refresh: bool | Callable[[Request], object] = False
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    cache_control: CacheControl | str | None = None
    _keys: dict[tuple[str, str, str, str], Key] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.seconds is not None:
            check_bound("cache(seconds", self.seconds, 0.001)
        for name in ("stale_while_revalidate", "stale_if_error", "largest"):
            check_bound(f"cache({name}", getattr(self, name), 0)
        for name in ("query", "vary", "statuses"):
            given: object = getattr(self, name)
            if isinstance(given, str) or not (given is None or hasattr(given, "__iter__")):
                raise UseError(f"cache({name}={given!r}): expected a list, such as {name}=[{given!r}]")
        for one in self.vary:
            if not isinstance(one, str) or TOKEN.fullmatch(one.encode("utf-8")) is None:
                raise UseError(f"cache(vary=[{one!r}]): expected names of request fields, such as 'accept-language'")
        for name in ("key", "unless", "only_if"):
            given = getattr(self, name)
            if given is not None and not callable(given):
                raise UseError(f"cache({name}={given!r}): expected a function")
        if self.refresh not in (True, False) and not callable(self.refresh):
            raise UseError(f"cache(refresh={self.refresh!r}): expected True, False or a function of a request")
        self._check_cache_control()
        object.__setattr__(self, "vary", tuple(sorted({one.lower() for one in self.vary})))

    def _check_cache_control(self) -> None:
        said = self.cache_control
        if said is not None and not isinstance(said, CacheControl):
            try:
                encode_pairs([("cache-control", said if isinstance(said, str) else object())])
            except LocalProtocolError:
                text = f"cache(cache_control={said!r}): expected CacheControl(...) or a field's value"
                raise UseError(text) from None

    def passes(self, r: Request, names: bytes = b"\nauthorization") -> str:
        """Why this request is none of the cache's business; "" if it is. `names`: its head, in lower case, if known."""
        head = r._head
        if r.method not in READING:
            return f"{r.method} is not kept"
        if head.framing is not NONE and head.length != 0:
            return "the request has a body"
        if not self.with_credentials:
            if b"\nauthorization" in names and find_field(head.fields, b"authorization") is not None:
                return "the request has an authorization field"
            if r._extra is not None and sessions_are_used(r):
                return "the request has a session"
        if self.unless is not None and self.unless(r):
            return "unless= says so"
        return ""

    def key_of(self, r: Request) -> Key:
        """The key of what this request asks for, as far as it is known before there is an answer."""
        method = "HEAD" if r.method == "HEAD" and not r.auto_head else "GET"
        asked = (method, r.scheme, r.host if self.host else "", r._head.target)
        key = self._keys.get(asked)
        if key is None:
            key = self._first_key(r, method)
            if len(r._head.target) <= SHORT:
                if len(self._keys) >= REMEMBERED:
                    self._keys.clear()
                self._keys[asked] = key
        if self.key is not None:
            own = self.key(r)
            if not isinstance(own, (str, int)):
                text = f"cache(key=...) gave {type(own).__name__}: expected str or int, that tells answers apart"
                raise UseError(r._say(text))
            key = Key(key.path, f"{key.rest}\n{own!r}")
        return key.with_fields(r._head.fields, self.vary) if self.vary else key

    def _first_key(self, r: Request, method: str) -> Key:
        origin = f"{r.scheme}://{r.host.lower()}" if self.host else ""
        path = r.raw_path
        return Key(normal_path(path), f"{method}\n{origin}\n{chosen_query(r.query, self.query)}{odd_spelling(path)}")

    def wants_fresh(self, r: Request) -> bool:
        """Whether the request asks for an answer made anew, and may (RFC 9111 5.2.1.4, 5.4)."""
        refresh = self.refresh
        if refresh is False:
            return False
        value = join_fields(r._head.fields, b"cache-control")
        if value is None:
            return join_fields(r._head.fields, b"pragma") == b"no-cache" and (refresh is True or bool(refresh(r)))
        asked = CacheControl.parse(value.decode("latin-1"))
        return (asked.no_cache or asked.max_age == 0) and (refresh is True or bool(refresh(r)))


def sessions_are_used(r: Request) -> bool:
    """Whether this visitor has a session: one was read in this request, or there is a cookie for it."""
    extra = r._extra
    if extra is None or extra.session is None:
        return False
    from toolkit.server.sessions import is_used

    return is_used(r)


class Keeping(NamedTuple):
    """The word on one answer."""

    seconds: float = 0.0  #: that it is fresh
    stale: float = 0.0  #: that it is of some use behind that
    age: float = 0.0  #: that it has already
    why_not: str = ""  #: it is not kept at all


def to_be_kept(rule: CacheRule, status: int, fields: Fields, seconds: float, now: float) -> Keeping:
    """Whether an answer with these fields may be kept, and how long; `seconds` is what the store says."""
    if status not in rule.statuses or status == 206:
        return Keeping(why_not=f"the status is {status}")
    for name in (b"set-cookie", b"content-range"):
        if find_field(fields, name) is not None:
            return Keeping(why_not=f"the answer has {name.decode()}")
    if vary_names(fields) is None:
        return Keeping(why_not="the answer says vary: *")
    value = join_fields(fields, b"cache-control")
    said = CacheControl.parse(None if value is None else value.decode("latin-1"))
    if said.forbids_keeping:
        return Keeping(why_not=f"the answer says {said.forbids_keeping}")
    age = _number(find_field(fields, b"age"))
    own = said.shared_age if said.shared_age is not None else _until_expiry(fields, now)
    seconds = seconds if rule.seconds is None else rule.seconds
    if own is not None:
        seconds = min(seconds, own - age)
    if seconds <= 0:
        return Keeping(why_not="the answer says that it is stale")
    strict = said.must_revalidate or said.proxy_revalidate or said.s_maxage is not None  # 5.2.2.10: implies it
    return Keeping(seconds, 0.0 if strict else max(rule.stale_while_revalidate, rule.stale_if_error), age)


def _until_expiry(fields: Fields, now: float) -> float | None:
    """RFC 9111 4.2.1, 5.3: until Expires, from Date on; what is no date, such as 0, has passed."""
    expires = find_field(fields, b"expires")
    if expires is None:
        return None
    end = parse_http_date(expires.decode("latin-1"))
    date = find_field(fields, b"date")
    begin = None if date is None else parse_http_date(date.decode("latin-1"))
    return 0.0 if end is None else end - (now if begin is None else begin)


def _number(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() and len(value) <= 10 else 0
