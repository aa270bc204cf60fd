"""Outlets: a thread writes, the queue is bounded, files are renamed or reopened, a fork starts anew."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from toolkit.errors import UseError
from toolkit.logs.lines import REQUEST_ID
from toolkit.logs.outlet import LogOutput, Outlet, log_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("toolkit.tests.outlet")
    yield made
    made.handlers.clear()
    made.setLevel(logging.NOTSET)
    made.propagate = True


def lines(path: Path) -> list[str]:
    return [line.partition("toolkit.tests.outlet: ")[2] or line for line in path.read_text().splitlines()]


def test_what_is_logged_is_in_the_file_when_the_block_ends(tmp_path: Path, logger: logging.Logger) -> None:
    with log_to(LogOutput(file=tmp_path / "log"), logger=logger.name) as log:
        logger.info("one")
        logger.debug("not this one")
        log.flush()
        assert lines(tmp_path / "log") == ["one"]
        logger.warning("two %d", 2)
    assert lines(tmp_path / "log") == ["one", "two 2"]
    assert not logger.handlers
    assert logger.propagate
    assert logger.level == logging.NOTSET


def test_a_level(tmp_path: Path, logger: logging.Logger) -> None:
    with log_to(LogOutput(file=tmp_path / "log", level="ERROR"), logger=logger.name):
        logger.warning("one")
        logger.error("two")
    assert lines(tmp_path / "log") == ["two"]


def test_json_lines(tmp_path: Path, logger: logging.Logger) -> None:
    with log_to(LogOutput(file=tmp_path / "log", format="json"), logger=logger.name):
        logger.info("one")
    assert '"message":"one"' in (tmp_path / "log").read_text()


def test_the_id_of_the_request_is_the_one_at_the_time_of_the_call(tmp_path: Path, logger: logging.Logger) -> None:
    with log_to(LogOutput(file=tmp_path / "log"), logger=logger.name):
        token = REQUEST_ID.set("abc")
        logger.info("one")
        REQUEST_ID.reset(token)
        logger.info("two")
    assert lines(tmp_path / "log") == ["one [abc]", "two"]


def test_without_a_file_it_is_standard_error(capsys: pytest.CaptureFixture[str], logger: logging.Logger) -> None:
    with log_to(logger=logger.name):
        logger.info("one")
    assert capsys.readouterr().err.endswith("INFO     toolkit.tests.outlet: one\n")


def test_a_file_over_its_size_is_renamed(tmp_path: Path, logger: logging.Logger) -> None:
    with log_to(LogOutput(file=tmp_path / "log", rotate=200, keep=2), logger=logger.name):
        for number in range(20):
            logger.info("line %d", number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert lines(tmp_path / "log")[-1] == "line 19"
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path, logger: logging.Logger) -> None:
    with log_to(LogOutput(file=tmp_path / "log"), logger=logger.name) as log:
        logger.info("one")
        log.flush()
        (tmp_path / "log").rename(tmp_path / "moved")
        logger.info("two")
    assert (lines(tmp_path / "moved"), lines(tmp_path / "log")) == (["one"], ["two"])


def test_a_file_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Outlet(LogOutput(file=tmp_path / "nowhere" / "log"))
    with pytest.raises(UseError, match="rotate"):
        LogOutput(rotate=1)


class Slow(io.StringIO):
    """A disk that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.go_on.wait()
        return super().write(text)


def test_a_slow_disk_holds_nobody_up_and_what_is_lost_is_counted(
    monkeypatch: pytest.MonkeyPatch, logger: logging.Logger
) -> None:
    slow = Slow()
    monkeypatch.setattr(sys, "stderr", slow)
    with log_to(LogOutput(waiting=3), logger=logger.name):
        logger.info("first")
        slow.asked.wait()  # the thread has taken it, and writes
        for number in range(10):
            logger.info("line %d", number)
        slow.go_on.set()
    told = [line.rpartition(": ")[2] for line in slow.getvalue().splitlines()]
    assert told[0] == "first"
    assert [line for line in told if line.startswith("line")] == ["line 0", "line 1", "line 2"]
    assert "7 lines were lost: they came faster than they could be written" in slow.getvalue()


def test_a_forked_process_has_a_thread_of_its_own(tmp_path: Path) -> None:
    outlet = Outlet(LogOutput(file=tmp_path / "log"))
    outlet.handle(logging.LogRecord("a", logging.INFO, "", 0, "parent", None, None))
    outlet.flush()
    child = os.fork()
    if child == 0:
        try:
            outlet.handle(logging.LogRecord("a", logging.INFO, "", 0, "child", None, None))
            outlet.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    outlet.close()
    outlet.close()
    assert [line.rpartition(" ")[2] for line in (tmp_path / "log").read_text().splitlines()] == ["parent", "child"]


def test_a_format_and_a_level_that_there_are_not_are_refused() -> None:
    with pytest.raises(UseError, match="expected one of auto, plain"):
        LogOutput(format="xml")  # type: ignore[arg-type]  # as a program without types has it
    with pytest.raises(UseError, match="level of logging"):
        LogOutput(level="LOUD")
