"""The histogram agrees with a sorted list, whichever way a value went into it."""

from __future__ import annotations

import math
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.other.bench.latencies import SHIFT, SLOTS, Latencies, MissingLibrary

few = settings(max_examples=25, deadline=None)  # HDR is Python: some examples take it a second
PERCENTILES = (0.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0)
VALUES = st.lists(st.integers(1, 10**11), min_size=1, max_size=200)


def recorded(values: list[int]) -> Latencies:
    latencies = Latencies()
    for value in values:
        latencies.record(value)
    return latencies


def nearest(value: int, other: float) -> bool:
    """Equal to three digits, or to a slot's width."""
    return abs(value - other) <= max(other * 0.001, 1 << SHIFT)


def rank(values: list[int], percentage: float) -> int:
    """The value that so many percent do not exceed, by the definition that HDR uses: the count is rounded."""
    number = max(1, int(percentage * len(values) / 100 + 0.5))
    return sorted(values)[number - 1]


@few
@given(values=VALUES)
def test_percentiles_are_those_of_a_sorted_list(values: list[int]) -> None:
    found = recorded(values).percentiles(PERCENTILES)
    assert list(found) == list(PERCENTILES)
    for percentage, value in found.items():
        assert nearest(value, rank(values, percentage)), percentage


def test_percentiles_of_many_values_to_99_99() -> None:
    draw = random.Random(5)
    values = [round(draw.lognormvariate(13, 1.2)) + 1 for _ in range(50_000)]
    found = recorded(values).percentiles(PERCENTILES)
    assert all(nearest(value, rank(values, percentage)) for percentage, value in found.items())
    assert found[99.99] > found[99.9] > found[50.0]


@few
@given(values=VALUES)
def test_the_summary_is_that_of_a_sorted_list(values: list[int]) -> None:
    summary = recorded(values).summary()
    mean = sum(values) / len(values)
    assert nearest(summary.least, min(values))
    assert nearest(summary.most, max(values))
    assert summary.mean == pytest.approx(mean, rel=0.002, abs=1 << SHIFT)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    assert summary.deviation == pytest.approx(deviation, rel=0.01, abs=max(values) * 0.002 + (1 << SHIFT))


@few
@given(values=VALUES)
def test_slots_and_histogram_hold_the_same_values(values: list[int]) -> None:
    usual, late = recorded(values), Latencies()
    for value in values:
        late.late(value)
    assert len(usual) == len(late) == len(values)
    for one, other in zip(usual.percentiles(PERCENTILES).values(), late.percentiles(PERCENTILES).values(), strict=True):
        assert nearest(one, other)


@few
@given(first=VALUES, second=VALUES)
def test_two_are_added_up(first: list[int], second: list[int]) -> None:
    together = recorded(first)
    together.add(recorded(second))
    assert together.percentiles(PERCENTILES) == recorded(first + second).percentiles(PERCENTILES)
    assert len(together) == len(first) + len(second)


@few
@given(values=VALUES)
def test_encoded_and_decoded_it_is_the_same(values: list[int]) -> None:
    latencies = recorded(values)
    other = Latencies.decode(latencies.encode())
    assert other.percentiles(PERCENTILES) == latencies.percentiles(PERCENTILES)
    assert len(other) == len(values)


def test_the_slots_reach_as_far_as_they_say() -> None:
    latencies = Latencies()
    latencies.slots[(SLOTS << SHIFT) - 1 >> SHIFT] += 1
    with pytest.raises(IndexError):
        latencies.slots[SLOTS << SHIFT >> SHIFT] += 1
    assert len(latencies) == 1


def test_without_values_all_is_nothing() -> None:
    latencies = Latencies()
    assert latencies.summary() == (0, 0.0, 0.0, 0)
    assert latencies.percentiles((50.0, 99.0)) == {50.0: 0, 99.0: 0}
    assert latencies.curve() == []
    assert len(latencies.corrected(1000)) == 0
    assert len(Latencies.decode(latencies.encode())) == 0


def test_it_can_be_cleared_and_its_slots_stay_the_same_object() -> None:
    latencies = recorded([5, 10**9])
    slots = latencies.slots
    latencies.clear()
    slots[3] += 1
    assert len(latencies) == 1
    assert latencies.slots is slots


def test_values_out_of_range_count_at_its_ends() -> None:
    latencies = Latencies()
    latencies.late(0)
    latencies.late(10**18, 2)
    assert len(latencies) == 3
    assert nearest(latencies.summary().most, 3_600_000_000_000)


@few
@given(values=VALUES)
def test_the_curve_rises_to_100_percent(values: list[int]) -> None:
    curve = recorded(values).curve()
    assert [percentage for percentage, _ in curve] == sorted(percentage for percentage, _ in curve)
    assert [value for _, value in curve] == sorted(value for _, value in curve)
    assert curve[-1][0] == 100.0
    assert nearest(curve[-1][1], max(values))


# -- the correction ------------------------------------------------------------------------------------------------


@few
@given(values=st.lists(st.integers(1_000, 200_000), min_size=1, max_size=30), interval=st.integers(1_000, 50_000))
def test_the_correction_adds_those_that_would_have_waited(values: list[int], interval: int) -> None:
    """HDR's rule, spelled out: behind a value above the interval come value - interval, value - 2 intervals, ..."""
    latencies = Latencies()
    for value in values:
        latencies.late(value)
    wanted = sum(1 + max(0, value // interval - 1) for value in values)
    corrected = latencies.corrected(interval)
    # A value is known to three digits: whether its last step is a whole interval may differ.
    assert abs(len(corrected) - wanted) <= len(values)
    assert nearest(corrected.summary().most, max(values))
    assert len(latencies) == len(values)  # the original is untouched


def test_a_stall_shows_only_when_corrected() -> None:
    """Gil Tene's example: 100 s of 1 ms answers, 100 s stalled; every 10 ms a request was expected."""
    latencies = Latencies()
    latencies.late(1_000_000, 10_000)
    latencies.late(100 * 10**9)
    assert latencies.percentiles((99.0,))[99.0] == pytest.approx(1e6, rel=0.001)
    corrected = latencies.corrected(10_000_000)
    assert len(corrected) == pytest.approx(20_000, rel=0.001)
    assert corrected.percentiles((75.0,))[75.0] == pytest.approx(50e9, rel=0.01)


def test_a_correction_of_very_many_steps_is_bounded_and_adds_up() -> None:
    latencies = Latencies()
    latencies.late(3_000 * 10**9, 5)
    corrected = latencies.corrected(1_000)
    assert len(corrected) == pytest.approx(5 * 3e9, rel=0.001)
    assert corrected.percentiles((50.0,))[50.0] == pytest.approx(1_500e9, rel=0.01)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'streaming-toolkit\[bench\]'"):
        Latencies()
