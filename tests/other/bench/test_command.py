"""The command, in this process: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
import threading
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson
import pytest

from toolkit import App, Request
from toolkit.other.bench.arguments import parse
from toolkit.other.bench.command import FAILED, INTERRUPTED, WORSE, Bench, main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 10.0


class Server:
    """An application on a loop in a thread of its own, since the command has the main thread's."""

    def __init__(self) -> None:
        self.web = App(port=0)
        self.web.get("/")(self.small)
        self.web.get("/reset")(self.reset)
        self.web.get("/interrupt")(self.interrupt)
        self.web.get("/error")(self.error)
        self.seen = 0

    async def small(self, r: Request) -> str:
        self.seen += 1
        return "hello"

    async def reset(self, r: Request) -> None:
        await r.prepare({"content-length": 5})
        await r.abort("no answer")

    async def error(self, r: Request) -> tuple[int, str]:
        return 500, "sorry"

    async def interrupt(self, r: Request) -> str:
        self.seen += 1
        if self.seen == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return "hello"


@contextmanager
def serving() -> Iterator[tuple[Server, str]]:
    """A server and its address."""
    server = Server()
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        running = asyncio.ensure_future(server.web.serve())
        _ = await server.web.started()
        started.set()
        await running

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(PATIENCE)
        yield server, server.web.server_address
    finally:
        loop.call_soon_threadsafe(server.web.exit)
        thread.join(PATIENCE)
        loop.close()
    assert not thread.is_alive()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as (made, _):
        yield made


@pytest.fixture
def url(server: Server) -> str:
    return server.web.server_address


QUICK = ("-n", "50", "-c", "2")


def test_a_run_is_reported(server: Server, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([url, *QUICK]) == 0
    told = capsys.readouterr()
    assert server.seen == 50
    assert told.err == ""  # no progress in a pipe
    assert re.search(r"^  answers +50   200: 50$", told.out, re.MULTILINE)
    assert "not corrected for coordinated omission" in told.out
    assert "#" in told.out
    assert told.out.isascii()  # plain in a pipe


def test_a_run_by_rate(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([url, *QUICK, "--rate", "500", "--no-plot"]) == 0
    out = capsys.readouterr().out
    assert "open loop at 500/s" in out
    assert "from when each request was due (corrected" in out
    assert "#" not in out


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_has_blocks_and_a_live_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out, error = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", error)
    monkeypatch.setenv("COLUMNS", "60")
    assert main([url, "-d", "0.3", "-w", "0", "-c", "2"]) == 0
    assert "█" in out.getvalue()
    assert max(len(line) for line in out.getvalue().splitlines() if "|" in line) <= 60
    assert "measuring [" in error.getvalue()
    assert error.getvalue().endswith("\r\033[K")


def test_everything_is_written(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json, html, svg = (tmp_path / f"a.{kind}" for kind in ("json", "html", "svg"))
    assert main([url, *QUICK, "--json", str(json), "--html", str(html), "--svg", str(svg)]) == 0
    found = orjson.loads(json.read_bytes())
    assert (found["schema"], found["version"], found["runs"][0]["answers"]) == ("toolkit-bench", 1, 50)
    assert "<svg" in html.read_text()
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert "requests/s" in capsys.readouterr().out


def test_json_on_standard_output_is_alone_there(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([url, *QUICK, "--json", "-"]) == 0
    assert orjson.loads(capsys.readouterr().out)["runs"][0]["statuses"] == {"200": 50}


def test_two_runs_are_compared(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, html = tmp_path / "old.json", tmp_path / "new.html"
    assert main([url, *QUICK, "--json", str(old)]) == 0
    assert main([url, *QUICK, "--compare", str(old), "--html", str(html)]) == 0
    assert re.search(r"^  requests/s .*x  (same|better|worse)$", capsys.readouterr().out, re.MULTILINE)
    assert "(before)" in html.read_text()
    found = orjson.loads(old.read_bytes())
    found["runs"][0]["rate"] *= 1e6
    old.write_bytes(orjson.dumps(found))
    assert main([url, *QUICK, "--compare", str(old), "--fail-over", "10"]) == WORSE
    assert "requests/s is worse by more than 10 %" in capsys.readouterr().err
    found["runs"][0]["rate"] = 1e-6
    found["runs"][0]["latency"]["percentiles"] = {}
    old.write_bytes(orjson.dumps(found))
    assert main([url, *QUICK, "--compare", str(old), "--fail-over", "10"]) == 0


def test_nothing_to_compare_with_loses_no_report(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.json"
    assert main([url, *QUICK, "--json", str(old)]) == 0
    found = orjson.loads(old.read_bytes())
    old.write_bytes(orjson.dumps({**found, "runs": []}))
    capsys.readouterr()
    assert main([url, *QUICK, "--compare", str(old)]) == FAILED
    told = capsys.readouterr()
    assert "nothing to compare with" in told.err
    assert "requests/s" in told.out


def test_errors_alone_are_no_failure_but_no_answer_at_all_is(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{url}/error", *QUICK]) == 0
    assert "status 500: 50" in capsys.readouterr().out
    assert main([f"{url}/reset", *QUICK]) == FAILED
    told = capsys.readouterr()
    assert re.search(r"^  errors +50   (reset|cut short)", told.out, re.MULTILINE)
    assert told.err == "toolkit bench: no request was answered\n"


def test_an_unreachable_server_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as (_, address):
        pass
    assert main([address, *QUICK]) == FAILED
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(r"toolkit bench: cannot connect to 127\.0\.0\.1:\d+: .*\n", told.err)


@pytest.mark.parametrize("arguments", [["x"], [], ["http://a/", "-c", "0"]])
def test_a_mistake_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_files_that_are_wrong_are_told_before_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing")
    assert main(["http://127.0.0.1:1/", "--compare", missing]) == 2
    assert main(["https://127.0.0.1:1/", "--ca", missing]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all(line.startswith("toolkit bench: ") and "expected" in line for line in told)


def test_a_file_that_cannot_be_written_takes_nothing_with_it(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    svg = tmp_path / "a.svg"
    assert main([url, *QUICK, "--html", str(tmp_path), "--svg", str(svg)]) == FAILED
    told = capsys.readouterr()
    assert "requests/s" in told.out
    assert svg.exists()
    assert "Is a directory" in told.err


def test_an_interrupt_ends_the_run_and_shows_what_there_is(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{url}/interrupt", "-d", "1h", "-w", "0", "-c", "1"]) == INTERRUPTED
    out = capsys.readouterr().out
    answers = re.search(r"^  answers +([\d,]+)", out, re.MULTILINE)
    assert answers is not None
    assert int(answers[1].replace(",", "")) >= 19
    assert "the run was interrupted" in out


def test_a_second_interrupt_ends_at_once() -> None:
    bench = Bench(parse(["http://127.0.0.1:1/"]))
    bench.interrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.interrupt()


def test_without_the_histogram_it_is_said_what_to_install(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    assert main([url, *QUICK]) == FAILED
    assert "pip install 'streaming-toolkit[bench]'" in capsys.readouterr().err


# -- the built-in server ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_self_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json = tmp_path / "a.json"
    assert main(["--self", "-d", "0.2", "-w", "0.05", "--json", str(json)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    runs = orjson.loads(json.read_bytes())["runs"]
    assert len(runs) == 7
    assert [run["name"] for run in runs if run["answers"] == 0] == []
    assert [kind for run in runs for kind in run["errors"] if kind not in ("unsent", "unfinished")] == []
    assert all(f"{run['name']}: " in told.out for run in runs)
    assert [line.partition("  ")[0] for line in told.out.splitlines()[-7:]] == [run["name"] for run in runs]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["/json", "/bytes/100000 --check", "--duplex --chunk 1k", "/json -p 2"])
def test_the_built_in_server_can_be_loaded_as_any_other(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--self", *arguments.split(), *QUICK]) == 0
    assert re.search(r"^  answers +50\b", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_an_interrupted_self_test_shows_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = 0

    class Interrupting(Bench):
        async def _one(self, options: object) -> object:  # type: ignore[override]  # only passed through
            nonlocal done
            found = await super()._one(options)  # type: ignore[arg-type]
            done += 1
            if done == 2:
                self.interrupt()
            return found

    monkeypatch.setattr("toolkit.other.bench.command.Bench", Interrupting)
    assert main(["--self", "-d", "0.1", "-w", "0"]) == INTERRUPTED
    assert capsys.readouterr().out.count("requests/s") == 2
