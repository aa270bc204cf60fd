"""The axis of percentiles: each further nine is one step."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.bench.curve import decades, position, sample


@pytest.mark.parametrize(("percentage", "place"), [(0, 0), (90, 1), (99, 2), (99.9, 3), (99.99, 4), (100, math.inf)])
def test_each_nine_is_a_step(percentage: float, place: float) -> None:
    assert position(percentage) == pytest.approx(place)


@pytest.mark.parametrize(("count", "reach"), [(0, 1), (1, 1), (100, 2), (10_000, 4), (10**9, 5)])
def test_the_axis_reaches_as_far_as_there_are_values(count: int, reach: float) -> None:
    assert decades(count) == pytest.approx(reach)


@given(values=st.lists(st.integers(1, 1000), min_size=1, max_size=20), at=st.floats(0, 6))
def test_a_sample_is_the_value_that_so_many_do_not_exceed(values: list[int], at: float) -> None:
    values.sort()
    curve = [(100 * (index + 1) / len(values), value) for index, value in enumerate(values)]
    found = sample(curve, at)
    percentage = 100 * (1 - 10**-at)
    share = 100 * sum(value <= found for value in values) / len(values)
    assert share >= percentage - 1e-9
    assert found in values
