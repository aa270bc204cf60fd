"""Lending connections: the pool's decisions carried out.

A place in the pool is taken before a connection is made, and belongs to whoever makes it until there is one, or until
he fails; so a request may be cancelled wherever it waits, and nothing is lost or counted twice. A connection that turns
out to be of no use when it is to be lent leaves its place to the one that is made instead.

Idle connections need no deadline each: the pool's own lists are gone through when the first of them falls due.
"""

from __future__ import annotations

import asyncio
import math
import sys
from typing import TYPE_CHECKING, Final, TypeAlias

from toolkit.client.connection import ClientConnection
from toolkit.client.pool import Grant, Origin, Pool
from toolkit.errors import ConnectError, Disconnected, PoolFull, PoolTimeout, caused
from toolkit.protocol.aio.clock import Clock, Deadline
from toolkit.protocol.aio.watch import Watch

if TYPE_CHECKING:
    from toolkit.client.dialing import Dialer
    from toolkit.client.session_options import PoolLimits
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.limits import Limits, Timeouts

__all__ = ["Transports"]

GOODBYE: Final = 0.1  # seconds for TLS peers to say it, too; nobody has to wait for that (RFC 8446 6.1)
CLOSED: Final = "the session was closed before the request was sent"
Waiter: TypeAlias = "asyncio.Future[Grant[ClientConnection]]"
Grants: TypeAlias = "list[tuple[Waiter, Grant[ClientConnection]]]"


class ClientWatch(Watch):
    """On this end each exchange may have a read deadline of its own."""

    __slots__ = ()

    def read_of(self, x: Exchange) -> Deadline:
        """The one its options asked for."""
        if not x._options:  # type: ignore[attr-defined]
            return self.read
        own = x.timeouts.read  # type: ignore[attr-defined]
        return self.read if own == self.read.seconds else self._own(x, "read", own)

    def write_of(self, x: Exchange | None) -> Deadline:
        """Likewise."""
        own = self.write.seconds if x is None else x.timeouts.write  # type: ignore[attr-defined]
        return self.write if x is None or own == self.write.seconds else self._own(x, "write", own)

    def _own(self, x: Exchange, kind: str, seconds: float | None) -> Deadline:
        """A queue of its own, which lives as long as the exchange: durations may be as many as requests."""
        deadlines: dict[str, Deadline] | None = x._deadlines  # type: ignore[attr-defined]
        if deadlines is None:
            deadlines = x._deadlines = {}  # type: ignore[attr-defined]
        if kind not in deadlines:
            deadlines[kind] = Deadline(self.clock, kind, seconds)
        return deadlines[kind]


class Idleness(Deadline):
    """The ends of idle connections, whose queue is the pool."""

    __slots__ = ("_next", "_owner")

    def __init__(self, clock: Clock, owner: Transports) -> None:
        super().__init__(clock, "keep_alive", None)
        self._owner = owner
        self._next = math.inf  # when the clock will ask

    def begin(self, connection: ClientConnection) -> None:
        """It is idle from now on."""
        at = min(connection.idle_since + connection.patience, connection.retires)
        if at < self._next:
            self._next = at
            self._clock.watch(self, at)

    def expire(self, now: float) -> float | None:
        """End those whose time has come; returns when the next one is due."""
        late: list[ClientConnection] = []
        first = math.inf
        for line in self._owner.pool.idle.values():
            for connection in line:
                at = min(connection.idle_since + connection.patience, connection.retires)
                if at <= now:
                    late.append(connection)
                elif at < first:
                    first = at
        for connection in late:
            self._owner.drop(connection)
        self._next = first
        return None if first == math.inf else first


class Transports:
    """The connections of one session on one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        timeouts: Timeouts,
        most: PoolLimits,
        dialer: Dialer,
    ) -> None:
        self.loop = loop
        self.clock = Clock(loop)
        self.watch = ClientWatch(self.clock, limits, timeouts)
        self.hold = self.clock.deadline("hold", timeouts.hold)
        self.watch.deadlines.append(self.hold)
        self.pool: Pool[ClientConnection, Waiter] = Pool(most.connections, most.per_origin, most.waiting)
        self.patience: float = math.inf if timeouts.keep_alive is None else float(timeouts.keep_alive)
        self.most_uses: int = sys.maxsize if most.uses is None else most.uses
        self._age: float = math.inf if most.age is None else float(most.age)
        self._dialer = dialer
        self._idleness = Idleness(self.clock, self)
        self._open: set[ClientConnection] = set()
        self._handed: set[ClientConnection] = set()  # granted to somebody in line who has not been woken yet
        self.closed = False
        self._all_gone: asyncio.Future[None] | None = None  # who closes waits for it

    def retirement(self) -> float:
        """When a connection made now is not lent any more, on the loop's clock."""
        return math.inf if self._age == math.inf else self.clock.time() + self._age

    def ready(self, origin: Origin) -> ClientConnection | None:
        """An idle connection, if there is one that nobody waits for."""
        while True:
            connection = self.pool.take(origin)
            if connection is None or connection.fit(self.clock.time()):
                return connection
            self.drop(connection)

    async def acquire(self, origin: Origin, timeouts: Timeouts) -> ClientConnection:
        """A connection for one exchange. Raises `PoolFull`, `PoolTimeout`, `ConnectTimeout`, `ConnectError`."""
        grant = self.pool.acquire(origin)
        if grant is None:
            grant = await self._wait(origin, timeouts.pool)
        self._evict(grant)
        kept = grant.connection
        if kept is not None:
            self._handed.discard(kept)
            if kept.fit(self.clock.time()):
                return kept
            self._open.discard(kept)  # its place is ours
            kept.close()
        try:
            return await self._connect(origin, timeouts.connect)
        except BaseException:
            self._serve(self.pool.gone(origin, None))
            raise

    async def _connect(self, origin: Origin, seconds: float | None) -> ClientConnection:
        connection = ClientConnection(self, origin)
        await self._dialer.dial(connection, seconds)
        if self.closed:
            connection.transport.abort()
            raise Disconnected(CLOSED)
        if connection.lost is not None:
            raise ConnectError(f"the connection to {origin.host}:{origin.port} ended as soon as it was made")
        self._open.add(connection)
        return connection

    async def _wait(self, origin: Origin, seconds: float | None) -> Grant[ClientConnection]:
        if self.pool.crowded:
            why = f"{self.pool.why(origin)}; {self.pool!r}"
            raise PoolFull(f"no free connection to {_name(origin)}, and no place in line for one ({why})")
        waiter: Waiter = self.loop.create_future()
        self.pool.wait(origin, waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except BaseException as error:
            self.pool.leave(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._serve(self._declined(waiter.result()))  # granted in the same turn: pass it on
            if isinstance(error, TimeoutError):
                why = f"{self.pool.why(origin)}; {self.pool!r}"
                raise caused(PoolTimeout(f"no free connection to {_name(origin)} within {seconds} s ({why})"), None)
            raise

    def give_back(self, connection: ClientConnection) -> None:
        """Its exchange is over and it is good for another."""
        if self.closed:
            connection.close()
            return
        served = self.pool.give_back(connection.origin, connection)
        if served:
            self._serve(served)
        else:
            self._idleness.begin(connection)

    def gone(self, connection: ClientConnection) -> None:
        """It ended."""
        if connection in self._open:
            self._open.discard(connection)
            if connection not in self._handed:  # else its place is that of who was given it
                self._serve(self.pool.gone(connection.origin, connection))
            waiter = self._all_gone
            if waiter is not None and not self._open and not waiter.done():
                waiter.set_result(None)

    def drop(self, connection: ClientConnection) -> None:
        """Close one that nobody uses; its place is free at once."""
        self.gone(connection)
        connection.close()

    def _serve(self, grants: Grants) -> None:
        while grants:
            more: Grants = []
            for waiter, grant in grants:
                if not waiter.done():
                    if grant.connection is not None:
                        self._handed.add(grant.connection)
                    waiter.set_result(grant)
                else:
                    more += self._declined(grant)
            grants = more

    def _declined(self, grant: Grant[ClientConnection]) -> Grants:
        """Nobody is there to take it: what it evicts goes all the same, the rest goes to the next in line."""
        self._evict(grant)
        connection = grant.connection
        if connection is None:
            return self.pool.gone(grant.origin, None)
        self._handed.discard(connection)
        if self.closed:
            connection.close()
            return []
        if connection not in self._open:  # it ended meanwhile
            return self.pool.gone(grant.origin, None)
        served = self.pool.give_back(grant.origin, connection)
        if not served:
            self._idleness.begin(connection)
        return served

    def _evict(self, grant: Grant[ClientConnection]) -> None:
        if grant.evict is not None:
            self._open.discard(grant.evict)  # the pool has forgotten it already
            grant.evict.close()

    async def close(self) -> None:
        """End every connection; running exchanges, and those that wait for a connection, get `Disconnected`."""
        self.closed = True
        self._dialer.close()
        for _, waiter in self.pool.waiting:
            self.pool.leave(waiter)
            if not waiter.done():
                waiter.set_exception(Disconnected(CLOSED))
        for connection in list(self._open):
            if connection.exchange is None:
                connection.close()
            else:
                connection.exchange._abort("the session was closed")
        if self._open:
            # Transports report their end later, and TLS says goodbye first: a loop that ends before that breaks off.
            waiter = self._all_gone = self.loop.create_future()
            _, unanswered = await asyncio.wait([waiter], timeout=GOODBYE)
            if unanswered:
                for connection in list(self._open):
                    connection.transport.abort()
                await asyncio.wait([waiter], timeout=self.watch.timeouts.linger)
        self.clock.close()


def _name(origin: Origin) -> str:
    return f"{origin.host}:{origin.port}"
