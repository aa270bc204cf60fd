"""A pool of real processes: calls, those who wait, processes that die, hang, are worn, and the end of all of it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from toolkit import ProcessDied, Processes, ProcessesBusy, ProcessTimeout, ToolkitError, UseError
from toolkit.protocol.limits import FormLimits, Limits
from toolkit.server.processes.pool import ProcessPool

from . import samples
from .gate import Gate
from .pooled import PATIENCE, call, started, taken_by, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


pytestmark = pytest.mark.slow

ONE = Processes(workers=1)


# Calls


async def test_a_function_is_called_in_another_process() -> None:
    async with started(Processes(workers=2, initializer=samples.begin)) as pool:
        assert await call(pool, samples.add, 1, b=2) == 3
        assert await call(pool, samples.Named.double, 4) == 8
        assert await call(pool, samples.pid) in {link.pid for link in pool.links} - {os.getpid()}
        assert await call(pool, samples.place) in [("pool", 1, 2), ("pool", 2, 2)]
        assert await call(pool, samples.in_main_thread) is True
        assert await call(pool, samples.begun) == ["begun in", "pool"]
        assert samples.here == ["main"]


async def test_what_it_raises_is_raised_here_and_the_process_goes_on() -> None:
    async with started(ONE) as pool:
        before = await call(pool, samples.pid)
        with pytest.raises(ValueError, match=r"^why$") as raised:
            await call(pool, samples.fail, "why")
        assert f"in process {before}:" in str(raised.value.__cause__)
        assert await call(pool, samples.pid) == before


async def test_what_cannot_be_pickled_is_told_with_the_function() -> None:
    async with started(ONE) as pool:
        with pytest.raises(UseError, match=r"^add: an argument of tests\.\S+\.add cannot be sent to another process"):
            await call(pool, samples.add, samples.a_lambda())
        for function in (samples.a_lambda, samples.generator):
            with pytest.raises(UseError, match=rf"^what {function.__name__} \(.*samples.py:\d+\) returned cannot be"):
                await call(pool, function)
        assert await call(pool, samples.add, 1) == 1


async def test_large_arguments_and_results() -> None:
    large = "x" * 3_000_000
    async with started(ONE) as pool:
        assert await call(pool, samples.join, large, "y") == large + "y"


# Those who wait


async def test_who_waits_is_served_in_order_and_any_more_are_told_to_come_back(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with started(Processes(workers=1, queue=2)) as pool:
        held = asyncio.ensure_future(call(pool, samples.hold, gate.folder))
        await gate.begun()
        order: list[object] = []
        tasks = [asyncio.ensure_future(call(pool, samples.add, number)) for number in (1, 2)]
        for task in tasks:
            task.add_done_callback(lambda task: order.append(task.result()))
        await taken_by(pool, 2)
        with pytest.raises(
            ProcessesBusy, match=r"^add: all 1 processes are busy, and 2 requests wait for one$"
        ) as told:
            await call(pool, samples.add, 3)
        assert told.value.headers == {"retry-after": "1"}
        await gate.go("went")
        assert await held == "went"
        assert await asyncio.gather(*tasks) == order == [1, 2]


async def test_who_waits_for_too_long_is_told_so_and_who_leaves_loses_no_process(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with started(Processes(workers=1, timeout=0.3)) as pool:
        held = asyncio.ensure_future(call(pool, samples.hold, gate.folder))
        leaving = asyncio.ensure_future(call(pool, samples.add, 1))
        await taken_by(pool, 1)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not pool._waiting
        late = asyncio.ensure_future(call(pool, samples.add, 1))
        results = await asyncio.gather(held, late, return_exceptions=True)
        assert isinstance(results[0], ProcessTimeout)
        assert str(results[1]) in ("1", "add: no process of 1 came free within 0.3 s") or isinstance(
            results[1], ProcessTimeout
        )


async def test_a_process_that_is_given_to_somebody_who_just_left_is_given_on(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with started(ONE) as pool:
        held = asyncio.ensure_future(call(pool, samples.hold, gate.folder))
        await gate.begun()
        first = asyncio.ensure_future(call(pool, samples.add, 1))
        second = asyncio.ensure_future(call(pool, samples.add, 2))
        await taken_by(pool, 2)
        waiter = pool._waiting[0]
        waiter.add_done_callback(lambda _: first.cancel())  # between the gift and its taking
        await gate.go()
        await held
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == 2


# Calls that are left


async def test_a_call_that_is_given_up_runs_to_its_end_and_its_process_serves_on(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with started(ONE) as pool:
        held = asyncio.ensure_future(call(pool, samples.hold, gate.folder))
        pid = await gate.begun()
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        next_one = asyncio.ensure_future(call(pool, samples.pid))
        await taken_by(pool, 1)
        await gate.go()
        assert await next_one == pid


async def test_one_that_is_given_up_and_does_not_end_in_time_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(tmp_path)
    async with started(Processes(workers=1, timeout=0.5)) as pool:
        (link,) = pool.links
        held = asyncio.ensure_future(call(pool, samples.hold, gate.folder))
        await turns()
        assert link.call is not None
        held.cancel()
        while await _tried(pool) in (None, link.pid):
            pass
    assert f"(pid {link.pid}) was killed: hold: given up by who asked, and not over within 0.5 s" in caplog.text


async def _tried(pool: ProcessPool) -> object:
    try:
        return await call(pool, samples.pid)
    except (ProcessesBusy, ProcessTimeout):
        return None


# Processes that end


@pytest.mark.parametrize(
    ("function", "argument", "manner"),
    [
        (samples.leave, 3, "ended with exit code 3"),
        (samples.leave_in_order, 4, "ended with exit code 4"),
        (samples.fall, signal.SIGSEGV, "was ended by SIGSEGV"),
        (samples.fall, signal.SIGKILL, "was ended by SIGKILL"),
    ],
)
async def test_a_process_that_dies_costs_its_own_call_alone(
    function: Callable[[int], None], argument: int, manner: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(Processes(workers=2)) as pool:
        with pytest.raises(ProcessDied) as raised:
            await call(pool, function, argument)
        name = function.__name__
        assert str(raised.value).startswith(f"{name}: process ")
        assert str(raised.value).endswith(f" {manner}")
        assert await call(pool, samples.add, 1) == 1
        assert f"{manner}; another is started" in caplog.text


async def test_a_process_that_dies_at_rest_is_replaced() -> None:
    async with started(ONE) as pool:
        (link,) = pool.links
        os.kill(link.pid or 0, signal.SIGKILL)
        await asyncio.wait([link.gone])
        assert await call(pool, samples.pid) != link.pid


async def test_a_process_whose_own_children_outlive_it_is_replaced(tmp_path: Path) -> None:
    """They have its end of the socket."""
    gate = Gate(tmp_path)
    async with started(ONE) as pool:
        died = asyncio.ensure_future(call(pool, samples.leave_children, gate.folder))
        await gate.begun()
        await asyncio.to_thread((tmp_path / "left").write_text, "now")
        with pytest.raises(ProcessDied, match=r"ended with exit code 3$"):
            await died
        assert await call(pool, samples.add, 1) == 1
        await gate.go()


async def test_a_function_that_takes_too_long_is_killed_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(tmp_path)
    async with started(Processes(workers=1, timeout=0.5)) as pool:
        (link,) = pool.links
        text = rf"^hold: nothing came from process 1 of the pool \(pid {link.pid}\) within 0.5 s$"
        with pytest.raises(ProcessTimeout, match=text):
            await call(pool, samples.hold, gate.folder)
        while (found := await _tried(pool)) is None:
            pass
        assert found != link.pid
        assert f"(pid {link.pid}) was killed: hold: nothing came within 0.5 s" in caplog.text


async def test_a_timeout_that_the_function_raised_kills_nobody() -> None:
    async with started(ONE) as pool:
        with pytest.raises(TimeoutError, match=r"^its own$"):
            await call(pool, samples.time_out)
        assert len(pool.links) == 1
        assert not next(iter(pool.links)).killed


async def test_after_some_calls_a_process_is_replaced_and_nobody_waits_for_it() -> None:
    async with started(Processes(workers=1, recycle_after=3)) as pool:
        (first,) = pool.links
        pids = [await call(pool, samples.pid) for _ in range(3)]
        assert set(pids) == {first.pid}
        while await call(pool, samples.pid) == first.pid:  # it serves on until the other is ready
            pass
        await asyncio.wait([first.gone])
        assert first.retired


# The beginning


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_process_that_cannot_begin_says_why(workers: int, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ToolkitError, match=r"^process \d of the pool \(pid \d+\) cannot begin: no model$") as raised:
        async with started(Processes(workers=workers, initializer=samples.cannot_begin)):
            pass
    assert isinstance(raised.value.__cause__, OSError)
    assert "in cannot_begin" in caplog.text


async def test_one_that_is_gone_before_it_is_ready() -> None:
    with pytest.raises(ToolkitError, match=r"ended with exit code 5 before it was ready; what it printed may say why$"):
        async with started(Processes(workers=1, initializer=samples.leave_at_the_beginning)):
            pass


async def test_one_that_is_never_ready(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ToolkitError, match=r"was ended by SIGKILL before it was ready"):
        async with started(Processes(workers=1, start=0.05)):
            pass
    assert "was killed: it was not ready within 0.05 s" in caplog.text


async def test_one_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> int:
        raise BlockingIOError(11, "too many processes")

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", fails)
    with pytest.raises(ToolkitError, match=r"^process 1 of the pool could not be started: .*too many processes"):
        async with started(ONE):
            pass


# The end


async def test_who_waits_at_the_end_is_told_and_a_function_is_left_so_that_its_finally_runs(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with started(ONE) as pool:
        held = asyncio.ensure_future(call(pool, samples.hold_and_tell, gate.folder))
        await gate.begun()
        waits = asyncio.ensure_future(call(pool, samples.add, 1))
        await taken_by(pool, 1)
        left = asyncio.ensure_future(gate.left())
        await pool.close()
        assert await left == "SystemExit"
        with pytest.raises(ProcessesBusy, match="the pool of processes ends"):
            await waits
        with pytest.raises(ProcessDied, match=r"ended with exit code 0$"):
            await held
        with pytest.raises(ProcessesBusy, match="the pool of processes ends"):
            await call(pool, samples.add, 1)
        assert not pool.links


async def test_a_function_that_holds_on_is_cut_off(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with started(ONE) as pool:
        held = asyncio.ensure_future(call(pool, samples.hold_on, gate.folder))
        await gate.begun()
        await pool.close()
        with pytest.raises(ProcessDied, match=r"ended with exit code 1$"):
            await held


async def test_signals_that_a_group_gets_are_the_server_s_to_answer(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    async with started(ONE) as pool:
        held = asyncio.ensure_future(call(pool, samples.hold, gate.folder))
        pid = await gate.begun()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        await gate.go("undisturbed")
        assert await held == "undisturbed"


async def test_processes_that_come_and_go_leave_no_descriptor_and_no_thread() -> None:
    async with started(ONE):
        pass  # what multiprocessing itself opens once
    before = len(os.listdir("/proc/self/fd"))
    async with started(Processes(workers=1, recycle_after=1)) as pool:
        seen = set[object]()
        while len(seen) < 4:
            seen.add(await call(pool, samples.pid))
    assert len(os.listdir("/proc/self/fd")) == before
    for thread in threading.enumerate():
        if thread.name.startswith("toolkit-pool"):  # it has said what it had to say, and is on its way out
            thread.join(PATIENCE)
            assert not thread.is_alive()


async def test_nothing_is_left_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with started(Processes(workers=2, initializer=samples.begin)) as pool:
        pass
    assert not pool.links
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


async def test_an_end_in_the_middle_of_the_beginning(caplog: pytest.LogCaptureFixture) -> None:
    pool = ProcessPool(Processes(workers=2), Limits(), FormLimits(), [])
    pool.begin()
    await asyncio.sleep(0)  # they are started, and import the program
    assert len(pool.links) == 2
    await pool.close()
    assert not pool.links
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
