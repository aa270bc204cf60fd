"""Forms, pure: multi-dicts, the urlencoded kind, and names that a file may have."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded
from toolkit.protocol.forms import MultiDict, parse_urlencoded, safe_filename


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
        ("a\0b\r\nc.txt", "abc.txt"),
        ("a\u202etxt.exe", "atxt.exe"),
        ('a<b>:"c|?*.txt', "a_b___c___.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("", "file"),
        (None, "file"),
        ("x" * 500 + ".txt", "x" * 196 + ".txt"),
        ("\u00e9" * 500, "\u00e9" * 100),
        ("a." + "x" * 500, "a." + "x" * 198),
    ],
)
def test_safe_file_names(given_name: str | None, safe: str) -> None:
    assert safe_filename(given_name) == safe


@given(st.text(max_size=400))
def test_a_safe_name_is_one_name_whatever_was_given(name: str) -> None:
    safe = safe_filename(name)
    assert 0 < len(safe.encode("utf-8", "replace")) <= 200
    assert not set(safe) & set('/\\\0<>:"|?*')
    assert not safe.startswith(".")
    assert safe.isprintable()
