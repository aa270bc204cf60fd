"""A program of a few routes: plain, awaited and blocking functions, wildcards, forms, cookies, streams, files."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import PATIENCE, served
from toolkit import App, Cookie, Deliver, Reply, Request, Signer

from .asked import asked, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def test_each_function_runs_where_it_was_told_to() -> None:
    """A plain one and a coroutine function on the loop, one that blocks in a thread."""
    web, here = App("127.0.0.1", 0), threading.get_ident()

    def place() -> str:
        return "the loop's" if threading.get_ident() == here else "another"

    @web.route("/")
    def index(r: Request) -> str:
        return f"Hello from {place()} thread"

    @web.route("/async")
    async def index_async(r: Request) -> str:
        return f"Hello (async) from {place()} thread"

    @web.route("/blocking", thread=True)
    def blocking(r: Request) -> str:
        return f"Hello (blocking) from {place()} thread"

    assert await told(web, "/", "/async", "/blocking", kind="tcp") == [
        (200, "Hello from the loop's thread"),
        (200, "Hello (async) from the loop's thread"),
        (200, "Hello (blocking) from another thread"),
    ]


async def test_wildcards_come_in_their_order_or_by_their_names() -> None:
    """One is a segment; the last may span the rest. What says more of a path goes first, in whatever order."""
    web = App(port=0)
    web.route("/route/<filename>")(lambda env, filename: f"file {filename}")
    web.route("/route/<first>/<second>")(lambda env, second, first: f"{first} then {second}")
    web.route("/rest/<path:rest>")(lambda env, rest: f"rest {rest}")
    web.route("/route/static")(lambda env: "static")
    assert await told(web, "/route/a.txt", "/route/1/2", "/rest/a/b/c", "/route/static") == [
        (200, "file a.txt"),
        (200, "1 then 2"),
        (200, "rest a/b/c"),
        (200, "static"),
    ]


async def test_verbs_of_one_path_have_functions_of_their_own() -> None:
    web = App(port=0)
    web.route("/x", ("GET", "PUT"))(lambda env: f"shown by {env.method}")
    web.route("/x", ("POST",))(lambda env: "made")
    assert [(await asked(web, method, "/x")).content for method in ("GET", "PUT", "POST")] == [
        b"shown by GET",
        b"shown by PUT",
        b"made",
    ]
    assert (await asked(web, "DELETE", "/x")).status == 405


async def test_triggers_ahead_of_a_route_and_behind_it() -> None:
    web, seen = App(port=0), list[str]()

    def trigger(name: str) -> Callable[[Callable[[Request], object], Request], object]:
        async def around(handler: Callable[[Request], object], r: Request) -> object:
            seen.append(f"before {name}")
            try:
                return await handler(r)  # type: ignore[misc]  # a chain is awaited
            finally:
                seen.append(f"after {name}")

        return around

    web.get("/x", middlewares=[trigger("x")])(lambda env: seen.append("handler"))
    web.get("/y")(lambda env: "alone")
    assert await told(web, "/x", "/y") == [(204, ""), (200, "alone")]
    assert seen == ["before x", "handler", "after x"]


async def test_a_message_board(tmp_path: Path) -> None:
    """A form, a template that shows what was sent with nothing of it taken for HTML, and a redirect between them."""
    (tmp_path / "board.html").write_text(
        "<ul>{% for one in messages %}<li>{{ one }}{% else %}<li>nothing yet{% endfor %}</ul>{{ note | safe }}"
    )
    web, messages = App(port=0, templates=tmp_path), list[str]()

    @web.get("/")
    async def show(env: Request) -> object:
        return await env.render("board.html", messages=messages, note="<hr>")

    @web.post("/")
    async def add(env: Request) -> object:
        form = await env.form()
        messages.append(f"{form['name']}: {form['text']}")
        return Deliver.redirect("/", 303)

    async with served(web, "tcp") as here, here.session() as http:
        page = here.url + "/"
        assert await (await http.get(page)).text() == "<ul><li>nothing yet</ul><hr>"
        body = b"name=Ada+%26+Co&text=%3Cscript%3E%0D%0Asecond%3Dline"
        added = await http.post(page, FORM, body=body, follow_redirects=True)
        assert await added.text() == "<ul><li>Ada &amp; Co: &lt;script&gt;\r\nsecond=line</ul><hr>"
        assert added.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("way", ["reply", "request"])
async def test_cookies_go_out_and_come_back(way: str) -> None:
    web = App(port=0)

    @web.get("/set")
    def set_cookie(env: Request) -> object:
        if way == "reply":
            return Reply("set", cookies=[Cookie("cup", "3", httponly=True, path="/")])
        env.set_cookie("cup", "3", httponly=True)
        return "set"

    web.get("/read")(lambda env: env.cookies)
    cookie = (await asked(web, "GET", "/set")).headers["set-cookie"]
    assert cookie.startswith("cup=3; ")
    assert "HttpOnly" in cookie
    assert (await asked(web, "GET", "/read", {"cookie": cookie.partition(";")[0]})).content == b'{"cup":"3"}'


async def test_a_signed_cookie_cannot_be_made_by_a_visitor() -> None:
    web, signer = App(port=0), Signer("a secret of some length")

    @web.get("/")
    def who(env: Request) -> object:
        name = signer.unsign(env.cookies.get("who"))
        return name or (403, "nobody")

    assert (await asked(web, "GET", "/", {"cookie": f"who={signer.sign('Ada')}"})).content == b"Ada"
    assert (await asked(web, "GET", "/", {"cookie": "who=Ada"})).status == 403


async def test_a_function_that_yields_is_a_stream() -> None:
    """Each piece is there when it is made: the next one is not begun before somebody has seen the last."""
    web, seen = App(port=0), threading.Event()

    @web.get("/count")
    def count(env: Request) -> Iterator[bytes]:
        yield b"first"
        assert seen.wait(PATIENCE)
        yield b"second"

    async with served(web, "tcp") as here, here.session() as http, http.stream("GET", here.url + "/count") as answer:
        pieces = aiter(answer)
        assert await anext(pieces) == b"first"
        seen.set()
        assert await anext(pieces) == b"second"
        assert [piece async for piece in pieces] == []


async def test_a_stream_ends_where_it_is_when_its_reader_leaves() -> None:
    """The function is told by its `finally`, and what it holds is let go of."""
    web, ended = App(port=0), threading.Event()

    @web.get("/count")
    def count(env: Request) -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            ended.set()

    async with served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET /count HTTP/1.1\r\nhost: x\r\n\r\n")
        await raw.receive(1000)
        raw.reset()
        assert await asyncio.to_thread(ended.wait, PATIENCE)


async def test_files_are_cached_and_what_is_missing_is_404(tmp_path: Path) -> None:
    """With an entity tag, and for as long as it is said."""
    (tmp_path / "a.txt").write_text("text")
    web = App(port=0)
    web.get("/file/<name>")(
        lambda env, name: Deliver.file(name, root=tmp_path, inline=True, headers={"cache-control": "max-age=60"})
    )
    answer = await asked(web, "GET", "/file/a.txt")
    assert (answer.status, answer.content, answer.headers["cache-control"]) == (200, b"text", "max-age=60")
    again = await asked(web, "GET", "/file/a.txt", {"if-none-match": answer.headers["etag"]})
    assert (again.status, again.content) == (304, b"")
    assert (await asked(web, "GET", "/file/none")).status == 404


async def test_nothing_of_a_failure_is_shown_and_its_page_is_ones_own() -> None:
    web = App(port=0)

    @web.get("/fails")
    def fails(env: Request) -> str:
        raise RuntimeError("a secret")

    assert await told(web, "/fails") == [(500, "Internal Server Error")]

    @web.on_status(404, 500, 503)
    def page(env: Request, error: Exception) -> object:
        return Deliver.html("<h1>sorry", getattr(error, "status", 500))

    assert await told(web, "/fails", "/nowhere") == [(500, "<h1>sorry"), (404, "<h1>sorry")]
