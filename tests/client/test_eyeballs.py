"""The race between a host's addresses: who begins when, who wins, and that the losers' sockets are closed."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.addresses import Address
from toolkit.client.eyeballs import AllFailed, Schedule, race

if TYPE_CHECKING:
    from collections.abc import Callable

ONE, TWO, THREE = (Address(socket.AF_INET, (f"192.0.2.{last}", 80)) for last in (1, 2, 3))


# When which begins


def test_the_first_begins_at_once_and_the_next_after_the_delay() -> None:
    # RFC 8305 5
    schedule = Schedule([ONE, TWO, THREE], 0.25)
    assert schedule.next(10.0) == ONE
    assert schedule.next(10.0) is None
    assert schedule.wait(10.0) == 0.25
    assert schedule.wait(10.2) == pytest.approx(0.05)
    assert schedule.next(10.2) is None
    assert schedule.next(10.25) == TWO
    assert schedule.next(10.25) is None
    assert schedule.next(10.5) == THREE
    assert schedule.next(99.0) is None
    assert schedule.wait(99.0) is None


def test_a_failure_lets_the_next_begin_at_once() -> None:
    schedule = Schedule([ONE, TWO, THREE], 0.25)
    assert schedule.next(0.0) == ONE
    schedule.failed()
    assert schedule.next(0.01) == TWO
    assert schedule.next(0.01) is None
    assert schedule.wait(0.01) == pytest.approx(0.25)


@given(st.lists(st.one_of(st.just("failed"), st.floats(0, 1)), max_size=30), st.floats(0, 1))
def test_each_is_tried_once_in_order_and_never_before_its_time(plan: list[str | float], delay: float) -> None:
    order = [Address(socket.AF_INET, (str(number), 80)) for number in range(5)]
    schedule, now, begun, free = Schedule(order, delay), 0.0, list[Address](), 0.0
    for step in plan:
        if isinstance(step, str):
            schedule.failed()
            free = now
        else:
            now += step
        address = schedule.next(now)
        if address is not None:
            begun.append(address)
            assert now >= free
            free = now + delay
    assert begun == order[: len(begun)]


# Carried out, with sockets that nobody else holds


class Field:
    """Addresses that connect, fail or are silent, as told; it keeps what it handed out."""

    def __init__(self, **outcomes: OSError | asyncio.Event | None) -> None:
        self.outcomes = outcomes
        self.begun: list[str] = []
        self.sockets: dict[str, socket.socket] = {}
        self.all_begun = asyncio.Event()
        self.tried: dict[Address, OSError | None] = {}
        self.addresses = [Address(socket.AF_INET, (name, 80)) for name in outcomes]

    async def connect(self, address: Address) -> socket.socket:
        name = str(address)
        self.begun.append(name)
        if len(self.begun) == len(self.addresses):
            self.all_begun.set()
        outcome = self.outcomes[name]
        sock = socket.socket()
        self.sockets[name] = sock
        try:
            if isinstance(outcome, asyncio.Event):
                await outcome.wait()
            elif outcome is not None:
                raise outcome
        except BaseException:
            sock.close()
            raise
        return sock

    async def race(self, delay: float, time: Callable[[], float] | None = None) -> str:
        """The name of the winner; his socket is open, all others' are closed."""
        clock = time or asyncio.get_running_loop().time
        address, sock = await race(self.addresses, delay, self.connect, clock, self.tried)
        assert sock.fileno() >= 0
        sock.close()
        self.check()
        return str(address)

    def check(self) -> None:
        assert [name for name, sock in self.sockets.items() if sock.fileno() >= 0] == []


async def test_a_single_address_that_answers() -> None:
    field = Field(a=None)
    assert await field.race(3600) == "a"
    assert field.tried == {field.addresses[0]: None}


async def test_a_refused_one_makes_way_at_once() -> None:
    field = Field(a=ConnectionRefusedError(111, "no"), b=ConnectionRefusedError(111, "no"), c=None, d=None)
    assert await field.race(3600) == "c"  # without waiting for the delay
    assert field.begun == ["a", "b", "c"]


async def test_a_silent_one_is_overtaken_after_the_delay() -> None:
    field = Field(a=asyncio.Event(), b=None)
    assert await field.race(0.001) == "b"
    assert field.begun == ["a", "b"]


async def test_the_first_to_answer_wins_even_if_it_began_first() -> None:
    slow = asyncio.Event()
    field = Field(a=slow, b=asyncio.Event())
    racing = asyncio.ensure_future(field.race(0))
    await field.all_begun.wait()
    slow.set()
    assert await racing == "a"


async def test_of_two_that_answer_in_one_turn_one_is_closed() -> None:
    both = asyncio.Event()
    field = Field(a=both, b=both)
    racing = asyncio.ensure_future(field.race(0))
    await field.all_begun.wait()
    both.set()
    assert await racing in {"a", "b"}


async def test_when_all_fail_the_error_tells_of_each() -> None:
    field = Field(a=ConnectionRefusedError(111, "refused"), b=OSError(101, "unreachable"))
    with pytest.raises(AllFailed, match=r"a: .*refused; b: .*unreachable") as caught:
        await field.race(0)
    assert list(caught.value.errors) == field.addresses
    assert [error is not None for error in field.tried.values()] == [True, True]
    field.check()


async def test_what_is_no_failure_of_an_address_ends_the_race() -> None:
    silent = asyncio.Event()
    field = Field(a=silent)
    field.outcomes["b"] = None
    field.addresses.append(Address(socket.AF_INET, ("missing", 80)))
    with pytest.raises(KeyError):
        await field.race(0)
    field.check()


@pytest.mark.parametrize("turn", range(12))
async def test_a_race_that_is_cancelled_leaves_no_socket(turn: int) -> None:
    late = asyncio.Event()
    field = Field(a=asyncio.Event(), b=late, c=asyncio.Event())
    racing = asyncio.ensure_future(field.race(0))
    for number in range(turn):
        await asyncio.sleep(0)
        if number == 6:
            late.set()  # a winner in the turn of the cancellation
    racing.cancel()
    await asyncio.wait([racing])
    for _ in range(3):
        await asyncio.sleep(0)
    field.check()
    assert len(asyncio.all_tasks()) == 1
