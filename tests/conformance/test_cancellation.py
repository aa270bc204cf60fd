"""Cancelled at every await there is, a request leaves the pool whole: no connection lost, none counted twice, and
nobody left waiting for what is free.

The sweep is by brute force. Each way to use a session is run once to count how often it suspends; then once for each of
these places, cancelled there. The plan says when, no clock and no luck.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import PATIENCE
from tests.helpers.served import served
from toolkit import App, BodyNotReplayable, Connecting, PoolLimits, Request, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator


class CancelledAt:
    """Awaits for its user, and has his task cancelled as it suspends for the `at`th time; counts."""

    def __init__(self, inner: Awaitable[object], at: int) -> None:
        self._inner = inner
        self._at = at
        self.count = 0

    def __await__(self) -> Generator[object, None, None]:
        steps = self._inner.__await__()
        task = asyncio.current_task()
        assert task is not None
        try:
            waits_for = next(steps)
            while True:
                self.count += 1
                if self.count == self._at:
                    task.cancel()  # takes effect as the task suspends, which is now
                try:
                    yield waits_for
                except BaseException as error:
                    waits_for = steps.throw(error)
                else:
                    waits_for = next(steps)
        except StopIteration:
            return


def application() -> App:
    web = App(port=0)

    @web.get("/quick")
    def quick(r: Request) -> str:
        return "quick"

    @web.get("/stream")
    async def stream(r: Request) -> None:
        await r.prepare({})
        for _ in range(3):
            await r.write(b"part")
            await asyncio.sleep(0)

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare({})
        async for part in r:
            await r.write(part)

    @web.get("/moved")
    async def moved(r: Request) -> None:
        await r.prepare({"location": "/stream"}, 302)
        await r.eof(b"elsewhere")

    @web.get("/last")
    async def last(r: Request) -> None:
        await r.prepare({"connection": "close"})
        await r.eof(b"last")

    return web


async def whole(http: Session, url: str) -> None:
    _ = await http.get(f"{url}/quick")


async def twice(http: Session, url: str) -> None:
    await whole(http, url)
    await whole(http, url)


async def streamed(http: Session, url: str) -> None:
    async with http.get(f"{url}/stream") as x:
        async for _ in x:
            await asyncio.sleep(0)


async def left_unread(http: Session, url: str) -> None:
    async with http.get(f"{url}/stream"):
        pass


async def duplex(http: Session, url: str) -> None:
    async with http.post(f"{url}/echo") as x:
        await x.write(b"part")
        assert await anext(x.pull()) == b"part"
        await x.eof()
        async for _ in x:
            pass


async def pumped(http: Session, url: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield b"part"

    answer = await http.post(f"{url}/echo", body=parts)
    assert answer.content == b"part" * 3


async def redirected(http: Session, url: str) -> None:
    answer = await http.get(f"{url}/moved", follow_redirects=True)
    assert answer.content == b"part" * 3


async def ended(http: Session, url: str) -> None:
    _ = await http.get(f"{url}/last")
    await whole(http, url)


async def crowded(http: Session, url: str) -> None:
    """In line behind another, and before a third."""
    others = [asyncio.ensure_future(whole(http, url)) for _ in range(2)]
    try:
        await streamed(http, url)
    finally:
        await asyncio.wait(others)
        assert [one.exception() for one in others] == [None, None]


async def refused(http: Session, url: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"part"

    try:
        _ = await http.post(f"{url}/moved", body=parts(), follow_redirects=True)
    except BodyNotReplayable:
        pass


WAYS: list[Callable[[Session, str], Awaitable[object]]] = [
    whole,
    twice,
    streamed,
    left_unread,
    duplex,
    pumped,
    redirected,
    ended,
    crowded,
    refused,
]


def names(host: str, port: int) -> list[str] | None:
    """Two addresses, of which the second answers: a race to cancel."""
    return ["127.0.0.9", "127.0.0.1"] if host == "a.test" else None


async def run_cancelled(way: Callable[[Session, str], Awaitable[object]], http: Session, url: str, at: int) -> bool:
    """Run it, cancelled at the `at`th await; False when it has not so many."""
    watched = CancelledAt(way(http, url), at)

    async def main() -> None:
        await watched

    task = asyncio.ensure_future(main())
    await asyncio.wait([task])
    if watched.count < at:
        assert not task.cancelled()
        assert task.exception() is None
        return False
    if not task.cancelled():  # cancelled as it ended by itself: either is right
        assert task.exception() is None
    return True


async def all_given_back(http: Session, most: int) -> None:
    """Links report their end in a later turn; then what is open is idle, and nobody waits."""
    pool = http.bound().pool

    def whole_pool() -> bool:
        idle = sum(map(len, pool.idle.values()))
        return pool.total == idle <= most and pool.waiting_count == 0

    async with asyncio.timeout(PATIENCE):
        while not whole_pool():
            await asyncio.sleep(0)
            assert pool.total <= most
    assert sum(pool.open.values()) == pool.total == len(http.bound()._open)


@pytest.mark.parametrize("kind", ["memory", "tcp", "tls", "names"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
async def test_cancelled_at_any_await_it_gives_the_whole_pool_back(
    way: Callable[[Session, str], Awaitable[object]], kind: str
) -> None:
    options: dict[str, object] = {"pool": PoolLimits(connections=1)}
    if kind == "names":
        options["connecting"] = Connecting(resolver=names, dns_seconds=0)
    async with asyncio.timeout(2 * PATIENCE), served(application(), "tcp" if kind == "names" else kind) as here:
        url = here.url.replace("127.0.0.1", "a.test") if kind == "names" else here.url
        http = here.session(**options)
        at = 1
        for fresh in (True, False):  # on a new connection, then on one that is kept
            at = 1
            while await run_cancelled(way, http, url, at):
                await all_given_back(http, 1)
                await whole(http, url)  # the one place there is can be used
                if fresh:
                    await http.close()
                at += 1
            await all_given_back(http, 1)
            await http.close()
        assert at > 1
        await asyncio.sleep(0)
