"""Medians, spreads, ratios by pairs, targets; and that a result comes back as it was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.core.results import Comparison, Quantity, Result, Target, is_ours, kept, spread, version_order

if TYPE_CHECKING:
    from pathlib import Path

RATE, CPU = Quantity("requests/s", "more"), Quantity("CPU us", "less", 2)


def compared(**rates: list[float]) -> Comparison:
    """Rounds with a rate, and a CPU time that is its reciprocal."""
    samples = {name: [{"requests/s": rate, "CPU us": 1 / rate} for rate in values] for name, values in rates.items()}
    return Comparison("rounds", [RATE, CPU], None, samples)


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert spread([3.0, 1.0, 8.0]) == (3, 1, 8)
    assert spread([3.0, 1.0]) == (2, 1, 3)
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_ratios_are_formed_within_each_round() -> None:
    """A machine that is twice as slow in the second round changes both figures, and no ratio."""
    found = compared(toolkit=[20, 10, 21], peer=[10, 5, 10])
    assert found.ratios("toolkit", "peer", "requests/s") == [2, 2, 2.1]
    assert spread(found.ratios("toolkit", "peer", "requests/s")).middle == 2


def test_a_round_without_a_figure_has_no_ratio() -> None:
    found = compared(toolkit=[20, 10], peer=[10, 5])
    del found.samples["toolkit"][0]["requests/s"]
    found.samples["peer"].append({"requests/s": 1})
    assert found.ratios("toolkit", "peer", "requests/s") == [2]
    assert found.ratios("toolkit", "stranger", "requests/s") == []
    assert found.values("stranger", "requests/s") == []


def test_ours_are_known_by_their_names() -> None:
    found = compared(peer=[1], toolkit=[1])
    assert found.subjects == ["toolkit"]
    found.base = "peer"
    assert found.subjects == []
    assert is_ours("toolkit, 2 workers")
    assert not is_ours("the toolkit's rival")


@pytest.mark.parametrize(
    ("quantity", "bound", "met"),
    [("requests/s", 1.5, True), ("requests/s", 1.51, False), ("CPU us", 0.67, True), ("CPU us", 0.66, False)],
)
def test_the_peer_that_is_hardest_to_reach_decides(quantity: str, bound: float, met: bool) -> None:
    found = compared(toolkit=[30, 30], slow=[10, 10], fast=[20, 20])
    target = Target("", "rounds", quantity, "toolkit", ("slow", "fast", "absent"), bound)
    verdict = target.judge([found])
    assert verdict.value is not None
    assert (verdict.peer, verdict.met) == ("fast", met)


def test_a_target_without_peers_is_absolute() -> None:
    found = compared(toolkit=[30, 32, 31])
    assert Target("", "rounds", "requests/s", "toolkit", (), 31).judge([found]) == ((31, 30, 32), "", True)
    assert not Target("", "rounds", "requests/s", "toolkit", (), 31.5).judge([found]).met


def test_a_target_is_not_met_by_what_was_not_measured() -> None:
    for comparisons in ([], [compared(toolkit=[1])]):
        assert Target("", "rounds", "requests/s", "toolkit", ("peer",), 0).judge(comparisons) == (None, "", False)


def test_a_result_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    result = Result("row", "3.11.7", "2026-01-02", 5, {"CPU": "some"}, {"peer": "1.0"}, ["a note"], [compared(a=[1])])
    path = result.save(tmp_path)
    assert path == tmp_path / "3.11" / "row.json"
    assert Result.load(path) == result


def test_kept_results_go_by_the_version_of_python(tmp_path: Path) -> None:
    for python in ("3.13.0", "3.9.1"):
        Result("row", python, "2026-01-02", 5, {}).save(tmp_path)
    assert list(kept(tmp_path)) == ["3.9", "3.13"]
    assert kept(tmp_path / "nothing") == {}
    assert version_order("3.9") < version_order("3.13")
