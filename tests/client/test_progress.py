"""The progress of a download: figures, and when the line is drawn."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.progress import Progress, ProgressBar, amount, duration, progress_line


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (102400, "100 KiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (3 * 1024**6, "3072 PiB"),
    ],
)
def test_an_amount(size: float, text: str) -> None:
    assert amount(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (754, "12:34"), (3723, "1:02:03")])
def test_a_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_with_a_size() -> None:
    line = progress_line(Progress("a.iso", 512 * 1024, 1024**2, 0), 256 * 1024, 100)
    assert line == "a.iso  [###############...............]  50%  512 KiB of 1.0 MiB  256 KiB/s  0:02 left"


def test_a_line_without_a_size() -> None:
    assert progress_line(Progress("a", 2048, None, 0), 1024, 80) == "a  2.0 KiB  1.0 KiB/s"


def test_the_first_line_knows_no_rate() -> None:
    assert progress_line(Progress("a", 0, 10, 0), None, 40) == "a    0%  0 B of 10 B"
    assert progress_line(Progress("a", 5, None, 0), None, 80) == "a  5 B"


def test_a_narrow_terminal_gets_figures_alone() -> None:
    line = progress_line(Progress("a-long-name-of-a-file.iso", 1, 4, 0), 0, 45)
    assert "[" not in line
    assert line.endswith(" 25%  1 B of 4 B  0 B/s  stalled")


def test_the_last_line_tells_nothing_of_what_is_left() -> None:
    assert "left" not in progress_line(Progress("a", 4, 4, 0), 1, 80, ended=True)


def test_a_name_cannot_write_over_the_terminal() -> None:
    assert "\x1b" not in progress_line(Progress("a\x1b[2J", 1, 2, 0), 1, 100)


@given(st.text(max_size=80), st.integers(0, 10**15), st.none() | st.integers(0, 10**15), st.integers(1, 200))
def test_a_line_fits(name: str, done: int, total: int | None, width: int) -> None:
    assert len(progress_line(Progress(name, done, total, 0), 1.0, width)) < max(width, 2)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def bar_on(stream: io.StringIO, *, live: bool | None = True) -> tuple[ProgressBar, Clock]:
    clock = Clock()
    return ProgressBar(stream, live=live, clock=clock, width=100), clock


def test_it_draws_five_times_a_second_and_no_more() -> None:
    out = io.StringIO()
    bar, clock = bar_on(out)
    for step in range(100):
        clock.now += 0.01
        bar(Progress("a", step, 100, 0))
    assert out.getvalue().count("\r") == 5


def test_the_rate_is_that_of_the_last_seconds() -> None:
    out = io.StringIO()
    bar, clock = bar_on(out)
    done = 0
    for second in range(30):
        clock.now += 1
        done += 1024 if second < 20 else 512
        bar(Progress("a", done, None, 0))
    assert out.getvalue().rpartition("\r")[2].endswith("  512 B/s")


def test_the_last_line_has_the_mean_of_what_this_call_brought() -> None:
    out = io.StringIO()
    bar, clock = bar_on(out)
    bar(Progress("a", 5000, 6000, 5000))
    clock.now += 10
    bar(Progress("a", 6000, 6000, 5000))
    bar.ended()
    assert out.getvalue().endswith("100 B/s\n")


def test_a_pipe_gets_nothing() -> None:
    out = io.StringIO()
    bar, _ = bar_on(out, live=None)
    bar(Progress("a", 1, 2, 0))
    bar.ended()
    assert out.getvalue() == ""


def test_a_bar_that_was_told_nothing_shows_nothing() -> None:
    out = io.StringIO()
    bar_on(out)[0].ended()
    assert out.getvalue() == ""


def test_a_download_that_began_anew_has_no_negative_rate() -> None:
    out = io.StringIO()
    bar, clock = bar_on(out)
    for done in (5000, 0, 100):
        bar(Progress("a", done, 10000, 0))
        clock.now += 1
    bar.ended()
    assert "-" not in out.getvalue()
