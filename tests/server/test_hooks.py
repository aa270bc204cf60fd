"""Hooks and middlewares: what they see of an answer, who sees an exception, and what may be a middleware.

The order of hooks is in `test_app.py`, that of levels in `test_binding.py`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.served import PATIENCE
from toolkit import CORS, Abort, App, Deliver, RateLimit, Request, Session
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from toolkit.server.hooks import Middleware

    Handler = Callable[..., Awaitable[object]]


async def status_of(web: App, path: str = "/") -> int | None:
    async with Session(app=web) as http:
        return (await http.get(path)).status


async def test_an_after_hook_that_fails_is_a_500_if_nothing_was_sent() -> None:
    web = App(port=0)
    web.get("/")(lambda r: "x")

    @web.add_route
    async def after_middleware(r: Request) -> None:
        raise KeyError("x")

    assert await status_of(web) == 500


async def test_an_after_hook_sees_what_was_sent_and_cannot_change_it() -> None:
    web, seen = App(port=0), list[object]()

    @web.get("/")
    async def handler(r: Request) -> None:
        await Deliver.text("sent", 203)

    @web.add_route
    async def after_middleware(r: Request) -> None:
        seen.append(r.status)

    assert await status_of(web) == 203
    assert seen == [203]


async def test_an_exception_that_a_hook_waits_with_is_seen_by_that_hook_alone() -> None:
    """An exchange that is ended while an exception is handled is aborted: another task's must not count."""
    web, entered, leave = App(port=0), asyncio.Event(), asyncio.Event()
    seen: list[object] = []

    @web.get("/fails")
    async def fails(r: Request) -> None:
        raise KeyError("x")

    @web.get("/good")
    async def good(r: Request) -> None:
        await r.prepare({"content-length": "2"})
        seen.append(sys.exc_info()[1])
        await r.eof(b"ok")

    @web.add_route
    async def after_middleware(r: Request) -> None:
        if r.path == "/fails":
            entered.set()
            async with asyncio.timeout(PATIENCE):
                await leave.wait()
            seen.append(repr(sys.exc_info()[1]))

    async with asyncio.TaskGroup() as group:
        failing = group.create_task(status_of(web, "/fails"))
        async with asyncio.timeout(PATIENCE):
            await entered.wait()
        assert await status_of(web, "/good") == 200
        leave.set()
        assert await failing == 500
        assert await status_of(web, "/good") == 200
    assert seen == [None, "KeyError('x')", None]


async def test_a_routes_parameters_may_have_any_name() -> None:
    web = App(port=0)

    @web.get("/{function}/{request}")
    async def handler(r: Request, **parameters: str) -> dict[str, str]:
        return parameters

    @web.add_route
    async def before_middleware(r: Request) -> None:
        pass

    async with Session(app=web) as http:
        assert await (await http.get("/a/b")).json() == {"function": "a", "request": "b"}


# Middlewares


def noting(name: str, calls: list[str]) -> Middleware:
    """A middleware that notes when it is entered and left."""

    async def middleware(handler: Handler, r: Request) -> object:
        calls.append(f"{name}(")
        try:
            return await handler(r)
        finally:
            calls.append(f"){name}")

    return middleware


async def test_a_middleware_may_change_what_the_handler_returned() -> None:
    web = App(port=0)

    @web.middleware
    async def louder(handler: Handler, r: Request) -> object:
        value = await handler(r)
        return f"{value}!"

    @web.get("/plain/{name}")
    def plain(r: Request, name: str) -> str:
        return f"plain {name}"

    @web.get("/coroutine/{name}")
    async def coroutine(r: Request, name: str) -> str:
        return f"coroutine {name}"

    async with Session(app=web) as http:
        assert (await http.get("/plain/x")).content == b"plain x!"
        assert (await http.get("/coroutine/x")).content == b"coroutine x!"


async def test_a_middleware_may_answer_instead_of_the_handler() -> None:
    web, calls = App(port=0), list[str]()

    @web.middleware
    async def refuse(handler: Handler, r: Request) -> object:
        return 401, "who are you?"

    web.get("/")(lambda r: calls.append("handler"))
    assert await status_of(web) == 401
    assert await status_of(web, "/nowhere") == 401
    assert calls == []


async def test_what_a_handler_raises_passes_through_the_middlewares() -> None:
    web, seen = App(port=0), list[object]()

    @web.middleware
    async def outer(handler: Handler, r: Request) -> object:
        try:
            return await handler(r)
        except Abort as error:
            seen.append(error.status)
            raise

    @web.middleware
    async def inner(handler: Handler, r: Request) -> object:
        try:
            return await handler(r)
        except KeyError:
            raise Abort("gone", 410) from None

    @web.get("/")
    async def handler(r: Request) -> object:
        raise KeyError("x")

    assert await status_of(web) == 410
    assert await status_of(web, "/nowhere") == 404
    assert await status_of(web, "/nowhere") == 404
    assert seen == [410, 404, 404]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_handler_that_streams_gives_its_middlewares_none(method: str) -> None:
    """Also where HEAD ends it at its first write: that is no error to those around it."""
    web, seen = App(port=0), list[object]()

    @web.middleware
    async def around(handler: Handler, r: Request) -> object:
        value = await handler(r)
        seen.append((value, r.status))
        return value

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({"content-type": "a/b"}, 203)
        await r.write(b"ab")
        await r.write(b"c")

    async with Session(app=web) as http:
        x = await http.request(method, "/")
        assert (x.status, x.content) == (203, b"abc" if method == "GET" else b"")
    assert seen == [(None, 203)]


async def test_a_middleware_sees_a_returned_stream_unsent() -> None:
    web, seen = App(port=0), list[object]()

    @web.middleware
    async def around(handler: Handler, r: Request) -> object:
        value = await handler(r)
        seen.append((type(value).__name__, r.status))
        return value

    @web.get("/")
    async def handler(r: Request) -> AsyncIterator[bytes]:
        async def parts() -> AsyncIterator[bytes]:
            yield b"ab"

        return parts()

    async with Session(app=web) as http:
        assert (await http.get("/")).content == b"ab"
    assert seen == [("async_generator", None)]


async def test_plain_functions_may_be_middlewares() -> None:
    web, calls = App(port=0), list[str]()

    @web.middleware
    def passing(handler: Handler, r: Request) -> object:
        calls.append("passing")
        return handler(r)  # something to wait for: it is waited for

    @web.middleware
    def answering(handler: Handler, r: Request) -> object:
        return "answered" if r.path == "/answered" else handler(r)

    @web.middleware
    def delivering(handler: Handler, r: Request) -> object:
        return Deliver.text("delivered", 203) if r.path == "/delivered" else handler(r)

    web.get("/")(lambda r: "handled")
    async with Session(app=web) as http:
        for path, body in (("/", b"handled"), ("/answered", b"answered"), ("/delivered", b"delivered")):
            assert (await http.get(path)).content == body
    assert calls == ["passing"] * 3


async def test_an_object_may_be_a_middleware() -> None:
    web = App(port=0)

    class Twice:
        async def __call__(self, handler: Handler, r: Request) -> object:
            return [await handler(r), await handler(r)]

    class Once:
        def wrap(self, handler: Handler, r: Request) -> object:
            return handler(r)

    web.add_middleware(Twice())
    web.add_middleware(Once().wrap)
    web.get("/")(lambda r: "x")
    async with Session(app=web) as http:
        assert await (await http.get("/")).json() == ["x", "x"]


async def test_a_decorator_may_be_a_middleware() -> None:
    """It takes the handler alone; its wrapper is called as the handler would be, and may change the parameters."""
    web, calls = App(port=0), list[str]()

    def log_request(handler: Handler) -> Callable[..., object]:
        calls.append("decorated")

        def wrapper(request: Request, *args: object, **kwargs: object) -> object:
            calls.append(f"{request.path} {kwargs}")
            return handler(request, *args, **kwargs)

        return wrapper

    def shout(handler: Handler) -> Handler:
        async def wrapper(request: Request, id: str) -> object:
            value = await handler(request, id=id.upper())
            return f"{value}!"

        return wrapper

    @web.route("/user/:id", methods=["GET"], middlewares=[log_request, shout])
    def get_user(request: Request, id: str) -> str:
        return f"User ID: {id}"

    async with Session(app=web) as http:
        assert (await http.get("/user/ab")).content == b"User ID: AB!"
        assert (await http.get("/user/cd")).content == b"User ID: CD!"
    assert calls == ["decorated", "/user/ab {'id': 'ab'}", "/user/cd {'id': 'cd'}"]


async def test_a_decorator_that_gives_nothing_to_call_is_an_error_at_the_start() -> None:
    web = App(port=0, middlewares=[lambda handler: None])
    web.get("/")(lambda r: "x")
    with pytest.raises(UseError, match=r"the middleware .* takes a handler alone, and returned no callable"):
        await web.serve()


async def test_hooks_stand_inside_the_middlewares_of_their_level() -> None:
    calls: list[str] = []
    web = App(port=0, middlewares=[noting("m", calls)])

    @web.add_route
    async def before_middleware(r: Request) -> None:
        calls.append("before")

    @web.add_route
    async def after_middleware(r: Request) -> None:
        calls.append("after")

    web.get("/", middlewares=[noting("route", calls)])(lambda r: calls.append("handler"))
    assert await status_of(web) == 204
    assert calls == ["m(", "before", "route(", "handler", ")route", "after", ")m"]


async def test_a_route_without_anything_around_it_stays_as_it_is() -> None:
    web, tasks = App(port=0), list[object]()

    @web.get("/")
    def bare(r: Request) -> None:
        tasks.append(asyncio.current_task())

    @web.get("/around", middlewares=[noting("m", [])])
    def around(r: Request) -> None:
        tasks.append(asyncio.current_task())

    @web.add_route
    def handle_all_middleware(r: Request) -> str:
        return "all"

    assert [await status_of(web), await status_of(web, "/around"), await status_of(web, "/x")] == [204, 204, 200]
    assert tasks[0] is None  # what stands in for 404 is not around the others
    assert isinstance(tasks[1], asyncio.Task)


async def test_an_after_hook_that_fails_keeps_no_other_from_running() -> None:
    web, ran = App(port=0), list[str]()
    web.get("/")(lambda r: "x")

    @web.add_route
    def first_after_middleware(r: Request) -> None:
        ran.append("first")
        raise KeyError("x")

    @web.add_route
    async def second_after_middleware(r: Request) -> None:
        ran.append("second")

    assert await status_of(web) == 500
    assert ran == ["first", "second"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("cors", "'c': expected a function"),
        (CORS(), "expected a list"),
        ([CORS], r"CORS is a class; expected an object of it, CORS\(\.\.\.\)"),
        ([RateLimit], "RateLimit is a class"),
        (["cors"], "'cors': expected a function of a handler and a request"),
    ],
)
def test_what_would_fail_at_each_request_is_refused_when_it_is_given(given: list[Any], why: str) -> None:
    with pytest.raises(UseError, match=why):
        _ = App(middlewares=given)
    with pytest.raises(UseError, match=why):
        App().group("/x", middlewares=given)
    with pytest.raises(UseError, match=why):
        App().add_route("/x", CORS(), middlewares=given)
