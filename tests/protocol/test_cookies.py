"""Cookies by RFC 6265bis: what is read of a peer's, what is written, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LocalProtocolError
from toolkit.protocol.cookies import (
    COUNT,
    Cookie,
    parse_cookie_date,
    parse_cookies,
    parse_set_cookie,
    prefix_fault,
    serialize_cookie,
)


@pytest.mark.parametrize(
    ("section", "field", "found"),
    [
        ("4.2.1", "", {}),
        ("4.2.1", "a=b", {"a": "b"}),
        ("4.2.1", "SID=31d4d96e407aad42; lang=en-US", {"SID": "31d4d96e407aad42", "lang": "en-US"}),
        ("4.2.1", "a=b;c=d", {"a": "b", "c": "d"}),
        ("4.2.1", "a=b ;\t c=d ", {"a": "b", "c": "d"}),
        ("4.2.1", ";;a=b;;", {"a": "b"}),
        ("4.2.1", "a=", {"a": ""}),
        ("4.2.1", "a=b=c==", {"a": "b=c=="}),
        ("4.2.1", "novalue; a=b", {"a": "b"}),
        ("4.2.1", "=nameless; a=b", {"a": "b"}),
        ("4.1.1 quotes", 'a="b c"; d="', {"a": "b c", "d": '"'}),
        ("4.1.1 quotes", 'a=""; b=x"y"', {"a": "", "b": 'x"y"'}),
        ("4.1.1 no decoding", "a=%20b+c", {"a": "%20b+c"}),
        ("4.1.1 no decoding", "a=\u00e9\u00ff", {"a": "\u00e9\u00ff"}),
        ("5.8.3 specific first", "a=/deep; a=/", {"a": "/deep"}),
        ("5.8.3 names by case", "a=1; A=2", {"a": "1", "A": "2"}),
    ],
)
def test_the_cookie_field(section: str, field: str, found: dict[str, str]) -> None:
    assert parse_cookies(field) == found


def test_pairs_are_counted_and_read_in_one_pass() -> None:
    """CVE-2024-7592 and Tornado's like: no field costs more than its length."""
    assert len(parse_cookies("; ".join(f"c{n}=x" for n in range(COUNT * 2)))) == COUNT
    for hostile in (";" * 60000, "=" * 60000, '"' * 60000, "a=" + '\\"' * 30000, "a" * 60000, " " * 60000):
        assert len(parse_cookies(hostile)) <= 1
        assert parse_set_cookie(hostile) is None


@given(st.text(max_size=200))
def test_no_text_of_a_peer_raises(text: str) -> None:
    parse_cookies(text)
    parse_set_cookie(text)
    parse_cookie_date(text)


AT = datetime(2026, 11, 21, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("section", "cookie", "line"),
    [
        ("4.1.1", Cookie("a", "b"), "a=b"),
        ("4.1.1", Cookie("a"), "a="),
        (
            "4.1.1",
            Cookie("a!#$%&'*+-.^_`|~1", "!#$%&'()*+-./:<=>?@[]^_`{|}~"),
            "a!#$%&'*+-.^_`|~1=!#$%&'()*+-./:<=>?@[]^_`{|}~",
        ),
        ("4.1.2.1", Cookie("a", "b", expires=AT), "a=b; Expires=Sat, 21 Nov 2026 08:49:37 GMT"),
        ("4.1.2.1", Cookie("a", "b", expires=0), "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        (
            "4.1.2.1",
            Cookie("a", "b", expires=AT.astimezone(timezone(timedelta(hours=2)))),
            "a=b; Expires=Sat, 21 Nov 2026 08:49:37 GMT",
        ),
        ("4.1.2.2", Cookie("a", "b", max_age=3600), "a=b; Max-Age=3600"),
        ("4.1.2.2", Cookie("a", "b", max_age=0), "a=b; Max-Age=0"),
        ("4.1.2.3", Cookie("a", "b", domain="example.org"), "a=b; Domain=example.org"),
        ("4.1.2.3", Cookie("a", "b", domain=".Example.ORG"), "a=b; Domain=example.org"),
        ("4.1.2.4", Cookie("a", "b", path="/x y"), "a=b; Path=/x y"),
        ("4.1.2.5", Cookie("a", "b", secure=True), "a=b; Secure"),
        ("4.1.2.6", Cookie("a", "b", httponly=True), "a=b; HttpOnly"),
        ("4.1.2.7", Cookie("a", "b", samesite="Lax"), "a=b; SameSite=Lax"),
        ("4.1.2.7", Cookie("a", "b", samesite="strict"), "a=b; SameSite=Strict"),  # type: ignore[arg-type]
        ("4.1.2.7", Cookie("a", "b", samesite="None", secure=True), "a=b; Secure; SameSite=None"),
        ("4.1.3.1", Cookie("__Secure-a", "b", secure=True), "__Secure-a=b; Secure"),
        ("4.1.3.2", Cookie("__Host-a", "b", path="/", secure=True), "__Host-a=b; Path=/; Secure"),
        ("CHIPS 2.1", Cookie("a", "b", secure=True, partitioned=True), "a=b; Secure; Partitioned"),
    ],
)
def test_set_cookie_is_written(section: str, cookie: Cookie, line: str) -> None:
    assert serialize_cookie(cookie).decode() == line


@pytest.mark.parametrize(
    ("section", "cookie", "why"),
    [
        ("4.1.1", Cookie("", "b"), "expected a name"),
        ("4.1.1", Cookie("a b", "b"), "expected a name"),
        ("4.1.1", Cookie("a=b", "b"), "expected a name"),
        ("4.1.1", Cookie("a\r\n", "b"), "expected a name"),
        ("4.1.1", Cookie("\u00e9", "b"), "expected a name"),
        ("4.1.1", Cookie("a", "b; Domain=evil.test"), "encode it first"),
        ("4.1.1", Cookie("a", "b\r\nset-cookie: c=d"), "encode it first"),
        ("4.1.1", Cookie("a", "b c"), "encode it first"),
        ("4.1.1", Cookie("a", 'b"'), "encode it first"),
        ("4.1.1", Cookie("a", "\u00e9"), "encode it first"),
        ("4.1.1", Cookie("a", "\0"), "encode it first"),
        ("5.6 step 6", Cookie("a", "b" * 4096), "4097 bytes; agents keep 4096"),
        ("4.1.2.1", Cookie("a", "b", expires=datetime(2026, 1, 1)), "no time zone"),
        ("4.1.2.1", Cookie("a", "b", expires=1e18), "expected an aware datetime"),
        ("4.1.2.1", Cookie("a", "b", expires="never"), "expected an aware datetime"),  # type: ignore[arg-type]
        ("4.1.2.2", Cookie("a", "b", max_age=1.5), "whole number of seconds"),  # type: ignore[arg-type]
        ("4.1.2.3", Cookie("a", "b", domain="a.test; Secure"), "expected a host name"),
        ("4.1.2.3", Cookie("a", "b", domain="a..test"), "expected a host name"),
        ("4.1.2.3", Cookie("a", "b", domain=""), "expected a host name"),
        ("4.1.2.3", Cookie("a", "b", domain="a.test:80"), "expected a host name"),
        ("4.1.2.4", Cookie("a", "b", path="/;Secure"), "without ';'"),
        ("4.1.2.4", Cookie("a", "b", path="x"), "begins with '/'"),
        ("4.1.2.4", Cookie("a", "b", path="/\n"), "printable ASCII"),
        ("4.1.2.7", Cookie("a", "b", samesite="Never"), "expected 'Strict', 'Lax' or 'None'"),  # type: ignore[arg-type]
        ("5.7 step 19", Cookie("a", "b", samesite="None"), "SameSite=None needs secure=True"),
        ("CHIPS 2.1", Cookie("a", "b", partitioned=True), "Partitioned needs secure=True"),
        ("4.1.3.1", Cookie("__Secure-a", "b"), "begins with __Secure- needs secure=True"),
        ("4.1.3.1", Cookie("__SECURE-a", "b"), "needs secure=True"),
        ("4.1.3.2", Cookie("__Host-a", "b", path="/"), "needs secure=True"),
        ("4.1.3.2", Cookie("__Host-a", "b", path="/x", secure=True), "needs path='/' and no domain"),
        ("4.1.3.2", Cookie("__Host-a", "b", path="/", domain="a.test", secure=True), "needs path='/' and no domain"),
    ],
)
def test_what_may_not_be_sent_is_refused(section: str, cookie: Cookie, why: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"cookie .*{why}"):
        serialize_cookie(cookie)


@pytest.mark.parametrize(
    ("section", "field", "cookie"),
    [
        ("5.6", "a=b", Cookie("a", "b")),
        ("5.6", " a = b ; ", Cookie("a", "b")),
        ("5.6 step 1", "a=b\x00", None),
        ("5.6 step 1", "a=b\tc", Cookie("a", "b\tc")),
        ("5.6 step 3", "alone", Cookie("", "alone")),
        ("5.6 step 3", "=", None),
        ("5.6 step 6", f"a={'b' * 4096}", None),
        ("5.6", "a=b; max-AGE=60; SECURE; HttpOnly", Cookie("a", "b", max_age=60, secure=True, httponly=True)),
        ("5.6", "a=b; Unknown=x; Path=/y", Cookie("a", "b", path="/y")),
        ("5.6", "a=b; path=/" + "x" * 1024, Cookie("a", "b")),
        ("5.6.1", "a=b; expires=Wed, 09 Jun 2021 10:18:14 GMT", Cookie("a", "b", expires=1623233894)),
        ("5.6.1", "a=b; expires=someday", Cookie("a", "b")),
        ("5.6.2", "a=b; max-age=-1", Cookie("a", "b", max_age=-1)),
        ("5.6.2", "a=b; max-age=1x", Cookie("a", "b")),
        ("5.6.2", "a=b; max-age=" + "9" * 500, Cookie("a", "b", max_age=999999999999999)),
        ("5.6.3", "a=b; domain=.Example.ORG", Cookie("a", "b", domain="example.org")),
        ("5.6.3", "a=b; domain=", Cookie("a", "b")),
        ("5.6.4", "a=b; path=x", Cookie("a", "b")),
        ("5.6.4", "a=b; path=/x; path=/y", Cookie("a", "b", path="/y")),
        ("5.6.7", "a=b; samesite=LAX", Cookie("a", "b", samesite="Lax")),
        ("5.6.7", "a=b; samesite=maybe", Cookie("a", "b")),
        ("5.7 step 22", "=__Host-a=b", None),
        ("CHIPS", "a=b; Partitioned; Secure", Cookie("a", "b", secure=True, partitioned=True)),
    ],
)
def test_set_cookie_is_read_as_agents_do(section: str, field: str, cookie: Cookie | None) -> None:
    assert parse_set_cookie(field) == cookie


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Wed, 09 Jun 2021 10:18:14 GMT", 1623233894),
        ("Wednesday, 09-Jun-21 10:18:14 GMT", 1623233894),
        ("Wed Jun  9 10:18:14 2021", 1623233894),
        ("9 jun 2021 10:18:14", 1623233894),
        ("10:18:14 2021 June 9th", 1623233894),
        ("9-jun-70 0:0:0", 13737600),
        ("9-jun-69 0:0:0", 3137961600),
        ("31 feb 2021 10:18:14", None),
        ("9 jun 2021 24:18:14", None),
        ("9 jun 2021 10:60:14", None),
        ("9 jun 1600 10:18:14", None),
        ("9 jun 2021", None),
        ("jun 2021 10:18:14", None),
        ("9 jux 2021 10:18:14", None),
        ("9 jun 12345 10:18:14", None),
        ("", None),
    ],
)
def test_dates_as_agents_read_them(text: str, seconds: int | None) -> None:
    """Section 5.1.1."""
    assert parse_cookie_date(text) == seconds


NAMES = st.text("abcXYZ019_-.!", min_size=1, max_size=8)
VALUES = st.text("abc019=%/+~()", max_size=12)


@given(
    st.builds(
        Cookie,
        NAMES,
        VALUES,
        max_age=st.none() | st.integers(-10, 10**9),
        expires=st.none() | st.integers(0, 4 * 10**9).map(float),
        domain=st.none() | st.sampled_from(["a.test", "localhost"]),
        path=st.none() | st.sampled_from(["/", "/a/b"]),
        secure=st.booleans(),
        httponly=st.booleans(),
        samesite=st.sampled_from([None, "Strict", "Lax", "None"]),
        partitioned=st.booleans(),
    )
)
def test_what_is_written_is_read_again(cookie: Cookie) -> None:
    if prefix_fault(cookie) is not None:
        with pytest.raises(LocalProtocolError):
            serialize_cookie(cookie)
    else:
        assert parse_set_cookie(serialize_cookie(cookie).decode()) == cookie
        assert parse_cookies(f"{cookie.name}={cookie.value}") == {cookie.name: cookie.value}


def test_a_value_that_is_no_text_is_told_so() -> None:
    with pytest.raises(LocalProtocolError, match=r"cookie 'count': value 3: expected text"):
        serialize_cookie(Cookie("count", 3))  # type: ignore[arg-type]  # as a program without types has it
