"""A pool of processes on one event loop: who is free, who waits, who takes the place of one that is gone.

The one that was free last is taken first: its memory is warm, and of processes that are recycled after a number of
calls, not all are at once. A process that ends is replaced, with a growing delay where the new ones do not come to be
ready. One that is worn serves on until the one in its place is ready.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import math
import multiprocessing
import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from toolkit.errors import ToolkitError, caused
from toolkit.server.identity import Process
from toolkit.server.processes.child import Call, Setup, main
from toolkit.server.processes.failures import ProcessesBusy, pickled
from toolkit.server.processes.link import CallInProcess, Link
from toolkit.server.processes.options import worker_count
from toolkit.server.processes.references import Reference, reference_of
from toolkit.server.supervision import delay_after, manner
from toolkit.server.workers import usable_cores

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from toolkit.protocol.limits import FormLimits, Limits
    from toolkit.server.processes.options import Processes
    from toolkit.server.processes.values import Head

__all__ = ["ProcessPool"]

log = logging.getLogger("toolkit.server")

GRACE: Final = 3.0  #: seconds for a process to end, once it was told to; it gives its function two of them
WEIGHT: Final = 0.2  #: of the last call in the mean that Retry-After is guessed by


class ProcessPool:
    """Processes that `options` asked for, and what they do. `references` are found by each before it is ready."""

    def __init__(self, options: Processes, limits: Limits, forms: FormLimits, references: list[Reference]) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.count = worker_count(options.workers, usable_cores())
        self.links: set[Link] = set()
        self.closing = False
        initializer = options.initializer
        self._limits, self._forms = limits, forms
        self._references = tuple(dict.fromkeys(references))
        self._initializer = None if initializer is None else reference_of(initializer, "Processes(initializer=...):")
        self._idle: list[Link] = []
        self._waiting: deque[asyncio.Future[Link]] = deque()
        self._mean = 0.0  # seconds of a call
        self._keepers: list[asyncio.Task[None]] = []
        self._attending: set[asyncio.Task[None]] = set()
        self._first: asyncio.Future[None] = self.loop.create_future()  # one is ready, or why none will be

    # -- beginning and end -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the processes; who calls one waits for it."""
        atexit.register(self._kill_all)  # before multiprocessing waits there for its children
        self._keepers = [self.loop.create_task(self._keep(number)) for number in range(1, self.count + 1)]

    async def ready(self) -> None:
        """Wait until one of them is. Raises `ToolkitError` where the first that tried cannot be."""
        await asyncio.shield(self._first)

    async def close(self) -> None:
        """End them: who is free at once, who is not within some seconds. Nobody is served any more."""
        self.closing = True
        for keeper in self._keepers:
            keeper.cancel()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(ProcessesBusy("the pool of processes ends"))
        for link in self.links:
            link.close()
        if self._attending:
            await asyncio.wait(self._attending, timeout=GRACE)
            for link in self.links:
                link.kill("it did not end in time")
            if self._attending:
                await asyncio.wait(self._attending)
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._first.done():
            self._first.exception()  # it was told, or nobody asked
        atexit.unregister(self._kill_all)

    def abandon(self) -> None:
        """See `Pools.abandon`."""
        self.closing = True
        self._kill_all()
        atexit.unregister(self._kill_all)

    def _kill_all(self) -> None:
        """The interpreter ends, and nobody ended the pool."""
        for link in list(self.links):
            with contextlib.suppress(ValueError, AttributeError):  # it has ended meanwhile
                link.process.kill()

    # -- keeping them ------------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """See to it that there is a process of this number."""
        old: Link | None = None
        setbacks = 0
        while True:
            link = await self._start(number)
            if link is not None:
                if old is not None:
                    self._retire(old)
                await asyncio.wait([link.gone, link.worn], return_when=asyncio.FIRST_COMPLETED)
                old = None if link.gone.done() else link
                if link.calls:  # those that a call ends are replaced at once; one that ends by itself will again
                    setbacks = 0
                    continue
            setbacks += 1
            await asyncio.sleep(delay_after(setbacks))

    async def _start(self, number: int) -> Link | None:
        """A process that is ready; None where it did not come to be."""
        try:
            link, sock = self._spawn(number)
        except Exception as error:  # no descriptor, no process, no memory: of several kinds
            self._failed(f"process {number} of the pool could not be started: {error}", error)
            return None
        self.links.add(link)
        attendance = self.loop.create_task(self._attend(link, sock))
        self._attending.add(attendance)
        attendance.add_done_callback(self._attending.discard)
        scope = asyncio.timeout(self.options.start)
        try:
            async with scope:
                await asyncio.wait([link.ready, link.gone], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            link.kill(f"it was not ready within {self.options.start:g} s")
        if not link.ready.done():
            link.ready.cancel()
            await asyncio.wait([attendance])
            self._failed(f"{link} {link.ended} before it was ready; what it printed may say why", None)
            return None
        fault = link.ready.exception()
        if fault is not None:
            self._failed(f"{link} cannot begin: {fault}", fault)
            return None
        if not self._first.done():
            self._first.set_result(None)
        return link

    def _failed(self, why: str, error: BaseException | None) -> None:
        log.error("%s", why, exc_info=error)
        if not self._first.done():
            self._first.set_exception(caused(ToolkitError(why), error))

    def _spawn(self, number: int) -> tuple[Link, socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                ours.setblocking(False)
                this = Process("pool", number, self.count)
                setup = Setup(self._references, self._initializer, self._limits, self._forms)
                process: SpawnProcess = multiprocessing.get_context("spawn").Process(
                    target=main, args=(theirs, setup), name=this.name
                )
                process.start()
                link = Link(number, process, self._on_free)
                threading.Thread(target=_wait_for, args=(process, link), name=this.name, daemon=True).start()
                return link, ours
            except BaseException:
                ours.close()
                raise

    def _retire(self, link: Link) -> None:
        """Another one has its place: it ends when it has nothing to do."""
        link.retired = True
        if link.call is None:
            if link in self._idle:
                self._idle.remove(link)
            link.close()

    async def _attend(self, link: Link, sock: socket.socket) -> None:
        """Take its socket, wait for its end, and tell those who should know."""
        try:
            await link.connect(sock)
        except (OSError, RuntimeError):  # it is gone already; the second is how uvloop says so
            link.connection_lost(None)
        await link.gone
        if link in self._idle:
            self._idle.remove(link)
        link.ended = manner(link.code)
        link.died(link.ended)
        if link.connected:
            sock.detach()  # closed with the transport, which uvloop does not always tell it
        else:
            sock.close()
        self.links.discard(link)
        link.process.close()
        if link.killed:
            log.warning("%s was killed: %s", link, link.killed)
        elif link.ready.done() and not link.ready.cancelled() and link.ready.exception() is None and self._wants(link):
            log.warning("%s %s; another is started", link, link.ended)

    def _wants(self, link: Link) -> bool:
        return not self.closing and not link.retired

    # -- calling them ------------------------------------------------------------------------------------------

    def check_room(self, what: str) -> None:
        """Raises `ProcessesBusy` where one more request would not even wait."""
        waiting = len(self._waiting)
        if self.closing:
            raise ProcessesBusy(f"{what}: the pool of processes ends")
        if not self._idle and waiting >= self.options.queue:
            after = min(math.ceil(self._mean * (waiting + 1) / self.count), 60)
            raise ProcessesBusy(
                f"{what}: all {self.count} processes are busy, and {waiting} requests wait for one",
                retry_after=max(1, after),
            )

    async def ask(self, what: str, call: Call, body: bytes = b"") -> tuple[Head, bytes, CallInProcess]:
        """Have a function called, and wait for the head of its answer, and the body unless that is a stream.

        Raises what the function raised; `ProcessesBusy`, `ProcessTimeout`, `ProcessDied`; `UseError` for what cannot be
        sent. Cancelled: a call that waits is none; one that runs is given up.
        """
        order = pickled(call, f"{what}: an argument of {call.reference}")
        link = await self._free(what)
        began = self.loop.time()
        running = link.begin(what, order, body, self.options.timeout)
        try:
            head, content = await running.answered()
        finally:
            self._mean += WEIGHT * (self.loop.time() - began - self._mean)
        return head, content, running

    async def _free(self, what: str) -> Link:
        """A process that has nothing to do."""
        while True:
            self.check_room(what)
            link = self._idle.pop() if self._idle else await self._wait(what)
            if link.usable:
                return link

    async def _wait(self, what: str) -> Link:
        waiter: asyncio.Future[Link] = self.loop.create_future()
        self._waiting.append(waiter)
        scope = asyncio.timeout(self.options.timeout)
        try:
            async with scope:
                return await waiter
        except BaseException as error:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._on_free(waiter.result())  # it was given one a moment ago
            if scope.expired() and isinstance(error, TimeoutError):
                text = f"{what}: no process of {self.count} came free within {self.options.timeout:g} s"
                raise ProcessesBusy(text) from None
            raise

    def _on_free(self, link: Link) -> None:
        """A process has nothing to do: whoever has waited longest has something."""
        most = self.options.recycle_after
        if most is not None and link.calls >= most and not link.worn.done():
            link.worn.set_result(None)
        if link.retired:
            link.close()
        if self.closing or not link.usable:
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(link)
                return
        self._idle.append(link)


def _wait_for(process: SpawnProcess, link: Link) -> None:
    """In a thread: wait for the end of a process. Its socket does not tell, where its own children have that, too."""
    process.join()
    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
        link.loop.call_soon_threadsafe(link.exited, process.exitcode)
