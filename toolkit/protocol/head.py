"""Heads: one complete block of bytes in, a frozen snapshot out; and heads on their way to the socket.

llhttp (through httptools) is the grammar: it is fed exactly one block, cut at CRLFCRLF and measured before, so its
traps (no reset, no offset, bodies it would swallow, the pause at Upgrade) cannot be reached. What llhttp has no
opinion on is decided here in one pass over the fields: the rules of Host (RFC 9112 3.2), the form of the target,
the version, framing, connection options, counts.

A head is a snapshot that nobody changes (to the type checker its fields are final), and that can be pickled. It is
a class with slots: a NamedTuple is no cheaper to make, and each look at one of its fields costs 30 ns instead of 5.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import httptools

from toolkit.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError, caused
from toolkit.protocol.fields import FORBIDDEN_IN_VALUE, TOKEN, Fields
from toolkit.protocol.framing import CLOSE, LENGTH, NONE, RAW_BYTES, Framing, bodyless, inbound_framing, parse_length

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolkit.protocol.limits import Limits

__all__ = ["RequestHead", "RequestHeadParser", "ResponseHead", "ResponseHeadParser", "serialize_request"]


class _Head:
    """What both heads are: values by name."""

    __slots__ = ()

    def _values(self) -> tuple[object, ...]:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Head) and other._values() == self._values()

    __hash__ = None  # type: ignore[assignment] # it holds a list

    def __reduce__(self) -> tuple[type[_Head], tuple[object, ...]]:
        return type(self), self._values()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._values()!r}"


class RequestHead(_Head):
    """A request's head. `minor` is the version's last digit; `length` is -1 where it is unknown."""

    __slots__ = ("expect", "fields", "framing", "host", "keep_alive", "length", "method", "minor", "target", "upgrade")

    def __init__(
        self,
        method: str,
        target: str,
        minor: int,
        fields: Fields,
        framing: Framing,
        length: int,
        keep_alive: bool,
        expect: bool,
        upgrade: bytes | None,
        host: bytes | None,
    ) -> None:
        self.method: Final = method
        self.target: Final = target
        self.minor: Final = minor
        self.fields: Final = fields
        self.framing: Final = framing
        self.length: Final = length
        self.keep_alive: Final = keep_alive
        self.expect: Final = expect
        self.upgrade: Final = upgrade
        self.host: Final = host

    def _values(self) -> tuple[object, ...]:
        first = (self.method, self.target, self.minor, self.fields, self.framing, self.length)
        return (*first, self.keep_alive, self.expect, self.upgrade, self.host)


class ResponseHead(_Head):
    """A response's head, interim ones included. `coding` is the content-encoding of a body, None without one."""

    __slots__ = ("coding", "fields", "framing", "keep_alive", "length", "minor", "reason", "status")

    def __init__(
        self,
        status: int,
        reason: str,
        minor: int,
        fields: Fields,
        framing: Framing,
        length: int,
        keep_alive: bool,
        coding: str | None,
    ) -> None:
        self.status: Final = status
        self.reason: Final = reason
        self.minor: Final = minor
        self.fields: Final = fields
        self.framing: Final = framing
        self.length: Final = length
        self.keep_alive: Final = keep_alive
        self.coding: Final = coding

    def _values(self) -> tuple[object, ...]:
        first = (self.status, self.reason, self.minor, self.fields)
        return (*first, self.framing, self.length, self.keep_alive, self.coding)


# RFC 3986 3.2.2, 3.2.3 without userinfo: reg-name or IP-literal, an optional port (CVE-2026-48710: `Host: a/b?c=`).
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?")
ABSOLUTE = re.compile(r"https?://([^/?#]*)([/?].*)?", re.IGNORECASE)

KNOWN: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
METHODS: Final = {method.encode("ascii"): method for method in KNOWN}  # one str each, not one a request
SPACE: Final = 0x20
TAB: Final = 0x09
NOTHING: Final[tuple[bytes, ...]] = ()
# The fields that decide something below; everything else is carried, not looked at. Each has a length of its own, so
# that a length rules out most names without a look at their letters.
DECISIVE: Final = {
    len(name): name
    for name in b"host content-length transfer-encoding connection proxy-connection expect upgrade".split()
}
# Likewise in an answer.
DECISIVE_ANSWERED: Final = {
    len(name): name for name in b"content-length content-encoding connection transfer-encoding".split()
}


def check_host(value: bytes) -> None:
    """uri-host [":" port] and nothing else. Raises `RemoteProtocolError`."""
    match = HOST.fullmatch(value)
    if match is None or int(match[1] or 0) > 65535:
        raise RemoteProtocolError(f"host {value[:80]!r}: expected a name or address and an optional port")


def connection_options(values: Iterable[bytes]) -> set[bytes]:
    """The options of every connection field, in lower case (RFC 9110 7.6.1)."""
    return {option.strip(b" \t").lower() for value in values for option in value.split(b",")}


# What can never stand in a head: control characters, a CR or LF that is not part of a CRLF.
IMPOSSIBLE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n|\Z)")
# A method, then a target of visible characters, then a version: as far as each has come.
START = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{0,32}(?: [\x21-\x7e]*(?: [HTP/0-9.]*)?)?(?:\r\n?)?")
MALFORMED: Final = (
    "the request head is malformed; expected 'METHOD target HTTP/1.1' and 'name: value' lines, each ended by CRLF"
)
MALFORMED_RESPONSE: Final = (
    "the response head is malformed; expected 'HTTP/1.1 status reason' and 'name: value' lines, each ended by CRLF"
)
# White space behind a value is allowed (RFC 9112 5.1), and llhttp takes it for part of a transfer-encoding. A line of
# white space alone is not touched: it is a fold, and taking it away would end the head (CVE-2022-32215's family).
_LINE_END = re.compile(rb"(?<=[^\r\n \t])[ \t]+(?=\r\n)")


def strip_line_ends(block: bytes) -> bytes:
    """The head without white space behind its field values; the start line stays as it is."""
    start = block.find(b"\r\n")
    return block[:start] + _LINE_END.sub(b"", block[start:])


class _Facts:
    """What one pass over the fields finds."""

    __slots__ = ("blanks", "codings", "connection", "expect", "hosts", "lengths", "plain", "upgrade")

    def __init__(self, fields: Fields) -> None:
        self.hosts = self.lengths = self.codings = self.connection = NOTHING
        self.expect: bytes | None = None
        self.upgrade: bytes | None = None
        self.plain = True  # no word but host and keep-alive: no body, no end, nothing asked for
        self.blanks = False  # white space behind a value
        for name, value in fields:
            if value and value[-1] <= SPACE:
                self.blanks = True
            key = DECISIVE.get(len(name))
            if key is not None and name.lower() == key:
                if key == b"host":
                    self.hosts = (*self.hosts, value)
                else:
                    self._note(key, value)

    def _note(self, key: bytes, value: bytes) -> None:
        if key == b"connection":
            self.connection = (*self.connection, value)
            if value == b"keep-alive":
                return
        elif key == b"content-length":
            self.lengths = (*self.lengths, value)
        elif key == b"transfer-encoding":
            self.codings = (*self.codings, value)
        elif key == b"expect":
            self.expect = value.lower()
        elif key == b"upgrade":
            self.upgrade = value
        self.plain = False  # proxy-connection, too: llhttp may have read `close` in it


def _keep_alive(minor: int, connection: tuple[bytes, ...]) -> bool:
    if not connection:
        return minor == 1
    options = connection_options(connection)
    if b"close" in options:
        return False
    return minor == 1 or b"keep-alive" in options


def _upgrade(facts: _Facts) -> bytes | None:
    if facts.upgrade is None or b"upgrade" not in connection_options(facts.connection):
        return None
    return facts.upgrade


class _Parser:
    """What both heads share: the callbacks of httptools, and the parser kept while its state allows it."""

    __slots__ = ("_limits", "_parser", "fields")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser: httptools.HttpRequestParser | httptools.HttpResponseParser | None = None
        self.fields: Fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def _too_many(self, fields: Fields) -> LimitExceeded:
        return LimitExceeded(f"{len(fields)} header fields, the limit is {self._limits.fields}", 431)

    def _take_fields(self) -> tuple[Fields, _Facts]:
        fields, self.fields = self.fields, []
        if len(fields) > self._limits.fields:
            raise self._too_many(fields)
        facts = _Facts(fields)
        if facts.blanks:
            # llhttp strips white space before a value, not behind it (RFC 9112 5.1).
            fields = [(name, value.rstrip(b" \t")) for name, value in fields]
            facts = _Facts(fields)
        return fields, facts


class RequestHeadParser(_Parser):
    """Request heads, one block at a time. Between two calls it holds nothing of any message: connections share one."""

    __slots__ = ("_last_host",)

    _parser: httptools.HttpRequestParser | None

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._last_host: bytes | None = None

    def parse(self, block: bytes) -> RequestHead:
        """`block` is one head through its CRLFCRLF. Raises `RemoteProtocolError` with the status to answer."""
        parser = self._parser
        if parser is None:
            parser = httptools.HttpRequestParser(self)
        self._parser = None  # kept below, where it may take another head
        upgrade = False
        try:
            parser.feed_data(block)
        except httptools.HttpParserUpgrade:
            upgrade = True  # it pauses for good
        except httptools.HttpParserError as error:
            self.fields = []
            stripped = strip_line_ends(block)
            if stripped != block:
                return self.parse(stripped)
            raise caused(self._refusal(block, error), None)
        # llhttp has taken it. That there was one space each time, and which version, is seen here: it takes
        # RTSP/1.0 and ICE/1.0, too.
        line = block.split(b" ", 2)
        minor = 1
        if len(line) != 3 or not line[2].startswith(b"HTTP/1.1\r\n"):
            minor = self._other_version(line, parser.get_http_version())
        fields, facts = self._take_fields()
        head = self._head(line[0], line[1], minor, fields, facts)
        # Not before it is known to be good: behind `PRI` llhttp waits for more, and would refuse another's request.
        if facts.plain and minor and not upgrade:
            self._parser = parser
        return head

    def _other_method(self, raw: bytes) -> str:
        """A less common method. Raises `RemoteProtocolError` for what llhttp skips before one: a bare CR or LF."""
        if TOKEN.fullmatch(raw) is None:
            raise RemoteProtocolError(MALFORMED)
        return raw.decode("ascii")

    def _other_version(self, line: list[bytes], version: str) -> int:
        """The version's last digit where it is not 1.1. Raises `RemoteProtocolError` where it is not 1.0 either."""
        named = len(line) == 3 and line[2].startswith(b"HTTP/")
        if not named and version != "0.9":
            self.fields = []
            raise RemoteProtocolError(MALFORMED)
        if named and version == "1.0":
            return 0
        self._take_fields()  # too many of them is the first thing to say
        raise RemoteProtocolError(f"HTTP/{version}: this server speaks HTTP/1.1 and HTTP/1.0", 505)

    def _refusal(self, block: bytes, error: Exception) -> RemoteProtocolError:
        """What is wrong, in words that do not depend on how the bytes were cut."""
        line = block[: block.find(b"\r\n")]
        if IMPOSSIBLE.search(block) is not None or START.fullmatch(line) is None or line.count(b" ") != 2:
            return RemoteProtocolError(MALFORMED)
        if isinstance(error, httptools.HttpParserInvalidMethodError):
            return RemoteProtocolError(f"method {line.partition(b' ')[0]!r} is not known", 501)
        return RemoteProtocolError(MALFORMED)

    def _head(self, raw_method: bytes, raw_target: bytes, minor: int, fields: Fields, facts: _Facts) -> RequestHead:
        method = METHODS.get(raw_method) or self._other_method(raw_method)
        target = raw_target.decode("latin-1")
        hosts = facts.hosts
        if len(hosts) != 1 and (hosts or minor):
            raise RemoteProtocolError(f"{len(hosts)} host fields: HTTP/1.1 has exactly one")
        host = hosts[0] if hosts else None
        if host is not None and host != self._last_host:
            check_host(host)
            self._last_host = host  # of a server's requests most name the same
        if len(target) > self._limits.target:
            raise LimitExceeded(f"the request target is over {self._limits.target} bytes", 414)
        if not target.startswith("/") or "#" in target or method == "CONNECT":
            host = self._other_form(method, target, host)
        if facts.plain:
            keep_alive = minor == 1 or bool(facts.connection)
            return RequestHead(method, target, minor, fields, NONE, 0, keep_alive, False, None, host)
        framing, length = NONE, 0
        if facts.codings or facts.lengths:
            framing, length = inbound_framing(facts.codings, facts.lengths, request=True, http10=minor == 0)
        expect = False
        if facts.expect is not None:
            if facts.expect != b"100-continue":
                raise RemoteProtocolError(f"expect {facts.expect[:40]!r}: only 100-continue is understood", 417)
            expect = minor == 1 and framing is not NONE
        keep_alive = _keep_alive(minor, facts.connection)
        upgrade = None if facts.upgrade is None or not minor else _upgrade(facts)
        return RequestHead(method, target, minor, fields, framing, length, keep_alive, expect, upgrade, host)

    def _other_form(self, method: str, target: str, host: bytes | None) -> bytes | None:
        """The forms besides origin-form (RFC 9112 3.2). Returns the host that counts."""
        if "#" in target:
            raise RemoteProtocolError("the request target has a fragment ('#')")
        if method == "CONNECT":
            authority = target.encode("latin-1")
            match = HOST.fullmatch(authority)
            if match is None or not match[1] or not 0 < int(match[1]) <= 65535:
                raise RemoteProtocolError(f"CONNECT {target[:80]!r}: expected host:port")
            return authority
        if target == "*" and method == "OPTIONS":
            return host
        absolute = ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise RemoteProtocolError(f"request target {target[:80]!r}: expected a path that begins with '/'")
        authority = absolute[1].encode("latin-1")
        check_host(authority)
        return authority


class ResponseHeadParser(_Parser):
    """Response heads, one block at a time; the request's method decides how each is read."""

    __slots__ = ()

    def parse(self, block: bytes, method: str) -> ResponseHead:
        """`block` is one head through its CRLFCRLF, `method` that of the request. Raises `RemoteProtocolError`."""
        # llhttp would wait for a body here, or for the end of the connection: a parser for each head.
        parser = httptools.HttpResponseParser(self)
        try:
            parser.feed_data(block)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            self.fields = []
            if IMPOSSIBLE.search(block) is not None or not block.startswith(b"HTTP/"):
                raise caused(RemoteProtocolError(MALFORMED_RESPONSE, 502), None)
            raise caused(RemoteProtocolError(f"{MALFORMED_RESPONSE} ({error})", 502), None)
        fields, self.fields = self.fields, []
        if len(fields) > self._limits.fields:
            raise self._too_many(fields)
        start, _, _ = block.partition(b"\r\n")
        reason = start[13:].decode("latin-1")  # behind `HTTP/1.1 200 `
        if not block.startswith(b"HTTP/") or not (
            reason.isprintable() or FORBIDDEN_IN_VALUE.search(reason.encode("latin-1")) is None
        ):
            raise RemoteProtocolError(MALFORMED_RESPONSE, 502)
        status = parser.get_status_code()
        minor = 1 if block.startswith(b"HTTP/1.1") else 0
        if not (minor or block.startswith(b"HTTP/1.0")) or not 100 <= status <= 999:
            version = parser.get_http_version()
            raise RemoteProtocolError(f"response head: HTTP/{version} {status} is not understood", 502)
        return _response_head(method, status, reason, minor, fields)


def _response_head(method: str, status: int, reason: str, minor: int, fields: Fields) -> ResponseHead:
    """One pass over the fields, and what follows from those that decide something."""
    lengths = transfer = connection = codings = NOTHING
    for name, value in fields:
        if value and (value[-1] == SPACE or value[-1] == TAB):
            # llhttp strips white space before a value, not behind it (RFC 9112 5.1).
            stripped = [(name, value.rstrip(b" \t")) for name, value in fields]
            return _response_head(method, status, reason, minor, stripped)
        key = DECISIVE_ANSWERED.get(len(name))
        if key is not None and name.lower() == key:
            if key == b"content-length":
                lengths = (*lengths, value)
            elif key == b"content-encoding":
                codings = (*codings, value)
            elif key == b"connection":
                connection = (*connection, value)
            else:
                transfer = (*transfer, value)
    framing, length = _answer_framing(method, status, minor, lengths, transfer)
    keep_alive = _keep_alive(minor, connection) and framing is not CLOSE
    coding = b", ".join(codings).decode("latin-1") if codings and framing not in (NONE, RAW_BYTES) else None
    return ResponseHead(status, reason, minor, fields, framing, length, keep_alive, coding)


def _answer_framing(
    method: str, status: int, minor: int, lengths: tuple[bytes, ...], transfer: tuple[bytes, ...]
) -> tuple[Framing, int]:
    """RFC 9112 6.3."""
    if status == 101 or (method == "CONNECT" and 200 <= status < 300):
        return RAW_BYTES, -1
    framing, length = CLOSE, -1
    if len(lengths) == 1 and not transfer:
        framing, length = LENGTH, parse_length(lengths[0])
    elif transfer or lengths:
        framing, length = inbound_framing(transfer, lengths, request=False, http10=not minor)
    # The length that a HEAD's answer states is kept: it is what a GET would bring.
    return (NONE if bodyless(method, status) else framing), length


def serialize_fields(fields: Fields) -> bytes:
    """Field lines; the pairs have passed `encode_fields`."""
    return b"".join([b"%b: %b\r\n" % (name, value) for name, value in fields])


def check_method(method: str) -> str:
    """A token (RFC 9110 9.1). Raises `LocalProtocolError`."""
    if not method.isascii() or TOKEN.fullmatch(method.encode("ascii")) is None:
        raise LocalProtocolError(f"method {method!r}: expected a token such as 'GET'")
    return method


def check_target(target: str) -> bytes:
    """No space, control character or non-ASCII character (RFC 9112 3.2). Raises `LocalProtocolError`."""
    if not target.isascii() or not target.isprintable() or " " in target or not target or "#" in target:
        raise LocalProtocolError(f"request target {target!r}: expected printable ASCII without spaces; percent-encode")
    return target.encode("ascii")


def serialize_request(method: str, target: str, fields: Fields) -> bytes:
    """A request head. Raises `LocalProtocolError` for a method or target that may not be sent."""
    line = b"%b %b HTTP/1.1\r\n" % (check_method(method).encode("ascii"), check_target(target))
    return line + serialize_fields(fields) + b"\r\n"
