"""Who gets which connection: decisions only. Opening, closing and waiting is the session's.

A pool is counts and two kinds of lists: idle connections by origin (the most recently used is lent first, so that the
others can fall idle and end), and those who wait, in order of arrival. Every method is synchronous and returns what is
to be done, so no decision can be interrupted, and each is tested without a loop.

Those who wait stand in two lines, one of all of them and one for each origin: serving the first of all, finding the
first who is not held up by his origin's bound, and leaving from anywhere each cost the same for ten as for ten
thousand.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

from toolkit.client.proxies import Via  # noqa: TC001 - a field's type is needed when compiled

__all__ = ["Grant", "Origin", "Pool"]

C = TypeVar("C")
W = TypeVar("W")


class Origin(NamedTuple):
    """Where a connection leads (RFC 6454), and by which proxy, if by one: it is lent for nothing else."""

    scheme: str
    host: str
    port: int
    via: Via | None = None


class Grant(NamedTuple, Generic[C]):
    """Leave to go on: with an idle `connection`, or with a new one after closing `evict`."""

    origin: Origin
    connection: C | None
    evict: C | None


class Pool(Generic[C, W]):
    """Connections of type C, waiters of type W; at most `most_waiting` of these, None for no bound."""

    def __init__(self, most: int, most_per_origin: int, most_waiting: int | None = None) -> None:
        self.most = most
        self.most_per_origin = most_per_origin
        self.most_waiting = most_waiting
        self.idle: dict[Origin, list[C]] = {}
        self.open: dict[Origin, int] = {}  # lent, being opened, or idle
        self.total = 0
        self._line: OrderedDict[W, Origin] = OrderedDict()
        self._lines: dict[Origin, OrderedDict[W, int]] = {}  # with the number of each one's arrival
        self._arrivals = 0

    def __repr__(self) -> str:
        idle = sum(map(len, self.idle.values()))
        return f"<Pool {self.total} of {self.most} open, {idle} idle, {len(self._line)} waiting>"

    def why(self, origin: Origin) -> str:
        """Why one has to wait for a connection to `origin`."""
        here = self.open.get(origin, 0)
        if here >= self.most_per_origin:
            return f"all {here} to this origin are in use"
        return f"all {self.total} of the session are in use, {here} of them to this origin"

    @property
    def waiting(self) -> list[tuple[Origin, W]]:
        """Those who wait, in order of arrival."""
        return [(origin, waiter) for waiter, origin in self._line.items()]

    @property
    def waiting_count(self) -> int:
        """How many they are."""
        return len(self._line)

    @property
    def crowded(self) -> bool:
        """Nobody more may stand in line."""
        return self.most_waiting is not None and len(self._line) >= self.most_waiting

    def take(self, origin: Origin) -> C | None:
        """An idle connection, without waiting in line; None where there is none, or somebody waits."""
        idle = self.idle.get(origin)
        if not idle or self._lines:
            return None
        connection = idle.pop()
        if not idle:
            del self.idle[origin]
        return connection

    def acquire(self, origin: Origin) -> Grant[C] | None:
        """A grant, or None: wait (and call `wait`). Nobody overtakes a waiter for the same origin."""
        return None if origin in self._lines else self._grant(origin)

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
        self._line[waiter] = origin
        line = self._lines.get(origin)
        if line is None:
            line = self._lines[origin] = OrderedDict()
        self._arrivals += 1
        line[waiter] = self._arrivals

    def leave(self, waiter: W) -> None:
        """Stand in line no longer."""
        origin = self._line.pop(waiter, None)
        if origin is not None:
            line = self._lines[origin]
            del line[waiter]
            if not line:
                del self._lines[origin]

    def give_back(self, origin: Origin, connection: C) -> list[tuple[W, Grant[C]]]:
        """A lent connection is free. Returns the waiters that may go on."""
        idle = self.idle.get(origin)
        if idle is None:
            self.idle[origin] = [connection]
        else:
            idle.append(connection)
        return self._serve() if self._lines else []

    def gone(self, origin: Origin, connection: C | None) -> list[tuple[W, Grant[C]]]:
        """A connection ended, or could not be opened (None). Returns the waiters that may go on."""
        idle = self.idle.get(origin)
        if connection is not None and idle and connection in idle:
            idle.remove(connection)
            if not idle:
                del self.idle[origin]
        self._forget(origin)
        return self._serve() if self._lines else []

    def _serve(self) -> list[tuple[W, Grant[C]]]:
        """In order of arrival; one that cannot go on does not hold up those behind it for other origins."""
        served: list[tuple[W, Grant[C]]] = []
        while self._line:
            waiter = next(iter(self._line))
            grant = self._grant(self._line[waiter])
            if grant is None:
                break
            self.leave(waiter)
            served.append((waiter, grant))
        if self._line and (self.idle or self.total < self.most):
            self._serve_others(served)
        return served

    def _serve_others(self, served: list[tuple[W, Grant[C]]]) -> None:
        """The first in line is held up: go on with the first of each origin."""
        heads = [(next(iter(line.values())), origin) for origin, line in self._lines.items()]
        heapq.heapify(heads)
        while heads and (self.idle or self.total < self.most):
            _, origin = heapq.heappop(heads)
            grant = self._grant(origin)
            if grant is None:
                continue  # at its bound, and so are all behind it for this origin
            waiter = next(iter(self._lines[origin]))
            self.leave(waiter)
            served.append((waiter, grant))
            line = self._lines.get(origin)
            if line is not None:
                heapq.heappush(heads, (next(iter(line.values())), origin))
