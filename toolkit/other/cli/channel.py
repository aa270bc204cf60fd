"""Standard input and output beside a running loop.

How it works. What a shell hands us may be a pipe, a terminal, a file or a device; only some of these can be watched by
a loop, and none may be made non-blocking, as the shell and other programs share it. So each direction has a thread that
makes the blocking calls, one at a time, when it is asked to: nothing is read ahead of who sends it on, nothing is held
back. The thread is a daemon: a call that never returns (a terminal at which nobody types) keeps nobody from leaving.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Channel"]

T = TypeVar("T")


class Channel:
    """A thread for blocking calls, in the order in which they are asked for. Not for two tasks at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def call(self, function: Callable[[], T]) -> T:
        """What it returns or raises. Cancelled: the call goes on in its thread, and nobody hears of it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = function()
            except BaseException as error:
                _tell(loop, _fail, future, error)
            else:
                _tell(loop, _done, future, result)

        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)
        return await future

    def _work(self) -> None:
        while True:
            self._jobs.get()()


def _tell(loop: asyncio.AbstractEventLoop, how: Callable[..., None], *what: object) -> None:
    try:
        loop.call_soon_threadsafe(how, *what)
    except RuntimeError:
        return  # the loop is closed: the program is leaving


def _done(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[T], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
