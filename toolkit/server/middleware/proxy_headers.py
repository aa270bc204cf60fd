"""Behind a proxy: who asked, how, and for which host, by the word of proxies that are trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from toolkit.errors import RemoteProtocolError, UseError
from toolkit.protocol.forwarded import Hop, Networks, find_client, parse_forwarded, parse_forwarded_for, split_list
from toolkit.protocol.head import check_host
from toolkit.protocol.headers import join_fields
from toolkit.server.abort import Abort
from toolkit.server.added import extra_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["ProxyHeaders"]

KNOWN: Final = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """`r.ip_host`, `r.scheme` and `r.host` as the proxies in the `trusted` networks tell them; see `Networks`.

    `fields` are those that the nearest proxy sets, overwriting or appending to what it was given. One that it passes on
    untouched is its client's to choose, so it must not be named here. Malformed fields from a trusted proxy are
    answered 400; whatever comes from anyone else is not looked at.
    """

    trusted: Sequence[str]
    fields: Sequence[str] = ("x-forwarded-for", "x-forwarded-proto")
    _networks: Networks = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        strange = [name for name in self.fields if name not in KNOWN]
        if strange or not self.fields or ("forwarded" in self.fields and len(self.fields) > 1):
            raise UseError(f"ProxyHeaders(fields={self.fields!r}): expected ['forwarded'], or some of {KNOWN[1:]}")
        object.__setattr__(self, "_networks", Networks(self.trusted))

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Believe what can be believed, then go on."""
        if r.ip_host in self._networks:
            hop = self._forwarded(r) if "forwarded" in self.fields else self._x_forwarded(r)
            if hop is not None:
                _apply(r, hop)
        return await handler(r)

    def _forwarded(self, r: Request) -> Hop | None:
        try:
            hops = parse_forwarded(_value(r, "forwarded"))
        except ValueError as error:
            raise Abort(f"Bad Request: the field 'forwarded' is {error}", 400) from None
        believed = find_client(r.ip_host, hops, self._networks)
        if believed:
            return hops[-believed]
        return Hop(None, 0, hops[-1].proto, hops[-1].host) if hops else None  # it hides whom it serves, and no more

    def _x_forwarded(self, r: Request) -> Hop:
        hops = parse_forwarded_for(_value(r, "x-forwarded-for")) if "x-forwarded-for" in self.fields else []
        believed = find_client(r.ip_host, hops, self._networks)
        client = hops[-believed] if believed else Hop(None)

        def at_client(name: str) -> str | None:
            values = split_list(_value(r, name)) if name in self.fields else []
            return values[-min(max(believed, 1), len(values))] if values else None

        return Hop(client.address, client.port, at_client("x-forwarded-proto"), at_client("x-forwarded-host"))


def _value(r: Request, name: str) -> str:
    value = join_fields(r._head.fields, name.encode("ascii"))
    return "" if value is None else value.decode("latin-1")


def _apply(r: Request, hop: Hop) -> None:
    if hop.address is not None:
        r._peer = (hop.address, hop.port)
    if hop.proto is not None:
        r.scheme = SCHEMES.get(hop.proto.lower(), r.scheme)
    if hop.host is not None:
        try:
            check_host(hop.host.encode("latin-1", "replace"))
        except RemoteProtocolError as error:
            raise Abort(f"Bad Request: forwarded {error}", 400) from None
        extra_of(r).host = hop.host
