"""The current request: one for each task that serves, known to the tasks it starts."""

from __future__ import annotations

import asyncio

import pytest

from toolkit import App, Deliver, Request, Session
from toolkit.errors import UseError
from toolkit.server.current import CURRENT, current_request


def test_outside_a_handler_there_is_none() -> None:
    with pytest.raises(UseError, match="no request is being served by this task; call it inside a handler"):
        current_request()


async def test_handlers_and_the_tasks_they_start_know_their_own() -> None:
    web, seen = App(port=0), list[bool]()
    meeting = asyncio.Barrier(3)

    async def deeper(r: Request) -> None:
        await meeting.wait()
        seen.append(current_request() is r)

    @web.get("/{number}")
    async def handler(r: Request, number: str) -> str:
        await asyncio.create_task(deeper(r))
        seen.append(current_request() is r)
        return number

    async with asyncio.timeout(10), Session(app=web) as http:

        async def ask(number: int) -> bytes:
            answer = await http.get(f"/{number}")
            return answer.content

        assert await asyncio.gather(*[ask(number) for number in range(3)]) == [b"0", b"1", b"2"]
    assert seen == [True] * 6


@pytest.mark.parametrize("fails", [False, True])
async def test_a_plain_function_leaves_nothing_behind(fails: bool) -> None:
    web, seen = App(port=0), list[bool]()

    @web.get("/")
    def handler(r: Request) -> str:
        seen.append(current_request() is r)
        if fails:
            raise KeyError("x")
        return "x"

    connection = web.new_connection()
    async with Session(app=web) as http:
        assert (await http.get("/")).status == (500 if fails else 200)
    assert seen == [True]
    assert CURRENT.get() is None
    del connection


async def test_tasks_that_a_plain_function_starts_inherit_its_request() -> None:
    web, seen = App(port=0), list[bool]()

    @web.get("/")
    def handler(r: Request) -> object:
        async def deliver() -> None:
            seen.append(current_request() is r)
            await Deliver.json([1])

        return asyncio.get_running_loop().create_task(deliver())

    async with Session(app=web) as http:
        assert await (await http.get("/")).json() == [1]
    assert seen == [True]
