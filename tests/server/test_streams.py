"""Returned streams: plain generators run off the loop, and whatever happens, a source is closed."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_head
from tests.helpers.served import PATIENCE, served
from toolkit import App, Request, Session
from toolkit.server.current import current_request
from toolkit.server.streams import Threaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


async def test_a_plain_generator_runs_off_the_loop_in_its_handlers_context() -> None:
    web, threads, requests = App(port=0), set[int](), list[object]()

    def parts() -> Iterator[bytes]:
        for number in range(3):
            threads.add(threading.get_ident())
            requests.append(current_request())
            yield b"%d" % number

    @web.get("/")
    async def handler(r: Request) -> object:
        requests.append(r)
        return parts()

    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.content, x.content_type) == (b"012", "application/octet-stream")
    assert threading.get_ident() not in threads
    assert len(requests) == 4
    assert len(set(map(id, requests))) == 1


@pytest.mark.parametrize("plain", [False, True])
async def test_iterators_of_all_kinds_and_text(plain: bool) -> None:
    web = App(port=0)
    values = {
        "/map": lambda: map(str.encode, ["a", "b"]),
        "/iter": lambda: iter([b"a", b"", b"b"]),
        "/text": lambda: iter(["\u00e9", "\u00e8"]),
        "/tuple": lambda: (201, iter([b"a"]), {"content-type": "a/b"}),
        "/empty": lambda: iter([]),
    }
    for path, make in values.items():

        def function(r: Request, make: object = make) -> object:
            return make()  # type: ignore[operator]

        async def coroutine(r: Request, make: object = make) -> object:
            return make()  # type: ignore[operator]

        web.get(path)(function if plain else coroutine)
    async with Session(app=web) as http:
        seen = {path: await http.get(path) for path in values}
    assert {path: x.content for path, x in seen.items()} == {
        "/map": b"ab",
        "/iter": b"ab",
        "/text": "\u00e9\u00e8".encode(),
        "/tuple": b"a",
        "/empty": b"",
    }
    assert (seen["/tuple"].status, seen["/tuple"].content_type) == (201, "a/b")


async def test_pieces_are_asked_for_when_the_last_one_was_sent() -> None:
    web, made = App(port=0), list[int]()

    def endless() -> Iterator[bytes]:
        while True:
            made.append(len(made))
            yield b"x" * 100_000

    web.get("/")(lambda r: endless())
    async with served(web, "tcp") as here:
        raw = await here.raw(receive_buffer=4096)
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await read_head(raw)
        before = -1
        async with asyncio.timeout(PATIENCE):
            while before != len(made):  # until it goes no further
                before = len(made)
                for _ in range(500):
                    await asyncio.sleep(0)
        assert len(made) < 200


class Closed:
    """Generators of both kinds that tell their end."""

    def __init__(self) -> None:
        self.began = False
        self.closed = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def plain(self, fail: bool = False) -> Iterator[bytes]:
        try:
            self.began = True
            yield b"a"
            if fail:
                raise KeyError("no")
            while True:
                yield b"x" * 10_000
        finally:
            self.loop.call_soon_threadsafe(self.closed.set)

    async def coroutine(self, fail: bool = False) -> AsyncIterator[bytes]:
        for piece in self.plain(fail):
            yield piece
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
@pytest.mark.parametrize("how", ["fails", "peer leaves"])
async def test_a_source_is_closed_whatever_happens(kind: str, how: str) -> None:
    web, source = App(port=0), Closed()
    web.get("/")(lambda r: getattr(source, kind)(how == "fails"))
    async with served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await read_head(raw)
        if how == "peer leaves":
            raw.reset()
        async with asyncio.timeout(PATIENCE):
            await source.closed.wait()


async def test_head_closes_a_plain_generator_unread() -> None:
    web, source = App(port=0), Closed()
    web.get("/")(lambda r: source.plain())
    async with Session(app=web) as http:
        x = await http.request("HEAD", "/")
        assert (x.status, x.content) == (200, b"")
    assert not source.began


async def test_closed_while_its_thread_is_in_it_it_ends_when_the_thread_has_left() -> None:
    go, done = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> Iterator[bytes]:
        try:
            go.wait(PATIENCE)
            yield b"a"
        finally:
            loop.call_soon_threadsafe(done.set)

    source = Threaded(slow())
    reading = asyncio.ensure_future(anext(source))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await source.aclose()
    assert not done.is_set()
    go.set()
    async with asyncio.timeout(PATIENCE):
        await done.wait()


async def test_what_has_no_end_to_be_told_of_is_left_alone() -> None:
    source = Threaded(iter([b"a"]))
    assert await anext(source) == b"a"
    await source.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(source)
