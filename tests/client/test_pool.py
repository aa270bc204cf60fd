"""The pool's decisions, without a loop: counts, caps, order, and that nobody waits for what is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.client.pool import Grant, Origin, Pool

if TYPE_CHECKING:
    from collections.abc import Iterable

A, B, C = (Origin("http", f"{name}.test", 80) for name in "abc")
ORIGINS = (A, B, C)


def granted(grant: Grant[str] | None) -> Grant[str]:
    assert grant is not None
    return grant


def filled(pool: Pool[str, str], *origins: Origin) -> None:
    """Take a new connection to each, and give back one named after its host and number."""
    for number, origin in enumerate(origins):
        assert granted(pool.acquire(origin)).connection is None
        assert pool.give_back(origin, f"{origin.host[0]}{number}") == []


# One decision at a time


def test_the_first_is_told_to_open_one() -> None:
    pool: Pool[str, str] = Pool(2, 2)
    assert pool.acquire(A) == Grant(A, None, None)
    assert repr(pool) == "<Pool 1 of 2 open, 0 idle, 0 waiting>"


def test_the_most_recently_used_is_lent_first() -> None:
    pool: Pool[str, str] = Pool(9, 9)
    for _ in range(2):
        pool.acquire(A)
    pool.give_back(A, "first")
    pool.give_back(A, "second")
    assert granted(pool.acquire(A)).connection == "second"
    assert granted(pool.acquire(A)).connection == "first"
    assert granted(pool.acquire(A)).connection is None


def test_an_idle_one_of_another_origin_is_of_no_use() -> None:
    pool: Pool[str, str] = Pool(9, 9)
    filled(pool, A)
    assert pool.acquire(B) == Grant(B, None, None)
    assert pool.acquire(A._replace(scheme="https")) == Grant(A._replace(scheme="https"), None, None)
    assert pool.acquire(A._replace(port=81)) == Grant(A._replace(port=81), None, None)


def test_an_idle_one_is_taken_at_once_but_nobody_is_overtaken() -> None:
    pool: Pool[str, str] = Pool(2, 2)
    assert pool.take(A) is None
    filled(pool, A)
    assert pool.take(B) is None
    assert pool.take(A) == "a0"
    assert pool.take(A) is None
    pool.give_back(A, "a0")
    pool.wait(A, "waiter")
    assert pool.take(A) is None


def test_each_origin_has_its_own_cap() -> None:
    pool: Pool[str, str] = Pool(9, 1)
    assert pool.acquire(A) is not None
    assert pool.acquire(A) is None
    assert pool.acquire(B) is not None


def test_a_full_pool_closes_the_oldest_idle_one_of_another_origin() -> None:
    pool: Pool[str, str] = Pool(2, 2)
    filled(pool, A, B)
    assert pool.acquire(C) == Grant(C, None, "a0")
    assert repr(pool) == "<Pool 2 of 2 open, 1 idle, 0 waiting>"
    assert pool.open == {B: 1, C: 1}


def test_a_full_pool_without_an_idle_one_makes_everybody_wait() -> None:
    pool: Pool[str, str] = Pool(1, 1)
    pool.acquire(A)
    assert [pool.acquire(origin) for origin in ORIGINS] == [None, None, None]


def test_nobody_overtakes_a_waiter_for_the_same_origin() -> None:
    pool: Pool[str, str] = Pool(2, 2)
    pool.wait(A, "patient")
    assert pool.acquire(A) is None
    assert pool.acquire(B) is not None


def test_a_connection_given_back_goes_to_the_first_in_line() -> None:
    pool: Pool[str, str] = Pool(1, 1)
    pool.acquire(A)
    pool.wait(A, "first")
    pool.wait(A, "second")
    assert pool.give_back(A, "x") == [("first", Grant(A, "x", None))]
    assert repr(pool) == "<Pool 1 of 1 open, 0 idle, 1 waiting>"


def test_a_waiter_for_another_origin_has_it_closed_for_him() -> None:
    pool: Pool[str, str] = Pool(1, 1)
    pool.acquire(A)
    pool.wait(B, "other")
    assert pool.give_back(A, "x") == [("other", Grant(B, None, "x"))]
    assert pool.open == {B: 1}


def test_one_that_cannot_go_on_does_not_hold_up_those_behind_it() -> None:
    pool: Pool[str, str] = Pool(2, 1)
    pool.acquire(A)
    pool.acquire(B)
    pool.wait(A, "a")
    pool.wait(B, "b")
    assert pool.give_back(B, "x") == [("b", Grant(B, "x", None))]


@pytest.mark.parametrize("connection", [None, "never idle"])
def test_one_that_could_not_be_opened_or_has_ended_makes_room(connection: str | None) -> None:
    pool: Pool[str, str] = Pool(1, 1)
    pool.acquire(A)
    pool.wait(B, "b")
    assert pool.gone(A, connection) == [("b", Grant(B, None, None))]
    assert pool.open == {B: 1}


def test_an_idle_one_that_ended_is_lent_to_nobody() -> None:
    pool: Pool[str, str] = Pool(2, 2)
    filled(pool, A)
    assert pool.gone(A, "a0") == []
    assert (pool.total, pool.open, pool.idle) == (0, {}, {})
    assert pool.acquire(A) == Grant(A, None, None)


def test_one_of_several_idle_ones_that_ended_leaves_the_others() -> None:
    pool: Pool[str, str] = Pool(2, 2)
    pool.acquire(A)
    pool.acquire(A)
    pool.give_back(A, "first")
    pool.give_back(A, "second")
    pool.gone(A, "second")
    assert granted(pool.acquire(A)).connection == "first"


def test_who_has_left_the_line_is_served_nothing() -> None:
    pool: Pool[str, str] = Pool(1, 1)
    pool.acquire(A)
    for waiter in ("first", "second", "third"):
        pool.wait(A, waiter)
    pool.leave("first")
    pool.leave("third")
    pool.leave("nobody")
    assert pool.give_back(A, "x") == [("second", Grant(A, "x", None))]
    assert pool.give_back(A, "x") == []


def test_the_line_may_be_full() -> None:
    pool: Pool[str, str] = Pool(1, 1, 2)
    assert not pool.crowded
    pool.wait(A, "first")
    pool.wait(B, "second")
    assert pool.crowded
    pool.leave("first")
    assert not pool.crowded
    assert Pool[str, str](1, 1, 0).crowded  # nobody ever waits


def test_why_one_has_to_wait() -> None:
    pool: Pool[str, str] = Pool(3, 2)
    for origin in (A, A, B):
        pool.acquire(origin)
    assert pool.why(A) == "all 2 to this origin are in use"
    assert pool.why(B) == "all 3 of the session are in use, 1 of them to this origin"


def test_ten_thousand_in_line_are_served_as_quickly_as_ten() -> None:
    # Each step looks at a few of them only; what looked at all would take minutes here.
    pool: Pool[str, int] = Pool(1, 1)
    pool.acquire(A)
    for waiter in range(20_000):
        pool.wait(A if waiter % 2 else B, waiter)
    for waiter in range(1, 20_000, 3):
        pool.leave(waiter)
    left = [waiter for waiter in range(20_000) if waiter % 3 != 1]
    origin, order = A, list[int]()
    while pool.waiting_count:
        ((waiter, grant),) = pool.give_back(origin, "x")
        origin = grant.origin
        order.append(waiter)
    assert order == left


def test_those_at_their_origins_bound_hold_up_nobody_however_many_they_are() -> None:
    pool: Pool[str, int] = Pool(9, 1)
    for origin in ORIGINS:
        pool.acquire(origin)
    for waiter in range(10_000):
        pool.wait(A, waiter)
    for waiter in range(10_000, 20_000):
        pool.wait(B, waiter)
    for waiter in range(10_000, 20_000):
        assert pool.give_back(B, "b") == [(waiter, Grant(B, "b", None))]
    assert pool.waiting_count == 10_000


# Any sequence of them

Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "acquire", "give_back", "gone", "gone_idle", "fail", "leave"]), st.integers(0, 40)
    ),
    max_size=60,
)


class Model:
    """What the pool's user holds, kept apart from the pool's own counts."""

    def __init__(self, most: int, most_per_origin: int) -> None:
        self.pool: Pool[str, str] = Pool(most, most_per_origin)
        self.lent: list[tuple[Origin, str]] = []
        self.opening: list[Origin] = []
        self.idle: list[tuple[Origin, str]] = []
        self.line: list[tuple[Origin, str]] = []
        self.names = iter(range(10_000))

    def step(self, kind: str, number: int) -> None:
        """One call on the pool, if there is anything to make it with."""
        if kind == "acquire":
            origin = ORIGINS[number % 3]
            grant = self.pool.acquire(origin)
            if grant is None:
                waiter = f"w{next(self.names)}"
                self.pool.wait(origin, waiter)
                self.line.append((origin, waiter))
            else:
                assert grant.origin == origin
                assert all(there != origin for there, _ in self.line), "overtaken"
                self.take(grant)
        elif kind == "leave" and self.line:
            _, waiter = self.line.pop(number % len(self.line))
            self.pool.leave(waiter)
        elif kind == "fail" and self.opening:
            self.serve(self.pool.gone(self.opening.pop(number % len(self.opening)), None))
        elif kind == "give_back" and self.opening + [origin for origin, _ in self.lent]:
            origin, name = self.pick(number)
            self.idle.append((origin, name))
            self.serve(self.pool.give_back(origin, name))
        elif kind == "gone" and self.lent:
            self.serve(self.pool.gone(*self.lent.pop(number % len(self.lent))))
        elif kind == "gone_idle" and self.idle:
            self.serve(self.pool.gone(*self.idle.pop(number % len(self.idle))))

    def pick(self, number: int) -> tuple[Origin, str]:
        """A connection in somebody's hands; one that was being opened gets its name here."""
        if self.lent and (number % 2 or not self.opening):
            return self.lent.pop(number % len(self.lent))
        return self.opening.pop(number % len(self.opening)), f"c{next(self.names)}"

    def take(self, grant: Grant[str]) -> None:
        if grant.evict is not None:
            assert grant.connection is None
            gone = next(entry for entry in self.idle if entry[1] == grant.evict)
            assert gone == next(entry for entry in self.idle if entry[0] == gone[0]), "not its origin's oldest"
            self.idle.remove(gone)
        if grant.connection is None:
            self.opening.append(grant.origin)
        else:
            self.idle.remove((grant.origin, grant.connection))  # of its origin, and idle
            self.lent.append((grant.origin, grant.connection))

    def serve(self, grants: Iterable[tuple[str, Grant[str]]]) -> None:
        for waiter, grant in grants:
            at = self.line.index((grant.origin, waiter))
            for origin, _ in self.line[:at]:
                assert origin != grant.origin, "overtaken"
                assert self.pool.open[origin] >= self.pool.most_per_origin, "overtaken without need"
            del self.line[at]
            self.take(grant)

    def check(self) -> None:
        pool = self.pool
        held = [origin for origin, _ in self.lent + self.idle] + self.opening
        assert pool.total == len(held) <= pool.most
        assert pool.open == {origin: held.count(origin) for origin in ORIGINS if origin in held}
        assert all(count <= pool.most_per_origin for count in pool.open.values())
        assert sorted(pool.idle) == sorted({origin for origin, _ in self.idle})
        assert sorted((origin, name) for origin, names in pool.idle.items() for name in names) == sorted(self.idle)
        assert pool.waiting == self.line
        assert pool.waiting_count == len(self.line)
        for origin, _ in self.line:  # nobody waits for what is free
            assert origin not in pool.idle
            at_its_cap = pool.open.get(origin, 0) >= pool.most_per_origin
            assert at_its_cap or (pool.total >= pool.most and not self.idle)


@settings(max_examples=300, deadline=None)
@given(steps, st.integers(1, 4), st.integers(1, 4))
def test_counts_caps_and_order_hold_after_any_sequence(plan: list[Step], most: int, most_per_origin: int) -> None:
    model = Model(most, most_per_origin)
    for kind, number in plan:
        model.step(kind, number)
        model.check()


@settings(max_examples=100, deadline=None)
@given(steps, st.integers(1, 4), st.integers(1, 4))
def test_everybody_in_line_is_served_in_the_end(plan: list[Step], most: int, most_per_origin: int) -> None:
    model = Model(most, most_per_origin)
    for kind, number in plan:
        model.step(kind, number)
    while model.lent or model.opening:
        model.step("give_back", len(model.line))
        model.check()
    assert model.line == []
    assert model.pool.total == len(model.idle)
