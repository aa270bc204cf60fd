"""Programs whose handlers run where they were told to, as their users start them: `python app.py`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import PATIENCE
from toolkit import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.slow

THREE_KINDS = """
import logging
import os
import sys
import threading

from toolkit import App, Processes, current_process

web = App("127.0.0.1", 0, processes=Processes(workers=1))


@web.route("/")
def index(env):
    return f"Hello world from process type {current_process().kind}"


@web.route("/async")
async def index_async(env):
    return f"Hello world (async) from process type {current_process().kind}"


@web.route("/cpu", process=True)
def cpu_bound(env):
    return f"Hello world (CPU-bound) from process type {current_process().kind}"


@web.route("/count/<first>/<second>", process=True)
def count(env, first, second):
    for number in range(int(first), int(second)):
        yield f"{number}\\n"


@web.get("/pids", process=True)
def pids(env):
    return [os.getppid(), os.getpid()]


@web.get("/holds", process=True)
def holds(env):
    yield "begun"
    try:
        threading.Event().wait()
    finally:
        print("let go", flush=True)

"""

MAIN = """
if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    web.run(WORKERS)
    print("over", flush=True)
"""


class Running:
    """The program's process, and where it listens."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.address = ""
        self.lines: list[str] = []

    async def listens(self, serving: int = 0) -> None:
        """Wait until it does, and so many workers serve."""
        assert self.process.stderr is not None
        while not self.address or sum(line.endswith("serves") for line in self.lines) < serving:
            line = (await self.process.stderr.readline()).decode()
            assert line, "\n".join(self.lines)
            self.lines.append(line.rstrip())
            if found := re.match(r"listening on (\S+)", line):
                self.address = found[1]

    async def ask(self, path: str) -> str:
        async with Session() as http:
            return await (await http.get(self.address + path)).text()

    async def rest(self) -> str:
        """All that is printed, once nobody is left who could print: this process, its workers, their processes."""
        assert self.process.stdout is not None
        return (await self.process.stdout.read()).decode()

    async def errors(self) -> str:
        """Likewise, what was logged."""
        assert self.process.stderr is not None
        return "\n".join(self.lines) + (await self.process.stderr.read()).decode()


@asynccontextmanager
async def program(folder: Path, source: str) -> AsyncIterator[Running]:
    """Run a program as `python app.py`, in a folder of its own."""
    (folder / "app.py").write_text(source)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "app.py"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(2 * PATIENCE):
            yield Running(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


def main(workers: int = 1) -> str:
    return THREE_KINDS + MAIN.replace("WORKERS", f"workers={workers}")


async def test_three_kinds_of_routes_side_by_side(tmp_path: Path) -> None:
    """On the loop, awaited there, and in a process of a pool, which imports the program that was started."""
    async with program(tmp_path, main()) as here:
        await here.listens()
        assert [await here.ask(path) for path in ("/", "/async", "/cpu")] == [
            "Hello world from process type main",
            "Hello world (async) from process type main",
            "Hello world (CPU-bound) from process type pool",
        ]
        assert await here.ask("/count/3/6") == "3\n4\n5\n"
        here.process.send_signal(signal.SIGTERM)
        assert await here.rest() == "over\n"
        assert await here.process.wait() == 0


async def test_ctrl_c_goes_to_all_of_them_and_is_one_graceful_end(tmp_path: Path) -> None:
    async with program(tmp_path, main()) as here:
        await here.listens()
        assert "pool" in await here.ask("/cpu")
        os.killpg(here.process.pid, signal.SIGINT)
        assert await here.rest() == "over\n"
        assert await here.process.wait() == 0
        assert "Traceback" not in await here.errors()


async def test_each_worker_has_processes_of_its_own(tmp_path: Path) -> None:
    async with program(tmp_path, main(workers=2)) as here:
        await here.listens(serving=2)
        assert await here.ask("/") == "Hello world from process type worker"
        families = set[tuple[int, int]]()
        while len(families) < 2:  # the kernel deals connections out
            parent, child = re.findall(r"\d+", await here.ask("/pids"))
            families.add((int(parent), int(child)))
        assert len({parent for parent, _ in families}) == len({child for _, child in families}) == 2
        here.process.send_signal(signal.SIGTERM)
        assert await here.rest() == "over\n"


@pytest.mark.parametrize("workers", [1, 2])
async def test_nobody_outlives_a_server_that_was_killed(tmp_path: Path, workers: int) -> None:
    """Neither who waits for a call nor who is in the middle of one, whose `finally` runs."""
    async with program(tmp_path, main(workers)) as here:
        await here.listens(serving=workers if workers > 1 else 0)
        async with Session() as http, http.stream("GET", here.address + "/holds") as answer:
            assert await anext(aiter(answer)) == b"begun"
            os.kill(here.process.pid, signal.SIGKILL)
            assert "let go\n" in await here.rest(), "the end of what is printed is that of the last who could"


async def test_a_program_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    """Else each process that imports it would serve it once more."""
    source = THREE_KINDS + "\nlogging.basicConfig(level=logging.INFO)\nweb.run()\n"
    async with program(tmp_path, source) as here:
        assert await here.process.wait() == 1
        errors = await here.errors()
        assert "toolkit.errors.UseError: run() in a process that runs handlers" in errors
        assert 'Put what starts the server below `if __name__ == "__main__":`' in errors
        assert re.search(
            r"ToolkitError: process 1 of the pool \(pid \d+\) ended with exit code 1 before it was", errors
        )


async def test_a_handler_below_the_guard_is_not_there_in_another_process(tmp_path: Path) -> None:
    source = main().replace(
        "    web.run(", "    def late(env): ...\n    web.get('/late', process=True)(late)\n    web.run("
    )
    async with program(tmp_path, source) as here:
        assert await here.process.wait() == 1
        assert (
            "__main__.late cannot be found in another process: module '__mp_main__' has no attribute 'late'; what "
            'stands below `if __name__ == "__main__":` is not there when the program is imported'
        ) in await here.errors()
