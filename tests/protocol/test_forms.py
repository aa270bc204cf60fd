"""Forms, pure: multi-dicts, the urlencoded kind, and names that a file may have."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded, UseError
from toolkit.protocol.forms import (
    MultiDict,
    parse_urlencoded,
    plain_pairs,
    query_pairs,
    safe_filename,
    serialize_urlencoded,
)


def test_a_look_up_gives_the_last_one_and_get_all_each() -> None:
    values = MultiDict([("a", 1), ("b", 2), ("a", 3)])
    assert (values["a"], values.get("b"), values.get("c"), values.get_all("a"), values.get_all("c")) == (
        3,
        2,
        None,
        [1, 3],
        [],
    )
    assert (list(values), len(values), dict(values), "a" in values, "c" in values) == (
        ["a", "b"],
        2,
        {"a": 3, "b": 2},
        True,
        False,
    )
    assert values.pairs == [("a", 1), ("b", 2), ("a", 3)]
    assert repr(values) == "MultiDict([('a', 1), ('b', 2), ('a', 3)])"
    assert MultiDict[int]() == {}


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        # WHATWG URL 5.1
        (b"", []),
        (b"a=b", [("a", "b")]),
        (b"a=b&a=c", [("a", "b"), ("a", "c")]),
        (b"a", [("a", "")]),
        (b"a=", [("a", "")]),
        (b"=b", [("", "b")]),
        (b"&&a=b&", [("a", "b")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a+b=c+d", [("a b", "c d")]),
        (b"a%20b=%2B%26%3D", [("a b", "+&=")]),
        (b"%C3%A9=\xc3\xa9", [("\u00e9", "\u00e9")]),
        (b"a=%E9", [("a", "\ufffd")]),
        (b"a=%zz%4", [("a", "%zz%4")]),
        (b"a=b;c=d", [("a", "b;c=d")]),
    ],
)
def test_urlencoded(data: bytes, pairs: list[tuple[str, str]]) -> None:
    assert parse_urlencoded(data) == pairs


def test_urlencoded_in_another_charset() -> None:
    assert parse_urlencoded(b"a=%E9", "latin-1") == [("a", "\u00e9")]


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8))))
def test_what_others_write_is_read(pairs: list[tuple[str, str]]) -> None:
    pairs = [(a.encode("utf-8", "replace").decode(), b.encode("utf-8", "replace").decode()) for a, b in pairs]
    data = urlencode(pairs).encode()
    assert parse_urlencoded(data) == pairs == parse_qsl(data.decode(), keep_blank_values=True)


def test_limits_are_looked_at_before_anything_is_made_of_the_fields() -> None:
    assert len(parse_urlencoded(b"a=b&c=d", fields=2, field=1)) == 2
    with pytest.raises(LimitExceeded, match="over 2 fields"):
        parse_urlencoded(b"a=b&c=d&e", fields=2)
    with pytest.raises(LimitExceeded, match="over 2 fields"):
        parse_urlencoded(b"&" * 1_000_000, fields=2)
    with pytest.raises(LimitExceeded, match="a field of the form is over 3 bytes"):
        parse_urlencoded(b"a=1234", field=3)


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("a.txt", "a.txt"),
        ("\u00e9t\u00e9 2.txt", "\u00e9t\u00e9 2.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        (r"C:\Users\x\a.txt", "a.txt"),
        (r"..\..\a.txt", "a.txt"),
        ("..", "file"),
        (".", "file"),
        ("a/", "file"),
        (".htaccess", "htaccess"),
        ("a.txt.", "a.txt"),
        ("a\0b\r\nc.txt", "a_b__c.txt"),
        ("a\u202etxt.exe", "a_txt.exe"),
        ('a<b>:"c|?*.txt', "a_b___c___.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("", "file"),
        (None, "file"),
        ("x" * 500 + ".txt", "x" * 226 + ".txt"),
        ("\u00e9" * 500, "\u00e9" * 115),
        ("a." + "x" * 500, "a." + "x" * 228),
    ],
)
def test_safe_file_names(given_name: str | None, safe: str) -> None:
    assert safe_filename(given_name) == safe


@given(st.text(max_size=400))
def test_a_safe_name_is_one_name_whatever_was_given(name: str) -> None:
    safe = safe_filename(name)
    assert 0 < len(safe.encode("utf-8", "replace")) <= 230
    assert not set(safe) & set('/\\\0<>:"|?*')
    assert not safe.startswith(".")
    assert safe.isprintable()


# Written


@pytest.mark.parametrize(
    ("source", "pairs"),
    [
        ({}, []),
        ({"a": "1", "b": 2, "c": 2.5}, [("a", "1"), ("b", "2"), ("c", "2.5")]),
        ({"a": None, "b": ""}, [("b", "")]),
        ({"a": True, "b": False}, [("a", "true"), ("b", "false")]),
        ({"a": ["1", 2, None, True]}, [("a", "1"), ("a", "2"), ("a", "true")]),
        ({"a": ()}, []),
        ([("a", "1"), ("b", "2"), ("a", "3")], [("a", "1"), ("b", "2"), ("a", "3")]),
        ([["a", "1"]], [("a", "1")]),
        (MultiDict([("a", "1"), ("a", "2")]), [("a", "2")]),
        ((("a", n) for n in "12"), [("a", "1"), ("a", "2")]),
    ],
)
def test_what_a_form_or_a_query_may_be_given(source: object, pairs: list[tuple[str, str]]) -> None:
    assert plain_pairs(source, "params") == pairs


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a=1", "params='a=1': expected a mapping, or a list of (name, value)"),
        (b"a=1", "expected a mapping"),
        (1, "expected a mapping"),
        (["a"], "params: 'a': expected a pair"),
        ([("a", "b", "c")], "expected a pair"),
        ({1: "a"}, "expected a pair of a name and a value"),
        ({"a": {"b": 1}}, "params={'a': dict}: expected str, a number, True, False, None, or a list of those"),
        ({"a": b"1"}, "params={'a': bytes}: expected str"),
        ({"a": [["b"]]}, "params={'a': list}"),
    ],
)
def test_what_is_no_form_is_a_use_error(source: object, expected: str) -> None:
    with pytest.raises(UseError) as caught:
        plain_pairs(source, "params")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("source", "pairs"),
    [
        ("", []),
        ("a=1&b=%2F&c=x+y&d", [("a", "1"), ("b", "/"), ("c", "x y"), ("d", "")]),
        ({"a": ["1", "2"]}, [("a", "1"), ("a", "2")]),
    ],
)
def test_a_query_may_be_text(source: object, pairs: list[tuple[str, str]]) -> None:
    assert query_pairs(source) == pairs


@pytest.mark.parametrize(
    ("pairs", "data"),
    [
        # WHATWG URL 5.2, and its percent-encode set: letters, digits and *-._ stand for themselves
        ([], b""),
        ([("a", "1")], b"a=1"),
        ([("a", ""), ("", "b")], b"a=&=b"),
        ([("a b", "c+d")], b"a+b=c%2Bd"),
        ([("a", "&="), ("b", "%")], b"a=%26%3D&b=%25"),
        ([("a", "*-._~")], b"a=*-._%7E"),
        ([("\u00fc", "\U0001f600")], b"%C3%BC=%F0%9F%98%80"),
        ([("a", "\r\n")], b"a=%0D%0A"),
        ([("a", "\ud800")], b"a=%3F"),
        ([("a", "1"), ("a", "2")], b"a=1&a=2"),
        ([("a", "/?#[]@!$'(),;:")], b"a=%2F%3F%23%5B%5D%40%21%24%27%28%29%2C%3B%3A"),
    ],
)
def test_the_urlencoded_kind_is_written_as_browsers_do(pairs: list[tuple[str, str]], data: bytes) -> None:
    assert serialize_urlencoded(pairs) == data


@given(st.lists(st.tuples(st.text(), st.text())))
def test_what_is_written_is_read_again(pairs: list[tuple[str, str]]) -> None:
    plain = [
        (name.encode("utf-8", "replace").decode(), value.encode("utf-8", "replace").decode()) for name, value in pairs
    ]
    assert parse_urlencoded(serialize_urlencoded(pairs)) == plain
