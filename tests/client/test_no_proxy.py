"""Which hosts a `no_proxy` covers: the rules as a table, beside what curl, Go and requests make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.no_proxy import parse_rules
from toolkit.errors import UseError

TABLE = [
    # rules, host, port, covered
    ("", "example.org", 80, False),
    ("example.org", "example.org", 80, True),
    ("example.org", "www.example.org", 80, True),  # curl, Go, requests
    ("example.org", "a.b.example.org", 443, True),
    ("example.org", "badexample.org", 80, False),  # requests: covered
    ("example.org", "example.org.evil.test", 80, False),
    ("example.org", "EXAMPLE.org", 80, True),
    ("EXAMPLE.ORG", "example.org", 80, True),
    ("example.org", "example.org.", 80, True),  # the name's root dot
    ("example.org.", "example.org", 80, True),
    (".example.org", "www.example.org", 80, True),
    (".example.org", "example.org", 80, True),  # curl, urllib; Go: not
    (".example.org", "badexample.org", 80, False),
    ("*.example.org", "www.example.org", 80, True),  # Go
    ("*.example.org", "example.org", 80, True),  # Go: not
    ("example.org:8080", "example.org", 8080, True),  # Go
    ("example.org:8080", "example.org", 80, False),
    ("example.org:8080", "www.example.org", 8080, True),
    ("*", "anything.test", 1, True),
    ("a.test, *", "anything.test", 1, True),  # curl: only where it stands alone
    ("*:8080", "anything.test", 8080, True),
    ("*:8080", "anything.test", 80, False),
    ("a.test,b.test", "b.test", 80, True),
    ("a.test b.test", "b.test", 80, True),  # curl
    (" a.test ,, b.test ", "b.test", 80, True),
    ("localhost", "127.0.0.1", 80, False),  # nobody asks DNS
    ("a.test", "localhost", 80, False),  # Go would leave out localhost by itself
    ("10.0.0.1", "10.0.0.1", 80, True),
    ("10.0.0.1", "10.0.0.10", 80, False),
    ("10.0.0.1:81", "10.0.0.1", 81, True),
    ("10.0.0.1:81", "10.0.0.1", 80, False),
    ("10.0.0.0/8", "10.255.1.2", 80, True),  # Go, requests, curl since 7.86
    ("10.0.0.0/8", "11.0.0.1", 80, False),
    ("10.1.2.3/8", "10.9.9.9", 80, True),  # bits beyond the network's do not count
    ("10.0.0.0/8:81", "10.0.0.1", 81, True),
    ("10.0.0.0/8:81", "10.0.0.1", 80, False),
    ("10.0.0.0/8", "10.example.org", 80, False),
    ("0.1", "10.0.0.1", 80, False),  # an address is no name below another
    ("::1", "::1", 80, True),
    ("[::1]", "::1", 80, True),
    ("[::1]:81", "::1", 81, True),
    ("[::1]:81", "::1", 80, False),
    ("::1", "0:0:0:0:0:0:0:1", 80, True),  # the same address
    ("fd00::/8", "fd12::1", 80, True),
    ("fd00::/8", "fe80::1", 80, False),
    ("fe80::/10", "fe80::1%eth0", 80, True),
    ("10.0.0.1", "::ffff:10.0.0.1", 80, True),  # CVE-2026-44492 is about these
    ("10.0.0.0/8", "::ffff:a00:1", 80, True),
    ("::ffff:10.0.0.0/104", "10.1.1.1", 80, True),
    ("127.0.0.0/8", "127.1", 80, True),  # what the system would connect to
    ("127.0.0.1", "2130706433", 80, True),
    ("127.0.0.1", "0x7f000001", 80, True),
    ("127.0.0.1", "0177.0.0.1", 80, True),
    ("127.0.0.1", "127.0.0.1.", 80, True),
    ("0.0.0.0/0", "::1", 80, False),
]


@pytest.mark.parametrize(("rules", "host", "port", "covered"), TABLE)
def test_what_is_covered(rules: str, host: str, port: int, covered: bool) -> None:
    assert parse_rules(rules).covers(host, port) is covered


@pytest.mark.parametrize(
    "rule", ["http://a.test", "10.0.0.0/33", "a/b", "[::1", "a@b", "**", ".", "a.test:http", "::1/x"]
)
def test_what_is_no_rule_is_told_of_or_passed_over(rule: str) -> None:
    with pytest.raises(UseError, match=r"is no rule; expected a host, \.domain"):
        parse_rules(f"a.test {rule}")
    assert parse_rules(f"{rule} a.test", strict=False).covers("a.test", 80)


@given(st.text(), st.text(), st.integers(0, 65535))
def test_any_text_is_rules_or_is_passed_over(rules: str, host: str, port: int) -> None:
    assert parse_rules(rules, strict=False).covers(host, port) in (True, False)


@given(st.ip_addresses(), st.ip_addresses())
def test_an_address_covers_itself_alone(one: object, other: object) -> None:
    rules = parse_rules(str(one))
    assert rules.covers(str(one), 80)
    mapped = str(other).removeprefix("::ffff:") == str(one) or getattr(other, "ipv4_mapped", None) == one
    assert rules.covers(str(other), 80) == (one == other or mapped or getattr(one, "ipv4_mapped", 0) == other)
