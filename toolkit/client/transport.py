"""Making and lending connections: the pool's decisions carried out."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from toolkit.client.connection import ClientConnection
from toolkit.errors import ConnectError, ConnectTimeout, PoolTimeout, caused
from toolkit.protocol.aio.clock import Clock, Deadline
from toolkit.protocol.aio.link import tune
from toolkit.protocol.aio.memory import memory_pair
from toolkit.protocol.aio.tls import TlsLink
from toolkit.protocol.aio.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.client.pool import Grant, Origin, Pool
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.limits import Limits, Timeouts

__all__ = ["Transports"]


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


class Transports:
    """The connections of one session on one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        timeouts: Timeouts,
        pool: Pool[ClientConnection, asyncio.Future[Grant[ClientConnection]]],
        *,
        unix: str | None,
        tls: ssl.SSLContext | None,
        dial: Callable[[], asyncio.Protocol] | None,
    ) -> None:
        self.loop = loop
        self.clock = Clock(loop)
        self.watch = ClientWatch(self.clock, limits, timeouts)
        self.hold = self.clock.deadline("hold", timeouts.hold)
        self.watch.deadlines.append(self.hold)
        self.pool = pool
        self._unix_path = unix
        self._tls = tls
        self._dial = dial
        self._open: set[ClientConnection] = set()
        self.closed = False
        self._all_gone: asyncio.Future[None] | None = None  # who closes waits for it

    def ready(self, origin: Origin) -> ClientConnection | None:
        """An idle connection, if there is one that nobody waits for."""
        while True:
            connection = self.pool.take(origin)
            if connection is None or connection.usable:
                return connection  # one that is ending: `gone` takes it out of the count

    async def acquire(self, origin: Origin, timeouts: Timeouts) -> ClientConnection:
        """A connection for one exchange. Raises `PoolTimeout`, `ConnectTimeout`, `ConnectError`."""
        grant = self.pool.acquire(origin)
        if grant is None:
            grant = await self._wait(origin, timeouts.pool)
        self._evict(grant)
        if grant.connection is not None:
            if grant.connection.usable:
                return grant.connection
            return await self.acquire(origin, timeouts)  # it is ending; `gone` takes it out of the count
        try:
            connection = await self._connect(origin, timeouts.connect)
            if connection.lost is not None or self.closed:
                connection.close()
                raise ConnectError(f"the connection to {origin.host}:{origin.port} ended as soon as it was made")
        except BaseException:
            self._serve(self.pool.gone(origin, None))
            raise
        self._open.add(connection)
        return connection

    async def _wait(self, origin: Origin, seconds: float | None) -> Grant[ClientConnection]:
        waiter: asyncio.Future[Grant[ClientConnection]] = self.loop.create_future()
        self.pool.wait(origin, waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except BaseException as error:
            self.pool.leave(waiter)
            if waiter.done() and not waiter.cancelled():  # granted in the same turn: pass it on
                self._decline(waiter.result())
            if isinstance(error, TimeoutError):
                raise caused(
                    PoolTimeout(
                        f"no free connection to {origin.host}:{origin.port} within {seconds} s ({self.pool!r})"
                    ),
                    None,
                )
            raise

    async def _connect(self, origin: Origin, seconds: float | None) -> ClientConnection:
        connection = ClientConnection(self, origin)
        if self._dial is not None:
            memory_pair(connection, self._dial())
            return connection
        where = self._unix_path if self._unix_path is not None else f"{origin.host}:{origin.port}"
        tls = self._context() if origin.scheme == "https" else None
        name, patience = (None, None) if tls is None else (origin.host, self.watch.timeouts.linger)
        link: asyncio.BaseProtocol = connection if tls is None else TlsLink(connection)
        try:
            async with asyncio.timeout(seconds):
                if self._unix_path is not None:
                    transport, _ = await self.loop.create_unix_connection(
                        lambda: link, self._unix_path, ssl=tls, server_hostname=name, ssl_shutdown_timeout=patience
                    )
                else:
                    transport, _ = await self.loop.create_connection(
                        lambda: link,
                        origin.host,
                        origin.port,
                        ssl=tls,
                        server_hostname=name,
                        ssl_shutdown_timeout=patience,
                    )
        except TimeoutError:
            raise caused(ConnectTimeout(f"no connection to {where} within {seconds} s"), None)
        except ssl.SSLCertVerificationError as error:
            raise caused(ConnectError(f"{where}: its certificate is not to be trusted: {error.verify_message}"), error)
        except OSError as error:
            raise caused(ConnectError(f"cannot connect to {where}: {error}"), error)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError, AttributeError):
                tune(sock)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def give_back(self, connection: ClientConnection) -> None:
        """Its exchange is over and it is good for another."""
        if self.closed:
            connection.close()
            return
        served = self.pool.give_back(connection.origin, connection)
        if served:
            self._serve(served)

    def gone(self, connection: ClientConnection) -> None:
        """It ended."""
        if connection in self._open:
            self._open.discard(connection)
            self._serve(self.pool.gone(connection.origin, connection))
            waiter = self._all_gone
            if waiter is not None and not self._open and not waiter.done():
                waiter.set_result(None)

    def _serve(self, grants: list[tuple[asyncio.Future[Grant[ClientConnection]], Grant[ClientConnection]]]) -> None:
        for waiter, grant in grants:
            if not waiter.done():
                waiter.set_result(grant)
            else:
                self._decline(grant)

    def _decline(self, grant: Grant[ClientConnection]) -> None:
        """Nobody is there to take it: what it evicts goes all the same, the rest goes to the next in line."""
        self._evict(grant)
        if grant.connection is not None:
            self.give_back(grant.connection)
        else:
            self._serve(self.pool.gone(grant.origin, None))

    def _evict(self, grant: Grant[ClientConnection]) -> None:
        if grant.evict is not None:
            self._open.discard(grant.evict)  # the pool has forgotten it already
            grant.evict.close()

    async def close(self) -> None:
        """End every connection; running exchanges get `Disconnected`."""
        self.closed = True
        for connection in list(self._open):
            if connection.exchange is None:
                connection.close()
            else:
                connection.exchange._abort("the session was closed")
        if self._open:
            # Transports report their end later, and TLS says goodbye first: a loop that ends before that breaks off.
            waiter = self._all_gone = self.loop.create_future()
            await asyncio.wait([waiter], timeout=self.watch.timeouts.linger)
        self.clock.close()
