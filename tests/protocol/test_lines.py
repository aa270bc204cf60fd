"""A body as text: its charset, and its lines however it was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded
from toolkit.protocol.limits import Limits
from toolkit.protocol.lines import CHARSETS, charset_in

from ..helpers.coded import cut, few
from ..helpers.fakewire import run
from .test_readable import begun

if TYPE_CHECKING:
    from ..helpers.fakewire import End

TEXTS = [
    ("", "caf\xe9".encode(), "caf\xe9"),
    ("text/plain", "caf\xe9".encode(), "caf\xe9"),
    ("text/plain; charset=utf-8", "caf\xe9".encode(), "caf\xe9"),
    ("text/plain; charset=ISO-8859-1", b"caf\xe9", "caf\xe9"),
    ('text/plain; charset="latin-1"', b"caf\xe9", "caf\xe9"),
    ("text/plain;CharSet = utf-16-le", "é".encode("utf-16-le"), "é"),
    ("text/plain; charset=no-such", "é".encode(), "é"),
    ("text/plain; x=y; charset=cp1252", b"\x80", "€"),
    ("text/plain", b"a\xffb", "a\ufffdb"),
    # WHATWG Encoding 6: a byte order mark counts before all else, and is no part of the text.
    ("text/plain", b"\xef\xbb\xbfcaf\xc3\xa9", "caf\xe9"),
    ("text/plain; charset=iso-8859-1", b"\xef\xbb\xbfcaf\xc3\xa9", "caf\xe9"),
    ("text/plain", b"\xfe\xff\0a\0\xe9", "a\xe9"),
    ("text/plain; charset=utf-8", b"\xff\xfea\0\xe9\0", "a\xe9"),
    ("text/plain; charset=utf-16-le", b"\xff\xfea\0", "a"),
    ("text/plain", b"\xef\xbb\xbf", ""),
    ("text/plain", b"\xef\xbb", "\ufffd"),
    ("text/plain", b"\xff", "\ufffd"),
    ("text/plain", b"", ""),
]


@pytest.mark.parametrize(("content_type", "body", "text"), TEXTS)
def test_text_by_its_charset(content_type: str, body: bytes, text: str) -> None:
    assert run(begun(body, content_type=content_type).text()) == text


@pytest.mark.parametrize(("content_type", "body", "text"), TEXTS)
def test_lines_by_the_same_charset_a_byte_at_a_time(content_type: str, body: bytes, text: str) -> None:
    got = run(lines_of(begun(*[body[at : at + 1] for at in range(len(body))], content_type=content_type)))
    assert "\n".join(got) == text


@pytest.mark.parametrize(
    ("content_type", "start", "expected"),
    [
        ("text/plain", b"", "utf-8"),
        ("text/plain; charset=Latin-1", b"a", "latin-1"),
        ("text/plain; charset=latin-1", b"\xef\xbb\xbfa", "utf-8"),
        ("text/plain", b"\xfe\xff\0a", "utf-16be"),
        ("text/plain", b"\xff\xfea\0", "utf-16le"),
        ("text/html; charset=no-such", b"<meta charset=latin-1>", "utf-8"),
    ],
)
def test_the_charset_of_a_body(content_type: str, start: bytes, expected: str) -> None:
    assert charset_in(start, content_type) == expected
    assert charset_in(start, content_type) in CHARSETS


@pytest.mark.parametrize("name", ["hex", "base64", "rot13", "zlib", "bz2", "uu", "quopri"])
def test_a_codec_that_is_no_charset_is_none(name: str) -> None:
    """The peer names it: Python's codecs from bytes to bytes must not be reached."""
    assert run(begun(b"68", content_type=f"text/plain; charset={name}").text()) == "68"


@pytest.mark.parametrize("label", ["undefined", "idna", "punycode", "unicode_escape", "zz"])
def test_a_codec_that_is_no_charset_is_not_used(label: str) -> None:
    x = begun(rb"a\x41-b", content_type=f"text/plain; charset={label}")
    assert run(x.text()) == r"a\x41-b"


def test_a_line_over_the_limit_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        run(lines_of(begun(b"x" * 6, b"x" * 6, limits=Limits(read=10))))


async def lines_of(x: End) -> list[str]:
    return [line async for line in x.lines()]


@few
@given(st.lists(st.text("aé€\r ", max_size=4), max_size=5), st.sampled_from(["\n", "\r\n"]), st.lists(st.integers(0)))
def test_lines_however_they_come(lines: list[str], end: str, points: list[int]) -> None:
    body = end.join(lines)
    expected = [line.removesuffix("\r") for line in body.split("\n")]
    if body.split("\n")[-1] == "":
        expected.pop()
    got = run(lines_of(begun(*filter(None, cut(body.encode(), points)))))
    assert got == expected
