"""Flights: one runs, the others wait; however it ends, nobody is left waiting."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.aio.loop import run
from toolkit.server.cache.flights import MOST_PASSED, PASSED, Flight, Flights
from toolkit.server.cache.keys import Key

from .clock import Clock, entry

KEY = Key("/a", "GET")


async def waiting(flights: Flights, flight: Flight, number: int) -> list[asyncio.Task[object]]:
    async def wait() -> object:
        return await flights.wait(flight)

    tasks = [asyncio.ensure_future(wait()) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_all_have_what_it_brings() -> None:
    flights, kept = Flights(), entry(Clock())
    assert flights.find(KEY) is None
    flight = flights.begin(KEY)
    assert flights.find(KEY) is flight
    tasks = await waiting(flights, flight, 3)
    flights.end(flight, (KEY, kept))
    assert await asyncio.gather(*tasks) == [(KEY, kept)] * 3
    assert (flights.find(KEY), len(flights)) == (None, 0)
    flights.end(flight, None)  # again does nothing
    other = flights.begin(KEY)
    flights.end(flight, None)
    assert flights.find(KEY) is other


async def test_the_one_who_has_waited_longest_leads_on() -> None:
    flights = Flights()
    flight = flights.begin(KEY)
    first, second = await waiting(flights, flight, 2)
    flights.abandon(flight)
    assert await first is flight
    assert (flights.find(KEY), second.done()) == (flight, False)
    flights.abandon(flight)
    assert await second is flight
    flights.abandon(flight)
    assert flights.find(KEY) is None


async def test_one_who_leaves_is_passed_over() -> None:
    flights = Flights()
    flight = flights.begin(KEY)
    first, second = await waiting(flights, flight, 2)
    first.cancel()
    await asyncio.sleep(0)
    flights.abandon(flight)
    assert await second is flight


async def test_one_who_leaves_as_he_is_to_lead_hands_it_on() -> None:
    flights = Flights()
    flight = flights.begin(KEY)
    first, second = await waiting(flights, flight, 2)
    flights.abandon(flight)
    first.cancel()
    assert await second is flight
    with pytest.raises(asyncio.CancelledError):
        await first
    third = (await waiting(flights, flight, 1))[0]
    flights.abandon(flight)
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    assert flights.find(KEY) is None


async def test_what_is_forgotten_is_waited_for_by_nobody_new() -> None:
    flights = Flights()
    flight, other, alone = flights.begin(KEY), flights.begin(Key("/b", "")), flights.alone(KEY)
    task = (await waiting(flights, flight, 1))[0]
    flights.forget("/a")
    assert (flight.obsolete, alone.obsolete, other.obsolete) == (True, True, False)
    assert (flights.find(KEY), flights.find(other.key)) == (None, other)
    flights.end(flight, None)
    assert await task is None
    flights.forget(None)
    assert other.obsolete


def test_what_could_not_be_kept_is_passed_by_for_a_while() -> None:
    flights = Flights()
    assert not flights.is_passed(KEY, 0)
    flights.pass_by(KEY, 0)
    assert flights.is_passed(KEY, PASSED - 1)
    assert not flights.is_passed(KEY, PASSED)
    flights.pass_by(KEY, 0)
    flights.keep_watch(KEY)
    assert not flights.is_passed(KEY, 0)


def test_the_memory_of_them_is_bounded() -> None:
    flights = Flights()
    for number in range(MOST_PASSED + 2):
        flights.pass_by(Key(str(number), ""), 0)
    assert not flights.is_passed(Key("1", ""), 0)
    assert flights.is_passed(Key("2", ""), 0)


@given(st.lists(st.tuples(st.sampled_from(["wait", "leave", "lead on", "land"]), st.integers(0, 5))))
def test_nobody_waits_for_ever(steps: list[tuple[str, int]]) -> None:
    """Whoever leaves and whenever: at the end somebody leads who knows of it, or nobody waits."""

    async def go() -> None:
        flights = Flights()
        flight = flights.begin(KEY)
        tasks: list[asyncio.Task[object]] = []
        for what, number in steps:
            if what == "wait":
                tasks += await waiting(flights, flight, number)
            elif what == "leave" and tasks:
                tasks[number % len(tasks)].cancel()
            elif what == "lead on":
                flights.abandon(flight)
            elif what == "land":
                flights.end(flight, None)
        for _ in range(len(tasks) + 2):
            flights.abandon(flight)  # whoever leads by now leaves as well
            await asyncio.sleep(0)
        assert all(task.done() for task in tasks)
        assert flights.find(KEY) is None

    run(go())
