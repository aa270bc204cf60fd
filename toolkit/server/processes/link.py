"""The loop's side of one process: its socket, and the one call that it has.

A call is over when END or ERROR has come, whoever still waits for it. Who stops waiting before (his client left) gives
the call up: a stream is told to close, a function runs to its end, since what it is in the middle of nobody knows. Both
have what the pool's timeout leaves them, and the process is killed then.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from toolkit.server.abort import Abort
from toolkit.server.processes.failures import ProcessDied, ProcessTimeout, unpack_error
from toolkit.server.processes.frames import Frame, FrameReader, Kind, frame, header
from toolkit.server.processes.values import StreamHead, load_head

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess
    from typing import Self

    from toolkit.server.processes.values import Head

__all__ = ["CallInProcess", "Link", "Pieces"]

log = logging.getLogger("toolkit.server")

END: Final = object()
LATE: Final = 5.0  #: seconds between the end of its socket and its own
LAST_WORDS: Final = 0.5  #: seconds for what a process said before it ended
LARGE: Final = 64 * 1024  #: bytes from which on a payload is written by itself rather than copied behind its header


class CallInProcess:
    """One call, from the loop's side."""

    def __init__(self, link: Link, what: str, timeout: float | None) -> None:
        self.what = what  #: the request, or the function, as errors name it
        self.head: Head | None = None
        self.over = False
        self._link = link
        self._timeout = timeout
        self._items: deque[Frame] = deque()
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._given_up = False
        self._began = link.loop.time()

    # -- what came ---------------------------------------------------------------------------------------------

    def _on_frame(self, one: Frame) -> None:
        if one.kind is Kind.HEAD:
            self.head = load_head(one.payload)
        elif one.kind is Kind.END:
            self.over = True
        elif one.kind is Kind.ERROR:
            self.over, self._error = True, unpack_error(one.payload)
            if self._given_up and not isinstance(self._error, Abort):
                log.error("%s failed, after who asked had left", self.what, exc_info=self._error)
        elif not self._given_up:
            self._items.append(one)
        if self.over or isinstance(self.head, StreamHead):
            self._wake()

    def _fail(self, error: Exception) -> None:
        self.over, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _changed(self) -> None:
        """Wait for the next news. Raises `ProcessTimeout` where there is none in time; the process is killed then."""
        self._waiter = self._link.loop.create_future()
        scope = asyncio.timeout(self._timeout)
        try:
            async with scope:
                await self._waiter
        except TimeoutError:
            if not scope.expired():
                raise
            raise self._link.overdue(self) from None
        finally:
            self._waiter = None

    # -- what is asked -----------------------------------------------------------------------------------------

    async def answered(self) -> tuple[Head, bytes]:
        """The head, with the body unless that is a stream. Raises what was raised there, and what became of it.

        Cancelled: the call is given up.
        """
        try:
            while not self.over and not isinstance(self.head, StreamHead):
                await self._changed()
        except asyncio.CancelledError:
            self.give_up()
            raise
        if self._error is not None and not (isinstance(self.head, StreamHead) and self._items):
            raise self._error
        assert self.head is not None
        if isinstance(self.head, StreamHead):
            return self.head, b""
        return self.head, b"".join(one.payload for one in self._items)

    async def piece(self) -> object:
        """The next piece of a stream; `END` behind the last. Raises like `answered`."""
        while not self._items and not self.over:
            await self._changed()
        if not self._items:
            if self._error is not None:
                raise self._error
            return END
        one = self._items.popleft()
        if not self.over:
            self._link.send((Kind.MORE, one.cost.to_bytes(8, "big")))
        return pickle.loads(one.payload) if one.kind is Kind.ITEM else one.payload

    def give_up(self) -> None:
        """Nobody waits for this call any more; its process has the rest of the time for it."""
        if self.over or self._given_up:
            return
        self._given_up = True
        self._items.clear()
        loop, left = self._link.loop, self._timeout
        if isinstance(self.head, StreamHead):
            self._link.send((Kind.CLOSE, b""))
        elif left is not None:
            left = max(0.0, left - (loop.time() - self._began))
        if left is not None:
            loop.call_later(left, self._link.overrun, self)


class Pieces:
    """A stream out of a process, as whoever sends it holds it; left before its end, it is closed there, too."""

    def __init__(self, call: CallInProcess, loop: asyncio.AbstractEventLoop) -> None:
        self._call = call
        self._loop = loop

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        """Raises what was raised in the process, `ProcessDied`, `ProcessTimeout`."""
        piece = await self._call.piece()
        if piece is END:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        self._call.give_up()

    def __del__(self) -> None:
        if not self._call.over and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._call.give_up)


class Link(asyncio.Protocol):
    """A process of a pool. What becomes of it is told to its pool."""

    def __init__(self, number: int, process: SpawnProcess, on_free: Callable[[Link], None]) -> None:
        self.number = number
        self.process = process
        self.pid = process.pid
        self.loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self.loop.create_future()  # or why it is not
        self.gone: asyncio.Future[None] = self.loop.create_future()  # its socket has ended, and so has it
        self.code: int | None = None  # what it ended with; None where nobody knows
        self.worn: asyncio.Future[None] = self.loop.create_future()  # it has had as many calls as it may
        self.retired = False  # another one has taken its place
        self.calls = 0
        self.killed = ""  # why we did
        self.ended = ""  # how, in words
        self.call: CallInProcess | None = None
        self._transport: asyncio.Transport | None = None
        self._lost = self._exited = False
        self._closed = False
        self._reader = FrameReader()
        self._on_free = on_free

    def __str__(self) -> str:
        return f"process {self.number} of the pool (pid {self.pid})"

    @property
    def usable(self) -> bool:
        """It can be given a call."""
        return self.call is None and not self.killed and not self.retired and not self._lost and not self._exited

    @property
    def connected(self) -> bool:
        """Its socket became a transport's."""
        return self._transport is not None

    # -- its socket --------------------------------------------------------------------------------------------

    async def connect(self, sock: socket.socket) -> None:
        """Take the loop's end of the socket."""
        if hasattr(sock, "family") and sock.family.name == "AF_UNIX":
            await self.loop.create_unix_connection(lambda: self, sock=sock)
        else:
            await self.loop.create_connection(lambda: self, sock=sock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call."""
        self._transport = cast("asyncio.Transport", transport)
        if self._closed:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """The loop's call."""
        for one in self._reader.feed(data):
            if one.kind is Kind.READY:
                if not self.ready.done():
                    self.ready.set_result(None)
                self._on_free(self)
            elif one.kind is Kind.FAILED and not self.ready.done():
                self.ready.set_exception(unpack_error(one.payload))
            elif self.call is not None:
                self._on_frame(self.call, one)

    def _on_frame(self, call: CallInProcess, one: Frame) -> None:
        try:
            call._on_frame(one)
        except Exception as error:  # what was pickled there cannot be read here
            call._fail(error)
            self.kill(f"what it said cannot be read: {error!r}")
            return
        if call.over:
            self.call = None
            self._on_free(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The loop's call: the process is gone, or about to be."""
        self._lost = True
        self._check_gone()
        if not self._exited:
            self.loop.call_later(LATE, self._linger)

    def exited(self, code: int | None) -> None:
        """The process has ended. What it said may be on its way, and its children may have its end of the socket."""
        self._exited, self.code = True, code
        self._check_gone()
        if not self._lost and self._transport is not None:
            self.loop.call_later(LAST_WORDS, self._transport.abort)

    def _check_gone(self) -> None:
        if self._lost and self._exited and not self.gone.done():
            self.gone.set_result(None)

    def _linger(self) -> None:
        if not self._exited:
            self.kill("its socket ended, and it did not")

    def send(self, *parts: tuple[Kind, bytes]) -> None:
        """Frames to the process; together, since each write wakes it."""
        if self._transport is None or self._transport.is_closing():
            return
        blocks = []
        for kind, payload in parts:
            blocks += [frame(kind, payload)] if len(payload) < LARGE else [header(kind, len(payload)), payload]
        self._transport.writelines(blocks)

    def close(self) -> None:
        """No more calls: the process ends by itself, at once if it has nothing to do."""
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    # -- its call ----------------------------------------------------------------------------------------------

    def begin(self, what: str, order: bytes, body: bytes, timeout: float | None) -> CallInProcess:
        """Have it do something; it must be free."""
        assert self.call is None
        self.calls += 1
        self.call = call = CallInProcess(self, what, timeout)
        self.send((Kind.CALL, order), (Kind.BODY, body))
        return call

    def died(self, manner: str) -> None:
        """It is gone; whoever waits for it is told how."""
        call, self.call = self.call, None
        if call is not None and not call.over:
            call._fail(ProcessDied(f"{call.what}: {self} {manner}"))

    def kill(self, why: str) -> None:
        """End it, whatever it does."""
        if not self.killed:
            self.killed = why
            self.process.kill()

    def overdue(self, call: CallInProcess) -> ProcessTimeout:
        """Somebody has waited too long for it: it is killed, and this is why."""
        if self.call is call:
            self.kill(f"{call.what}: nothing came within {call._timeout:g} s")
            call.over = True
            self.call = None
        return ProcessTimeout(f"{call.what}: nothing came from {self} within {call._timeout:g} s")

    def overrun(self, call: CallInProcess) -> None:
        """A call that was given up has had its time."""
        if self.call is call:
            self.kill(f"{call.what}: given up by who asked, and not over within {call._timeout:g} s")
