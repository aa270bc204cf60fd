"""An application's pools of processes, and what it has them do."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from toolkit.errors import UseError
from toolkit.server.processes.child import Call
from toolkit.server.processes.copies import add_to, copy_of
from toolkit.server.processes.link import Pieces
from toolkit.server.processes.options import Processes
from toolkit.server.processes.pool import ProcessPool
from toolkit.server.processes.references import Reference, check_function, reference_of
from toolkit.server.processes.values import StreamHead, ValueHead, answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.server.answers import Answer, Streamed
    from toolkit.server.app import App
    from toolkit.server.handlers import Coroutine, Handler
    from toolkit.server.request import Request
    from toolkit.server.routers import Router

__all__ = ["Pools", "check_handler", "in_process"]

P = ParamSpec("P")
T = TypeVar("T")


class Pools:
    """The pools of an application on one event loop, by what was said of them."""

    def __init__(self, app: App) -> None:
        self.loop = asyncio.get_running_loop()
        self._app = app
        self._default = app.processes or Processes()
        self._pools: dict[Processes, ProcessPool] = {}

    async def start(self) -> None:
        """Start the pools that routes name, and wait until each could answer.

        Raises `ToolkitError` for one that cannot: the program cannot be imported, or a handler is not found in it.
        """
        wanted: dict[Processes, list[Reference]] = {}
        for options, handler in _handlers(self._app, None):
            wanted.setdefault(options or self._default, []).append(reference_of(handler, "process=True for"))
        pools = [self._begin(options, references) for options, references in wanted.items()]
        for pool in pools:
            await pool.ready()

    def _begin(self, options: Processes, references: list[Reference]) -> ProcessPool:
        pool = self._pools[options] = ProcessPool(options, self._app.limits, self._app.forms, references)
        pool.begin()
        return pool

    def of(self, options: Processes | None) -> ProcessPool:
        """The pool, begun if it was not."""
        chosen = options or self._default
        return self._pools.get(chosen) or self._begin(chosen, [])

    async def close(self) -> None:
        """End all of them."""
        if self.loop.is_closed():
            self.abandon()
        pools = list(self._pools.values())
        self._pools.clear()
        await asyncio.gather(*(pool.close() for pool in pools))

    def abandon(self) -> None:
        """Their loop was closed, and nobody had ended them: nothing can be awaited any more."""
        for pool in self._pools.values():
            pool.abandon()
        self._pools.clear()

    # -- what they do ------------------------------------------------------------------------------------------

    async def handle(
        self, r: Request, reference: Reference, options: Processes | None, parameters: dict[str, object]
    ) -> Answer | Streamed:
        """Have a handler answer a request."""
        what = f"{r.method} {ascii(r.raw_path[:200])[1:-1]}"
        pool = self.of(options or r.app.processes)
        pool.check_room(what)  # else the body would be asked for in vain
        body = await r.read()
        head, content, call = await pool.ask(what, Call(reference, copy_of(r, parameters), (), {}), body)
        assert not isinstance(head, ValueHead)
        pieces = Pieces(call, self.loop) if isinstance(head, StreamHead) else None
        add_to(r, head.added)
        return answer_of(head, content, pieces)

    async def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See `App.in_process`."""
        reference = reference_of(function, "in_process():")
        _, content, _ = await self.of(None).ask(str(reference), Call(reference, None, args, kwargs))
        return cast("T", pickle.loads(content))


def _handlers(router: Router, default: Processes | None) -> Iterator[tuple[Processes | None, Handler]]:
    """The handlers that run in processes, each with the pool that was named for it."""
    for declared in router.routes:
        option = declared.about.get("process")
        if option:
            yield (option if isinstance(option, Processes) else default), declared.handler
    for part in router.parts:
        inner = default if part.app is None else part.app.processes or default
        yield from _handlers(part.router, inner)


def check_handler(handler: Handler, option: object, thread: bool) -> None:
    """What can be said of `process=...` where a route is written down. Raises `UseError`."""
    if option is not True and not isinstance(option, Processes):
        raise UseError(f"process={option!r}: expected True, or Processes(...) for a pool of its own")
    check_function(handler, "process=True for")
    if thread:
        raise UseError("thread=True and process=True: a function is called in one of them")


def in_process(handler: Handler, option: object) -> Coroutine:
    """A handler as a coroutine function that has it called in a process. Raises `UseError` where it cannot be found."""
    reference = reference_of(handler, "process=True for")
    options = option if isinstance(option, Processes) else None

    async def call_in_process(r: Request, /, **parameters: object) -> object:
        return await r._connection.running.app.process_pools().handle(r, reference, options, parameters)

    around: Callable[[Handler], Coroutine] | None = getattr(handler, "around", None)
    return call_in_process if around is None else around(call_in_process)  # a cache stays on the loop
