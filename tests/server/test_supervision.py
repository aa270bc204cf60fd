"""What a supervisor decides, with processes that are numbers and a clock that is moved by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.supervision import (
    ATTEMPTS,
    FIRST_DELAY,
    HASTE,
    LATE,
    LONGEST_DELAY,
    STEADY,
    Command,
    Kill,
    Phase,
    Refuse,
    Start,
    Supervisor,
    Tell,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE = 10.0


class World:
    """The processes of a supervisor. A process serves, ends or obeys when the test says so."""

    def __init__(self, count: int = 2, grace: float | None = GRACE) -> None:
        self.now = 100.0
        self.supervisor = Supervisor(count, grace)
        self.slot_of: dict[int, int] = {}  # of those that live
        self.told: list[int] = []
        self.killed: list[int] = []
        self.starts: list[tuple[float, int]] = []
        self.serving: set[int] = set()
        self.listens = True
        self.can_fork = True
        self._pids = 0

    def do(self, commands: list[Command]) -> World:
        for command in commands:
            match command:
                case Start(slot):
                    self._start(slot)
                case Tell(pid):
                    assert pid in self.slot_of
                    self.told.append(pid)
                case Kill(pid):
                    assert pid in self.slot_of
                    self.killed.append(pid)
                case Refuse():
                    assert self.listens
                    self.listens = False
        return self

    def _start(self, slot: int) -> None:
        if self.supervisor.is_stopping:  # left over from before it was
            return
        self.starts.append((self.now, slot))
        if not self.can_fork:
            self.do(self.supervisor.not_started(slot, OSError(11, "no process to be had"), self.now))
            return
        self._pids += 1
        self.slot_of[self._pids] = slot
        self.do(self.supervisor.started(slot, self._pids, self.now))

    def begin(self) -> World:
        return self.do(self.supervisor.begin())

    def serves(self, *pids: int) -> World:
        for pid in pids:
            if pid in self.serving:
                continue
            self.serving.add(pid)
            self.do(self.supervisor.serves(pid, self.now))
        return self

    def ends(self, pid: int, code: int | None = 0) -> World:
        del self.slot_of[pid]
        self.serving.discard(pid)
        return self.do(self.supervisor.ended(pid, code, self.now))

    def after(self, seconds: float) -> World:
        """Time passes; what falls due meanwhile is done when it is due."""
        end = self.now + seconds
        while (at := self.supervisor.next_at()) is not None and at <= end:
            self.now = max(self.now, at)
            self.do(self.supervisor.tick(self.now))
        self.now = end
        return self.do(self.supervisor.tick(end))

    def stop(self) -> World:
        return self.do(self.supervisor.stop(self.now))

    def renew(self) -> World:
        return self.do(self.supervisor.renew(self.now))

    def living(self, slot: int) -> list[int]:
        return [pid for pid, its in self.slot_of.items() if its == slot]


def served(count: int = 2, grace: float | None = GRACE) -> World:
    """All workers serve, and have for a while."""
    world = World(count, grace).begin()
    return world.serves(*world.slot_of).after(STEADY)


# The beginning


def test_it_starts_as_many_as_it_was_told_to() -> None:
    world = World(3).begin()
    assert world.slot_of == {1: 0, 2: 1, 3: 2}
    assert world.supervisor.pids() == [1, 2, 3]
    assert world.supervisor.phase is Phase.STARTING
    assert world.supervisor.next_at() is None, "a start may take as long as it takes"
    world.serves(1, 3)
    assert world.supervisor.phase is Phase.STARTING
    assert world.serves(2).supervisor.phase is Phase.SERVING


@pytest.mark.parametrize("others_serve", [False, True])
@pytest.mark.parametrize(
    ("code", "manner"),
    [
        (1, "ended with exit code 1"),
        (0, "ended with exit code 0"),
        (-11, "was ended by SIGSEGV"),
        (-99, "was ended by signal 99"),
        (None, "is gone"),
    ],
)
def test_a_worker_that_ends_before_it_serves_ends_everything(others_serve: bool, code: int | None, manner: str) -> None:
    world = World(3).begin()
    if others_serve:
        world.serves(1, 3)
    world.ends(2, code)
    assert world.supervisor.failure == f"worker 2 (pid 2) {manner} before it served"
    assert (world.listens, world.told) == (False, [1, 3])
    assert not world.supervisor.over
    world.ends(1).ends(3)
    assert world.supervisor.over
    assert len(world.starts) == 3, "no second attempt"


def test_a_process_that_cannot_be_made_ends_everything_at_the_beginning() -> None:
    world = World(2)
    world.can_fork = False
    world.begin()
    assert world.supervisor.failure == "worker 1 could not be started: [Errno 11] no process to be had"
    assert len(world.starts) == 1
    assert world.supervisor.over


# Workers that end


@pytest.mark.parametrize("code", [-9, -15, 0, 1, None])
def test_a_worker_that_ends_is_replaced_at_once(code: int | None) -> None:
    world = served().ends(1, code)
    assert world.slot_of == {2: 1, 3: 0}
    world.serves(3)
    assert (world.supervisor.phase, world.told, world.killed) == (Phase.SERVING, [], [])


def test_one_that_keeps_ending_soon_is_replaced_later_and_later() -> None:
    world, delays = served(1), list[float]()
    for _ in range(12):
        (pid,) = world.living(0)
        world.serves(pid).ends(pid, 1)
        at = world.supervisor.next_at()
        delays.append(0.0 if at is None else at - world.now)
        world.after(delays[-1])
    assert delays[:3] == [0, 0, FIRST_DELAY], "the first time may be chance"
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY
    assert world.supervisor.failure is None, "it can start and serve, so there is something to try for"


def test_one_that_lived_a_while_is_replaced_at_once_again() -> None:
    world = served(1)
    for _ in range(5):
        (pid,) = world.living(0) or world.after(LONGEST_DELAY).living(0)
        world.serves(pid).ends(pid, 1)
    (pid,) = world.after(LONGEST_DELAY).living(0)
    world.serves(pid).after(STEADY).ends(pid, 1)
    assert world.starts[-1] == (world.now, 0)


def test_starts_that_fail_while_others_serve_are_tried_for_ever() -> None:
    world = served(2).ends(1, -9)
    for _ in range(4 * ATTEMPTS):
        (pid,) = world.living(0) or world.after(LONGEST_DELAY).living(0)
        world.ends(pid, 1)
    assert world.supervisor.phase is Phase.SERVING
    (pid,) = world.after(LONGEST_DELAY).living(0)
    world.serves(pid)
    assert world.serving == {2, pid}


@pytest.mark.parametrize("how", ["ends", "cannot fork"])
def test_starts_that_fail_while_nobody_serves_are_given_up(how: str) -> None:
    world = served(2)
    world.can_fork = how != "cannot fork"
    world.ends(1, 1).ends(2, 1)
    before = len(world.starts)
    while not world.supervisor.over:
        for pid in list(world.slot_of):
            world.ends(pid, 3)
        world.after(LONGEST_DELAY)
    assert len(world.starts) - before <= 2 * ATTEMPTS
    assert world.supervisor.failure is not None
    assert world.supervisor.failure.startswith("worker ")
    assert not world.listens


# The end


def test_the_graceful_end() -> None:
    world = served(2).stop()
    assert (world.listens, world.told, world.killed) == (False, [1, 2], [])
    assert world.supervisor.is_stopping
    world.ends(1)
    assert not world.supervisor.over
    world.ends(2)
    assert world.supervisor.over
    assert world.supervisor.failure is None
    assert len(world.starts) == 2


def test_nobody_is_replaced_during_the_end() -> None:
    world = served(2).stop().ends(1, -9).after(3 * LONGEST_DELAY)
    assert world.slot_of == {2: 1}


def test_one_that_is_being_started_is_told_too() -> None:
    world = served(2).ends(1, -9).stop()
    assert world.told == [2, 3]
    assert world.serves(3).supervisor.is_stopping, "it came to serve all the same"
    assert world.ends(3).ends(2).supervisor.over


def test_one_that_waits_to_be_started_is_not_started_any_more() -> None:
    world = served(1).ends(1, -9).ends(2, 1).ends(3, 1)
    assert world.supervisor.next_at() is not None
    world.stop()
    assert world.supervisor.over
    assert world.supervisor.next_at() is None


def test_a_second_signal_ends_it_at_once() -> None:
    world = served(2).stop().after(HASTE).stop()
    assert world.killed == [1, 2]
    assert world.ends(1, -9).ends(2, -9).supervisor.over
    assert world.supervisor.failure is None


def test_one_signal_that_came_twice_is_one() -> None:
    """A shell's Ctrl-C goes to the whole group, and a wrapper may pass it on."""
    world = served(2).stop().stop().after(HASTE * 0.9).stop()
    assert world.killed == []


def test_a_worker_that_hangs_is_killed_after_its_grace() -> None:
    world = served(2).stop().ends(2)
    assert world.supervisor.next_at() == world.now + GRACE + LATE
    world.after(GRACE + LATE - 0.1)
    assert world.killed == []
    world.after(0.1)
    assert world.killed == [1]
    assert world.supervisor.next_at() is None, "once"
    assert world.ends(1, -9).supervisor.over


def test_without_a_bound_on_the_grace_nobody_is_killed() -> None:
    world = served(2, grace=None).stop().after(100_000)
    assert world.killed == []


def test_an_application_that_ends_itself_ends_everywhere() -> None:
    world = served(2)
    world.do(world.supervisor.leaves(2, world.now))
    assert (world.listens, world.told) == (False, [1, 2])
    world.do(world.supervisor.leaves(1, world.now))  # both at once
    assert world.ends(2).ends(1).supervisor.over
    assert world.supervisor.failure is None


# Renewal


def test_workers_are_replaced_one_after_the_other_and_nobody_is_missing_meanwhile() -> None:
    world = served(3).renew()
    for old, new in ((1, 4), (2, 5), (3, 6)):
        assert world.told == list(range(1, old)), "not before the new one serves"
        assert len(world.slot_of) == 4, "one at a time"
        world.serves(new)
        assert world.told[-1] == old
        world.ends(old)
    assert world.slot_of == {4: 0, 5: 1, 6: 2}
    assert world.supervisor.phase is Phase.SERVING


def test_a_renewal_does_not_wait_for_the_old_ones_to_end() -> None:
    world = served(2).renew().serves(3).serves(4)
    assert world.told == [1, 2]
    world.after(GRACE + LATE)
    assert world.killed == [1, 2]
    world.ends(1, -9).ends(2, -9)
    assert world.slot_of == {3: 0, 4: 1}


def test_the_old_ones_stay_where_new_ones_cannot_serve() -> None:
    world = served(2).renew()
    for _ in range(ATTEMPTS):
        (pid,) = set(world.living(0)) - {1} or set(world.after(LONGEST_DELAY).living(0)) - {1}
        world.ends(pid, 1)
    world.after(10 * LONGEST_DELAY)
    assert world.slot_of == {1: 0, 2: 1}
    assert (world.told, world.supervisor.phase) == ([], Phase.SERVING)
    world.renew()
    assert len(world.living(0)) == 2, "and the next signal tries again"


def test_an_old_one_that_ends_before_its_successor_serves() -> None:
    world = served(2).renew().ends(1, -9)
    assert world.living(0) == [3], "its successor is on its way already"
    world.serves(3)
    assert (world.told, world.slot_of) == ([], {2: 1, 3: 0, 4: 1})


def test_a_worker_that_is_replaced_for_another_reason_counts_as_renewed() -> None:
    world = served(2).renew().ends(2, -9).serves(4).serves(3)
    assert world.told == [1]
    assert world.slot_of == {1: 0, 3: 0, 4: 1}


def test_a_second_renewal_during_the_first_begins_anew_behind_the_one_at_hand() -> None:
    world = served(2).renew().serves(3)
    assert world.slot_of[4] == 1
    world.renew().serves(4)
    assert world.slot_of[5] == 0
    world.serves(5)
    assert world.told == [1, 2, 3]
    assert len(world.starts) == 5


@pytest.mark.parametrize("when", ["starting", "stopping"])
def test_nothing_is_renewed_at_the_beginning_and_at_the_end(when: str) -> None:
    world = World(2).begin() if when == "starting" else served(2).stop()
    before = dict(world.slot_of)
    assert world.renew().slot_of == before


# All of it, in any order


def steps(world: World, data: st.DataObject) -> Iterator[str]:
    """Anything that may happen, chosen by hypothesis."""
    while not world.supervisor.over:
        choices = ["renew", "after"]
        living = list(world.slot_of)
        if living:
            choices += ["ends", "ends well"]
        if set(living) - world.serving:
            choices += ["serves", "serves", "serves"]
        step = data.draw(st.sampled_from(choices))
        if step.startswith("ends"):
            world.ends(data.draw(st.sampled_from(living)), 0 if step == "ends well" else -9)
        elif step == "serves":
            world.serves(data.draw(st.sampled_from(sorted(set(living) - world.serving))))
        elif step == "renew":
            world.renew()
        else:
            world.after(data.draw(st.sampled_from([0.1, FIRST_DELAY, LONGEST_DELAY, STEADY, GRACE + LATE])))
        yield step


@given(data=st.data(), count=st.integers(1, 3))
def test_whatever_happens(data: st.DataObject, count: int) -> None:
    world = World(count).begin()
    for number, _ in enumerate(steps(world, data)):
        untold = [pid for pid in world.slot_of if pid not in world.told]
        for slot in range(count):
            assert len([pid for pid in untold if world.slot_of[pid] == slot]) <= 2, "one that serves, one that will"
        assert set(world.supervisor.pids()) == set(world.slot_of)
        if not world.supervisor.is_stopping and not untold:
            assert world.supervisor.next_at() is not None, "somebody is to be started"
        if number == 40:
            break
    if not world.supervisor.is_stopping:
        world.stop()
    starts = len(world.starts)
    world.after(GRACE + LATE)
    assert set(world.killed) >= set(world.slot_of), "everybody was told, and had his time"
    for pid in list(world.slot_of):
        world.ends(pid, -9)
    assert world.supervisor.over
    assert len(world.starts) == starts
    assert not world.listens
