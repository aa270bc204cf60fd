"""Deadlines on a loop whose time is moved by hand: nothing here waits."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.aio.clock import Clock, Deadline

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Timer:
    """One call, at its time."""

    def __init__(self, when: float, call: Callable[[], object]) -> None:
        self.when = when
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeLoop:
    """As much of a loop as a clock needs."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []
        self.armed = 0  # timers asked for in all
        self.failures: list[dict[str, object]] = []

    def time(self) -> float:
        return self.now

    def call_exception_handler(self, context: dict[str, object]) -> None:
        self.failures.append(context)

    def call_at(self, when: float, call: Callable[[], object]) -> Timer:
        self.armed += 1
        timer = Timer(when, call)
        self.timers.append(timer)
        return timer

    @property
    def waiting(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.is_cancelled]

    def advance(self, seconds: float) -> None:
        """Let time pass, ringing each timer at its time."""
        end = self.now + seconds
        while due := [timer for timer in self.waiting if timer.when <= end]:
            first = min(due, key=lambda timer: timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when)
            first.call()
        self.now = end


def clock_of(loop: FakeLoop, wall: Callable[[], float] = lambda: 0.0) -> Clock:
    """A clock on a loop of this kind."""
    return Clock(cast("asyncio.AbstractEventLoop", loop), wall)


class Watched:
    """Notes what fell due, and when."""

    def __init__(self, loop: FakeLoop, again: Deadline | None = None) -> None:
        self.loop = loop
        self.again = again
        self.told: list[tuple[str, float]] = []

    def on_deadline(self, kind: str) -> None:
        self.told.append((kind, self.loop.now))
        if self.again is not None:
            self.again.start(self)


def near(told: list[tuple[str, float]], expected: list[tuple[str, float]]) -> bool:
    """A timer may ring one tick early."""
    return [kind for kind, _ in told] == [kind for kind, _ in expected] and all(
        abs(at - when) < 0.01 for (_, at), (_, when) in zip(told, expected, strict=True)
    )


def test_a_deadline_falls_due_once() -> None:
    loop = FakeLoop()
    one = Watched(loop)
    clock_of(loop).deadline("read", 5).start(one)
    loop.advance(4.9)
    assert one.told == []
    loop.advance(0.1)
    assert near(one.told, [("read", 1005)])
    loop.advance(100)
    assert len(one.told) == 1


def test_one_that_is_stopped_does_not() -> None:
    loop = FakeLoop()
    deadline, one = clock_of(loop).deadline("read", 5), Watched(loop)
    deadline.start(one)
    deadline.stop(one)
    deadline.stop(one)
    loop.advance(100)
    assert one.told == []
    assert loop.waiting == []


def test_one_that_is_started_again_begins_anew() -> None:
    loop = FakeLoop()
    deadline, one = clock_of(loop).deadline("read", 5), Watched(loop)
    for _ in range(10):
        deadline.start(one)
        loop.advance(4)
    assert one.told == []
    loop.advance(1)
    assert near(one.told, [("read", 1041)])


def test_without_a_duration_there_is_none() -> None:
    loop = FakeLoop()
    clock_of(loop).deadline("read", None).start(Watched(loop))
    assert loop.timers == []


def test_when_one_began_is_known_while_it_runs() -> None:
    loop = FakeLoop()
    deadline, one = clock_of(loop).deadline("read", 5), Watched(loop)
    assert deadline.began(one) == -math.inf
    loop.advance(3)
    deadline.start(one)
    loop.advance(2)
    assert deadline.began(one) == 1003
    deadline.stop(one)
    assert deadline.began(one) == -math.inf


def test_kinds_and_durations_have_queues_of_their_own() -> None:
    clock = clock_of(FakeLoop())
    assert clock.deadline("read", 5) is clock.deadline("read", 5)
    assert clock.deadline("read", 5) is not clock.deadline("read", 6)
    assert clock.deadline("read", 5) is not clock.deadline("write", 5)


def test_a_shorter_one_is_not_late_for_a_longer_one() -> None:
    loop = FakeLoop()
    clock, one = clock_of(loop), Watched(loop)
    clock.deadline("long", 50).start(one)
    clock.deadline("short", 5).start(one)
    loop.advance(100)
    assert near(one.told, [("short", 1005), ("long", 1050)])


def test_one_may_start_another_while_it_falls_due() -> None:
    loop = FakeLoop()
    clock = clock_of(loop)
    one = Watched(loop, clock.deadline("again", 5))
    clock.deadline("again", 5).start(one)
    loop.advance(17)
    assert near(one.told, [("again", 1005), ("again", 1010), ("again", 1015)])


def test_one_may_stop_others_while_it_falls_due() -> None:
    loop = FakeLoop()
    deadline, other = clock_of(loop).deadline("read", 5), Watched(loop)

    class Stopping(Watched):
        def on_deadline(self, kind: str) -> None:
            super().on_deadline(kind)
            deadline.stop(other)

    first = Stopping(loop)
    deadline.start(first)
    deadline.start(other)
    loop.advance(10)
    assert len(first.told) == 1
    assert other.told == []


def test_ten_thousand_deadlines_are_one_timer() -> None:
    loop = FakeLoop()
    deadline, all_of_them = clock_of(loop).deadline("keep_alive", 75), [Watched(loop) for _ in range(10_000)]
    for one in all_of_them:
        deadline.start(one)
    assert loop.armed == 1
    loop.advance(76)
    assert all(len(one.told) == 1 for one in all_of_them)
    assert loop.armed == 1


def test_deadlines_that_have_passed_leave_nothing_to_walk_over() -> None:
    """A dict keeps empty places in front, and finding its first entry passes them, each time."""
    loop = FakeLoop()
    deadline, last = clock_of(loop).deadline("keep_alive", 75), Watched(loop)
    for one in [Watched(loop) for _ in range(10_000)]:
        deadline.start(one)
        loop.advance(0.001)
    loop.advance(10)
    deadline.start(last)
    full = sys.getsizeof(deadline._due)
    loop.advance(74)
    assert list(deadline._due) == [last]
    assert sys.getsizeof(deadline._due) < full / 100
    assert last.told == []


def test_one_that_is_started_anew_by_another_that_falls_due_with_it() -> None:
    loop = FakeLoop()
    deadline, other = clock_of(loop).deadline("read", 5), Watched(loop)

    class Starting(Watched):
        def on_deadline(self, kind: str) -> None:
            super().on_deadline(kind)
            deadline.start(other)

    deadline.start(Starting(loop))
    deadline.start(other)
    loop.advance(9)
    assert other.told == []
    loop.advance(1)
    assert near(other.told, [("read", 1010)])


def test_a_closed_clock_rings_no_more() -> None:
    loop = FakeLoop()
    clock, one = clock_of(loop), Watched(loop)
    clock.deadline("read", 5).start(one)
    clock.close()
    clock.close()
    loop.advance(100)
    assert one.told == []


@given(
    st.lists(st.tuples(st.sampled_from(["start", "stop", "pass"]), st.integers(0, 3), st.integers(0, 2)), max_size=60)
)
def test_any_sequence_keeps_each_ones_time(plan: list[tuple[str, int, int]]) -> None:
    loop = FakeLoop()
    clock = clock_of(loop)
    deadlines = [clock.deadline("a", 3), clock.deadline("b", 7), clock.deadline("c", 7.5)]
    watched = [Watched(loop) for _ in range(4)]
    due: dict[tuple[int, int], float] = {}
    expected: list[list[tuple[float, str]]] = [[] for _ in watched]

    def passing(seconds: float) -> None:
        for (who, which), at in list(due.items()):
            if at <= loop.now + seconds:
                expected[who].append((at, "abc"[which]))
                del due[who, which]
        loop.advance(seconds)

    for what, who, which in plan:
        if what == "start":
            deadlines[which].start(watched[who])
            due[who, which] = loop.now + (3, 7, 7.5)[which]
        elif what == "stop":
            deadlines[which].stop(watched[who])
            due.pop((who, which), None)
        else:
            passing(who + which / 2)
    passing(100)
    for one, what_was_due in zip(watched, expected, strict=True):
        assert sorted(kind for kind, _ in one.told) == sorted(kind for _, kind in what_was_due)
        assert near([("", at) for _, at in one.told], [("", at) for at, _ in sorted(what_was_due)])


def test_the_date_is_made_once_a_second() -> None:
    # RFC 9110 5.6.7, with its own example
    wall = [784111777.0]
    clock = clock_of(FakeLoop(), lambda: wall[0])
    assert clock.date_line() == b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    first = clock.date_line()
    wall[0] += 0.9
    assert clock.date_line() is first
    wall[0] += 0.2
    assert clock.date_line() == b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"


class Failing:
    def on_deadline(self, kind: str) -> None:
        raise KeyError(kind)


def test_one_that_fails_keeps_no_other_from_its_end() -> None:
    loop = FakeLoop()
    head, one, later = clock_of(loop).deadline("head", 1), Watched(loop), Watched(loop)
    head.start(Failing())
    head.start(one)
    loop.advance(2)
    assert near(one.told, [("head", 1001)])
    head.start(later)
    loop.advance(2)
    assert near(later.told, [("head", 1003)])
    assert [str(context["exception"]) for context in loop.failures] == ["'head'"]


def test_when_one_without_a_duration_began_nobody_knows() -> None:
    loop = FakeLoop()
    endless, one = clock_of(loop).deadline("keep_alive", None), Watched(loop)
    endless.start(one)
    assert endless.began(one) > loop.time()  # taken for now: whoever asks gives it its time
