"""Making a link to an origin: its addresses, the one of them that answers first, a tunnel by a proxy, and TLS on top.

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
from toolkit.client.probing import presented
from toolkit.client.resolving import Lookups, literal
from toolkit.client.tls_errors import BROKEN_OFF, certificate_error, tls_error
from toolkit.client.tls_options import ClientTls, context_of, make_context, name_of
from toolkit.client.tunneling import Asking, Layer, http_tunnel, inside, socks_tunnel
from toolkit.errors import (
    ConnectError,
    ConnectTimeout,
    Disconnected,
    ProxyError,
    ResolveError,
    TlsError,
    ToolkitError,
    caused,
)
from toolkit.protocol.aio.link import tune
from toolkit.protocol.aio.memory import memory_pair
from toolkit.protocol.aio.tls import TlsLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.client.certificates import Presented
    from toolkit.client.connection import ClientConnection
    from toolkit.client.pool import Origin
    from toolkit.client.proxies import Proxy
    from toolkit.client.session_options import Connecting

__all__ = ["Dialer"]

PROBE: Final = 3.0  # seconds for a look at a certificate that was not good


MOST_NAME: Final = 253  # characters, RFC 1035 2.3.4


class Dialer:
    """Makes the links of one session on one loop: in memory by `memory`, by a `unix` socket's path, or over TCP.

    `server_name` is what TLS asks for, and looks for, in place of the origin's host.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        how: Connecting,
        *,
        memory: Callable[[], asyncio.Protocol] | None,
        unix: str | None,
        tls: ssl.SSLContext | None,
        server_name: str | None = None,
    ) -> None:
        self._loop = loop
        self._how = how
        self._memory = memory
        self._unix = unix
        self._tls = tls
        self._server_name = server_name
        self._of_proxies: dict[Proxy, ssl.SSLContext] = {}
        self._local = how.local()
        self.lookups = Lookups(loop, how)

    async def dial(self, connection: ClientConnection, seconds: float | None) -> None:
        """Link it to its origin. Raises `ConnectTimeout`, `ResolveError`, `ConnectError` and what is below it."""
        if self._memory is not None:
            memory_pair(connection, self._memory())
            return
        way = _Way(connection.origin, self._unix)
        layers = self._layers(connection.origin)  # making a context reads files, and is not the network's time
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                await self._link(connection, way, layers)
        except Disconnected:  # the session's end
            raise
        except TimeoutError as error:
            if limit.expired():
                raise ConnectTimeout(f"no connection to {way.where} within {seconds} s, {way.so_far()}") from None
            raise ConnectError(f"cannot connect to {way.where}: {error}") from error  # a resolver's, or the system's
        except ssl.SSLCertVerificationError as error:
            raise certificate_error(error, way.peer, way.name, await self._presented(way)) from error
        except OSError as error:  # those of our own are, too
            raise way.told(error)

    def _layers(self, origin: Origin) -> tuple[Layer | None, Layer | None]:
        """TLS with the origin, and that with a proxy around it."""
        layer = outer = None
        if origin.scheme == "https":
            layer = (self._context(), _checked(self._server_name or origin.host))
        if origin.via is not None and origin.via.proxy.scheme == "https":
            proxy = origin.via.proxy
            outer = (self._proxy_context(proxy), _checked(name_of(proxy.tls) or proxy.host))
        return layer, outer

    async def _link(self, connection: ClientConnection, way: _Way, layers: tuple[Layer | None, Layer | None]) -> None:
        via = way.via
        layer, outer = layers
        sock = await self._open(way)
        if outer is not None and via is not None:
            way.secures(outer[1], f"the proxy {via.proxy}")
            if via.tunnel:
                await self._link_inside(sock, connection, outer, layer, way)
                return
            layer = outer
        elif layer is not None:
            way.secures(layer[1])
        link: asyncio.BaseProtocol = connection if layer is None else TlsLink(connection)
        await self._hand_over(sock, link, layer, connection.watch.timeouts.linger)

    async def _link_inside(
        self, sock: socket.socket, connection: ClientConnection, outer: Layer, layer: Layer | None, way: _Way
    ) -> None:
        """TLS to the proxy, and the tunnel in it."""
        origin, proxy = connection.origin, way.proxy()
        asking = Asking(self._loop, origin.host, origin.port, proxy)
        transport = await self._hand_over(sock, asking, outer, connection.watch.timeouts.linger)

        def tunneled(answered: asyncio.Future[None]) -> None:
            if layer is not None and not answered.cancelled() and answered.exception() is None:
                way.secures(layer[1])

        asking.answered.add_done_callback(tunneled)
        way.asks(f"while the proxy {proxy} was asked for a tunnel")
        await inside(self._loop, cast("asyncio.Transport", transport), asking, connection, layer)

    async def _open(self, way: _Way) -> socket.socket:
        """A socket that leads to the origin, or to a proxy that is spoken to over TLS, or is to ask in our place."""
        sock = await self._connect(way)
        if way.via is None or not way.via.tunnel or way.via.proxy.scheme == "https":
            return sock
        proxy, host, port = way.via.proxy, way.host, way.port
        try:
            if proxy.http:
                way.phase = f"while the proxy {proxy} was asked for a tunnel"
                await http_tunnel(self._loop, sock, host, port, proxy)
            else:
                if proxy.scheme[-1] not in "ah":
                    way.phase = "while its addresses were looked up"
                    host = await self._address(host, port, socket.AF_INET if proxy.scheme == "socks4" else None)
                way.phase = f"while the proxy {proxy} was asked to connect"
                await socks_tunnel(self._loop, sock, host, port, proxy)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _address(self, host: str, port: int, family: int | None) -> str:
        """The address of a host that is handed to a proxy, which is to have one and not a name."""
        for address in await self.lookups.find(host, port):
            if family is None or address.family == family:
                return str(address)
        raise ResolveError("this name has no IPv4 address, and SOCKS 4 knows no others; socks5:// does")

    async def _hand_over(
        self, sock: socket.socket, link: asyncio.BaseProtocol, layer: Layer | None, patience: float | None
    ) -> asyncio.BaseTransport:
        """Give the socket to the loop, and to `link`, with TLS where there is a layer of it."""
        linking = self._loop.create_task(self._take_over(sock, link, layer, patience))
        try:
            return await asyncio.shield(linking)
        except BaseException:
            await asyncio.shield(self._loop.create_task(_give_up(linking)))
            raise

    async def _take_over(
        self, sock: socket.socket, link: asyncio.BaseProtocol, layer: Layer | None, patience: float | None
    ) -> asyncio.BaseTransport:
        """See `_give_up` for when this may be cancelled."""
        tls, name = (None, None) if layer is None else layer
        make = self._loop.create_connection if self._unix is None else self._loop.create_unix_connection
        transport, _ = await make(
            lambda: link,
            sock=sock,
            ssl=tls,
            server_hostname=name,
            ssl_shutdown_timeout=None if tls is None else patience,
        )
        return transport

    async def _presented(self, way: _Way) -> Presented | None:
        """The certificate that was not to be trusted; None where it cannot be had."""
        if way.via is not None and way.via.proxy.scheme == "https" and way.via.tunnel and way.peer == way.origin:
            return None  # it is behind TLS
        again = _Way(way.link, self._unix)
        try:
            async with asyncio.timeout(PROBE):
                sock = await self._open(again)
                with contextlib.closing(sock):
                    return await presented(self._loop, sock, way.name)
        except (OSError, ToolkitError):  # a timeout is an OSError
            return None

    async def _connect(self, way: _Way) -> socket.socket:
        """A connected socket, from the address that was first."""
        if self._unix is not None:
            return await self._attempt(Address(socket.AF_UNIX, self._unix))
        host, port = way.first()
        way.phase = f"while {way.whose} addresses were looked up"
        found = interleaved(await self.lookups.find(host, port))
        addresses = self._reachable(found)
        way.phase = "while connecting"
        way.tried.clear()
        try:
            address, sock = await race(addresses, self._how.next_address, self._attempt, self._loop.time, way.tried)
        except AllFailed:
            self.lookups.cache.drop(host, port)
            raise
        if address.family != found[0].family:
            self.lookups.cache.prefer(host, port, address.family)
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

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = make_context(ClientTls())
        return self._tls

    def _proxy_context(self, proxy: Proxy) -> ssl.SSLContext:
        """What TLS up to a proxy is made of; the session's own is for origins."""
        context = self._of_proxies.get(proxy)
        if context is None:
            context = self._of_proxies[proxy] = context_of(proxy.tls or ClientTls(), "Proxy") or self._context()
        return context

    def close(self) -> None:
        """Look nothing up any more."""
        self.lookups.close()


def _checked(host: str) -> str:
    if host.startswith(".") or len(host) > MOST_NAME:  # `ssl` would say so when a loop can no longer clean up
        raise ConnectError(f"cannot connect to {host}: no certificate can name this host")
    return host


class _Way:
    """The way to an origin, and how far it is, in words."""

    def __init__(self, origin: Origin, unix: str | None) -> None:
        self.link = origin
        self.host, self.port = origin.host, origin.port
        self.via = origin.via
        self.origin = f"{origin.host}:{origin.port}" if unix is None else unix
        self.where = self.origin if self.via is None else f"{self.origin} by the proxy {self.via.proxy}"
        self.whose = "its" if self.via is None else "the proxy's"
        self._host = unix or self.first()[0]
        self.peer = self.origin  # who is spoken to over TLS
        self.name = origin.host  # and what he is called
        self.securing = False
        self.phase = "while connecting"
        self.tried: dict[Address, OSError | None] = {}

    def proxy(self) -> Proxy:
        """The proxy that there is."""
        assert self.via is not None
        return self.via.proxy

    def first(self) -> tuple[str, int]:
        """Whom to connect to."""
        return (self.host, self.port) if self.via is None else (self.via.proxy.host, self.via.proxy.port)

    def asks(self, phase: str) -> None:
        """TLS is there, and what follows is not about it."""
        self.securing, self.phase = False, phase

    def secures(self, name: str, peer: str | None = None) -> None:
        """TLS with the origin, or with another peer, is next."""
        self.peer, self.name, self.securing = peer or self.origin, name, True
        self.phase = f"during the TLS handshake{f' with {peer}' if peer is not None else ''}"

    def told(self, error: OSError) -> ConnectError:
        """What failed, and where on the way."""
        cause: BaseException | None = error
        if isinstance(error, ssl.SSLError):
            told: ConnectError = tls_error(error, self.peer)
        elif isinstance(error, AllFailed):
            told = ConnectError(f"cannot connect to {self.where}: {self.failures()}")
            cause = next(iter(error.errors.values()))
        elif isinstance(error, ProxyError):
            told, cause = ProxyError(f"cannot connect to {self.origin}: {error}", error.status), error.__cause__
        elif type(error) is ResolveError:  # no such name
            told, cause = ResolveError(f"cannot connect to {self.where}: {error}"), error.__cause__
        elif isinstance(error, ConnectError):
            return error
        elif self.securing and isinstance(error, ConnectionError):
            told = TlsError(f"cannot connect to {self.peer}: no TLS with it: {BROKEN_OFF}")
        else:
            told = ConnectError(f"cannot connect to {self.where}: {error}")
        return caused(told, cause)

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
