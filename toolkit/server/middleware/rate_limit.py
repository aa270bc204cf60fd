"""So many requests in so much time, for each client.

The generic cell rate algorithm: of each client one number is kept, the time at which all of its requests would have
come if they had come evenly. A request is in time while that lies less than the whole period ahead. It is a token
bucket without a bucket to refill, and a number in the past is worth as much as none, so old ones can be forgotten.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import UseError
from toolkit.server.abort import Abort

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["Allowance", "RateLimit", "Rates", "client_network"]


class Allowance(NamedTuple):
    """The word on one request; seconds and counts."""

    granted: bool
    remaining: int  #: requests that may come at once
    wait: float  #: until the next one is granted; 0 where this one was
    reset: float  #: until nothing is remembered of this client


class Rates:
    """`limit` in `seconds` for each key, and a memory of `most` keys: the longest unheard of is forgotten first."""

    __slots__ = ("_ahead", "_limit", "_most", "_seconds", "_step")

    def __init__(self, limit: int, seconds: float, most: int) -> None:
        self._limit = limit
        self._seconds = seconds
        self._step = seconds / limit
        self._most = most
        self._ahead: dict[object, float] = {}  # in the order in which they were heard of

    def __len__(self) -> int:
        return len(self._ahead)

    def ask(self, key: object, now: float) -> Allowance:
        """One more request of `key`; it counts if it is granted."""
        ahead = max(self._ahead.get(key, now), now)
        wait = ahead + self._step - self._seconds - now
        if wait > 1e-9 * self._seconds:  # not what rounding left of nothing
            return Allowance(False, 0, wait, ahead - now)
        ahead += self._step
        self._ahead.pop(key, None)
        self._ahead[key] = ahead
        if len(self._ahead) > self._most:
            del self._ahead[next(iter(self._ahead))]
        remaining = int((self._seconds - (ahead - now)) / self._step + 1e-6)
        return Allowance(True, remaining, 0.0, ahead - now)


def client_network(r: Request) -> str:
    """The peer's address; of an IPv6 address the /64, which one client has all of."""
    try:
        address = ip_address(r.ip_host)
    except ValueError:
        return r.ip_host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return address.packed[:8].hex()
    return r.ip_host


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` requests at once, and one more every `seconds / limit`; more are answered 429 with `retry-after`.

    `key` says whose they are; None for a request that does not count. By default it is the client's network, which is
    one and the same for all that come by a Unix socket: put `ProxyHeaders` around it there. Counts are kept in this
    process, of at most `most` keys. `name` is what the fields `ratelimit-policy` and `ratelimit` call this limit (the
    draft draft-ietf-httpapi-ratelimit-headers, 10); None sends neither. `clock` gives seconds.
    """

    limit: int
    seconds: float = 60.0
    key: Callable[[Request], object] = client_network
    name: str | None = "default"
    most: int = 100_000
    clock: Callable[[], float] = time.monotonic
    _rates: Rates = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(not isinstance(one, (int, float)) for one in (self.limit, self.seconds, self.most)):
            raise UseError(f"RateLimit({self.limit!r}, {self.seconds!r}): expected numbers, RateLimit(100, seconds=60)")
        if self.limit < 1 or self.seconds <= 0 or self.most < 1:
            raise UseError(f"RateLimit({self.limit}, {self.seconds}, most={self.most}): expected numbers above 0")
        name = self.name
        if name is not None and not (name.isascii() and name.isprintable() and not {'"', "\\"} & set(name)):
            raise UseError(f"RateLimit(name={name!r}): expected printable ASCII without quotes and backslashes")
        object.__setattr__(self, "_rates", Rates(self.limit, self.seconds, self.most))

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Count, then go on, or refuse."""
        key = self.key(r)
        if key is None:
            return await handler(r)
        allowance = self._rates.ask(key, self.clock())
        if self.name is not None:
            r.add_header("ratelimit-policy", f'"{self.name}";q={self.limit};w={math.ceil(self.seconds)}')
            r.add_header("ratelimit", f'"{self.name}";r={allowance.remaining};t={math.ceil(allowance.reset)}')
        if not allowance.granted:
            raise Abort("Too Many Requests", 429, {"retry-after": max(1, math.ceil(allowance.wait))})
        return await handler(r)
