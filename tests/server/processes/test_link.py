"""The loop's side of one process, whose part the test plays: heads, pieces, windows, calls that are given up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from toolkit import NotFound, ProcessDied, ProcessTimeout
from toolkit.server.processes.failures import pack_error
from toolkit.server.processes.frames import Frame, FrameReader, Kind, frame
from toolkit.server.processes.link import LARGE, CallInProcess, Link, Pieces
from toolkit.server.processes.values import StreamHead, ValueHead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.context import SpawnProcess

STREAM = pickle.dumps(StreamHead(200, None, None, []))
VALUE = pickle.dumps(ValueHead())


class NoProcess:
    """In a process's place: it can be killed, and notes that it was."""

    pid = 7

    def __init__(self) -> None:
        self.killed = asyncio.Event()

    def kill(self) -> None:
        self.killed.set()


class Other:
    """The process's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.process = NoProcess()
        self.link = Link(1, cast("SpawnProcess", self.process), lambda link: self.freed.set())
        self.freed = asyncio.Event()
        self._sock = sock
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    async def read(self) -> Frame:
        loop = asyncio.get_running_loop()
        while not self._frames:
            data = await loop.sock_recv(self._sock, 65536)
            assert data, "the loop said no more"
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    async def send(self, *frames: tuple[Kind, bytes]) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, b"".join(frame(*one) for one in frames))

    def leave(self) -> None:
        self._sock.close()

    async def called(self, seconds: float | None = 10) -> CallInProcess:
        """A call that has been read here."""
        call = self.link.begin("GET /x", b"order", b"body", seconds)
        assert [await self.read(), await self.read()] == [Frame(Kind.CALL, b"order"), Frame(Kind.BODY, b"body")]
        return call

    async def streaming(self, seconds: float | None = 10) -> tuple[CallInProcess, Pieces]:
        call = await self.called(seconds)
        await self.send((Kind.HEAD, STREAM))
        head, body = await call.answered()
        assert (head, body) == (pickle.loads(STREAM), b"")
        return call, Pieces(call, self.link.loop)


@asynccontextmanager
async def linked() -> AsyncIterator[Other]:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    other = Other(theirs)
    link = other.link
    async with asyncio.timeout(10):
        await link.connect(ours)
        assert link.connected
        await other.send((Kind.READY, b""))
        await link.ready
        assert other.freed.is_set()
        other.freed.clear()
        try:
            yield other
        finally:
            link.close()
            other.leave()
            link.exited(0)
            await link.gone


async def test_a_value_is_here_when_all_of_it_is() -> None:
    async with linked() as other:
        call = await other.called()
        waiting = asyncio.ensure_future(call.answered())
        await other.send((Kind.HEAD, VALUE), (Kind.PIECE, b"one "), (Kind.PIECE, b"two"))
        await other.send((Kind.END, b""))
        assert await waiting == (ValueHead(), b"one two")
        assert other.freed.is_set()


async def test_large_payloads_go_by_themselves() -> None:
    async with linked() as other:
        body = b"x" * (LARGE + 1)
        other.link.begin("x", b"order", body, None)
        assert await other.read() == Frame(Kind.CALL, b"order")
        assert await other.read() == Frame(Kind.BODY, body)


async def test_room_is_made_when_a_piece_is_taken() -> None:
    async with linked() as other:
        _, pieces = await other.streaming()
        await other.send((Kind.PIECE, b"abc"), (Kind.PIECE, b""))
        assert await anext(pieces) == b"abc"
        assert await other.read() == Frame(Kind.MORE, (12).to_bytes(8, "big"))
        assert await anext(pieces) == b""
        assert await other.read() == Frame(Kind.MORE, (9).to_bytes(8, "big"))
        await other.send((Kind.END, b""))
        assert [one async for one in pieces] == []
        await pieces.aclose()


async def test_items_are_objects() -> None:
    async with linked() as other:
        _, pieces = await other.streaming()
        await other.send((Kind.ITEM, pickle.dumps({"a": 1})), (Kind.END, b""))
        assert [one async for one in pieces] == [{"a": 1}]


async def test_what_was_sent_before_an_error_comes_before_it() -> None:
    async with linked() as other:
        call = await other.called()
        await other.send((Kind.HEAD, STREAM), (Kind.PIECE, b"a"), (Kind.ERROR, pack_error(ValueError("why"))))
        await call.answered()
        pieces = Pieces(call, other.link.loop)
        assert await anext(pieces) == b"a"
        with pytest.raises(ValueError, match="why"):
            await anext(pieces)


async def test_an_error_instead_of_a_head() -> None:
    async with linked() as other:
        call = await other.called()
        await other.send((Kind.ERROR, pack_error(ValueError("why"))))
        with pytest.raises(ValueError, match="why"):
            await call.answered()
        assert other.link.usable


async def test_a_stream_that_is_left_is_closed_and_the_process_is_free_when_it_says_so() -> None:
    async with linked() as other:
        call, pieces = await other.streaming()
        await other.send((Kind.PIECE, b"a"))
        await anext(pieces)
        await pieces.aclose()
        await pieces.aclose()
        assert (await other.read()).kind is Kind.MORE
        assert await other.read() == Frame(Kind.CLOSE, b"")
        assert not other.link.usable
        await other.send((Kind.PIECE, b"late"), (Kind.END, b""))
        await other.freed.wait()
        assert call.over
        assert other.link.usable
        assert not call._items


async def test_a_stream_that_nobody_holds_is_closed() -> None:
    async with linked() as other:
        call, pieces = await other.streaming()
        del pieces
        gc.collect()
        assert await other.read() == Frame(Kind.CLOSE, b"")
        await other.send((Kind.END, b""))
        await other.freed.wait()
        assert call.over


async def test_a_stream_that_gives_nothing_in_time_is_killed() -> None:
    async with linked() as other:
        _, pieces = await other.streaming(0.05)
        with pytest.raises(ProcessTimeout, match=r"^GET /x: nothing came from process 1 of the pool \(pid 7\) within"):
            await anext(pieces)
        assert other.process.killed.is_set()
        assert other.link.killed == "GET /x: nothing came within 0.05 s"
        assert not other.link.usable


async def test_one_that_does_not_close_in_time_is_killed() -> None:
    async with linked() as other:
        _, pieces = await other.streaming(0.05)
        await pieces.aclose()
        await other.process.killed.wait()
        assert other.link.killed == "GET /x: given up by who asked, and not over within 0.05 s"


async def test_what_fails_after_it_was_given_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with linked() as other:
        for error, logged in ((NotFound("no"), False), (ValueError("why"), True)):
            call = await other.called()
            call.give_up()
            other.freed.clear()
            await other.send((Kind.ERROR, pack_error(error)))
            await other.freed.wait()
            assert ("GET /x failed, after who asked had left" in caplog.text) is logged


async def test_a_call_that_ends_after_it_was_given_up_kills_nobody() -> None:
    async with linked() as other:
        call = await other.called(0.05)
        waiting = asyncio.ensure_future(call.answered())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await other.send((Kind.HEAD, VALUE), (Kind.END, b""))
        await other.freed.wait()
        assert call.over
        other.link.overrun(call)
        assert not other.process.killed.is_set()


async def test_a_process_that_is_gone_is_told_to_who_waits() -> None:
    async with linked() as other:
        call = await other.called()
        waiting = asyncio.ensure_future(call.answered())
        other.leave()
        other.link.exited(-11)
        await other.link.gone
        assert not other.link.usable
        assert other.link.code == -11
        other.link.died("was ended by SIGSEGV")
        with pytest.raises(ProcessDied, match=r"^GET /x: process 1 of the pool \(pid 7\) was ended by SIGSEGV$"):
            await waiting
        other.link.send((Kind.CLOSE, b""))  # nobody is there, and nobody minds


async def test_what_it_said_before_its_end_is_heard() -> None:
    async with linked() as other:
        call = await other.called()
        await other.send((Kind.HEAD, VALUE), (Kind.PIECE, b"last words"), (Kind.END, b""))
        other.link.exited(0)
        assert await call.answered() == (ValueHead(), b"last words")
        assert not other.link.usable
        assert not other.link.gone.done()


async def test_its_socket_ends_also_where_others_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process's own children do, where they were forked."""
    monkeypatch.setattr("toolkit.server.processes.link.LAST_WORDS", 0.01)
    async with linked() as other:
        other.link.exited(0)
        await other.link.gone


async def test_one_that_outlives_its_socket_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.server.processes.link.LATE", 0.01)
    async with linked() as other:
        other.leave()
        await other.process.killed.wait()
        assert other.link.killed == "its socket ended, and it did not"
        assert not other.link.gone.done()


async def test_what_cannot_be_read_ends_the_process() -> None:
    async with linked() as other:
        call = await other.called()
        await other.send((Kind.HEAD, b"nonsense"))
        with pytest.raises(pickle.UnpicklingError):
            await call.answered()
        assert other.link.killed.startswith("what it said cannot be read: UnpicklingError")


async def test_one_that_cannot_begin_says_why() -> None:
    async with linked() as other:
        other.link.ready = asyncio.get_running_loop().create_future()
        await other.send((Kind.FAILED, pack_error(OSError("no model"))))
        with pytest.raises(OSError, match="no model"):
            await other.link.ready


async def test_one_that_is_closed_before_it_is_connected_is_closed_then() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        link = Link(1, cast("SpawnProcess", NoProcess()), lambda link: None)
        link.close()
        with contextlib.suppress(RuntimeError):  # uvloop says that it is closed
            await link.connect(ours)
        link.exited(0)
        await link.gone
        ours.detach()
