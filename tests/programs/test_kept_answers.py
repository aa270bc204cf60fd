"""Answers that are kept: in memory, in files, on another server; and what a handler with a cache can be told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, CacheControl, FolderCache, MemoryCache, Request

from .asked import asked, told

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit import CacheStore


@pytest.mark.parametrize("where", ["memory", "files"])
async def test_a_slow_page_is_made_once_for_each_path(where: str, tmp_path: Path) -> None:
    """Stacked routes, one function, any path: what is kept of one is never shown at another."""
    cache: CacheStore = MemoryCache(10, entries=10) if where == "memory" else FolderCache(tmp_path, 10, entries=10)
    web, made = App(port=0, cache=cache), list[str]()

    @web.route("/")
    @web.route("/{path:path}")
    @web.cache()
    async def index(r: Request, path: str = "") -> str:
        made.append(r.path)
        await asyncio.sleep(0)
        return f"made for {r.path}?{r.query}"

    paths = ("/", "/a", "/a/b", "/a?x=1", "/", "/a", "/a/b", "/a?x=1")
    answers = await told(web, *paths, kind="tcp")
    assert answers[:4] == answers[4:]
    assert [text for _, text in answers[:4]] == ["made for /?", "made for /a?", "made for /a/b?", "made for /a?x=1"]
    assert made == ["/", "/a", "/a/b", "/a"]


async def test_it_is_for_some_requests_some_answers_and_as_long_as_is_said() -> None:
    web, runs = App(port=0), list[str]()

    @web.get("/list")
    @web.cache(
        60,
        query=["page"],
        unless=lambda r: "preview" in r.params(),
        only_if=lambda answer: answer.body != b"[]",  # type: ignore[attr-defined]
        cache_control=CacheControl(public=True, max_age=30),
    )
    def listed(r: Request) -> list[str]:
        runs.append(r.query)
        return [r.query] if r.query else []

    async with served(web) as here, here.session() as http:
        for query in ("?page=1&t=1", "?page=1&t=2", "?page=2", "?page=2", "", ""):
            answer = await http.get(f"{here.url}/list{query}")
            assert (answer.headers.get("cache-control") == "public, max-age=30") is bool(query)
        assert runs == ["page=1&t=1", "page=2", "", ""]
        for _ in range(2):
            _ = await http.get(f"{here.url}/list?page=1&preview")
        assert len(runs) == 6


async def test_the_function_without_its_cache_and_an_entry_that_is_forgotten() -> None:
    web, prices = App(port=0), [1]

    @web.get("/price")
    @web.cache(3600)
    def price(r: Request) -> int | str:
        return str(prices[-1])

    @web.get("/price/now")
    def now(r: Request) -> object:
        return price.uncached(r)

    @web.post("/price")
    async def change(r: Request) -> str:
        prices.append(int(await r.text()))
        if r.query == "tell":
            await web.cache.forget("/price")
        return "changed"

    async with served(web) as here, here.session() as http:

        async def text(path: str) -> str:
            return await (await http.get(here.url + path)).text()

        assert await text("/price") == "1"
        _ = await http.post(here.url + "/price", body=b"2")
        assert [await text("/price"), await text("/price/now")] == ["1", "2"]
        _ = await http.post(here.url + "/price?tell", body=b"3")
        assert await text("/price") == "3"


async def test_nothing_is_kept_unless_a_function_says_so_and_nothing_at_all_if_that_is_wanted() -> None:
    runs = list[int]()

    def count(r: Request) -> str:
        runs.append(1)
        return str(len(runs))

    web = App(port=0)
    web.get("/")(count)
    assert await told(web, "/", "/") == [(200, "1"), (200, "2")]
    web = App(port=0, cache=False)
    web.get("/")(web.cache(60)(count))
    assert await told(web, "/", "/") == [(200, "3"), (200, "4")]
    assert "age" not in (await asked(web, "GET", "/")).headers
