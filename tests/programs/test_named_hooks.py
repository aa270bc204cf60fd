"""Functions that are hooks by their names, and the ways to read what a request brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.answers import read_answer
from tests.helpers.served import served
from toolkit import Abort, App, Deliver, Request

from .asked import asked, multipart, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def test_a_hook_ahead_a_hook_behind_and_one_for_all() -> None:
    """Ahead and behind run once for each request of a connection: served, not found, refused or failed."""
    web, seen = App(port=0), list[str]()

    @web.add_route
    async def before_middleware(request: Request) -> None:
        seen.append("before")

    @web.add_route
    async def after_middleware(request: Request) -> None:
        seen.append(f"after {request.status}" if request.status else "after")

    @web.add_route
    async def handle_all_middleware(request: Request) -> None:
        raise Abort("Route not found, but handled.", 404)

    @web.add_route
    async def here(request: Request) -> None:
        seen.append("handler")
        await Deliver.text("found")

    @web.add_route
    async def failing(request: Request) -> None:
        raise Abort("no", 403)

    assert await told(web, "/here", "/nowhere", "/failing", kind="tcp") == [
        (200, "found"),
        (404, "Route not found, but handled."),
        (403, "no"),
    ]
    assert seen == ["before", "handler", "after 200", "before", "after", "before", "after"]


async def test_the_ways_to_read_a_request() -> None:
    """JSON, a form with a file in it, and the pieces of an upload as they arrive."""
    web = App(port=0)

    @web.post("/json")
    async def take_json(request: Request) -> None:
        await Deliver.json({"got": await request.json()})

    @web.post("/form")
    async def take_form(request: Request) -> None:
        form = await request.form()
        picture = form.file("picture")
        assert picture is not None
        await Deliver.json([form["name"], picture.filename, (await picture.read()).decode()])

    @web.post("/upload")
    async def take_pieces(request: Request) -> None:
        size = 0
        async for chunk in request.pull():
            size += len(chunk)
        await Deliver.text(f"{size} bytes")

    answer = await asked(web, "POST", "/json", {"content-type": "application/json"}, b'{"a": 1}')
    assert answer.content == b'{"got":{"a":1}}'
    fields, body = multipart(("name", None, b"Ada"), ("picture", "a.png", b"(a picture)"))
    assert (await asked(web, "POST", "/form", fields, body)).content == b'["Ada","a.png","(a picture)"]'
    for framing in ({}, {"transfer-encoding": "chunked"}):
        answer = await asked(web, "POST", "/upload", framing, b"x" * 300_000, kind="tcp")
        assert answer.content == b"300000 bytes"


async def test_a_body_comes_without_its_framing_and_in_the_pieces_that_arrive() -> None:
    """Each piece is there before the next one is sent, and the answer to it leaves before the request has ended."""
    web = App(port=0)

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare({"content-type": r.headers.get("content-type"), "x-size": 1}, 200)
        async for chunk in r:
            await r.write(chunk)
        await r.eof()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async with served(web, "tcp") as here, here.session() as http:
        async with http.stream("POST", here.url + "/echo", {"transfer-encoding": "chunked"}) as x:
            for piece in (b"one", b"two"):
                await x.write(piece)
                assert await anext(aiter(x)) == piece
            await x.eof()
            assert (x.headers["x-size"], "content-type" in x.headers) == ("1", False)
        assert (await http.post(here.url + "/echo", body=pieces())).content == b"ab"


async def test_an_empty_piece_is_no_end_and_the_end_is_sent_once() -> None:
    """One last chunk on the wire, and behind it the next answer."""
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({"transfer-encoding": "chunked"})
        await r.write(b"")
        await r.write(b"x")
        await r.eof()
        await r.eof()

    async with served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await read_answer(raw)).body == b"x"
        assert (await read_answer(raw)).body == b"x"
        assert await raw.rest() == b""
