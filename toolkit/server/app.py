"""App: what an application is made of. Its life: `serving.py`; its jobs: `working.py`; its routes: `routers.py`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from toolkit.errors import UseError
from toolkit.protocol.aio.loop import loop_factory
from toolkit.protocol.limits import FormLimits, Limits, Timeouts
from toolkit.server.added import common_lines
from toolkit.server.binding import bind
from toolkit.server.compression import Compression
from toolkit.server.connection import ServerConnection
from toolkit.server.current import CURRENT
from toolkit.server.error_answers import ErrorHandlers
from toolkit.server.handlers import Handler
from toolkit.server.identity import check_may_serve
from toolkit.server.running import Running
from toolkit.server.serving import check_port
from toolkit.server.working import Working

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable, Sequence

    from toolkit.protocol.headers import HeadersLike
    from toolkit.server.access_log import AccessLog
    from toolkit.server.cache.store import CacheStore
    from toolkit.server.hooks import Middleware
    from toolkit.server.jobs.options import JobOptions
    from toolkit.server.openapi.options import OpenApi
    from toolkit.server.processes.options import Processes
    from toolkit.server.processes.pools import Pools
    from toolkit.server.reload import Reload
    from toolkit.server.routing import EofPolicy, RouteTable, SlashPolicy
    from toolkit.server.templates import Templates

__all__ = ["App"]

_H = TypeVar("_H", bound=Handler)
_P = ParamSpec("_P")
_T = TypeVar("_T")

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


def _store(cache: CacheStore | bool) -> CacheStore | bool:
    if not isinstance(cache, bool):
        from toolkit.server.cache.caching import check_store  # likewise

        check_store(cache)
    return cache


def _openapi(openapi: OpenApi | bool | None) -> OpenApi | Literal[False] | None:
    if openapi is None or openapi is False:
        return openapi
    from toolkit.server.openapi.options import OpenApi as Found  # likewise

    if openapi is not True and not isinstance(openapi, Found):
        raise UseError(f"App(openapi={openapi!r}): expected OpenApi(...), True, False or None")
    return Found(public=True) if openapi is True else openapi


def _check(name: str, value: object, kind: type[object]) -> None:
    """That an option is what it is documented to be: later it would fail in the middle of a request."""
    if not isinstance(value, kind):
        raise UseError(f"App({name}={value!r}): expected {kind.__name__}(...)")


class App(Working):
    """An application: handlers by path, served over TCP, TLS, a Unix socket, or in memory.

    Nothing here belongs to an event loop until it is served, so an `App` can be made at import time.

    - `port=0` takes a free port; `server_address` tells which.
    - `on_eof` says what a client's half-close does to a handler whose request is complete: "answer" (it is still
      answered) or "cancel".
    - `accept_codings` are the content codings taken in requests; any other is answered 415.
    - `compression` says what becomes of large returned bodies.
    - `forms` bounds `r.form()` and `r.multipart()`.
    - `debug` shows the tracebacks of failed handlers to whoever asked: for development alone.
    - `headers` go with every answer, those to bytes that are no request included, unless an answer has a field of that
      name itself.
    - `templates` are what `r.render` renders: a directory, or `Templates`.
    - `access_log` writes a line for each exchange: True, or an `AccessLog`.
    - `cache` is where the answers are kept that `@web.cache` is to keep: True, in memory; False, nowhere; or a store.
    - `jobs` says how work beside requests is done.
    - `processes` are those that run handlers with `process=True`.
    - `openapi` says how the interface is described and where: None, at /openapi with a page at /docs, with `debug`
      alone; True, for everybody; False, nowhere; or an `OpenApi`.
    - `middlewares` stand around everything, the first one outermost.
    - `trailing_slash` says what becomes of a path that would be found with a last slash more or less: "strict" (404),
      "redirect" (308) or "ignore" (it is found).
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
        cache: CacheStore | bool = True,
        openapi: OpenApi | bool | None = None,
        middlewares: Sequence[Middleware] = (),
        trailing_slash: SlashPolicy = "strict",
        jobs: JobOptions | None = None,
        processes: Processes | None = None,
    ) -> None:
        super().__init__(host, port, unix, tls, middlewares)
        if trailing_slash not in ("strict", "redirect", "ignore"):
            raise UseError(f"trailing_slash={trailing_slash!r}: expected 'strict', 'redirect' or 'ignore'")
        _check("limits", limits, Limits)
        _check("timeouts", timeouts, Timeouts)
        _check("forms", forms, FormLimits)
        if compression is not None:
            _check("compression", compression, Compression)
        self.limits = limits
        self.timeouts = timeouts
        self.on_eof: EofPolicy = on_eof
        self.accept_codings = tuple(accept_codings)
        self.compression = compression
        if processes is not None:
            from toolkit.server.processes.options import Processes as Found

            _check("processes", processes, Found)
        self.processes = processes
        self.common = common_lines(headers)
        self.templates = None if templates is None else _templates(templates, debug)
        self.access_log = _access_log(access_log)
        self._kept_in = _store(cache)
        self.openapi = _openapi(openapi)
        self.forms = forms
        self.debug = debug
        self._set_job_options(jobs)
        self.errors: ErrorHandlers | None = None
        self.trailing_slash: SlashPolicy = trailing_slash
        self._table: RouteTable | None = None

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

    # -- processes ---------------------------------------------------------------------------------------------

    async def in_process(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function in one of the application's processes, and wait for what it returns.

        It is found there by its module and name; arguments and result are pickled. Raises what it raises; `UseError`
        for what cannot be found or pickled; `ProcessesBusy`, `ProcessTimeout` and `ProcessDied`, which are 503 and 500.
        """
        request = CURRENT.get()
        app = self if request is None else request._connection.running.app
        return await app.process_pools().call(function, *args, **kwargs)

    def process_pools(self) -> Pools:
        """The processes that belong to the application on the running loop, begun when they are first needed."""
        pools = self._pools
        if pools is not None and pools.loop is not asyncio.get_running_loop():
            if not pools.loop.is_closed():
                raise UseError(
                    "the processes of this App are in use on another event loop; one App, one loop at a time"
                )
            pools.abandon()
            pools = None
        if pools is None:
            from toolkit.server.processes.pools import Pools as Found  # most programs do without

            pools = self._pools = Found(self)
        return pools

    async def _start_processes(self) -> None:
        if any(declared.about.get("process") for router in self._everything() for declared in router.routes):
            await self.process_pools().start()

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

    def _applications(self) -> list[App]:
        """This one, and those mounted in it, each once."""
        return list(dict.fromkeys(one for one in self._everything() if isinstance(one, App)))

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

    # -- running -----------------------------------------------------------------------------------------------

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        unix: str | None = None,
        tls: ssl.SSLContext | None = None,
        workers: int = 1,
        reload: bool | Reload = False,
    ) -> None:
        """Serve on a loop of its own (uvloop where it is installed) until `exit()`, SIGINT or SIGTERM.

        `workers` processes share the address (0: one for each usable core), each with a loop and a copy of this
        application, hooks included; SIGHUP replaces them one by one. `reload` is for development: the program runs in
        another process, which is replaced whenever a source file changes; see `Reload`. Raises `NetworkError` when the
        address cannot be had, `UseError` where processes cannot be made, `ToolkitError` when workers end before they
        serve.
        """
        if asyncio._get_running_loop() is not None:  # its own public form raises where there is none
            raise UseError("run() on a running event loop; here it is `await web.serve()`")
        check_may_serve("run()")
        if reload:
            self._run_reloading(host, port, unix, tls, workers, reload)
            return
        if workers != 1:
            from toolkit.server.workers import run_workers  # most programs do without

            _ = self.table  # what is wrong with the routes is told here, and not by every worker
            host, port = self.host if host is None else host, self.port if port is None else port
            check_port(port)
            run_workers(self, workers, host, port, self.unix if unix is None else unix, tls or self.tls)
            self._exit_due = False  # the hooks ran where the application did
            return
        with asyncio.Runner(loop_factory=loop_factory()) as runner, contextlib.suppress(KeyboardInterrupt):
            runner.run(self._serve_until_signal(host, port, unix, tls))

    def _run_reloading(
        self,
        host: str | None,
        port: int | None,
        unix: str | None,
        tls: ssl.SSLContext | None,
        workers: int,
        reload: bool | Reload,
    ) -> None:
        from toolkit.server.reloading import run_reloading  # for development alone

        if workers != 1:
            raise UseError(f"run(reload=..., workers={workers}): what is reloaded is one process")
        host, port = self.host if host is None else host, self.port if port is None else port
        check_port(port)
        run_reloading(self, reload, host, port, self.unix if unix is None else unix, tls or self.tls)
        self._exit_due = False  # likewise

    runner = run
