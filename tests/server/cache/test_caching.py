"""`web.cache`: decorators, forgetting, and stores that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, CacheStore, MemoryCache, Request, Router
from toolkit.errors import UseError
from toolkit.server.cache.cached import Cached
from toolkit.server.cache.caching import PAUSE, Caching, check_store

from .clock import Clock

if TYPE_CHECKING:
    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key


class Broken(CacheStore):
    """A store that fails as long as it is told to, and counts how often it is asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(60, clock=clock)
        self.fails = True
        self.asked = 0
        self.closed = 0
        self.memory = MemoryCache(clock=clock)

    def _ask(self) -> None:
        self.asked += 1
        if self.fails:
            raise OSError("no such server")

    async def get(self, key: Key) -> Entry | None:
        self._ask()
        return self.memory.look(key)

    async def put(self, key: Key, entry: Entry) -> None:
        self._ask()
        await self.memory.put(key, entry)

    async def forget(self, path: str) -> None:
        self._ask()
        await self.memory.forget(path)

    async def clear(self) -> None:
        self._ask()

    async def close(self) -> None:
        self.closed += 1
        self._ask()


async def test_a_store_that_fails_costs_no_answer_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """It is asked again after a while, and not by every visitor."""
    clock, runs = Clock(), list[int]()
    store = Broken(clock)
    web = App(port=0, cache=store)

    @web.get("/")
    @web.cache(60)
    async def handler(r: Request) -> str:
        runs.append(1)
        return str(len(runs))

    caplog.set_level("INFO", "toolkit.server")
    async with served(web) as here, here.session() as http:

        async def text() -> str:
            answer = await http.get(here.url)
            assert answer.status == 200
            return await answer.text()

        assert [await text() for _ in range(5)] == ["1", "2", "3", "4", "5"]
        assert store.asked == 1
        clock.now += PAUSE
        assert await text() == "6"
        assert store.asked == 2
        clock.now += PAUSE
        store.fails = False
        assert [await text() for _ in range(3)] == ["7", "7", "7"]
        store.fails = True
        assert await text() == "8"
        with pytest.raises(OSError, match="no such server"):  # who wants something forgotten is told that it is not
            await web.cache.forget("/")
        with pytest.raises(OSError, match="no such server"):
            await web.cache.clear()
    told = [one.message for one in caplog.records if "cache" in one.message]
    assert len(told) == 3
    assert "handlers run without it: get: OSError('no such server')" in told[0]
    assert told[1] == "the cache of answers works again"


async def test_a_change_is_answered_though_it_could_not_be_told_to_the_store(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was changed is changed; that an old answer may be about is a fault, and logged as one."""
    web = App(port=0, cache=Broken(Clock()))
    web.post("/")(web.cache(60)(lambda r: "changed"))
    async with served(web) as here, here.session() as http:
        answer = await http.post(here.url)
        assert (answer.status, await answer.text()) == (200, "changed")
    assert [one.levelname for one in caplog.records if "could not be forgotten" in one.message] == ["ERROR"]


async def test_it_is_closed_with_the_application() -> None:
    store = Broken(Clock())
    web = App(port=0, cache=store)
    seen: list[int] = []
    web.on_exit(lambda: seen.append(store.closed))
    async with web.lifespan():
        pass
    assert store.closed == 0  # nobody had used it
    web.get("/")(web.cache(60)(lambda r: "x"))
    async with web.lifespan():
        pass
    assert (store.closed, seen) == (1, [0, 0])  # behind the hooks, which may have something to forget


def test_ways_to_write_it() -> None:
    web = App(port=0)
    assert isinstance(web.cache, Caching)
    assert web.cache is web.cache

    @web.cache
    def bare(r: Request) -> str:
        return ""

    @web.cache()
    def empty(r: Request) -> str:
        return ""

    @web.cache(5, query=["a"])
    def full(r: Request) -> str:
        return ""

    assert [one.rule.seconds for one in (bare, empty, full)] == [None, None, 5]
    assert all(isinstance(one, Cached) for one in (bare, empty, full))
    assert "bare" in repr(bare)


def test_memory_is_what_an_application_has() -> None:
    assert isinstance(App(port=0).cache.store, MemoryCache)
    assert App(port=0, cache=False).cache.store is None
    store = MemoryCache()
    assert App(port=0, cache=store).cache.store is store


@pytest.mark.parametrize("wrong", [None, "memory", MemoryCache, 60, {}])
def test_a_store_is_one(wrong: object) -> None:
    with pytest.raises(UseError, match="expected a store"):
        _ = App(port=0, cache=wrong)  # type: ignore[arg-type]
    with pytest.raises(UseError):
        check_store(wrong)


def test_a_mistake_is_told_where_it_is_made() -> None:
    with pytest.raises(UseError, match="seconds="):
        App(port=0).cache(-1)
    with pytest.raises(TypeError, match="unexpected"):
        App(port=0).cache(60, timeout=5)  # type: ignore[call-overload]


@pytest.mark.parametrize("wrong", ["", "items", "/items?page=1", None, 5, "http://x/items"])
async def test_what_is_forgotten_is_a_path(wrong: str) -> None:
    with pytest.raises(UseError, match="expected a path"):
        await App(port=0).cache.forget("/", wrong)


async def test_a_router_keeps_nothing_itself() -> None:
    for call in (Router().cache.forget("/"), Router().cache.clear()):
        with pytest.raises(UseError, match=r"it is web\.cache\."):
            await call
    await Router().cache.close()
    assert Router().cache.store is None


async def test_paths_are_forgotten_however_they_are_written() -> None:
    web, runs = App(port=0), list[int]()

    @web.get("/{name}", name="page")
    @web.cache(60)
    def handler(r: Request, name: str) -> str:
        runs.append(1)
        return f"{name} {len(runs)}"

    async with served(web) as here, here.session() as http:

        async def text(target: str) -> str:
            return await (await http.get(here.url + target)).text()

        assert await text("/a%20b?x=1") == "a b 1"
        for path in ("/a b", "/a%20b", web.url_for("page", name="a b")):
            before = len(runs)
            await web.cache.forget(path)
            await text("/a%20b?x=1")
            assert len(runs) == before + 1
        assert await text("/b") == "b 5"
        await web.cache.forget("/a b", "/b")
        assert [await text("/b"), await text("/a%20b?x=1")] == ["b 6", "a b 7"]
