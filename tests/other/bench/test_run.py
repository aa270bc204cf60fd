"""A run: warm-up, measurement, grace, and an end at any time; an open loop sees a stall that a closed one hides."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import raw_server
from tests.helpers.served import served
from toolkit import App, ConnectError, Request
from toolkit.other.bench.options import Options
from toolkit.other.bench.run import Progress, Run, Stage

from .drive import PATIENCE, until

if TYPE_CHECKING:
    from toolkit.other.bench.record import Record

SECOND = 1_000_000_000


class Server:
    """An application that counts, and that stalls at one request until it is told to go on."""

    def __init__(self, stall_at: int = 0) -> None:
        self.web = App()
        self.seen = 0
        self.stall_at = stall_at
        self.stalled, self.go_on = asyncio.Event(), asyncio.Event()
        self.web.add_route("/", self.answer)
        self.web.add_route("/echo", self.echo)

    async def answer(self, r: Request) -> str:
        self.seen += 1
        if self.seen == self.stall_at:
            self.stalled.set()
            await self.go_on.wait()
        return "x"

    async def echo(self, r: Request) -> None:
        await r.prepare()
        async for piece in r:
            await r.write(piece)


async def go(run: Run, told: list[Progress] | None = None) -> Record:
    """Run to the end, within reason."""
    async with asyncio.timeout(4 * PATIENCE):
        return await run.go(Stage(tell=(told if told is not None else []).append))


def options(base: str, **change: object) -> Options:
    quick = Options(url=f"{base}/", connections=2, warm_up=0.0, duration=0.2, grace=PATIENCE)
    return replace(quick, **change)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("duplex", [False, True])
@pytest.mark.parametrize("rate", [None, 200.0])
async def test_a_run_by_time(rate: float | None, duplex: bool) -> None:
    server = Server()
    told: list[Progress] = []
    async with served(server.web, "tcp") as here:
        url, method = (f"{here.url}/echo", "POST") if duplex else (f"{here.url}/", "GET")
        record = await go(Run(options(here.url, url=url, rate=rate, duplex=duplex, method=method)), told)
    counts = record.counts
    assert counts.seconds >= 0.2
    assert 0 < counts.in_time <= counts.answers
    assert set(record.errors) <= {"unsent"}  # on a machine that is busy otherwise a rate may not be kept
    assert len(record.latencies) == counts.answers + record.errors["unsent"]
    assert counts.rate == pytest.approx(counts.in_time / counts.seconds)
    assert sum(record.timeline.answers) == counts.in_time
    assert {one.stage for one in told} == {"measuring"}
    assert [one.answers for one in told] == sorted(one.answers for one in told)
    if not duplex:
        assert server.seen == counts.answers
        assert record.statuses == {200: counts.answers}


@pytest.mark.parametrize("rate", [4.0, 100.0])
async def test_a_rate_for_a_time_is_a_number(rate: float) -> None:
    """Due at 0, 1/rate, 2/rate, ... before the end: also where the last of them is answered long before it."""
    async with served(Server().web, "tcp") as here:
        record = await go(Run(options(here.url, rate=rate, duration=0.5, warm_up=0.1)))
    assert record.counts.answers + record.errors["unsent"] == rate / 2
    assert record.counts.seconds >= 0.5


@pytest.mark.parametrize("rate", [None, 500.0])
@pytest.mark.parametrize("requests", [1, 2, 37])
async def test_a_run_by_number(rate: float | None, requests: int) -> None:
    server = Server()
    async with served(server.web, "tcp") as here:
        record = await go(Run(options(here.url, rate=rate, requests=requests, duration=None)))
    assert server.seen == record.counts.answers == record.counts.in_time == requests
    assert record.errors == {}
    if rate is not None:
        assert record.counts.seconds >= (requests - 1) / rate


async def test_the_warm_up_is_not_measured() -> None:
    server = Server()
    told: list[Progress] = []
    async with served(server.web, "tcp") as here:
        record = await go(Run(options(here.url, warm_up=0.15, requests=5, duration=None)), told)
    assert record.counts.answers == len(record.latencies) == 5
    assert sum(record.timeline.answers) == 5
    warm = [one for one in told if one.stage == "warm-up"]
    assert warm
    assert server.seen > 5
    assert [one.stage for one in told] == ["warm-up"] * len(warm) + ["measuring"] * (len(told) - len(warm))


# -- coordinated omission --------------------------------------------------------------------------------------------


async def test_an_open_loop_charges_a_stall_to_everyone_who_should_have_been_served() -> None:
    """Of 500 requests due in half a second, a stall of at least 0.1 s meets a hundred, however few were sent in it."""
    server = Server(stall_at=50)
    async with served(server.web, "tcp") as here:
        running = asyncio.ensure_future(
            go(Run(options(here.url, connections=1, rate=1000.0, requests=500, duration=None)))
        )
        async with asyncio.timeout(PATIENCE):
            await server.stalled.wait()
        assert server.seen == 50
        asyncio.get_running_loop().call_later(0.1, server.go_on.set)
        record = await running
    assert record.counts.answers == 500
    assert record.errors == {}
    found = record.latencies.percentiles((85.0, 99.0, 99.9))
    assert found[99.9] >= 0.09 * SECOND
    assert found[99.0] >= 0.08 * SECOND  # a hundredth of the requests are due in each five milliseconds
    assert found[85.0] >= 0.02 * SECOND  # at least eighty of them waited for a fifth of the stall


async def test_what_could_not_be_sent_at_all_is_counted_and_charged() -> None:
    server = Server(stall_at=1)
    async with served(server.web, "tcp") as here:
        record = await go(Run(options(here.url, connections=1, rate=100.0, duration=0.5, grace=0.0)))
        server.go_on.set()
    assert record.counts.answers == 0
    assert record.errors["unfinished"] == 1
    assert record.errors["unsent"] >= 49
    assert len(record.latencies) == record.errors.total()
    assert record.latencies.summary().most >= 0.49 * SECOND


# -- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplex", [False, True])
async def test_what_is_under_way_at_the_end_has_some_grace(duplex: bool) -> None:
    server = Server(stall_at=1)
    async with served(server.web, "tcp") as here:
        if duplex:
            record = await go(Run(options(here.url, duplex=True, method="POST", connections=1, grace=0.0)))
            assert record.errors == {"unfinished": 1}
        else:
            running = asyncio.ensure_future(go(Run(options(here.url, connections=1))))
            await server.stalled.wait()
            asyncio.get_running_loop().call_later(0.3, server.go_on.set)  # after the end
            record = await running
            assert (record.counts.in_time, record.counts.answers, record.errors) == (0, 1, {})
        server.go_on.set()


async def test_a_run_can_be_stopped_and_keeps_what_it_has() -> None:
    server = Server(stall_at=10)
    async with served(server.web, "tcp") as here:
        run = Run(options(here.url, connections=1, duration=3600.0))
        running = asyncio.ensure_future(go(run))
        async with asyncio.timeout(PATIENCE):
            await server.stalled.wait()
        run.stop()
        record = await running
        server.go_on.set()
    assert record.counts.answers == 9
    assert record.errors == {"unfinished": 1}
    assert 0 < record.counts.seconds < 3600


async def test_a_run_can_be_stopped_while_it_connects() -> None:
    async with raw_server("tcp") as server:  # no TLS there: nobody answers the handshake
        url = server.url.replace("http:", "https:")
        run = Run(options(url, insecure=True, duration=3600.0, timeout=3600.0))
        running = asyncio.ensure_future(go(run))
        await server.accept()
        run.stop()
        record = await running
    assert (record.counts.answers, record.errors) == (0, {})


async def test_a_run_that_is_stopped_at_once_is_empty() -> None:
    server = Server()
    async with served(server.web, "tcp") as here:
        run = Run(options(here.url, warm_up=3600.0, duration=3600.0))
        run.stop()
        record = await go(run)
    assert record.counts.rate >= 0
    assert record.counts.in_time <= server.seen


async def test_a_run_ends_when_its_server_is_gone() -> None:
    server = Server(stall_at=5)
    async with served(server.web, "tcp") as here:
        running = asyncio.ensure_future(
            go(Run(options(here.url, duration=None, requests=10**9, timeout=0.3, connections=1)))
        )
        async with asyncio.timeout(PATIENCE):
            await server.stalled.wait()
        for connection in list(here.web._running.connections):  # type: ignore[union-attr]
            connection.transport.abort()
        server.go_on.set()
    record = await running
    assert record.counts.answers >= 4
    assert record.errors["refused"] >= 1


async def test_without_a_server_there_is_no_run() -> None:
    async with served(Server().web, "tcp") as here:
        url = here.url
    for change in ({}, {"duplex": True, "method": "POST"}):
        with pytest.raises(ConnectError, match="cannot connect"):
            await go(Run(options(url, **change)))


async def test_the_processor_time_is_the_load_generator_s() -> None:
    async with served(Server().web, "tcp") as here:
        before = time.process_time()
        record = await go(Run(options(here.url)))
        after = time.process_time()
    assert 0 < record.counts.cpu <= after - before
    assert record.counts.busiest > 0


async def test_all_wait_for_the_last_before_each_stage() -> None:
    stages: list[str] = []
    allowed = asyncio.Event()

    async def ready(name: str) -> None:
        stages.append(name)
        await allowed.wait()

    server = Server()
    async with served(server.web, "tcp") as here:
        run = Run(options(here.url, requests=1, duration=None))
        running = asyncio.ensure_future(run.go(Stage(tell=lambda _: None, ready=ready)))
        await until(lambda: stages)
        assert (stages, server.seen) == (["open"], 0)
        allowed.set()
        await running
    assert stages == ["open", "warm"]
