"""The link in memory keeps the contract of a socket's transport; the same checks run on both."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.raw import PATIENCE
from toolkit.protocol.aio.memory import MARK, MemoryTransport, memory_pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LINKS = ("memory", "socket")


class End(asyncio.Protocol):
    """Notes each call in order, and wakes whoever waits for one."""

    def __init__(self, *, stays: bool = True) -> None:
        self.calls: list[str] = []
        self.received = bytearray()
        self.error: Exception | None = None
        self.stays = stays  # after the peer's end
        self.happened = asyncio.Event()

    transport: asyncio.Transport

    def note(self, call: str) -> None:
        self.calls.append(call)
        self.happened.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.note("made")

    def data_received(self, data: bytes) -> None:
        assert data
        self.received += data
        if self.calls[-1] != "data":
            self.note("data")
        self.happened.set()

    def eof_received(self) -> bool:
        self.note("eof")
        return self.stays

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.note("lost")

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a call that makes it true."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.happened.clear()
                await self.happened.wait()

    async def saw(self, call: str) -> None:
        await self.until(lambda: call in self.calls)

    async def got(self, size: int) -> None:
        await self.until(lambda: len(self.received) >= size)


def same(end: End) -> End:
    """A protocol factory of one."""
    return end


@asynccontextmanager
async def linked(link: str, near: End, far: End) -> AsyncIterator[None]:
    """Both ends joined by a link of this kind."""
    if link == "memory":
        memory_pair(near, far)
    else:
        loop = asyncio.get_running_loop()
        for end, sock in zip((far, near), socket.socketpair(), strict=True):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            sock.setblocking(False)
            await loop.connect_accepted_socket(partial(same, end), sock)
    try:
        yield
    finally:
        for end in (near, far):
            if "lost" not in end.calls:
                end.transport.abort()
        for end in (near, far):
            await end.saw("lost")


@pytest.mark.parametrize("link", LINKS)
async def test_bytes_come_later_in_order_and_whole(link: str) -> None:
    near, far = End(), End()
    async with linked(link, near, far):
        near.transport.write(b"ab")
        near.transport.writelines([b"c", bytearray(b"d"), memoryview(b"xex")[1:2]])
        near.transport.write(b"")
        assert far.received == b""  # never inside write
        far.transport.write(b"back")
        await far.got(5)
        await near.got(4)
        assert far.received == b"abcde"
        assert near.received == b"back"


@pytest.mark.parametrize("link", LINKS)
async def test_what_was_written_may_change_afterwards(link: str) -> None:
    near, far = End(), End()
    async with linked(link, near, far):
        far.transport.pause_reading()
        buffer = bytearray(b"abc")
        near.transport.write(buffer)
        buffer[:] = b"xyz"
        far.transport.resume_reading()
        await far.got(3)
        assert far.received == b"abc"


@pytest.mark.parametrize("link", LINKS)
async def test_one_direction_ends_and_the_other_goes_on(link: str) -> None:
    near, far = End(), End()
    async with linked(link, near, far):
        assert near.transport.can_write_eof()
        near.transport.write(b"last")
        near.transport.write_eof()
        near.transport.write_eof()  # once is enough
        await far.saw("eof")
        assert far.calls == ["made", "data", "eof"]  # behind the data
        far.transport.write(b"still")
        await near.got(5)
        assert "lost" not in near.calls + far.calls
        with pytest.raises(RuntimeError):
            near.transport.write(b"more")
        far.transport.close()
        await near.saw("eof")
        await far.saw("lost")
        assert far.error is None


@pytest.mark.parametrize("link", LINKS)
async def test_an_end_that_does_not_stay_is_closed(link: str) -> None:
    near, far = End(stays=False), End(stays=False)
    async with linked(link, near, far):
        near.transport.write_eof()
        await far.saw("lost")
        await near.saw("lost")
        assert far.calls == ["made", "eof", "lost"]
        assert (near.error, far.error) == (None, None)


@pytest.mark.parametrize("link", LINKS)
async def test_close_delivers_what_was_written(link: str) -> None:
    near, far = End(), End(stays=False)
    async with linked(link, near, far):
        near.transport.write(b"x" * 300_000)
        near.transport.close()
        assert near.transport.is_closing()
        await far.saw("lost")
        await near.saw("lost")
        assert len(far.received) == 300_000
        assert near.error is None
        assert [call for call in far.calls if call != "data"] == ["made", "eof", "lost"]


@pytest.mark.parametrize("link", LINKS)
async def test_nothing_is_received_after_close(link: str) -> None:
    near, far = End(), End()
    async with linked(link, near, far):
        far.transport.write(b"late")
        near.transport.close()
        await near.saw("lost")
        assert near.received == b""


@pytest.mark.parametrize("link", LINKS)
async def test_a_paused_reader_gets_nothing_until_it_resumes(link: str) -> None:
    near, far = End(), End()
    async with linked(link, near, far):
        far.transport.pause_reading()
        assert not far.transport.is_reading()
        near.transport.write(b"held")
        near.transport.write_eof()
        for _ in range(10):
            await asyncio.sleep(0)
        assert far.calls == ["made"]
        far.transport.resume_reading()
        assert far.transport.is_reading()
        await far.saw("eof")
        assert far.received == b"held"


@pytest.mark.parametrize("link", LINKS)
async def test_a_full_buffer_pauses_its_writer_and_an_empty_one_resumes_it(link: str) -> None:
    near, far = End(), End()
    async with linked(link, near, far):
        far.transport.pause_reading()
        near.transport.set_write_buffer_limits(1000)
        assert near.transport.get_write_buffer_limits() == (250, 1000)
        near.transport.write(b"x" * 1_000_000)
        assert near.calls[-1] == "pause"
        near.transport.write(b"x")
        assert near.calls.count("pause") == 1
        assert near.transport.get_write_buffer_size() > 1000
        far.transport.resume_reading()
        await near.saw("resume")
        await far.got(1_000_001)
        assert near.transport.get_write_buffer_size() == 0
        assert [call for call in near.calls if call in ("pause", "resume")] == ["pause", "resume"]


@pytest.mark.parametrize("link", LINKS)
async def test_abort_throws_away_what_was_not_sent(link: str) -> None:
    near, far = End(), End()
    async with linked(link, near, far):
        far.transport.pause_reading()
        near.transport.write(b"x" * 1_000_000)
        near.transport.abort()
        near.transport.abort()
        await near.saw("lost")
        assert near.error is None
        assert near.transport.is_closing()
        assert near.transport.get_write_buffer_size() == 0


async def test_abort_is_a_reset_for_the_peer() -> None:
    near, far = End(), End()
    async with linked("memory", near, far):
        near.transport.abort()
        assert far.calls == ["made"]  # in a later turn
        await far.saw("lost")
        assert isinstance(far.error, ConnectionResetError)


async def test_bytes_for_a_peer_that_is_gone_are_a_reset() -> None:
    near, far = End(), End()
    async with linked("memory", near, far):
        far.transport.close()
        await far.saw("lost")
        await near.saw("eof")
        near.transport.write(b"x")
        await near.saw("lost")
        assert isinstance(near.error, ConnectionResetError)


async def test_the_marks_default_is_asyncios() -> None:
    near, far = End(), End()
    async with linked("memory", near, far):
        assert near.transport.get_write_buffer_limits() == (MARK // 4, MARK)
        near.transport.set_write_buffer_limits(0, 0)
        assert near.transport.get_write_buffer_limits() == (0, 0)
        near.transport.set_write_buffer_limits(100, 10)
        assert near.transport.get_write_buffer_limits() == (10, 100)


async def test_another_protocol_may_take_over() -> None:
    near, far, next_one = End(), End(), End()
    async with linked("memory", near, far):
        next_one.note("made")
        far.transport.set_protocol(next_one)
        assert far.transport.get_protocol() is next_one
        near.transport.write(b"x")
        await next_one.got(1)
        assert far.received == b""
        far.transport.set_protocol(far)


async def test_the_server_is_told_first() -> None:
    order: list[str] = []

    class Named(End):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            order.append("client" if self is near else "server")
            super().connection_made(transport)

    near, far = Named(), Named()
    async with linked("memory", near, far):
        assert order == ["server", "client"]
        assert isinstance(near.transport, MemoryTransport)
        assert near.transport.get_extra_info("peername") == ("memory", 0)
        assert near.transport.get_extra_info("socket") is None


steps = st.lists(
    st.tuples(
        st.sampled_from(["write", "pause", "resume", "turn", "eof", "close"]), st.booleans(), st.integers(1, 3000)
    ),
    max_size=30,
)


async def play(
    end: End, step: tuple[str, bool, int], data: bytes, sent: list[bytearray], closed: list[bool], ended: list[bool]
) -> None:
    """One call on a transport."""
    what, which, size = step
    if what == "turn":
        await asyncio.sleep(0)
    elif what == "write" and not ended[which] and not closed[which]:
        end.transport.write(data * size)
        sent[which] += data * size
    elif what == "pause":
        end.transport.pause_reading()
    elif what == "resume":
        end.transport.resume_reading()
    elif what == "eof":
        end.transport.write_eof()
        ended[which] = True
    elif what == "close":
        end.transport.close()
        closed[which] = True


@settings(max_examples=150, deadline=None)
@given(steps)
async def test_any_sequence_of_calls_keeps_the_contract(plan: list[tuple[str, bool, int]]) -> None:
    ends = (End(), End())
    sent, closed, ended = [bytearray(), bytearray()], [False, False], [False, False]
    memory_pair(*ends)
    for end in ends:
        end.transport.set_write_buffer_limits(2000)
    for number, step in enumerate(plan):
        await play(ends[step[1]], step, bytes([number]), sent, closed, ended)
    for end in ends:
        end.transport.resume_reading()
    for end, other in ((ends[0], 1), (ends[1], 0)):
        if not any(closed):
            await end.got(len(sent[other]))
            assert end.received == sent[other]
            if ended[other]:
                await end.saw("eof")
        assert sent[other].startswith(end.received)
        end.transport.close()
    for end, other in ((ends[0], 1), (ends[1], 0)):
        await end.saw("lost")
        calls = [call for call in end.calls if call != "data"]
        assert calls[0] == "made"
        assert calls[-1] == "lost"
        assert calls.count("lost") == 1
        assert calls.count("eof") <= 1
        flow = [call for call in calls if call in ("pause", "resume")]
        assert flow == ["pause", "resume"] * (len(flow) // 2) + ["pause"] * (len(flow) % 2)
        assert sent[other].startswith(end.received)
