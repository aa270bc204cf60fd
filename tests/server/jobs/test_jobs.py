"""An application's jobs: declared, listed, begun and ended with it."""

from __future__ import annotations

import asyncio
import functools
import time

import pytest

from toolkit import App
from toolkit.errors import UseError

from .clocks import settle


def nothing() -> None:
    """A job."""


def test_jobs_are_listed_in_the_order_of_their_declaration() -> None:
    web = App()
    web.every(seconds=5)(nothing)
    web.cron("@daily", name="clean")(nothing)
    assert [(job.name, job.when) for job in web.jobs] == [("nothing", "every 5 s"), ("clean", "cron @daily, UTC")]
    assert len(web.jobs) == 2
    assert "clean" in web.jobs
    assert "other" not in web.jobs
    assert web.jobs["clean"].function is nothing
    assert "clean: cron @daily" in repr(web.jobs)
    assert web.jobs.under_way == []
    with pytest.raises(KeyError):
        web.jobs["other"]


def test_two_jobs_of_one_name_are_refused() -> None:
    web = App()
    web.every(seconds=5)(nothing)
    with pytest.raises(UseError, match=r"two jobs are called 'nothing': nothing \(.*test_jobs.py:\d+\) and nothing \("):
        web.every(seconds=6)(nothing)


def test_what_needs_arguments_is_refused_and_what_has_them_is_not() -> None:
    web = App()

    def sweep(folder: str) -> None:
        """It takes one."""

    with pytest.raises(UseError, match=r"sweep \(.*\) is called without arguments: missing a required argument"):
        web.every(seconds=5)(sweep)
    web.every(seconds=5)(functools.partial(sweep, "/var/tmp"))
    assert [job.name for job in web.jobs] == ["sweep"]
    with pytest.raises(UseError, match="'x' is no function"):
        web.every(seconds=5)("x")  # type: ignore[type-var]
    web.every(seconds=5)(time.tzset)  # a builtin


async def test_what_is_under_way_has_a_name() -> None:
    web = App()
    go_on = asyncio.Event()

    async def wait() -> None:
        await go_on.wait()

    async with web.lifespan():
        _ = web.submit(wait)
        await settle()
        assert web.jobs.under_way == ["test_what_is_under_way_has_a_name.<locals>.wait"]
        go_on.set()
    assert web.jobs.under_way == []


async def test_a_mounted_applications_jobs_live_with_the_outer_one() -> None:
    web, api = App(port=0), App()
    web.mount("/api", api)
    go_on = asyncio.Event()
    api.every(seconds=1000)(nothing)

    async def turn() -> None:
        await asyncio.sleep(0)

    @web.on_exit
    async def late() -> None:
        done.append("exit")
        _ = web.submit(turn)

    async def wait() -> None:
        await go_on.wait()
        done.append("work")

    done: list[str] = []
    async with web:
        assert api.jobs["nothing"].next is not None
        _ = api.submit(wait)
        ending = asyncio.ensure_future(web.exit())
        await settle()
        go_on.set()
        await ending
    assert done == ["work", "exit"]
    assert web.jobs.under_way == []
    assert api.jobs["nothing"].next is None


async def test_an_application_that_is_served_again_has_its_jobs_again() -> None:
    web = App(port=0)
    web.every(seconds=1000)(nothing)
    for _ in range(2):
        async with web:
            assert web.jobs["nothing"].next is not None
        assert web.jobs.is_stopping
        assert web.jobs["nothing"].next is None


async def test_one_application_has_its_jobs_on_one_loop_at_a_time() -> None:
    web = App()
    async with web.lifespan():
        await web.submit(nothing)

        def elsewhere() -> str:
            async def submit() -> None:
                _ = web.submit(nothing)

            with pytest.raises(UseError, match="in use on another running event loop"):
                asyncio.run(submit())
            return "refused"

        assert await asyncio.to_thread(elsewhere) == "refused"


def test_a_loop_that_is_closed_is_forgotten() -> None:
    web = App()

    async def submit() -> str:
        await web.submit(nothing)
        return "done"

    assert [asyncio.run(submit()), asyncio.run(submit())] == ["done", "done"]
