"""The clock that jobs go by: two readings of the time, and a timer. A test may give another one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["JobClock", "LoopClock", "Timer"]


class Timer(Protocol):
    """What can be called off."""

    def cancel(self) -> object:
        """It is not to fire."""


class JobClock(Protocol):
    """Seconds that only go on, seconds since 1970, and a call after some of the former."""

    def monotonic(self) -> float:
        """Seconds from some moment on; the same ones in all processes of a machine."""

    def wall(self) -> float:
        """Seconds since 1970, UTC; may be set, forward and back."""

    def call_later(self, delay: float, call: Callable[[], object]) -> Timer:
        """Call it in `delay` seconds."""


class LoopClock:
    """The machine's clocks, and a loop's timers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """See `JobClock`."""
        return time.monotonic()

    def wall(self) -> float:
        """See `JobClock`."""
        return time.time()

    def call_later(self, delay: float, call: Callable[[], object]) -> Timer:
        """See `JobClock`."""
        return self._loop.call_later(delay, call)
