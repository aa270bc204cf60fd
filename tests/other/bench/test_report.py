"""The report: what it says, what it warns of, and a plot that fits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.bench.figures import figures
from toolkit.other.bench.record import Record
from toolkit.other.bench.report import HEIGHT, WIDEST, Style, notes, overview, plot, report

from .samples import OPTIONS, filled, run_figures

if TYPE_CHECKING:
    from toolkit.other.bench.options import Options


def test_the_report_says_what_was_run_and_what_came_of_it() -> None:
    lines = report(run_figures(errors=3), Style()).splitlines()
    assert lines[0] == "a run: GET http://127.0.0.1:8000/x"
    assert lines[1] == "closed loop, 64 connections, 1 process, 2.00 s after 1 s of warm-up"
    assert lines[3].split() == ["requests/s", "2,500", "received", "400", "kB/s,", "sent", "225", "kB/s"]
    assert lines[4].split() == ["answers", "5,000", "200:", "5,000"]
    assert lines[5].split() == ["errors", "3", "timeout:", "3"]
    assert "not corrected for coordinated omission" in lines[7]
    assert lines[8].split() == ["min", "50", "%", "75", "%", "90", "%", "99", "%", "99.9", "%", "99.99", "%", "max"]
    assert len(lines[9].split()) == 2 * 8
    assert lines[10].startswith("  mean ")


@pytest.mark.parametrize(
    ("options", "how"),
    [
        (replace(OPTIONS, rate=1500.0), "open loop at 1,500/s, 64 connections, 1 process"),
        (replace(OPTIONS, rate=15.0, poisson=True), "open loop at 15/s (Poisson), 64 connections"),
        (replace(OPTIONS, pipeline=4, connections=1), "closed loop, 1 connection, 4 in a pipeline, 1 process"),
        (replace(OPTIONS, keep_alive=False, processes=2), "64 connections, a connection for each request, 2 processes"),
        (
            replace(OPTIONS, duplex=True, method="POST", chunk=100),
            "closed loop, 64 streams, chunks of 100 B, 1 process",
        ),
    ],
)
def test_the_report_says_how(options: Options, how: str) -> None:
    assert how in report(run_figures(options), Style()).splitlines()[1]


def test_chunks_are_called_chunks() -> None:
    assert "  chunks/s" in report(run_figures(replace(OPTIONS, duplex=True, method="POST")), Style())


def test_a_run_without_a_name_is_called_by_its_request() -> None:
    assert report(run_figures(replace(OPTIONS, name="")), Style()).splitlines()[0] == "GET http://127.0.0.1:8000/x"


def test_without_answers_there_is_no_latency_to_show() -> None:
    text = report(figures(OPTIONS, Record()), Style())
    assert "latency" not in text
    assert text.endswith("errors                  0\n")


def test_a_correction_is_shown_beside_what_was_measured() -> None:
    text = report(run_figures(replace(OPTIONS, expected_interval=0.0005)), Style())
    assert text.count("  latency, ") == 2
    assert "HDR's correction" in text
    assert text.count("99.99 %") == 2


def test_a_report_without_a_plot_has_only_lines_of_words() -> None:
    plotted, plain = report(run_figures(), Style()), report(run_figures(), Style(), plotted=False)
    assert len(plotted.splitlines()) == len(plain.splitlines()) + HEIGHT + 3
    assert "#" not in plain


def test_an_overview_has_a_line_for_each_run() -> None:
    runs = [run_figures(), run_figures(replace(OPTIONS, name="another, with a longer name"), errors=7)]
    lines = overview(runs).splitlines()
    assert lines[0].split() == ["a", "second", "received/s", "sent/s", "50", "%", "99", "%", "errors"]
    assert [line[: len("another, with a longer name")].rstrip() for line in lines[1:]] == [run["name"] for run in runs]
    assert [line.split()[-1] for line in lines[1:]] == ["0", "7"]
    assert len({len(line) for line in lines}) == 1
    assert max(map(len, lines)) <= 100


# -- notes ----------------------------------------------------------------------------------------------------------


def test_an_honest_run_needs_no_notes() -> None:
    assert notes(run_figures()) == []


def test_a_load_generator_at_its_limit_says_so() -> None:
    record = filled()
    record.counts.busiest = 0.97
    assert "97% of a core" in notes(figures(OPTIONS, record))[0]
    assert notes(figures(replace(OPTIONS, rate=10.0), record)) == []  # there, waiting for the next request is work, too


def test_a_rate_that_was_not_kept_is_told() -> None:
    record = filled()
    record.errors["unsent"] = 1234
    record.counts.paced, record.counts.late = 10, 10 * 5_000_000
    told = notes(figures(replace(OPTIONS, rate=10.0), record))
    assert "1,234 requests were due" in told[0]
    assert "late, by 5.00 ms on average" in told[1]


def test_an_interruption_is_told() -> None:
    found = run_figures(interrupted=True)
    assert "interrupted" in notes(found)[0]
    assert "  note: the run was interrupted" in report(found, Style())


# -- the plot -------------------------------------------------------------------------------------------------------


@given(width=st.integers(1, 300), blocks=st.booleans())
def test_the_plot_is_as_wide_as_the_terminal(width: int, blocks: bool) -> None:
    lines = plot(run_figures()["latency"], Style(width, blocks))
    assert len(lines) == HEIGHT + 2
    assert max(map(len, lines)) <= max(40, min(width, WIDEST))
    assert blocks or "".join(lines).isascii()


@pytest.mark.parametrize("blocks", [False, True])
def test_the_bars_rise_from_left_to_right(blocks: bool) -> None:
    rows = [line.partition("|")[2] for line in plot(run_figures()["latency"], Style(100, blocks))[:HEIGHT]]
    assert rows[-1].startswith(("#", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█", " "))
    starts = [len(row) - len(row.lstrip()) for row in rows]
    assert starts == sorted(starts, reverse=True)  # a higher row begins further right
    assert all(" " not in row.lstrip() for row in rows)  # without gaps, up to the right edge
    assert len(rows[0]) == len(rows[-1])


def test_a_slower_run_has_higher_labels() -> None:
    labels = [plot(run_figures(slower=factor)["latency"], Style())[0].split("|")[0] for factor in (1.0, 1000.0)]
    assert labels[0].strip().endswith("ms")
    assert labels[1].strip().endswith(" s")


def test_the_scale_has_the_nines() -> None:
    scale = plot(run_figures()["latency"], Style(100))[-1]
    assert scale.split()[:4] == ["0%", "50%", "90%", "99%"]
    assert "99.9%" in scale


def test_equal_values_can_be_plotted() -> None:
    record = Record()
    record.latencies.late(1000, 5)
    record.answered(200, 5)
    assert len(plot(figures(OPTIONS, record)["latency"], Style())) == HEIGHT + 2
