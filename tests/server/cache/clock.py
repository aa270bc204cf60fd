"""A clock that goes when it is told to."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.server.cache.entry import Entry


@dataclass
class Clock:
    """Seconds since 1970."""

    now: float = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def entry(clock: Clock, body: bytes = b"x", seconds: float = 60, stale: float = 0) -> Entry:
    """One that is fresh for some time from now on."""
    until = clock.now + seconds
    return Entry(200, [(b"content-type", b"text/plain")], body, clock.now, until, until + stale)
