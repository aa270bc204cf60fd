"""Which hosts are reached without a proxy: the rules of a `no_proxy`, and whether one of them covers a host. Pure.

There is no standard for it, and programs differ. The rules here are those that most of them share:

    example.org      the host, and all below it      curl, Go, wget; requests also takes badexample.org for it
    .example.org     the same                        curl, Python's urllib; Go: only those below it
    *.example.org    the same                        Go: only those below it; the others know no such rule
    10.0.0.1         this address, however written   all, but as text; [::1] and ::1 are one, and so is ::ffff:10.0.0.1
    10.0.0.0/8       addresses of this network       Go, curl since 7.86, requests; never hosts that are names
    host:8080        only with this port             Go; requests
    *                everything                      all, but only as the whole text; here among others, too

They are separated by commas or spaces. Names are compared without regard to case and to a dot at their end. No name is
looked up: a rule for addresses covers only hosts that are written as addresses.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NoProxy", "parse_rules"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

BETWEEN: Final = re.compile(r"[\s,]+")
PORT: Final = re.compile(r"(.*[^:\]]|\[.*\]):([0-9]{1,5})", re.DOTALL)
#: What the system takes for an IPv4 address, as 127.1 and 0x7f000001 are: it would be connected to, so it is one here.
NUMERIC: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}", re.IGNORECASE)
NAME: Final = re.compile(r"[^\s/:*@\[\]]+")


class Rule(NamedTuple):
    """One of `name`, `network`, or neither: any host."""

    name: str | None
    network: Network | None
    port: int | None

    def covers(self, name: str, address: IP | None, port: int) -> bool:
        """Whether this rule is about a host, which is an address or a name, and a port of it."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address is not None and address.version == self.network.version and address in self.network
        if self.name is None:
            return True
        return address is None and (name == self.name or name.endswith(f".{self.name}"))


class NoProxy:
    """The rules, ready to be asked."""

    __slots__ = ("_rules", "text")

    def __init__(self, text: str, rules: Iterable[Rule]) -> None:
        self.text = text
        self._rules = tuple(rules)

    def covers(self, host: str, port: int) -> bool:
        """Whether one of them is about this host and port."""
        if not self._rules:
            return False
        address = _address(host)
        name = host.lower().rstrip(".")
        return any(rule.covers(name, address, port) for rule in self._rules)


def parse_rules(text: str, *, strict: bool = True) -> NoProxy:
    """The rules that a text has. Raises `UseError` for what is none; not `strict`, it is passed over."""
    rules: list[Rule] = []
    for word in BETWEEN.split(text):
        if not word:
            continue
        rule = _rule(word)
        if rule is not None:
            rules.append(rule)
        elif strict:
            raise UseError(
                f"no_proxy={text!r}: {word!r} is no rule; expected a host, .domain, address, network/bits or *, "
                f"with :port or without"
            )
    return NoProxy(text, rules)


def _rule(word: str) -> Rule | None:
    whole = _host_rule(word, None)  # an IPv6 address has colons, too
    if whole is not None:
        return whole
    parts = PORT.fullmatch(word)
    return _host_rule(parts[1], int(parts[2])) if parts is not None else None


def _host_rule(host: str, port: int | None) -> Rule | None:
    if host == "*":
        return Rule(None, None, port)
    address = _address(host)
    if address is not None:
        return Rule(None, ipaddress.ip_network(address), port)
    try:
        if "/" in host:
            return Rule(None, _network(host), port)
    except ValueError:
        return None
    name = host.removeprefix("*").removeprefix(".").rstrip(".").lower()
    return Rule(name, None, port) if NAME.fullmatch(name) else None


def _network(text: str) -> Network:
    """A network, that of addresses that stand for those of IPv4 as one of IPv4."""
    network = ipaddress.ip_network(text, strict=False)
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network


def _address(host: str) -> IP | None:
    """The address that a host is, in whichever way it is written; None for a name."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bare = bare.partition("%")[0].rstrip(".")
    if NUMERIC.fullmatch(bare):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(bare))
        except OSError:
            return None
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
