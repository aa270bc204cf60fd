"""Hosts' addresses: asked for once at a time, and remembered for a while.

The system's resolver tells no life of what it found, so a bound of our own stands in for it. Whoever asks for a name
that is being asked for already waits for the same answer; if he is cancelled, the others still get it.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
from typing import TYPE_CHECKING

from toolkit.client.addresses import Address, AddressCache
from toolkit.errors import Disconnected, ResolveError, UseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.client.session_options import Connecting

__all__ = ["Lookups"]


class Lookups:
    """The addresses that one session has asked for on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, how: Connecting) -> None:
        self._loop = loop
        self._resolver = how.resolver
        self._running: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}
        self.cache = AddressCache(how.dns_seconds, how.dns_names)

    async def find(self, host: str, port: int) -> list[Address]:
        """At least one address. Raises `ResolveError` where the host has none."""
        if self._resolver is None:
            address = literal(host, port)
            if address is not None:
                return [address]
        known = self.cache.find(host, port, self._loop.time())
        if known is not None:
            return known
        task = self._running.get((host, port))
        if task is None:
            task = self._running[host, port] = self._loop.create_task(self._ask(host, port))
            task.add_done_callback(_seen)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if task.cancelled() and me is not None and not me.cancelling():  # not he was, but what he waits for
                raise Disconnected("the session was closed before the request was sent") from None
            raise

    async def _ask(self, host: str, port: int) -> list[Address]:
        try:
            addresses = await self._own(host, port)
            if addresses is None:
                addresses = await self._system(host, port)
            if not addresses:
                raise ResolveError("this name has no address")
            self.cache.keep(host, port, addresses, self._loop.time())
            return addresses
        finally:
            del self._running[host, port]

    async def _own(self, host: str, port: int) -> list[Address] | None:
        """What the session's own resolver says."""
        if self._resolver is None:
            return None
        found = self._resolver(host, port)
        if inspect.isawaitable(found):
            found = await found
        return None if found is None else _checked(host, port, found)

    async def _system(self, host: str, port: int) -> list[Address]:
        address = literal(host, port)
        if address is not None:
            return [address]
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise ResolveError(f"no address was found for this name ({error.strerror})") from error
        except UnicodeError as error:
            raise ResolveError(f"this is no name of a host ({error})") from error
        return _addresses(found)

    def close(self) -> None:
        """Stop asking, and forget."""
        for task in list(self._running.values()):
            task.cancel()
        self.cache.clear()


def literal(host: str, port: int) -> Address | None:
    """The address that `host` is already, None for a name. Asks nobody."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return _addresses(found)[0]


def _addresses(found: Sequence[tuple[int, int, int, str, tuple[object, ...]]]) -> list[Address]:
    names: list[Address] = []
    for family, _, _, _, name in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            names.append(Address(family, name))  # type: ignore[arg-type]  # what sockets of these families are given
    return names


def _checked(host: str, port: int, found: object) -> list[Address]:
    """A resolver's answer. Raises `UseError` for what is no list of addresses."""
    if isinstance(found, (list, tuple)):
        addresses = [literal(one, port) if isinstance(one, str) else None for one in found]
        if None not in addresses:
            return [address for address in addresses if address is not None]
    raise UseError(f"the resolver returned {found!r} for {host}: expected a list of IP addresses as text, or None")


def _seen(task: asyncio.Task[list[Address]]) -> None:
    """Its error is for those who wait; if all of them were cancelled, it is nobody's."""
    if not task.cancelled():
        task.exception()
