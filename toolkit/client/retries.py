"""Retries: whether a request is made again after a failure, and when. Decisions only; waiting is `turns.py`'s.

How it works. A failure is an answer with one of some statuses, or one of some errors before an answer. It is tried
again where all of this holds: the method is one of those that may be made twice, there are attempts left, the body can
be sent again, `Retry-After` does not ask for more than `most_wait`, and the budget has a token left.

The wait grows by two from one attempt to the next and is drawn at random from nothing to that ("full jitter"): clients
that failed together do not come back together. `Retry-After` is waited for first, in full.

The budget is what keeps retries from making an outage worse: when everything fails, three attempts each would be three
times the load. Every request puts a part of a token in, every retry takes one out, as in Finagle and gRPC. It lies in
the policy: all requests that are made with one `Retries` share it.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.client.heads import IDEMPOTENT, METHODS
from toolkit.errors import (
    ConnectError,
    ConnectTimeout,
    Disconnected,
    EarlyAnswer,
    ReadTimeout,
    TlsError,
    UseError,
    WriteTimeout,
)
from toolkit.protocol.dates import parse_http_date

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

__all__ = ["Budget", "Retries", "RetryClock", "Try", "retry_after"]

#: The server's word that it may be different soon. 500 is as often a fault that stays; who knows better names it.
PASSING: Final = frozenset([408, 429, 502, 503, 504])
#: No link, a link that broke before the answer, silence. Not `PoolTimeout`: more of the same makes that worse.
BROKEN: Final = (ConnectError, ConnectTimeout, Disconnected, ReadTimeout, WriteTimeout)
DIGITS: Final = 10  # of a Retry-After in seconds: a century


class Budget:
    """Tokens that retries are paid with: at most `reserve`, and a `share` of one for each request."""

    __slots__ = ("_tokens", "reserve", "share")

    def __init__(self, share: float, reserve: float) -> None:
        self.share = share
        self.reserve = reserve
        self._tokens = reserve

    def request(self) -> None:
        """A request is made."""
        self._tokens = min(self.reserve, self._tokens + self.share)

    def take(self) -> bool:
        """A token for a retry; False: there is none."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RetryClock(NamedTuple):
    """Where `Retries` has the time and its dice from; tests have others."""

    now: Callable[[], float] = time.time  #: seconds since 1970, which a date in Retry-After is held against
    draw: Callable[[], float] = random.random  #: from 0 to 1
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


SYSTEM: Final = RetryClock()


class Try(NamedTuple):
    """An attempt that failed: an answer's status, or an error, and the seconds that were waited after it."""

    status: int | None
    error: Exception | None
    waited: float

    def __str__(self) -> str:
        what = f"{type(self.error).__name__}: {self.error}" if self.error is not None else f"answered {self.status}"
        return f"{what}; waited {self.waited:.3g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """When a request that failed is made again. Make one, and use it for all requests that are to share its budget.

    POST and PATCH are among `methods` only where somebody says so: an order may be placed twice. A body is sent again
    only where it can be: bytes, a file, a function; or where nothing of it was taken yet.
    """

    attempts: int = 3  #: requests in all, the first included, a count
    methods: Collection[str] = IDEMPOTENT
    statuses: Collection[int] = PASSING
    errors: tuple[type[Exception], ...] = BROKEN
    backoff: float = 0.2  #: seconds that the first wait is at most; each next one twice as long
    jitter: float = 1  #: the part of a wait that is left to chance, from 0 to 1
    most_wait: float = 30  #: seconds; what a wait may grow to. A longer Retry-After: the answer is the caller's
    respect_retry_after: bool = True
    budget: float | None = 0.2  #: retries for each request, in the long run; None: no bound
    reserve: int = 10  #: retries that the budget has to begin with, and saves up at most, a count
    clock: RetryClock = SYSTEM
    _budget: Budget | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        for name, least in (("attempts", 1), ("reserve", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UseError(f"Retries({name}={value!r}): expected a whole number from {least} on")
        for name, most in (("backoff", None), ("most_wait", None), ("jitter", 1), ("budget", None)):
            self._check(name, getattr(self, name), most)
        if isinstance(self.methods, str):
            raise UseError(f"Retries(methods={self.methods!r}): expected several, such as [{self.methods!r}]")
        small = [one for one in self.methods if one != one.upper() and one.upper() in METHODS]
        if small:  # RFC 9110 9.1: a method's case counts
            raise UseError(f"Retries(methods=...): {small[0]!r} is no method, {small[0].upper()!r} is")
        object.__setattr__(self, "methods", frozenset(self.methods))
        object.__setattr__(self, "statuses", frozenset(self.statuses))
        errors = self.errors if isinstance(self.errors, tuple) else (self.errors,)
        if not all(isinstance(one, type) and issubclass(one, Exception) for one in errors):
            raise UseError(f"Retries(errors={self.errors!r}): expected a tuple of classes of exceptions")
        object.__setattr__(self, "errors", errors)
        if self.budget is not None:
            object.__setattr__(self, "_budget", Budget(self.budget, self.reserve))

    def _check(self, name: str, value: object, most: int | None) -> None:
        if name == "budget" and value is None:
            return
        fine = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
        if not fine or (most is not None and isinstance(value, (int, float)) and value > most):
            raise UseError(f"Retries({name}={value!r}): expected {'0 to 1' if most else 'a number from 0 on'}")

    # -- decisions ---------------------------------------------------------------------------------------------

    def wants_status(self, method: str, status: int) -> bool:
        """Such an answer to such a request is a failure that may pass."""
        return method in self.methods and status in self.statuses

    def wants_error(self, method: str, error: Exception) -> bool:
        """Likewise; an answer that came before the body's end is one, and no failure.

        A certificate or a handshake that fails will fail again: only where its own class is named is it tried.
        """
        if isinstance(error, TlsError):
            return method in self.methods and any(issubclass(one, TlsError) for one in self.errors)
        return method in self.methods and isinstance(error, self.errors) and not isinstance(error, EarlyAnswer)

    def grown(self, attempt: int) -> float:
        """Seconds that the wait after this attempt, counted from 1, is at most, whatever `Retry-After` says."""
        return min(self.most_wait, self.backoff * 2.0 ** min(attempt - 1, 60))

    def wait(self, attempt: int, draw: float, asked: float | None = None) -> float | None:
        """Seconds until the next attempt; None: there is none. `draw` is from 0 to 1, `asked` by `Retry-After`."""
        if attempt >= self.attempts:
            return None
        own = self.grown(attempt) * (1 - self.jitter * (1 - draw))
        if asked is None or not self.respect_retry_after:
            return own
        return asked + own if asked <= self.most_wait else None

    # -- the budget --------------------------------------------------------------------------------------------

    def request(self) -> None:
        """A request begins."""
        if self._budget is not None:
            self._budget.request()

    def pay(self) -> bool:
        """For one retry; False: the budget is spent."""
        return self._budget is None or self._budget.take()


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a `Retry-After` field asks for, never less than 0; None without one that can be read.

    A number of seconds or a date (RFC 9110 10.2.3), which `now`, in seconds since 1970, is held against.
    """
    if value is None:
        return None
    text = value.strip(" \t")
    if text.isascii() and text.isdigit():
        return float(text[:DIGITS]) if len(text) <= DIGITS else 10.0**DIGITS
    date = parse_http_date(text)
    return None if date is None else max(0.0, date - now)
