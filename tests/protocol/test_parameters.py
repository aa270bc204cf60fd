"""Parameters of fields: RFC 8288 B.3, RFC 9110 5.6.4, RFC 8187 3.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.parameters import extended_value, parameter_list, quoted_string


@pytest.mark.parametrize(
    ("section", "text", "expected"),
    [
        ("8288 B.3", "", []),
        ("8288 B.3", "; a=b", [("a", "b")]),
        ("8288 B.3", ";A=b", [("a", "b")]),
        ("8288 B.3 (white space)", " ;\ta = b ; c =d", [("a", "b"), ("c", "d")]),
        ("8288 B.3 (no value)", "; a; b=", [("a", ""), ("b", "")]),
        ("8288 B.3 (empty ones)", ";;; a=b;;", [("a", "b")]),
        ("8288 B.3 (repeated)", "; a=b; a=c", [("a", "b"), ("a", "c")]),
        ("8288 B.3 (spaces in a bare value)", "; a=b c d; e=f", [("a", "b c d"), ("e", "f")]),
        ("8288 B.3 (behind a quote)", '; a="b"c; d=e', [("a", "b"), ("d", "e")]),
        ("8288 B.3 (no name)", "; =b; c=d", [("c", "d")]),
        ("8288 B.3 (a comma that ends nothing)", "; a, b=c; d=e", [("a", ""), ("d", "e")]),
        ("8288 B.3 (a comma in front)", ",; a=b", [("a", "b")]),
        ("9110 5.6.4", '; a="b;c,d=e"', [("a", "b;c,d=e")]),
        ("9110 5.6.4", '; a="b\\"c\\\\d\\e"', [("a", 'b"c\\de')]),
        ("9110 5.6.4 (not closed)", '; a="b; c=d', [("a", "b; c=d")]),
        ("9110 5.6.4 (a backslash at the end)", '; a="b\\', [("a", "b\\")]),
        ("9110 5.6.4", '; a=""', [("a", "")]),
    ],
)
def test_a_list_of_parameters(section: str, text: str, expected: list[tuple[str, str]]) -> None:
    assert parameter_list(text, 0) == (expected, len(text)), section


def test_a_list_ends_at_a_comma_where_it_is_one_of_several() -> None:
    text = '; a=b; c="d,e" ,<f>'
    assert parameter_list(text, 0, stop=",") == ([("a", "b"), ("c", "d,e")], text.index(",<"))


def test_no_more_than_64_are_kept() -> None:
    found, at = parameter_list("; a=b" * 1000, 0)
    assert (len(found), at) == (64, 5000)


def test_a_quoted_string_ends_behind_its_quote() -> None:
    assert quoted_string('x"a b"y', 1) == ("a b", 6)


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("8187 3.2.2", "iso-8859-1'en'%A3%20rates", "\u00a3 rates"),
        ("8187 3.2.2", "UTF-8''%c2%a3%20and%20%e2%82%ac%20rates", "\u00a3 and \u20ac rates"),
        ("8187 3.2.1", "utf-8'de-CH'%C3%84", "\u00c4"),
        ("8187 3.2.1 (empty)", "UTF-8''", ""),
        ("8187 3.2.1 (a quote in it)", "UTF-8''it's", "it's"),
        ("8187 3.2 (another charset)", "utf-16''%20", None),
        ("8187 3.2 (no charset)", "''a", None),
        ("8187 3.2.1 (no quotes)", "a", None),
        ("8187 3.2.1 (one quote)", "UTF-8'a", None),
        ("8187 3.2.1 (bytes that are not UTF-8)", "UTF-8''%A3", None),
        ("8187 3.2.1 (half an escape)", "UTF-8''a%2", None),
        ("8187 3.2.1 (no escape)", "UTF-8''100%", None),
        ("8187 3.2.1 (no hexadecimal)", "UTF-8''%zz", None),
        ("8187 3.2.1 (not ASCII)", "UTF-8''\u00e9", None),
        ("8187 3.2.1 (plus is a plus)", "UTF-8''a+b", "a+b"),
    ],
)
def test_an_extended_value(section: str, value: str, expected: str | None) -> None:
    assert extended_value(value) == expected, section


@given(st.text(alphabet="ab;,=\"\\ \t%\u00e9'*", max_size=60), st.sampled_from(["", ","]))
def test_anything_is_read_to_its_end(text: str, stop: str) -> None:
    found, at = parameter_list(text, 0, stop=stop)
    assert at == len(text) or text[at] == stop
    assert all(name and name == name.lower() for name, _ in found)
