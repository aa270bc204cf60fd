"""Two documents side by side: which figure is better, and which makes a run fail."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from toolkit.other.bench.compare import Difference, NothingInCommon, compare, comparison, other_settings, worse_than
from toolkit.other.bench.quantities import amount

from .samples import OPTIONS, run_document, run_figures


def difference(old: float, new: float, *, more: bool) -> Difference:
    return Difference("run", "figure", old, new, more, True, amount)


@pytest.mark.parametrize(
    ("old", "new", "more", "ratio", "worse_by", "direction"),
    [
        (100, 110, True, 1.1, -0.1, "better"),
        (100, 90, True, 0.9, 0.1, "worse"),
        (100, 110, False, 1.1, 0.1, "worse"),
        (100, 90, False, 0.9, -0.1, "better"),
        (100, 101, False, 1.01, 0.01, "same"),
        (0, 0, False, 1.0, 0.0, "same"),
        (0, 5, False, math.inf, math.inf, "worse"),
        (0, 5, True, math.inf, -math.inf, "better"),
        (5, 0, True, 0.0, 1.0, "worse"),
    ],
)
def test_a_ratio_has_a_direction(
    old: float, new: float, more: bool, ratio: float, worse_by: float, direction: str
) -> None:
    found = difference(old, new, more=more)
    assert found.ratio == pytest.approx(ratio)
    assert found.worse_by == pytest.approx(worse_by)
    assert found.direction == direction


def test_a_document_is_as_good_as_itself() -> None:
    found = compare(run_document(), run_document())
    assert {one.direction for one in found} == {"same"}
    assert worse_than(found, 0.0) == []


def test_slower_is_worse() -> None:
    found = compare(run_document(), run_document(run_figures(slower=1.5, rate=1000.0)))
    directions = {one.figure: one.direction for one in found}
    assert {directions[name] for name in ("requests/s", "mean", "50 %", "90 %", "99 %", "99.9 %", "max")} == {"worse"}
    assert {one.figure for one in worse_than(found, 20.0)} == {"requests/s", "50 %", "75 %", "90 %", "99 %"}
    assert {one.figure for one in worse_than(found, 55.0)} == {"requests/s"}
    assert worse_than(found, 70.0) == []
    back = compare(run_document(run_figures(slower=1.5, rate=1000.0)), run_document())
    assert worse_than(back, 0.0) == []


def test_the_far_tail_is_shown_and_not_judged() -> None:
    judged = {one.figure: one.judged for one in compare(run_document(), run_document())}
    assert [name for name, is_judged in judged.items() if not is_judged] == [
        "received/s",
        "sent/s",
        "mean",
        "99.9 %",
        "99.99 %",
        "max",
    ]


def test_errors_where_there_were_none_are_worse_by_any_measure() -> None:
    found = compare(run_document(), run_document(run_figures(errors=1)))
    assert [one.figure for one in worse_than(found, 1e9)] == ["errors"]


def test_runs_are_matched_by_name() -> None:
    one, other = run_figures(), {**run_figures(rate=5.0), "name": "another"}
    old, new = run_document(one, other), run_document(other, one)  # type: ignore[arg-type]  # a dict, and typed so
    assert [found.run for found in compare(old, new) if found.figure == "max"] == ["another", "a run"]
    assert {found.direction for found in compare(old, new)} == {"same"}
    alone = run_document(other)  # type: ignore[arg-type]
    assert compare(run_document(one), alone)  # one on each side: they are what is compared
    with pytest.raises(NothingInCommon, match="the older document has a run; expected a run of the same name"):
        compare(run_document(one), run_document(other, other))  # type: ignore[arg-type]
    with pytest.raises(NothingInCommon, match="has no runs"):
        compare({**run_document(), "runs": []}, run_document())


def test_another_load_is_told() -> None:
    old, new = run_document(), run_document(run_figures(replace(OPTIONS, rate=5.0, connections=8)))
    settings = other_settings(old, new)
    assert settings == {"a run": "closed -> open, connections 64 -> 8, rate None -> 5.0"}
    assert "\n  note: not the same load: closed -> open" in comparison(compare(old, new), settings)
    assert other_settings(old, old) == {}


def test_the_table_shows_every_figure_with_its_direction() -> None:
    text = comparison(compare(run_document(), run_document(run_figures(slower=2.0, errors=5))), {})
    lines = text.splitlines()
    assert lines[0] == "a run, compared"
    assert lines[1].split() == ["before", "now", "ratio"]
    rows = {line[2:13].strip(): line for line in lines[2:]}
    assert len(rows) == 12
    assert "1.00x  same" in rows["requests/s"]
    assert rows["50 %"].endswith("worse")
    assert rows["max"].endswith("worse  (not judged)")
    assert "new  worse" in rows["errors"]
    assert text.endswith("\n")
