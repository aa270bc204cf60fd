"""Where a redirect may lead: nowhere that the program did not name."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UseError
from toolkit.server.locations import location_of


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/x", "/x"),
        ("/x?y=z#f", "/x?y=z#f"),
        ("?y=z", "?y=z"),
        ("#f", "#f"),
        ("x/y", "x/y"),
        ("../x", "../x"),
        ("https://a.test/x", "https://a.test/x"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("/a b\u00e9", "/a%20b%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("  /x ", "/x"),
        # CVE-2021-21330, CVE-2023-28370, CVE-2020-28724: these are hosts to a browser
        ("//evil.test", "/evil.test"),
        ("///evil.test/x", "/evil.test/x"),
        ("/\\evil.test", "/evil.test"),
        ("\\\\evil.test", "/evil.test"),
        ("\\/evil.test", "/evil.test"),
        ("/\t/evil.test", "/evil.test"),
        ("/\n\\evil.test", "/evil.test"),
        ("/x\r\nset-cookie: a=b", "/x%0D%0Aset-cookie:%20a=b"),
        ("/x\\y", "/x%5Cy"),
        ("x?next=http://a.test", "x?next=http://a.test"),
    ],
)
def test_locations(location: str, sent: str) -> None:
    assert location_of(location) == sent


@pytest.mark.parametrize(
    "location",
    [
        "",
        " ",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "http:evil.test",
        "http:///x",
        "ftp://a.test",
        "mailto:a@b",
        "http://[::1",
        "a:b",
        None,
    ],
)
def test_other_schemes_are_refused(location: str) -> None:
    with pytest.raises(UseError, match=r"redirect\("):
        location_of(location)


@pytest.mark.parametrize("status", [200, 304, 305, 306, 309, 400, "302"])
def test_a_status_that_redirects_nowhere_is_refused(status: int) -> None:
    with pytest.raises(UseError, match="expected one of"):
        location_of("/x", status)


@given(st.sampled_from(["/", "\\"]), st.text("/\\\t\r\n .:@evilts?#%", max_size=12))
def test_what_begins_with_a_slash_stays_on_its_host(first: str, rest: str) -> None:
    sent = location_of(first + rest)
    assert sent.isascii()
    assert sent.isprintable()
    assert urlsplit(urljoin("http://here.test/a", sent)).netloc == "here.test"
