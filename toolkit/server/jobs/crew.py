"""The work that an application has under way beside its requests: named tasks that nobody else need keep.

A task that only a loop knows of may be collected in the middle; one that nobody awaits fails without a word. Here each
is kept until it ends, its failure is logged, and the end of the application waits for it, as long as it would for a
request. Coroutine functions run on the loop, plain ones in threads of the crew's own.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError
from toolkit.server.handlers import described, is_coroutine_function

if TYPE_CHECKING:
    from toolkit.server.jobs.options import JobOptions

__all__ = ["Crew", "Work", "check_work", "title_of", "work_of"]

log = logging.getLogger("toolkit.server")

LEAST: Final = 1.0  # seconds of grace for what the last requests left, and for the cancelled to unwind

#: What a task runs, by the crew that has the threads.
Work = Callable[["Crew"], Awaitable[object]]


def check_work(call: str, function: object) -> None:
    """Raises `UseError` for what cannot be called; most often it was called already."""
    if asyncio.iscoroutine(function):
        function.close()
        raise UseError(f"{call} was given a coroutine; expected a function and its arguments: {call}(f, x), not f(x)")
    if not callable(function):
        raise UseError(f"{call} was given {function!r}; expected a function and its arguments")


def title_of(function: Callable[..., object]) -> str:
    """A function's name for people."""
    return described(function).partition(" (")[0]


def work_of(function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> Work:
    """A call as a task's work; a plain function that returns something to wait for is waited for on the loop."""
    if is_coroutine_function(function):

        async def work(crew: Crew) -> object:
            return await function(*args, **kwargs)  # type: ignore[misc]  # its result is an awaitable

    else:

        async def work(crew: Crew) -> object:
            value = await crew.in_thread(functools.partial(function, *args, **kwargs))
            return await value if isinstance(value, Awaitable) else value

    return work


class Crew:
    """The tasks of one application on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: JobOptions) -> None:
        self.loop = loop
        self._options = options
        self._gate = None if options.at_once is None else asyncio.Semaphore(options.at_once)
        self._tasks: dict[asyncio.Task[object], None] = {}  # in the order of their beginning
        self._in_threads: dict[asyncio.Task[object], Future[object]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def names(self) -> list[str]:
        """What is under way, or waits for its turn."""
        return [task.get_name() for task in self._tasks]

    def start(self, name: str, work: Work, *, gated: bool = True) -> asyncio.Task[object]:
        """Begin it, as soon as `JobOptions.at_once` allows where it is `gated`."""
        task = self.loop.create_task(self._run(work, self._gate if gated else None), name=name)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    async def _run(self, work: Work, gate: asyncio.Semaphore | None) -> object:
        if gate is None:
            return await work(self)
        async with gate:
            return await work(self)

    def _ended(self, task: asyncio.Task[object]) -> None:
        del self._tasks[task]
        if task.cancelled():
            if not task.cancelling():
                log.warning("%s ended: it awaited something that was cancelled", task.get_name())
            return
        error = task.exception()  # asked for: nobody else need, and asyncio is content
        if error is not None:
            log.error("%s failed", task.get_name(), exc_info=error)

    async def in_thread(self, call: Callable[[], object]) -> object:
        """Call it in a thread, with the context variables of this task."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._options.threads, thread_name_prefix="toolkit-job")
        task = asyncio.current_task()
        future = self._threads.submit(contextvars.copy_context().run, call)
        if task is not None:
            self._in_threads[task] = future
            future.add_done_callback(lambda _: self._in_threads.pop(task, None))
        return await asyncio.wrap_future(future)

    async def end(self, grace: float | None) -> None:
        """Wait up to `grace` seconds (None: as long as it takes) for all of it, then cancel what is left."""
        try:
            await self._all_ended(None if grace is None else max(grace, LEAST))
        finally:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)
        if left:
            names = ", ".join(task.get_name() for task in left)
            log.warning("the grace is over: cancelled work beside requests: %s", names)
            await self._all_ended(LEAST)
        self._tell_of_the_stubborn(left)

    async def _all_ended(self, seconds: float | None) -> None:
        """Wait for the tasks, and for those that they begin meanwhile."""
        at = None if seconds is None else self.loop.time() + seconds
        while self._tasks:
            left = None if at is None else at - self.loop.time()
            if left is not None and left <= 0:
                return
            await asyncio.wait(list(self._tasks), timeout=left)

    def _tell_of_the_stubborn(self, cancelled: list[asyncio.Task[object]]) -> None:
        for task in cancelled:
            if not task.done():
                log.error("%s does not end though it was cancelled", task.get_name())
        for task, future in list(self._in_threads.items()):  # also those whose tasks were cancelled long ago
            if future.running():
                log.error("%s still runs in its thread, which nothing can end; Python waits for it", task.get_name())
