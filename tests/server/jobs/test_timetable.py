"""Runs by the clock, with a clock that a test puts forward."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from tests.helpers.served import PATIENCE
from toolkit import App, JobOptions

from .clocks import NOON, StillClock, settle


class Jobs:
    """An application whose jobs go by a clock that stands still."""

    def __init__(self, **options: object) -> None:
        self.clock = StillClock()
        self.web = App(port=0, jobs=JobOptions(clock=lambda loop: self.clock, **options))  # type: ignore[arg-type]
        self.ran: list[float] = []

    async def note(self) -> None:
        """A job."""
        self.ran.append(self.clock.now - 1000)

    async def forward(self, seconds: float) -> None:
        await self.clock.forward(seconds)


async def test_an_interval_begins_with_the_application() -> None:
    jobs = Jobs()
    jobs.web.every(seconds=10)(jobs.note)
    await jobs.clock.forward(5)
    async with jobs.web.lifespan():
        for _ in range(35):
            await jobs.forward(1)
    assert jobs.ran == [15, 25, 35]
    await jobs.forward(100)
    assert jobs.ran == [15, 25, 35]
    assert jobs.clock.pending == 0


async def test_at_start() -> None:
    jobs = Jobs()
    jobs.web.every(minutes=1, at_start=True)(jobs.note)
    async with jobs.web.lifespan():
        await jobs.forward(0.01)
        assert jobs.ran == pytest.approx([0.001])
        await jobs.forward(120)
    assert jobs.ran == pytest.approx([0.001, 60, 120])


async def test_the_calendar_in_its_time_zone() -> None:
    jobs = Jobs(timezone="Asia/Kolkata")  # 12:00 UTC is 17:30 there
    jobs.web.cron("0 18 * * *")(jobs.note)
    jobs.web.cron(hour=13, timezone="UTC", name="other")(jobs.note)
    async with jobs.web.lifespan():
        await jobs.forward(2 * 3600)
    assert jobs.ran == pytest.approx([1800, 3600], abs=0.01)


async def test_a_run_that_takes_long_is_not_overlapped() -> None:
    jobs = Jobs()
    go_on = asyncio.Event()

    async def slow() -> None:
        await jobs.note()
        await go_on.wait()

    jobs.web.every(seconds=10)(slow)
    async with jobs.web.lifespan():
        await jobs.forward(35)
        job = jobs.web.jobs["slow"]
        assert (jobs.ran, job.running, job.missed) == ([10], 1, 2)
        go_on.set()
        await settle()
        await jobs.forward(5)
        assert (jobs.ran, job.running, job.missed) == ([10, 40], 0, 2)


async def test_a_time_that_was_missed_is_made_up_for_where_that_was_said() -> None:
    jobs = Jobs()
    go_on = asyncio.Event()

    async def slow() -> None:
        await jobs.note()
        await go_on.wait()

    jobs.web.every(seconds=10, missed="once")(slow)
    async with jobs.web.lifespan():
        await jobs.forward(35)
        assert jobs.ran == [10]
        go_on.set()
        await settle()
        assert jobs.ran == [10, 35]
        await jobs.forward(5)
        assert jobs.ran == [10, 35, 40]


async def test_runs_beside_each_other_where_that_was_said() -> None:
    jobs = Jobs()
    go_on = asyncio.Event()

    async def slow() -> None:
        await jobs.note()
        await go_on.wait()

    jobs.web.every(seconds=10, overlap=True)(slow)
    async with jobs.web.lifespan():
        await jobs.forward(35)
        assert jobs.ran == [10, 20, 30]
        assert jobs.web.jobs["slow"].running == 3
        go_on.set()
        await settle()


async def test_a_job_that_raises_is_logged_and_keeps_its_times(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs()

    @jobs.web.every(seconds=10)
    async def fails() -> None:
        await jobs.note()
        raise ValueError("no disk")

    async with jobs.web.lifespan():
        await jobs.forward(10)
        job = jobs.web.jobs["fails"]
        assert job.last is not None
        assert isinstance(job.last.error, ValueError)
        assert not job.last.ok
        await jobs.forward(10)
    assert jobs.ran == [10, 20]
    assert (job.runs, job.failures) == (2, 2)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == ["fails failed"] * 2


async def test_a_run_that_is_cancelled_before_it_began_is_over() -> None:
    jobs = Jobs()
    jobs.web.every(seconds=10)(jobs.note)
    async with jobs.web.lifespan():
        job = jobs.web.jobs["note"]
        task = job.run()
        task.cancel()
        await settle()
        assert (job.running, jobs.ran) == (0, [])
        await jobs.forward(10)
        assert jobs.ran == [10]


class Lost(tzinfo):
    """A time zone that loses its way after a while."""

    found = True

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if not self.found:
            raise LookupError("where are we?")
        return timedelta()

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, moment: datetime | None) -> str:
        return "lost"


async def test_a_job_whose_times_cannot_be_told_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    zone = Lost()
    jobs = Jobs()
    jobs.web.cron("*/10 * * * * *", timezone=zone, name="lost")(lambda: None)
    jobs.web.every(seconds=10)(jobs.note)
    async with jobs.web.lifespan():
        zone.found = False
        await jobs.forward(30)
    assert jobs.ran == [10, 20, 30]
    assert caplog.messages == ["nobody can tell when lost is due; it is run no more"]


async def test_a_lifespan_around_an_application_that_is_served_counts_once() -> None:
    jobs = Jobs()
    jobs.web.every(seconds=10)(jobs.note)
    async with jobs.web.lifespan():
        async with jobs.web:
            await jobs.forward(20)
        await jobs.forward(20)
    assert jobs.ran == [10, 20]


async def test_a_machine_that_slept_is_late_by_the_calendar() -> None:
    jobs = Jobs()
    jobs.web.cron(hour=13)(jobs.note)
    jobs.web.cron(hour=13, missed="once", name="made up for")(jobs.note)
    async with jobs.web.lifespan():
        await jobs.forward(10)
        jobs.clock.sleep(3 * 3600)
        await jobs.forward(60)
        assert len(jobs.ran) == 1
        assert [job.missed for job in jobs.web.jobs] == [1, 0]
        assert {job.next for job in jobs.web.jobs} == {datetime(2026, 3, 3, 13, tzinfo=UTC)}


async def test_a_calendar_that_is_set_back_runs_nothing_twice() -> None:
    jobs = Jobs()
    jobs.web.cron(minute="*/10")(jobs.note)
    async with jobs.web.lifespan():
        await jobs.forward(600)
        assert len(jobs.ran) == 1
        jobs.clock.set_by -= 300
        await jobs.forward(600)
        assert len(jobs.ran) == 1
        await jobs.forward(300)
        assert len(jobs.ran) == 2


async def test_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.25)
    jobs = Jobs()
    jobs.web.every(seconds=10, jitter=4)(jobs.note)
    async with jobs.web.lifespan():
        await jobs.forward(30)
    assert jobs.ran == [11, 21]


async def test_a_plain_function_runs_in_a_thread() -> None:
    jobs = Jobs()
    loop = asyncio.get_running_loop()
    ran = asyncio.Event()
    threads: list[str] = []

    @jobs.web.every(seconds=10)
    def plain() -> None:
        threads.append(threading.current_thread().name)
        loop.call_soon_threadsafe(ran.set)

    async with jobs.web.lifespan():
        await jobs.clock.forward(10)
        async with asyncio.timeout(PATIENCE):
            await ran.wait()
    assert threads[0].startswith("toolkit-job")


async def test_a_job_that_is_declared_while_the_application_runs() -> None:
    jobs = Jobs()
    jobs.web.every(seconds=1000)(lambda: None)
    async with jobs.web.lifespan():
        await jobs.forward(5)
        jobs.web.every(seconds=10)(jobs.note)
        await jobs.forward(30)
    assert jobs.ran == [10, 20, 30]


async def test_the_first_one_may_be_declared_then_as_well() -> None:
    jobs = Jobs()
    async with jobs.web.lifespan():
        jobs.web.every(seconds=10)(jobs.note)
        await jobs.forward(20)
    assert jobs.ran == [10, 20]


async def test_a_run_is_under_way_until_the_end_and_begins_no_other() -> None:
    jobs = Jobs()
    go_on = asyncio.Event()

    async def slow() -> None:
        await jobs.note()
        await go_on.wait()

    jobs.web.every(seconds=10, missed="once")(slow)
    async with jobs.web, asyncio.timeout(PATIENCE):
        await jobs.forward(25)
        assert jobs.ran == [10]
        ending = asyncio.ensure_future(jobs.web.exit())
        await settle()
        assert jobs.web.jobs.is_stopping
        go_on.set()
        await ending
    assert jobs.ran == [10]
    assert jobs.web.jobs.under_way == []


class FakeLead:
    """A lead that a test takes and gives."""

    def __init__(self, *, free: bool) -> None:
        self.origin = 1000.0
        self.free = free
        self.held_elsewhere: set[str] = set()
        self.held: list[str] = []
        self.look: tuple[float, float] | None = None
        self.since: tuple[float, float] | None = None

    def take(self) -> bool:
        if self.free:
            self.since = self.look
        return self.free

    def release(self) -> None:
        self.free = True

    def hold(self, job: str) -> bool:
        if job in self.held_elsewhere:
            return False
        self.held.append(job)
        return True

    def let_go(self, job: str) -> None:
        self.held.remove(job)

    def looked(self, monotonic: float, wall: float) -> None:
        self.look = (monotonic, wall)


async def test_a_worker_that_does_not_lead_runs_only_what_each_one_does() -> None:
    jobs = Jobs()
    lead = FakeLead(free=False)
    jobs.web._lead = lead  # type: ignore[assignment]
    each: list[float] = []
    jobs.web.every(seconds=10)(jobs.note)

    @jobs.web.every(seconds=10, each_worker=True)
    async def own() -> None:
        each.append(jobs.clock.now - 1000)

    async with jobs.web.lifespan():
        await jobs.forward(35)
        assert (jobs.ran, each) == ([], [10, 20, 30])
        assert jobs.web.jobs["note"].next is None


async def test_the_next_leader_goes_on_where_the_last_one_looked() -> None:
    """It ran at 10, looked last at 12, and died; the run at 20 fell to nobody, and is run when its place is taken."""
    jobs = Jobs()
    lead = FakeLead(free=False)
    lead.look = (1012.0, NOON + 12)
    jobs.web._lead = lead  # type: ignore[assignment]
    jobs.web.every(seconds=10, at_start=True)(jobs.note)
    jobs.web.cron("*/10 * * * * *", name="calendar")(jobs.note)
    async with jobs.web.lifespan():
        await jobs.forward(20.5)
        lead.free = True
        await jobs.forward(2)
        assert jobs.ran == [21, 21]
        await jobs.forward(10)
        assert jobs.ran == pytest.approx([21, 21, 30, 30], abs=0.01)
        assert lead.look is not None
        assert lead.look[0] == pytest.approx(1030, abs=0.01)
        assert lead.held == []


async def test_a_run_that_goes_on_in_the_last_leader_is_not_overlapped() -> None:
    jobs = Jobs()
    lead = FakeLead(free=True)
    lead.held_elsewhere.add("note")
    jobs.web._lead = lead  # type: ignore[assignment]
    jobs.web.every(seconds=10)(jobs.note)
    async with jobs.web.lifespan():
        await jobs.forward(10)
        assert jobs.ran == []
        lead.held_elsewhere.clear()
        await jobs.forward(10)
        assert jobs.ran == [20]
    assert lead.free
