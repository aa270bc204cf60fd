"""Heads and JSON for people."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.cli.pretty import Colours, head_text, is_binary, is_json_type, pretty_json, printable

PLAIN, COLOURED = Colours(False), Colours(True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "{}\n"),
        ("[ ]", "[]\n"),
        ("1", "1\n"),
        ('"a"', '"a"\n'),
        ("[1,[2]]", "[\n  1,\n  [\n    2\n  ]\n]\n"),
        ('{"a":{"b":[]},"c":null}', '{\n  "a": {\n    "b": []\n  },\n  "c": null\n}\n'),
        (' { "a" :\n1 } ', '{\n  "a": 1\n}\n'),
        # Nothing is read and written anew: digits, order, repeated keys and escapes stay.
        ("[12345678901234567890123, 1.10, -0, 1E5]", "[\n  12345678901234567890123,\n  1.10,\n  -0,\n  1E5\n]\n"),
        ('{"b":1,"a":2,"b":3}', '{\n  "b": 1,\n  "a": 2,\n  "b": 3\n}\n'),
        ('["\\u0041\\"\\\\", "{,:"]', '[\n  "\\u0041\\"\\\\",\n  "{,:"\n]\n'),
        ('["\u00e4\u9b00"]', '[\n  "\u00e4\u9b00"\n]\n'),
        ('["\x9b2J"]', '[\n  "\\u009b2J"\n]\n'),  # a command to a terminal
    ],
)
def test_json_is_laid_out(text: str, expected: str) -> None:
    assert pretty_json(text.encode(), PLAIN) == expected


@pytest.mark.parametrize("data", [b"", b"{", b"[1] [2]", b'{"a":1}\n{"a":2}\n', b"\xff", b"<p>"])
def test_what_is_no_json_is_none(data: bytes) -> None:
    assert pretty_json(data, PLAIN) is None


def test_json_in_colours() -> None:
    shown = pretty_json(b'{"a":"b","c":1}', COLOURED)
    assert shown == '{\n  \x1b[36m"a"\x1b[0m: \x1b[32m"b"\x1b[0m,\n  \x1b[36m"c"\x1b[0m: \x1b[33m1\x1b[0m\n}\n'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.booleans())
def test_it_says_what_it_said_before(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    shown = pretty_json(data, PLAIN)
    assert shown is not None
    assert json.loads(shown) == value


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/json", True),
        ("application/problem+json", True),
        ("application/x-ndjson", False),
        ("text/event-stream", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_what_json_is_called(content_type: str, expected: bool) -> None:
    assert is_json_type(content_type) is expected


def test_a_head() -> None:
    text = head_text("HTTP/1.1 200 OK", [("a", "b"), ("c", "")], 200, PLAIN, "< ")
    assert text == "< HTTP/1.1 200 OK\n< a: b\n< c: \n< \n"


@pytest.mark.parametrize(("status", "code"), [(101, "1"), (200, "1;32"), (302, "1;33"), (404, "1;31"), (503, "1;31")])
def test_a_status_has_the_colour_of_its_class(status: int, code: str) -> None:
    assert head_text("x", [], status, COLOURED).startswith(f"\x1b[{code}mx\x1b[0m\n")


def test_no_field_is_a_command_to_the_terminal() -> None:
    assert printable("a\x1b[2J\x9b\tb\u00e4") == "a\\x1b[2J\\x9b\tb\u00e4"
    assert "\x1b" not in head_text("x", [("a", "\x1b]0;title\x07")], 0, PLAIN)


@pytest.mark.parametrize(
    ("start", "expected"),
    [(b"", False), (b"text", False), ("\u00e4".encode(), False), (b"a\0", True), (b"\x1f\x8b\0", True)],
)
def test_what_no_terminal_should_show(start: bytes, expected: bool) -> None:
    assert is_binary(start) is expected
