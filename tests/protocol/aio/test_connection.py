"""What both ends of a connection share: flow control, waiting, and the ways it can end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from tests.helpers.raw import PATIENCE, MemoryRaw
from toolkit.errors import Disconnected, ReadTimeout, RemoteProtocolError
from toolkit.protocol.aio.clock import Clock
from toolkit.protocol.aio.connection import Connection
from toolkit.protocol.aio.memory import memory_pair
from toolkit.protocol.aio.watch import Watch
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, RAW_BYTES, Framing
from toolkit.protocol.http1 import Receiver
from toolkit.protocol.inbound import Inbound
from toolkit.protocol.limits import Limits, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.protocol.headers import Fields
    from toolkit.protocol.wire import Wire


class AllBody(Receiver):
    """As much of a receiver as a connection needs: all bytes are body."""

    def __init__(self, connection: Plain) -> None:
        super().__init__(connection, connection.limits)
        self.connection = connection
        self.stopped = False

    def receive(self, data: bytes) -> None:
        if not self.stopped:
            self.connection.on_body(data)

    def receive_eof(self) -> None:
        if not self.stopped:
            self.connection.on_end(None, True)

    def stop(self) -> None:
        self.stopped = True


class Plain(Connection):
    """A connection without heads, which notes what it is told."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.receiver = AllBody(self)
        self.done: list[Exchange] = []

    def on_fault(self, error: RemoteProtocolError) -> None:
        raise error

    def _cycle_done(self, x: Exchange) -> None:
        self.done.append(x)


class Named(Exchange):
    """An exchange that has a name for messages."""

    __slots__ = ()

    @property
    def url(self) -> str:
        return "memory"


class Both:
    """A connection, the exchange on it, and the raw end it talks to."""

    def __init__(self, framing: Framing = LENGTH, timeouts: Timeouts = Timeouts()) -> None:
        self.watch = Watch(Clock(asyncio.get_running_loop()), Limits(read_mark=1000, write_mark=1000), timeouts)
        self.connection = Plain(self.watch)
        self.raw = MemoryRaw()
        memory_pair(self.raw, self.connection)
        self.inbound = Inbound()
        self.x = Named(cast("Wire", self.connection), "POST", self.inbound)
        self.connection.exchange = self.x
        self.x._start_body(framing, -1)


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    """Joined in memory; whatever is left is ended."""
    made = Both()
    yield made
    made.raw.reset()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    made.watch.clock.close()


@pytest.mark.parametrize(
    ("framing", "parts", "wire"),
    [
        (LENGTH, [b"ab", b"c"], b"abc"),
        (CLOSE, [b"ab", b"c"], b"abc"),
        (RAW_BYTES, [b"ab", b"c"], b"abc"),
        (CHUNKED, [b"ab", b"c"], b"2\r\nab\r\n1\r\nc\r\n"),
        (CHUNKED, [b"x" * 5000], b"1388\r\n" + b"x" * 5000 + b"\r\n"),
    ],
)
async def test_each_framing_has_its_bytes(framing: Framing, parts: list[bytes], wire: bytes) -> None:
    both = Both(framing)
    for part in parts:
        both.connection.send_part(both.x, part)
    assert await both.raw.receive(len(wire)) == wire
    both.raw.reset()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("framing", "wire", "ends"),
    [(CHUNKED, b"0\r\n\r\n", False), (CLOSE, b"", True), (RAW_BYTES, b"", True), (LENGTH, b"", False)],
)
async def test_each_framing_has_its_end(framing: Framing, wire: bytes, ends: bool) -> None:
    both = Both(framing)
    both.connection.send_end(both.x, [])
    if ends:
        assert await both.raw.rest() == wire
    else:
        assert await both.raw.receive(len(wire)) == wire
    both.raw.reset()
    await asyncio.sleep(0)


async def test_trailers_go_behind_the_last_chunk() -> None:
    both = Both(CHUNKED)
    fields: Fields = [(b"x-a", b"1")]
    both.connection.send_end(both.x, fields)
    assert await both.raw.receive(13) == b"0\r\nx-a: 1\r\n\r\n"
    both.raw.reset()
    await asyncio.sleep(0)


async def test_over_the_mark_reading_stops_and_goes_on_below_half_of_it(both: Both) -> None:
    await both.raw.send(b"x" * 1000)
    while both.inbound.buffered < 1000:
        await both.connection.receive(both.x)
    assert not both.connection.transport.is_reading()
    both.inbound.buffered = 501
    both.connection.consumed(both.x, 499)
    assert not both.connection.transport.is_reading()
    both.inbound.buffered = 500
    both.connection.consumed(both.x, 1)
    assert both.connection.transport.is_reading()


async def test_drain_waits_for_the_reader(both: Both) -> None:
    both.connection.send_part(both.x, b"x" * 2000)
    assert both.connection.blocked
    draining = asyncio.ensure_future(both.connection.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    async with asyncio.timeout(PATIENCE):
        await both.raw.receive(2000)
        await draining
    assert not both.connection.blocked


@pytest.mark.parametrize("how", ["reset", "close", "fail"])
async def test_an_end_wakes_everybody(both: Both, how: str) -> None:
    both.connection.send_part(both.x, b"x" * 2000)
    draining = asyncio.ensure_future(both.connection.drain())
    reading = asyncio.ensure_future(both.connection.receive(both.x))
    await asyncio.sleep(0)
    if how == "reset":
        both.raw.reset()
    elif how == "close":
        both.connection.transport.abort()
    else:
        both.connection.fail(Disconnected("on purpose"))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(Disconnected):
            await draining
        await reading
    assert both.inbound.ended
    await both.connection.receive(both.x)  # at once: nothing will come
    with pytest.raises(Disconnected):
        await both.connection.drain()


async def test_a_cancelled_waiter_for_the_buffer_leaves_nothing_behind(both: Both) -> None:
    both.connection.send_part(both.x, b"x" * 2000)
    waiting = asyncio.ensure_future(both.connection.drain())
    await asyncio.sleep(0)
    assert both.connection._drainers
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not both.connection._drainers


async def test_cancelled_waiters_for_an_arrival_do_not_pile_up(both: Both) -> None:
    for _ in range(5):
        waiting = asyncio.ensure_future(both.connection.receive(both.x))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert [waiter.cancelled() for waiter in both.connection._waiters or ()] == [True]  # the last: nobody has looked
    both.connection._read_stalled()
    assert both.connection.lost is None  # nobody waits, so nobody waits too long
    await both.raw.send(b"x")
    await both.connection.receive(both.x)
    assert not both.connection._waiters


async def test_what_is_on_its_way_out_counts_as_life_for_a_reader(both: Both) -> None:
    """`Timeouts.read`: a request that the peer takes slowly is no silence, though it was all written before."""
    data = b"x" * 2000
    both.x._sent = len(data)
    both.connection.send_part(both.x, data)
    waiting = asyncio.ensure_future(both.connection.receive(both.x))
    assert await both.raw.receive(len(data)) == data
    both.connection._read_stalled()  # the time is up, and since it began the buffer went out
    assert both.connection.lost is None
    both.connection._read_stalled()  # and once more, in which nothing moved
    assert isinstance(both.connection.lost, ReadTimeout)
    await waiting


async def test_a_fin_ends_the_inbound_message_only(both: Both) -> None:
    await both.raw.eof()
    async with asyncio.timeout(PATIENCE):
        await both.connection.receive(both.x)
    assert both.connection.peer_ended
    assert both.inbound.ended
    assert both.connection.lost is None
    both.connection.send_part(both.x, b"still")
    assert await both.raw.receive(5) == b"still"


@pytest.mark.parametrize(("framing", "in_order"), [(LENGTH, True), (CHUNKED, True), (CLOSE, False), (RAW_BYTES, False)])
async def test_a_reset_is_one_where_an_end_would_pass_for_a_clean_one(framing: Framing, in_order: bool) -> None:
    """A length or chunks stop short all by themselves, and what was written still leaves."""
    both = Both(framing)
    both.connection.reset(both.x, "on purpose")
    both.connection.reset(both.x, "once is enough")
    assert await both.raw.gone() is in_order
    await both.raw.close()


async def test_a_write_that_stalls_is_given_up() -> None:
    both = Both(timeouts=Timeouts(write=0.01))
    both.connection.send_part(both.x, b"x" * 2000)
    with pytest.raises(TimeoutError, match=r"the peer took none of 2000 bytes for 0\.01 s"):
        await both.connection.drain()
    both.raw.reset()
    await asyncio.sleep(0)


async def test_a_read_that_stalls_is_given_up() -> None:
    both = Both(timeouts=Timeouts(read=0.01))
    await both.connection.receive(both.x)
    assert isinstance(both.inbound.error, TimeoutError)
    assert "no byte moved for 0.01 s" in str(both.inbound.error)
    both.raw.reset()
    await asyncio.sleep(0)
