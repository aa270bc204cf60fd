"""What is decided of a job's next run: late ones, missed ones, overlap, jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.jobs.plan import LATE, Plan
from toolkit.server.jobs.times import Every

if TYPE_CHECKING:
    from toolkit.server.jobs.options import Missed


def plan(
    seconds: float = 10, *, overlap: bool = False, missed: Missed = "skip", jitter: float = 0, chance: float = 0.5
) -> Plan:
    made = Plan(Every(seconds), overlap, missed, jitter, lambda: chance)
    made.begin(0, 0)
    return made


def test_the_first_run_is_due_after_an_interval_or_at_once() -> None:
    assert plan().due == 10
    one = plan()
    one.begin(3, 0, at_once=True)
    assert one.due == 3
    assert one.look(3, busy=False)
    assert one.due == 10


def test_a_run_begins_when_it_is_due_and_not_before() -> None:
    one = plan()
    assert not one.is_due(9.999)
    assert not one.look(9.999, busy=False)
    assert one.is_due(10)
    assert one.look(10, busy=False)
    assert one.due == 20


def test_a_little_late_is_not_too_late_and_does_not_move_the_next() -> None:
    one = plan()
    assert one.look(13, busy=False)
    assert one.due == 20
    assert one.missed == 0


def test_however_many_were_missed_one_run_makes_up_for_them_or_none() -> None:
    late = 10 + LATE + 35
    skipping, making_up = plan(), plan(missed="once")
    assert not skipping.look(late, busy=False)
    assert skipping.missed == 1
    assert making_up.look(late, busy=False)
    assert skipping.due == making_up.due == 110
    assert not making_up.ended()


def test_a_time_that_comes_while_the_last_run_is_at_it_is_skipped() -> None:
    one = plan()
    assert one.look(10, busy=False)
    assert not one.look(20, busy=True)
    assert not one.look(30, busy=True)
    assert one.missed == 2
    assert not one.ended()
    assert one.due == 40


def test_or_made_up_for_once_when_that_run_ends() -> None:
    one = plan(missed="once")
    assert one.look(10, busy=False)
    assert not one.look(20, busy=True)
    assert not one.look(30, busy=True)
    assert one.ended()
    assert not one.ended()


def test_or_run_beside_it() -> None:
    one = plan(overlap=True)
    assert one.look(10, busy=False)
    assert one.look(20, busy=True)
    assert one.missed == 0


def test_jitter_delays_each_run_and_does_not_add_up() -> None:
    one = plan(jitter=4)
    assert one.due == 12
    assert not one.look(11, busy=False)
    assert one.look(12, busy=False)
    assert one.due == 22


def test_what_has_ended_is_due_no_more() -> None:
    one = plan(missed="once")
    assert not one.look(10, busy=True)
    one.end()
    assert one.due is None
    assert not one.is_due(1000)
    assert not one.look(1000, busy=False)
    assert not one.ended()


class Once:
    """A single time."""

    wall = True

    def next(self, after: float, origin: float) -> float | None:
        return 5 if after < 5 else None


def test_a_job_that_has_no_further_time_rests() -> None:
    one = Plan(Once(), False, "skip", 3, lambda: 0)
    one.begin(0, 0)
    assert one.look(5, busy=False)
    assert one.due is None


@pytest.mark.parametrize("missed", ["skip", "once"])
@given(st.lists(st.floats(min_value=0, max_value=200), max_size=30))
def test_no_time_is_run_twice_and_every_look_leaves_a_later_one(missed: Missed, steps: list[float]) -> None:
    one = plan(missed=missed)
    now = 0.0
    runs = 0
    for step in steps:
        now += step
        runs += one.look(now, busy=False)
        assert one.due is not None
        assert one.due > now
    assert runs <= now / 10
