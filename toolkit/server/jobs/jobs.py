"""Jobs: an application's work beside its requests, what is declared and what is under way."""

from __future__ import annotations

import asyncio
import inspect
import random
from typing import TYPE_CHECKING

from toolkit.errors import UseError
from toolkit.server.handlers import described
from toolkit.server.jobs.clock import LoopClock
from toolkit.server.jobs.crew import Crew, title_of, work_of
from toolkit.server.jobs.job import Job
from toolkit.server.jobs.plan import Plan
from toolkit.server.jobs.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.server.jobs.lead import Lead
    from toolkit.server.jobs.options import JobOptions, JobRules
    from toolkit.server.jobs.times import Times

__all__ = ["Jobs"]


class Jobs:
    """The jobs of an application, by the clock, in the order of their declaration: `for job in web.jobs`."""

    def __init__(self, options: JobOptions) -> None:
        self.options = options
        self.is_stopping = False  # the application ends: a loop in a thread should, too
        self._jobs: dict[str, Job] = {}
        self._crew: Crew | None = None
        self._timetable: Timetable | None = None

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    def __getitem__(self, name: str) -> Job:
        return self._jobs[name]

    def __contains__(self, name: object) -> bool:
        return name in self._jobs

    def __repr__(self) -> str:
        return f"<Jobs: {', '.join(map(repr, self._jobs.values()))}>"

    @property
    def under_way(self) -> list[str]:
        """The names of all work beside requests that has not ended: runs of jobs, what was submitted, what follows
        answers."""
        return [] if self._crew is None else self._crew.names()

    # -- declaring ---------------------------------------------------------------------------------------------

    def add(
        self, call: str, function: Callable[..., object], times: Times, rules: JobRules, *, at_start: bool = False
    ) -> Job:
        """A function by the clock. Raises `UseError` for one that needs arguments, or whose name is taken."""
        if not callable(function):
            raise UseError(f"{call}: {function!r} is no function")
        wrong = _needs(function)
        if wrong:
            raise UseError(f"{call}: {described(function)} is called without arguments: {wrong}")
        name = rules.get("name") or title_of(function).rpartition(".")[2]
        if name in self._jobs:
            raise UseError(
                f"{call}: two jobs are called {name!r}: {described(self._jobs[name].function)} and"
                f" {described(function)}; give one a name="
            )
        plan = Plan(
            times, rules.get("overlap", False), rules.get("missed", "skip"), rules.get("jitter", 0.0), random.random
        )
        job = Job(
            name,
            function,
            work_of(function, (), {}),
            plan,
            each_worker=rules.get("each_worker", False),
            at_start=at_start,
        )
        self._jobs[name] = job
        if self._timetable is not None:
            self._timetable.add(job)
        return job

    @property
    def begun(self) -> bool:
        """The clock counts for them."""
        return self._timetable is not None

    # -- running -----------------------------------------------------------------------------------------------

    def crew(self, loop: asyncio.AbstractEventLoop) -> Crew:
        """Who works on this loop. Raises `UseError` while another running loop has them."""
        crew = self._crew
        if crew is None or (crew.loop is not loop and crew.loop.is_closed()):
            crew = self._crew = Crew(loop, self.options)
        if crew.loop is not loop:
            raise UseError("this App is in use on another running event loop; one App, one loop at a time")
        return crew

    def begin(self, lead: Lead | None) -> None:
        """The application runs, on the running loop: the clock counts from now on."""
        loop = asyncio.get_running_loop()
        self.is_stopping = False
        if self._timetable is not None:  # of a lifespan around this one, or of a loop that nobody ended
            self._timetable.end()
        clock = LoopClock(loop) if self.options.clock is None else self.options.clock(loop)
        self._timetable = Timetable(self.crew(loop), clock, lead)
        self._timetable.begin(self._jobs.values())

    def stop(self) -> None:
        """The end has begun: nothing more by the clock."""
        self.is_stopping = True
        if self._timetable is not None:
            self._timetable.end()

    async def end(self, grace: float | None) -> None:
        """Wait for what is under way, up to `grace` seconds; see `Crew.end`."""
        timetable, self._timetable = self._timetable, None
        try:
            if self._crew is not None:
                await self._crew.end(grace)
        finally:
            self._crew = None
            if timetable is not None:
                timetable.forget()


def _needs(function: Callable[..., object]) -> str:
    """Why it cannot be called without arguments; "" where it can, or where nobody can tell."""
    try:
        inspect.signature(function).bind()
    except ValueError:
        return ""
    except TypeError as error:
        return str(error)
    return ""
