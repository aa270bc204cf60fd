"""Addresses of a host: their order, and how long they are remembered. Decisions only; nothing here asks anybody."""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Address", "AddressCache", "SocketAddress", "interleaved"]

#: What a socket connects to: host and port, for IPv6 also flow and scope; for a Unix socket its path.
SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | str


class Address(NamedTuple):
    """One address of a host, with its family as `socket.AF_*`."""

    family: int
    name: SocketAddress

    def __str__(self) -> str:
        return self.name if isinstance(self.name, str) else self.name[0]


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """The families in turn, beginning with the first one's (RFC 8305 4); within each the order as it was, each once."""
    families: dict[int, dict[Address, None]] = {}
    for address in addresses:
        families.setdefault(address.family, {})[address] = None
    turns = zip_longest(*families.values())
    return [address for address in chain.from_iterable(turns) if address is not None]


class AddressCache:
    """Addresses by host and port for `seconds`, of at most `most` of them: the least recently asked for goes first.

    `now` is always the caller's clock, in seconds.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self.seconds = seconds
        self.most = most
        self._known: OrderedDict[tuple[str, int], tuple[float, list[Address]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, host: str, port: int, now: float) -> list[Address] | None:
        """What is known and not too old."""
        entry = self._known.get((host, port))
        if entry is None:
            return None
        until, addresses = entry
        if now >= until:
            del self._known[host, port]
            return None
        self._known.move_to_end((host, port))
        return addresses

    def keep(self, host: str, port: int, addresses: Sequence[Address], now: float) -> None:
        """Remember them from now on."""
        if self.seconds <= 0 or self.most <= 0:
            return
        self._known[host, port] = (now + self.seconds, list(addresses))
        self._known.move_to_end((host, port))
        if len(self._known) > self.most:
            self._known.popitem(last=False)

    def drop(self, host: str, port: int) -> None:
        """None of them answered: ask again next time."""
        self._known.pop((host, port), None)

    def prefer(self, host: str, port: int, family: int) -> None:
        """This family answered first: it begins next time, so that a dead one costs its delay once."""
        entry = self._known.get((host, port))
        if entry is not None:
            entry[1].sort(key=lambda address: address.family != family)  # stable: otherwise the order stays

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()
