"""What answers are kept by: what a handler could tell apart has different keys, what it could not has one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.cache.keys import Key, chosen_query, field_lines, normal_path, vary_names


@pytest.mark.parametrize(
    ("path", "spelt"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/%61/b", "/a/b"),  # RFC 3986 6.2.2.2: unreserved
        ("/a%2fb", "/a%2Fb"),  # 6.2.2.1: a slash in a segment stays one
        ("/a%2Fb", "/a%2Fb"),
        ("/%c3%a9", "/%C3%A9"),
        ("/é", "/%C3%A9"),  # as people write it
        ("/a b", "/a%20b"),
        ("/a%20b", "/a%20b"),
        ("/a%00b", "/a%00b"),
        ("/a%0ab", "/a%0Ab"),
        ("/a:b@c", "/a:b@c"),
        ("/%ff", "/%FF"),
        ("/100%", "/100%25"),
        ("/100%25", "/100%25"),
        ("//a", "//a"),
        ("/a/", "/a/"),
    ],
)
def test_a_path_is_spelt_in_one_way(path: str, spelt: str) -> None:
    assert normal_path(path) == spelt
    assert normal_path(spelt) == spelt


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_it_is_one_line_whatever_is_in_it(path: str) -> None:
    spelt = normal_path(path)
    assert "\n" not in spelt
    assert normal_path(spelt) == spelt


@pytest.mark.parametrize(
    ("query", "names", "chosen"),
    [
        ("", None, ""),
        ("b=2&a=1", None, "a=1&b=2"),
        ("a=2&b=0&a=1", None, "a=2&a=1&b=0"),  # several of one name mean something by their order
        ("a=1&utm_source=x", ["a"], "a=1"),
        ("a=1&b=2", [], ""),
        ("%61=1&b=2", ["a"], "%61=1"),
        ("my+name=1", ["my name"], "my+name=1"),
        ("a&a=", None, "a&a="),
        ("a=1&&b=2&", None, "a=1&b=2"),
        ("a=%41", None, "a=%41"),  # not decoded: r.query would tell it from A
        ("a=1=2", ["a"], "a=1=2"),
        ("A=1", ["a"], ""),
    ],
)
def test_the_parameters_that_matter(query: str, names: list[str] | None, chosen: str) -> None:
    assert chosen_query(query, names) == chosen


@given(st.lists(st.sampled_from(["a=1", "a=2", "b=1", "c", "d=x%26y"])), st.randoms())
def test_the_order_of_names_does_not_matter(pairs: list[str], chance: object) -> None:
    by_name = sorted(pairs, key=lambda pair: pair.partition("=")[0])
    assert chosen_query("&".join(pairs), None) == "&".join(by_name)


def test_fields_are_a_line_each() -> None:
    fields = [(b"Accept", b"a"), (b"accept", b"b"), (b"x", b"")]
    assert field_lines(fields, ["accept"]) == "\naccept: a, b"
    assert field_lines(fields, ["x"]) == "\nx: "
    assert field_lines(fields, ["y"]) == "\ny"
    assert Key("/", "GET").with_fields(fields, ("accept", "y")) == Key("/", "GET\naccept: a, b\ny")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([], ()),
        ([b"Accept-Language"], ("accept-language",)),
        ([b"b, A", b"a ,,"], ("a", "b")),
        ([b"*"], None),
        ([b"a, *"], None),
        ([b""], ()),
    ],
)
def test_what_an_answer_depends_on(values: list[bytes], names: tuple[str, ...] | None) -> None:
    assert vary_names([(b"Vary", value) for value in values]) == names


@pytest.mark.parametrize("names", [None, ["a"]])
def test_parameters_of_one_name_stay_in_their_order_however_it_is_spelt(names: list[str] | None) -> None:
    """The last one counts in `r.params()`: `a` is 1 here and 2 there."""
    assert chosen_query("a=2&%61=1", names) == "a=2&%61=1"
    assert chosen_query("%61=1&a=2", names) == "%61=1&a=2"
