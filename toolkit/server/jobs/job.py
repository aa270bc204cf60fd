"""A job by the clock, as `web.jobs` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from toolkit.errors import UseError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from toolkit.server.jobs.crew import Work
    from toolkit.server.jobs.plan import Plan
    from toolkit.server.jobs.timetable import Timetable

__all__ = ["Job", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: when it began, in UTC; how long it took; what it raised, None if nothing."""

    began: datetime
    seconds: float
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        """It raised nothing."""
        return self.error is None


class Job:
    """A function that is called by the clock.

    `runs` that have begun, `failures` among them, and `missed` times are those of this process; `last` is None before
    the first run has ended. `when` says its times in words.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., object],
        work: Work,
        plan: Plan,
        *,
        each_worker: bool,
        at_start: bool,
    ) -> None:
        self.name = name
        self.function = function
        self.each_worker = each_worker
        self.at_start = at_start
        self.running = 0  # runs under way
        self.runs = 0
        self.failures = 0
        self.last: Outcome | None = None
        self._work = work
        self._plan = plan
        self._timetable: Timetable | None = None

    @property
    def when(self) -> str:
        """Such as "every 60 s", or "cron 0 3 * * *, Europe/Berlin"."""
        return str(self._plan.times)

    @property
    def missed(self) -> int:
        """How many times could not be kept; those that passed while nobody looked count as one."""
        return self._plan.missed

    @property
    def next(self) -> datetime | None:
        """When the next run is due, in UTC; None while the application does not run, and where another worker does."""
        timetable, due = self._timetable, self._plan.due
        if timetable is None or due is None:
            return None
        clock = timetable.clock
        moment = due if self._plan.times.wall else clock.wall() + due - clock.monotonic()
        return datetime.fromtimestamp(moment, UTC)

    def run(self) -> asyncio.Task[object]:
        """Run it now, on the application's loop, whatever the time.

        Raises `UseError` while it runs, unless `overlap=True`, and where the application does not.
        """
        if self._timetable is None:
            raise UseError(f"{self.name}.run() before the application runs, or after its end")
        task = self._timetable.run_now(self)
        if task is None:
            raise UseError(f"{self.name}.run(): it is running already; overlap=True would allow that")
        return task

    def __repr__(self) -> str:
        last = "never ran" if self.last is None else "ok" if self.last.ok else f"failed: {self.last.error!r}"
        state = "running" if self.running else f"next {self.next:%Y-%m-%d %H:%M:%S} UTC" if self.next else "not due"
        return f"<Job {self.name}: {self.when}; {state}; {last}>"
