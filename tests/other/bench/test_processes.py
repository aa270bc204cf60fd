"""Several processes: one record, all at the same time, and none left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, ConnectError, Request
from toolkit.other.bench.options import Options
from toolkit.other.bench.processes import Processes, ProcessFailed, make_run
from toolkit.other.bench.run import Progress, Run, Stage

from .drive import PATIENCE

if TYPE_CHECKING:
    from toolkit.other.bench.record import Record

pytestmark = pytest.mark.slow


def application() -> App:
    web = App()

    @web.get("/")
    def small(r: Request) -> str:
        return "x"

    return web


async def go(run: Run | Processes, told: list[Progress] | None = None) -> Record:
    async with asyncio.timeout(3 * PATIENCE):
        return await run.go(Stage(tell=(told if told is not None else []).append))


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_the_record_is_that_of_all_processes() -> None:
    told: list[Progress] = []
    async with served(application(), "tcp") as here:
        options = Options(url=here.url, connections=3, processes=2, requests=501, duration=None, warm_up=0.1)
        run = Processes(options)
        record = await go(run, told)
        children = [child.pid for child in run._children]
    assert record.counts.answers == len(record.latencies) == 501
    assert record.statuses == {200: 501}
    assert record.errors == {}
    assert sum(record.timeline.answers) == 501
    assert {one.stage for one in told} == {"warm-up", "measuring"}
    assert len(children) == 2
    assert all(gone(pid) for pid in children)


async def test_processes_share_a_rate() -> None:
    async with served(application(), "tcp") as here:
        options = Options(url=here.url, connections=2, processes=2, rate=400.0, duration=0.5, warm_up=0.0)
        record = await go(Processes(options))
    assert set(record.errors) <= {"unsent"}
    assert record.counts.answers + record.failed == 200


async def test_a_run_in_processes_can_be_stopped() -> None:
    async with served(application(), "tcp") as here:
        run = Processes(Options(url=here.url, connections=2, processes=2, duration=3600.0, warm_up=0.0))
        begun = asyncio.Event()
        running = asyncio.ensure_future(run.go(Stage(tell=lambda _: begun.set())))
        async with asyncio.timeout(3 * PATIENCE):
            await begun.wait()
            run.stop()
            record = await running
    assert record.counts.answers > 0
    assert record.counts.seconds < 3600


async def test_stopped_before_it_began_it_ends_all_the_same() -> None:
    async with served(application(), "tcp") as here:
        run = Processes(Options(url=here.url, connections=2, processes=2, duration=3600.0))
        run.stop()
        record = await go(run)
    assert record.counts.seconds < 3600


async def test_an_unreachable_server_is_told_as_by_one_process() -> None:
    async with served(application(), "tcp") as here:
        url = here.url
    with pytest.raises(ConnectError, match="cannot connect"):
        await go(Processes(Options(url=url, connections=2, processes=2)))


async def test_a_process_that_dies_is_an_error_and_takes_the_others_along() -> None:
    async with served(application(), "tcp") as here:
        run = Processes(Options(url=here.url, connections=2, processes=2, duration=3600.0, warm_up=0.0))
        begun = asyncio.Event()
        running = asyncio.ensure_future(run.go(Stage(tell=lambda _: begun.set())))
        async with asyncio.timeout(3 * PATIENCE):
            await begun.wait()
            children = [child.pid for child in run._children]
            os.kill(children[1], signal.SIGKILL)
            with pytest.raises(ProcessFailed, match="process 1 ended without a record"):
                await running
    assert all(gone(pid) for pid in children)


async def test_one_process_needs_no_other() -> None:
    assert isinstance(make_run(Options(url="http://a/")), Run)
    assert isinstance(make_run(Options(url="http://a/", processes=2)), Processes)
