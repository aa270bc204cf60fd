"""Plots: well-formed SVG, with every run in every plot, inside its frame."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.bench.chart import (
    HEIGHT,
    Axis,
    Line,
    chart,
    charts,
    document_svg,
    linear,
    logarithmic,
    named_runs,
    nice_ticks,
)
from toolkit.other.bench.figures import figures
from toolkit.other.bench.quantities import span
from toolkit.other.bench.record import Record

from .samples import OPTIONS, run_document, run_figures

SVG = "{http://www.w3.org/2000/svg}"


def lines_of(svg: str) -> list[list[tuple[float, float]]]:
    found = [line.get("points", "") for line in ET.fromstring(svg).iter(f"{SVG}polyline")]
    return [[(float(x), float(y)) for x, y in (point.split(",") for point in points.split())] for points in found]


@given(st.floats(1e-6, 1e12))
def test_ticks_are_round_and_reach_far_enough(high: float) -> None:
    ticks = nice_ticks(high)
    assert ticks[0] == 0
    assert high <= ticks[-1] * (1 + 1e-9)
    assert 3 <= len(ticks) <= 9
    assert re.fullmatch(r"[125]0*", f"{ticks[1]:.0e}".partition("e")[0]) is not None


@given(low=st.floats(1, 1e11), factor=st.floats(1, 1e6), value=st.floats(1, 1e12))
def test_axes_keep_every_value_inside(low: float, factor: float, value: float) -> None:
    for axis in (linear(low * factor, "x"), logarithmic(low, low * factor, "x", span)):
        assert 0 <= axis.share(value) <= 1
        assert [axis.share(mark) for mark, _ in axis.marks] == sorted(axis.share(mark) for mark, _ in axis.marks)
        assert axis.share(axis.low) == 0
        assert axis.share(axis.high) == pytest.approx(1)
    assert logarithmic(low, low * factor, "x", span).low <= low * (1 + 1e-9)


def test_a_chart_draws_points_where_they_belong() -> None:
    axis = Axis(0.0, 10.0, [(0.0, "0"), (10.0, "10")], "x")
    svg = chart("t", axis, axis, [Line("l", [(0, 0), (5, 10), (10, 0)])])
    ((first, middle, last),) = lines_of(f'<svg xmlns="http://www.w3.org/2000/svg">{svg}</svg>')
    assert first[1] == last[1] > middle[1] == 0
    assert first[0] == 0
    assert middle[0] == pytest.approx(last[0] / 2)


def test_every_run_is_in_every_plot_and_in_the_legend() -> None:
    runs = [{**run_figures(), "name": f"run <{number}> & co"} for number in range(9)]
    svg = document_svg(run_document(*runs))  # type: ignore[arg-type]  # a dict, and typed so
    assert len(lines_of(svg)) == 2 * 9
    texts = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert [text for text in texts if text and text.startswith("run")] == [
        f"run <{number}> & co" for number in range(9)
    ]
    strokes = {(line.get("stroke"), line.get("stroke-dasharray")) for line in ET.fromstring(svg).iter(f"{SVG}polyline")}
    assert len(strokes) == 9  # all can be told apart


def test_a_rate_is_of_the_time_that_its_bin_covers() -> None:
    run = run_figures()
    run = {**run, "seconds": 0.25, "timeline": {"width": 0.1, "answers": [10, 20, 5], "errors": [0, 0, 0]}}
    ((_, _, _, (line,)),) = [one for one in charts([("x", run)]) if one[0] == "Answers a second"]
    assert [x for x, _ in line.points] == pytest.approx([0.05, 0.15, 0.225])
    assert [y for _, y in line.points] == pytest.approx([100, 200, 100])
    ((_, _, _, (line,)),) = [one for one in charts([("x", {**run, "seconds": 0.2001})]) if one[0] == "Answers a second"]
    assert len(line.points) == 2


def test_errors_are_plotted_where_there_are_any() -> None:
    titles = [title for title, *_ in charts(named_runs(run_document(run_figures(errors=2))))]
    assert titles == ["Latency by percentile", "Answers a second", "Errors a second"]
    assert len(charts(named_runs(run_document()))) == 2


def test_an_older_document_is_drawn_beside() -> None:
    svg = document_svg(run_document(), run_document(run_figures(slower=2.0)))
    assert len(lines_of(svg)) == 4
    assert "a run (before)" in svg


def test_everything_is_inside_the_picture() -> None:
    svg = document_svg(run_document(run_figures(errors=1)))
    points = [point for line in lines_of(svg) for point in line]
    assert all(0 <= x <= 700 and 0 <= y <= HEIGHT for x, y in points)
    assert float(ET.fromstring(svg).get("height", "0")) > 3 * HEIGHT


def test_a_picture_needs_nothing_from_elsewhere() -> None:
    svg = document_svg(run_document())
    assert re.findall(r"(?:href|src|url|@import|<script)", svg) == []


def test_a_run_without_answers_can_be_drawn() -> None:
    empty = figures(OPTIONS, Record())
    assert ET.fromstring(document_svg(run_document(empty))) is not None
