"""Reloading, for real: a program that is edited while it serves."""

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
from urllib.parse import urlsplit

import pytest

from tests.helpers.served import PATIENCE
from toolkit import App, Session
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.slow  # an interpreter is started two to four times in each

PROGRAM = """
import asyncio, logging, os, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
if sys.argv[1] == "asyncio":
    sys.modules["uvloop"] = None
from toolkit import App, Reload, Timeouts
from version import VERSION
web = App(port=0)
@web.get("/")
def home(r):
    return {"version": VERSION, "pid": os.getpid(), "loop": type(asyncio.get_running_loop()).__module__}
@web.get("/stream")
async def stream(r):
    await r.prepare({})
    await r.write(b"begun ")
    await r.disconnected()
@web.get("/leave")
async def leave(r):
    _ = web.exit()
    return "left"
@web.on_start
def serves():
    print("serves", VERSION, flush=True)
@web.on_exit
def ended():
    print("ended", VERSION, flush=True)
"""
RUN = "web.run(reload=True)\nprint('over', flush=True)\n"


class Edited:
    """A program's process, where it lies, what it says, and where it listens."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.logged: list[str] = []
        self.said: list[str] = []
        self.address = ""
        self.pid = 0  # of who answered last

    def write(self, text: str, name: str = "version.py") -> None:
        """Edit a file as an editor does: a new one takes its place."""
        other = self.folder / f"{name}.new"
        other.write_text(text, encoding="utf-8")
        other.rename(self.folder / name)

    async def _until(self, stream: asyncio.StreamReader | None, seen: list[str], pattern: str) -> str:
        assert stream is not None
        async with asyncio.timeout(PATIENCE):
            while not (seen and re.search(pattern, seen[-1])):
                line = (await stream.readline()).decode()
                assert line, "that was all:\n" + "\n".join(self.logged + self.said)
                seen.append(line.rstrip())
        return seen[-1]

    async def log(self, pattern: str) -> str:
        """Wait for a line of the log."""
        return await self._until(self.process.stderr, self.logged, pattern)

    async def says(self, pattern: str) -> str:
        """Wait for a line that is printed."""
        return await self._until(self.process.stdout, self.said, pattern)

    async def version(self) -> int:
        """What it answers, over a connection of its own."""
        async with Session() as http:
            answer = await (await http.get(self.address)).json()
        assert isinstance(answer, dict)
        assert str(answer["loop"]).partition(".")[0] == loop_kind()
        self.pid = int(str(answer["pid"]))
        return int(str(answer["version"]))

    async def stream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """An answer that has begun, and does not end."""
        parts = urlsplit(self.address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        await reader.readuntil(b"begun ")
        return reader, writer

    async def ends(self) -> int:
        """Its exit code, once it and all that it started have ended."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            self.said += (await self.process.stdout.read()).decode().splitlines()
            self.logged += (await self.process.stderr.read()).decode().splitlines()
            return await self.process.wait()


def loop_kind() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


@asynccontextmanager
async def edited(folder: Path, run: str = RUN) -> AsyncIterator[Edited]:
    """Run the program in `folder`; whatever is left of it at the end is killed."""
    (folder / "version.py").write_text("VERSION = 1\n", encoding="utf-8")
    (folder / "program.py").write_text(PROGRAM + run, encoding="utf-8")
    users = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}  # beside it lies version.py
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "program.py", loop_kind()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**users, "PYTHONDONTWRITEBYTECODE": "1"},  # sources that change twice within a second
        start_new_session=True,  # a group of its own, as a terminal would make
    )
    try:
        here = Edited(process, folder)
        here.address = (await here.log(r"^listening on ")).split()[2].rstrip(",")
        await here.says("^serves 1")
        yield here
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def test_a_change_replaces_the_program_and_nobody_is_refused(tmp_path: Path) -> None:
    async with edited(tmp_path) as here:
        assert await here.version() == 1
        first = here.pid
        for number in (2, 3):
            here.write(f"VERSION = {number}\n")
            await here.log("^reloading: version.py$")
            assert await here.version() in (number - 1, number)  # the one that ends, or the one that comes
            await here.says(f"^serves {number}")
            assert await here.version() == number
        assert here.pid != first
        here.process.send_signal(signal.SIGTERM)
        assert await here.ends() == 0
        expected = [line for number in (1, 2, 3) for line in (f"serves {number}", f"ended {number}", "over")]
        assert sorted(here.said) == sorted([*expected, "over"])  # one that ends slowly does so beside the next


async def test_source_that_cannot_be_read_is_told_and_the_old_program_serves_on(tmp_path: Path) -> None:
    async with edited(tmp_path) as here:
        here.write("VERSION = (\n")
        await here.log("^not reloaded:")
        await here.log("^SyntaxError: ")
        assert await here.version() == 1
        here.write("VERSION = 2\n", "other.py")  # the broken one is still there
        await here.log("^not reloaded:")
        assert await here.version() == 1
        here.write("VERSION = 2\n")
        await here.says("^serves 2")
        assert await here.version() == 2


async def test_a_program_that_fails_is_waited_for_and_so_do_requests(tmp_path: Path) -> None:
    async with edited(tmp_path) as here:
        here.write("VERSION = nobody\n")
        await here.log("^NameError: ")
        await here.log("^the program ended with exit code 1; requests wait for the next change")
        waiting = asyncio.ensure_future(here.version())
        here.write("VERSION = 2\n")
        assert await waiting == 2


async def test_an_open_stream_holds_up_nobody(tmp_path: Path) -> None:
    async with edited(tmp_path) as here:
        reader, writer = await here.stream()
        here.write("VERSION = 2\n")
        await here.log("^the old process has work to finish, the new one starts beside it")
        await here.says("^serves 2")
        assert await here.version() == 2
        assert not reader.at_eof()
        writer.close()
        await here.says("^ended 1")


async def test_ctrl_c_which_goes_to_both_ends_both(tmp_path: Path) -> None:
    async with edited(tmp_path) as here:
        os.killpg(here.process.pid, signal.SIGINT)
        assert await here.ends() == 0
        assert here.said == ["serves 1", "ended 1", "over", "over"]
        assert not any("Traceback" in line for line in here.logged)


async def test_the_applications_exit_is_the_end_of_both(tmp_path: Path) -> None:
    async with edited(tmp_path) as here:
        async with Session() as http:
            assert await (await http.get(f"{here.address}/leave")).text() == "left"
        assert await here.ends() == 0
        assert here.said == ["serves 1", "ended 1", "over", "over"]


async def test_a_program_whose_watcher_was_killed_ends_itself(tmp_path: Path) -> None:
    async with edited(tmp_path) as here:
        here.process.kill()
        assert await here.ends() == -signal.SIGKILL
        assert here.said == ["serves 1", "ended 1", "over"]


async def test_other_files_where_that_was_said(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    run = 'web.run(reload=Reload(paths=["pages"], patterns=["*.html"]))\n'
    async with edited(tmp_path, run) as here:
        here.write("VERSION = 2\n")  # not watched
        here.write("<p>", "pages/page.txt")
        here.write("<p>", "pages/page.html")
        assert await here.log("^reloading") == "reloading: pages/page.html"
        await here.says("^serves 2")


async def test_what_a_program_starts_itself_is_not_taken_for_the_one_that_is_reloaded(tmp_path: Path) -> None:
    """The environment says which process is meant; it reaches those that this one starts before it runs, too."""
    before = """
import subprocess
if len(sys.argv) == 2 and "TOOLKIT_RELOADING" in os.environ:
    child = [sys.executable, "-c", "from toolkit import App; App(port=0).run(port=-1, reload=True)"]
    print(subprocess.run(child, stderr=subprocess.PIPE, text=True).stderr.splitlines()[-1], flush=True)
"""
    async with edited(tmp_path, before + RUN) as here:
        assert here.said[0] == "toolkit.errors.UseError: port=-1: expected a number from 0 (any free one) to 65535"
        assert await here.version() == 1


def test_what_cannot_be_reloaded_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UseError, match=r"run\(reload=..., workers=2\): what is reloaded is one process"):
        App(port=0).run(reload=True, workers=2)
    with pytest.raises(UseError, match=r"run\(reload='app'\): expected True or Reload\(\.\.\.\)"):
        App(port=0).run(reload="app")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(UseError, match=r"pip install 'streaming-toolkit\[reload\]'"):
        App(port=0).run(reload=True)


async def test_only_the_main_thread_can_watch() -> None:
    with pytest.raises(UseError, match="outside the main thread"):
        await asyncio.to_thread(App(port=0).run, reload=True)
