"""Request heads: what is made once says the same as what is made anew, and the caller's own word counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import Headers
from toolkit.client.heads import METHODS, NO_BLOCK, Block, Defaults, Place, fields_of, host_field, request_head
from toolkit.client.url import parse_url
from toolkit.errors import LocalProtocolError
from toolkit.protocol.head import RequestHeadParser
from toolkit.protocol.limits import Limits

if TYPE_CHECKING:
    from toolkit.protocol.headers import Fields

PLACE = Place(parse_url("http://a.test:81/x?y"))
AGENT: Fields = [(b"user-agent", b"toolkit"), (b"accept", b"*/*")]

names = st.sampled_from([b"x-a", b"X-A", b"accept", b"Accept", b"user-agent", b"Host", b"x-b"])
fields = st.lists(st.tuples(names, st.sampled_from([b"1", b"2", b"a.test"])), max_size=5)


def parsed(head: bytes) -> tuple[str, str, Fields]:
    seen = RequestHeadParser(Limits()).parse(head)
    return seen.method, seen.target, seen.fields


def lower(pairs: Fields) -> list[bytes]:
    return [name.lower() for name, _ in pairs]


# Places


@pytest.mark.parametrize("method", [*sorted(METHODS), "PROPFIND"])
def test_a_start_kept_is_a_start_made(method: str) -> None:
    place = Place(parse_url("http://a.test:81/x?y"))
    target = b"a.test:81" if method == "CONNECT" else b"/x?y"
    for _ in range(2):
        start = method.encode() + b" " + target + b" HTTP/1.1\r\nhost: a.test:81\r\n"
        assert request_head(place, method, [], NO_BLOCK, [], b"") == start + b"\r\n"
    assert (method in place.starts) == (method in METHODS)  # bounded


@pytest.mark.parametrize(("method", "url"), [("GE T", "http://a.test/"), ("GET", "http://a.test/\u00e9")])
def test_a_start_that_may_not_be_sent_is_an_error_each_time(method: str, url: str) -> None:
    place = Place(parse_url("http://a.test/").with_path("/\u00e9", encoded=True) if "\u00e9" in url else parse_url(url))
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            request_head(place, method, [], NO_BLOCK, [], b"")


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("http://a.test", b"a.test"),
        ("https://a.test:443/", b"a.test"),
        ("https://a.test:80/", b"a.test:80"),
        ("http://[::1]:8080/", b"[::1]:8080"),
        ("http://b\u00fccher.test/", b"xn--bcher-kva.test"),
    ],
)
def test_the_host_field(url: str, field: bytes) -> None:
    assert host_field(parse_url(url)) == field
    assert Place(parse_url(url)).host == b"host: " + field + b"\r\n"


# What a session adds


def test_the_sessions_own_word_counts_over_ours() -> None:
    defaults = Defaults(AGENT, ["gzip", "br"])
    headers = Headers({"User-Agent": "mine", "x-own": "1"})
    ours = b"accept: */*\r\naccept-encoding: gzip, br\r\n"
    assert defaults.block(headers, True).lines == b"User-Agent: mine\r\nx-own: 1\r\n" + ours
    assert defaults.block(headers, False).lines == b"User-Agent: mine\r\nx-own: 1\r\naccept: */*\r\n"
    assert Defaults(AGENT, []).block(headers, True).lines == defaults.block(headers, False).lines


def test_changed_headers_are_seen() -> None:
    defaults, headers = Defaults([], []), Headers()
    assert defaults.block(headers, True).lines == b""
    headers["x-a"] = "1"
    assert defaults.block(headers, True).lines == b"x-a: 1\r\n"
    headers.add("x-a", "2")
    assert defaults.block(headers, True).lines == b"x-a: 1\r\nx-a: 2\r\n"
    headers["x-a"] = "3"
    assert defaults.block(headers, True).lines == b"x-a: 3\r\n"
    del headers["x-a"]
    assert defaults.block(headers, True).lines == b""
    assert defaults.block(Headers({"x-b": "1"}), True).lines == b"x-b: 1\r\n"


def test_the_host_is_the_urls_whatever_the_session_says() -> None:
    assert Defaults([], []).block(Headers({"Host": "b.test"}), True).lines == b""


@pytest.mark.parametrize("name", ["content-length", "Transfer-Encoding"])
def test_framing_belongs_to_one_request(name: str) -> None:
    value = "3" if name == "content-length" else "chunked"
    with pytest.raises(LocalProtocolError, match="belong to one request"):
        Defaults([], []).block(Headers({name: value}), True)


# Heads


def test_the_order_of_a_head() -> None:
    block, more = Block(AGENT), [(b"content-type", b"a/b")]
    assert request_head(PLACE, "POST", [(b"X-A", b"1")], block, more, b"content-length: 3\r\n") == (
        b"POST /x?y HTTP/1.1\r\nhost: a.test:81\r\nX-A: 1\r\nuser-agent: toolkit\r\naccept: */*\r\n"
        b"content-type: a/b\r\ncontent-length: 3\r\n\r\n"
    )


@given(own=fields, shared=fields, more=fields)
def test_what_was_named_before_is_not_added_again(own: Fields, shared: Fields, more: Fields) -> None:
    shared = [pair for pair in shared if pair[0] != b"Host"]
    more = [(name.lower(), value) for name, value in more if name != b"Host"]
    head = request_head(PLACE, "GET", own, Block(shared), more, b"")
    expected = [*own] if b"host" in lower(own) else [(b"host", b"a.test:81"), *own]
    expected += [pair for pair in shared if pair[0].lower() not in lower(own)]
    expected += [pair for pair in more if pair[0] not in lower(own) + lower(shared)]
    if lower(expected).count(b"host") == 1:
        assert parsed(head) == ("GET", "/x?y", expected)
    assert fields_of(head) == expected


def test_framing_is_none_of_the_fields() -> None:
    assert fields_of(request_head(PLACE, "PUT", [], NO_BLOCK, [], b"content-length: 3\r\n")) == [
        (b"host", b"a.test:81")
    ]
    assert fields_of(request_head(PLACE, "PUT", [(b"x", b"")], NO_BLOCK, [], b"transfer-encoding: chunked\r\n")) == [
        (b"host", b"a.test:81"),
        (b"x", b""),
    ]


def test_a_login_is_taken_out_of_the_url() -> None:
    place = Place(parse_url("http://ada:p%40ss@a.test/x"))
    assert (str(place.url), place.login) == ("http://a.test/x", ("ada", "p@ss"))
    assert Place(parse_url("http://a.test/"), place.login).login == ("ada", "p@ss")
    assert Place(parse_url("http://a.test/")).login is None
