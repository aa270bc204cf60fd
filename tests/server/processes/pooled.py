"""A pool of processes for the length of a block, and calls in it."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from toolkit.protocol.limits import FormLimits, Limits
from toolkit.server.processes.child import Call
from toolkit.server.processes.pool import ProcessPool
from toolkit.server.processes.references import reference_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from toolkit import Processes

__all__ = ["PATIENCE", "call", "started", "taken_by", "turns"]

PATIENCE = 20.0


@asynccontextmanager
async def started(options: Processes) -> AsyncIterator[ProcessPool]:
    """The pool, with a process that is ready."""
    pool = ProcessPool(options, Limits(), FormLimits(), [])
    async with asyncio.timeout(PATIENCE):
        pool.begin()
        try:
            await pool.ready()
            yield pool
        finally:
            await pool.close()


async def call(pool: ProcessPool, function: Callable[..., object], *args: object, **kwargs: object) -> object:
    """What a function returns in the pool."""
    reference = reference_of(function, "a test's")
    _, content, _ = await pool.ask(reference.name, Call(reference, None, args, kwargs))
    return pickle.loads(content)


async def turns() -> None:
    """A few of the loop's, in which tasks come to where they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def taken_by(pool: ProcessPool, count: int) -> None:
    """Until so many requests wait for a process: those who will are tasks, and it takes each of them a turn or two."""
    await turns()
    assert len(pool._waiting) == count
