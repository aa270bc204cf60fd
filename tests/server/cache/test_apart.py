"""What must not get from one visitor to another, and what was forgotten must not come back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import served
from toolkit import Abort, CacheStore, CookieSessions, MemoryCache, Request
from toolkit.server.answers import Answer, encode_returned
from toolkit.server.hooks import call

from .clock import Clock
from .shop import Shop, turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key
    from toolkit.server.handlers import Coroutine


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


def by_a_middleware(shop: Shop, mark: Callable[[Request, object], Answer]) -> None:
    @shop.web.middleware
    async def around(handler: Coroutine, r: Request) -> object:
        return mark(r, await handler(r))

    @shop.web.get("/")
    @shop.web.cache(60)
    async def home(r: Request) -> str:
        return "home"


def by_a_decorator(shop: Shop, mark: Callable[[Request, object], Answer]) -> None:
    @shop.web.cache(60)
    async def home(r: Request) -> str:
        return "home"

    @shop.web.get("/")
    async def marked(r: Request) -> object:
        return mark(r, await call(home, r))


@pytest.mark.parametrize("build", [by_a_middleware, by_a_decorator])
@pytest.mark.parametrize("at_once", [False, True])
async def test_what_is_done_to_one_visitors_answer_is_not_done_to_others(
    build: Callable[[Shop, Callable[[Request, object], Answer]], None], at_once: bool
) -> None:
    shop = Shop()

    def mark(r: Request, value: object) -> Answer:
        answer = encode_returned(value, r)
        assert isinstance(answer, Answer)
        answer.fields.append((b"set-cookie", b"name=" + r.headers["x-name"].encode()))
        return answer

    build(shop, mark)
    async with served(shop.web) as here, here.session() as http:
        if at_once:
            answers = await asyncio.gather(*[http.get(here.url, {"x-name": name}) for name in "abc"])
        else:
            answers = [await http.get(here.url, {"x-name": name}) for name in "abc"]
        assert [answer.headers.get_all("set-cookie") for answer in answers] == [["name=a"], ["name=b"], ["name=c"]]


async def test_a_path_that_should_have_been_encoded_is_one_of_its_own() -> None:
    """A browser encodes what is in `/<b>`; who does not must not choose what those see that do (RFC 3986 3.3)."""
    shop = Shop()

    @shop.web.get("/{rest:path}")
    @shop.web.cache(60)
    async def repeat(r: Request, rest: str) -> str:
        return r.raw_path

    async with served(shop.web) as here:
        for target in ("/<b>", "/%3Cb%3E", "/<b>"):
            raw = await here.raw()
            await raw.send(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            assert (await read_answer(raw)).body.decode() == target


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
