"""Two exchanges joined both ways: an end passes on alone, an error ends both."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import PATIENCE
from toolkit import App, Request, Session, pair
from toolkit.errors import Disconnected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Exchange
    from toolkit.protocol.wire import Moved


class Joined:
    """Two clients, each with an open exchange whose other end is in the pair."""

    def __init__(self) -> None:
        self.web = App(port=0)
        self.first: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
        self.result: asyncio.Future[tuple[Moved, Moved]] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[object] | None = None
        self.over = asyncio.Event()
        self.web.post("/first")(self.one)
        self.web.post("/second")(self.two)

    async def one(self, r: Request) -> None:
        await r.prepare({})
        self.first.set_result(r)
        await self.over.wait()

    async def two(self, r: Request) -> None:
        await r.prepare({})
        self.task = asyncio.current_task()
        try:
            self.result.set_result(await pair(await self.first, r))
        except Exception as error:
            self.result.set_exception(error)
        except asyncio.CancelledError:
            self.result.cancel()
            raise
        finally:
            self.over.set()


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[Joined, Exchange, Exchange]]:
    """Both ends outside, and what joins them."""
    there = Joined()
    async with (
        asyncio.timeout(PATIENCE),
        Session(app=there.web) as http,
        http.post("/first") as a,
        http.post("/second") as b,
    ):
        for x in (a, b):
            await x.head()
        try:
            yield there, a, b
        finally:
            for x in (a, b):
                await x.abort("over")


async def body(x: Exchange) -> bytes:
    return b"".join([part async for part in x])


async def test_both_directions_and_what_moved() -> None:
    async with joined() as (there, a, b):
        await a.write(b"from a")
        assert await anext(aiter(b.pull())) == b"from a"
        await b.write(b"b")
        await b.eof()
        assert await body(a) == b"b"
        await a.eof()
        assert [moved.total for moved in await there.result] == [6, 1]


@pytest.mark.parametrize("first", [0, 1])
async def test_an_end_passes_on_alone(first: int) -> None:
    async with joined() as (there, *ends):
        ending, going_on = ends[first], ends[1 - first]
        await ending.eof(b"last")
        assert await body(going_on) == b"last"
        assert not there.result.done()
        await going_on.eof(b"still")
        assert await body(ending) == b"still"
        assert {moved.total for moved in await there.result} == {4, 5}


@pytest.mark.parametrize("first", [0, 1])
async def test_an_error_ends_both(first: int) -> None:
    async with joined() as (there, *ends):
        await ends[first].write(b"part")
        await ends[first].abort("on purpose")
        with pytest.raises(Disconnected):
            await body(ends[1 - first])
        with pytest.raises(Disconnected):
            await there.result


async def test_a_cancelled_pair_ends_both() -> None:
    async with joined() as (there, a, b):
        await a.write(b"part")
        assert await anext(aiter(b.pull())) == b"part"
        assert there.task is not None
        there.task.cancel()
        for x in (a, b):
            with pytest.raises(Disconnected):
                await body(x)
        await there.over.wait()
        assert there.result.cancelled()
