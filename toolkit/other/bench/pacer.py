"""Who may send, and when: the one place where a closed loop and an open loop differ.

A *slot* is something that can have one more request under way: a connection, or a place in a pipeline, or a stream.
It is either busy, or it waits in `idle`. When its answer is there it asks `free`, and

- in a closed loop it sends the next request at once, as long as the budget lasts;
- in an open loop it takes the request that has been due the longest; if none is due it waits until one is.

A request that was due when no slot was free thus keeps the time at which it was due, and its latency begins there:
the server's pause is charged to every request that should have been sent during it. Nothing is left out, and there is
no queue to grow, since a schedule remembers by itself what has not been sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from toolkit.other.bench.pacing import NEVER
from toolkit.other.bench.ticker import Ticker, make_ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.other.bench.record import Record

__all__ = ["UNLIMITED", "Pacer", "Slot"]

clock: Callable[[], int] = time.monotonic_ns

UNLIMITED: Final = 2**62  # requests
# ns. Waking up takes a sleeping process about 30 us; below the double it is better not to fall asleep.
SPIN: Final = 60_000
AGE: Final = 20  # ages of requests that were never sent are counted in steps of 2**20 ns, a millisecond


class Slot(Protocol):
    """What can send one request more."""

    def send(self, due: int) -> None:
        """Send the request that was due at this time; call `free` when its answer is there."""


class Pacer:
    """The slots of one process and the requests that are due."""

    __slots__ = (
        "_again",
        "_armed",
        "_loop",
        "_schedule",
        "_sending",
        "_ticker",
        "budget",
        "busy",
        "idle",
        "next_due",
        "quiet",
        "record",
    )

    def __init__(self, record: Record) -> None:
        self.record = record
        self.budget = 0  #: of a closed loop: requests that may still be sent
        self.next_due = NEVER  #: of an open loop: when the next request is due
        self.idle: deque[Slot] = deque()
        self.busy = 0
        self.quiet = asyncio.Event()  #: nothing is under way, and nothing is to be sent
        self.quiet.set()
        self._again: deque[int] = deque()  # requests that a connection's orderly end has handed back, by their time
        self._schedule: Iterator[int] = iter(())
        self._armed = False
        self._sending = False  # between a beginning and its end
        self._loop = asyncio.get_running_loop()
        self._ticker: Ticker | None = None

    # -- what slots call ---------------------------------------------------------------------------------------

    def join(self, slot: Slot, now: int) -> None:
        """A new slot, ready to send."""
        self.busy += 1
        self.free(slot, now)

    def free(self, slot: Slot, now: int) -> None:
        """A busy slot has its answer."""
        if self.budget:
            self.budget -= 1
            slot.send(now)
        elif self._again:
            slot.send(self._again.popleft())
        elif self.next_due <= now:
            due = self.next_due
            self.next_due = next(self._schedule, NEVER)
            slot.send(due)
        else:
            self.idle.append(slot)
            self.busy -= 1
            if self.next_due != NEVER:
                self._arm(now)
            elif not self.busy:
                self.quiet.set()

    def leave(self, slot: Slot, busy: int) -> None:
        """A slot is no more, with so many requests under way."""
        while slot in self.idle:
            self.idle.remove(slot)
        self.busy -= busy
        if not (self.busy or self.budget or self._again) and self.next_due == NEVER:
            self.quiet.set()

    def hand_back(self, due: int) -> bool:
        """Send a request again that the server has said it will not answer; False when it is too late for that."""
        if self._sending:
            self._again.append(due)
        return self._sending

    # -- what the run calls ------------------------------------------------------------------------------------

    def begin_closed(self, budget: int | None) -> None:
        """Keep every slot busy, until so many requests were sent (None: until the end)."""
        self.quiet.clear()
        self._sending = True
        self.budget = UNLIMITED if budget is None else budget
        self._fill()

    def begin_open(self, schedule: Iterator[int]) -> None:
        """Send by this schedule."""
        self.quiet.clear()
        self._sending = True
        if self._ticker is None:
            self._ticker = make_ticker(self._turn)
        self._schedule = schedule
        self.next_due = next(schedule, NEVER)
        self._turn()

    def _fill(self) -> None:
        for _ in range(min(len(self.idle), self.budget)):
            self.budget -= 1
            self.busy += 1
            self.idle.popleft().send(clock())

    def end(self, now: int) -> Counter[int]:
        """Send no more. The ages in ns of the requests that were due and could not be sent, with how many had each.

        What was due just now and finds a free slot is not among them: it is under way.
        """
        self._send_due(now)
        self._sending = False
        due, self.next_due = self.next_due, NEVER
        ages: Counter[int] = Counter()
        self.budget = 0
        for at in chain(self._again, (due,), self._schedule if due != NEVER else ()):
            if at >= now:
                break
            ages[(now - at) >> AGE] += 1
        self._again.clear()
        self._schedule = iter(())
        if not self.busy:
            self.quiet.set()
        return Counter({age << AGE: number for age, number in ages.items()})

    def close(self) -> None:
        """Free the timer."""
        self.next_due = NEVER
        if self._ticker is not None:
            self._ticker.close()
            self._ticker = None

    # -- the clock ---------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """The time has come for one request at least."""
        self._armed = False
        now = self._send_due(NEVER)
        if self.next_due != NEVER and self.idle:  # else the next slot that gets free goes on
            self._arm(now)

    def _send_due(self, end: int) -> int:
        """Send what is due before `end` as far as slots are free. Returns the time."""
        now = clock()
        counts = self.record.counts
        while self.next_due <= now and self.next_due < end and self.idle:
            due = self.next_due
            self.next_due = next(self._schedule, NEVER)
            counts.paced += 1
            counts.late += now - due
            counts.latest = max(counts.latest, now - due)
            self.busy += 1
            self.idle.popleft().send(due)
            now = clock()
        return now

    def _arm(self, now: int) -> None:
        if self._armed or self._ticker is None:
            return
        self._armed = True
        if self.next_due - now <= SPIN:
            self._loop.call_soon(self._turn)
        else:
            self._ticker.arm(self.next_due - SPIN)
