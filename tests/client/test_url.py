"""URLs: a legal URI is sent byte for byte; other text is percent-encoded (RFC 3986)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.url import join_url, parse_url, shown_url, with_params

# RFC 3986 3.3, 3.4: what may stand in a path and a query as it is.
PCHAR = "abcXYZ019-._~!$&'()*+,;=:@"
percent = st.tuples(st.sampled_from("0123456789ABCDEFabcdef"), st.sampled_from("0123456789ABCDEFabcdef")).map(
    lambda pair: "%" + "".join(pair)
)
paths = st.lists(st.sampled_from([*PCHAR, "/"]) | percent, max_size=30).map("".join)
queries = st.lists(st.sampled_from([*PCHAR, "/", "?"]) | percent, max_size=30).map("".join)


@given(paths, queries)
def test_a_legal_uri_is_not_touched(path: str, query: str) -> None:
    # A signed URL is signed over its bytes; an object's key may be called `../x` or hold `//`.
    target = f"/{path}?{query}" if query else f"/{path}"
    assert parse_url(f"http://a.test{target}").raw_path_qs == target
    assert join_url(parse_url("http://a.test/base/x?y"), f"http://b.test{target}").raw_path_qs == target


@given(paths)
def test_an_absolute_path_is_not_touched_by_joining(path: str) -> None:
    target = "/" + path.lstrip("/")
    joined = join_url(parse_url("https://a.test:8443/base/x?y"), target)
    assert (joined.scheme, joined.raw_authority, joined.raw_path_qs) == ("https", "a.test:8443", target)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://a.test/with space", "/with%20space"),
        ("http://a.test/caf\u00e9", "/caf%C3%A9"),
        ("http://a.test/100%", "/100%25"),
        ("http://a.test/%zz", "/%25zz"),
        ("http://a.test/a|b", "/a%7Cb"),
        ('http://a.test/"<>', "/%22%3C%3E"),
        ("http://a.test/?q=\u00fc b", "/?q=%C3%BC+b"),
        # Where anything has to be quoted, what is quoted already stays so.
        ("http://a.test/a%2Fb \u00e9", "/a%2Fb%20%C3%A9"),
    ],
)
def test_other_text_is_quoted(text: str, target: str) -> None:
    assert parse_url(text).raw_path_qs == target


def test_a_host_of_other_letters_is_sent_in_its_ascii_form() -> None:
    assert parse_url("http://b\u00fccher.test/").raw_host == "xn--bcher-kva.test"


@pytest.mark.parametrize(("text", "host", "port"), [("http://[::1]:81/", "::1", 81), ("https://a.test", "a.test", 443)])
def test_hosts_and_ports(text: str, host: str, port: int) -> None:
    url = parse_url(text)
    assert (url.raw_host, url.port) == (host, port)


@pytest.mark.parametrize("text", ["http://[::1", "http://[x]/"])
def test_what_is_no_url_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"IPv6|IP address|Invalid"):
        parse_url(text)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        # RFC 3986 5.4.1, the normal examples, with the base of 5.4.
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("//G.test/X", "http://g.test/X"),  # 6.2.2.1: the case of a host tells nothing
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"),
        ("g?y#s", "http://a/b/c/g?y#s"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../g", "http://a/g"),
        # 5.4.2, abnormal ones
        ("../../../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        ("..g", "http://a/b/c/..g"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        # Not merged with the base, and so left as they are.
        ("/./g", "http://a/./g"),
        ("/../g", "http://a/../g"),
    ],
)
def test_relative_references_are_resolved(reference: str, expected: str) -> None:
    assert str(join_url(parse_url("http://a/b/c/d;p?q"), reference)) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a.test/x@y", "http://a.test/x@y"),
        ("me:secret@a.test/x", "***@a.test/x"),  # the scheme was forgotten
        ("http://ada:hunter2@a.test/x@y", "http://***@a.test/x@y"),
        ("http://ada:hunt@er2@a.test/", "http://***@a.test/"),
        ("//ada@a.test?q=//b@c", "//***@a.test?q=//b@c"),
        ("/path", "/path"),
    ],
)
def test_a_login_is_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/b", "http://a/b?k=1&k=2&l=x%20y"),
        ("http://a/b?", "http://a/b?k=1&k=2&l=x%20y"),
        ("http://a/b?z", "http://a/b?z&k=1&k=2&l=x%20y"),
        ("http://a/b?k=9", "http://a/b?k=9&l=x%20y"),  # the request's own word counts
        ("http://a/b?l=&k=9", "http://a/b?l=&k=9"),
        ("http://a/b?K=9", "http://a/b?K=9&k=1&k=2&l=x%20y"),  # names are told by case
    ],
)
def test_default_params_go_where_there_are_none_of_the_name(url: str, expected: str) -> None:
    given = with_params(parse_url(url), [("k", "1"), ("k", "2"), ("l", "x y")])
    assert str(given).replace("+", "%20") == expected
    assert str(with_params(parse_url(url), [])) == str(parse_url(url))
