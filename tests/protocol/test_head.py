"""Heads: what a block of bytes means, row by row of RFC 9110 and RFC 9112; and heads on their way out."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, NONE, RAW_BYTES, Framing
from toolkit.protocol.head import (
    RequestHead,
    RequestHeadParser,
    ResponseHead,
    ResponseHeadParser,
    check_host,
    connection_options,
    serialize_fields,
    serialize_request,
)
from toolkit.protocol.limits import Limits

from ..helpers.coded import many


def request(
    line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes | None = b"a", limits: Limits = Limits()
) -> RequestHead:
    lines = [line, *([] if host is None else [b"host: " + host]), *fields]
    return RequestHeadParser(limits).parse(b"".join(line + b"\r\n" for line in lines) + b"\r\n")


def response(
    line: bytes = b"HTTP/1.1 200 OK", *fields: bytes, method: str = "GET", limits: Limits = Limits()
) -> ResponseHead:
    return ResponseHeadParser(limits).parse(b"".join(line + b"\r\n" for line in (line, *fields)) + b"\r\n", method)


def refused(line: bytes, *fields: bytes, host: bytes | None = b"a", limits: Limits = Limits()) -> int:
    """The status hint of the refusal."""
    with pytest.raises(RemoteProtocolError) as raised:
        request(line, *fields, host=host, limits=limits)
    return raised.value.status_hint


# Requests

# RFC 9112 3.2: the four forms of a target. The host that counts; or the status hint.
TARGETS: list[tuple[bytes, bytes, bytes | int]] = [
    (b"GET", b"/", b"a"),
    (b"GET", b"/p/q?x=1&y=/", b"a"),
    (b"GET", b"//double", b"a"),
    (b"GET", b"/../..", b"a"),
    (b"GET", b"/%2e%2e/%00", b"a"),
    (b"GET", b"/?", b"a"),
    (b"GET", b"/;:@&=+$,~*'()!", b"a"),
    (b"OPTIONS", b"*", b"a"),  # 3.2.4
    (b"GET", b"*", 400),
    (b"GET", b"http://b/", b"b"),  # 3.2.2: the target's authority counts, not the host field
    (b"GET", b"HTTP://b:81/x", b"b:81"),
    (b"GET", b"https://b/x?y", b"b"),
    (b"GET", b"http://b", b"b"),
    (b"GET", b"http://b?x", b"b"),
    (b"GET", b"http:///x", 400),  # RFC 9110 4.2.1: an empty host is invalid
    (b"GET", b"http://u@b/", 400),  # 4.2.4: userinfo
    (b"GET", b"ftp://b/", 400),
    (b"GET", b"b/c", 400),
    (b"GET", b"b:80", 400),
    (b"GET", b"/a#b", 400),  # a fragment is never sent
    (b"GET", b"http://b/#c", 400),
    (b"GET", b"?x", 400),
    (b"GET", b"/\x7f", 400),
    (b"GET", b"/ b", 400),
    (b"GET", b"/a\tb", 400),
    (b"GET", b"", 400),
    (b"CONNECT", b"b:443", b"b:443"),  # 3.2.3
    (b"CONNECT", b"[::1]:443", b"[::1]:443"),
    (b"CONNECT", b"b", 400),
    (b"CONNECT", b"b:", 400),
    (b"CONNECT", b"b:0", 400),
    (b"CONNECT", b"b:65536", 400),
    (b"CONNECT", b"/", 400),
    (b"CONNECT", b"http://b:443/", 400),
]


@pytest.mark.parametrize(("method", "target", "expected"), TARGETS)
def test_request_targets(method: bytes, target: bytes, expected: bytes | int) -> None:
    line = b"%b %b HTTP/1.1" % (method, target)
    if isinstance(expected, int):
        assert refused(line) == expected
        return
    head = request(line)
    assert (head.method, head.target, head.host) == (method.decode(), target.decode(), expected)


# RFC 9110 7.2, RFC 3986 3.2.2
HOSTS = [
    (b"a", True),
    (b"A.example", True),
    (b"a:80", True),
    (b"a:", True),  # 3.2.3: the port may be empty
    (b"a:65535", True),
    (b"a:0", True),
    (b"127.0.0.1:8000", True),
    (b"[::1]", True),
    (b"[::1]:80", True),
    (b"[::ffff:1.2.3.4]", True),
    (b"x_y", True),
    (b"%41", True),
    (b"a!$&'()*+,;=~b", True),
    (b"xn--bcher-kva.example", True),
    (b"a:65536", False),
    (b"a:999999", False),
    (b"a:8a", False),
    (b"a:-1", False),
    (b"a:80:80", False),
    (b"::1", False),
    (b"[::1", False),
    (b"[]", False),
    (b"[g]", False),
    (b"u@a", False),
    (b"a/b", False),
    (b"a?b", False),
    (b"a#b", False),
    (b"a b", False),
    (b"a, b", False),
    (b"a\\b", False),
    (b"%4", False),
    (b"%zz", False),
    (b"a\xff", False),
    (b"<a>", False),
    (b":80", False),
]


@pytest.mark.parametrize(("value", "good"), HOSTS)
def test_host_values(value: bytes, good: bool) -> None:
    if good:
        check_host(value)
        assert request(host=value).host == value
        return
    with pytest.raises(RemoteProtocolError, match="expected a name or address"):
        check_host(value)
    assert refused(b"GET / HTTP/1.1", host=value) == 400
    if value not in (b"a/b", b"a?b"):  # there it is the path, or the query
        assert refused(b"GET http://%b/ HTTP/1.1" % value) == 400


def test_a_request_has_one_host() -> None:
    """RFC 9112 3.2."""
    assert refused(b"GET / HTTP/1.1", host=None) == 400
    assert refused(b"GET / HTTP/1.1", b"host: a") == 400
    assert refused(b"GET http://b/ HTTP/1.1", host=None) == 400
    assert refused(b"GET / HTTP/1.1", b"HOST: b") == 400
    assert request(b"GET / HTTP/1.0", host=None).host is None
    assert request(b"GET / HTTP/1.0", host=b"a").host == b"a"
    assert refused(b"GET / HTTP/1.0", b"host: b") == 400
    assert refused(b"GET / HTTP/1.1", host=b"") == 400


# RFC 9112 9.3
KEEP_ALIVE: list[tuple[bytes, list[bytes], bool]] = [
    (b"1.1", [], True),
    (b"1.0", [], False),
    (b"1.1", [b"close"], False),
    (b"1.1", [b"Close"], False),
    (b"1.1", [b"CLOSE"], False),
    (b"1.1", [b"keep-alive"], True),
    (b"1.0", [b"keep-alive"], True),
    (b"1.0", [b"Keep-Alive"], True),
    (b"1.0", [b"close"], False),
    (b"1.0", [b"keep-alive, close"], False),  # close wins
    (b"1.1", [b"keep-alive", b"close"], False),
    (b"1.1", [b"x, close"], False),
    (b"1.1", [b"x ,\tclose , y"], False),
    (b"1.1", [b"closed"], True),
    (b"1.1", [b"not-close"], True),
    (b"1.0", [b"x"], False),
    (b"1.0", [b"x", b"keep-alive"], True),
    (b"1.1", [b",,close,"], False),
    (b"1.1", [b""], True),
    (b"1.1", [b"upgrade"], True),
]


@pytest.mark.parametrize(("version", "connection", "expected"), KEEP_ALIVE)
def test_keep_alive_is_decided_alike_on_both_ends(version: bytes, connection: list[bytes], expected: bool) -> None:
    fields = [b"connection: " + value for value in connection]
    assert request(b"GET / HTTP/" + version, *fields).keep_alive is expected
    answer = response(b"HTTP/%b 200 OK" % version, b"content-length: 0", *fields)
    assert answer.keep_alive is expected


def test_an_answer_that_ends_with_the_connection_does_not_keep_it() -> None:
    assert response().framing is CLOSE
    assert not response(b"HTTP/1.1 200 OK", b"connection: keep-alive").keep_alive
    assert response(b"HTTP/1.1 204 No Content").keep_alive


# RFC 9110 2.5, RFC 9112 2.3
VERSIONS = [
    (b"HTTP/2.0", {505}),
    (b"HTTP/0.9", {505}),
    (b"HTTP/1.2", {400, 505}),
    (b"HTTP/11", {400}),
    (b"HTTP/1", {400}),
    (b"http/1.1", {400}),
    (b"HTTP/1.1 ", {400}),
    (b"HTTP/1.1x", {400}),
    (b"XTTP/1.1", {400}),
    (b"RTSP/1.0", {400}),
    (b"ICE/1.0", {400}),
    (b"", {400}),
]


@pytest.mark.parametrize(("version", "hints"), VERSIONS)
def test_other_versions(version: bytes, hints: set[int]) -> None:
    assert refused(b"GET / " + version) in hints


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (b"GET  / HTTP/1.1", 400),
        (b"GET /  HTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET\t/\tHTTP/1.1", 400),
        (b"GET /", 505),  # HTTP/0.9
        (b"get / HTTP/1.1", 501),
        (b"BREW / HTTP/1.1", 501),
        (b"G\xcbT / HTTP/1.1", 400),
        (b"G(T / HTTP/1.1", 400),
        (b"/ HTTP/1.1", 400),
    ],
)
def test_start_lines_that_are_none(line: bytes, hint: int) -> None:
    assert refused(line) == hint


# RFC 9112 5, RFC 9110 5.5. The value, or None for a refusal.
FIELD_LINES: list[tuple[bytes, bytes | None]] = [
    (b"x:v", b"v"),
    (b"x: v", b"v"),
    (b"x:\tv\t", b"v"),
    (b"x: \t v w \t ", b"v w"),
    (b"x:", b""),
    (b"x:   ", b""),
    (b"X: v", b"v"),
    (b"x: caf\xe9", b"caf\xe9"),
    (b"x: a:b", b"a:b"),
    (b'x: "q,\\""', b'"q,\\""'),
    (b"x : v", None),  # 5.1: white space before the colon was used for smuggling
    (b"x\t: v", None),
    (b" x: v", None),  # 5.2: a fold
    (b"\tx: v", None),
    (b": v", None),
    (b"x", None),
    (b"x y: v", None),
    (b"x\x00: v", None),
    (b"x: a\x00b", None),
    (b"x: a\rb", None),
    (b"x: a\nb: c", None),
    (b"x: a\x0bb", None),
    (b"x: a\x7fb", None),
    (b"x\xe9: v", None),
    (b"x: v\r", None),
    (b"(x): v", None),
]


@pytest.mark.parametrize(("line", "value"), FIELD_LINES)
def test_field_lines(line: bytes, value: bytes | None) -> None:
    if value is None:
        assert refused(b"GET / HTTP/1.1", line) == 400
        return
    head = request(b"GET / HTTP/1.1", line, b"last: 1")
    assert head.fields == [(b"host", b"a"), (line.partition(b":")[0], value), (b"last", b"1")]


def framed(head: RequestHead) -> tuple[Framing, int]:
    return head.framing, head.length


@pytest.mark.parametrize("minor", [0, 1])
def test_framing_of_requests(minor: int) -> None:
    """The table is in test_framing.py; this is that the fields get there."""
    line = b"POST / HTTP/1.%d" % minor
    assert framed(request(line)) == (NONE, 0)
    assert framed(request(line, b"Content-Length: 5")) == (LENGTH, 5)
    assert refused(line, b"content-length: 5", b"Content-length: 5") == 400
    assert refused(line, b"content-length: 5, 5") == 400
    assert refused(line, b"transfer-encoding: chunked", b"content-length: 5") == 400
    assert refused(line, b"transfer-encoding: chunked, chunked") == 400
    if minor:
        assert framed(request(line, b"Transfer-Encoding: Chunked")) == (CHUNKED, -1)
        assert framed(request(line, b"transfer-encoding: chunked \t")) == (CHUNKED, -1)
        assert refused(line, b"transfer-encoding: gzip, chunked") == 501
    else:
        assert refused(line, b"transfer-encoding: chunked") == 400


@pytest.mark.parametrize(
    ("fields", "minor", "expected"),
    [
        ([b"expect: 100-continue", b"content-length: 5"], 1, True),
        ([b"expect: 100-Continue", b"content-length: 5"], 1, True),
        ([b"expect: 100-continue"], 1, False),  # RFC 9110 10.1.1: without content nothing is waited for
        ([b"expect: 100-continue", b"content-length: 0"], 1, False),
        ([b"expect: 100-continue", b"content-length: 5"], 0, False),  # ignored in HTTP/1.0
        ([b"content-length: 5"], 1, False),
        ([b"expect: 200-ok", b"content-length: 5"], 1, 417),
        ([b"expect: ", b"content-length: 5"], 1, 417),
    ],
)
def test_expectations(fields: list[bytes], minor: int, expected: bool | int) -> None:
    line = b"POST / HTTP/1.%d" % minor
    if expected == 417:
        assert refused(line, *fields) == 417
    else:
        assert request(line, *fields).expect is expected


@pytest.mark.parametrize(
    ("fields", "minor", "expected"),
    [
        ([b"upgrade: x", b"connection: upgrade"], 1, b"x"),
        ([b"upgrade: x/1, y", b"connection: keep-alive, Upgrade"], 1, b"x/1, y"),
        ([b"upgrade: x"], 1, None),  # RFC 9110 7.8: a connection option, or it is meant for somebody else
        ([b"connection: upgrade"], 1, None),
        ([b"upgrade: x", b"connection: upgrade"], 0, None),  # ignored in HTTP/1.0
    ],
)
def test_upgrades(fields: list[bytes], minor: int, expected: bytes | None) -> None:
    assert request(b"GET / HTTP/1.%d" % minor, *fields).upgrade == expected


def test_limits_of_a_head() -> None:
    small = Limits(target=10, fields=3)
    assert len(request(b"GET / HTTP/1.1", b"x: 1", b"y: 2", limits=small).fields) == 3
    assert refused(b"GET / HTTP/1.1", b"x: 1", b"y: 2", b"z: 3", limits=small) == 431
    assert request(b"GET /23456789 HTTP/1.1", limits=small).target == "/23456789"
    assert refused(b"GET /2345678901 HTTP/1.1", limits=small) == 414
    with pytest.raises(LimitExceeded, match="4 header fields, the limit is 3"):
        request(b"GET / HTTP/1.1", b"x: 1", b"y: 2", b"z: 3", limits=small)


def test_a_parser_serves_one_head_after_another() -> None:
    """Whatever the one before was: llhttp has states that outlive a message."""
    blocks: list[tuple[bytes, bool]] = [
        (b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n", True),
        (b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n", True),
        (b"POST /%d HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", True),
        (b"GET /%d HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", True),
        (b"GET /%d HTTP/1.0\r\n\r\n", True),
        (b"GET /%d HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", True),
        (b"GET /%d HTTP/1.1\r\nhost: a\r\nx y\r\n\r\n", False),
        (b"GET /%d HTTP/1.1\r\n\r\n", False),
        (b"GET /%d HTTP/1.1\r\nhost: a\r\nexpect: x\r\n\r\n", False),
    ]
    for first, _ in blocks:
        for second, good in blocks:
            parser = RequestHeadParser(Limits())
            for number, block in enumerate((first, second)):
                try:
                    head = parser.parse(block % number)
                except RemoteProtocolError:
                    assert number == 0 or not good
                else:
                    assert head == RequestHeadParser(Limits()).parse(block % number)
                    assert head.target == f"/{number}"


def test_heads_are_values() -> None:
    for head in (request(), response()):
        assert pickle.loads(pickle.dumps(head)) == head
        assert repr(head).startswith(type(head).__name__)
    assert request() != response()
    assert request(b"GET /a HTTP/1.1") != request(b"GET /b HTTP/1.1")


def heads_are_read_only(head: RequestHead) -> None:
    """Not run: the type checker would call the comment unused, were the assignment allowed."""
    head.fields = []  # type: ignore[misc]


# Responses

# RFC 9112 6.3, in order; the method asked with, the start line, its fields.
ANSWERS: list[tuple[str, bytes, list[bytes], Framing, int]] = [
    ("HEAD", b"200 OK", [b"content-length: 5"], NONE, 5),  # the length of what a GET would bring
    ("HEAD", b"200 OK", [b"transfer-encoding: chunked"], NONE, -1),
    ("HEAD", b"200 OK", [], NONE, -1),
    ("GET", b"204 No Content", [], NONE, -1),
    ("GET", b"304 Not Modified", [b"content-length: 5"], NONE, 5),
    ("GET", b"100 Continue", [], NONE, -1),
    ("GET", b"103 Early Hints", [b"link: x"], NONE, -1),
    ("GET", b"101 Switching Protocols", [b"upgrade: x", b"connection: upgrade"], RAW_BYTES, -1),
    ("CONNECT", b"200 OK", [], RAW_BYTES, -1),
    ("CONNECT", b"200 OK", [b"content-length: 5"], RAW_BYTES, -1),
    ("CONNECT", b"204 No Content", [], RAW_BYTES, -1),
    ("CONNECT", b"299 ", [], RAW_BYTES, -1),
    ("CONNECT", b"407 Proxy Authentication Required", [b"content-length: 5"], LENGTH, 5),
    ("GET", b"200 OK", [b"transfer-encoding: chunked"], CHUNKED, -1),
    ("GET", b"200 OK", [b"content-length: 5"], LENGTH, 5),
    ("GET", b"200 OK", [b"content-length: 0"], LENGTH, 0),
    ("GET", b"200 OK", [], CLOSE, -1),
    ("GET", b"404 Not Found", [], CLOSE, -1),
    ("GET", b"205 Reset Content", [b"content-length: 0"], LENGTH, 0),
    ("POST", b"500 ", [], CLOSE, -1),
    ("GET", b"999 x", [b"content-length: 1"], LENGTH, 1),
]


@pytest.mark.parametrize(("method", "line", "fields", "framing", "length"), ANSWERS)
def test_framing_of_answers(method: str, line: bytes, fields: list[bytes], framing: Framing, length: int) -> None:
    head = response(b"HTTP/1.1 " + line, *fields, method=method)
    assert (head.framing, head.length) == (framing, length)
    assert head.status == int(line[:3])
    assert head.reason == line[4:].decode()
    assert head.minor == 1


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"HTTP/2.0 200 OK", []),
        (b"HTTP/0.9 200 OK", []),
        (b"HTTP/1.1 099 x", []),
        (b"HTTP/1.1 20 OK", []),
        (b"HTTP/1.1 2000 OK", []),
        (b"HTTP/1.1 2x0 OK", []),
        (b"HTTP/1.1 200 O\x00K", []),
        (b"HTTP/1.1 200 O\x01K", []),
        (b"HTTP/1.1  200 OK", []),
        (b"ICY 200 OK", []),
        (b"RTSP/1.0 200 OK", []),
        (b" HTTP/1.1 200 OK", []),
        (b"HTTP/1.1 200 OK", [b"content-length: 5", b"content-length: 6"]),
        (b"HTTP/1.1 200 OK", [b"content-length: 5", b"transfer-encoding: chunked"]),
        (b"HTTP/1.1 200 OK", [b"transfer-encoding: gzip"]),
        (b"HTTP/1.0 200 OK", [b"transfer-encoding: chunked"]),
        (b"HTTP/1.1 200 OK", [b"x : y"]),
        (b"HTTP/1.1 200 OK", [b" folded"]),
        (b"HTTP/1.1 200 OK", [b"x: a\x00"]),
    ],
)
def test_answers_that_are_refused(line: bytes, fields: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError):
        response(line, *fields)


def test_an_answer_may_lack_its_reason() -> None:
    assert response(b"HTTP/1.1 200 ", b"content-length: 0").reason == ""
    assert response(b"HTTP/1.1 200 caf\xe9", b"content-length: 0").reason == "caf\xe9"


def test_fields_of_answers_are_counted() -> None:
    with pytest.raises(LimitExceeded, match="3 header fields, the limit is 2"):
        response(b"HTTP/1.1 200 OK", b"a: 1", b"b: 2", b"c: 3", limits=Limits(fields=2))


@many
@given(st.binary(max_size=60), st.sampled_from(["GET", "HEAD", "CONNECT"]))
def test_any_block_is_a_head_or_a_refusal(noise: bytes, method: str) -> None:
    """Never another error."""
    blocks = [
        noise + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n" + noise + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + noise + b"\r\n\r\n",
    ]
    for block in blocks:
        for parse in (
            RequestHeadParser(Limits()).parse,
            lambda block: ResponseHeadParser(Limits()).parse(block, method),
        ):
            hint = 400
            try:
                parse(block)
            except RemoteProtocolError as error:
                hint = error.status_hint
            assert 400 <= hint <= 599


def test_names_that_begin_like_one_that_decides_are_carried() -> None:
    """A length and a first letter in common are no name in common."""
    head = request(
        b"GET / HTTP/1.1", b"cook-and-bakes: close", b"cattletrap: close", b"tttttttttttttttt-: chunked", b"Accept: 1"
    )
    assert (head.keep_alive, head.framing) == (True, NONE)
    assert [name for name, _ in head.fields][1:] == [b"cook-and-bakes", b"cattletrap", b"tttttttttttttttt-", b"Accept"]


# Outbound


def test_a_request_on_its_way_out() -> None:
    assert (
        serialize_request("GET", "/x?y", [(b"host", b"a"), (b"B", b"c d")])
        == b"GET /x?y HTTP/1.1\r\nhost: a\r\nB: c d\r\n\r\n"
    )
    assert serialize_fields([]) == b""


@pytest.mark.parametrize("method", ["", "G T", "GET\r\nx: y", "GÉT", "G/T", "GET ", "(", "日"])
def test_methods_that_may_not_be_sent(method: str) -> None:
    with pytest.raises(LocalProtocolError, match="expected a token"):
        serialize_request(method, "/", [])


@pytest.mark.parametrize(
    "target", ["", "/a b", "/a\r\nx: y", "/a\n", "/é", "/\x00", "/\x7f", "/a#b", "/a\tb", "/\u2028", " /"]
)
def test_targets_that_may_not_be_sent(target: str) -> None:
    with pytest.raises(LocalProtocolError, match="percent-encode"):
        serialize_request("GET", target, [])


@pytest.mark.parametrize("target", ["/", "*", "http://a/b", "a:443", '/%20;x?y&z="<>\\^`{|}'])
def test_targets_that_may(target: str) -> None:
    assert serialize_request("GET", target, []) == f"GET {target} HTTP/1.1\r\n\r\n".encode()


def test_connection_options_are_a_set_of_lower_case_names() -> None:
    assert connection_options([b"Close, X-y", b" upgrade\t"]) == {b"close", b"x-y", b"upgrade"}


@pytest.mark.parametrize("before", [b"PRI / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_refused_head_has_no_part_in_the_next(before: bytes) -> None:
    """The connections of a server share a parser: one client must not break another's request."""
    parser = RequestHeadParser(Limits())
    with pytest.raises(RemoteProtocolError):
        parser.parse(before)
    assert parser.parse(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n").target == "/next"


@pytest.mark.parametrize("skipped", [b"\n", b"\r", b"\n\r\n", b"\r\r\n"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"CONNECT", b"PROPFIND"])
def test_llhttp_skips_what_is_no_empty_line_and_we_do_not(skipped: bytes, method: bytes) -> None:
    """RFC 9112 2.2 forgives an empty line, which is CRLF; a method is a token (RFC 9110 9.1)."""
    block = skipped + method + b" /any HTTP/1.1\r\nhost: a\r\n\r\n"
    with pytest.raises(RemoteProtocolError) as refusal:
        RequestHeadParser(Limits()).parse(block)
    assert refusal.value.status_hint == 400
