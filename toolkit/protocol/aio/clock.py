"""Time: one clock per running application or session, and every deadline kept by it.

Deadlines of one kind all have the same duration, so the order in which they were started is the order in which they
fall due: a dict, which remembers insertion, is the whole queue. One timer sleeps until the earliest front. Starting and
stopping a deadline is a dict operation; ten thousand idle connections are ten thousand dict entries and no timers
(an `asyncio.timeout` costs 3.4 us, a `call_later` 1 us).
"""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Clock", "Deadline", "Watched"]


class Watched(Protocol):
    """What has deadlines."""

    def on_deadline(self, kind: str) -> None:
        """The deadline `kind` fell due; it is no longer running."""


class Deadline:
    """All deadlines of one kind and duration, in the order in which they fall due."""

    __slots__ = ("_clock", "_due", "_passed", "_watched", "kind", "seconds")

    def __init__(self, clock: Clock, kind: str, seconds: float | None) -> None:
        self._clock = clock
        self._due: dict[Watched, float] = {}
        self._watched = False  # the clock will ask
        self._passed = 0  # about as many places in front of `_due` are empty; a walk over it passes them
        self.kind = kind
        self.seconds = seconds

    def start(self, watched: Watched) -> None:
        """From now on; one that was running starts anew. Nothing where the duration is None."""
        seconds = self.seconds
        if seconds is None:
            return
        due = self._due
        if watched in due:  # mostly it is not
            del due[watched]
        at = due[watched] = self._clock.time() + seconds
        if not self._watched:
            self._watched = True
            self._clock.watch(self, at)

    def stop(self, watched: Watched) -> None:
        """Stop it if it is running."""
        self._due.pop(watched, None)

    def began(self, watched: Watched) -> float:
        """When it was started; long ago where it is not running, in the future where nobody keeps it (no duration)."""
        if self.seconds is None:
            return math.inf
        return self._due.get(watched, -math.inf) - self.seconds

    def expire(self, now: float) -> float | None:
        """Tell everyone whose time has come; returns when the next one is due."""
        fell: list[tuple[Watched, float]] = []
        for entry in self._due.items():  # once: a walk that begins anew passes what was deleted in front again
            if entry[1] > now:
                break
            fell.append(entry)
        for watched, at in fell:
            if self._due.get(watched) == at:  # neither stopped nor started anew by one before it
                del self._due[watched]
                self._tell(watched)
        self._passed += len(fell)
        if self._passed > len(self._due):
            self._passed = 0
            self._due = dict(self._due)
        self._watched = bool(self._due)
        return next(iter(self._due.values()), None)

    def _tell(self, watched: Watched) -> None:
        """A fault in one must not keep the others, and all that are still to come, from their ends."""
        try:
            watched.on_deadline(self.kind)
        except Exception as error:
            text = f"the end of a deadline ({self.kind}, {self.seconds} s) failed"
            self._clock.loop.call_exception_handler({"message": text, "exception": error})


class Clock:
    """The time of one event loop, its deadlines, and the date header.

    `wall` gives seconds since the epoch; tests replace it. `common` are fields that go with every date, as lines by
    their names in lower case: they cost nothing, since the date's line is made once a second.
    """

    __slots__ = (
        "_active",
        "_armed",
        "_date_line",
        "_date_second",
        "_deadlines",
        "_timer",
        "common",
        "loop",
        "time",
        "wall",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, wall: Callable[[], float] = time.time) -> None:
        self.loop = loop
        self.time: Callable[[], float] = loop.time
        self.wall = wall
        self._deadlines: dict[tuple[str, float | None], Deadline] = {}
        self._active: dict[Deadline, None] = {}  # queues with an entry
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0.0
        self._date_line = b""
        self._date_second = -1
        self.common: dict[bytes, bytes] = {}

    def deadline(self, kind: str, seconds: float | None) -> Deadline:
        """The queue for this kind and duration; keep it, look-ups are not free."""
        key = (kind, seconds)
        found = self._deadlines.get(key)
        if found is None:
            found = self._deadlines[key] = Deadline(self, kind, seconds)
        return found

    def watch(self, deadline: Deadline, at: float) -> None:
        """This queue has an entry, due at `at`."""
        self._active[deadline] = None
        self.wake_at(at)

    def wake_at(self, at: float) -> None:
        """Make sure that the timer rings no later than `at`."""
        if self._timer is None or at < self._armed:
            if self._timer is not None:
                self._timer.cancel()
            self._armed = at
            self._timer = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self.time()
        # A loop's timers may ring one tick of the clock early (asyncio: `_clock_resolution`).
        following: list[float] = []
        for deadline in list(self._active):
            at = deadline.expire(now + 0.001)
            if at is None:
                self._active.pop(deadline, None)  # it comes back with its next entry
            else:
                following.append(at)
        if following:
            self.wake_at(min(following))

    def close(self) -> None:
        """Stop the timer; nothing falls due any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadlines.clear()
        self._active.clear()

    def date_line(self) -> bytes:
        """The date field (RFC 9110 5.6.7) as it stands on the wire, made once a second, and `common` behind it."""
        now = self.wall()
        if not self._date_second <= now < self._date_second + 1:
            self._date_second = int(now)
            date = formatdate(self._date_second, usegmt=True).encode("ascii")
            self._date_line = b"".join((b"date: %b\r\n" % date, *self.common.values()))
        return self._date_line
