"""The pacer: a closed loop keeps slots busy, an open loop charges every wait, and both count to the last request."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from toolkit.other.bench.pacer import UNLIMITED, Pacer
from toolkit.other.bench.pacing import NEVER, schedule
from toolkit.other.bench.record import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE = 10.0
SECOND = 1_000_000_000


class Fake:
    """A slot that answers when it is told to."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.sent: list[int] = []
        self.waits = 0
        self.changed = asyncio.Event()

    def send(self, due: int) -> None:
        self.sent.append(due)
        self.waits += 1
        self.changed.set()

    def answer(self) -> None:
        self.waits -= 1
        self.pacer.free(self, time.monotonic_ns())

    async def until_sent(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.sent) < number:
                await self.changed.wait()
                self.changed.clear()


@pytest.fixture
async def pacer() -> AsyncIterator[Pacer]:
    made = Pacer(Record())
    yield made
    made.close()


def joined(pacer: Pacer, number: int) -> list[Fake]:
    slots = [Fake(pacer) for _ in range(number)]
    for slot in slots:
        pacer.join(slot, time.monotonic_ns())
    return slots


async def test_nothing_is_sent_before_the_beginning(pacer: Pacer) -> None:
    slots = joined(pacer, 3)
    assert [slot.sent for slot in slots] == [[], [], []]
    assert pacer.quiet.is_set()
    assert pacer.busy == 0


async def test_a_closed_loop_keeps_every_slot_busy(pacer: Pacer) -> None:
    one, other = joined(pacer, 2)
    pacer.begin_closed(None)
    assert (one.waits, other.waits, pacer.busy) == (1, 1, 2)
    for _ in range(5):
        one.answer()
    assert (len(one.sent), len(other.sent)) == (6, 1)
    assert pacer.budget == UNLIMITED - 7
    assert pacer.end(time.monotonic_ns()) == {}
    assert not pacer.quiet.is_set()
    one.answer()
    other.answer()
    assert (one.waits, other.waits) == (0, 0)
    assert pacer.quiet.is_set()


@pytest.mark.parametrize(("slots", "requests"), [(1, 1), (1, 5), (4, 2), (3, 10)])
async def test_a_closed_loop_ends_with_its_last_answer(pacer: Pacer, slots: int, requests: int) -> None:
    fakes = joined(pacer, slots)
    pacer.begin_closed(requests)
    while waiting := [fake for fake in fakes if fake.waits]:
        assert not pacer.quiet.is_set()
        waiting[0].answer()
    assert sum(len(fake.sent) for fake in fakes) == requests
    assert pacer.quiet.is_set()


async def test_an_open_loop_sends_by_the_clock(pacer: Pacer) -> None:
    (slot,) = joined(pacer, 1)
    begun = time.monotonic_ns()
    pacer.begin_open(schedule(1000.0, begun, most=5))
    for number in range(1, 6):
        await slot.until_sent(number)
        assert time.monotonic_ns() >= slot.sent[-1]
        slot.answer()
    assert slot.sent == [begun + number * SECOND // 1000 for number in range(5)]
    assert pacer.quiet.is_set()
    counts = pacer.record.counts
    assert 1 <= counts.paced <= 5  # where a slot comes free after the time, it takes the request by itself
    assert 0 <= counts.latest <= counts.late


async def test_what_was_due_while_no_slot_was_free_keeps_its_time(pacer: Pacer) -> None:
    """The core of it: a server that stalls is charged for every request that should have been sent meanwhile."""
    (slot,) = joined(pacer, 1)
    begun = time.monotonic_ns() - SECOND  # a second's worth is due already
    pacer.begin_open(schedule(100.0, begun, most=100))
    assert slot.sent == [begun]  # stalled
    for _ in range(99):
        slot.answer()
    assert slot.sent == [begun + number * SECOND // 100 for number in range(100)]
    slot.answer()
    assert pacer.quiet.is_set()


async def test_what_was_never_sent_is_told_with_its_age(pacer: Pacer) -> None:
    (slot,) = joined(pacer, 1)
    begun = time.monotonic_ns() - SECOND
    pacer.begin_open(schedule(100.0, begun))
    ages = pacer.end(begun + SECOND)
    assert ages.total() == 99  # of the hundred, one is under way
    assert max(ages) == pytest.approx(0.99 * SECOND, rel=0.01)
    assert min(ages) == pytest.approx(0.01 * SECOND, rel=0.2)
    slot.answer()
    assert slot.sent == [begun]
    assert pacer.quiet.is_set()


async def test_what_finds_a_free_slot_at_the_end_is_under_way(pacer: Pacer) -> None:
    one, other = joined(pacer, 2)
    now = time.monotonic_ns()
    pacer.begin_open(iter([now, now, NEVER - 1]))
    assert pacer.end(now + 1) == {}
    assert (one.waits, other.waits) == (1, 1)
    assert pacer.next_due == NEVER


async def test_a_slot_that_leaves_takes_its_requests_along(pacer: Pacer) -> None:
    one, other = joined(pacer, 2)
    pacer.begin_closed(2)
    pacer.leave(one, 1)
    assert not pacer.quiet.is_set()
    other.answer()
    assert pacer.quiet.is_set()
    pacer.leave(other, 0)
    assert list(pacer.idle) == []


async def test_what_is_handed_back_is_sent_again_first(pacer: Pacer) -> None:
    (slot,) = joined(pacer, 1)
    assert not pacer.hand_back(1)  # it has not begun
    pacer.begin_closed(1)
    assert pacer.hand_back(77)
    slot.answer()
    assert slot.sent[-1] == 77
    assert not pacer.quiet.is_set()
    slot.answer()
    assert pacer.quiet.is_set()
    pacer.begin_closed(1)
    assert pacer.hand_back(time.monotonic_ns() - SECOND)
    assert pacer.end(time.monotonic_ns()).total() == 1
    assert not pacer.hand_back(1)


async def test_a_slot_that_joins_late_takes_what_is_due(pacer: Pacer) -> None:
    begun = time.monotonic_ns() - SECOND
    pacer.begin_open(schedule(10.0, begun, most=3))
    (slot,) = joined(pacer, 1)
    slot.answer()
    slot.answer()
    assert slot.sent == [begun, begun + SECOND // 10, begun + 2 * SECOND // 10]


async def test_a_run_can_follow_a_run(pacer: Pacer) -> None:
    (slot,) = joined(pacer, 1)
    for _ in range(3):
        pacer.begin_closed(1)
        slot.answer()
        assert pacer.quiet.is_set()
    pacer.begin_open(schedule(1e6, time.monotonic_ns(), most=1))
    await slot.until_sent(4)
    slot.answer()
    assert pacer.quiet.is_set()
