"""The loop that programs run on: uvloop where it is installed, asyncio's own elsewhere; and how to learn of its end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, TypeVar

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["at_loop_end", "loop_factory", "run"]

T = TypeVar("T")


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed; None stands for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def run(main: Awaitable[T]) -> T:
    """`asyncio.run` on the toolkit's loop: run `main` to its end and return its result.

    Anything that can be awaited will do: `toolkit.run(toolkit.get(url))`.
    """
    _check_awaitable(main)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        result: T = runner.run(main if asyncio.iscoroutine(main) else _awaited(main))
        return result


def _check_awaitable(main: object) -> None:
    if not inspect.isawaitable(main):
        hint = "; call it" if callable(main) else ""
        raise UseError(f"run({main!r}): expected a coroutine, or anything else that can be awaited{hint}")


async def _awaited(main: Awaitable[T]) -> T:
    return await main


def at_loop_end(close: Callable[[], Awaitable[None]]) -> object:
    """Have `close` awaited when the running loop ends. Returns what must be kept until then.

    A loop closes its async generators as the last thing that it runs (`shutdown_asyncgens`: `asyncio.run`, its `Runner`
    and uvloop's `run` see to it), so one that waits to be closed hears of it.
    """

    async def keeper() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await close()

    waiting = keeper()
    with contextlib.suppress(StopIteration):  # at its `yield`, without a turn of the loop
        waiting.__anext__().__await__().send(None)
    return waiting
