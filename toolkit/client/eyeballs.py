"""Which of a host's addresses answers first (RFC 8305, Happy Eyeballs).

Addresses are tried one after another, the next beginning when the last has failed or has been silent for the delay.
The first to connect wins; the others are cancelled, and their sockets closed, before it is handed out. `Schedule`
decides, `race` carries it out. It works on bare sockets, since only one of the loops has this built in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from toolkit.client.addresses import Address

__all__ = ["AllFailed", "Schedule", "race"]


class AllFailed(OSError):
    """No address could be connected to; `errors` says of each why."""

    def __init__(self, errors: dict[Address, OSError]) -> None:
        super().__init__("; ".join(f"{address}: {error}" for address, error in errors.items()))
        self.errors = errors


class Schedule:
    """When which attempt begins. Times are seconds on one clock, whichever."""

    def __init__(self, addresses: Iterable[Address], delay: float) -> None:
        self._left = deque(addresses)
        self._delay = delay
        self._at = -1.0  # when the next one may begin; at once below zero

    def next(self, now: float) -> Address | None:
        """The address to try from now on, if it is time for one."""
        if not self._left or (self._at >= 0 and now < self._at):
            return None
        self._at = now + self._delay
        return self._left.popleft()

    def failed(self) -> None:
        """An attempt has failed: the next begins at once (RFC 8305 5)."""
        self._at = -1.0

    def wait(self, now: float) -> float | None:
        """Seconds until the next attempt begins by itself; None if none is left."""
        return max(0.0, self._at - now) if self._left else None


async def race(
    addresses: Sequence[Address],
    delay: float,
    connect: Callable[[Address], Coroutine[object, object, socket.socket]],
    time: Callable[[], float],
    tried: dict[Address, OSError | None],
) -> tuple[Address, socket.socket]:
    """The first connected socket, with its address. Raises `AllFailed`.

    `tried` gets every address that was begun with, and why it failed: whoever gives up waiting can tell how far it was.
    """
    if len(addresses) == 1:  # nothing to choose from, and no task to be made for it
        return addresses[0], await _alone(addresses[0], connect, tried)
    schedule = Schedule(addresses, delay)
    running: dict[asyncio.Task[socket.socket], Address] = {}
    winner: tuple[Address, socket.socket] | None = None
    try:
        while winner is None:
            while (address := schedule.next(time())) is not None:
                tried[address] = None
                running[asyncio.ensure_future(connect(address))] = address
            if not running:
                raise AllFailed({address: error for address, error in tried.items() if error is not None})
            done, _ = await asyncio.wait(running, timeout=schedule.wait(time()), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                winner = _outcome(task, running.pop(task), tried, schedule, winner)
        await _end(running)
    except BaseException:
        if winner is not None:
            winner[1].close()
        await _end(running)
        raise
    return winner


async def _alone(
    address: Address,
    connect: Callable[[Address], Coroutine[object, object, socket.socket]],
    tried: dict[Address, OSError | None],
) -> socket.socket:
    tried[address] = None
    try:
        return await connect(address)
    except OSError as error:
        tried[address] = error
        raise AllFailed({address: error}) from error


def _outcome(
    task: asyncio.Task[socket.socket],
    address: Address,
    tried: dict[Address, OSError | None],
    schedule: Schedule,
    winner: tuple[Address, socket.socket] | None,
) -> tuple[Address, socket.socket] | None:
    """What an attempt that is over makes of the race; of two that won in one turn the second is closed."""
    try:
        sock = task.result()
    except OSError as error:
        tried[address] = error
        schedule.failed()
        return winner
    if winner is not None:
        sock.close()
        return winner
    return address, sock


async def _end(running: Iterable[asyncio.Task[socket.socket]]) -> None:
    """Cancel the losers; what one of them connected all the same is closed, also if nobody waits to see it."""
    losers = list(running)
    for task in losers:
        task.add_done_callback(_close)
        task.cancel()
    if losers:
        await asyncio.wait(losers)


def _close(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
