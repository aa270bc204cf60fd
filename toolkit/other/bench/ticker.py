"""A timer that is finer than an event loop's.

asyncio's loops and uvloop sleep in whole milliseconds; a schedule of a few thousand requests a second needs better.
Linux has a timer that is a descriptor (timerfd_create(2)), which every loop can wait for. Elsewhere the loop's own
timer has to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoopTicker", "Ticker", "TimerTicker", "make_ticker"]

ABSOLUTE: Final = 1  # TFD_TIMER_ABSTIME
NANOSECONDS: Final = 1_000_000_000


class Ticker:
    """Calls `ring` once, some time after `arm`."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self.ring = ring

    def arm(self, at: int) -> None:
        """Ring at this time of `time.monotonic_ns()`, instead of any time given before."""
        raise NotImplementedError

    def close(self) -> None:
        """Do not ring any more."""
        raise NotImplementedError


class LoopTicker(Ticker):
    """By the loop's own timer: right to a millisecond or two."""

    def __init__(self, ring: Callable[[], object]) -> None:
        super().__init__(ring)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, at: int) -> None:
        self.close()
        self._timer = self._loop.call_later(max(0.0, (at - time.monotonic_ns()) / NANOSECONDS), self.ring)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class TimerTicker(Ticker):
    """By a descriptor that becomes readable: right to some 30 microseconds, which is what waking up takes.

    Raises OSError or AttributeError where the system has none. (`os.timerfd_create` came with Python 3.13.)
    """

    def __init__(self, ring: Callable[[], object]) -> None:
        super().__init__(ring)
        self._loop = asyncio.get_running_loop()
        libc = ctypes.CDLL(None, use_errno=True)
        self._set = libc.timerfd_settime
        self._fd: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Setting()
        self._loop.add_reader(self._fd, self._on_due)

    def _set_to(self, at: int) -> None:
        value = self._setting.value
        value.seconds, value.nanoseconds = divmod(at, NANOSECONDS)
        if self._set(self._fd, ABSOLUTE, ctypes.byref(self._setting), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def arm(self, at: int) -> None:
        self._set_to(max(1, at))  # zero would disarm it

    def _on_due(self) -> None:
        self._set_to(0)  # readable no more
        self.ring()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def make_ticker(ring: Callable[[], object]) -> Ticker:
    """The finest that there is here."""
    try:
        return TimerTicker(ring)
    except (OSError, AttributeError, TypeError):  # no such function, no such library
        return LoopTicker(ring)
