"""Work behind an answer, over each kind of link where that may matter."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import KINDS, PATIENCE, served
from toolkit import Abort, App, Timeouts
from toolkit.errors import UseError

from .clocks import settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Request


class Log:
    """What happened, in order; `told` waits for a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def add(self, line: str) -> None:
        """From any thread."""
        self.lines.append(line)
        self._loop.call_soon_threadsafe(self._changed.set)

    async def told(self, line: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while line not in self.lines:
                self._changed.clear()
                await self._changed.wait()


@pytest.mark.parametrize("kind", KINDS)
async def test_it_runs_once_the_answer_is_out_and_holds_nothing_up(kind: str) -> None:
    """The client has the answer, and the next one over the same connection, while the work still waits."""
    web = App()
    log = Log()
    go_on = asyncio.Event()

    async def work(what: str, *, how: str) -> None:
        log.add(f"begun {what} {how}")
        await go_on.wait()
        log.add("ended")

    @web.get("/plain")
    def plain(r: Request) -> str:
        r.after(work, "after", how="plain")
        return "answer"

    @web.get("/other")
    async def other(r: Request) -> str:
        return "other"

    async with served(web, kind) as here, here.session() as http:
        assert await (await http.get(f"{here.url}/plain")).text() == "answer"
        assert await (await http.get(f"{here.url}/other")).text() == "other"
        await log.told("begun after plain")
        go_on.set()
        await log.told("ended")


KINDS_OF_HANDLERS = ["plain", "async", "thread", "stream", "middleware", "late", "fails", "abort", "error handler"]


def handlers(web: App, log: Log) -> None:
    """Each asks for work behind its answer, and says when it ends itself."""

    async def wrapping(handler: object, r: Request) -> object:
        r.after(log.add, "work")
        value = await handler(r)  # type: ignore[operator]
        await asyncio.sleep(0)
        log.add("handler")
        return value

    def plain(r: Request) -> str:
        r.after(log.add, "work")
        log.add("handler")
        return "x"

    @web.get("/async")
    async def coroutine(r: Request) -> str:
        r.after(log.add, "work")
        await asyncio.sleep(0)
        log.add("handler")
        return "x"

    @web.get("/stream")
    def stream(r: Request) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.sleep(0)
            log.add("handler")

        r.after(log.add, "work")
        return pieces()

    @web.get("/late")
    async def late(r: Request) -> None:
        await r.prepare({})
        await r.eof(b"x")
        log.add("handler")
        r.after(log.add, "work")

    @web.get("/fails")
    async def fails(r: Request) -> None:
        r.after(log.add, "work")
        log.add("handler")
        raise ValueError("a fault")

    @web.get("/abort")
    def abort(r: Request) -> None:
        r.after(log.add, "work")
        log.add("handler")
        raise Abort("no", 403)

    @web.get("/error handler")
    async def odd(r: Request) -> None:
        r.after(log.add, "work")
        raise KeyError("odd")

    @web.on_error(KeyError)
    async def answer(r: Request, error: KeyError) -> str:
        await asyncio.sleep(0)
        log.add("handler")
        return "odd"

    web.get("/plain")(plain)
    web.get("/thread", thread=True)(plain)
    web.get("/middleware", middlewares=[wrapping])(lambda r: "x")


@pytest.mark.parametrize("which", KINDS_OF_HANDLERS)
async def test_it_follows_the_handler_whatever_kind_that_is_and_however_it_ends(which: str) -> None:
    web = App()
    log = Log()
    handlers(web, log)
    async with served(web) as here, here.session() as http:
        answer = await http.get(f"{here.url}/{which}")
        expected = {"fails": 500, "abort": 403, "error handler": 500}
        assert answer.status == expected.get(which, 200)
        await log.told("work")
        assert log.lines == ["handler", "work"]


@pytest.mark.parametrize("kind", ["tcp", "memory"])
async def test_it_is_not_cancelled_when_the_client_leaves(kind: str) -> None:
    web = App()
    log = Log()
    go_on = asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        log.add("work")

    @web.get("/")
    async def home(r: Request) -> None:
        r.after(work)
        await r.prepare({})
        await r.write(b"begun")
        try:
            await r.disconnected()
        finally:
            log.add(f"left, {r.status}")

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await raw.until(b"begun")
        raw.reset()
        await log.told("left, 200")
        go_on.set()
        await log.told("work")


async def test_its_failure_is_logged_with_the_request(caplog: pytest.LogCaptureFixture) -> None:
    web = App()

    def send_mail() -> None:
        raise OSError("no route")

    @web.post("/orders")
    def order(r: Request) -> str:
        r.after(send_mail)
        return "taken"

    async with served(web) as here, here.session() as http:
        assert (await http.post(f"{here.url}/orders?n=1", body=b"x")).status == 200
    name = "test_its_failure_is_logged_with_the_request.<locals>.send_mail"
    assert [record.getMessage() for record in caplog.records] == [f"{name} after POST '/orders?n=1' failed"]


async def test_at_the_end_it_has_the_grace_and_is_told_by_name_when_that_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.server.jobs.crew.LEAST", 0.01)
    web = App(port=0, timeouts=Timeouts(grace=0.01))
    cancelled = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    @web.get("/")
    def home(r: Request) -> str:
        r.after(forever)
        return "x"

    async with served(web, "tcp") as here, here.session() as http:
        _ = await http.get(here.url)
        await settle()
    assert cancelled.is_set()
    assert any(
        "cancelled work beside requests: " in line and "forever after GET '/'" in line for line in caplog.messages
    )


async def test_what_it_asks_for_by_mistake_is_refused() -> None:
    web = App()
    seen: list[str] = []

    async def work() -> None:
        """It is called too early."""

    @web.get("/")
    def home(r: Request) -> str:
        with pytest.raises(UseError, match=r"r\.after was given a coroutine") as told:
            r.after(work())  # type: ignore[arg-type]
        seen.append(str(told.value))
        return "x"

    async with served(web) as here, here.session() as http:
        assert (await http.get(here.url)).status == 200
    assert len(seen) == 1


async def test_plain_functions_work_in_threads() -> None:
    web = App()
    log = Log()

    @web.get("/")
    def home(r: Request) -> str:
        r.after(lambda: log.add(threading.current_thread().name[:11]))
        return "x"

    async with served(web) as here, here.session() as http:
        _ = await http.get(here.url)
        await log.told("toolkit-job")
