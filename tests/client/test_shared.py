"""The session of those who have none: on every loop, and gone with it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, Request, run
from toolkit.client.shared import SharedSession
from toolkit.protocol.aio.loop import loop_factory

if TYPE_CHECKING:
    from collections.abc import Callable


def hello() -> App:
    web = App(port=0)

    @web.get("/")
    def say(r: Request) -> str:
        return "hello"

    return web


async def twice(http: SharedSession) -> str:
    """What the session says of itself after two requests."""
    async with served(hello(), "tcp") as here:
        for _ in range(2):
            assert (await http.get(f"{here.url}/")).content == b"hello"
        words = repr(http)
        await http.close()
    return words


async def test_connections_are_kept_from_call_to_call() -> None:
    http = SharedSession()
    assert repr(http) == "<SharedSession []>"
    assert await twice(http) == "<SharedSession [<Pool 1 of 100 open, 1 idle, 0 waiting>]>"
    assert repr(http) == "<SharedSession []>"
    await http.close()  # nothing to do


@pytest.mark.parametrize("factory", [None, loop_factory()], ids=["asyncio", "uvloop"])
def test_its_connections_end_with_their_loop(factory: Callable[[], asyncio.AbstractEventLoop] | None) -> None:
    http = SharedSession()
    ended: list[bool] = []

    async def main() -> None:
        async with served(hello(), "tcp") as here:
            assert (await http.get(f"{here.url}/")).content == b"hello"
            transports = http.bound()
            (kept,) = next(iter(transports.pool.idle.values()))
            ended.append(not kept.transport.is_closing())
        ended.append(transports.closed)

    for _ in range(2):  # one loop after another
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())
            transports = next(iter(http._loops.values()))[0]
        assert transports.closed
        assert transports.pool.total == 0
        assert repr(http) == "<SharedSession []>"
    assert ended == [True, False] * 2


def test_a_loop_that_ends_without_a_word_is_forgotten_later() -> None:
    http = SharedSession()

    async def bind() -> None:
        http.bound()

    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(bind())
        loop.close()
        assert len(http._loops) == 1


def test_it_works_on_loops_side_by_side() -> None:
    http, meeting = SharedSession(), threading.Barrier(2, timeout=30)
    answers: list[bytes] = []

    async def main() -> None:
        async with served(hello(), "tcp") as here:
            await asyncio.to_thread(meeting.wait)
            for _ in range(20):
                answers.append((await http.get(f"{here.url}/")).content)
            await asyncio.to_thread(meeting.wait)

    threads = [threading.Thread(target=run, args=[main()]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"hello"] * 40
    assert repr(http) == "<SharedSession []>"
