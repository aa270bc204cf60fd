"""Fields and cookies that wait for whatever head the request's answer gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import served
from toolkit import Abort, App, Deliver, Request, Session
from toolkit.errors import LocalProtocolError, UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


async def stream() -> AsyncIterator[bytes]:
    yield b"x"


async def prepared(r: Request) -> None:
    await r.prepare({"x-own": "1"})
    await r.write(b"x")


async def failing(r: Request) -> None:
    raise KeyError("secret")


async def aborting(r: Request) -> None:
    raise Abort("no", 409, {"x-own": "1"})


async def switched(r: Request) -> None:
    await r.upgrade()


async def value(r: Request, what: object) -> object:
    return what


ANSWERS: list[tuple[str, Callable[[Request], object], int]] = [
    ("dict", lambda r: {"a": 1}, 200),
    ("list", lambda r: [1], 200),
    ("text", lambda r: "x", 200),
    ("None", lambda r: None, 204),
    ("tuple", lambda r: (201, b"x", {"x-own": "1"}), 201),
    ("not modified", lambda r: (304, None), 304),
    ("Deliver", lambda r: Deliver.html("<p>"), 200),
    ("awaited", lambda r: value(r, "x"), 200),
    ("stream", lambda r: stream(), 200),
    ("prepared", prepared, 200),
    ("Abort", aborting, 409),
    ("failure", failing, 500),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("name", "handler", "status"), ANSWERS, ids=[name for name, _, _ in ANSWERS])
async def test_they_go_out_with_every_kind_of_head(
    name: str, handler: Callable[[Request], object], status: int, method: str
) -> None:
    web = App(port=0)

    @web.get("/")
    def added(r: Request) -> object:
        r.add_header("x-added", 1)
        r.add_header("x-added", "2")
        r.set_cookie("a", "b")
        return handler(r)

    web.get("/plain")(lambda r: {"a": 1})
    async with Session(app=web) as http:
        x = await http.request(method, "/")
        assert x.status == status
        assert x.headers.get_all("x-added") == ["1", "2"]
        assert x.headers.get_all("set-cookie") == ["a=b; Path=/; SameSite=Lax"]
        plain = await http.get("/plain")  # the next exchange, perhaps on the same connection, has none of it
        assert "x-added" not in plain.headers
        assert plain.content_type == "application/json"


async def test_an_upgrade_has_them_and_an_interim_answer_has_not() -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        r.add_header("x-added", "1")
        await r.inform(103, {"link": "</a>"})
        await r.upgrade()

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
        head = await raw.until(b"\r\n\r\n")
        assert (head.startswith(b"HTTP/1.1 103 "), b"x-added" in head) == (True, False)
        head = await raw.until(b"\r\n\r\n")
        assert (head.startswith(b"HTTP/1.1 101 "), b"x-added: 1\r\n" in head) == (True, True)


async def test_404_and_405_have_what_a_hook_added() -> None:
    web = App(port=0)
    web.post("/")(lambda r: "x")

    @web.add_route
    async def before_middleware(r: Request) -> None:
        r.add_header("x-added", "1")

    async with Session(app=web) as http:
        assert (await http.get("/nowhere")).headers["x-added"] == "1"


@pytest.mark.parametrize(
    "line", [b"x-added: a b\r\n", "x-added:a b", b"x-added: a b", "x-added: a b\r\n", b"X-Added:\ta b "]
)
async def test_a_line_may_be_added_as_it_stands_on_the_wire(line: object) -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        r += line
        return "x"

    async with Session(app=web) as http:
        assert (await http.get("/")).headers["x-added"] == "a b"


async def caught(call: Callable[[Request], object]) -> Exception | None:
    web, seen = App(port=0), list[Exception]()

    @web.get("/")
    async def handler(r: Request) -> str:
        try:
            call(r)
        except Exception as error:
            seen.append(error)
        return "x"

    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.content) == (200, b"x")
        assert "x-bad" not in x.headers
    return seen[0] if seen else None


@pytest.mark.parametrize(
    ("name", "value"), [("x-bad", "a\r\nb"), ("x-bad", "a\0"), ("x bad", "a"), ("x-bad", "\u20ac")]
)
async def test_a_bad_field_is_refused_when_it_is_added(name: str, value: str) -> None:
    assert isinstance(await caught(lambda r: r.add_header(name, value)), LocalProtocolError)


@pytest.mark.parametrize("name", ["content-type", "Content-Length", "content-encoding", "Transfer-Encoding", "trailer"])
async def test_what_describes_the_body_belongs_to_the_answer(name: str) -> None:
    error = await caught(lambda r: r.add_header(name, "1"))
    assert isinstance(error, UseError)
    assert "describes the body" in str(error)


@pytest.mark.parametrize("line", [b"x-bad", "x-bad", 1, None])
async def test_what_is_no_line_is_refused(line: object) -> None:
    assert isinstance(await caught(lambda r: r.__iadd__(line)), UseError)


async def test_after_the_head_is_too_late() -> None:
    web, seen = App(port=0), list[str]()

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare()
        calls: list[Callable[[], None]] = [
            lambda: r.add_header("a", "b"),
            lambda: r.set_cookie("a", "b"),
            lambda: r.delete_cookie("a"),
        ]
        for call in calls:
            with pytest.raises(UseError, match="after the answer's head was sent") as raised:
                call()
            seen.append(str(raised.value))

    async with Session(app=web) as http:
        assert (await http.get("/")).status == 200
    assert len(seen) == 3


async def test_a_cookie_replaces_its_like_and_no_other() -> None:
    """RFC 6265bis 4.1: one Set-Cookie for each name, domain and path."""
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        r.set_cookie("a", "1")
        r.set_cookie("a", "2", max_age=60, httponly=True)
        r.set_cookie("a", "3", path="/x")
        r.set_cookie("b", "4", samesite=None)
        r.delete_cookie("b")
        r.delete_cookie("__Host-c", secure=True)
        return "x"

    async with Session(app=web) as http:
        assert (await http.get("/")).headers.get_all("set-cookie") == [
            "a=2; Max-Age=60; Path=/; HttpOnly; SameSite=Lax",
            "a=3; Path=/x; SameSite=Lax",
            "b=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
            "__Host-c=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure",
        ]


async def test_cookies_that_came() -> None:
    web, seen = App(port=0), list[object]()

    @web.get("/")
    async def handler(r: Request) -> str:
        seen.append((r.cookies, r.cookies is r.cookies))
        return "x"

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\ncookie: a=1; b=2\r\nCookie: a=3; c=4\r\n\r\n")
        assert (await read_answer(raw)).status == 200
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await read_answer(raw)).status == 200
    assert seen == [({"a": "1", "b": "2", "c": "4"}, True), ({}, True)]
