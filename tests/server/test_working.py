"""What an application does beside requests, as it is asked to."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import PATIENCE, served
from tests.server.jobs.clocks import settle
from toolkit import App, JobOptions, Request, Timeouts
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Callable


def square(number: int) -> int:
    return number * number


async def slow_square(number: int) -> int:
    await asyncio.sleep(0)
    return number * number


def test_an_application_without_jobs_imports_none_of_it() -> None:
    program = """
import asyncio, sys
from toolkit import App, Session
web = App(port=0)
web.get("/")(lambda r: "x")
async def main():
    async with web, Session() as http:
        await http.get(web.server_address)
asyncio.run(main())
print([name for name in sys.modules if name.startswith(("toolkit.server.jobs", "toolkit.server.relo", "cronsim"))])
"""
    ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True)
    assert ran.stdout == "[]\n"


async def test_what_is_handed_in_is_a_task_with_a_name() -> None:
    web = App()
    async with web.lifespan():
        plain, coroutine = web.submit(square, 3), web.submit(slow_square, number=4)
        assert isinstance(plain, asyncio.Task)
        assert (plain.get_name(), coroutine.get_name()) == ("square", "slow_square")
        assert (await plain) + (await coroutine) == 25


async def test_a_handler_hands_in_and_answers_at_once() -> None:
    web = App()
    go_on = asyncio.Event()
    done = asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        done.set()

    @web.post("/")
    def home(r: Request) -> tuple[int, str]:
        _ = web.submit(work)
        return 202, "taken"

    async with served(web) as here, here.session() as http:
        assert (await http.post(here.url, body=b"")).status == 202
        assert not done.is_set()
        go_on.set()
        async with asyncio.timeout(PATIENCE):
            await done.wait()


async def test_a_start_hook_hands_in_what_the_application_begins_with() -> None:
    web = App(port=0)
    done: list[int] = []

    @web.on_start
    def begin() -> None:
        _ = web.submit(done.append, 1)

    async with web:
        pass
    assert done == [1]


async def test_a_start_that_fails_ends_what_it_had_handed_in() -> None:
    web = App(port=0)
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ended.set()

    @web.on_start
    def begin() -> None:
        _ = web.submit(work)
        raise ValueError("no database")

    with pytest.raises(ValueError, match="no database"):
        async with web:
            pass
    assert ended.is_set()
    assert web.jobs.under_way == []


async def test_no_more_at_once_than_the_application_said() -> None:
    web = App(jobs=JobOptions(at_once=1))
    began: list[int] = []
    go_on = asyncio.Event()

    async def work(number: int) -> None:
        began.append(number)
        await go_on.wait()

    async with web.lifespan():
        tasks = [web.submit(work, number) for number in range(3)]
        await settle()
        assert began == [0]
        go_on.set()
        await asyncio.gather(*tasks)
        assert began == [0, 1, 2]


def test_before_it_runs_it_says_where_to_do_that() -> None:
    web = App()
    with pytest.raises(UseError, match=r"web\.submit\(square\) without a running event loop: .* on_start hook"):
        _ = web.submit(square, 1)
    with pytest.raises(UseError, match=r"web\.submit_threadsafe\(\) while the application does not run"):
        web.submit_threadsafe(square, 1)


async def test_from_another_thread() -> None:
    web = App(port=0)

    @web.get("/", thread=True)
    def home(r: Request) -> dict[str, object]:
        with pytest.raises(UseError, match=r"in a thread, by web\.submit_threadsafe"):
            _ = web.submit(square, 1)
        future = web.submit_threadsafe(square, 5)
        return {"squares": [future.result(PATIENCE), web.submit_threadsafe(slow_square, number=6).result(PATIENCE)]}

    async with served(web, "tcp") as here, here.session() as http:
        assert await (await http.get(here.url)).json() == {"squares": [25, 36]}


async def test_what_is_under_way_has_the_grace_and_is_then_cancelled_by_name(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.server.jobs.crew.LEAST", 0.01)
    web = App(port=0, timeouts=Timeouts(grace=0))

    async def forever() -> None:
        await asyncio.Event().wait()

    with caplog.at_level(logging.WARNING):
        async with web:
            task = web.submit(forever)
            await settle()
    assert task.cancelled()
    assert "forever" in caplog.messages[0]


async def test_a_loop_in_a_thread_asks_whether_to_end() -> None:
    web = App(port=0)
    began = threading.Event()
    ended: list[bool] = []

    def poll() -> None:
        began.set()
        while not web.jobs.is_stopping:
            threading.Event().wait(0.001)
        ended.append(True)

    async with web:
        _ = web.submit(poll)
        await asyncio.to_thread(began.wait, PATIENCE)
    assert ended == [True]


WRONG: dict[str, tuple[Callable[[App], object], str]] = {
    "no interval": (lambda web: web.every(), r"web\.every\(seconds=0\): expected seconds=, minutes= or hours="),
    "a negative one": (lambda web: web.every(seconds=-1), "together more than 0"),
    "an endless one": (lambda web: web.every(hours=float("inf")), "together more than 0"),
    "a text": (lambda web: web.every(seconds="5"), r"web\.every\(seconds='5'\): expected a number"),  # type: ignore[arg-type]
    "jitter": (lambda web: web.every(seconds=5, jitter=5), r"jitter=5; expected less than the interval"),
    "a rule": (lambda web: web.every(seconds=5, overlaps=True), "unknown overlaps"),  # type: ignore[call-arg]
    "no times": (lambda web: web.cron(), r'web\.cron\(\'\'\): expected an expression, "\*/5 \* \* \* \*", or fields'),
    "both": (lambda web: web.cron("@daily", hour=3), "expected an expression"),
    "bare": (lambda web: web.cron(square), "expected an expression"),  # type: ignore[arg-type]
    "an expression": (lambda web: web.cron("x y z * *"), r"web\.cron\('x y z \* \*'\): Bad minute"),
    "a field": (lambda web: web.cron(hour=25), r"web\.cron\(hour=25\): Bad hour"),
    "every, bare": (lambda web: web.every(square), r"web\.every\(seconds=<function square .*\): expected a number"),  # type: ignore[arg-type]
    "a year": (lambda web: web.cron(year=26), r"cron\(year=26\): expected years"),
    "a zone": (lambda web: web.cron("@daily", timezone="Mars"), "no such time zone"),
    "a missed": (lambda web: web.cron("@daily", missed="twice"), "expected 'skip' or 'once'"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", WRONG)
def test_times_that_cannot_be_are_refused_where_they_are_said(what: str) -> None:
    declare, says = WRONG[what]
    with pytest.raises(UseError, match=says):
        declare(App())


def test_the_time_zone_is_the_applications_unless_the_job_has_one() -> None:
    web = App(jobs=JobOptions(timezone="Europe/Berlin"))
    web.cron(hour=3, name="theirs")(square_nothing)
    web.cron(hour=3, timezone="UTC", name="own")(square_nothing)
    App().cron("@daily")(square_nothing)
    assert [job.when for job in web.jobs] == ["cron 0 0 3 * * *, Europe/Berlin", "cron 0 0 3 * * *, UTC"]


def square_nothing() -> None:
    """A job."""


def test_a_decorated_function_stays_what_it_was() -> None:
    web = App()
    assert web.every(hours=1)(square_nothing) is square_nothing
    assert web.cron("@daily", name="b")(square_nothing) is square_nothing
    assert [job.name for job in web.jobs] == ["square_nothing", "b"]


async def test_a_thread_hands_in_to_a_mounted_application_and_in_a_lifespan() -> None:
    """Neither of them is served at an address; both have a loop, from their start hooks on."""
    web, inner, early = App(), App(), list[int]()
    web.mount("/inner", inner)

    @inner.on_start
    async def start() -> None:
        early.append(await asyncio.wrap_future(await asyncio.to_thread(inner.submit_threadsafe, square, 2)))

    async with web.lifespan():
        for app in (web, inner):
            assert await asyncio.wrap_future(await asyncio.to_thread(app.submit_threadsafe, square, 3)) == 9
    assert early == [4]
    with pytest.raises(UseError, match="while the application does not run"):
        _ = inner.submit_threadsafe(square, 3)
