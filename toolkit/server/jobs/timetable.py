"""The timetable of an application that runs: it looks at the clock, and begins the runs that are due.

One timer, set to the earliest of all, and to a minute at most: the calendar's clock may be set, and a machine that
slept is late by a clock that did not count it.

Where there are several workers only the one that leads looks (see `lead.py`); the others ask once a second whether the
lead is free. Jobs of `each_worker` are nobody's to lead.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from toolkit.server.jobs.job import Outcome

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from toolkit.server.jobs.clock import JobClock, Timer
    from toolkit.server.jobs.crew import Crew
    from toolkit.server.jobs.job import Job
    from toolkit.server.jobs.lead import Lead

__all__ = ["Timetable"]

log = logging.getLogger("toolkit.server")

LOOK: Final = 60.0  # seconds
ASK: Final = 1.0  # seconds for which nobody leads when a worker was killed
SOONEST: Final = 0.001  # seconds: a timer may fire a little before the calendar's clock has come that far


class Timetable:
    """The jobs of one application, while it runs; `lead` where it does so in several processes."""

    def __init__(self, crew: Crew, clock: JobClock, lead: Lead | None) -> None:
        self.clock = clock
        self._crew = crew
        self._lead = lead
        self._leads = lead is None
        self._origin = clock.monotonic() if lead is None else lead.origin
        self._jobs: list[Job] = []
        self._timer: Timer | None = None
        self._asking: Timer | None = None
        self._ended = False

    def begin(self, jobs: Iterable[Job]) -> None:
        """From now on."""
        for job in jobs:
            self.add(job)
        if not self._leads:
            self._ask()

    def add(self, job: Job) -> None:
        """One more."""
        self._jobs.append(job)
        job._timetable = self
        if self._leads or job.each_worker:
            self._begin_plan(job, self.clock.monotonic(), self.clock.wall(), at_once=job.at_start)
            self._set()

    def end(self) -> None:
        """No further runs; those under way are the crew's."""
        self._ended = True
        for timer in (self._timer, self._asking):
            if timer is not None:
                timer.cancel()
        for job in self._jobs:
            job._plan.end()
        if self._lead is not None:
            self._lead.release()

    def forget(self) -> None:
        """The application has ended."""
        for job in self._jobs:
            job._timetable = None

    # -- who looks ---------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Whether this worker may lead by now."""
        if self._lead is None or self._ended:
            return
        if not self._lead.take():
            self._asking = self.clock.call_later(ASK, self._ask)
            return
        self._leads = True
        last = self._lead.since  # not the file's: of several applications in one process, each goes on from there
        monotonic, wall = last or (self.clock.monotonic(), self.clock.wall())
        for job in self._jobs:
            if not job.each_worker:
                self._begin_plan(job, monotonic, wall, at_once=job.at_start and last is None)
        self._look()

    def _begin_plan(self, job: Job, monotonic: float, wall: float, *, at_once: bool) -> None:
        job._plan.begin(wall if job._plan.times.wall else monotonic, self._origin, at_once=at_once)

    # -- looking -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        monotonic, wall = self.clock.monotonic(), self.clock.wall()
        if self._lead is not None and self._leads:
            self._lead.looked(monotonic, wall)  # first: what kills this worker is not begun again by the next
        for job in self._jobs:
            plan = job._plan
            now = wall if plan.times.wall else monotonic
            try:
                if plan.is_due(now) and plan.look(now, self._is_busy(job)):
                    _ = self._start(job)
            except Exception:  # a time zone of somebody's own
                log.exception("nobody can tell when %s is due; it is run no more", job.name)
                plan.end()
        self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        monotonic, wall = self.clock.monotonic(), self.clock.wall()
        dues = [
            plan.due - (wall if plan.times.wall else monotonic)
            for plan in (job._plan for job in self._jobs)
            if plan.due is not None
        ]
        if dues:
            self._timer = self.clock.call_later(max(SOONEST, min(LOOK, *dues)), self._look)

    def _is_busy(self, job: Job) -> bool:
        """A run of it is under way, here or in the worker that led before."""
        if job.running or self._lead is None or job.each_worker:
            return job.running > 0
        if not self._lead.hold(job.name):
            return True
        self._lead.let_go(job.name)
        return False

    def run_now(self, job: Job) -> asyncio.Task[object] | None:
        """Run it out of turn; None where it runs and must not twice."""
        return None if self._is_busy(job) and not job._plan.overlap else self._start(job)

    def _start(self, job: Job) -> asyncio.Task[object]:
        held = self._lead is not None and not job.each_worker and self._lead.hold(job.name)
        job.running += 1
        job.runs += 1
        task = self._crew.start(job.name, lambda crew: self._run(job, crew), gated=False)
        task.add_done_callback(lambda _: self._run_ended(job, held))  # also of one that was cancelled before it began
        return task

    async def _run(self, job: Job, crew: Crew) -> object:
        began, wall = self.clock.monotonic(), self.clock.wall()
        error: BaseException | None = None
        try:
            return await job._work(crew)
        except BaseException as raised:
            error = raised
            job.failures += 1
            raise
        finally:
            job.last = Outcome(datetime.fromtimestamp(wall, UTC), self.clock.monotonic() - began, error)

    def _run_ended(self, job: Job, held: bool) -> None:
        job.running -= 1
        if held and self._lead is not None:
            self._lead.let_go(job.name)
        if job._plan.ended() and not self._ended:
            _ = self._start(job)
