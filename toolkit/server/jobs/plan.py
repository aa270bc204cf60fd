"""What is decided of one job: when its next run is due, and what becomes of a time that could not be kept.

It is told the time, and looks at no clock. `look` answers whether a run begins now. A time that passed while the last
run was at it, or that is noticed more than `LATE` seconds behind (the machine slept, the loop was blocked, no worker
lived), was missed. However many were, at most one run makes up for them: `missed="once"`. Nothing is ever run twice for
one time: from each look on only later times count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.jobs.options import Missed
    from toolkit.server.jobs.times import Times

__all__ = ["LATE", "Plan"]

LATE: Final = 60.0  # seconds: a cron's own grain. A loop that was held up for less has only been slow


class Plan:
    """One job's next run. `chance` gives a number from 0 to 1, for the jitter."""

    __slots__ = ("_chance", "_jitter", "_origin", "_owed", "due", "missed", "missed_rule", "overlap", "times")

    def __init__(self, times: Times, overlap: bool, missed: Missed, jitter: float, chance: Callable[[], float]) -> None:
        self.times = times
        self.overlap = overlap
        self.missed_rule: Missed = missed
        self.missed = 0  # times that were not kept, as far as they were noticed
        self.due: float | None = None  # by the clock of `times`; None: not begun, or never again
        self._jitter = jitter
        self._chance = chance
        self._origin = 0.0
        self._owed = False

    def begin(self, after: float, origin: float, *, at_once: bool = False) -> None:
        """Times later than `after` count; intervals are counted from `origin`. `at_once`: one run is due already."""
        self._origin = origin
        self._owed = False
        if at_once:
            self.due = after
        else:
            self._go_on(after)

    def end(self) -> None:
        """Nothing is due any more."""
        self.due = None
        self._owed = False

    def _go_on(self, after: float) -> None:
        at = self.times.next(after, self._origin)
        self.due = None if at is None else at + self._jitter * self._chance()

    def is_due(self, now: float) -> bool:
        """Whether `look` has anything to decide."""
        return self.due is not None and self.due <= now

    def look(self, now: float, busy: bool) -> bool:
        """Whether a run begins now; `busy`: the last one is at it still."""
        due = self.due
        if due is None or due > now:
            return False
        self._go_on(now)
        if busy and not self.overlap:
            self.missed += 1
            self._owed = self.missed_rule == "once"
            return False
        if now - due > LATE and self.missed_rule == "skip":
            self.missed += 1
            return False
        return True

    def ended(self) -> bool:
        """A run has ended: whether another one begins now, for times that it made miss."""
        owed, self._owed = self._owed, False
        return owed
