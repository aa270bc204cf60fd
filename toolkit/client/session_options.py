"""What a session may be told about its connections: how many there are, how long they last, how they are made."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from toolkit.errors import UseError
from toolkit.protocol.limits import Limits, Timeouts

__all__ = ["Connecting", "PoolLimits", "Resolver", "check_faces", "check_kinds"]

#: Asked for a host's addresses (as text) before the system is; None leaves it to the system.
Resolver: TypeAlias = Callable[[str, int], Sequence[str] | Awaitable[Sequence[str] | None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How many connections a session has, and how long one is used; `Timeouts.keep_alive` says how long one may idle.

    Who comes when all are in use waits, in order of arrival, for `Timeouts.pool`.
    """

    connections: int = 100  #: in all, a count. httpx 100, aiohttp 100
    per_origin: int = 100  #: to one scheme, host and port, a count
    waiting: int | None = None  #: requests in line, a count; over it `PoolFull`. Each is a task its caller made already
    uses: int | None = None  #: exchanges that one connection carries, a count. nginx and Apache end theirs after some
    age: float | None = None  #: seconds after which one is not lent again: for DNS and load balancers that change

    def __post_init__(self) -> None:
        for name, least in (("connections", 1), ("per_origin", 1), ("waiting", 0), ("uses", 1)):
            value = getattr(self, name)
            if value is None and name in ("waiting", "uses"):
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UseError(f"PoolLimits({name}={value!r}): expected a whole number from {least} on")
        _check_seconds("PoolLimits", "age", self.age)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """How a connection is made.

    `resolver(host, port)` is asked for every host, one that is an address already included, and may be a coroutine
    function. It returns addresses as text, or None to leave the host to the system; what it raises ends the request.
    """

    resolver: Resolver | None = None
    dns_seconds: float = 10  #: how long a name's addresses are kept; 0: not at all. The system tells none. aiohttp 10
    dns_names: int = 1000  #: names that are kept, a count; the one that was not asked for longest goes first
    next_address: float = 0.25  #: seconds until the next address is tried beside the last one (RFC 8305 5: 250 ms)
    local_addr: str | tuple[str, int] | None = None  #: an address of this machine to connect from, with or without port

    def __post_init__(self) -> None:
        if self.resolver is not None and not callable(self.resolver):
            raise UseError(f"Connecting(resolver={self.resolver!r}): expected a function of a host and a port")
        _check_seconds("Connecting", "dns_seconds", self.dns_seconds, none=False)
        _check_seconds("Connecting", "next_address", self.next_address, none=False)
        if isinstance(self.dns_names, bool) or not isinstance(self.dns_names, int) or self.dns_names < 0:
            raise UseError(f"Connecting(dns_names={self.dns_names!r}): expected a whole number from 0 on")
        self.local()

    def local(self) -> tuple[str, int] | None:
        """`local_addr` as host and port, 0 for any port. Raises `UseError` for what is no address."""
        given = self.local_addr
        if given is None:
            return None
        host, port = given if isinstance(given, tuple) and len(given) == 2 else (given, 0)
        try:
            if not isinstance(host, str) or not isinstance(port, int):
                raise TypeError
            socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        except (TypeError, OSError):
            raise UseError(
                f"Connecting(local_addr={given!r}): expected an IP address as text, or (address, port)"
            ) from None
        return host, port


def check_kinds(**given: object) -> None:
    """That a session's options are of the classes that they are called after. Raises `UseError`."""
    kinds = {"limits": Limits, "timeouts": Timeouts, "pool": PoolLimits, "connecting": Connecting}
    for name, value in given.items():
        if not isinstance(value, kinds[name]):
            raise UseError(f"Session({name}={value!r}): expected {kinds[name].__name__}(...)")


def check_faces(*, app: object, unix: object, hooks: object) -> None:
    """That they can do what they are there for. Raises `UseError`."""
    if app is not None and not hasattr(app, "new_connection"):
        raise UseError(f"Session(app={app!r}): expected an App")
    if unix is not None and (not isinstance(unix, str) or not unix):
        raise UseError(f"Session(unix={unix!r}): expected a path, as text")
    if hooks is not None and not (hasattr(hooks, "on_request") and hasattr(hooks, "on_answer")):
        raise UseError(f"Session(hooks={hooks!r}): expected Hooks(request=..., answer=...)")


def _check_seconds(kind: str, name: str, value: float | None, *, none: bool = True) -> None:
    if value is None and none:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise UseError(f"{kind}({name}={value!r}): expected seconds from 0 on{', or None' if none else ''}")
