"""Multipart bodies: the same parts however the bytes are cut, and an error for everything that is none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded, RemoteProtocolError
from toolkit.protocol.limits import FormLimits
from toolkit.protocol.multipart import (
    Disposition,
    MultipartParser,
    PartHead,
    Signal,
    boundary_of,
    parse_disposition,
    parse_parameters,
)

Told = tuple[object, ...]


def parsed(*pieces: bytes, boundary: bytes = b"B", limits: FormLimits = FormLimits()) -> list[Told]:
    """What a parser says of a body that comes in these pieces: heads, joined bytes, ends, and at last its error."""
    parser, told = MultipartParser(boundary, limits), list[Told]()
    try:
        for piece in pieces:
            parser.feed(piece)
            while (event := parser.next()) is not Signal.NEED_DATA and event is not Signal.END:
                if isinstance(event, bytes):
                    assert event
                    if told[-1][0] == "data":
                        event = told.pop()[1] + event  # type: ignore[operator]
                    told.append(("data", event))
                else:
                    told.append(("head", event.fields) if isinstance(event, PartHead) else ("end",))
        parser.finish()
        assert parser.next() is Signal.END
    except RemoteProtocolError as error:
        told.append((type(error).__name__, error.fault))
        with pytest.raises(RemoteProtocolError):  # it stays so
            parser.next()
        with pytest.raises(RemoteProtocolError):
            parser.finish()
    return told


def part(data: bytes, *fields: tuple[bytes, bytes]) -> list[Told]:
    return [("head", list(fields)), *([("data", data)] if data else []), ("end",)]


A = (b"A", b"1")


@pytest.mark.parametrize(
    ("section", "body", "told"),
    [
        ("RFC 2046 5.1.1", b"--B\r\nA: 1\r\n\r\nx\r\n--B--", part(b"x", A)),
        ("RFC 2046 5.1.1", b"--B\r\nA: 1\r\n\r\nx\r\n--B--\r\n", part(b"x", A)),
        ("RFC 2046 5.1.1 CRLF first", b"\r\n--B\r\nA: 1\r\n\r\nx\r\n--B--", part(b"x", A)),
        ("RFC 2046 5.1.1 preamble", b"hello\r\n--A\r\n--B\r\nA: 1\r\n\r\nx\r\n--B--", part(b"x", A)),
        ("RFC 2046 5.1.1 epilogue", b"--B\r\nA: 1\r\n\r\nx\r\n--B--\r\nbye\r\n--B\r\n", part(b"x", A)),
        ("RFC 2046 5.1.1 padding", b"--B \t \r\nA: 1\r\n\r\nx\r\n--B\t--", [("head", [A]), ("data", b"x"), "fault"]),
        ("RFC 2046 5.1.1 padding", b"--B \t \r\nA: 1\r\n\r\nx\r\n--B--\t ", part(b"x", A)),
        ("RFC 2046 5.1.1 two parts", b"--B\r\n\r\nx\r\n--B\r\n\r\ny\r\n--B--", [*part(b"x"), *part(b"y")]),
        ("RFC 2046 5.1.1 empty body", b"--B\r\nA: 1\r\n\r\n\r\n--B--", part(b"", A)),
        ("RFC 2046 5.1.1 no fields", b"--B\r\n\r\n\r\n--B--", part(b"")),
        ("RFC 2046 5.1.1 no part", b"--B--", []),
        ("RFC 2046 5.1.1 other CRLFs", b"--B\r\n\r\n\r\n--\r\r\n--A\r\n--B--", part(b"\r\n--\r\r\n--A")),
        ("RFC 2046 5.1.1 not at a line's start", b"--B\r\n\r\nx--B--\r\n--B--", part(b"x--B--")),
        ("RFC 2046 5.1.1 LF alone is data", b"--B\r\n\r\nx\n--B--\r\n--B--", part(b"x\n--B--")),
        ("RFC 2046 5.1.2 longer boundary", b"--B\r\n\r\nx\r\n--Bx\r\n--B--", [("head", []), ("data", b"x"), "fault"]),
        ("no boundary", b"", ["fault"]),
        ("no boundary", b"x" * 500, ["fault"]),
        ("no boundary without CRLF before it", b"x--B\r\n\r\nx\r\n--B--", []),
        ("cut in a head", b"--B\r\nA: 1", ["fault"]),
        ("cut in a body", b"--B\r\nA: 1\r\n\r\nx\r\n-", [("head", [A]), ("data", b"x"), "fault"]),
        ("cut in a boundary", b"--B\r\nA: 1\r\n\r\nx\r\n--B", [("head", [A]), ("data", b"x"), "fault"]),
        ("LF in a head", b"--B\r\nA: 1\nB: 2\r\n\r\nx\r\n--B--", ["fault"]),
        ("CVE-2026-50269", b"--B\r\nA: 1\rB: 2\r\n\r\nx\r\n--B--", ["fault"]),
        ("NUL in a head", b"--B\r\nA: \0\r\n\r\nx\r\n--B--", ["fault"]),
        ("no colon", b"--B\r\nA\r\n\r\nx\r\n--B--", ["fault"]),
        ("space before the colon", b"--B\r\nA : 1\r\n\r\nx\r\n--B--", ["fault"]),
        ("folded", b"--B\r\nA: 1\r\n 2\r\n\r\nx\r\n--B--", ["fault"]),
    ],
)
def test_bodies(section: str, body: bytes, told: list[object]) -> None:
    for pieces in (
        [body],
        [body[i : i + 1] for i in range(len(body))],
        *([body[:i], body[i:]] for i in range(len(body))),
    ):
        got = parsed(*pieces)
        if told and told[-1] == "fault":
            wanted = [one for one in told[:-1] if isinstance(one, tuple) and one[0] != "data"]
            assert [one for one in got[:-1] if one[0] != "data"] == wanted
            assert got[-1][0] == "RemoteProtocolError"
        else:
            assert got == told


def test_bytes_are_given_before_the_part_is_over() -> None:
    parser = MultipartParser(b"B", FormLimits())
    parser.feed(b"--B\r\n\r\nabc\r\n-")
    assert isinstance(parser.next(), PartHead)
    assert parser.next() == b"abc"
    assert parser.next() is Signal.NEED_DATA
    parser.feed(b"x")
    assert parser.next() == b"\r\n-x"


PIECES = st.lists(
    st.sampled_from(
        [b"\r\n", b"--", b"B", b"\r", b"\n", b"-", b"A: 1", b": ", b" ", b"x", b"--B", b"\r\n--B\r\n", b"--B--"]
    ),
    max_size=24,
)


@given(PIECES.map(b"".join), st.lists(st.integers(0, 200), max_size=8))
@example(b"preamble--B\r\n\r\nv\r\n--B--", [8])
@example(b"--B\r\n\r\nx\r\n--B \r\n\r\n--B--", [14])
def test_any_split_gives_the_same(body: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in pairwise(places)]

    def settled(told: list[Told]) -> list[Told]:
        """Before an error a part's last bytes may be given out or not: its tail waits for what is behind it."""
        if told and told[-1][0] == "RemoteProtocolError":
            return [one for one in told if one[0] != "data" or told.index(one) < len(told) - 2]
        return told

    assert settled(parsed(*pieces)) == settled(parsed(body))


@given(
    st.lists(st.tuples(st.text('ab"%;\u00e9', max_size=6), st.binary(max_size=40) | PIECES.map(b"".join)), max_size=4),
    st.lists(st.integers(0, 500), max_size=6),
)
def test_what_is_written_is_read_again(parts: list[tuple[str, bytes]], cuts: list[int]) -> None:
    boundary = b"a-boundary-that-is-in-none-of-them"
    body, wanted = b"", list[Told]()
    for name, data in parts:
        value = b'form-data; name="%b"' % name.replace('"', "%22").encode()
        body += b"--%b\r\nContent-Disposition: %b\r\n\r\n%b\r\n" % (boundary, value, data)
        wanted += part(data, (b"Content-Disposition", value))
        read = parse_disposition(value)
        assert read == Disposition("form-data", name.replace("%22", '"'), None)
    body += b"--%b--\r\n" % boundary
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert parsed(*(body[a:b] for a, b in pairwise(places)), boundary=boundary) == wanted


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("line", [b"\r", b"\r\n", b"\r\n--", b"\r\n--A", b"-", b"\r\n--B "[:-2], b"\n", b"\0"])
def test_hostile_repetition_is_data_like_any_other(line: bytes, size: int) -> None:
    """CVE-2023-46136, CVE-2024-53981: what looks like the beginning of a boundary, many times over."""
    junk = line * (60_000 // len(line))
    body = b"--B\r\n\r\n" + junk + b"\r\n--B--"
    assert parsed(*(body[i : i + size] for i in range(0, len(body), size))) == part(junk)
    before = junk + b"\r\n" + body  # the preamble
    assert parsed(*(before[i : i + size] for i in range(0, len(before), size))) == part(junk)


def test_what_is_held_is_a_delimiter_at_most() -> None:
    parser = MultipartParser(b"B" * 70, FormLimits())
    parser.feed(b"--" + b"B" * 70 + b"\r\n\r\n")
    for _ in range(100):
        parser.feed(b"x" * 999 + b"\r")
        while parser.next() is not Signal.NEED_DATA:
            pass
        assert len(parser._buffer) <= 74
    parser.feed(b"\n--" + b"B" * 70 + b"--")
    while parser.next() is not Signal.END:
        pass
    parser.feed(b"x" * 9999)
    assert len(parser._buffer) == 0


@pytest.mark.parametrize(
    ("limits", "head", "text"),
    [
        (FormLimits(part_head=10), b"A: 3456789a", "over 10 bytes"),
        (FormLimits(part_head=10), b"A: 34567890", "over 10 bytes"),
        (FormLimits(part_head=10), b"A" * 100, "over 10 bytes"),
        (FormLimits(part_head=10), b"A: 3456789", None),
        (FormLimits(part_fields=2), b"A: 1\r\nB: 2\r\nC: 3", "3 header fields, the limit is 2"),
        (FormLimits(part_fields=2), b"A: 1\r\nB: 2", None),
    ],
)
def test_the_head_of_a_part_is_bounded(limits: FormLimits, head: bytes, text: str | None) -> None:
    """aiohttp CVE-2026-34516."""
    body = b"--B\r\n" + head + b"\r\n\r\nx\r\n--B--"
    for cut in range(len(body)):
        told = parsed(body[:cut], body[cut:], limits=limits)
        if text is None:
            assert told[-1] == ("end",)
        else:
            assert told[-1][0] == "LimitExceeded"
            assert text in str(told[-1][1])


def test_a_head_without_end_is_refused_while_it_comes() -> None:
    parser = MultipartParser(b"B", FormLimits(part_head=1000))
    parser.feed(b"--B\r\n" + b"A" * 1003)
    assert parser.next() is Signal.NEED_DATA
    parser.feed(b"A")
    with pytest.raises(LimitExceeded):
        parser.next()


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; boundary="a b:c"', b"a b:c"),
        ("multipart/form-data; charset=utf-8; BOUNDARY=----WebKitFormBoundary7MA4", b"----WebKitFormBoundary7MA4"),
        ("multipart/form-data; boundary=" + "x" * 70, b"x" * 70),
        ("multipart/form-data; boundary=" + "x" * 71, None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=a\u00e9", None),
        ('multipart/form-data; boundary="a "', None),
        ("multipart/form-data; boundary=a;b", b"a"),
        ("multipart/form-data; boundary=a*", None),
        ('multipart/form-data; boundary="', None),
    ],
)
def test_boundaries(content_type: str, boundary: bytes | None) -> None:
    """RFC 2046 5.1.1."""
    if boundary is None:
        with pytest.raises(RemoteProtocolError, match="expected a boundary of 1 to 70") as raised:
            boundary_of(content_type)
        assert raised.value.status_hint == 400
    else:
        assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    ("value", "kind", "name", "filename"),
    [
        (b'form-data; name="a"', "form-data", "a", None),
        (b"form-data; name=a", "form-data", "a", None),
        (b"Form-Data ; NAME = a ; FileName= b", "form-data", "a", "b"),
        (b'form-data; name="a"; filename=""', "form-data", "a", ""),
        (b'form-data; name="a;b=c"; filename="x; y"', "form-data", "a;b=c", "x; y"),
        (b'form-data; name="a\\"b"', "form-data", 'a"b', None),
        (b'form-data; name="a%22b"; filename="c%0D%0Ad%41"', "form-data", 'a"b', "c\r\nd%41"),
        (rb'form-data; name="a"; filename="C:\x\y.txt"', "form-data", "a", r"C:\x\y.txt"),
        (b'form-data; name="\xc3\xa9"', "form-data", "\u00e9", None),
        (b'form-data; name="\xe9"', "form-data", "\ufffd", None),
        (b"form-data; name=a; filename*=utf-8''%c3%a9.txt", "form-data", "a", "\u00e9.txt"),
        (b"form-data; name=a; filename*=iso-8859-1'en'%e9", "form-data", "a", "\u00e9"),
        (b"form-data; name=a; filename=x; filename*=utf-8''y", "form-data", "a", "x"),
        (b"form-data; name=a; filename*=utf-7''y", "form-data", "a", None),
        (b"form-data; name=a; filename*=broken", "form-data", "a", None),
        (b"form-data; name=a; name=b", "form-data", "a", None),
        (b'form-data; name="a', "form-data", "a", None),
        (b'form-data; name=""', "form-data", "", None),
        (b"form-data; name", "form-data", None, None),
        (b"attachment", "attachment", None, None),
        (b"", "", None, None),
        (b";;;", "", None, None),
    ],
)
def test_dispositions(value: bytes, kind: str, name: str | None, filename: str | None) -> None:
    """RFC 7578 4.2, and what browsers send: WHATWG HTML 4.10.21.8."""
    assert parse_disposition(value) == Disposition(kind, name, filename)


def test_a_name_in_the_forms_charset() -> None:
    assert parse_disposition(b'form-data; name="\xe9"', "latin-1").name == "\u00e9"


def test_an_extended_name_that_is_not_of_its_charset_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="are not utf-8"):
        parse_disposition(b"form-data; name=a; filename*=utf-8''%e9")


@given(st.text(max_size=100))
@example(";" * 30000)
@example('a="' + '\\"' * 30000)
@example("a=b;" * 10000)
@example("=" * 30000)
def test_no_text_of_a_peer_raises(text: str) -> None:
    """Tornado CVE-2025-67726: one pass."""
    parse_parameters(text)
