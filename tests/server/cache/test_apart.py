"""What must not get from one visitor to another, and what was forgotten must not come back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import Abort, CacheStore, CookieSessions, MemoryCache, Request

from .clock import Clock
from .shop import Shop, turns

if TYPE_CHECKING:
    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key


@pytest.mark.parametrize("inside", [False, True], ids=["by cookies", "by a session"])
async def test_an_error_about_one_visitor_is_not_told_to_those_who_wait(inside: bool) -> None:
    shop, go_on = Shop(), asyncio.Event()
    sessions = [CookieSessions("a secret of 16 bytes and more")] if inside else []

    @shop.web.get("/", middlewares=[shop.web.cache(60), *sessions])
    async def about(r: Request) -> object:
        name = r.headers.get("x-name", "")
        known = r.session.get("name", name) if inside else r.cookies.get("name", "")
        shop.count()
        await go_on.wait()
        raise Abort(f"not for {known}", 403)

    async with served(shop.web) as here, here.session() as http:
        asked = [
            asyncio.ensure_future(http.get(here.url, {"cookie": f"name={name}", "x-name": name})) for name in "abc"
        ]
        await turns()
        go_on.set()
        told = [await (await one).text() for one in asked]
    assert [text.strip().rpartition(" ")[2] for text in told] == ["a", "b", "c"]
    assert shop.runs == 3


async def test_what_the_key_knows_of_cookies_is_an_error_for_all_of_that_key() -> None:
    shop, go_on = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60, key=lambda r: r.cookies.get("name", ""))
    async def about(r: Request) -> object:
        name = r.cookies["name"]
        shop.count()
        await go_on.wait()
        raise Abort(f"not for {name}", 403)

    async with served(shop.web) as here, here.session() as http:
        asked = [asyncio.ensure_future(http.get(here.url, {"cookie": f"name={name}"})) for name in "aab"]
        await turns()
        go_on.set()
        told = [await (await one).text() for one in asked]
    assert [text.strip().rpartition(" ")[2] for text in told] == ["a", "a", "b"]
    assert shop.runs == 2


async def test_an_older_answer_stands_in_where_nobody_waits_for_another() -> None:
    """A place that is passed by is no exception from `stale_if_error` (RFC 5861 4)."""
    shop = Shop()

    @shop.web.get("/")
    @shop.web.cache(1, stale_if_error=60, only_if=lambda answer: shop.runs != 2)
    async def home(r: Request) -> str:
        if shop.count() == 3:
            raise ValueError("the database is gone")
        return str(shop.runs)

    async with shop.open() as visitors:
        assert await visitors.text() == "1"
        shop.clock.now += 2
        assert await visitors.text() == "2"
        assert await visitors.text() == "1"


class Slow(CacheStore):
    """A store that takes its time to put something."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(60, clock=clock)
        self.memory = MemoryCache(clock=clock)
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def get(self, key: Key) -> Entry | None:
        return self.memory.look(key)

    async def put(self, key: Key, entry: Entry) -> None:
        self.began.set()
        await self.go_on.wait()
        await self.memory.put(key, entry)

    async def forget(self, path: str) -> None:
        await self.memory.forget(path)


async def test_what_is_forgotten_while_the_store_is_at_it_is_not_kept() -> None:
    clock = Clock()
    store = Slow(clock)
    shop = Shop(store)

    @shop.web.get("/")
    @shop.web.cache(60)
    async def home(r: Request) -> str:
        return str(shop.count())

    async with shop.open() as visitors:
        first = asyncio.ensure_future(visitors.text())
        await store.began.wait()
        await shop.web.cache.forget("/")
        store.go_on.set()
        assert await first == "1"
        assert await visitors.text() == "2"
