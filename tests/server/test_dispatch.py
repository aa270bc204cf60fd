"""From a request to its answer: what a handler returned or raised, and when it is a task."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import PATIENCE, served
from toolkit import Abort, App, Request, Session
from toolkit.errors import Disconnected, LimitExceeded, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable


async def told(web: App, path: str = "/", method: str = "GET") -> tuple[int | None, str, bytes]:
    async with Session(app=web) as http:
        x = await http.request(method, path)
        return x.status, x.content_type, x.content


class Body:
    """An async iterable that knows what became of it."""

    def __init__(self) -> None:
        self.began = False
        self.closed = False

    async def parts(self) -> AsyncIterator[bytes]:
        try:
            self.began = True
            yield b"ab"
            yield b"c"
        finally:
            self.closed = True


# Kinds of handlers


async def test_a_plain_function_is_called_at_once_without_a_task() -> None:
    web, tasks = App(port=0), list[object]()

    @web.get("/plain")
    def plain(r: Request) -> str:
        tasks.append(asyncio.current_task())
        return "x"

    @web.get("/coroutine")
    async def coroutine(r: Request) -> str:
        tasks.append(asyncio.current_task())
        return "x"

    for path in ("/plain", "/coroutine"):
        assert await told(web, path) == (200, "text/plain; charset=utf-8", b"x")
    assert tasks[0] is None
    assert isinstance(tasks[1], asyncio.Task)


async def test_a_plain_function_may_give_something_to_wait_for() -> None:
    web = App(port=0)

    async def later(value: str) -> object:
        await asyncio.sleep(0)
        return value

    @web.get("/coroutine")
    def coroutine(r: Request) -> Awaitable[object]:
        return later("x")

    @web.get("/task")
    def task(r: Request) -> Awaitable[object]:
        return asyncio.ensure_future(later("x"))

    @web.get("/lambda/{name}")
    def parameters(r: Request, name: str) -> Awaitable[object]:
        return later(name)

    for path in ("/coroutine", "/task", "/lambda/x"):
        assert (await told(web, path))[2] == b"x"


@pytest.mark.parametrize("plain", [False, True])
async def test_a_returned_stream_is_sent_as_it_comes(plain: bool) -> None:
    web, body = App(port=0), Body()

    async def handler(r: Request) -> object:
        return 201, body.parts(), {"content-type": "a/b"}

    def function(r: Request) -> object:
        return 201, body.parts(), {"content-type": "a/b"}

    web.get("/")(function if plain else handler)
    assert await told(web) == (201, "a/b", b"abc")
    assert body.closed


async def test_a_returned_stream_without_fields_is_bytes() -> None:
    web, body = App(port=0), Body()

    @web.get("/")
    async def handler(r: Request) -> object:
        return body.parts()

    assert await told(web) == (200, "application/octet-stream", b"abc")


async def test_head_closes_a_returned_stream_unread() -> None:
    web, body = App(port=0), Body()

    @web.get("/")
    async def handler(r: Request) -> object:
        return body.parts()

    assert await told(web, method="HEAD") == (200, "application/octet-stream", b"")
    assert not body.began


# What is raised


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "body", "logged"),
    [
        (KeyError("secret"), 500, b"Internal Server Error", True),
        (Abort("no", 409), 409, b"no", False),
        (RemoteProtocolError("bad part", 422), 422, b"Unprocessable Content: bad part", False),
        (LimitExceeded("too much"), 413, b"Content Too Large: too much", False),
        (ExceptionGroup("several", [KeyError("secret")]), 500, b"Internal Server Error", True),
        (TimeoutError("slow"), 500, b"Internal Server Error", True),
    ],
)
async def test_raised_before_the_head(
    plain: bool, error: Exception, status: int, body: bytes, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    web = App(port=0)

    async def handler(r: Request) -> None:
        raise error

    def function(r: Request) -> None:
        raise error

    web.get("/")(function if plain else handler)
    with caplog.at_level(logging.ERROR, "toolkit.server"):
        seen = await told(web, "/")
    assert (seen[0], seen[2]) == (status, body)
    assert [record.getMessage() for record in caplog.records] == (["GET '/' failed"] if logged else [])


async def test_what_is_logged_of_a_target_is_ascii(caplog: pytest.LogCaptureFixture) -> None:
    web = App(port=0)

    @web.add_route
    async def handle_all_middleware(r: Request) -> None:
        raise KeyError("x")

    await told(web, "/%0d%0a?x")
    assert all(record.getMessage().isascii() and "\n" not in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("plain", [False, True])
async def test_a_value_of_no_kind_is_a_500(plain: bool, caplog: pytest.LogCaptureFixture) -> None:
    web = App(port=0)

    async def handler(r: Request) -> object:
        return 17

    def function(r: Request) -> object:
        return 17

    web.get("/")(function if plain else handler)
    assert (await told(web))[0] == 500
    assert "a handler returned int" in str(caplog.records[0].exc_info)


async def test_raised_after_the_head_the_answer_is_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({})
        await r.write(b"part")
        raise KeyError("x")

    async with served(web, "tcp") as here, here.session() as http:
        with pytest.raises(Disconnected):
            _ = await http.get(here.url)


# Cancelled


async def test_a_handler_that_cancels_itself_is_not_the_peers_doing(caplog: pytest.LogCaptureFixture) -> None:
    web, seen = App(port=0), list[Request]()

    @web.get("/")
    async def handler(r: Request) -> None:
        seen.append(r)
        raise asyncio.CancelledError

    async with asyncio.timeout(PATIENCE):
        assert (await told(web))[0] == 500
    assert seen[0].cancelled_by is None
    assert "the handler awaited something that was cancelled" in str(caplog.records[0].exc_info)


async def test_a_handlers_own_timeouts_and_groups_work() -> None:
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> str:
        try:
            async with asyncio.timeout(0):
                await r.disconnected()
        except TimeoutError:
            pass
        async with asyncio.TaskGroup() as group:
            one = group.create_task(asyncio.sleep(0, "grouped"))
        return one.result()

    assert (await told(web))[2] == b"grouped"
