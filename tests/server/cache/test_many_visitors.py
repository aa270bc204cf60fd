"""Many visitors at once, answers past their time, and changes: who waits for whom, and who gets what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import PATIENCE, served
from toolkit import Abort, App, FolderCache, NotFound, Request

from .clock import Clock
from .shop import Shop, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


# Many at once


async def test_many_who_come_at_once_have_the_handler_run_once() -> None:
    shop, go = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        await go.wait()
        return str(shop.count())

    async with shop.open() as visitors:
        waiting = [asyncio.ensure_future(visitors.text("/", "GET")) for _ in range(50)]
        await turns()
        go.set()
        assert set(await asyncio.gather(*waiting)) == {"1"}
        assert (shop.runs, len(shop.web.cache.flights)) == (1, 0)


async def test_an_error_reaches_all_who_waited() -> None:
    shop, go = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        await go.wait()
        shop.count()
        raise Abort("not now", 503)

    async with shop.open() as visitors:
        waiting = [asyncio.ensure_future(visitors.text()) for _ in range(10)]
        await turns()
        go.set()
        assert set(await asyncio.gather(*waiting)) == {"503 not now"}
        assert shop.runs == 1
        assert await visitors.text() == "503 not now"
        assert shop.runs == 2


async def test_an_error_of_many_is_not_longer_than_one_of_one(caplog: pytest.LogCaptureFixture) -> None:
    """Each logs it; none with what the others have added to its traceback."""
    shop, go = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        await go.wait()
        raise ValueError("no")

    async with shop.open() as visitors:
        waiting = [asyncio.ensure_future(visitors.text()) for _ in range(30)]
        await turns()
        go.set()
        assert {text[:3] for text in await asyncio.gather(*waiting)} == {"500"}
    lengths = [len(one.exc_text or "") for one in caplog.records if one.exc_info]
    assert len(lengths) == 30
    assert max(lengths) < 3 * min(lengths)


async def test_what_a_handler_makes_of_a_condition_is_no_word_on_the_rest() -> None:
    shop = Shop()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> object:
        return (304, None) if "if-none-match" in r.headers else str(shop.count())

    async with shop.open() as visitors:
        assert (await visitors.get("/", if_none_match='"x"')).status == 304
        waiting = [asyncio.ensure_future(visitors.text()) for _ in range(3)]
        assert set(await asyncio.gather(*waiting)) == {"1"}


async def test_the_first_visitor_may_leave() -> None:
    """His handler is cancelled, and the one who has waited longest runs it for all."""
    shop, go, left = Shop(), asyncio.Event(), list[int]()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        run = shop.count()
        try:
            await go.wait()
        except asyncio.CancelledError:
            left.append(run)
            raise
        return str(run)

    async with shop.open() as visitors:
        raws = []
        for _ in range(2):
            raw = await visitors.here.raw()
            await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            raws.append(raw)
            await turns()
        waiting = [asyncio.ensure_future(visitors.text("/", host="x")) for _ in range(5)]
        await turns()
        for number, raw in enumerate(raws, 1):
            raw.reset()
            await turns()
            assert len(left) == number
        go.set()
        assert set(await asyncio.gather(*waiting)) == {"3"}
        assert (left, len(shop.web.cache.flights)) == ([1, 2], 0)


async def test_those_who_asked_for_another_variant_do_not_get_this_one() -> None:
    shop, go = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> object:
        language = r.headers["accept-language"]
        await go.wait()
        return 200, f"{language} {shop.count()}", {"vary": "accept-language"}

    async with shop.open() as visitors:
        spoken = ["de", "en", "de", "en", "fr", "en"]
        waiting = [asyncio.ensure_future(visitors.text("/", accept_language=one)) for one in spoken]
        await turns()
        go.set()
        texts = await asyncio.gather(*waiting)
        assert [text.split(" ")[0] for text in texts] == spoken
        assert (len(set(texts)), shop.runs) == (3, 3)


async def test_where_nothing_can_be_kept_nobody_waits_for_the_next_one() -> None:
    """They would run one after the other what can run side by side."""
    shop, go = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> object:
        run = shop.count()
        await go.wait()
        return 200, str(run), {"cache-control": "no-store"}

    async with shop.open() as visitors:
        waiting = [asyncio.ensure_future(visitors.text()) for _ in range(3)]
        await turns()
        assert shop.runs == 1
        go.set()
        assert sorted(await asyncio.gather(*waiting)) == ["1", "2", "3"]
        go.clear()
        waiting = [asyncio.ensure_future(visitors.text()) for _ in range(3)]
        await turns()
        assert shop.runs == 6
        go.set()
        await asyncio.gather(*waiting)


async def test_a_stream_holds_up_nobody() -> None:
    """It is as slow as the client who reads it: others have one of their own."""
    shop, go = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> object:
        run = shop.count()

        async def pieces() -> AsyncIterator[bytes]:
            yield str(run).encode()
            if run == 1:
                await go.wait()

        return pieces()

    async with shop.open() as visitors:
        first = asyncio.ensure_future(visitors.text())
        await turns()
        assert shop.runs == 1
        async with asyncio.timeout(PATIENCE):
            assert await visitors.text() == "2"
            assert await visitors.text() == "2"
        go.set()
        assert await first == "1"


# Past their time


async def test_while_it_is_made_anew_others_get_what_there_is() -> None:
    shop, go = Shop(), asyncio.Event()
    go.set()

    @shop.web.get("/")
    @shop.web.cache(10, stale_while_revalidate=5)
    async def handler(r: Request) -> str:
        run = shop.count()
        await go.wait()
        return str(run)

    async with shop.open() as visitors:
        assert await visitors.text() == "1"
        shop.clock.now += 12
        go.clear()
        waiting = asyncio.ensure_future(visitors.text())
        await turns()
        stale = await visitors.get()
        assert (await stale.text(), stale.headers["age"]) == ("1", "12")
        go.set()
        assert await waiting == "2"
        assert await visitors.text() == "2"


@pytest.mark.parametrize("how", ["raises", "aborts", "answers"])
async def test_where_it_fails_what_there_is_stands_in(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """RFC 5861 4: for errors of the server, for so long; what is the client's fault is said to him."""
    shop = Shop()

    @shop.web.get("/")
    @shop.web.cache(10, stale_if_error=20)
    async def handler(r: Request) -> object:
        run = shop.count()
        if r.headers.get("x-fault") == "mine":
            raise NotFound
        if run > 1 and how == "raises":
            raise ValueError("no")
        if run > 1 and how == "aborts":
            raise Abort("no", 502)
        return (200 if run == 1 else 503), str(run)

    async with shop.open() as visitors:
        assert await visitors.text() == "1"
        shop.clock.now += 29
        assert [await visitors.text(), await visitors.text()] == ["1", "1"]
        assert len([one for one in caplog.records if "what was kept" in one.message]) == 2
        assert (await visitors.get("/", x_fault="mine")).status == 404
        shop.clock.now += 1
        assert (await visitors.get()).status in (500, 502, 503)


async def test_a_visitor_has_no_say_unless_it_is_given_to_him() -> None:
    shop = Shop()
    shop.web.get("/")(shop.web.cache(60)(lambda r: str(shop.count())))
    shop.web.get("/anew")(shop.web.cache(60, refresh=True)(lambda r: str(shop.count())))
    async with shop.open() as visitors:
        for field in ({"cache_control": "no-cache"}, {"cache_control": "no-store"}, {"pragma": "no-cache"}):
            assert await visitors.text("/", **field) == "1"
        assert [await visitors.text("/anew"), await visitors.text("/anew", cache_control="no-cache")] == ["2", "3"]
        assert await visitors.text("/anew") == "3"


# What changes


async def test_a_change_at_a_path_has_it_forgotten() -> None:
    """RFC 9111 4.4: after a method that is not safe, if it went well."""
    shop = Shop()

    @shop.web.route("/{name}", methods=["GET", "POST", "OPTIONS"])
    @shop.web.cache(60)
    async def handler(r: Request, name: str) -> object:
        if r.method == "POST" and r.query:
            return int(r.query), "answered"
        return str(shop.count())

    async with shop.open() as visitors:
        assert [await visitors.text("/a?x=1"), await visitors.text("/b"), await visitors.text("/a?x=1")] == [
            "1",
            "2",
            "1",
        ]
        assert await visitors.text("/a?422", "POST") == "422 answered"
        assert await visitors.text("/a?x=1") == "1"
        assert await visitors.text("/a", "OPTIONS") == "3"
        assert await visitors.text("/a?x=1") == "1"
        assert await visitors.text("/%61", "POST") == "4"
        assert [await visitors.text("/a?x=1"), await visitors.text("/b")] == ["5", "2"]


async def test_what_is_being_made_when_a_path_is_forgotten_is_not_kept() -> None:
    shop, go = Shop(), asyncio.Event()

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> str:
        run = shop.count()
        if run == 1:
            await go.wait()
        return str(run)

    async with shop.open() as visitors:
        early = asyncio.ensure_future(visitors.text())
        await turns()
        await shop.web.cache.forget("/")
        assert await visitors.text() == "2"  # who comes later does not wait for what is old by now
        go.set()
        assert await early == "1"
        assert await visitors.text() == "2"


async def test_without_a_cache_handlers_run_each_time(tmp_path: Path) -> None:
    web, runs = App(port=0, cache=False), list[int]()

    @web.get("/")
    @web.cache(60)
    def handler(r: Request) -> str:
        runs.append(1)
        return str(len(runs))

    async with served(web) as here, here.session() as http:
        assert [await (await http.get(here.url)).text() for _ in range(2)] == ["1", "2"]
    await web.cache.clear()
    await web.cache.forget("/")


async def test_a_store_that_waits(tmp_path: Path) -> None:
    """All of it goes the same way where answers are in files."""
    clock = Clock()
    shop = Shop(FolderCache(tmp_path, clock=clock))

    @shop.web.get("/")
    @shop.web.cache(60)
    async def handler(r: Request) -> object:
        return 200, f"{r.headers.get('accept-language')} {shop.count()}", {"vary": "accept-language"}

    async with shop.open() as visitors:
        spoken = ("de", "en", "de", "en")
        assert [await visitors.text("/", accept_language=one) for one in spoken] == ["de 1", "en 2", "de 1", "en 2"]
        clock.now += 5
        answer = await visitors.get("/", accept_language="de")
        assert answer.headers["age"] == "5"
        answer = await visitors.get("/", accept_language="de", if_none_match=answer.headers["etag"])
        assert answer.status == 304


async def test_on_the_wire() -> None:
    """No field twice, a date, a length: what is kept is an answer like any other."""
    shop = Shop(headers={"server": "shop"})
    shop.web.get("/")(shop.web.cache(60)(lambda r: (200, "x", {"server": "own"})))
    async with served(shop.web) as here:
        raw = await here.raw()
        for _ in range(3):
            await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = await read_answer(raw)
            names = [name.lower() for name, _ in answer.fields]
            assert len(names) == len(set(names))
            assert {"date", "content-length", "content-type", "etag", "server"} <= set(names)
            assert (answer.body, answer.get("server")) == (b"x", "own")
