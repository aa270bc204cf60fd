"""Heads and whole answers as bytes: what each method, status and version makes of the same answer."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.helpers.served import PATIENCE, served
from toolkit import App, Request, UseError

DATE = re.compile(rb"date: [^\r]+ GMT\r\n")


async def answered(request: bytes, web: App) -> bytes:
    """All that comes back on a connection that the peer half-closes, the date taken out."""
    async with asyncio.timeout(PATIENCE), served(web) as here:
        raw = await here.raw()
        await raw.send(request)
        await raw.eof()
        return DATE.sub(b"", await raw.rest())


def request(method: str = "GET", version: str = "1.1", more: str = "") -> bytes:
    return f"{method} / HTTP/{version}\r\nhost: a\r\n{more}\r\n".encode()


@pytest.mark.parametrize(
    ("method", "status", "body", "expected"),
    [
        ("GET", 200, b"ab", b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("GET", 200, b"", b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n"),
        ("GET", 404, b"ab", b"HTTP/1.1 404 Not Found\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("GET", 205, b"", b"HTTP/1.1 205 Reset Content\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n"),
        # RFC 9110 8.6: HEAD has GET's length and no body; RFC 9110 15.3.5: 204 has neither.
        ("HEAD", 200, b"ab", b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\n"),
        ("GET", 204, b"", b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n"),
        ("GET", 204, b"ab", b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n"),
        ("GET", 304, b"", b"HTTP/1.1 304 Not Modified\r\nx-a: 1\r\n\r\n"),
        ("GET", 304, b"ab", b"HTTP/1.1 304 Not Modified\r\nx-a: 1\r\ncontent-length: 2\r\n\r\n"),
    ],
)
async def test_whole_answers(method: str, status: int, body: bytes, expected: bytes) -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        r.answer(status, [(b"x-a", b"1")], body)

    assert await answered(request(method), web) == expected


@pytest.mark.parametrize(
    ("method", "version", "status", "headers", "expected"),
    [
        ("GET", "1.1", 200, {}, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        ("GET", "1.1", 200, {"content-length": "2"}, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"),
        # RFC 9112 6.1: no transfer coding for HTTP/1.0; the body ends with the connection.
        ("GET", "1.0", 200, {}, b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab"),
        (
            "GET",
            "1.0",
            200,
            {"content-length": "2"},
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab",
        ),
        ("HEAD", "1.1", 200, {}, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("HEAD", "1.1", 200, {"content-length": "2"}, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
        ("GET", "1.1", 204, {}, b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "1.1", 304, {"content-length": "2"}, b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n"),
    ],
)
async def test_streamed_answers(
    method: str, version: str, status: int, headers: dict[str, str], expected: bytes
) -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare(headers, status)
        await r.write(b"ab")

    assert await answered(request(method, version), web) == expected


async def test_interim_answers_go_first() -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        await r.inform(103, {"link": "</a>"})
        return "x"

    seen = await answered(request(), web)
    assert seen.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"connection": "close"}, [b"connection: close"]),
        ({"Connection": "Close, x-a"}, [b"Connection: x-a", b"connection: close"]),
        ({"connection": "keep-alive"}, []),  # what HTTP/1.1 does anyway
        ({"connection": "x-a"}, [b"connection: x-a"]),
        ({"date": "mine"}, [b"date: mine"]),
    ],
)
async def test_an_applications_own_words(given: dict[str, str], said: list[bytes]) -> None:
    web = App(port=0)
    web.get("/")(lambda r: (200, None, given))
    lines = (await answered(request(), web)).split(b"\r\n")
    assert [line for line in lines if line.lower().startswith((b"connection", b"date"))] == said


# -- fields that all answers have in common --------------------------------------------------------------------


def common_application() -> App:
    web = App(headers={"Server": "mine", "x-a": ["1", "2"]})

    @web.get("/")
    def plain(r: Request) -> dict[str, int]:
        return {"a": 1}

    @web.get("/own")
    def own(r: Request) -> object:
        return 200, "x", {"X-A": "own"}

    @web.get("/dated")
    def dated(r: Request) -> object:
        return 200, "x", {"date": "Sun, 06 Nov 1994 08:49:37 GMT"}

    @web.get("/streamed")
    async def streamed(r: Request) -> None:
        await r.prepare({"content-length": 1})
        await r.write(b"x")

    @web.get("/added")
    def added(r: Request) -> str:
        r.add_header("server", "other")
        return "x"

    @web.get("/failed")
    def failed(r: Request) -> None:
        raise ValueError

    return web


@pytest.mark.parametrize(
    ("asked", "server", "own"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"1", b"2"]),
        (b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"1", b"2"]),
        (b"GET /own HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"own"]),
        (b"GET /dated HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"1", b"2"]),
        (b"GET /streamed HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"1", b"2"]),
        (b"GET /added HTTP/1.1\r\nhost: a\r\n\r\n", [b"other"], [b"1", b"2"]),
        (b"GET /failed HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"1", b"2"]),
        (b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"1", b"2"]),
        (b"PUT / HTTP/1.1\r\nhost: a\r\n\r\n", [b"mine"], [b"1", b"2"]),
        (b"nonsense\r\n\r\n", [b"mine"], [b"1", b"2"]),
    ],
)
async def test_fields_in_common_are_on_every_answer_unless_it_has_its_own(
    asked: bytes, server: list[bytes], own: list[bytes]
) -> None:
    async with asyncio.timeout(PATIENCE), served(common_application()) as here:
        raw = await here.raw()
        await raw.send(asked)
        await raw.eof()
        head = (await raw.rest()).partition(b"\r\n\r\n")[0] + b"\r\n"
    assert re.findall(rb"\r\nserver: ([^\r]*)", head, re.IGNORECASE) == server
    assert re.findall(rb"\r\nx-a: ([^\r]*)", head, re.IGNORECASE) == own
    assert len(re.findall(rb"\r\ndate: ", head)) == 1


async def test_without_any_nothing_is_said_of_the_server() -> None:
    web = App()
    web.get("/")(lambda r: "x")
    assert b"server" not in (await answered(request(), web)).lower()


@pytest.mark.parametrize("name", ["content-type", "Content-Length", "date", "connection", "transfer-encoding"])
def test_what_only_one_answer_can_say_is_nothing_in_common(name: str) -> None:
    with pytest.raises(UseError, match="in common"):
        _ = App(headers={name: "x"})
