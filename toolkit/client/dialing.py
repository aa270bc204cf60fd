"""Making a link to an origin: its addresses, the one of them that answers first, and TLS on top.

Every step is on the same clock, `Timeouts.connect`, and leaves word of itself, so that whoever runs out of time or luck
reads how far it was: which addresses were tried, and what each said.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import TYPE_CHECKING, Final, cast

from toolkit.client.addresses import Address, interleaved
from toolkit.client.eyeballs import AllFailed, race
from toolkit.client.resolving import Lookups, literal
from toolkit.errors import ConnectError, ConnectTimeout, Disconnected, ResolveError
from toolkit.protocol.aio.link import tune
from toolkit.protocol.aio.memory import memory_pair
from toolkit.protocol.aio.tls import TlsLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.client.connection import ClientConnection
    from toolkit.client.pool import Origin
    from toolkit.client.session_options import Connecting

__all__ = ["Dialer"]


MOST_NAME: Final = 253  # characters, RFC 1035 2.3.4


class Dialer:
    """Makes the links of one session on one loop: in memory by `memory`, by a `unix` socket's path, or over TCP."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        how: Connecting,
        *,
        memory: Callable[[], asyncio.Protocol] | None,
        unix: str | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._loop = loop
        self._how = how
        self._memory = memory
        self._unix = unix
        self._tls = tls
        self._local = how.local()
        self.lookups = Lookups(loop, how)

    async def dial(self, connection: ClientConnection, seconds: float | None) -> None:
        """Link it to its origin. Raises `ConnectTimeout`, `ResolveError`, `ConnectError`."""
        if self._memory is not None:
            memory_pair(connection, self._memory())
            return
        origin = connection.origin
        where = f"{origin.host}:{origin.port}" if self._unix is None else self._unix
        way = _Way(where)
        tls = self._context(origin.host) if origin.scheme == "https" else None
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                await self._link(connection, origin, tls, way)
        except Disconnected:  # the session's end
            raise
        except TimeoutError as error:
            if limit.expired():
                raise ConnectTimeout(f"no connection to {where} within {seconds} s, {way.so_far()}") from None
            raise ConnectError(f"cannot connect to {where}: {error}") from error  # a resolver's, or the system's own
        except ssl.SSLCertVerificationError as error:
            raise ConnectError(f"{where}: its certificate is not to be trusted: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise ConnectError(f"cannot connect to {where}: no TLS with it: {error.reason or error}") from error
        except AllFailed as error:
            raise ConnectError(f"cannot connect to {where}: {way.failures()}") from next(iter(error.errors.values()))
        except ConnectError as error:  # no such name
            if type(error) is ResolveError:
                raise ResolveError(f"cannot connect to {where}: {error}") from error.__cause__
            raise
        except OSError as error:
            raise ConnectError(f"cannot connect to {where}: {error}") from error

    async def _link(self, connection: ClientConnection, origin: Origin, tls: ssl.SSLContext | None, way: _Way) -> None:
        sock = await self._connect(origin, way)
        if tls is not None:
            way.phase = "during the TLS handshake"
        linking = self._loop.create_task(self._take_over(sock, connection, tls))
        try:
            await asyncio.shield(linking)
        except BaseException:
            await asyncio.shield(self._loop.create_task(_give_up(linking)))
            raise

    async def _take_over(
        self, sock: socket.socket, connection: ClientConnection, tls: ssl.SSLContext | None
    ) -> asyncio.BaseTransport:
        """Give the socket to the loop. See `_give_up` for when this may be cancelled."""
        link: asyncio.BaseProtocol = connection if tls is None else TlsLink(connection)
        name, patience = (None, None) if tls is None else (connection.origin.host, connection.watch.timeouts.linger)
        make = self._loop.create_connection if self._unix is None else self._loop.create_unix_connection
        transport, _ = await make(lambda: link, sock=sock, ssl=tls, server_hostname=name, ssl_shutdown_timeout=patience)
        return transport

    async def _connect(self, origin: Origin, way: _Way) -> socket.socket:
        """A connected socket, from the address that was first."""
        if self._unix is not None:
            return await self._attempt(Address(socket.AF_UNIX, self._unix))
        way.phase = "while its addresses were looked up"
        found = interleaved(await self.lookups.find(origin.host, origin.port))
        addresses = self._reachable(found)
        way.phase = "while connecting"
        way.tried.clear()
        try:
            address, sock = await race(addresses, self._how.next_address, self._attempt, self._loop.time, way.tried)
        except AllFailed:
            self.lookups.cache.drop(origin.host, origin.port)
            raise
        if address.family != found[0].family:
            self.lookups.cache.prefer(origin.host, origin.port, address.family)
        return sock

    def _reachable(self, addresses: list[Address]) -> list[Address]:
        """Those that can be reached from `local_addr`: the ones of its family."""
        if self._local is None:
            return addresses
        own = literal(*self._local)
        left = [address for address in addresses if own is not None and address.family == own.family]
        if not left:
            shown = ", ".join(str(address) for address in addresses)
            raise ConnectError(f"from local_addr {self._local[0]} none of its addresses can be reached: {shown}")
        return left

    async def _attempt(self, address: Address) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if self._local is not None and self._unix is None:
                if self._local[1]:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(self._local)
            with contextlib.suppress(OSError, AttributeError):
                tune(sock)
            await self._loop.sock_connect(sock, address.name)
        except BaseException:
            sock.close()
            raise
        return sock

    def _context(self, host: str) -> ssl.SSLContext:
        if host.startswith(".") or len(host) > MOST_NAME:  # `ssl` would say so when a loop can no longer clean up
            raise ConnectError(f"cannot connect to {host}: no certificate can name this host")
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def close(self) -> None:
        """Look nothing up any more."""
        self.lookups.close()


class _Way:
    """How far it is, in words."""

    def __init__(self, where: str) -> None:
        self._host = where.rpartition(":")[0]
        self.phase = "while connecting"
        self.tried: dict[Address, OSError | None] = {}

    def failures(self) -> str:
        """Each address that failed, and why; without it where the host is an address itself."""
        told = [(str(address), _reason(error)) for address, error in self.tried.items() if error is not None]
        if len(told) == 1 and told[0][0] == self._host:
            return told[0][1]
        return "; ".join(f"{address}: {reason}" for address, reason in told)

    def so_far(self) -> str:
        """The phase, and the addresses that were tried."""
        if not self.tried or list(map(str, self.tried)) == [self._host]:
            return self.phase
        told = [f"{address} ({'no answer' if e is None else _reason(e)})" for address, e in self.tried.items()]
        if self.phase == "while connecting":
            return f"{self.phase} to {', '.join(told)}"
        return self.phase


def _reason(error: OSError) -> str:
    """What the system says, without the loop's words around it."""
    return os.strerror(error.errno) if error.errno else str(error)


async def _give_up(linking: asyncio.Task[asyncio.BaseTransport]) -> None:
    """End a link that nobody waits for any more.

    Cancelled before the loop has told TLS of its link, asyncio lets the handshake go on to its end with nobody to hold
    it. That takes two turns; what is still not linked by the third is in a handshake, where both loops clean up.
    """
    for _ in range(3):
        await asyncio.sleep(0)
    if not linking.done():
        linking.cancel()
        await asyncio.wait([linking])
    if not linking.cancelled() and linking.exception() is None:
        cast("asyncio.Transport", linking.result()).abort()  # uvloop's are none by name
