"""Forwarded (RFC 7239) and its kin: what is believed, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UseError
from toolkit.protocol.forwarded import (
    MOST_HOPS,
    Hop,
    Networks,
    canonical,
    find_client,
    parse_forwarded,
    parse_forwarded_for,
    split_list,
)

#: field, hops, the section of RFC 7239
FORWARDED: list[tuple[str, list[Hop], str]] = [
    ("", [], "4: nothing said"),
    ("for=192.0.2.60", [Hop("192.0.2.60")], "4: one pair"),
    ("For=192.0.2.60;PROTO=http;By=203.0.113.43", [Hop("192.0.2.60", 0, "http")], "4: names in any case"),
    ("for=192.0.2.43, for=198.51.100.17", [Hop("192.0.2.43"), Hop("198.51.100.17")], "4: a list"),
    ('for="[2001:db8:cafe::17]:4711"', [Hop("2001:db8:cafe::17", 4711)], "6: IPv6 in brackets and quotes"),
    ('for="[2001:DB8:CAFE::0017]"', [Hop("2001:db8:cafe::17")], "6.1: one spelling for an address"),
    ('for="192.0.2.43:47011"', [Hop("192.0.2.43", 47011)], "6: a port, in quotes"),
    ("for=unknown", [Hop(None)], "6.2: unknown"),
    ("for=_hidden, for=_SEVKISEK", [Hop(None), Hop(None)], "6.3: obfuscated"),
    ('for="_gazonk:_x"', [Hop(None)], "6.3: an obfuscated port"),
    ("for=1.2.3.4;host=example.org;proto=https", [Hop("1.2.3.4", 0, "https", "example.org")], "5: host and proto"),
    ('for=1.2.3.4;host="example.org:8080"', [Hop("1.2.3.4", 0, None, "example.org:8080")], "5.3: host in quotes"),
    ('for="1.2.3.4\\"";host="a,b;c"', [Hop(None, 0, None, "a,b;c")], "4: separators inside quotes, escaped quotes"),
    ("proto=https", [Hop(None, 0, "https")], "4: for may be missing"),
    (
        "for=1.2.3.4 ; proto=http , for=5.6.7.8",
        [Hop("1.2.3.4", 0, "http"), Hop("5.6.7.8")],
        "4: space around separators",
    ),
    (",, for=1.2.3.4,,", [Hop("1.2.3.4")], "4 and RFC 9110 5.6.1: empty elements"),
    (";for=1.2.3.4;;proto=http;", [Hop("1.2.3.4", 0, "http")], "4: empty pairs"),
    ("for=1.2.3.4;secret=x", [Hop("1.2.3.4")], "5.5: other parameters"),
]


@pytest.mark.parametrize(("field", "hops", "rule"), [pytest.param(*row, id=row[2]) for row in FORWARDED])
def test_forwarded(field: str, hops: list[Hop], rule: str) -> None:
    assert parse_forwarded(field) == hops


@pytest.mark.parametrize(
    "field",
    [
        "for",
        "for=",
        "=1.2.3.4",
        "for =1.2.3.4",
        "for= 1.2.3.4",
        'for="1.2.3.4',
        'for="1.2.3.4, for=5.6.7.8',
        'for="x"y',
        "for=[2001:db8::1]",
        "for=1.2.3.4:80",
        "for=1.2.3.4 proto=http",
        "for=1.2.3.4;for=5.6.7.8",
        'for="a\\',
        "for=\x01",
        "for=\u00e9",
    ],
)
def test_a_broken_one_is_an_error(field: str) -> None:
    with pytest.raises(ValueError, match="malformed at"):
        parse_forwarded(field)


@given(st.text(alphabet='for=;,"\\ \t1.:[]x_', max_size=60))
def test_any_field_is_read_or_refused(field: str) -> None:
    try:
        parse_forwarded(field)
    except ValueError as error:
        assert "malformed" in str(error)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    ("field", "hops"),
    [
        ("", []),
        ("1.2.3.4", [Hop("1.2.3.4")]),
        ("1.2.3.4, 5.6.7.8", [Hop("1.2.3.4"), Hop("5.6.7.8")]),
        (" 1.2.3.4 ,, 5.6.7.8,", [Hop("1.2.3.4"), Hop("5.6.7.8")]),
        ("1.2.3.4:5678", [Hop("1.2.3.4", 5678)]),
        ("2001:db8::1", [Hop("2001:db8::1")]),
        ("[2001:db8::1]", [Hop("2001:db8::1")]),
        ("[2001:db8::1]:443", [Hop("2001:db8::1", 443)]),
        ("::ffff:10.0.0.1", [Hop("10.0.0.1")]),
        ("1.2.3.4:99999", [Hop("1.2.3.4")]),
        ("1.2.3.4:x", [Hop("1.2.3.4")]),
        ("unknown, 1.2.3.4", [Hop(None), Hop("1.2.3.4")]),
        ("1.2.3", [Hop(None)]),
        ("01.2.3.4", [Hop(None)]),
        ("2130706433", [Hop(None)]),
        ("[1.2.3.4", [Hop(None)]),
        ("[::1]x", [Hop(None)]),
        ("<script>", [Hop(None)]),
    ],
)
def test_x_forwarded_for(field: str, hops: list[Hop]) -> None:
    assert parse_forwarded_for(field) == hops


def test_of_a_long_list_the_last_entries_count() -> None:
    addresses = [f"10.0.{n // 256}.{n % 256}" for n in range(1000)]
    assert [hop.address for hop in parse_forwarded_for(",".join(addresses))] == addresses[-MOST_HOPS:]
    assert [hop.address for hop in parse_forwarded(",".join(f"for={a}" for a in addresses))] == addresses[-MOST_HOPS:]
    assert split_list("a, ,b") == ["a", "b"]


TRUSTED = Networks(["10.0.0.0/8", "::1", "2001:db8::/32", "unix"])

#: peer, X-Forwarded-For, who is believed to have asked
WALKS: list[tuple[str, str, str]] = [
    ("192.0.2.1", "", "192.0.2.1"),
    ("192.0.2.1", "1.1.1.1", "192.0.2.1"),  # a stranger may say what he likes
    ("192.0.2.1", "10.0.0.1", "192.0.2.1"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
    ("10.0.0.1", "1.1.1.1, 192.0.2.1", "192.0.2.1"),  # the client's own beginning of the list
    ("10.0.0.1", "10.0.0.9, 192.0.2.1", "192.0.2.1"),
    ("10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1"),
    ("10.0.0.1", "1.1.1.1, 192.0.2.1, 10.0.0.3, 10.0.0.2", "192.0.2.1"),
    ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),  # all trusted: the first of them
    ("10.0.0.1", "192.0.2.1, unknown", "10.0.0.1"),  # who wrote the entry before is not known
    ("10.0.0.1", "192.0.2.1, evil, 10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "::ffff:10.0.0.2", "10.0.0.2"),
    ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
    ("::1", "2001:db8::5, [2001:db8::6]:80", "2001:db8::5"),
    ("", "192.0.2.1", "192.0.2.1"),  # a Unix socket, which is trusted here
    ("memory", "192.0.2.1", "memory"),
    ("10.0.0.1", "192.0.2.1:1234", "192.0.2.1"),
]


@pytest.mark.parametrize(("peer", "field", "client"), WALKS)
def test_the_list_is_walked_from_its_end_while_its_author_is_trusted(peer: str, field: str, client: str) -> None:
    hops = parse_forwarded_for(field)
    believed = find_client(peer, hops, TRUSTED)
    assert (hops[-believed].address if believed else peer) == client


@pytest.mark.parametrize("name", ["10.0.0.1/8", "example.org", "", "10.0.0.0/33", "300.0.0.1"])
def test_a_network_that_is_none_is_told(name: str) -> None:
    with pytest.raises(UseError, match="no network"):
        Networks([name])


def test_one_text_is_no_list_of_networks() -> None:
    with pytest.raises(UseError, match="expected a list"):
        Networks("10.0.0.0/8")


@pytest.mark.parametrize(
    ("text", "address"),
    [("::0001", "::1"), ("2001:DB8::A", "2001:db8::a"), ("127.0.0.1", "127.0.0.1"), ("127.1", None), ("x", None)],
)
def test_an_address_has_one_spelling(text: str, address: str | None) -> None:
    assert canonical(text) == address
