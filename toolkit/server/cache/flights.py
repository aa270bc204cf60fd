"""Flights: many ask for what is not there, and the handler runs once.

Who asks first leads a flight, the others wait for it to land. How it may end:

    an entry        all have it, if it is what they asked for
    an error        all of them raise it, and nothing is kept
    nothing         it cannot be kept: each runs the handler for itself
    the leader      is cancelled, his client has left: the one who has waited longest leads on

A key whose answer could not be kept is passed by for a while: there, waiting for one another would only put requests in
a row that could run side by side. A path that is forgotten while an answer to it is being made has its flights
forgotten, too: who comes then waits for none of them, and what they bring is not kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from weakref import WeakSet

if TYPE_CHECKING:
    from types import TracebackType

    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key

__all__ = ["Failure", "Flight", "Flights", "Outcome"]


class Failure(NamedTuple):
    """What a handler raised, and where: each who raises it anew would add to the traceback of all others."""

    error: Exception
    trace: TracebackType | None


Outcome: TypeAlias = "tuple[Key, Entry] | Failure | Flight | None"

PASSED: Final = 10.0  #: seconds, for which nobody waits at a key whose last answer could not be kept
MOST_PASSED: Final = 1000  #: such keys; 200 KB, and 8 MB where every target is as long as `Limits.target` allows


class Flight:
    """One run of a handler, and who waits for it."""

    __slots__ = ("__weakref__", "_waiters", "key", "obsolete")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.obsolete = False  # the path was forgotten meanwhile
        self._waiters: deque[asyncio.Future[Outcome]] = deque()

    def join(self) -> asyncio.Future[Outcome]:
        """A future of one's own, to wait for."""
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def land(self, outcome: Outcome) -> None:
        """Tell all who wait."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(outcome)

    def hand_over(self) -> bool:
        """Have the next one lead; whether there is one."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self)
                return True
        return False


class Flights:
    """All that are under way for one application."""

    __slots__ = ("_alive", "_passed", "_under_way")

    def __init__(self) -> None:
        self._under_way: dict[Key, Flight] = {}
        self._alive: WeakSet[Flight] = WeakSet()  # those as well whose stream is still being sent
        self._passed: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def find(self, key: Key) -> Flight | None:
        """The flight to wait for, if there is one."""
        return self._under_way.get(key)

    def begin(self, key: Key) -> Flight:
        """A flight that others may wait for."""
        flight = self._under_way[key] = Flight(key)
        self._alive.add(flight)
        return flight

    def alone(self, key: Key) -> Flight:
        """One that nobody waits for."""
        flight = Flight(key)
        self._alive.add(flight)
        return flight

    async def wait(self, flight: Flight) -> Outcome:
        """How it ends; the flight itself, where whoever waits is to lead it from now on."""
        waiter = flight.join()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result() is flight:
                self.abandon(flight)  # it was to lead, and has left as well
            raise

    def end(self, flight: Flight, outcome: Outcome) -> None:
        """It has landed."""
        if self._under_way.get(flight.key) is flight:
            del self._under_way[flight.key]
        flight.land(outcome)

    def abandon(self, flight: Flight) -> None:
        """Its leader has left."""
        if not flight.hand_over() and self._under_way.get(flight.key) is flight:
            del self._under_way[flight.key]

    def forget(self, path: str | None) -> None:
        """What is under way for a path (None: for all) is of no use any more."""
        for flight in self._alive:
            if path is None or flight.key.path == path:
                flight.obsolete = True
                if self._under_way.get(flight.key) is flight:
                    del self._under_way[flight.key]

    def is_passed(self, key: Key, now: float) -> bool:
        """Whether the last answer to this could not be kept, a moment ago."""
        until = self._passed.get(key)
        if until is None:
            return False
        if until <= now:
            del self._passed[key]
            return False
        return True

    def pass_by(self, key: Key, now: float) -> None:
        """The answer to this could not be kept."""
        self._passed.pop(key, None)
        self._passed[key] = now + PASSED
        if len(self._passed) > MOST_PASSED:
            del self._passed[next(iter(self._passed))]

    def keep_watch(self, key: Key) -> None:
        """It could be kept, this time."""
        self._passed.pop(key, None)
