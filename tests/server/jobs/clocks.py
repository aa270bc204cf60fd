"""A clock that stands still until a test puts it forward."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()  # a Monday


class Timer:
    """A call that may be called off."""

    def __init__(self, at: float, call: Callable[[], object]) -> None:
        self.at = at
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.at < other.at


class StillClock:
    """Noon, and 1000 s since whatever."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.now = 1000.0
        self.set_by = NOON - 1000.0
        self.timers: list[Timer] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.set_by

    def call_later(self, delay: float, call: Callable[[], object]) -> Timer:
        timer = Timer(self.now + delay, call)
        heapq.heappush(self.timers, timer)
        return timer

    @property
    def pending(self) -> int:
        return sum(timer.call is not None for timer in self.timers)

    async def forward(self, seconds: float) -> None:
        """So much later, with every timer on the way fired at its time, and what it began under way."""
        end = self.now + seconds
        while self.timers and self.timers[0].at <= end:
            timer = heapq.heappop(self.timers)
            self.now = max(self.now, timer.at)
            if timer.call is not None:
                timer.call()
                await settle()
        self.now = end
        await settle()

    def sleep(self, seconds: float) -> None:
        """The machine sleeps: no timer fires, and the calendar goes on."""
        self.set_by += seconds


async def settle(turns: int = 12) -> None:
    """Let what is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)
