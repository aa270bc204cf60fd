"""The console: levels and colours, labels and lines, called or awaited."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

import toolkit
from toolkit.logs.console import Console
from toolkit.logs.outlet import LogOutput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "toolkit.tests.console"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "log"
    logging.getLogger(NAME).setLevel(logging.NOTSET)


def console(path: Path, format: str = "plain") -> Console:
    return Console(NAME, LogOutput(file=path, format=format, level="DEBUG"))  # type: ignore[arg-type]


def written(log: Console, path: Path) -> str:
    log.flush()
    return path.read_text()


async def test_it_may_be_awaited_and_need_not(path: Path) -> None:
    log = console(path)
    await log.info("awaited")
    _ = log.info("called")
    await log("plain", 1)
    assert [line.split(" ", 3)[3].strip() for line in written(log, path).splitlines()] == [
        "awaited",
        "called",
        "plain",
        "1",
    ]


def test_lines_stand_below_their_label(path: Path) -> None:
    log = console(path)
    _ = log.warning("label", "one", 2, "three\nfour")
    first, *rest = written(log, path).splitlines()
    assert first.endswith(" WARNING  label")
    assert rest == ["    one", "    2", "    three", "    four"]


def test_levels(path: Path) -> None:
    log = console(path)
    assert log.level == logging.INFO
    _ = log.debug("no")
    log.level = "DEBUG"
    for say in (log.debug, log.info, log.warning, log.error, log.critical):
        _ = say("x")
    levels = [line.split()[2] for line in written(log, path).splitlines()]
    assert levels == ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


@pytest.mark.parametrize("name", ["red", "green", "yellow", "blue", "magenta", "cyan", "white", "grey"])
def test_colors(path: Path, name: str) -> None:
    log = console(path, "color")
    _ = getattr(log, name)("thin")
    _ = getattr(log, f"b_{name}")("bold")
    thin, bold = written(log, path).splitlines()
    assert thin.endswith("mthin\x1b[0m")
    assert "\x1b[1;" in bold


def test_a_name_that_is_none_is_an_error() -> None:
    with pytest.raises(AttributeError):
        getattr(Console(NAME), "orangge")  # noqa: B009 - mypy would refuse it


def test_what_a_terminal_would_obey_is_escaped(path: Path) -> None:
    log = console(path, "color")
    _ = log.red("\x1b[2J", "\x1b[2J")
    assert "\x1b[2J" not in written(log, path)


def test_a_row_of_the_terminal(path: Path) -> None:
    log = console(path, "color")
    _ = log.info("<line_7>", "progress", "50 %")
    first, second = written(log, path).splitlines()
    assert first.startswith("\x1b[7;1H\x1b[2K")
    assert "progress" in first
    assert second.strip() == "50 %"
    path.write_text("")
    plain = console(path)
    _ = plain.info("<line_7>", "progress")
    _ = plain.info("<line_7>")
    assert "\x1b" not in written(plain, path)


def test_json(path: Path) -> None:
    log = console(path, "json")
    _ = log.info("label", "one", 2)
    _ = log.info("alone")
    first, second = map(json.loads, written(log, path).splitlines())
    assert (first["message"], first["lines"], first["level"]) == ("label", ["one", "2"], "info")
    assert "lines" not in second


def test_a_program_s_own_handlers_get_its_records(caplog: pytest.LogCaptureFixture) -> None:
    log = Console(NAME)
    _ = log.error("label", "line")
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        (NAME, "ERROR", "label\nline")
    ]
    log.flush()


def test_the_shared_one_is_public() -> None:
    assert isinstance(toolkit.log, Console)


def test_without_any_handler_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger(NAME)
    logger.propagate = False
    try:
        log = Console(NAME)
        _ = log.info("label")
        log.flush()
        assert "label" in capsys.readouterr().err
        assert log._outlet is not None
        log._outlet.close()
    finally:
        logger.propagate = True
