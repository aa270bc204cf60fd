"""Serving: what an application does between its start and its end, and the ways to run it.

How it lives. `_listen` runs the start hooks, starts processes, listens, and has the clock count for jobs; `_close`
stops serving, and `_end_all` ends the rest in the other order, each part whatever became of the one before.
`serve()`, `async with web:`, `run()` and a worker process are ways to say both; `exit()` and `stop()` ask for the end,
at any moment, in the middle of a start as well. A mounted application begins and ends with the one around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from toolkit.errors import UseError
from toolkit.protocol.aio.loop import run as run_loop
from toolkit.server.handlers import Handler, described
from toolkit.server.identity import check_may_serve
from toolkit.server.routers import Router

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
    from types import TracebackType

    from toolkit.server.app import App
    from toolkit.server.hooks import Middleware
    from toolkit.server.jobs.jobs import Jobs
    from toolkit.server.jobs.lead import Lead
    from toolkit.server.processes.pools import Pools
    from toolkit.server.running import Running

__all__ = ["Serving", "check_port"]

_H = TypeVar("_H", bound=Handler)


def _release(waiters: list[asyncio.Future[None]]) -> None:
    """Let go on all who wait; who comes meanwhile waits for the next time."""
    released = waiters.copy()
    waiters.clear()
    for waiter in released:
        if not waiter.done():
            waiter.set_result(None)


async def _called(hook: Callable[[], object]) -> None:
    value = hook()
    if inspect.isawaitable(value):
        await value


async def _one_by_one(ends: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Each, whatever those before it raised; the last error comes out, with the earlier ones as its context."""
    if ends:
        try:
            await ends[0]()
        finally:
            await _one_by_one(ends[1:])


def check_port(port: object) -> None:
    """What is no port would be taken modulo 65536 by some resolvers, and end up somewhere else."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise UseError(f"port={port!r}: expected a number from 0 (any free one) to 65535")


class Serving(Router):
    """Routes with an address: the start, the end, and whoever waits for one of them."""

    def __init__(
        self,
        host: str,
        port: int,
        unix: str | None,
        tls: ssl.SSLContext | None,
        middlewares: Sequence[Middleware],
    ) -> None:
        super().__init__(middlewares=middlewares)
        check_port(port)
        self.host = host
        self.port = port
        self.unix = unix
        self.tls = tls
        self._running: Running | None = None
        self._pools: Pools | None = None  # of processes that run handlers
        self._inherited: list[socket.socket] | None = None  # a worker process listens on what its supervisor bound
        self._lead: Lead | None = None  # of several worker processes, one looks at the clock for jobs
        self._at_work = False  # the clock counts for jobs
        self._home: asyncio.AbstractEventLoop | None = None  # where it lives, from its start hooks on to its end
        self._jobs: Jobs | None = None  # work beside requests, once there is any
        self._start_waiters: list[asyncio.Future[None]] = []
        self._exit_waiters: list[asyncio.Future[None]] = []
        self._ended: asyncio.Future[None] | None = None
        self._starting = False
        self._starter: asyncio.Task[object] | None = None  # whose start `exit()` may cancel
        self._given_up = False  # it did
        self._start_hooks: list[Callable[[], object]] = []
        self._exit_hooks: list[Callable[[], object]] = []
        self._exit_due = True  # the exit hooks have not run since the application was made, or last listened

    def _bind(self) -> Running:
        """This application on the running loop."""
        raise NotImplementedError

    def _applications(self) -> list[App]:
        """This one, and those mounted in it, each once."""
        raise NotImplementedError

    # -- beginning and end -------------------------------------------------------------------------------------

    def on_start(self, hook: _H) -> _H:
        """Decorator: call (and await) `hook()` before the application listens; where it raises, it never does."""
        self._start_hooks.append(hook)
        return hook

    def on_exit(self, hook: _H) -> _H:
        """Decorator: call (and await) `hook()` once the application has stopped, or at the end of `with web:`."""
        self._exit_hooks.append(hook)
        return hook

    async def _run_start_hooks(self) -> None:
        for app in self._applications():
            app._home = asyncio.get_running_loop()
        for app in self._applications():
            for hook in app._start_hooks:
                try:
                    value = hook()
                    if inspect.isawaitable(value):
                        await value
                except Exception as error:
                    error.add_note(f"the application did not start: this is from its on_start hook {described(hook)}")
                    raise

    async def _run_exit_hooks(self) -> None:
        """Once, in the order of their declaration, mounted applications first. One that raises stops no other."""
        if not self._exit_due:
            return
        self._exit_due = False
        ends: list[Callable[[], Awaitable[None]]] = []
        for app in reversed(self._applications()):
            ends += [partial(_called, hook) for hook in app._exit_hooks]
            ends.append(app._close_cache)  # after the hooks, which may have something to forget
        await _one_by_one(ends)

    async def _close_cache(self) -> None:
        if self._caching is not None:
            await self._caching.close()

    async def _start_processes(self) -> None:
        """Where routes have their handlers in processes: at the start, so that no request waits for an interpreter."""
        raise NotImplementedError

    async def _end_processes(self) -> None:
        for app in self._applications():  # a mounted one has pools where its jobs call something in them
            pools, app._pools = app._pools, None
            if pools is not None:
                await pools.close()

    async def _end_all(self, grace: float | None, *, hooks: bool = True) -> None:
        """End what is there beside requests, from the last that began to the first, whatever fails or is cancelled.

        Raises what was raised last; the errors before it are its context.
        """
        try:
            await _one_by_one(
                [
                    partial(self._end_jobs, grace),
                    self._end_processes,
                    *([self._run_exit_hooks] if hooks else []),
                    partial(self._end_jobs, 0),  # what the hooks handed in
                    self._end_processes,  # which they had begun
                ]
            )
        finally:
            for app in self._applications():
                app._home = None

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Self]:
        """`async with web.lifespan():` what `on_start` and `on_exit` say, without an address: for use in memory."""
        self._exit_due = True
        try:
            await self._run_start_hooks()
            await self._start_processes()
            self._begin_jobs()
            yield self
        finally:
            running = self._running
            try:
                if running is None or running.is_stopping or self._starting or self._ended is not None:
                    await self.exit()
                else:
                    await self._close(running)
            finally:  # where nothing was served, there was nothing to close
                await self._end_all(self._applications()[0].timeouts.grace)

    def _begin_jobs(self) -> None:
        for app in self._applications():
            app._at_work, app._lead = True, self._lead
            if app._jobs is not None:
                app._jobs.begin(self._lead)

    def _stop_jobs(self) -> None:
        for app in self._applications():
            app._at_work = False
            if app._jobs is not None:
                app._jobs.stop()

    async def _end_jobs(self, grace: float | None) -> None:
        """What is under way beside requests has these seconds to end."""
        self._stop_jobs()
        at_it = [app._jobs.end(grace) for app in self._applications() if app._jobs is not None]
        if at_it:
            await asyncio.gather(*at_it)

    # -- running -----------------------------------------------------------------------------------------------

    @property
    def server_address(self) -> str:
        """Where a client reaches the application, `scheme://host:port`. Raises `UseError` before it listens."""
        if self._running is None or not self._running.address:
            raise UseError("server_address before the application listens; await web.started() first")
        return self._running.address

    async def _listen(
        self,
        host: str | None,
        port: int | None,
        unix: str | None,
        tls: ssl.SSLContext | None,
        starter: asyncio.Task[object] | None = None,
    ) -> Running:
        check_may_serve("serve()")
        if port is not None:
            check_port(port)
        running = self._bind()
        if running.servers:
            raise UseError(f"this App listens already, on {running.address}")
        if self._starting:
            raise UseError("this App is about to listen already; its on_start hooks are running")
        self._starting = self._exit_due = True
        self._starter, self._given_up = starter, False
        try:
            await self._run_start_hooks()
            await self._start_processes()
            await running.listen(
                self.host if host is None else host,
                self.port if port is None else port,
                self.unix if unix is None else unix,
                self.tls if tls is None else tls,
                self._inherited,
            )
            self._begin_jobs()
        except BaseException:
            await self._take_back(running)
            raise
        finally:
            self._starting, self._starter = False, None
        _release(self._start_waiters)
        return running

    async def _take_back(self, running: Running) -> None:
        """A start that failed, or was cancelled, leaves nothing behind."""
        try:
            if running.servers:
                await running.stop()
        finally:
            try:  # what hooks had opened before is closed by those for the exit
                await self._end_all(0, hooks=any(app._start_hooks for app in self._applications()))
            finally:
                _release(self._exit_waiters)

    async def _close(self, running: Running) -> None:
        grace, began = running.app.timeouts.grace, running.loop.time()
        try:
            self._stop_jobs()
            try:
                await running.stop()
            finally:
                await self._end_all(None if grace is None else began + grace - running.loop.time())
        finally:
            if self._running is running:
                self._running = None
            _release(self._exit_waiters)

    async def serve(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        unix: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen and serve until `exit()`, or until cancelled; then end gracefully.

        Raises `NetworkError` when the address cannot be had, `UseError` when the application listens already.
        """
        task = asyncio.current_task()
        try:
            running = await self._listen(host, port, unix, tls, task)
        except asyncio.CancelledError:
            if not self._given_up or task is None or task.uncancel():
                raise
            return
        self._ended = running.loop.create_future()
        if self._given_up and task is not None:  # a hook kept the cancellation to itself
            task.uncancel()
            self._ended.set_result(None)
        try:
            await self._ended
        finally:
            self._ended = None
            await self._close(running)

    async def started(self) -> Self:
        """Wait until the application listens."""
        if self._running is None or not self._running.address:
            waiter = asyncio.get_running_loop().create_future()
            self._start_waiters.append(waiter)
            await waiter
        return self

    def __await__(self) -> Generator[object, None, Self]:
        return self.started().__await__()

    def exit(self) -> Awaitable[None]:
        """Begin the graceful end, from anywhere on the loop; await the result to see it done.

        A handler that awaits it waits for itself, until the grace is over. While the application starts, the hooks that
        still run are cancelled, and it never listens.
        """
        running = self._running
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if running is None:
            done.set_result(None)
            return done
        self._exit_waiters.append(done)
        if self._starting:
            loop.call_soon(self._give_up)  # its task waits for something then; `async with web:` looks itself
        elif self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        elif self._ended is None and not running.is_stopping:
            task = loop.create_task(self._close(running))
            done.add_done_callback(lambda _: task)  # keeps the task alive as long as somebody waits
        return done

    def _give_up(self) -> None:
        """Cancel a start that is still under way; what listens by now ends as always."""
        if self._ended is not None:
            if not self._ended.done():
                self._ended.set_result(None)
        elif self._starter is not None and not self._given_up:
            self._given_up = True
            self._starter.cancel()

    def stop(self) -> None:
        """`exit()`, from any thread: begin the graceful end, and do not wait for it. Without a server it does nothing.

        Whoever runs the application in a thread joins that thread to see it done.
        """
        running = self._running
        if running is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended meanwhile
                running.loop.call_soon_threadsafe(self.exit)

    async def __aenter__(self) -> Self:
        await self._listen(None, None, None, None)
        if self._exit_waiters:  # `exit()` came while it started
            _ = self.exit()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = self._running
        if running is not None and not running.is_stopping:
            await self._close(running)

    def __enter__(self) -> Self:
        """`with web: web.run()`: whatever happens in the block, the exit hooks run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run_loop(self._run_exit_hooks())

    async def _serve_until_signal(
        self, host: str | None, port: int | None, unix: str | None, tls: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread() and sys.platform != "win32":
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._on_signal)
        await self.serve(host, port, unix=unix, tls=tls)

    def _on_signal(self) -> None:
        _ = self.exit()
