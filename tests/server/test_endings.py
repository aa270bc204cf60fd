"""What began ends, once, in the other order, whatever fails on the way: hooks, jobs, processes, stores."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from toolkit import App, JobOptions, Processes, Session

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.server.jobs.clock import JobClock


async def test_a_hook_that_raises_stops_no_other_and_nothing_is_left() -> None:
    """What began ends: hooks of the others, the store, and what the hook itself had handed in."""
    web, inner, seen = App(port=0), App(), list[str]()
    web.mount("/inner", inner)

    async def say_later() -> None:
        await asyncio.sleep(0)
        seen.append("later")

    @inner.on_exit
    def fail() -> None:
        _ = web.submit(say_later)
        raise ValueError("a hook's own")

    web.on_exit(partial(seen.append, "outer"))
    for life in (lambda: web, web.lifespan):
        with pytest.raises(ValueError, match="a hook's own"):
            async with life():
                pass
        assert (seen, web.jobs.under_way) == (["outer", "later"], [])
        seen.clear()


async def test_what_an_exit_hook_raises_reaches_who_had_a_lifespan_and_a_connection() -> None:
    web = App()

    @web.on_exit
    def fail() -> None:
        raise ValueError("a hook's own")

    with pytest.raises(ValueError, match="a hook's own"):
        async with web.lifespan(), Session(app=web) as http:
            assert (await http.get("/")).status == 404


async def test_an_error_at_the_end_keeps_the_one_that_led_to_it() -> None:
    """Of several errors none is lost: each is the context of the next."""
    web = App(port=0)

    @web.on_exit
    def first() -> None:
        raise ValueError("first")

    @web.on_exit
    def second() -> None:
        raise ValueError("second")

    with pytest.raises(ValueError, match="second") as caught:
        async with web.lifespan():
            raise KeyError("the block's own")
    assert str(caught.value.__context__) == "first"
    assert isinstance(getattr(caught.value.__context__, "__context__", None), KeyError)


async def test_a_clock_that_cannot_be_made_leaves_nobody_who_listens() -> None:
    def broken(loop: asyncio.AbstractEventLoop) -> JobClock:
        raise ValueError("no such clock")

    web, seen = App(port=0, jobs=JobOptions(clock=broken)), list[str]()
    web.on_start(partial(seen.append, "start"))
    web.on_exit(partial(seen.append, "exit"))
    web.every(60)(list)
    with pytest.raises(ValueError, match="no such clock"):
        await web.serve()
    assert seen == ["start", "exit"]
    with pytest.raises(ValueError, match="no such clock"):  # and not: it listens already
        await web.serve()


@pytest.mark.slow
async def test_processes_end_whoever_had_begun_them() -> None:
    """A mounted application's job or an exit hook may be the first to call something in a process."""
    web, inner = App(port=0, processes=Processes(workers=1)), App(processes=Processes(workers=1))
    web.mount("/inner", inner)
    pids = list[int]()

    @web.on_exit
    async def call() -> None:
        pids.append(await web.in_process(os.getpid))

    async with web:
        pids.append(await inner.in_process(os.getpid))
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
def test_processes_of_a_loop_that_is_closed_are_no_hindrance_to_the_end(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("""
import asyncio, os
from toolkit import App, Processes

web = App(port=0, processes=Processes(workers=1))
web.on_exit(lambda: print("exit"))

async def serve():
    async with web:
        pass

if __name__ == "__main__":
    first = asyncio.run(web.in_process(os.getpid))
    asyncio.run(serve())
    second = asyncio.run(web.in_process(os.getpid))
    third = asyncio.run(web.in_process(os.getpid))
    print(len({first, second, third, os.getpid()}))
""")
    ran = subprocess.run([sys.executable, str(program)], stdout=subprocess.PIPE, check=True, text=True)
    assert ran.stdout == "exit\n4\n"
