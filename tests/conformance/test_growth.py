"""Twenty thousand requests leave nothing behind: no object, task or descriptor that was not there after a few."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, Connecting, PoolLimits, Request, Session
from toolkit.client.shared import SharedSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FEW = 1_000
SLACK = 200  # objects: what caches of the interpreter and of the loops hold on to from one time to another


def application() -> App:
    web = App(port=0)

    @web.get("/{name}")
    def hello(r: Request, name: str) -> str:
        return "hello"

    @web.get("/last/{name}")
    async def last(r: Request, name: str) -> None:
        await r.prepare({"connection": "close"})
        await r.eof(b"last")

    return web


async def held(http: Session) -> tuple[int, int, int]:
    """Objects, tasks and descriptors, when what is over is over."""
    for _ in range(20):
        await asyncio.sleep(0)
    pool = http.bound().pool
    assert pool.waiting_count == 0
    assert pool.total == sum(map(len, pool.idle.values())) == len(http.bound()._open)
    gc.collect()
    return len(gc.get_objects()), len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


async def same(http: Session, number: int) -> None:
    answer = await http.get("http://localhost/same")
    assert answer.content == b"hello"


async def another(http: Session, number: int) -> None:
    """Another URL and another query each time."""
    answer = await http.get(f"http://localhost/{number}", params={"q": number})
    assert answer.content == b"hello"


async def elsewhere(http: Session, number: int) -> None:
    """Another origin each time, which ends the connection."""
    answer = await http.get(f"http://host{number}.test/last/x")
    assert answer.content == b"last"


async def cancelled(http: Session, number: int) -> None:
    """Cancelled in this or that turn, in the line for a connection as well."""
    asking = asyncio.ensure_future(same(http, number))
    for _ in range(number % 7):
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])


async def failing(http: Session, number: int) -> None:
    """With durations of its own, and an error."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await same(http, number)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "many"),
    [(same, 20_000), (cancelled, 10_000), (another, 5_000), (elsewhere, 5_000), (failing, 5_000)],
    ids=["same", "cancelled", "another", "elsewhere", "failing"],
)
async def test_many_requests_leave_nothing_behind(way: Callable[[Session, int], Awaitable[None]], many: int) -> None:
    pool = PoolLimits(connections=2, per_origin=1)
    async with Session(app=application(), pool=pool, connecting=Connecting(dns_names=10)) as http:
        for number in range(FEW):
            await way(http, number)
        before = await held(http)
        for number in range(FEW, many):
            await way(http, number)
        after = await held(http)
        assert after[0] - before[0] < SLACK
        assert after[1:] == before[1:]


@pytest.mark.slow
async def test_many_connections_leave_nothing_behind() -> None:
    """Each of them made by a race between two addresses, and without a session of one's own."""
    http = SharedSession()
    http._connecting = Connecting(resolver=lambda host, port: ["127.0.0.9", "127.0.0.1"], dns_seconds=0)
    async with served(application(), "tcp") as here:
        url = f"{here.url.replace('127.0.0.1', 'a.test')}/last/x"
        for _ in range(100):
            assert (await http.get(url)).content == b"last"
        before = await held(http)
        for _ in range(900):
            assert (await http.get(url)).content == b"last"
        after = await held(http)
        assert after[0] - before[0] < SLACK
        assert after[1:] == before[1:]
        await http.close()
