"""Worker processes, for real: forked, killed, replaced, told to end. Their loops are of the kind the test runs on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.helpers.served import PATIENCE
from toolkit import App, Session
from toolkit.errors import NetworkError, UseError
from toolkit.server.supervision import HASTE
from toolkit.server.workers import usable_cores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BEGINNING = """
import asyncio, logging, os, signal, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
if sys.argv[1] == "asyncio":
    sys.modules["uvloop"] = None
from toolkit import App, Timeouts
web = App(port=0)
@web.get("/pid")
def pid(r):
    return str(os.getpid())
@web.get("/loop")
def loop(r):
    return type(asyncio.get_running_loop()).__module__
@web.get("/descriptors")
def descriptors(r):
    return str(len(os.listdir("/proc/self/fd")))
@web.get("/until_stopping")
async def until_stopping(r):
    await r.prepare({})
    await r.write(b"begun ")
    await r.stopping()
    await r.write(b"a good end")
@web.get("/hangs")
async def hangs(r):
    await r.prepare({})
    await r.write(b"begun ")
    async with r.shield():
        await asyncio.Event().wait()
@web.get("/leave")
async def leave(r):
    _ = web.exit()
    return "left"
@web.on_exit
def tell():
    print("exit hook", flush=True)
"""
END = """
web.run(workers=2)
print("over", flush=True)
"""


class Served:
    """A supervisor's process, what it logs, and where it listens."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.address = ""
        self.workers: list[int] = []  # those that serve, or did
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdout = process.stdout
        self._stderr = process.stderr

    async def _read(self) -> str:
        """One more line; what it says is noted."""
        line = (await self._stderr.readline()).decode()
        assert line, "that was all:\n" + "\n".join(self.lines)
        self.lines.append(line.rstrip())
        if listening := re.match(r"listening on (\S+) with", line):
            self.address = listening[1]
        if serves := re.match(r"worker \d+ \(pid (\d+)\) serves", line):
            self.workers.append(int(serves[1]))
        return self.lines[-1]

    async def logged(self, pattern: str) -> None:
        """Wait for a line that matches, unless there was one."""
        if not any(re.search(pattern, line) for line in self.lines):
            while not re.search(pattern, await self._read()):
                pass

    async def serve(self, count: int) -> None:
        """Wait until that many workers have come to serve since the beginning."""
        while len(self.workers) < count:
            await self._read()

    async def ask(self, path: str) -> str:
        """By a connection of its own."""
        async with Session() as http:
            return await (await http.get(self.address + path)).text()

    async def begun(
        self, path: str = "/until_stopping", tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request whose answer has begun."""
        parts = urlsplit(self.address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
        writer.write(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path.encode())
        await reader.readuntil(b"begun ")
        return reader, writer

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def printed_line(self) -> str:
        """The next line that was printed."""
        return (await self._stdout.readline()).decode()

    async def printed(self) -> str:
        """All that was printed, once nobody is left who could print."""
        return (await self._stdout.read()).decode()

    async def rest(self) -> list[str]:
        """All that was logged, once nobody is left who could log."""
        self.lines += (await self._stderr.read()).decode().splitlines()
        return self.lines


def loop_kind() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


@asynccontextmanager
async def started(middle: str = "", end: str = END) -> AsyncIterator[Served]:
    """Run the program; whatever is left of it at the end is killed."""
    program = BEGINNING + middle + end
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, loop_kind()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        start_new_session=True,  # a group of its own, as a terminal would make
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield Served(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


@asynccontextmanager
async def serving(middle: str = "", end: str = END, workers: int = 2) -> AsyncIterator[Served]:
    async with started(middle, end) as here:
        await here.serve(workers)
        yield here


# Serving


async def test_workers_share_a_port_that_was_free() -> None:
    async with serving() as here:
        assert len(set(here.workers)) == 2
        seen = {await here.ask("/pid") for _ in range(64)}
        assert seen == {str(pid) for pid in here.workers}
        assert (await here.ask("/loop")).partition(".")[0] == loop_kind()
        here.send(signal.SIGTERM)
        assert await here.printed() == "exit hook\nexit hook\nover\n"
        assert await here.process.wait() == 0
        assert here.lines[0] == f"listening on {here.address} with 2 workers, supervisor pid {here.process.pid}"
        assert [line for line in await here.rest() if "ended with exit code 0" in line][2:] == []


async def test_a_worker_for_each_usable_core() -> None:
    async with serving(end="web.run(workers=0)", workers=usable_cores()) as here:
        assert f"with {usable_cores()} workers" in here.lines[0]


async def test_a_unix_socket_is_shared_and_its_name_stays_as_long_as_the_supervisor(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with serving(f"web.unix = {str(path)!r}") as here:
        assert here.address == "http+unix://" + str(path).replace("/", "%2F")
        here.send(signal.SIGHUP)
        await here.serve(4)
        for old in here.workers[:2]:
            await here.logged(rf"\(pid {old}\) ended with exit code 0")
        async with Session(unix=str(path)) as http:
            answer = await http.get("http://localhost/pid")
            assert int(await answer.text()) in here.workers[2:]
        here.send(signal.SIGTERM)
        assert await here.process.wait() == 0
        assert not path.exists()


async def test_tls() -> None:
    end = """
from tests.helpers.tls import server_context
web.run(tls=server_context(), workers=2)
"""
    async with serving(end=end) as here:
        assert here.address.startswith("https://127.0.0.1:")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for _ in range(4):
            _, writer = await here.begun(tls=context)
            writer.close()
        here.send(signal.SIGTERM)
        assert await here.process.wait() == 0


# Workers that end


@pytest.mark.parametrize(
    ("number", "manner"), [(signal.SIGKILL, "was ended by SIGKILL"), (signal.SIGTERM, "ended with exit code 0")]
)
async def test_a_worker_that_ends_is_replaced_and_serving_goes_on(number: signal.Signals, manner: str) -> None:
    async with serving() as here:
        gone, other = here.workers
        os.kill(gone, number)
        for _ in range(32):  # those that the kernel gave to the missing one wait for its successor
            assert await here.ask("/pid")
        await here.serve(3)
        assert any(line.endswith(f"(pid {gone}) {manner}; another is started") for line in here.lines)
        assert {int(await here.ask("/pid")) for _ in range(64)} == {other, here.workers[2]}


async def test_a_worker_of_later_holds_no_more_than_one_of_the_beginning() -> None:
    async with serving() as here:
        before = {await here.ask("/descriptors") for _ in range(16)}
        supervisor = len(os.listdir(f"/proc/{here.process.pid}/fd"))
        for number in range(2, 5):
            os.kill(here.workers[-2], signal.SIGKILL)
            await here.serve(number + 1)
        assert {await here.ask("/descriptors") for _ in range(16)} == before
        assert len(os.listdir(f"/proc/{here.process.pid}/fd")) == supervisor


async def test_a_worker_whose_own_children_outlive_it_is_replaced() -> None:
    """They have all of its descriptors, so that no pipe of it ends."""
    middle = """
@web.get("/parent")
def parent(r):
    child = os.fork()
    if child:
        return f"{os.getpid()} {child}"
    while True:
        signal.pause()
"""
    async with serving(middle) as here:
        worker, child = map(int, (await here.ask("/parent")).split())
        os.kill(worker, signal.SIGKILL)
        await here.serve(3)
        os.kill(child, signal.SIGKILL)
        here.send(signal.SIGTERM)
        assert await here.process.wait() == 0


async def test_a_worker_is_replaced_also_where_nobody_reads_what_is_printed() -> None:
    end = """
reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(writing)
os.close(reading)
sys.stdout.write("buffered, and never to be written")
web.run(workers=2)
"""
    async with serving(end=end) as here:
        os.kill(here.workers[0], signal.SIGKILL)
        await here.serve(3)


# The beginning


FAILING = {
    "before it runs": ("os.register_at_fork(after_in_child=lambda: os._exit(7))", "ended with exit code 7"),
    "killed": ("os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), 9))", "was ended by SIGKILL"),
    "an exception": (
        "async def serve(**_): raise ValueError('no database')\nweb.serve = serve",
        "ended with exit code 1",
    ),
    "SystemExit": ("async def serve(**_): raise SystemExit(3)\nweb.serve = serve", "ended with exit code 3"),
}


@pytest.mark.parametrize("how", FAILING)
async def test_workers_that_cannot_serve_end_it_with_a_clear_error_and_no_second_attempt(how: str) -> None:
    program, manner = FAILING[how]
    forks = "os.register_at_fork(after_in_parent=lambda: print('forked', flush=True))\n"
    async with started(forks + program) as here:
        assert await here.process.wait() == 1
        lines = await here.rest()
        assert re.fullmatch(
            rf"toolkit.errors.ToolkitError: the workers cannot serve: worker \d \(pid \d+\) {manner} before it served",
            lines[-1],
        )
        assert sum(line.endswith("; the server ends") for line in lines) == 1
        assert ("ValueError: no database" in lines) == (how == "an exception")
        assert (await here.printed()).count("forked") <= 2


async def test_an_address_that_cannot_be_had_is_one_error_and_no_worker() -> None:
    async with App(port=0) as web:
        port = web.server_address.rsplit(":", 1)[1]
        async with started(end=f"web.run(port={port}, workers=2)") as here:
            assert await here.process.wait() == 1
            lines = await here.rest()
            assert lines[-1].startswith(f"toolkit.errors.NetworkError: cannot listen on 127.0.0.1:{port}: ")
            assert not any("worker" in line and "pid" in line for line in lines)


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_end_completes_what_runs(number: signal.Signals) -> None:
    async with serving() as here:
        begun = [await here.begun() for _ in range(8)]
        here.send(number)
        for reader, writer in begun:
            assert b"a good end" in await reader.read()
            writer.close()
        assert await here.process.wait() == 0
        assert await here.printed() == "exit hook\nexit hook\nover\n"


async def test_ctrl_c_which_goes_to_all_of_them_is_one_graceful_end() -> None:
    async with serving() as here:
        reader, writer = await here.begun()
        os.killpg(here.process.pid, signal.SIGINT)
        here.send(signal.SIGINT)  # a wrapper passes it on
        assert b"a good end" in await reader.read()
        writer.close()
        assert await here.process.wait() == 0


async def test_a_service_manager_that_tells_every_process_does_no_harm() -> None:
    async with serving() as here:
        reader, writer = await here.begun()
        os.killpg(here.process.pid, signal.SIGTERM)
        assert b"a good end" in await reader.read()
        writer.close()
        assert await here.process.wait() == 0


async def test_told_twice_it_ends_at_once() -> None:
    async with serving("web.timeouts = Timeouts(grace=None)") as here:
        _, writer = await here.begun("/hangs")
        here.send(signal.SIGTERM)
        await here.logged("stopping")
        while here.process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(here.process.wait(), HASTE / 2)
            with contextlib.suppress(ProcessLookupError):
                here.send(signal.SIGTERM)
        writer.close()
        assert any("are killed" in line for line in await here.rest())
        assert here.process.returncode == 0


@pytest.mark.parametrize("running", [False, True])
async def test_workers_end_when_their_supervisor_is_gone(running: bool) -> None:
    async with serving() as here:
        begun = [await here.begun() for _ in range(4)] if running else []
        here.send(signal.SIGKILL)
        for reader, writer in begun:
            assert b"a good end" in await reader.read(), "gracefully, even so"
            writer.close()
        assert await here.printed() == "exit hook\nexit hook\n", "its end is that of the last process that had it"
        with pytest.raises(ConnectionError):
            await here.begun()


async def test_an_application_that_ends_itself_ends_in_every_worker() -> None:
    async with serving() as here:
        assert await here.ask("/leave") == "left"
        assert await here.printed() == "exit hook\nexit hook\nover\n"
        assert await here.process.wait() == 0


async def test_what_is_around_run_happens_once_and_in_the_supervisor() -> None:
    end = """
import atexit
atexit.register(print, "atexit")
sys.stdout.write("buffered ")
try:
    with web:
        web.run(workers=2)
finally:
    print("over")
"""
    async with serving(end=end) as here:
        here.send(signal.SIGTERM)
        assert sorted((await here.printed()).split("\n")) == sorted(
            ["buffered exit hook", "exit hook", "over", "atexit", ""]
        )


# Renewal


async def test_a_renewal_replaces_every_worker_and_loses_no_request() -> None:
    async with serving() as here:
        reader, writer = await here.begun()
        old = set(here.workers)
        here.send(signal.SIGHUP)
        asked = 0
        while asked < 16 or len(here.workers) < 4:
            assert await here.ask("/pid")
            asked += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(here.serve(4), 0.001)
        assert b"a good end" in await reader.read(), "what runs in an old worker is completed"
        writer.close()
        for pid in old:
            await here.logged(rf"\(pid {pid}\) ended with exit code 0")
        assert {int(await here.ask("/pid")) for _ in range(64)} == set(here.workers) - old
        here.send(signal.SIGTERM)
        assert await here.process.wait() == 0


# What cannot be


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000\n", None), ("150000 100000\n", 2), ("50000 100000", 1), ("nonsense", None)]
)
def test_usable_cores(quota: str, most: int | None, tmp_path: Path) -> None:
    path = tmp_path / "cpu.max"
    none = usable_cores(str(path))
    assert 1 <= none <= (os.cpu_count() or 1)
    path.write_text(quota)
    assert usable_cores(str(path)) == min(none, most or none)


def test_a_number_that_means_nothing() -> None:
    with pytest.raises(UseError, match=r"run\(workers=-1\): expected a number of processes"):
        App(port=0).run(workers=-1)
    with pytest.raises(UseError, match=r"run\(workers='2'\): expected a number of processes"):
        App(port=0).run(workers="2")  # type: ignore[arg-type]  # as it comes out of an environment


def test_not_without_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(UseError, match=r"run\(workers=2\) forks, which this platform cannot"):
        App(port=0).run(workers=2)


def test_not_outside_the_main_thread() -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            App(port=0).run(workers=2)
        except UseError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "outside the main thread" in str(raised[0])


def test_other_threads_are_named_before_the_fork(caplog: pytest.LogCaptureFixture) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="a-watcher")
    thread.start()
    try:
        with caplog.at_level(logging.WARNING), pytest.raises(NetworkError):
            App("no.such.host.invalid", port=0).run(workers=2)
    finally:
        end.set()
        thread.join()
    assert "forking beside other threads (" in caplog.text
    assert "a-watcher" in caplog.text


# Jobs by the clock


async def test_a_job_runs_in_one_worker_and_in_another_one_when_that_is_gone() -> None:
    middle = """
@web.every(seconds=0.05)
def once():
    os.write(1, f"once {os.getpid()}\\n".encode())
@web.every(seconds=0.05, each_worker=True)
def each():
    os.write(1, f"each {os.getpid()}\\n".encode())
"""
    async with serving(middle) as here:

        async def runs(count: int) -> tuple[set[str], set[str]]:
            """In which processes the next so many runs are."""
            seen: dict[str, set[str]] = {"once": set(), "each": set()}
            while count:
                name, pid = (await here.printed_line()).split()
                seen[name].add(pid)
                count -= name == "once"
            return seen["once"], seen["each"]

        once, each = await runs(20)
        assert len(once) == 1
        assert {int(pid) for pid in each} == set(here.workers)
        (leader,) = once
        os.kill(int(leader), signal.SIGKILL)
        await here.serve(3)
        while (await runs(1))[0] == once:  # what it printed before
            pass
        once, _ = await runs(20)
        assert len(once) == 1
        assert once <= {str(pid) for pid in here.workers if pid != int(leader)}
        here.send(signal.SIGTERM)
        assert await here.process.wait() == 0
