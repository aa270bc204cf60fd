"""Content-Disposition: RFC 6266 4, 5 and D, RFC 8187 3.2."""

from __future__ import annotations

from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.disposition import content_disposition, disposition_filename, safe_filename
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


# Read


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("6266 5", "Attachment; filename=example.html", "example.html"),
        ("6266 5", 'INLINE; FILENAME= "an example.html"', "an example.html"),
        ("6266 5", "attachment; filename*= UTF-8''%e2%82%ac%20rates", "\u20ac rates"),
        ("6266 5", "attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "\u20ac rates"),
        ("6266 4.3", "attachment; filename*=utf-8''a; filename=b", "a"),
        ("6266 4.3 (the second cannot be read)", "attachment; filename=b; filename*=utf-8''%E4", "b"),
        ("6266 4.3 (another charset)", "attachment; filename=b; filename*=koi8-r''%C1", "b"),
        ("6266 4.1", "attachment", None),
        ("6266 4.1", "", None),
        ("6266 4.1 (no type)", ";filename=a", "a"),
        ("6266 4.1", "attachment; creation-date=x; filename=a", "a"),
        ("6266 4.1 (of two the first)", "attachment; filename=a; filename=b", "a"),
        ("6266 4.1 (a bare value)", "attachment; filename=foo bar.html", "foo bar.html"),
        ("6266 4.1 (a comma in it)", "attachment; filename=foo,bar.html", "foo,bar.html"),
        ("6266 4.1 (not closed)", 'attachment; filename="foo.html', "foo.html"),
        ("6266 4.1 (empty)", 'attachment; filename=""', ""),
        ("9110 5.6.4", 'attachment; filename="f\\oo \\"b\\".html"', 'foo "b".html'),
        ("6266 D (escapes are none)", 'attachment; filename="a%20b"', "a%20b"),
        ("6266 C.3 (no encoded words)", 'attachment; filename="=?UTF-8?Q?a?="', "=?UTF-8?Q?a?="),
        ("6266 C.1 (UTF-8 as it is)", 'attachment; filename="\u00c3\u00a4"', "\u00e4"),
        ("6266 C.1 (ISO-8859-1)", 'attachment; filename="\u00e4"', "\u00e4"),
        ("7578 4.2 (another parameter of that name)", "attachment; xfilename=a", None),
    ],
)
def test_a_name_is_read(section: str, value: str, expected: str | None) -> None:
    assert disposition_filename(value) == expected, section


@given(st.text(max_size=40))
def test_what_one_end_says_the_other_reads(name: str) -> None:
    read = disposition_filename(content_disposition(name))
    assert read is not None
    assert content_disposition(read) == content_disposition(name)


@pytest.mark.parametrize(
    ("why", "name", "expected"),
    [
        ("as it is", "a b.tar.gz", "a b.tar.gz"),
        ("any script", "\u65e5\u672c.txt", "\u65e5\u672c.txt"),
        ("one form of a letter", "a\u0308.txt", "\u00e4.txt"),
        ("the last part of a path", "/etc/passwd", "passwd"),
        ("of the other kind", "C:\\Windows\\x.ini", "x.ini"),
        ("nothing above", "../../x", "x"),
        ("nothing above", "..", ""),
        ("nothing hidden", ".bashrc", "bashrc"),
        ("nothing hidden", " . .x", "x"),
        ("no end that Windows drops", "x. . ", "x"),
        ("no control", "a\x1b[2Jb\n.txt", "a_[2Jb_.txt"),
        ("no NUL", "a\0.txt", "a_.txt"),
        ("nothing that turns the text around", "gpj.\u202eexe", "gpj._exe"),
        ("nothing that is not shown", "a\u200b.txt", "a_.txt"),
        ("no space but one", "a\u00a0b\u2003c.txt", "a_b_c.txt"),
        ("nothing that Windows refuses", 'a<b>c:d"e|f?g*.txt', "a_b_c_d_e_f_g_.txt"),
        ("no stream of NTFS", "a.txt:evil.exe", "a.txt_evil.exe"),
        ("no device", "con", "_con"),
        ("no device", "COM1.txt", "_COM1.txt"),
        ("a name like a device's", "console.txt", "console.txt"),
        ("no surrogate", "\ud800.txt", "_.txt"),
        ("nothing left", "", ""),
        ("a folder", "a/", ""),
        ("short enough", "x" * 300 + ".tar", "x" * 226 + ".tar"),
        ("short enough, in bytes", "\u00e4" * 300, "\u00e4" * 115),
        ("an extension that is none", "a." + "x" * 300, "a." + "x" * 228),
    ],
)
def test_a_name_is_made_safe(why: str, name: str, expected: str) -> None:
    assert safe_filename(name) == expected, why


@given(st.text(max_size=300))
def test_a_safe_name_is_safe_whatever_came(name: str) -> None:
    safe = safe_filename(name)
    assert "/" not in safe
    assert "\\" not in safe
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert len(safe.encode()) <= 230
    assert safe_filename(safe) == safe
