"""Schedules: fixed by their start, never stretched, never skipping."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.bench.pacing import NEVER, constant, poisson, schedule

SECOND = 1_000_000_000
RATES = st.floats(0.001, 1e7, allow_nan=False)
STARTS = st.integers(0, 2**62)


@given(rate=RATES, start=STARTS, number=st.integers(0, 10_000))
def test_a_constant_schedule_does_not_drift(rate: float, start: int, number: int) -> None:
    *_, last = islice(constant(rate, start), number + 1)
    assert abs((last - start) - number * SECOND / rate) <= 1 + (last - start) * 1e-15 * 4
    assert last < NEVER


@given(rate=RATES, start=STARTS)
def test_a_constant_schedule_begins_at_once_and_keeps_its_gap(rate: float, start: int) -> None:
    times = list(islice(constant(rate, start), 100))
    assert times[0] == start
    gap = SECOND / rate
    assert all(abs((later - sooner) - gap) <= 1 + gap * 1e-9 for sooner, later in pairwise(times))


@given(rate=st.floats(1.0, 1e6), start=STARTS, processes=st.integers(1, 16))
def test_processes_take_turns(rate: float, start: int, processes: int) -> None:
    shared = [
        list(islice(schedule(rate / processes, start, phase=index / processes), 20)) for index in range(processes)
    ]
    together = sorted(at for times in shared for at in times)
    alone = list(islice(constant(rate, start), 20 * processes))
    assert all(abs(one - other) <= 2 for one, other in zip(together, alone, strict=True))


@given(rate=st.floats(1.0, 1e6), start=STARTS, seed=st.integers(0, 1000))
def test_a_poisson_schedule_goes_forward_and_can_be_repeated(rate: float, start: int, seed: int) -> None:
    times = list(islice(poisson(rate, start, seed), 200))
    assert times == sorted(times)
    assert times[0] >= start
    assert times == list(islice(poisson(rate, start, seed), 200))


def test_a_poisson_schedule_keeps_its_rate_and_has_no_rhythm() -> None:
    times = list(islice(poisson(1000.0, 0, seed=1), 20_000))
    gaps = [later - sooner for sooner, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(SECOND / 1000, rel=0.03)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)  # exponential: they are equal


@given(rate=st.floats(1.0, 1e4), start=STARTS, length=st.integers(0, SECOND), draw=st.booleans())
def test_a_schedule_ends_before_its_end(rate: float, start: int, length: int, draw: bool) -> None:
    until = start + length
    times = list(schedule(rate, start, until=until, draw=draw, seed=1))
    endless = schedule(rate, start, draw=draw, seed=1)
    assert times == [at for at in islice(endless, len(times) + 1) if at < until]
    assert list(schedule(rate, start, until=until, most=2, draw=draw, seed=1)) == times[:2]


@pytest.mark.parametrize("draw", [False, True])
def test_a_schedule_can_end(draw: bool) -> None:
    assert len(list(schedule(10.0, 5, draw=draw, most=7))) == 7
    assert list(islice(schedule(10.0, 5, draw=draw, seed=3), 7)) == list(schedule(10.0, 5, draw=draw, seed=3, most=7))
