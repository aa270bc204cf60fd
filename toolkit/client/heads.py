"""Request heads. What is the same in many of them is made, checked and serialised once.

A request without fields of its own is a look-up and a join: the start line and the host of its URL (`Place`), then the
lines that go with every request of its session (`Block`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolkit.client.pool import Origin
from toolkit.errors import LocalProtocolError
from toolkit.protocol.framing import split_framing
from toolkit.protocol.head import check_method, check_target, serialize_fields
from toolkit.protocol.headers import Fields, Headers, encode_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from yarl import URL

    from toolkit.client.proxies import Via

__all__ = ["IDEMPOTENT", "METHODS", "NO_BLOCK", "Block", "Defaults", "Place", "fields_of", "host_field", "request_head"]

METHODS: Final = frozenset(["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH", "TRACE", "CONNECT"])
IDEMPOTENT: Final = frozenset(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])  # RFC 9110 9.2.2
_NO_NAMES: Final[frozenset[bytes]] = frozenset()


def _names(fields: Fields) -> frozenset[bytes]:
    return frozenset([name.lower() for name, _ in fields])


class Place:
    """Where requests lead: a URL, and what of it is needed again for each.

    `login` is the name and password that a program wrote into the URL, which goes on without: URLs are shown.
    """

    __slots__ = ("host", "login", "origin", "starts", "url")

    def __init__(self, url: URL, login: tuple[str, str] | None = None, via: Via | None = None) -> None:
        self.login = login
        if url.raw_user is not None or url.raw_password is not None:
            self.login = (url.user or "", url.password or "")
            url = url.with_user(None)
        self.url = url
        self.origin = Origin(url.scheme, url.raw_host or "", url.port or 0, via)
        self.host = b"host: %b\r\n" % host_field(url)
        self.starts: dict[str, bytes] = {}  # by method

    def target(self, method: str) -> str:
        """The request target: origin-form, or that of CONNECT (RFC 9112 3.2)."""
        return _authority(self.url) if method == "CONNECT" else self.url.raw_path_qs

    def line(self, method: str) -> bytes:
        """The request line. Raises `LocalProtocolError` for a method or target that may not be sent."""
        return b"%b %b HTTP/1.1\r\n" % (check_method(method).encode("ascii"), check_target(self.target(method)))

    def start(self, method: str) -> bytes:
        """The request line and the host field; kept in `starts`."""
        start = self.line(method) + self.host
        if method in METHODS:  # so many, and no more
            self.starts[method] = start
        return start


class Block:
    """Fields that go with a request besides its own, as lines."""

    __slots__ = ("fields", "lines", "names")

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.lines = serialize_fields(fields)
        self.names = _names(fields)

    def besides(self, names: Set[bytes]) -> bytes:
        """The lines of those fields that are not there yet; `names` in lower case."""
        if self.names.isdisjoint(names):
            return self.lines
        return serialize_fields([pair for pair in self.fields if pair[0].lower() not in names])


NO_BLOCK: Final = Block([])


class Defaults:
    """What goes with every request of a session: its own headers, then those of `fields` that they do not name.

    The headers may be changed at any time; the blocks are then made again.
    """

    __slots__ = ("_accept_encoding", "_coded", "_fields", "_made_of", "_plain")

    def __init__(self, fields: Fields, codings: Iterable[str]) -> None:
        self._fields = fields
        accepted = ", ".join(codings).encode("ascii")
        self._accept_encoding: Fields = [(b"accept-encoding", accepted)] if accepted else []
        self._made_of: list[tuple[str, str]] | None = None
        self._plain = self._coded = NO_BLOCK

    def block(self, headers: Headers, decode: bool) -> Block:
        """With `headers`, and with an offer to decode codings. Raises `LocalProtocolError` for fields of framing."""
        if headers._pairs != self._made_of:
            self._make(headers)
        return self._coded if decode else self._plain

    def _make(self, headers: Headers) -> None:
        own = encode_fields(headers)
        if split_framing(own)[0] != own:
            raise LocalProtocolError("content-length and transfer-encoding belong to one request, not to a session")
        names = _names(own)
        own = [pair for pair in own if pair[0].lower() != b"host"]  # the URL's
        own += [pair for pair in self._fields if pair[0] not in names]
        self._plain = Block(own)
        self._coded = Block([*own, *[pair for pair in self._accept_encoding if pair[0] not in names]])
        self._made_of = headers._pairs.copy()


def request_head(place: Place, method: str, own: Fields, block: Block, more: Fields, last: bytes) -> bytes:
    """A request's head: the host, its `own` fields, the block's, then `more`, which follow from its body and options.

    The caller's own word counts: what he has named is not added again. `last` are the lines of framing.
    Raises `LocalProtocolError` for a method or target that may not be sent.
    """
    start = place.starts.get(method) or place.start(method)
    names: frozenset[bytes] = _NO_NAMES
    if not own:
        head = start + block.lines
    else:
        names = _names(own)
        if b"host" in names:
            start = place.line(method)
        head = start + serialize_fields(own) + block.besides(names)
    for pair in more:
        if pair[0] not in names and pair[0] not in block.names:
            head += b"%b: %b\r\n" % pair
    return head + last + b"\r\n"


def fields_of(head: bytes) -> Fields:
    """The fields of a head that was sent, without those of framing."""
    lines = head.split(b"\r\n")[1:-2]
    return split_framing([(name, value) for name, _, value in (line.partition(b": ") for line in lines)])[0]


def _authority(url: URL) -> str:
    host = url.raw_host or ""
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


def host_field(url: URL) -> bytes:
    """The host field: the port only where it is not the scheme's own (RFC 9110 7.2)."""
    host = url.raw_host or "localhost"
    if ":" in host:
        host = f"[{host}]"
    if url.port is not None and not url.is_default_port():
        host = f"{host}:{url.port}"
    return host.encode("ascii")
