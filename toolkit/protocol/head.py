"""Heads: one complete block of bytes in, a frozen snapshot out; and heads on their way to the socket.

llhttp (through httptools) is the grammar: it is fed exactly one block, cut at CRLFCRLF and measured before, so its
traps (no reset, no offset, bodies it would swallow, the pause at Upgrade) cannot be reached. It is asked for a verdict
alone; fields are cut by `toolkit.protocol.head_lines`, when somebody asks for them. What llhttp has no opinion on is
decided in one pass over the lines: the rules of Host (RFC 9112 3.2), the form of the target, the version, framing,
connection options, counts.

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
from toolkit.protocol.head_lines import (
    COLON,
    CR,
    DECISIVE,
    DECISIVE_ANSWERED,
    LINE_END,
    SPACE,
    cut_fields,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolkit.protocol.limits import Limits

__all__ = ["RequestHead", "RequestHeadParser", "ResponseHead", "ResponseHeadParser", "serialize_request"]


class _Head:
    """What both heads are: values by name, and the block from which the fields are cut."""

    __slots__ = ("_fields", "block")

    block: bytes
    _fields: Fields | None

    @property
    def fields(self) -> Fields:
        """All fields in their order, as they came, without the white space around values (RFC 9112 5.1)."""
        fields = self._fields
        if fields is None:
            fields = self._fields = cut_fields(self.block)
        return fields

    def _values(self) -> tuple[object, ...]:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Head) and other._values() == self._values()

    __hash__ = None  # type: ignore[assignment] # heads are compared, in tests, and never keys

    def __reduce__(self) -> tuple[type[_Head], tuple[object, ...]]:
        return type(self), self._values()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._values()!r}"


class RequestHead(_Head):
    """A request's head. `minor` is the version's last digit; `length` is -1 where it is unknown."""

    __slots__ = ("expect", "framing", "host", "keep_alive", "length", "method", "minor", "target", "upgrade")

    def __init__(
        self,
        method: str,
        target: str,
        minor: int,
        block: bytes,
        framing: Framing,
        length: int,
        keep_alive: bool,
        expect: bool,
        upgrade: bytes | None,
        host: bytes | None,
    ) -> None:
        self.block = block
        self._fields = None
        self.method: Final = method
        self.target: Final = target
        self.minor: Final = minor
        self.framing: Final = framing
        self.length: Final = length
        self.keep_alive: Final = keep_alive
        self.expect: Final = expect
        self.upgrade: Final = upgrade
        self.host: Final = host

    def _values(self) -> tuple[object, ...]:
        first = (self.method, self.target, self.minor, self.block, self.framing, self.length)
        return (*first, self.keep_alive, self.expect, self.upgrade, self.host)


class ResponseHead(_Head):
    """A response's head, interim ones included. `coding` is the content-encoding of a body, None without one."""

    __slots__ = ("coding", "framing", "keep_alive", "length", "minor", "reason", "status")

    def __init__(
        self,
        status: int,
        reason: str,
        minor: int,
        block: bytes,
        framing: Framing,
        length: int,
        keep_alive: bool,
        coding: str | None,
    ) -> None:
        self.block = block
        self._fields = None
        self.status: Final = status
        self.reason: Final = reason
        self.minor: Final = minor
        self.framing: Final = framing
        self.length: Final = length
        self.keep_alive: Final = keep_alive
        self.coding: Final = coding

    def _values(self) -> tuple[object, ...]:
        first = (self.status, self.reason, self.minor, self.block)
        return (*first, self.framing, self.length, self.keep_alive, self.coding)


# RFC 3986 3.2.2, 3.2.3 without userinfo: reg-name or IP-literal, an optional port (CVE-2026-48710: `Host: a/b?c=`).
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::([0-9]{0,5}))?")
ABSOLUTE = re.compile(r"https?://([^/?#]*)([/?].*)?", re.IGNORECASE)

GET: Final = "GET"
KNOWN: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
METHODS: Final = {method.encode("ascii"): method for method in KNOWN}  # one str each, not one a request
VERSION_1_1: Final = b" HTTP/1.1\r"
NOTHING: Final[tuple[bytes, ...]] = ()


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


VERDICT_ONLY: Final = object()  # no callbacks: llhttp tells what is wrong, and nothing else


def too_many(count: int, limits: Limits) -> LimitExceeded:
    """More fields than are taken."""
    return LimitExceeded(f"{count} header fields, the limit is {limits.fields}", 431)


def strip_line_ends(block: bytes) -> bytes:
    """The head without white space behind its field values; the start line stays as it is."""
    start = block.find(b"\r\n")
    return block[:start] + _LINE_END.sub(b"", block[start:])


class _Facts:
    """What one pass over a head's lines finds, behind the first and before the two that are no fields."""

    __slots__ = ("codings", "connection", "expect", "hosts", "lengths", "plain", "upgrade")

    def __init__(self, lines: list[bytes]) -> None:
        self.hosts = self.lengths = self.codings = self.connection = NOTHING
        self.expect: bytes | None = None
        self.upgrade: bytes | None = None
        self.plain = True  # no word but host and keep-alive: no body, no end, nothing asked for
        for n in range(1, len(lines) - 2):
            line = lines[n]
            first = line[0]
            if first == CR:
                raise RemoteProtocolError(MALFORMED)
            for at in DECISIVE[first]:
                if len(line) > at and line[at] == COLON:
                    self._note(line[:at].lower(), value_of(line, at))

    def _note(self, key: bytes, value: bytes) -> None:
        if key == b"host":
            self.hosts = (*self.hosts, value) if self.hosts else (value,)
        elif key == b"connection":
            self.connection = (*self.connection, value)
            self.plain = self.plain and value == b"keep-alive"
        elif key == b"content-length":
            self.lengths = (*self.lengths, value)
            self.plain = False
        elif key == b"transfer-encoding":
            self.codings = (*self.codings, value)
            self.plain = False
        elif key == b"expect":
            self.expect = value.lower()
            self.plain = False
        elif key == b"upgrade":
            self.upgrade = value
            self.plain = False
        elif key == b"proxy-connection":  # llhttp may have read `close` in it
            self.plain = False


def cut_start(line: bytes) -> tuple[bytes, bytes]:
    """Method and target of a request line in HTTP/1.1, where one space stands on each side of the target."""
    at = 3 if line[3] == SPACE else 4 if line[4] == SPACE else line.find(b" ")  # GET and PUT, POST and HEAD
    target = line[at + 1 : -len(VERSION_1_1)]
    if not target or target[0] == SPACE or target[-1] == SPACE:  # llhttp lets none stand inside it
        raise RemoteProtocolError(MALFORMED)
    return line[:at], target


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


class RequestHeadParser:
    """Request heads, one block at a time. Between two calls it holds nothing of any message: connections share one."""

    __slots__ = ("_last_host", "_limits", "_longest_target", "_most_fields", "_parser")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most_fields = limits.fields
        self._longest_target = limits.target
        self._parser: httptools.HttpRequestParser | None = None  # kept while its state allows it
        self._last_host: bytes | None = None

    def parse(self, block: bytes) -> RequestHead:
        """`block` is one head through its CRLFCRLF. Raises `RemoteProtocolError` with the status to answer."""
        parser = self._parser
        if parser is None:
            parser = httptools.HttpRequestParser(VERDICT_ONLY)
        self._parser = None  # kept below, where it may take another head
        upgrade = False
        try:
            parser.feed_data(block)
        except httptools.HttpParserUpgrade:
            upgrade = True  # it pauses for good
        except httptools.HttpParserError as error:
            stripped = strip_line_ends(block)
            if stripped != block:
                return self.parse(stripped)
            raise caused(self._refusal(block, error), None)
        # llhttp has taken it. That there was one space each time, and which version, is seen here: it takes
        # RTSP/1.0 and ICE/1.0, too.
        lines = block.split(LINE_END)
        line = lines[0]
        minor = 1
        if line[-len(VERSION_1_1) :] == VERSION_1_1:
            raw_method, raw_target = cut_start(line)
        else:
            start = line.split(b" ", 2)
            minor = self._other_version(start, parser.get_http_version(), len(lines) - 3)
            raw_method, raw_target = start[0], start[1]
        if len(lines) - 3 > self._most_fields:
            raise too_many(len(lines) - 3, self._limits)
        facts = _Facts(lines)
        head = self._head(raw_method, raw_target, minor, block, facts)
        # Not before it is known to be good: behind `PRI` llhttp waits for more, and would refuse another's request.
        if facts.plain and minor and not upgrade:
            self._parser = parser
        return head

    def _other_method(self, raw: bytes) -> str:
        """A less common method. Raises `RemoteProtocolError` for what llhttp skips before one: a bare CR or LF."""
        if TOKEN.fullmatch(raw) is None:
            raise RemoteProtocolError(MALFORMED)
        return raw.decode("ascii")

    def _other_version(self, start: list[bytes], version: str, count: int) -> int:
        """The version's last digit where it is not 1.1. Raises `RemoteProtocolError` where it is not 1.0 either."""
        named = len(start) == 3 and start[2].startswith(b"HTTP/")
        if not named and version != "0.9":
            raise RemoteProtocolError(MALFORMED)
        if named and version == "1.0":
            return 0
        if count > self._limits.fields:  # the first thing to say
            raise too_many(count, self._limits)
        raise RemoteProtocolError(f"HTTP/{version}: this server speaks HTTP/1.1 and HTTP/1.0", 505)

    def _refusal(self, block: bytes, error: Exception) -> RemoteProtocolError:
        """What is wrong, in words that do not depend on how the bytes were cut."""
        line = block[: block.find(b"\r\n")]
        if IMPOSSIBLE.search(block) is not None or START.fullmatch(line) is None or line.count(b" ") != 2:
            return RemoteProtocolError(MALFORMED)
        if isinstance(error, httptools.HttpParserInvalidMethodError):
            return RemoteProtocolError(f"method {line.partition(b' ')[0]!r} is not known", 501)
        return RemoteProtocolError(MALFORMED)

    def _head(self, raw_method: bytes, raw_target: bytes, minor: int, block: bytes, facts: _Facts) -> RequestHead:
        method = GET if raw_method == b"GET" else METHODS.get(raw_method) or self._other_method(raw_method)
        target = raw_target.decode("latin-1")
        hosts = facts.hosts
        if len(hosts) != 1 and (hosts or minor):
            raise RemoteProtocolError(f"{len(hosts)} host fields: HTTP/1.1 has exactly one")
        host = hosts[0] if hosts else None
        if host is not None and host != self._last_host:
            check_host(host)
            self._last_host = host  # of a server's requests most name the same
        if len(target) > self._longest_target:
            raise LimitExceeded(f"the request target is over {self._limits.target} bytes", 414)
        if not target.startswith("/") or "#" in target or method == "CONNECT":
            host = self._other_form(method, target, host)
        if facts.plain:
            keep_alive = minor == 1 or bool(facts.connection)
            return RequestHead(method, target, minor, block, NONE, 0, keep_alive, False, None, host)
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
        return RequestHead(method, target, minor, block, framing, length, keep_alive, expect, upgrade, host)

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


class ResponseHeadParser:
    """Response heads, one block at a time; the request's method decides how each is read."""

    __slots__ = ("_limits",)

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def parse(self, block: bytes, method: str) -> ResponseHead:
        """`block` is one head through its CRLFCRLF, `method` that of the request. Raises `RemoteProtocolError`."""
        # llhttp would wait for a body here, or for the end of the connection: a parser for each head.
        parser = httptools.HttpResponseParser(VERDICT_ONLY)
        try:
            parser.feed_data(block)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            if IMPOSSIBLE.search(block) is not None or not block.startswith(b"HTTP/"):
                raise caused(RemoteProtocolError(MALFORMED_RESPONSE, 502), None)
            raise caused(RemoteProtocolError(f"{MALFORMED_RESPONSE} ({error})", 502), None)
        lines = block.split(LINE_END)
        if len(lines) - 3 > self._limits.fields:
            raise too_many(len(lines) - 3, self._limits)
        reason = lines[0][13:-1].decode("latin-1")  # behind `HTTP/1.1 200 `
        if not block.startswith(b"HTTP/") or not (
            reason.isprintable() or FORBIDDEN_IN_VALUE.search(reason.encode("latin-1")) is None
        ):
            raise RemoteProtocolError(MALFORMED_RESPONSE, 502)
        status = parser.get_status_code()
        minor = 1 if block.startswith(b"HTTP/1.1") else 0
        if not (minor or block.startswith(b"HTTP/1.0")) or not 100 <= status <= 999:
            version = parser.get_http_version()
            raise RemoteProtocolError(f"response head: HTTP/{version} {status} is not understood", 502)
        return _response_head(method, status, reason, minor, block, lines[1:-2])


def _response_head(method: str, status: int, reason: str, minor: int, block: bytes, lines: list[bytes]) -> ResponseHead:
    """One pass over the fields, and what follows from those that decide something."""
    lengths = transfer = connection = codings = NOTHING
    for line in lines:
        first = line[0]
        if first == CR:
            raise RemoteProtocolError(MALFORMED_RESPONSE, 502)
        for at in DECISIVE_ANSWERED[first]:
            if len(line) > at and line[at] == COLON:
                key = line[:at].lower()
                value = value_of(line, at)
                if key == b"content-length":
                    lengths = (*lengths, value)
                elif key == b"content-encoding":
                    codings = (*codings, value)
                elif key == b"connection":
                    connection = (*connection, value)
                elif key == b"transfer-encoding":
                    transfer = (*transfer, value)
    framing, length = _answer_framing(method, status, minor, lengths, transfer)
    keep_alive = _keep_alive(minor, connection) and framing is not CLOSE
    coding = b", ".join(codings).decode("latin-1") if codings and framing not in (NONE, RAW_BYTES) else None
    return ResponseHead(status, reason, minor, block, framing, length, keep_alive, coding)


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
