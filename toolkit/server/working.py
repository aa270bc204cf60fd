"""Working: what an application does beside its requests, handed in and by the clock; see `toolkit.server.jobs`."""

from __future__ import annotations

import asyncio
import functools
import math
from typing import TYPE_CHECKING, ParamSpec, TypeVar, Unpack, overload

from toolkit.errors import UseError
from toolkit.server.handlers import Handler
from toolkit.server.serving import Serving

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine
    from datetime import tzinfo

    from toolkit.server.jobs.jobs import Jobs
    from toolkit.server.jobs.options import JobOptions, JobRules
    from toolkit.server.jobs.times import Times

__all__ = ["Working"]

_H = TypeVar("_H", bound=Handler)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Working(Serving):
    """Jobs: handed in, or by the clock."""

    _job_options: JobOptions | None = None

    def _set_job_options(self, options: JobOptions | None) -> None:
        if options is not None:
            from toolkit.server.jobs.options import JobOptions as Found  # most programs do without

            if not isinstance(options, Found):
                raise UseError(f"App(jobs={options!r}): expected JobOptions(...)")
            self._job_options = options

    @property
    def jobs(self) -> Jobs:
        """The jobs by the clock, each with its next time and its last outcome."""
        if self._jobs is None:
            from toolkit.server.jobs.jobs import Jobs
            from toolkit.server.jobs.options import JobOptions

            self._jobs = Jobs(self._job_options or JobOptions())
        return self._jobs

    # -- handed in ---------------------------------------------------------------------------------------------

    @overload
    def submit(
        self, function: Callable[_P, Coroutine[object, object, _T]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> asyncio.Task[_T]: ...

    @overload
    def submit(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> asyncio.Task[_T]: ...

    def submit(self, function: Callable[..., object], /, *args: object, **kwargs: object) -> object:
        """Call it beside requests: a coroutine function on the loop, a plain one in a thread. Returns its task.

        The application keeps the task, logs its failure by name, and waits for it at its end for `Timeouts.grace`.
        Raises `UseError` outside of the application's loop; from another thread it is `submit_threadsafe`.
        """
        from toolkit.server.jobs.crew import check_work, title_of, work_of

        check_work("web.submit", function)
        loop = asyncio._get_running_loop()
        if loop is None:
            raise UseError(
                f"web.submit({title_of(function)}) without a running event loop: before the application runs, do it in"
                " an on_start hook; in a thread, by web.submit_threadsafe"
            )
        return self.jobs.crew(loop).start(title_of(function), work_of(function, args, kwargs))

    @overload
    def submit_threadsafe(
        self, function: Callable[_P, Coroutine[object, object, _T]], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> concurrent.futures.Future[_T]: ...

    @overload
    def submit_threadsafe(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> concurrent.futures.Future[_T]: ...

    def submit_threadsafe(self, function: Callable[..., object], /, *args: object, **kwargs: object) -> object:
        """`submit`, from any thread. Raises `UseError` while the application does not run."""
        from toolkit.server.jobs.crew import check_work

        check_work("web.submit_threadsafe", function)
        loop = self._home if self._running is None else self._running.loop  # a mounted one is not served itself
        if loop is None or loop.is_closed():
            raise UseError("web.submit_threadsafe() while the application does not run")
        call = functools.partial(function, *args, **kwargs)

        async def wait() -> object:
            return await self.submit(call)

        return asyncio.run_coroutine_threadsafe(wait(), loop)

    # -- by the clock ------------------------------------------------------------------------------------------

    def every(
        self,
        seconds: float = 0,
        *,
        minutes: float = 0,
        hours: float = 0,
        at_start: bool = False,
        **rules: Unpack[JobRules],
    ) -> Callable[[_H], _H]:
        """Decorator: call `job()` at this interval, counted from the application's start, whatever a run takes.

        `at_start`: the first time at once, not after an interval. See `JobRules` for the rest. Raises `UseError` for
        an interval of nothing, and for a function that needs arguments.
        """
        from toolkit.server.jobs.options import check_rules
        from toolkit.server.jobs.times import Every

        for name, value in (("seconds", seconds), ("minutes", minutes), ("hours", hours)):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise UseError(f"web.every({name}={value!r}): expected a number")
        interval = seconds + 60 * minutes + 3600 * hours
        call = f"web.every(seconds={interval:g})"
        if not 0 < interval < math.inf:
            raise UseError(f"{call}: expected seconds=, minutes= or hours=, together more than 0")
        check_rules(rules, call)
        if rules.get("jitter", 0) >= interval:
            raise UseError(f"{call}: jitter={rules.get('jitter')!r}; expected less than the interval")

        def register(function: _H) -> _H:
            self._add_job(call, function, Every(interval), rules, at_start=at_start)
            return function

        return register

    def cron(
        self,
        expression: str = "",
        *,
        second: int | str | None = None,
        minute: int | str | None = None,
        hour: int | str | None = None,
        day: int | str | None = None,
        weekday: int | str | None = None,
        month: int | str | None = None,
        year: int | str | None = None,
        timezone: str | tzinfo | None = None,
        **rules: Unpack[JobRules],
    ) -> Callable[[_H], _H]:
        """Decorator: call `job()` at the times of a cron expression, or of fields by name: `web.cron(hour=3)`.

        An expression has five fields, or six with seconds in front. Of fields by name, those above the lowest one given
        are any, and those below it their first: `hour="*/2"` is every second hour, on the hour. `timezone` is by
        default that of `JobOptions`, which is UTC. See `JobRules` for the rest. Raises `UseError` for what is no
        expression, and for a function that needs arguments.
        """
        from toolkit.server.jobs.options import check_rules
        from toolkit.server.jobs.times import Cron, expression_of, years_of, zone_of

        named = {"second": second, "minute": minute, "hour": hour, "day": day, "weekday": weekday, "month": month}
        fields = {name: value for name, value in (named | {"year": year}).items() if value is not None}
        if not isinstance(expression, str) or bool(expression) == bool(fields):
            raise UseError(
                f'web.cron({expression!r}): expected an expression, "*/5 * * * *", or fields by name, hour=3'
            )
        call = f"web.cron({expression!r})" if expression else f"web.cron({_said(fields)})"
        check_rules(rules, call)
        zone = self._job_options.timezone if timezone is None and self._job_options is not None else timezone
        times = Cron(expression or expression_of(fields), zone_of(zone or "UTC"), years_of(year), call)

        def register(function: _H) -> _H:
            self._add_job(call, function, times, rules)
            return function

        return register

    def _add_job(
        self, call: str, function: Callable[..., object], times: Times, rules: JobRules, *, at_start: bool = False
    ) -> None:
        jobs = self.jobs
        jobs.add(call, function, times, rules, at_start=at_start)
        if self._at_work and not jobs.begun:  # the first one, in an application that runs already
            jobs.begin(self._lead)


def _said(fields: dict[str, int | str]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in fields.items())
