"""Records: what several processes counted is added up, and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import fields

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.bench.record import ADDED, GREATEST, MOST_BINS, WIDTH, Counts, Record, Timeline

EVENTS = st.lists(
    st.tuples(st.floats(0, 500), st.floats(0, 5), st.integers(0, 100), st.integers(0, 5)), max_size=60
).map(lambda events: [(start, start + length, answers, errors) for start, length, answers, errors in events])
Events = list[tuple[float, float, int, int]]


def timeline(events: Events) -> Timeline:
    made = Timeline()
    for event in events:
        made.add(*event)
    return made


@given(events=EVENTS)
def test_a_timeline_counts_everything_in_bounded_bins(events: Events) -> None:
    found = timeline(events)
    assert sum(found.answers) == sum(answers for _, _, answers, _ in events)
    assert sum(found.errors) == sum(errors for _, _, _, errors in events)
    assert len(found.answers) == len(found.errors) <= MOST_BINS
    assert min([0, *found.answers, *found.errors]) == 0
    longest = max((end for _, end, _, _ in events), default=0.0)
    assert longest <= len(found.answers) * found.width or not events


def test_a_bin_holds_what_happened_in_its_time() -> None:
    found = timeline([(0.0, 0.1 - 1e-9, 3, 0), (0.15, 0.16, 4, 0), (0.39, 0.39, 8, 0)])
    assert found.answers == [3, 4, 0, 8]
    found.add(MOST_BINS * WIDTH, MOST_BINS * WIDTH, 16, 1)
    assert found.width == 2 * WIDTH
    assert found.answers[:3] == [7, 8, 0]
    assert found.answers[-1] == 16


def test_what_took_several_bins_is_spread_over_them() -> None:
    assert timeline([(0.05, 0.35, 300, 6)]).answers == pytest.approx([50, 100, 100, 50], abs=1)
    assert timeline([(0.05, 0.35, 300, 6)]).errors == [1, 2, 2, 1]
    assert timeline([(0.1, 0.3, 1, 0)]).answers[1:3] in ([1, 0], [0, 1])


@given(first=EVENTS, second=EVENTS)
def test_timelines_of_any_two_widths_are_added_up(first: Events, second: Events) -> None:
    one, other = timeline(first), timeline(second)
    one.merge(other)
    assert sum(one.answers) == sum(answers for _, _, answers, _ in [*first, *second])
    assert sum(one.errors) == sum(errors for _, _, _, errors in [*first, *second])
    assert one.width >= other.width


def filled(factor: int) -> Record:
    record = Record()
    record.answered(200, 10 * factor)
    record.answered(503, factor)
    record.errors["timeout"] += factor
    record.latencies.record(1_000_000 * factor)
    record.timeline.add(0.0, 0.05, factor, 0)
    for name in (field.name for field in fields(Counts)):
        if name != "answers":
            setattr(record.counts, name, factor)
    return record


def test_records_are_added_up() -> None:
    record = filled(1)
    record.merge(filled(3))
    assert record.statuses == {200: 40, 503: 4}
    assert record.errors == {"timeout": 4, "status 503": 4}
    assert record.failed == 8
    assert len(record.latencies) == 2
    assert record.timeline.answers == [4]
    assert record.counts.answers == 44
    assert {getattr(record.counts, name) for name in ADDED if name != "answers"} == {4}
    assert {getattr(record.counts, name) for name in GREATEST} == {3}


def test_a_record_goes_to_another_process_as_json() -> None:
    record = filled(2)
    other = Record.unpack(orjson.loads(orjson.dumps(record.pack())))
    assert other.pack() == record.pack()
    assert (other.statuses, other.errors) == (record.statuses, record.errors)
    assert other.latencies.summary() == record.latencies.summary()


def test_a_record_forgets() -> None:
    record = filled(1)
    latencies = record.latencies
    record.forget()
    assert record.latencies is latencies
    assert (record.pack()["counts"], record.statuses, record.errors) == (Record().pack()["counts"], {}, {})
    assert len(record.latencies) == 0


@pytest.mark.parametrize(
    ("status", "errors"), [(200, {}), (304, {}), (399, {}), (400, {"status 400": 1}), (599, {"status 599": 1})]
)
def test_a_status_from_400_up_is_an_error_and_an_answer(status: int, errors: dict[str, int]) -> None:
    record = Record()
    record.answered(status)
    assert record.errors == errors
    assert record.statuses == {status: 1}
    assert record.counts.answers == 1
