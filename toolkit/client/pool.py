"""Who gets which connection: decisions only. Opening, closing and waiting is the session's.

A pool is counts and two kinds of lists: idle connections by origin (the most recently used is lent first, so that the
others can fall idle and end), and those who wait, in order of arrival. Every method is synchronous and returns what is
to be done, so no decision can be interrupted, and each is tested without a loop.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Grant", "Origin", "Pool"]

C = TypeVar("C")
W = TypeVar("W")


class Origin(NamedTuple):
    """Where a connection leads (RFC 6454)."""

    scheme: str
    host: str
    port: int


class Grant(NamedTuple, Generic[C]):
    """Leave to go on: with an idle `connection`, or with a new one after closing `evict`."""

    origin: Origin
    connection: C | None
    evict: C | None


class Pool(Generic[C, W]):
    """Connections of type C, waiters of type W."""

    def __init__(self, most: int, most_per_origin: int) -> None:
        self.most = most
        self.most_per_origin = most_per_origin
        self.idle: dict[Origin, list[C]] = {}
        self.open: dict[Origin, int] = {}  # lent, being opened, or idle
        self.total = 0
        self.waiting: deque[tuple[Origin, W]] = deque()

    def __repr__(self) -> str:
        idle = sum(map(len, self.idle.values()))
        return f"<Pool {self.total} of {self.most} open, {idle} idle, {len(self.waiting)} waiting>"

    def take(self, origin: Origin) -> C | None:
        """An idle connection, without waiting in line; None where there is none, or somebody waits."""
        idle = self.idle.get(origin)
        if not idle or self.waiting:
            return None
        connection = idle.pop()
        if not idle:
            del self.idle[origin]
        return connection

    def acquire(self, origin: Origin) -> Grant[C] | None:
        """A grant, or None: wait (and call `wait`). Nobody overtakes a waiter for the same origin."""
        if any(there == origin for there, _ in self.waiting):
            return None
        return self._grant(origin)

    def _grant(self, origin: Origin) -> Grant[C] | None:
        idle = self.idle.get(origin)
        if idle:
            connection = idle.pop()
            if not idle:
                del self.idle[origin]
            return Grant(origin, connection, None)
        if self.open.get(origin, 0) >= self.most_per_origin:
            return None
        evict = None
        if self.total >= self.most:
            evict = self._evict()
            if evict is None:
                return None
        self.open[origin] = self.open.get(origin, 0) + 1
        self.total += 1
        return Grant(origin, None, evict)

    def _evict(self) -> C | None:
        """The oldest idle connection of another origin makes room."""
        for origin, idle in self.idle.items():
            connection = idle.pop(0)
            if not idle:
                del self.idle[origin]
            self._forget(origin)
            return connection
        return None

    def _forget(self, origin: Origin) -> None:
        self.total -= 1
        left = self.open[origin] - 1
        if left:
            self.open[origin] = left
        else:
            del self.open[origin]

    def wait(self, origin: Origin, waiter: W) -> None:
        """Stand in line."""
        self.waiting.append((origin, waiter))

    def leave(self, waiter: W) -> None:
        """Stand in line no longer."""
        self.waiting = deque(entry for entry in self.waiting if entry[1] is not waiter)

    def give_back(self, origin: Origin, connection: C) -> list[tuple[W, Grant[C]]]:
        """A lent connection is free. Returns the waiters that may go on."""
        self.idle.setdefault(origin, []).append(connection)
        return self._serve() if self.waiting else []

    def gone(self, origin: Origin, connection: C | None) -> list[tuple[W, Grant[C]]]:
        """A connection ended, or could not be opened (None). Returns the waiters that may go on."""
        idle = self.idle.get(origin)
        if connection is not None and idle and connection in idle:
            idle.remove(connection)
            if not idle:
                del self.idle[origin]
        self._forget(origin)
        return self._serve()

    def _serve(self) -> list[tuple[W, Grant[C]]]:
        """In order of arrival; one that cannot go on does not hold up those behind it for other origins."""
        served: list[tuple[W, Grant[C]]] = []
        if not self.waiting:
            return served
        kept: deque[tuple[Origin, W]] = deque()
        blocked: set[Origin] = set()
        for origin, waiter in self.waiting:
            grant = None if origin in blocked else self._grant(origin)
            if grant is None:
                blocked.add(origin)
                kept.append((origin, waiter))
            else:
                served.append((waiter, grant))
        self.waiting = kept
        return served
