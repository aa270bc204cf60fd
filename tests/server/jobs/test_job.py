"""A job as it is shown, and run out of turn."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from toolkit import App, JobOptions, Outcome
from toolkit.errors import UseError

from .clocks import StillClock, settle


async def test_what_is_told_of_a_job() -> None:
    clock = StillClock()
    web = App(jobs=JobOptions(clock=lambda loop: clock))

    @web.every(minutes=5)
    async def refresh() -> None:
        clock.now += 2

    @web.cron(hour=3)
    async def clean() -> None:
        raise ValueError("no disk")

    assert [job.next for job in web.jobs] == [None, None]
    assert repr(web.jobs["refresh"]) == "<Job refresh: every 300 s; not due; never ran>"
    async with web.lifespan():
        assert web.jobs["refresh"].next == datetime(2026, 3, 2, 12, 5, tzinfo=UTC)
        assert web.jobs["clean"].next == datetime(2026, 3, 3, 3, tzinfo=UTC)
        await clock.forward(300)
        assert web.jobs["refresh"].last == Outcome(datetime(2026, 3, 2, 12, 5, tzinfo=UTC), 2.0)
        assert repr(web.jobs["refresh"]) == "<Job refresh: every 300 s; next 2026-03-02 12:10:00 UTC; ok>"
        await clock.forward(15 * 3600)
        last = web.jobs["clean"].last
        assert last is not None
        assert not last.ok
        assert repr(web.jobs["clean"]) == (
            "<Job clean: cron 0 0 3 * * *, UTC; next 2026-03-04 03:00:00 UTC; failed: ValueError('no disk')>"
        )
    assert [job.next for job in web.jobs] == [None, None]


async def test_a_job_is_run_out_of_turn() -> None:
    web = App()
    go_on = asyncio.Event()

    @web.cron("@yearly")
    async def report() -> str:
        await go_on.wait()
        return "done"

    job = web.jobs["report"]
    with pytest.raises(UseError, match=r"report\.run\(\) before the application runs, or after its end"):
        _ = job.run()
    async with web.lifespan():
        task = job.run()
        await settle()
        assert "running" in repr(job)
        with pytest.raises(UseError, match="it is running already; overlap=True would allow that"):
            _ = job.run()
        go_on.set()
        assert await task == "done"
        assert (job.runs, job.running) == (1, 0)
    with pytest.raises(UseError, match="after its end"):
        _ = job.run()
