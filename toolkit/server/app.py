"""App: routes and hooks, and the ways to run them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import sys
import threading
from typing import TYPE_CHECKING, TypeVar

from toolkit.errors import UseError
from toolkit.protocol.aio.loop import loop_factory
from toolkit.protocol.aio.loop import run as run_loop
from toolkit.protocol.limits import FormLimits, Limits, Timeouts
from toolkit.server.added import common_lines
from toolkit.server.binding import bind
from toolkit.server.compression import Compression
from toolkit.server.connection import ServerConnection
from toolkit.server.error_answers import ErrorHandlers
from toolkit.server.handlers import Handler, described
from toolkit.server.routers import Router
from toolkit.server.running import Running

if TYPE_CHECKING:
    import os
    import socket
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
    from types import TracebackType

    from toolkit.protocol.headers import HeadersLike
    from toolkit.server.access_log import AccessLog
    from toolkit.server.hooks import Middleware
    from toolkit.server.routing import EofPolicy, RouteTable, SlashPolicy
    from toolkit.server.templates import Templates

__all__ = ["App"]

_H = TypeVar("_H", bound=Handler)

CODINGS = frozenset(["gzip", "deflate", "br", "zstd"])


def _templates(templates: str | os.PathLike[str] | Templates, debug: bool) -> Templates:
    from toolkit.server.templates import Templates as Found  # most programs do without

    return templates if isinstance(templates, Found) else Found(templates, reload=debug)


def _access_log(access_log: AccessLog | bool | None) -> AccessLog | None:
    if not access_log and not isinstance(access_log, str):
        return None
    from toolkit.server.access_log import AccessLog as Found  # likewise

    if access_log is not True and not isinstance(access_log, Found):
        raise UseError(f"App(access_log={access_log!r}): expected True or AccessLog(...), such as AccessLog(file=...)")
    return Found() if access_log is True else access_log


def _check(name: str, value: object, kind: type[object]) -> None:
    """That an option is what it is documented to be: later it would fail in the middle of a request."""
    if not isinstance(value, kind):
        raise UseError(f"App({name}={value!r}): expected {kind.__name__}(...)")


def _release(waiters: list[asyncio.Future[None]]) -> None:
    """Let go on all who wait; who comes meanwhile waits for the next time."""
    released = waiters.copy()
    waiters.clear()
    for waiter in released:
        if not waiter.done():
            waiter.set_result(None)


def _check_port(port: object) -> None:
    """What is no port would be taken modulo 65536 by some resolvers, and end up somewhere else."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise UseError(f"port={port!r}: expected a number from 0 (any free one) to 65535")


class App(Router):
    """An application: handlers by path, served over TCP, TLS, a Unix socket, or in memory.

    Nothing here belongs to an event loop until it is served, so an `App` can be made at import time. `port=0` takes a
    free port; `server_address` tells which. `on_eof` says what a client's half-close does to a handler whose request
    is complete: "answer" (it is still answered) or "cancel". `accept_codings` are the content codings taken in
    requests; any other is answered 415. `forms` bounds `r.form()` and `r.multipart()`. `debug` shows the tracebacks of
    failed handlers to whoever asked: for development alone. `middlewares` stand around everything, the first one
    outermost. `trailing_slash` says what becomes of a path that would be found with a last slash more or less: "strict"
    (404), "redirect" (308) or "ignore" (it is found). `compression` says what becomes of large returned bodies.
    `headers` go with every answer, those to bytes that are no request included, unless an answer has a field of that
    name itself. `templates` are what `r.render` renders: a directory, or `Templates`. `access_log` writes a line for
    each exchange: True, or an `AccessLog`.
    """

    _is_app = True

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        unix: str | None = None,
        tls: ssl.SSLContext | None = None,
        limits: Limits = Limits(),
        timeouts: Timeouts = Timeouts(),
        on_eof: EofPolicy = "answer",
        accept_codings: Sequence[str] = ("gzip", "deflate", "br", "zstd"),
        compression: Compression | None = Compression(),
        forms: FormLimits = FormLimits(),
        debug: bool = False,
        headers: HeadersLike | None = None,
        templates: str | os.PathLike[str] | Templates | None = None,
        access_log: AccessLog | bool | None = None,
        middlewares: Sequence[Middleware] = (),
        trailing_slash: SlashPolicy = "strict",
    ) -> None:
        super().__init__(middlewares=middlewares)
        if trailing_slash not in ("strict", "redirect", "ignore"):
            raise UseError(f"trailing_slash={trailing_slash!r}: expected 'strict', 'redirect' or 'ignore'")
        _check("limits", limits, Limits)
        _check("timeouts", timeouts, Timeouts)
        _check("forms", forms, FormLimits)
        if compression is not None:
            _check("compression", compression, Compression)
        _check_port(port)
        self.host = host
        self.port = port
        self.unix = unix
        self.tls = tls
        self.limits = limits
        self.timeouts = timeouts
        self.on_eof: EofPolicy = on_eof
        self.accept_codings = tuple(accept_codings)
        self.compression = compression
        self.common = common_lines(headers)
        self.templates = None if templates is None else _templates(templates, debug)
        self.access_log = _access_log(access_log)
        self.forms = forms
        self.debug = debug
        self.errors: ErrorHandlers | None = None
        self.trailing_slash: SlashPolicy = trailing_slash
        self._table: RouteTable | None = None
        self._running: Running | None = None
        self._inherited: list[socket.socket] | None = None  # a worker process listens on what its supervisor bound
        self._start_waiters: list[asyncio.Future[None]] = []
        self._exit_waiters: list[asyncio.Future[None]] = []
        self._ended: asyncio.Future[None] | None = None
        self._starting = False
        self._starter: asyncio.Task[object] | None = None  # whose start `exit()` may cancel
        self._given_up = False  # it did
        self._start_hooks: list[Callable[[], object]] = []
        self._exit_hooks: list[Callable[[], object]] = []
        self._exit_due = True  # the exit hooks have not run since the application was made, or last listened

    # -- routes ------------------------------------------------------------------------------------------------

    @property
    def table(self) -> RouteTable:
        """What requests are matched by. Raises `UseError` where two routes clash, naming both."""
        table = self._table
        if table is None:
            table = self._table = bind(self)
        return table

    def _changed(self) -> None:
        self._table = None
        super()._changed()
        if self._running is not None:
            self._running.table = self.table

    def url_for(self, name: str, /, **values: object) -> str:
        """The path of a route, percent-encoded; its name is `name=` of the route, or what its function is called.

        Raises `UseError` for a name that is none or is several routes', and for values that do not fit its parameters.
        """
        return self.table.url_for(name, values)

    # -- beginning and end -------------------------------------------------------------------------------------

    def on_start(self, hook: _H) -> _H:
        """Decorator: call (and await) `hook()` before the application listens; where it raises, it never does."""
        self._start_hooks.append(hook)
        return hook

    # -- errors ------------------------------------------------------------------------------------------------

    def on_error(self, *kinds: type[Exception]) -> Callable[[_H], _H]:
        """Decorator: `handler(r, error)` answers what is raised of these classes, and of those below them.

        The most specific class counts. What it returns goes out with the error's own status (500, or an `Abort`'s),
        unless it names another; None asks for the usual page. Raises `UseError` when a class has its handler.
        """

        if not kinds or any(not isinstance(kind, type) for kind in kinds):
            raise UseError(f"on_error{kinds}: expected classes of exceptions, such as @web.on_error(ValueError)")

        def register(handler: _H) -> _H:
            for kind in kinds:
                self._error_handlers().add_class(kind, handler)
            return handler

        return register

    def on_status(self, *statuses: int) -> Callable[[_H], _H]:
        """Decorator: `handler(r, error)` answers errors that mean one of these statuses; otherwise like `on_error`.

        404, 405, 413 and their like, which the server itself says, are among them; a value that a handler returns with
        such a status is not: that is an answer.
        """

        if not statuses or any(not isinstance(status, int) for status in statuses):
            raise UseError(f"on_status{statuses}: expected statuses, such as @web.on_status(404)")

        def register(handler: _H) -> _H:
            for status in statuses:
                self._error_handlers().add_status(status, handler)
            return handler

        return register

    def _error_handlers(self) -> ErrorHandlers:
        if self.errors is None:
            self.errors = ErrorHandlers()
        return self.errors

    def on_exit(self, hook: _H) -> _H:
        """Decorator: call (and await) `hook()` once the application has stopped, or at the end of `with web:`."""
        self._exit_hooks.append(hook)
        return hook

    async def _run_start_hooks(self) -> None:
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
        if self._exit_due:
            self._exit_due = False
            for app in reversed(self._applications()):
                for hook in app._exit_hooks:
                    value = hook()
                    if inspect.isawaitable(value):
                        await value

    def _applications(self) -> list[App]:
        """This one, and those mounted in it, each once."""
        return list(dict.fromkeys(one for one in self._everything() if isinstance(one, App)))

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[App]:
        """`async with web.lifespan():` what `on_start` and `on_exit` say, without an address: for use in memory."""
        self._exit_due = True
        try:
            await self._run_start_hooks()
            yield self
        finally:
            await self.exit()
            await self._run_exit_hooks()  # where nothing was served, `exit` had nothing to end

    def accepts_coding(self, content_encoding: str) -> bool:
        """Whether each of these codings may come in a request."""
        if not self.accept_codings:
            return content_encoding.strip().lower() == "identity"
        names = [name.strip().lower().removeprefix("x-") for name in content_encoding.split(",")]
        # One that nobody here knows (aws-chunked) is the handler's business: it may only pass it on. Decoding it fails.
        return all(name in self.accept_codings or name not in CODINGS for name in names)

    @property
    def coding_hint(self) -> dict[str, str]:
        """What goes with a 415 (RFC 9110 15.5.16)."""
        return {"accept-encoding": ", ".join(self.accept_codings) or "identity"}

    # -- running -----------------------------------------------------------------------------------------------

    @property
    def server_address(self) -> str:
        """Where a client reaches the application, `scheme://host:port`. Raises `UseError` before it listens."""
        if self._running is None or not self._running.address:
            raise UseError("server_address before the application listens; await web.started() first")
        return self._running.address

    def new_connection(self) -> ServerConnection:
        """A connection for a link made by other means (`connection_made` is the link's to call)."""
        return ServerConnection(self._bind())

    def _bind(self) -> Running:
        """This application on the running loop."""
        loop = asyncio.get_running_loop()
        running = self._running
        if running is not None and running.loop is not loop and not running.loop.is_closed():
            raise UseError("this App is in use on another running event loop; one App, one loop at a time")
        if running is None or running.loop is not loop or running.is_stopping:
            running = self._running = Running(self, loop)
        return running

    async def _listen(
        self,
        host: str | None,
        port: int | None,
        unix: str | None,
        tls: ssl.SSLContext | None,
        starter: asyncio.Task[object] | None = None,
    ) -> Running:
        if port is not None:
            _check_port(port)
        running = self._bind()
        if running.servers:
            raise UseError(f"this App listens already, on {running.address}")
        if self._starting:
            raise UseError("this App is about to listen already; its on_start hooks are running")
        self._starting = self._exit_due = True
        self._starter, self._given_up = starter, False
        try:
            await self._run_start_hooks()
            await running.listen(
                self.host if host is None else host,
                self.port if port is None else port,
                self.unix if unix is None else unix,
                self.tls if tls is None else tls,
                self._inherited,
            )
        except BaseException:
            if any(app._start_hooks for app in self._applications()):
                await self._run_exit_hooks()  # what the hooks before had opened is closed
            _release(self._exit_waiters)
            raise
        finally:
            self._starting, self._starter = False, None
        _release(self._start_waiters)
        return running

    async def _close(self, running: Running) -> None:
        try:
            await running.stop()
            await self._run_exit_hooks()
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

    async def started(self) -> App:
        """Wait until the application listens."""
        if self._running is None or not self._running.address:
            waiter = asyncio.get_running_loop().create_future()
            self._start_waiters.append(waiter)
            await waiter
        return self

    def __await__(self) -> Generator[object, None, App]:
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

    async def __aenter__(self) -> App:
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

    def __enter__(self) -> App:
        """`with web: web.run()`: whatever happens in the block, the exit hooks run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run_loop(self._run_exit_hooks())

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        unix: str | None = None,
        tls: ssl.SSLContext | None = None,
        workers: int = 1,
    ) -> None:
        """Serve on a loop of its own (uvloop where it is installed) until `exit()`, SIGINT or SIGTERM.

        `workers` processes share the address (0: one for each usable core), each with a loop and a copy of this
        application, hooks included; SIGHUP replaces them one by one. Raises `NetworkError` when the address cannot be
        had, `UseError` where processes cannot be forked, `ToolkitError` when workers end before they serve.
        """
        if workers != 1:
            from toolkit.server.workers import run_workers  # most programs do without

            _ = self.table  # what is wrong with the routes is told here, and not by every worker
            host, port = self.host if host is None else host, self.port if port is None else port
            _check_port(port)
            run_workers(self, workers, host, port, self.unix if unix is None else unix, tls or self.tls)
            self._exit_due = False  # the hooks ran where the application did
            return
        with asyncio.Runner(loop_factory=loop_factory()) as runner, contextlib.suppress(KeyboardInterrupt):
            runner.run(self._serve_until_signal(host, port, unix, tls))

    runner = run

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
