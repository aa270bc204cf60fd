"""Loads driven by hand, and the applications and raw answers that they meet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.helpers.raw import Raw, raw_server
from toolkit.other.bench.load import HttpLoad
from toolkit.other.bench.options import Options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from toolkit.other.bench.load import Load
    from toolkit.other.bench.record import Record

__all__ = ["OK", "PATIENCE", "QUICK", "driven", "finished", "scripted", "until"]

PATIENCE = 10.0
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
#: One connection, no warm-up; a test replaces what it needs.
QUICK = Options(url="http://127.0.0.1/", connections=1, warm_up=0.0, duration=None, requests=1)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


async def finished(load: Load) -> Record:
    """The record, once nothing is under way any more."""
    async with asyncio.timeout(PATIENCE):
        await load.pacer.quiet.wait()
    load.settle()
    return load.record


@asynccontextmanager
async def driven(options: Options) -> AsyncIterator[HttpLoad]:
    """A request load with its connections open."""
    load = HttpLoad(options)
    try:
        async with asyncio.timeout(PATIENCE):
            await load.open()
        yield load
    finally:
        await load.close()


@asynccontextmanager
async def scripted(answer: Callable[[Raw, int], Awaitable[None]], **change: object) -> AsyncIterator[HttpLoad]:
    """A request load whose connections meet `answer(connection, its number)` each."""
    async with raw_server("tcp") as server:
        load = HttpLoad(replace(QUICK, url=server.url, **change))  # type: ignore[arg-type]  # by name
        numbered = 0
        tasks: list[asyncio.Task[None]] = []

        async def serve() -> None:
            nonlocal numbered
            while True:
                raw = await server.arrived.get()
                tasks.append(asyncio.ensure_future(answer(raw, numbered)))
                numbered += 1

        serving = asyncio.ensure_future(serve())
        try:
            async with asyncio.timeout(PATIENCE):
                await load.open()
            yield load
        finally:
            await load.close()
            for task in (serving, *tasks):
                task.cancel()
            done = await asyncio.gather(serving, *tasks, return_exceptions=True)
            for error in done:  # a script that failed would otherwise look like a silent server
                if isinstance(error, Exception) and not isinstance(error, EOFError | ConnectionError):
                    raise error
