"""Who asked, by the word of proxies: Forwarded (RFC 7239), X-Forwarded-For and its kin. Pure.

Every proxy on the way appends the address that it saw. A client may begin the list itself, with whatever it likes, so
the list is read from its end: the last entry is the word of the peer, which is believed if the peer is trusted; the
entry before it is the word of whom the last entry names, which is believed if that one is trusted; and so on. The first
address that is not trusted is the client. What stands before it is hearsay and is never looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Hop", "Networks", "canonical", "find_client", "parse_forwarded", "parse_forwarded_for", "split_list"]

MOST_HOPS: Final = 64  #: entries that are looked at, from the end; no chain of proxies is as long

# RFC 7239 4: pairs of token "=" (token | quoted-string), with ";" between them. Each alternative begins with another
# character, so there is one way to match and none to backtrack into.
PAIR: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|\"((?:[^\"\\]|\\.)*)\")")
ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy told: whose request it took (`address` None where it did not say), and how that came in."""

    address: str | None
    port: int = 0
    proto: str | None = None
    host: str | None = None


class Networks:
    """Addresses and networks ("10.0.0.0/8", "::1"), and names of links that have no address ("unix", "memory").

    Raises `UseError` for what is none of them.
    """

    __slots__ = ("_names", "_networks")

    def __init__(self, names: Iterable[str]) -> None:
        if isinstance(names, str):
            raise UseError(f"trusted={names!r}: expected a list of networks, such as ['10.0.0.0/8']")
        self._names: set[str] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for name in names:
            if name in ("unix", "memory"):
                self._names.add("" if name == "unix" else name)
                continue
            try:
                self._networks.append(ip_network(name))
            except ValueError as error:
                text = f"{name!r} is no network: {error}; expected for instance '10.0.0.0/8', '::1' or 'unix'"
                raise UseError(text) from None

    def __contains__(self, address: str) -> bool:
        if address in self._names:
            return True
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # ::ffff:10.0.0.1 is 10.0.0.1, and must not pass by the rules for it
    return address


def canonical(text: str) -> str | None:
    """An address in its one spelling; None for what is none."""
    address = _address(text)
    return None if address is None else str(address)


def _node(text: str) -> tuple[str | None, int]:
    """An address with an optional port (RFC 7239 6); no address for `unknown`, obfuscated names and anything else."""
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        name, port = (inner, rest.removeprefix(":")) if bracket and (not rest or rest[0] == ":") else ("", "")
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    else:
        name, port = text, ""
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    return canonical(name), number if number < 65536 else 0


def split_list(value: str) -> list[str]:
    """The elements of a list field, without the empty ones (RFC 9110 5.6.1); of a long list the last ones."""
    return [one for each in value.split(",")[-MOST_HOPS:] if (one := each.strip(" \t"))]


def parse_forwarded_for(value: str) -> list[Hop]:
    """X-Forwarded-For: addresses, with a port where a proxy adds one."""
    return [Hop(*_node(each)) for each in split_list(value)]


def parse_forwarded(value: str) -> list[Hop]:
    """Forwarded. Raises ValueError where the syntax is broken: a quote left open would hide what stands behind it."""
    hops: list[Hop] = []
    pairs: dict[str, str] = {}
    at, after_comma = 0, True
    while True:
        at = _skip(value, at)
        if at == len(value):
            break
        if value[at] in ",;":
            if value[at] == "," and pairs:
                hops.append(_hop(pairs))
                pairs = {}
            after_comma = True
            at += 1
            continue
        match = PAIR.match(value, at)
        name = "" if match is None else match[1].lower()
        if match is None or not after_comma or name in pairs:
            raise ValueError(f"malformed at {value[at : at + 40]!r}")
        pairs[name] = match[2] if match[2] is not None else ESCAPED.sub(r"\1", match[3])
        after_comma = False
        at = match.end()
    if pairs:
        hops.append(_hop(pairs))
    return hops[-MOST_HOPS:]


def _skip(value: str, at: int) -> int:
    while at < len(value) and value[at] in " \t":
        at += 1
    return at


def _hop(pairs: dict[str, str]) -> Hop:
    return Hop(*_node(pairs.get("for", "unknown")), pairs.get("proto"), pairs.get("host"))


def find_client(peer: str, hops: Sequence[Hop], trusted: Networks) -> int:
    """How many of the hops, from the last one on, are to be believed; the first of those names the client.

    0: the peer itself is the client. An entry without an address ends the walk: who wrote the one before is not known.
    """
    believed, address = 0, peer
    while believed < len(hops) and address in trusted:
        found = hops[-1 - believed].address
        if found is None:
            break
        address = found
        believed += 1
    return believed
