"""A server that does more than answer: tasks handed in, tasks by the clock, begun and ended with it."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING

from tests.helpers.served import PATIENCE, served
from tests.server.jobs.clocks import StillClock
from toolkit import App, JobOptions

if TYPE_CHECKING:
    from toolkit import Request


async def test_a_task_that_is_submitted() -> None:
    web = App(port=0, jobs=JobOptions(threads=4))
    said: list[str] = []

    def background_task() -> None:
        said.append("running in the background")

    @web.on_start
    def submit() -> None:
        _ = web.submit(background_task)

    async with web:
        pass
    assert said == ["running in the background"]


async def test_a_handler_submits_and_answers() -> None:
    web = App(port=0)
    go_on = threading.Event()
    done: list[tuple[str, int]] = []

    def send(to: str, *, copies: int) -> None:
        go_on.wait(PATIENCE)
        done.append((to, copies))

    @web.get("/submit")
    def submit(r: Request) -> str:
        _ = r.app.submit(send, "ada", copies=2)
        r.after(send, "bob", copies=1)
        return "on its way"

    async with served(web, "tcp") as here, here.session() as http:
        assert await (await http.get(f"{here.url}/submit")).text() == "on its way"
        assert done == []
        go_on.set()
    assert sorted(done) == [("ada", 2), ("bob", 1)]


async def test_no_more_threads_than_were_asked_for() -> None:
    web = App(jobs=JobOptions(threads=4))
    together = threading.Barrier(4)

    def task() -> str:
        together.wait(PATIENCE)  # four of them meet, and nobody waits for a fifth
        return threading.current_thread().name

    async with web.lifespan():
        names = await asyncio.gather(*(web.submit(task) for _ in range(8)))
    assert len(set(names)) == 4


async def test_tasks_by_the_fields_of_a_calendar() -> None:
    """From noon on a Monday: every hour, every day at midnight, every ten seconds, on the first of a month; a year."""
    clock = StillClock()
    web = App(jobs=JobOptions(clock=lambda loop: clock))
    ran: dict[str, int] = {}

    async def count(name: str) -> None:
        ran[name] = ran.get(name, 0) + 1

    schedules: dict[str, dict[str, str]] = {
        "hourly": {"hour": "*/1"},
        "midnight": {"hour": "0", "minute": "0"},
        "seconds": {"second": "*/10", "minute": "30", "hour": "12"},
        "monthly": {"day": "1", "month": "*"},
        "another year": {"year": "2027"},
    }
    for name, fields in schedules.items():
        web.cron(name=name, **fields)(functools.partial(count, name))  # type: ignore[arg-type]
    async with web.lifespan():
        for _ in range(48):
            await clock.forward(3600)
    assert ran == {"hourly": 48, "midnight": 2, "seconds": 12}


async def test_the_server_starts_and_ends_them() -> None:
    clock = StillClock()
    web = App(port=0, jobs=JobOptions(clock=lambda loop: clock))
    ran: list[str] = []

    @web.every(minutes=10)
    async def cleanup() -> None:
        ran.append("cleanup")

    await clock.forward(3600)
    assert ran == []
    async with served(web, "tcp"):
        await clock.forward(3600)
        assert ran == ["cleanup"] * 6
    await clock.forward(3600)
    assert ran == ["cleanup"] * 6
