"""Work under way: kept, logged, bounded, waited for at the end, and cancelled behind it."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import ContextVar

import pytest

from tests.helpers.served import PATIENCE
from toolkit import JobOptions
from toolkit.errors import UseError
from toolkit.server.jobs.crew import Crew, check_work, title_of, work_of

from .clocks import settle

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


def crew(at_once: int | None = None) -> Crew:
    return Crew(asyncio.get_running_loop(), JobOptions(at_once=at_once))


def start(one: Crew, function: object, *args: object) -> asyncio.Task[object]:
    assert callable(function)
    return one.start(title_of(function), work_of(function, args, {}))


async def test_a_coroutine_function_runs_on_the_loop_and_a_plain_one_in_a_thread() -> None:
    async def on_loop(x: int) -> tuple[int, int]:
        return x, threading.get_ident()

    def in_thread(x: int) -> tuple[int, int, str]:
        return x, threading.get_ident(), VARIABLE.get()

    async def awaited() -> str:
        return "awaited"

    one = crew()
    VARIABLE.set("mine")
    here = threading.get_ident()
    assert await start(one, on_loop, 1) == (1, here)
    seen = await start(one, in_thread, 2)
    assert isinstance(seen, tuple)
    assert (seen[0], seen[2]) == (2, "mine")
    assert seen[1] != here
    assert await start(one, lambda: awaited()) == "awaited"
    await one.end(0)


async def test_a_task_that_nobody_keeps_is_kept() -> None:
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def wait() -> None:
        await waiting
        ended.set()

    one = crew()
    _ = start(one, wait)
    await settle()
    gc.collect()
    assert one.names() == ["test_a_task_that_nobody_keeps_is_kept.<locals>.wait"]
    waiting.set_result(None)
    async with asyncio.timeout(PATIENCE):
        await ended.wait()
    await settle()
    assert one.names() == []


async def test_a_failure_is_logged_by_name_and_raised_to_who_waits(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("no disk")

    one = crew()
    task = start(one, fail)
    with pytest.raises(ValueError, match="no disk"):
        await task
    _ = start(one, fail)
    await one.end(None)
    assert [record.getMessage() for record in caplog.records] == [f"{title_of(fail)} failed"] * 2
    assert all(record.exc_info and isinstance(record.exc_info[1], ValueError) for record in caplog.records)


async def test_who_cancels_knows_and_what_was_cancelled_beneath_is_told(caplog: pytest.LogCaptureFixture) -> None:
    other: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await other

    one = crew()
    mine = start(one, wait)
    await settle()
    mine.cancel()
    await settle()
    assert caplog.records == []
    _ = start(one, wait)
    await settle()
    other.cancel()
    await settle()
    assert [record.getMessage() for record in caplog.records] == [
        f"{title_of(wait)} ended: it awaited something that was cancelled"
    ]


async def test_no_more_at_once_than_was_said_and_in_order() -> None:
    began: list[int] = []
    go_on = [asyncio.Event() for _ in range(4)]

    async def work(number: int) -> None:
        began.append(number)
        await go_on[number].wait()

    one = crew(at_once=2)
    for number in range(4):
        _ = start(one, work, number)
    await settle()
    assert began == [0, 1]
    assert len(one.names()) == 4
    go_on[1].set()
    await settle()
    assert began == [0, 1, 2]
    free = one.start("by the clock", work_of(work, (3,), {}), gated=False)
    await settle()
    assert began == [0, 1, 2, 3]
    for event in go_on:
        event.set()
    await free
    await one.end(None)
    assert began == [0, 1, 2, 3, 3]


async def test_the_end_waits_for_what_is_under_way_and_for_what_that_begins() -> None:
    done: list[str] = []
    one = crew()

    async def first() -> None:
        await asyncio.sleep(0)
        _ = start(one, second)
        done.append("first")

    def second() -> None:
        done.append("second")

    _ = start(one, first)
    await one.end(None)
    assert done == ["first", "second"]


async def test_what_outlives_the_grace_is_cancelled_and_told_by_name(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.server.jobs.crew.LEAST", 0.01)
    unwound = asyncio.Event()
    let_go = threading.Event()
    at_it = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            unwound.set()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if caught.is_set():
                    raise
                caught.set()

    def in_thread() -> None:
        at_it.set()
        let_go.wait(PATIENCE)

    caught = asyncio.Event()
    one = crew()
    _ = start(one, forever)
    left = start(one, stubborn)
    _ = start(one, in_thread)
    await asyncio.to_thread(at_it.wait, PATIENCE)
    await one.end(0)
    assert unwound.is_set()
    here = "test_what_outlives_the_grace_is_cancelled_and_told_by_name.<locals>."
    assert [record.getMessage() for record in caplog.records] == [
        f"the grace is over: cancelled work beside requests: {here}forever, {here}stubborn, {here}in_thread",
        f"{here}stubborn does not end though it was cancelled",
        f"{here}in_thread still runs in its thread, which nothing can end; Python waits for it",
    ]
    let_go.set()
    left.cancel()
    await settle()
    assert left.cancelled()


async def test_an_end_that_is_cancelled_leaves_nothing_behind() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    one = crew()
    task = start(one, forever)
    ending = asyncio.create_task(one.end(None))
    await settle()
    ending.cancel()
    await settle()
    assert ending.cancelled()
    assert task.cancelled()


async def coroutine() -> None:
    """Called too early."""


def test_what_was_called_already_is_refused() -> None:
    with pytest.raises(UseError, match=r"web\.submit was given a coroutine; .* web.submit\(f, x\), not f\(x\)"):
        check_work("web.submit", coroutine())
    with pytest.raises(UseError, match=r"r\.after was given None; expected a function and its arguments"):
        check_work("r.after", None)
