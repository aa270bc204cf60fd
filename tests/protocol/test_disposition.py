"""Content-Disposition: RFC 6266 4, 5 and D, RFC 8187 3.2."""

from __future__ import annotations

from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.disposition import content_disposition
from toolkit.protocol.headers import encode_fields


@pytest.mark.parametrize(
    ("section", "filename", "expected"),
    [
        ("6266 4.2", None, "attachment"),
        ("6266 4.3", "example.html", 'attachment; filename="example.html"'),
        ("6266 4.3", "an example.html", 'attachment; filename="an example.html"'),
        ("6266 4.3", "a;b,c=d.txt", 'attachment; filename="a;b,c=d.txt"'),
        ("6266 4.3", "it's.txt", 'attachment; filename="it\'s.txt"'),
        ("6266 4.3", "\u20ac rates", "attachment; filename=\"_ rates\"; filename*=UTF-8''%E2%82%AC%20rates"),
        ("6266 5", "\u00c4rger.txt", "attachment; filename=\"Arger.txt\"; filename*=UTF-8''%C3%84rger.txt"),
        ("6266 5", "\u65e5\u672c.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt"),
        ("6266 D", 'a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("6266 D", "100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("6266 D", "%41.txt", "attachment; filename=\"_41.txt\"; filename*=UTF-8''%2541.txt"),
        ("6266 4.3", "/etc/passwd", 'attachment; filename="passwd"'),  # the last part alone
        ("6266 4.3", "..\\..\\boot.ini", 'attachment; filename="boot.ini"'),
        ("6266 4.3", "..", 'attachment; filename="_"'),
        ("6266 4.3", "", 'attachment; filename="_"'),
        ("6266 4.3", ".profile", 'attachment; filename="profile"'),  # none that is hidden where it is saved
        ("9110 5.5", "a\r\nset-cookie: x=y", 'attachment; filename="a__set-cookie: x=y"'),
        ("9110 5.5", "a\0b", 'attachment; filename="a_b"'),
        ("8187 3.2.1", "\U0001f600!#$&+-.^_`|~'()*", None),
    ],
)
def test_a_name_goes_out_as_the_rfcs_say(section: str, filename: str | None, expected: str | None) -> None:
    if expected is None:
        tail = "!#$&+-.^_`|~%27%28%29%2A"
        expected = f"attachment; filename=\"_!#$&+-.^_`|~'()*\"; filename*=UTF-8''%F0%9F%98%80{tail}"
    assert content_disposition(filename) == expected, section


def test_to_be_shown() -> None:
    assert content_disposition(inline=True) == "inline"
    assert content_disposition("a.pdf", inline=True) == 'inline; filename="a.pdf"'


@given(st.text(max_size=40))
def test_any_name_may_be_sent_and_is_read_again(name: str) -> None:
    value = content_disposition(name)
    encode_fields({"content-disposition": value})
    first, _, extended = value.partition("; filename*=UTF-8''")
    message = Message()
    message["content-disposition"] = first
    plain = message.get_filename()
    assert plain is not None
    for read in (plain, unquote(extended) or plain):
        assert "/" not in read
        assert "\\" not in read
        assert read not in ("", ".", "..")
    if name.isalnum():
        assert (unquote(extended) or plain) == name
