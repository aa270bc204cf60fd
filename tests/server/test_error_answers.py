"""What is raised becomes an answer: by the application's own handlers, or by a page that tells no more than is due."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import served
from toolkit import Abort, App, Deliver, Reply, Request, Session
from toolkit.errors import LimitExceeded, UseError
from toolkit.server.abort import MethodNotAllowed, NotFound, TooManyRequests
from toolkit.server.error_answers import ErrorHandlers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SECRET = "s3cr3t-in-an-exception"


class OddError(ValueError):
    """One below ValueError."""


def failing(error: Exception, kind: str) -> Callable[[Request], object]:
    def plain(r: Request) -> object:
        raise error

    async def coroutine(r: Request) -> object:
        await asyncio.sleep(0)
        raise error

    return plain if kind == "plain" else coroutine


KINDS = pytest.mark.parametrize("kind", ["plain", "coroutine"])


# What production says


@KINDS
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
async def test_nothing_of_an_exception_leaves_in_production(
    kind: str, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    web = App(port=0)
    web.get("/")(failing(OddError(SECRET), kind))
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(
            f"GET /?q={SECRET[:3]} HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\nconnection: close\r\n\r\n".encode()
        )
        everything = await raw.rest()
    assert everything.startswith(b"HTTP/1.1 500 ")
    for word in (SECRET, "OddError", "Traceback", __file__, "test_error_answers", "raise "):
        assert word.encode() not in everything
    assert SECRET in caplog.text  # the log has it


@KINDS
@pytest.mark.parametrize(
    ("accept", "start"),
    [("*/*", "GET /x\n\nTraceback"), ("text/html", "<!doctype html>"), ("application/json", '{"type":"about:blank"')],
)
async def test_development_shows_the_traceback(
    kind: str, accept: str, start: str, caplog: pytest.LogCaptureFixture
) -> None:
    web = App(port=0, debug=True)
    web.get("/x")(failing(OddError(SECRET), kind))
    web.get("/abort")(failing(Abort("no", 500), kind))
    async with Session(app=web) as http:
        x = await http.get("/x", {"accept": accept})
        assert x.status == 500
        text = await x.text()
        assert text.startswith(start)
        assert SECRET in text
        assert "Traceback" in text
        assert "Traceback" not in await (await http.get("/abort", {"accept": accept})).text()
    assert SECRET in caplog.text


async def test_what_the_server_itself_says_goes_by_accept_too() -> None:
    web = App(port=0)
    web.post("/")(lambda r: "x")
    async with Session(app=web) as http:
        x = await http.get("/nowhere", {"accept": "application/json"})
        assert (x.status, x.content_type, x.headers["vary"]) == (404, "application/problem+json", "accept")
        assert await x.json() == {"type": "about:blank", "title": "Not Found", "status": 404}
        x = await http.get("/", {"accept": "text/html"})
        assert (x.status, x.headers["allow"]) == (405, "OPTIONS, POST")
        assert x.content.startswith(b"<!doctype html>")
        assert (await http.get("/nowhere")).content == b"Not Found"
        x = await http.request("HEAD", "/nowhere", {"accept": "application/json"})
        assert (x.status, x.content_type, x.content) == (404, "application/problem+json", b"")


async def test_a_message_that_is_not_an_error_or_has_its_own_type_is_sent_as_it_is() -> None:
    web = App(port=0)
    web.get("/a")(failing(Abort("<x>", 200), "plain"))
    web.get("/b")(failing(Abort("<x>", 404, {"content-type": "a/b"}), "plain"))
    web.get("/c")(failing(Abort("", 404), "plain"))
    async with Session(app=web) as http:
        seen = [await http.get(path, {"accept": "text/html"}) for path in ("/a", "/b", "/c")]
    assert [(x.status, x.content_type, x.content) for x in seen] == [
        (200, "text/plain; charset=utf-8", b"<x>"),
        (404, "a/b", b"<x>"),
        (404, "", b""),
    ]


# Handlers by class and status


@KINDS
@pytest.mark.parametrize("waits", [False, True])
async def test_the_most_specific_class_counts_then_the_status(kind: str, waits: bool) -> None:
    web = App(port=0)

    def answering(name: str) -> Callable[[Request, Exception], object]:
        def plain(r: Request, error: Exception) -> object:
            return f"{name}: {type(error).__name__}"

        async def coroutine(r: Request, error: Exception) -> object:
            await asyncio.sleep(0)
            return plain(r, error)

        return coroutine if waits else plain

    web.on_error(ValueError, LookupError)(answering("value or lookup"))
    web.on_error(OddError)(answering("odd"))
    web.on_error(NotFound)(answering("not found"))
    web.on_status(404, 418)(answering("status"))
    errors = {
        "/value": (ValueError(1), 500, b"value or lookup: ValueError"),
        "/odd": (OddError(1), 500, b"odd: OddError"),
        "/key": (KeyError(1), 500, b"value or lookup: KeyError"),
        "/missing": (NotFound(), 404, b"not found: NotFound"),
        "/404": (Abort("x", 404), 404, b"status: Abort"),
        "/418": (Abort("x", 418), 418, b"status: Abort"),
        "/409": (Abort("x", 409), 409, b"x"),
    }
    for path, (error, _, _) in errors.items():
        web.get(path)(failing(error, kind))
    async with Session(app=web) as http:
        for path, (_, status, body) in errors.items():
            x = await http.get(path)
            assert (path, x.status, x.content) == (path, status, body)
        x = await http.get("/nowhere")
        assert (x.status, x.content) == (404, b"not found: NotFound")


async def parts() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


@KINDS
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ("x", 429, b"x"),
        ({"a": 1}, 429, b'{"a":1}'),
        (None, 429, b"slow down"),  # the usual page
        ((202, "x"), 202, b"x"),
        ((200, "x"), 200, b"x"),
        ((200, Deliver.text("x")), 200, b"x"),
        (Deliver.text("x"), 429, b"x"),  # a page with status 200 would be kept by caches for what was asked for
        (Deliver.file(__file__), 429, Path(__file__).read_bytes()),
        (Reply("x"), 429, b"x"),
        (Deliver.text("x", 429), 429, b"x"),
        ((429, "x", {"retry-after": "9"}), 429, b"x"),
        ("stream", 429, b"ab"),
    ],
)
async def test_what_an_error_handler_may_return(
    kind: str, waits: bool, value: object, status: int, body: bytes
) -> None:
    web = App(port=0)

    def plain(r: Request, error: Exception) -> object:
        return parts() if value == "stream" else value

    async def coroutine(r: Request, error: Exception) -> object:
        await asyncio.sleep(0)
        return plain(r, error)

    web.on_error(TooManyRequests)(coroutine if waits else plain)
    web.get("/")(failing(TooManyRequests("slow down", retry_after=3), kind))
    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.content) == (status, body)
        # What the error itself had to say stays, unless another status is said, or another value.
        after = None if status != 429 else "9" if isinstance(value, tuple) else "3"
        assert x.headers.get("retry-after") == after


async def test_the_allow_field_of_405_stays() -> None:
    """RFC 9110 15.5.6."""
    web = App(port=0)
    web.put("/")(lambda r: "x")
    web.on_status(405)(lambda r, error: {"error": error.message})
    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.headers["allow"], await x.json()) == (
            405,
            "OPTIONS, PUT",
            {"error": "Method Not Allowed"},
        )


@KINDS
@pytest.mark.parametrize("waits", [False, True])
async def test_one_that_fails_itself_gives_a_plain_500(
    kind: str, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    web, calls = App(port=0), list[str]()

    def plain(r: Request, error: Exception) -> object:
        calls.append(type(error).__name__)
        raise KeyError(SECRET)

    async def coroutine(r: Request, error: Exception) -> object:
        await asyncio.sleep(0)
        return plain(r, error)

    web.on_error(Exception)(coroutine if waits else plain)
    web.get("/")(failing(ValueError(1), kind))
    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.content) == (500, b"Internal Server Error")
    assert calls == ["ValueError"]  # it is not asked about its own failure
    assert SECRET in caplog.text


@KINDS
async def test_one_may_raise_an_abort_of_its_own(kind: str) -> None:
    web = App(port=0)

    @web.on_error(LookupError)
    def missing(r: Request, error: Exception) -> object:
        raise NotFound(f"no {error}")

    web.get("/")(failing(KeyError("x"), kind))
    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.content) == (404, b"no 'x'")


@pytest.mark.parametrize("waits", [False, True])
async def test_one_may_answer_by_itself(waits: bool) -> None:
    web = App(port=0)

    @web.on_error(ValueError)
    async def streamed(r: Request, error: Exception) -> None:
        await r.prepare({"x-a": "b"}, 418)
        await r.write(b"short ")
        await r.eof(b"and stout")

    @web.on_error(KeyError)
    async def delivered(r: Request, error: Exception) -> None:
        await Deliver.text("known", 418)

    web.get("/value")(failing(ValueError(1), "coroutine" if waits else "plain"))
    web.get("/key")(failing(KeyError(1), "coroutine" if waits else "plain"))
    async with Session(app=web) as http:
        assert (await http.get("/value")).content == b"short and stout"
        assert (await http.get("/key")).content == b"known"


async def test_what_a_class_has_a_handler_for_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    web = App(port=0)
    web.on_error(ValueError)(lambda r, error: "known")
    web.on_status(500)(lambda r, error: "sorry")
    web.get("/known")(failing(ValueError(1), "plain"))
    web.get("/unknown")(failing(KeyError(1), "plain"))
    with caplog.at_level(logging.ERROR, "toolkit.server"):
        async with Session(app=web) as http:
            assert (await http.get("/known")).content == b"known"
            assert not caplog.records
            assert (await http.get("/unknown")).content == b"sorry"
            assert len(caplog.records) == 1


async def test_a_body_that_is_too_large_is_told_in_the_form_that_was_asked_for() -> None:
    web = App(port=0)

    @web.post("/")
    async def handler(r: Request) -> object:
        return len(await r.read(limit=3))

    @web.on_error(LimitExceeded)
    async def large(r: Request, error: LimitExceeded) -> object:
        return {"large": error.fault}

    async with Session(app=web) as http:
        x = await http.post("/", body=b"abcd")
        assert x.status == 413
        assert "over 3 bytes" in json.loads(x.content)["large"]


async def test_the_body_is_still_there_for_an_error_handler_that_waits() -> None:
    web, began = App(port=0), asyncio.Event()

    @web.post("/")
    def handler(r: Request) -> object:
        raise ValueError(1)

    @web.on_error(ValueError)
    async def late(r: Request, error: Exception) -> object:
        began.set()
        return (await r.text()).upper()

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n")
        await began.wait()
        await raw.send(b"abcGET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n")
        first, second = await read_answer(raw), await read_answer(raw)
        assert (first.status, first.body, second.status) == (500, b"ABC", 404)


async def test_behind_the_head_the_answer_is_broken_off_and_no_handler_is_asked() -> None:
    web, asked = App(port=0), list[Exception]()
    web.on_error(Exception)(lambda r, error: asked.append(error))

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "10"})
        await r.write(b"abc")
        raise ValueError(1)

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await raw.rest()).endswith(b"abc")
    assert asked == []


def test_handlers_are_registered_once_and_for_what_can_be_raised() -> None:
    handlers = ErrorHandlers()
    handlers.add_class(ValueError, print)
    handlers.add_status(404, print)
    for bad in (int, BaseException, "ValueError", ValueError(1)):
        with pytest.raises(UseError, match="expected a class of exceptions"):
            handlers.add_class(bad, print)  # type: ignore[arg-type]
    for status in (200, 304, 600, "404"):
        with pytest.raises(UseError, match="expected the status of an error"):
            handlers.add_status(status, print)  # type: ignore[arg-type]
    with pytest.raises(UseError, match="handles it already"):
        handlers.add_class(ValueError, print)
    with pytest.raises(UseError, match="handles it already"):
        handlers.add_status(404, print)
    assert handlers.for_class(OddError()) is print
    assert handlers.for_class(MethodNotAllowed([])) is None
    assert handlers.for_status(405) is None


async def test_a_mounted_application_has_handlers_of_its_own_and_those_outside() -> None:
    web, inner = App(port=0), App(port=0)
    inner.on_error(KeyError)(lambda r, error: "inner key")
    inner.on_status(404)(lambda r, error: "inner 404")
    web.on_error(LookupError)(lambda r, error: "outer lookup")
    web.on_error(ValueError)(lambda r, error: "outer value")
    inner.get("/key")(failing(KeyError(1), "plain"))
    inner.get("/index")(failing(IndexError(1), "plain"))
    inner.get("/value")(failing(ValueError(1), "coroutine"))
    web.get("/key")(failing(KeyError(1), "plain"))
    web.mount("/in", inner)
    async with Session(app=web) as http:
        seen = [
            (await http.get(path)).content for path in ("/in/key", "/in/index", "/in/value", "/in/no", "/key", "/no")
        ]
    assert seen == [b"inner key", b"outer lookup", b"outer value", b"inner 404", b"outer lookup", b"Not Found"]


@KINDS
async def test_what_a_middleware_raises_goes_the_same_way(kind: str) -> None:
    web = App(port=0)
    web.get("/")(failing(KeyError("x"), kind))
    web.on_error(KeyError)(lambda r, error: "known")

    @web.middleware
    async def around(handler: Callable[[Request], object], r: Request) -> object:
        r.add_header("x-around", "1")
        return await handler(r)  # type: ignore[misc]

    async with Session(app=web) as http:
        for path, status, body in (("/", 500, b"known"), ("/nowhere", 404, b"Not Found")):
            x = await http.get(path)
            assert (x.status, x.content, x.headers["x-around"]) == (status, body, "1")


@pytest.mark.parametrize("given", [(), ("404",), (len,)])
def test_a_decorator_that_does_not_say_for_what_is_refused_at_once(given: tuple[Any, ...]) -> None:
    with pytest.raises(UseError, match=r"^on_error.*such as @web\.on_error\(ValueError\)"):
        App().on_error(*given)
    with pytest.raises(UseError, match=r"^on_status.*such as @web\.on_status\(404\)"):
        App().on_status(*given)


# Answers that are no JSON


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (Decimal(1), "Type is not JSON serializable: decimal.Decimal"),
        ({(1, 2): "x"}, "Dict key must be str"),
        (2**70, "Integer exceeds 64-bit range"),
        ("\ud800", "str is not valid UTF-8"),
    ],
)
@pytest.mark.parametrize("kind", ["returned", "in a task", "by Deliver", "in a tuple"])
async def test_a_value_that_is_no_json_is_told_with_its_route(
    kind: str, value: object, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    web = App(debug=True)

    @web.get("/sums/{id}", thread=kind == "in a task")
    def sums(r: Request, id: str) -> object:
        if kind == "by Deliver":
            return Deliver.json([value])
        return (200, [value]) if kind == "in a tuple" else [value]

    async with Session(app=web) as http:
        answer = await http.get("/sums/3")
    assert answer.status == 500
    for told in (caplog.text, answer.content.decode()):
        assert why in told
        assert "the answer of test_a_value_that_is_no_json_is_told_with_its_route.<locals>.sums (" in told
        assert "the route /sums/{id}, cannot be written as JSON, which has dicts with str keys, lists" in told


async def test_a_handlers_own_errors_of_json_are_its_own(caplog: pytest.LogCaptureFixture) -> None:
    web = App()

    @web.get("/own")
    def own(r: Request) -> object:
        return orjson.dumps(Decimal(1))

    @web.get("/other")
    def other(r: Request) -> object:
        raise TypeError("Type is not JSON serializable, says somebody else")

    async with Session(app=web) as http:
        assert [(await http.get(path)).status for path in ("/own", "/other")] == [500, 500]
    assert "cannot be written as JSON" not in caplog.text
