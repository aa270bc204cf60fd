"""RFC 6265bis 5.1, 5.7 and 5.8: which cookies are kept, and where they go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from toolkit.client.cookie_rules import (
    LONGEST,
    Place,
    StoredCookie,
    admit,
    default_path,
    domain_matches,
    goes_to,
    is_address,
    is_trustworthy,
    path_matches,
    protects,
)
from toolkit.protocol.cookies import Cookie, parse_set_cookie

NOW = 1_800_000_000.0
SUFFIXES = {"test", "co.test", "pages.test", "localhost", "corp", "4"}


def is_public(domain: str) -> bool:
    return domain in SUFFIXES


@pytest.mark.parametrize(
    ("section", "host", "domain", "matches"),
    [
        ("5.1.3", "a.test", "a.test", True),
        ("5.1.3", "b.a.test", "a.test", True),
        ("5.1.3", "c.b.a.test", "a.test", True),
        ("5.1.3", "a.test", "b.a.test", False),
        ("5.1.3", "xa.test", "a.test", False),
        ("5.1.3", "a.test.evil", "a.test", False),
        ("5.1.3", "a.test", "", False),
        ("5.1.3", "a.test.", "a.test", False),
        ("5.1.3", "a.test.", "", False),
        ("5.1.3", "b.a.test.", "a.test.", True),
        ("5.1.3 addresses", "127.0.0.1", "127.0.0.1", True),
        ("5.1.3 addresses", "127.0.0.1", "0.0.1", False),
        ("5.1.3 addresses", "127.0.0.1", "1", False),
        ("5.1.3 addresses", "1.2.3", "2.3", False),
        ("5.1.3 addresses", "a.0x7f", "0x7f", False),
        ("5.1.3 addresses", "::1", "::1", True),
        ("5.1.3 addresses", "::ffff:1.2.3.4", "2.3.4", False),
    ],
)
def test_domains_match(section: str, host: str, domain: str, matches: bool) -> None:
    assert domain_matches(host, domain) is matches


@pytest.mark.parametrize(
    ("section", "path", "cookie", "matches"),
    [
        ("5.1.4", "/", "/", True),
        ("5.1.4", "/a", "/", True),
        ("5.1.4", "/a", "/a", True),
        ("5.1.4", "/a/", "/a", True),
        ("5.1.4", "/a/b", "/a", True),
        ("5.1.4", "/a/b", "/a/", True),
        ("5.1.4", "/a", "/a/", False),
        ("5.1.4", "/ab", "/a", False),
        ("5.1.4", "/A", "/a", False),
        ("5.1.4", "/", "/a", False),
        ("5.1.4", "/a%2Fb", "/a", False),
    ],
)
def test_paths_match(section: str, path: str, cookie: str, matches: bool) -> None:
    assert path_matches(path, cookie) is matches


@pytest.mark.parametrize(
    ("section", "path", "default"),
    [
        ("5.1.4", "/", "/"),
        ("5.1.4", "/a", "/"),
        ("5.1.4", "/a/", "/a"),
        ("5.1.4", "/a/b", "/a"),
        ("5.1.4", "/a/b/c", "/a/b"),
        ("5.1.4", "//", "/"),
        ("5.1.4", "", "/"),
        ("5.1.4", "*", "/"),
    ],
)
def test_the_default_path_is_the_directory(section: str, path: str, default: str) -> None:
    assert default_path(path) == default


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", True),
        ("127.1", True),
        ("1", True),
        ("0x7f.1", True),
        ("1.0x7F", True),
        ("0x", True),
        ("1.2.3.4.", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("a.test", False),
        ("1.test", False),
        ("4u", False),
        ("", False),
        (".", False),
    ],
)
def test_addresses_are_known_in_all_spellings(host: str, address: bool) -> None:
    """WHATWG URL 3.5: a host whose last label is a number."""
    assert is_address(host) is address


@pytest.mark.parametrize(
    ("url", "trustworthy"),
    [
        ("https://a.test/", True),
        ("wss://a.test/", True),
        ("http://a.test/", False),
        ("http://localhost:80/", True),
        ("http://app.localhost/", True),
        ("http://notlocalhost/", False),
        ("http://localhost.a.test/", False),
        ("http://127.0.0.1/", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]/", True),
        ("http://10.0.0.1/", False),
    ],
)
def test_the_loopback_counts_as_tls(url: str, trustworthy: bool) -> None:
    """Secure Contexts 3.1."""
    where = URL(url)
    assert is_trustworthy(where.scheme, where.raw_host or "") is trustworthy
    assert Place.of(where).secure is trustworthy


HTTPS = "https://www.a.test/dir/page"
HTTP = "http://www.a.test/dir/page"


def kept(url: str, field: str) -> tuple[str, str, bool] | str | None:
    """Domain, path and whether it is for the host alone; the reason where nothing is kept; None for no cookie."""
    cookie = parse_set_cookie(field)
    if cookie is None:
        return None
    found = admit(cookie, Place.of(URL(url)), NOW, is_public)
    return found if isinstance(found, str) else (found.domain, found.path, found.host_only)


DOMAIN = "is not the host's"


@pytest.mark.parametrize(
    ("section", "url", "field", "expected"),
    [
        ("5.7 step 7 no domain", HTTPS, "a=b", ("www.a.test", "/dir", True)),
        ("5.7 step 7 empty domain", HTTPS, "a=b; Domain=", ("www.a.test", "/dir", True)),
        ("5.7 step 7 the last domain", HTTPS, "a=b; Domain=evil.test; Domain=a.test", ("a.test", "/dir", False)),
        ("5.7 step 7 the last domain", HTTPS, "a=b; Domain=a.test; Domain=", ("www.a.test", "/dir", True)),
        ("5.7 step 7 long domain", HTTPS, f"a=b; Domain={'a' * 1025}", ("www.a.test", "/dir", True)),
        ("5.7 step 8 not ASCII", HTTPS, "a=b; Domain=\u00e4.test", DOMAIN),
        ("5.7 step 10", HTTPS, "a=b; Domain=www.a.test", ("www.a.test", "/dir", False)),
        ("5.7 step 10", HTTPS, "a=b; Domain=a.test", ("a.test", "/dir", False)),
        ("5.6.3 leading dot", HTTPS, "a=b; Domain=.a.test", ("a.test", "/dir", False)),
        ("5.6.3 case", HTTPS, "a=b; domain=A.TEST", ("a.test", "/dir", False)),
        ("5.6.3 two dots", HTTPS, "a=b; Domain=..a.test", DOMAIN),
        ("5.6.3 trailing dot", HTTPS, "a=b; Domain=a.test.", DOMAIN),
        ("5.7 step 10 a sibling", HTTPS, "a=b; Domain=api.a.test", DOMAIN),
        ("5.7 step 10 a child", HTTPS, "a=b; Domain=x.www.a.test", DOMAIN),
        ("5.7 step 10 a stranger", HTTPS, "a=b; Domain=b.test", DOMAIN),
        ("5.7 step 10 an ending", "https://xa.test/", "a=b; Domain=a.test", DOMAIN),
        ("5.7 step 10 with a port", HTTPS, "a=b; Domain=a.test:443", DOMAIN),
        ("5.7 step 9 public", HTTPS, "a=b; Domain=test", DOMAIN),
        ("5.7 step 9 public", "https://x.pages.test/", "a=b; Domain=pages.test", DOMAIN),
        ("5.7 step 9 public", "https://www.x.co.test/", "a=b; Domain=co.test", DOMAIN),
        (
            "5.7 step 9 the public one itself",
            "https://pages.test/",
            "a=b; Domain=pages.test",
            ("pages.test", "/", True),
        ),
        ("5.7 step 9 a single label", "https://app.corp/", "a=b; Domain=corp", DOMAIN),
        ("5.7 step 9 localhost", "http://localhost/", "a=b; Domain=localhost", ("localhost", "/", True)),
        ("5.1.3 address", "http://1.2.3.4/", "a=b; Domain=1.2.3.4", ("1.2.3.4", "/", True)),
        ("5.1.3 address", "http://1.2.3.4/", "a=b; Domain=2.3.4", DOMAIN),
        ("5.1.3 address", "http://[::1]/", "a=b", ("::1", "/", True)),
        ("5.7 step 11", HTTPS, "a=b; Path=/x", ("www.a.test", "/x", True)),
        ("5.7 step 11 no slash", HTTPS, "a=b; Path=x", ("www.a.test", "/dir", True)),
        ("5.7 step 11 empty", HTTPS, "a=b; Path", ("www.a.test", "/dir", True)),
        ("5.7 step 11 the last path", HTTPS, "a=b; Path=/x; Path=", ("www.a.test", "/dir", True)),
        ("5.7 step 11 long path", HTTPS, f"a=b; Path=/{'x' * 1024}", ("www.a.test", "/dir", True)),
        ("5.7 step 11 no directory", "https://a.test", "a=b", ("a.test", "/", True)),
        ("5.7 step 11 the query is no path", "https://a.test/x?y=/z/", "a=b", ("a.test", "/", True)),
        ("5.7 step 13", HTTPS, "a=b; Secure", ("www.a.test", "/dir", True)),
        ("5.7 step 13", HTTP, "a=b; Secure", "set without TLS"),
        ("5.7 step 13 loopback", "http://127.0.0.1:8000/", "a=b; Secure", ("127.0.0.1", "/", True)),
        ("5.7 step 19", HTTPS, "a=b; SameSite=None; Secure", ("www.a.test", "/dir", True)),
        ("5.7 step 19", HTTPS, "a=b; SameSite=None", "SameSite=None needs secure"),
        ("5.7 step 20", HTTPS, "__Secure-a=b; Secure", ("www.a.test", "/dir", True)),
        ("5.7 step 20", HTTPS, "__Secure-a=b", "__Secure-"),
        ("5.7 step 20 any case", HTTPS, "__sEcUrE-a=b", "needs secure"),
        ("5.7 step 20", HTTP, "__Secure-a=b; Secure", "set without TLS"),
        ("5.7 step 21", HTTPS, "__Host-a=b; Secure; Path=/", ("www.a.test", "/", True)),
        ("5.7 step 21 no path", HTTPS, "__Host-a=b; Secure", "__Host-"),
        ("5.7 step 21 another path", HTTPS, "__Host-a=b; Secure; Path=/dir", "__Host-"),
        ("5.7 step 21 a domain", HTTPS, "__Host-a=b; Secure; Path=/; Domain=a.test", "__Host-"),
        ("5.7 step 21 its own domain", HTTPS, "__Host-a=b; Secure; Path=/; Domain=www.a.test", "__Host-"),
        (
            "5.7 steps 9, 21",
            "https://pages.test/",
            "__Host-a=b; Secure; Path=/; Domain=pages.test",
            ("pages.test", "/", True),
        ),
        ("5.7 step 21 any case", HTTPS, "__HOST-a=b; Path=/", "needs secure"),
        ("5.7 step 22", HTTPS, "=__Secure-a=b; Secure", None),
        ("5.6 step 4 no name", HTTPS, "alone", ("www.a.test", "/dir", True)),
        ("5.6 step 5 nothing", HTTPS, "=; Path=/", None),
        ("5.6 step 6 size", HTTPS, f"a={'b' * 4095}", ("www.a.test", "/dir", True)),
        ("5.6 step 6 size", HTTPS, f"a={'b' * 4096}", None),
        ("5.6 step 1 control character", HTTPS, "a=b\x01", None),
        ("5.6 quotes and commas stay", HTTPS, 'a="b, c"; Path=/', ("www.a.test", "/", True)),
    ],
)
def test_what_is_kept_of_an_answer(
    section: str, url: str, field: str, expected: tuple[str, str, bool] | str | None
) -> None:
    found = kept(url, field)
    if isinstance(expected, str):
        assert isinstance(found, str)
        assert expected in found
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("section", "cookie", "expires"),
    [
        ("5.7 step 6", Cookie("a"), None),
        ("5.7 step 6", Cookie("a", max_age=60), NOW + 60),
        ("5.7 step 6", Cookie("a", expires=NOW + 60), NOW + 60),
        ("5.7 step 6", Cookie("a", expires=datetime.fromtimestamp(NOW + 60, UTC)), NOW + 60),
        ("5.7 step 6 Max-Age first", Cookie("a", max_age=60, expires=NOW + 5), NOW + 60),
        ("5.7 step 6 Max-Age first", Cookie("a", max_age=0, expires=NOW + 5), 0.0),
        ("5.6.2 negative", Cookie("a", max_age=-1), 0.0),
        ("5.5 no longer than", Cookie("a", max_age=10**15), NOW + LONGEST),
        ("5.5 no longer than", Cookie("a", expires=NOW * 2), NOW + LONGEST),
        ("5.7 step 6 in the past", Cookie("a", expires=1.0), 1.0),
    ],
)
def test_how_long_it_is_kept(section: str, cookie: Cookie, expires: float | None) -> None:
    found = admit(cookie, Place("a.test", "/", True), NOW, is_public)
    assert isinstance(found, StoredCookie)
    assert found.expires == expires


@pytest.mark.parametrize(
    ("section", "cookie", "url", "goes"),
    [
        ("5.8.3 host only", StoredCookie("a", "b", "a.test"), "http://a.test/", True),
        ("5.8.3 host only", StoredCookie("a", "b", "a.test"), "http://www.a.test/", False),
        ("5.8.3 domain", StoredCookie("a", "b", "a.test", host_only=False), "http://www.a.test/", True),
        ("5.8.3 domain", StoredCookie("a", "b", "a.test", host_only=False), "http://test/", False),
        ("5.8.3 domain", StoredCookie("a", "b", "a.test", host_only=False), "http://xa.test/", False),
        ("5.8.3 path", StoredCookie("a", "b", "a.test", "/x"), "http://a.test/x/y?z", True),
        ("5.8.3 path", StoredCookie("a", "b", "a.test", "/x"), "http://a.test/", False),
        ("5.8.3 secure", StoredCookie("a", "b", "a.test", secure=True), "https://a.test/", True),
        ("5.8.3 secure", StoredCookie("a", "b", "a.test", secure=True), "http://a.test/", False),
        ("8.5 ports do not matter", StoredCookie("a", "b", "a.test", secure=True), "https://a.test:8443/", True),
        ("5.7 over", StoredCookie("a", "b", "a.test", expires=NOW), "http://a.test/", False),
        ("5.7 not over", StoredCookie("a", "b", "a.test", expires=NOW + 1), "http://a.test/", True),
        ("5.8.3 HttpOnly", StoredCookie("a", "b", "a.test", httponly=True), "http://a.test/", True),
        ("5.8.3 SameSite", StoredCookie("a", "b", "a.test", samesite="Strict"), "http://a.test/", True),
    ],
)
def test_where_a_cookie_goes(section: str, cookie: StoredCookie, url: str, goes: bool) -> None:
    assert goes_to(cookie, Place.of(URL(url)), NOW) is goes


def plain(domain: str, path: str = "/") -> StoredCookie:
    return StoredCookie("a", "b", domain, path)


def secure(domain: str, path: str = "/") -> StoredCookie:
    return StoredCookie("a", "b", domain, path, secure=True)


@pytest.mark.parametrize(
    ("section", "old", "new", "protected"),
    [
        ("5.7 step 16", secure("a.test"), plain("a.test"), True),
        ("5.7 step 16 a domain above", secure("a.test"), plain("x.a.test"), True),
        ("5.7 step 16 a domain below", secure("x.a.test"), plain("a.test"), True),
        ("5.7 step 16 a longer path", secure("a.test"), plain("a.test", "/x"), True),
        ("5.7 step 16 a shorter path", secure("a.test", "/x"), plain("a.test"), False),
        ("5.7 step 16 another name", replace(secure("a.test"), name="b"), plain("a.test"), False),
        ("5.7 step 16 another host", secure("b.test"), plain("a.test"), False),
        ("5.7 step 16 not secure itself", plain("a.test"), plain("a.test"), False),
    ],
)
def test_secure_cookies_are_left_alone(section: str, old: StoredCookie, new: StoredCookie, protected: bool) -> None:
    assert protects(old, new) is protected


def test_without_a_list_no_cookie_goes_to_another_host() -> None:
    """Whether `a.test` is one owner's is not known then."""
    found = admit(Cookie("a", "b", domain="a.test"), Place.of(URL(HTTPS)), NOW, None)
    assert isinstance(found, StoredCookie)
    assert (found.domain, found.host_only) == ("www.a.test", True)
    assert isinstance(admit(Cookie("a", "b", domain="b.test"), Place.of(URL(HTTPS)), NOW, None), str)
    host = Cookie("__Host-a", "b", secure=True, path="/", domain="a.test")
    assert isinstance(admit(host, Place.of(URL(HTTPS)), NOW, None), str)


def test_a_value_is_in_no_repr() -> None:
    assert "hunter2" not in repr(StoredCookie("a", "hunter2", "a.test"))


LABELS = st.sampled_from(["a", "b", "www", "test", "co", "pages", "1", "4", "localhost"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


@given(HOSTS, HOSTS, HOSTS, st.booleans())
def test_no_cookie_leaves_for_a_foreign_host(source: str, asked: str, target: str, listed: bool) -> None:
    """Whatever a host says, its cookie comes to itself, or to hosts that share with it what no public suffix is."""
    cookie = Cookie("a", "b", domain=asked, path="/")
    found = admit(cookie, Place(source, "/", True), NOW, is_public if listed else None)
    if isinstance(found, str) or not goes_to(found, Place(target, "/", True), NOW) or target == source:
        return
    assert listed
    assert not is_public(found.domain)
    assert not is_address(source)
    assert not is_address(target)
    assert source == found.domain or source.endswith(f".{found.domain}")
    assert target == found.domain or target.endswith(f".{found.domain}")
