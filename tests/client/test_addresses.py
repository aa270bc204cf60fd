"""The order of a host's addresses, and how long they are remembered."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.addresses import Address, AddressCache, interleaved

V4, V6 = socket.AF_INET, socket.AF_INET6


def four(last: int) -> Address:
    return Address(V4, (f"192.0.2.{last}", 80))


def six(last: int) -> Address:
    return Address(V6, (f"2001:db8::{last}", 80, 0, 0))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # RFC 8305 4: the families in turn, beginning with the one that the system's order begins with.
        ([], []),
        ([four(1)], [four(1)]),
        ([four(1), four(2)], [four(1), four(2)]),
        ([six(1), six(2), four(1), four(2)], [six(1), four(1), six(2), four(2)]),
        ([four(1), four(2), six(1)], [four(1), six(1), four(2)]),
        ([six(1), four(1), four(2), four(3)], [six(1), four(1), four(2), four(3)]),
        ([six(1), six(2), six(3), four(1)], [six(1), four(1), six(2), six(3)]),
        ([four(1), four(1), six(1), six(1)], [four(1), six(1)]),  # one for each kind of socket
    ],
)
def test_the_families_take_turns(found: list[Address], expected: list[Address]) -> None:
    assert interleaved(found) == expected


@given(st.lists(st.one_of(st.integers(1, 9).map(four), st.integers(1, 9).map(six))))
def test_interleaving_loses_nothing_and_keeps_the_order_within_a_family(found: list[Address]) -> None:
    order = interleaved(found)
    assert sorted(order) == sorted(set(found))
    for family in (V4, V6):
        assert [one for one in order if one.family == family] == list(
            dict.fromkeys(o for o in found if o.family == family)
        )
    switches = [one.family for one in order]
    fewer = min(switches.count(V4), switches.count(V6))
    assert all(switches[at] != switches[at + 1] for at in range(2 * fewer - 1))


def test_an_address_is_shown_without_its_port() -> None:
    assert [str(four(1)), str(six(1))] == ["192.0.2.1", "2001:db8::1"]


# Remembering them


def test_what_is_kept_is_known_until_its_time_is_over() -> None:
    cache = AddressCache(10, 9)
    assert cache.find("a.test", 80, 0) is None
    cache.keep("a.test", 80, [four(1)], 0)
    assert cache.find("a.test", 80, 9.9) == [four(1)]
    assert cache.find("a.test", 81, 0) is None
    assert cache.find("b.test", 80, 0) is None
    assert cache.find("a.test", 80, 10) is None
    assert len(cache) == 0


def test_asking_does_not_make_it_last_longer() -> None:
    cache = AddressCache(10, 9)
    cache.keep("a.test", 80, [four(1)], 0)
    for now in range(10):
        assert cache.find("a.test", 80, now) == [four(1)]
    assert cache.find("a.test", 80, 10) is None


def test_the_one_that_was_not_asked_for_longest_makes_room() -> None:
    cache = AddressCache(10, 2)
    cache.keep("a.test", 80, [four(1)], 0)
    cache.keep("b.test", 80, [four(2)], 0)
    assert cache.find("a.test", 80, 1) is not None
    cache.keep("c.test", 80, [four(3)], 1)
    assert len(cache) == 2
    assert cache.find("b.test", 80, 1) is None
    assert cache.find("a.test", 80, 1) == [four(1)]


@pytest.mark.parametrize(("seconds", "most"), [(0, 9), (10, 0)])
def test_it_can_be_switched_off(seconds: float, most: int) -> None:
    cache = AddressCache(seconds, most)
    cache.keep("a.test", 80, [four(1)], 0)
    assert cache.find("a.test", 80, 0) is None
    assert len(cache) == 0


def test_what_answers_to_nobody_is_dropped() -> None:
    cache = AddressCache(10, 9)
    cache.keep("a.test", 80, [four(1)], 0)
    cache.drop("a.test", 80)
    cache.drop("a.test", 80)
    assert cache.find("a.test", 80, 0) is None
    cache.keep("a.test", 80, [four(1)], 0)
    cache.clear()
    assert len(cache) == 0


def test_the_family_that_answered_begins_the_next_time_and_the_rest_keeps_its_order() -> None:
    cache = AddressCache(10, 9)
    cache.keep("a.test", 80, [six(1), four(1), six(2), four(2)], 0)
    cache.prefer("a.test", 80, V4)
    assert cache.find("a.test", 80, 0) == [four(1), four(2), six(1), six(2)]
    cache.prefer("b.test", 80, V4)
    assert len(cache) == 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans(), st.integers(0, 20)), max_size=50))
def test_it_never_holds_more_than_it_may_nor_anything_too_old(plan: list[tuple[str, bool, int]]) -> None:
    cache, now, kept = AddressCache(10, 3), 0.0, dict[str, float]()
    for host, keeps, later in plan:
        now += later
        if keeps:
            cache.keep(host, 80, [four(1)], now)
            kept[host] = now
        elif cache.find(host, 80, now) is not None:
            assert now - kept[host] < 10
        assert len(cache) <= 3
