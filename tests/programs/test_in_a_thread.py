"""A server beside other work: in a thread, with functions that block, fields on every answer, and compression."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import PATIENCE, served
from toolkit import App, Compressed, Compression, ConnectError, Session, log

from .asked import asked, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit import Request


async def test_the_first_program() -> None:
    web = App("127.0.0.1", 0)

    @web.route("/")
    async def home(r: Request) -> object:
        return {"response": "ok"}

    assert await told(web, "/", kind="tcp") == [(200, '{"response":"ok"}')]


async def test_a_function_that_blocks_is_waited_for_elsewhere() -> None:
    """Neither form holds up the loop: another request is served, and it is what ends the wait."""
    web, begun, go = App(port=0), threading.Event(), threading.Event()

    def blocking() -> str:
        begun.set()
        return "ok" if go.wait(PATIENCE) else "nobody else was served"

    @web.route("/awaited")
    async def awaited(r: Request) -> object:
        return {"response": await asyncio.to_thread(blocking)}

    @web.route("/marked", thread=True)
    def marked(r: Request) -> object:
        return {"response": blocking()}

    @web.route("/go")
    def release(r: Request) -> str:
        go.set()
        return "going"

    async with served(web, "tcp") as here, here.session() as http:
        for path in ("/awaited", "/marked"):
            begun.clear()
            go.clear()
            waiting = asyncio.ensure_future(_text(http, here.url + path))
            assert await asyncio.to_thread(begun.wait, PATIENCE)
            assert await _text(http, here.url + "/go") == "going"
            assert await waiting == '{"response":"ok"}'


async def _text(http: Session, url: str) -> str:
    return await (await http.get(url)).text()


def test_a_server_in_a_thread_and_its_end() -> None:
    """`web.run()` belongs to no main thread, and `web.stop()` ends it from any: its socket is closed, its hooks ran."""
    web, address, ended = App("127.0.0.1", 0), list[str](), list[str]()
    listening = threading.Event()
    telling: list[asyncio.Task[None]] = []

    @web.get("/")
    async def home(r: Request) -> str:
        return "ok"

    async def tell() -> None:
        address.append((await web).server_address)
        listening.set()

    @web.on_start
    def begin() -> None:
        telling.append(asyncio.get_running_loop().create_task(tell()))

    web.on_exit(lambda: ended.append("ended"))

    async def ask() -> str:
        async with Session() as http:
            return await _text(http, address[0])

    for _ in range(2):  # and again: nothing is left over
        listening.clear()
        thread = threading.Thread(target=web.run, daemon=True)
        thread.start()
        assert listening.wait(PATIENCE)
        assert asyncio.run(ask()) == "ok"
        web.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        with pytest.raises(ConnectError):
            asyncio.run(ask())
        address.clear()
    assert ended == ["ended", "ended"]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nowhere", 404), ("/fails", 500)])
async def test_fields_on_every_answer(path: str, status: int) -> None:
    web = App(port=0, headers={"foo": "bar"})
    web.get("/")(lambda r: "home")

    @web.get("/fails")
    def fails(r: Request) -> str:
        raise ValueError("a secret")

    answer = await asked(web, "GET", path)
    assert (answer.status, answer.headers["foo"]) == (status, "bar")


async def test_they_are_on_the_answer_to_what_is_no_request_too() -> None:
    async with served(App(port=0, headers={"foo": "bar"}), "tcp") as here:
        raw = await here.raw()
        await raw.send(b"no request\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.status, answer.get("foo")) == (400, "bar")


async def test_the_server_says_nothing_of_itself_unless_it_is_told_to() -> None:
    assert "server" not in (await asked(App(port=0), "GET", "/")).headers
    assert (await asked(App(port=0, headers={"server": "shop"}), "GET", "/")).headers["server"] == "shop"


GZIP = {"accept-encoding": "gzip"}


@pytest.mark.parametrize(
    ("compression", "text", "coded"),
    [
        (Compression(), "x" * 499, False),
        (Compression(), "x" * 500, True),
        (Compression(minimum=5, levels={"gzip": 2}), "x" * 100, True),
        (Compression(minimum=5, types=["text/html"]), "x" * 100, False),
        (None, "x" * 5000, False),
    ],
)
async def test_text_is_compressed_unless_it_is_short(compression: Compression | None, text: str, coded: bool) -> None:
    """By default what has 500 bytes and more; size, level and types are the application's to say."""
    web = App(port=0, compression=compression)
    web.get("/")(lambda r: text)
    answer = await asked(web, "GET", "/", GZIP)
    assert ("content-encoding" in answer.headers) is coded
    assert (gzip.decompress(answer.content) if coded else answer.content) == text.encode()


async def test_a_route_has_rules_of_its_own() -> None:
    web = App(port=0)
    web.get("/", middlewares=[Compressed(None)])(lambda r: "x" * 1000)
    assert "content-encoding" not in (await asked(web, "GET", "/", GZIP)).headers


async def test_stacked_routes_and_the_rest_of_the_path() -> None:
    """One function at the root and at everything below it; another method is refused at both."""
    web, seen = App(port=0), list[str]()

    @web.route("/")
    @web.route("/<path:path>")
    async def index(r: Request, path: str = "") -> str:
        seen.append(path)
        return "test"

    assert await told(web, "/", "/a/b.txt", "/favicon.ico") == [(200, "test")] * 3
    assert seen == ["", "a/b.txt", "favicon.ico"]
    assert await told(web, "/", "/a", method="POST") == [(405, "Method Not Allowed")] * 2


@pytest.mark.parametrize("lines", [(), ("one",), ("one", "two")])
async def test_a_handler_logs_as_it_runs(lines: Sequence[str]) -> None:
    """Awaited or not, on the console that is there for all."""
    web = App(port=0)

    @web.get("/log")
    async def handler(r: Request) -> str:
        await log.debug("Processing request", *lines)
        _ = log.debug("once more")
        return "Response"

    assert await told(web, "/log") == [(200, "Response")]
