"""What may be said of an application's jobs, and of one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from toolkit.errors import UseError
from toolkit.server.jobs.times import zone_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from datetime import tzinfo

    from toolkit.server.jobs.clock import JobClock

__all__ = ["JobOptions", "JobRules", "Missed", "check_rules"]

Missed = Literal["skip", "once"]

# The threads that plain functions run in. Apart from those of `thread=True` and of files, so that a batch of reports
# does not hold up handlers; as many as a pool of database connections usually has.
THREADS = 8


@dataclass(frozen=True)
class JobOptions:
    """`App(jobs=JobOptions(...))`.

    `timezone` is that of `web.cron`, where a job does not name one: a name of the IANA database, or a `tzinfo`.
    `at_once` bounds how many of the things that were handed to `web.submit` and `r.after` run at a time, in each
    process; the rest waits in order (None: no bound). `threads` is how many plain functions run at a time. `clock`
    makes another clock for a loop: for tests. Raises `UseError` for a number below 1, or a zone that there is not.
    """

    timezone: str | tzinfo = "UTC"
    at_once: int | None = None
    threads: int = THREADS
    clock: Callable[[asyncio.AbstractEventLoop], JobClock] | None = None

    def __post_init__(self) -> None:
        for name, value in (("at_once", self.at_once), ("threads", self.threads)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise UseError(f"JobOptions({name}={value!r}): expected a number of them, 1 or more")
        zone_of(self.timezone)


class JobRules(TypedDict, total=False):
    """What may be said of a job by the clock besides its times.

    `name` in logs and in `web.jobs`, by default the function's; `overlap`: a run may begin while the last one is at it;
    `missed`: what becomes of a time that could not be kept, because the last run was still at it or the machine slept:
    "skip" waits for the next time, "once" runs once as soon as it can, however many were missed; `jitter`, in seconds:
    each run begins up to that much later, by chance; `each_worker`: run it in every worker process, not in one.
    """

    name: str
    overlap: bool
    missed: Missed
    jitter: float
    each_worker: bool


def check_rules(rules: JobRules, call: str) -> None:
    """Raises `UseError` for what would fail, or be without meaning, when a run is due."""
    unknown = ", ".join(sorted(rules.keys() - JobRules.__annotations__.keys()))
    if unknown:
        raise UseError(f"{call}: unknown {unknown}; there are {', '.join(JobRules.__annotations__)}")
    name = rules.get("name", "a name")
    if not isinstance(name, str) or not name:
        raise UseError(f"{call}: name={name!r}; expected a text")
    missed, jitter = rules.get("missed", "skip"), rules.get("jitter", 0.0)
    if missed not in ("skip", "once"):
        raise UseError(f"{call}: missed={missed!r}; expected 'skip' or 'once'")
    if isinstance(jitter, bool) or not isinstance(jitter, (int, float)) or not 0 <= jitter < math.inf:
        raise UseError(f"{call}: jitter={jitter!r}; expected seconds, 0 or more")
