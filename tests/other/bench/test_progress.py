"""The live line: there on a terminal, silent in a pipe, gone in the end."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from toolkit.other.bench.progress import ProgressLine
from toolkit.other.bench.run import Progress

from .samples import OPTIONS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_nothing() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream, OPTIONS)
    line.tell(Progress("measuring", 1.0, 10, 0))
    line.clear()
    assert stream.getvalue() == ""


def test_a_terminal_gets_one_line_that_is_gone_in_the_end() -> None:
    stream = Terminal()
    line = ProgressLine(stream, OPTIONS)
    line.tell(Progress("measuring", 1.0, 1000, 2))
    shown = stream.getvalue()
    assert shown.startswith("\r\033[K")
    assert "1,000/s, 2 errors" in shown
    assert "\n" not in shown
    line.clear()
    assert stream.getvalue().endswith("\r\033[K")


def test_it_writes_no_oftener_than_one_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    stream = Terminal()
    line = ProgressLine(stream, OPTIONS)
    shown = []
    for _ in range(10):
        line.tell(Progress("measuring", now, 10, 0))
        shown.append(stream.getvalue().count("\r"))
        now += 0.1
    assert shown[0] == 1
    assert 4 <= shown[-1] <= 5


def test_rates_are_of_the_time_since_the_last_line_and_of_one_stage() -> None:
    line = ProgressLine(Terminal(), replace(OPTIONS, warm_up=2.0))
    assert "warm-up [##########..........] 1.0 s, 500/s" in line.line(Progress("warm-up", 1.0, 500, 0))
    assert " 100/s" in line.line(Progress("warm-up", 2.0, 600, 0))
    assert "measuring [#####...............] 0.5 s, 2,000/s" in line.line(Progress("measuring", 0.5, 1000, 0))


@pytest.mark.parametrize(
    ("duration", "requests", "bar"),
    [(2.0, None, 10), (None, 400, 5), (2.0, 100, 20), (100.0, 10**9, 0), (0.5, None, 20)],
)
def test_the_bar_is_whatever_ends_the_run_first(duration: float | None, requests: int | None, bar: int) -> None:
    line = ProgressLine(Terminal(), replace(OPTIONS, duration=duration, requests=requests))
    assert f"[{'#' * bar}{'.' * (20 - bar)}]" in line.line(Progress("measuring", 1.0, 100, 0))
