"""Path templates: spellings, what is none, paths built from values, and the path with the other slash."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UseError
from toolkit.server.converters import CONVERTERS
from toolkit.server.patterns import Parameter, build, check_prefix, other_slash, parse


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/a/{b}", "/a/{b}"),
        ("/a/:b", "/a/{b}"),
        ("/a/<b>", "/a/{b}"),
        ("/a/{b:int}", "/a/{b:int}"),
        ("/a/<int:b>", "/a/{b:int}"),
        ("/a/{b:str}", "/a/{b}"),
        ("/a/<str:b>/c", "/a/{b}/c"),
        ("/{x:float}", "/{x:float}"),
        ("/<uuid:x>", "/{x:uuid}"),
        ("/files/{path:path}", "/files/{path:path}"),
        ("/<path:path>", "/{path:path}"),
        ("/user/:id", "/user/{id}"),
        ("/:user_id", "/{user_id}"),
        ("/route/<filename>", "/route/{filename}"),
        ("/:a/<b>/{c}", "/{a}/{b}/{c}"),
        ("/{x:hex}", "/{x:hex}"),  # whether there is one is known when it is bound
        ("/books:archive", "/books:archive"),  # a colon inside is a character
        ("/caf\u00e9", "/caf\u00e9"),
    ],
)
def test_spellings(written: str, normal: str) -> None:
    assert str(parse(written)) == normal
    assert parse(normal) == parse(written)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a", "begins with '/'"),
        ("", "begins with '/'"),
        ("/a{b}", "a parameter is a whole segment"),
        ("/{a}b", "a parameter is a whole segment"),
        ("/{a", "a parameter is a whole segment"),
        ("/x}/{a}", "a parameter is a whole segment"),
        ("/<a>b", "a parameter is a whole segment"),
        ("/a>", "a parameter is a whole segment"),
        ("/{a:b:c}", "a parameter is a whole segment"),
        ("/:a:b", "a parameter is a whole segment"),
        (
            "/a/*",
            r"'/a/\*': '\*' would be a literal asterisk; '{rest:path}' takes the rest of a path, '{rest}' one segment",
        ),
        ("/*/b", "'{rest}' one segment"),
        ("/a/**", "'{rest:path}' takes the rest of a path"),
        ("/a/*files", "'{files:path}' takes the rest of a path"),
        ("/{}", "is no parameter"),
        ("/<>", "is no parameter"),
        ("/:", "is no parameter"),
        ("/{a b}", "is no parameter"),
        ("/{1}", "is no parameter"),
        ("/{a:x-y}", "is no parameter"),
        ("/{a}/{a}", "two parameters are called 'a'"),
        ("/{a:path}/b", "takes the rest of the path; nothing can follow it"),
        ("/{a:path}/", "takes the rest of the path; nothing can follow it"),
    ],
)
def test_a_path_that_is_none(path: str, why: str) -> None:
    with pytest.raises(UseError, match=why):
        parse(path)


def test_parameters_and_shape() -> None:
    pattern = parse("/a/{b:int}/{c}")
    assert pattern.parameters == (Parameter("b", "int"), Parameter("c", ""))
    assert pattern.shape == parse("/a/<int:x>/:y").shape != parse("/a/{b}/{c}").shape


@pytest.mark.parametrize(("prefix", "normal"), [("", ""), ("/", ""), ("/a", "/a"), ("/a/", "/a"), ("/:a/b", "/:a/b")])
def test_prefixes(prefix: str, normal: str) -> None:
    assert check_prefix(prefix) == normal


@pytest.mark.parametrize(("prefix", "why"), [("a", "begins with"), ("/{a:path}", "leaves nothing to serve")])
def test_a_prefix_that_is_none(prefix: str, why: str) -> None:
    with pytest.raises(UseError, match=why):
        check_prefix(prefix)


# Building


@pytest.mark.parametrize(
    ("path", "values", "url"),
    [
        ("/", {}, "/"),
        ("/a//b/", {}, "/a//b/"),
        ("/hello/{name}", {"name": "you"}, "/hello/you"),
        # RFC 3986 3.3: a segment is pchar; everything else is encoded, a slash and a percent sign as well.
        ("/hello/{name}", {"name": "a/b"}, "/hello/a%2Fb"),
        ("/hello/{name}", {"name": "a b?c#d"}, "/hello/a%20b%3Fc%23d"),
        ("/hello/{name}", {"name": "50%"}, "/hello/50%25"),
        ("/hello/{name}", {"name": "\u00fc"}, "/hello/%C3%BC"),
        ("/hello/{name}", {"name": "a+b:c@d;e=f,g&h"}, "/hello/a+b:c@d;e=f,g&h"),
        ("/hello/{name}", {"name": "\\evil"}, "/hello/%5Cevil"),
        ("/hello/{name}", {"name": "..."}, "/hello/..."),
        ("/hello/{name}", {"name": 5}, "/hello/5"),
        ("/{a:int}/{b:float}", {"a": -5, "b": 2.5}, "/-5/2.5"),
        ("/{a:float}", {"a": 3}, "/3"),
        ("/{a:uuid}", {"a": UUID(int=1)}, "/00000000-0000-0000-0000-000000000001"),
        ("/files/{path:path}", {"path": "a/b c/d.txt"}, "/files/a/b%20c/d.txt"),
        # A literal with escapes of its own keeps them.
        ("/a%20b/caf\u00e9", {}, "/a%20b/caf%C3%A9"),
        ("/100%", {}, "/100%25"),
    ],
)
def test_build(path: str, values: dict[str, object], url: str) -> None:
    assert build(parse(path), values, CONVERTERS) == url


@pytest.mark.parametrize(
    ("path", "values", "why"),
    [
        ("/{a}", {}, "needs a; got none"),
        ("/{a}/{b}", {"a": 1}, "needs a, b; got a"),
        ("/a", {"b": 1}, "needs no values; got b"),
        ("/{a}", {"a": ""}, "leads elsewhere"),
        ("/{a}", {"a": "."}, "leads elsewhere"),
        ("/{a}", {"a": ".."}, "leads elsewhere"),
        ("/{a:path}", {"a": "b/../c"}, "leads elsewhere"),
        ("/{a:path}", {"a": "/b"}, "is not of this kind"),
        ("/{a:int}", {"a": "x"}, "is not of this kind"),
        ("/{a:int}", {"a": True}, "is not of this kind"),
        ("/{a:int}", {"a": 1.5}, "is not of this kind"),
        ("/{a:float}", {"a": "x"}, "is not of this kind"),
        ("/{a:float}", {"a": float("inf")}, "is not of this kind"),
        ("/{a:uuid}", {"a": 7}, "is not of this kind"),
    ],
)
def test_a_path_that_cannot_be_built(path: str, values: dict[str, object], why: str) -> None:
    with pytest.raises(UseError, match=why):
        build(parse(path), values, CONVERTERS)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in (".", ".."))
)
def test_any_text_comes_back_from_a_built_path(text: str) -> None:
    url = build(parse("/a/{b}"), {"b": text}, CONVERTERS)
    assert url.isascii()
    assert url.count("/") == 2
    assert unquote(url[3:]) == text


# The other slash


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/a", "/a/"),
        ("/a/", "/a"),
        ("/a/b%2F", "/a/b%2F/"),
        ("/a//", "/a/"),
        ("/%2Fevil.example/", "/%2Fevil.example"),
        ("/%5Cevil.example/", "/%5Cevil.example"),
        ("/.//evil.example/", "/.//evil.example"),
        ("/", None),
        ("", None),
        ("*", None),
        ("a/", None),
        ("evil.example:443", None),
        # A Location of two slashes, or what browsers take for two, names another host (CVE-2021-21330, CVE-2023-28370).
        ("//", None),
        ("//evil.example", None),
        ("//evil.example/", None),
        ("///evil.example/", None),
        ("/\\evil.example/", None),
        ("/\\/evil.example/", None),
    ],
)
def test_the_other_slash(path: str, other: str | None) -> None:
    assert other_slash(path) == other


@given(st.text(alphabet="/\\.%2Fa:@", max_size=12))
def test_the_other_slash_never_leads_to_another_host(path: str) -> None:
    other = other_slash(path)
    if other is not None:
        there = urlsplit(urljoin("http://here.example/x", other.replace("\\", "/")))
        assert (there.scheme, there.netloc) == ("http", "here.example")
        assert other_slash(other) == path


@pytest.mark.parametrize("path", ["/a?b=1", "/a/{b}?c", "/a#b"])
def test_a_path_that_no_request_can_have_is_refused(path: str) -> None:
    """RFC 3986 3.3: a path is terminated by the first "?" or "#"."""
    with pytest.raises(UseError, match=r"a path ends before '\?' and '#'"):
        parse(path)
