"""Hooks behind a handler: what they see of its answer, and who sees its exception. Their order is in `test_app.py`."""

from __future__ import annotations

import asyncio
import sys

from tests.helpers.served import PATIENCE
from toolkit import App, Deliver, Request, Session


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
