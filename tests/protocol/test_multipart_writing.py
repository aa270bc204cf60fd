"""Multipart forms, written: the bytes between the parts, and that our own reader and others take them apart again."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LocalProtocolError
from toolkit.protocol.limits import FormLimits
from toolkit.protocol.multipart import MultipartParser, PartHead, Signal, boundary_of, parse_disposition
from toolkit.protocol.multipart_writing import CRLF, closing, new_boundary, part_head

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from('\r\n"\\;%'), max_size=30)


def fields_of(data: bytes, boundary: str) -> list[tuple[list[tuple[bytes, bytes]], bytes]]:
    """The parts as our reader sees them."""
    parser = MultipartParser(boundary.encode(), FormLimits())
    parser.feed(data)
    parts: list[tuple[list[tuple[bytes, bytes]], bytes]] = []
    while (event := parser.next()) is not Signal.END:
        if isinstance(event, PartHead):
            parts.append((event.fields, b""))
        elif isinstance(event, bytes):
            parts[-1] = (parts[-1][0], parts[-1][1] + event)
    parser.finish()
    return parts


@pytest.mark.parametrize(
    ("name", "filename", "content_type", "head"),
    [
        # RFC 7578 4.2: a form-data disposition with the name; 4.4: the content type of a file
        ("a", None, None, b'content-disposition: form-data; name="a"'),
        ("a", "b.txt", None, b'content-disposition: form-data; name="a"; filename="b.txt"'),
        ("a", "b", "x/y", b'content-disposition: form-data; name="a"; filename="b"\r\ncontent-type: x/y'),
        ("", "", None, b'content-disposition: form-data; name=""; filename=""'),
        # 5.1: UTF-8 as it is; `filename*` must not be used (4.2)
        ("\u00fc", "\u20ac.txt", None, 'content-disposition: form-data; name="\u00fc"; filename="\u20ac.txt"'.encode()),
        ("\U0001f600", None, None, 'content-disposition: form-data; name="\U0001f600"'.encode()),
        # WHATWG HTML 4.10.21.8: a quote and line ends are percent-encoded, nothing else is
        ('a"b', 'c"d', None, b'content-disposition: form-data; name="a%22b"; filename="c%22d"'),
        ("a\r\nb", "c\r\nd", None, b'content-disposition: form-data; name="a%0D%0Ab"; filename="c%0D%0Ad"'),
        ("a%22", "b%0A", None, b'content-disposition: form-data; name="a%22"; filename="b%0A"'),
        ("a\\b", "c\\d", None, b'content-disposition: form-data; name="a\\b"; filename="c\\d"'),
        ("a;b=c", None, None, b'content-disposition: form-data; name="a;b=c"'),
        # ... and a line end in a name that stands alone is made a CRLF, in a filename it is not
        ("a\nb", "c\nd", None, b'content-disposition: form-data; name="a%0D%0Ab"; filename="c%0Ad"'),
        ("a\rb", "c\rd", None, b'content-disposition: form-data; name="a%0D%0Ab"; filename="c%0Dd"'),
        ("a\n\rb", None, None, b'content-disposition: form-data; name="a%0D%0A%0D%0Ab"'),
        ("a\tb", None, None, b'content-disposition: form-data; name="a\tb"'),
        ("\ud800", None, None, b'content-disposition: form-data; name="?"'),
    ],
)
def test_the_head_of_a_part(name: str, filename: str | None, content_type: str | None, head: bytes) -> None:
    assert part_head("x", name, filename, content_type) == b"--x\r\n" + head + b"\r\n\r\n"


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\x1b", "\x7f"])
def test_other_control_characters_are_refused(bad: str) -> None:
    with pytest.raises(LocalProtocolError, match=r"name .* control character"):
        part_head("x", f"a{bad}")
    with pytest.raises(LocalProtocolError, match=r"filename .* control character"):
        part_head("x", "a", f"b{bad}")


@pytest.mark.parametrize("bad", ["a/b\r\nx: y", "a/b\n", "a/b\r", "a/b\x00"])
def test_a_content_type_cannot_end_its_line(bad: str) -> None:
    # aiohttp CVE-2026-34514 and its kin
    with pytest.raises(LocalProtocolError, match=r"content type .* control character"):
        part_head("x", "a", "b", bad)


def test_a_boundary_is_its_own_and_needs_no_quotes() -> None:
    boundaries = {new_boundary() for _ in range(1000)}
    assert len(boundaries) == 1000
    for boundary in boundaries:
        assert boundary_of(f"multipart/form-data; boundary={boundary}") == boundary.encode()


def test_a_form_without_parts_is_its_end() -> None:
    assert closing("x") == b"--x--\r\n"
    assert fields_of(closing("x"), "x") == []


@given(st.lists(st.tuples(NAMES, st.none() | NAMES, st.binary(max_size=60)), max_size=5))
def test_any_names_and_contents_are_read_again(parts: list[tuple[str, str | None, bytes]]) -> None:
    boundary = new_boundary()
    pieces = [part_head(boundary, name, filename) + content + CRLF for name, filename, content in parts]
    seen = fields_of(b"".join(pieces) + closing(boundary), boundary)
    assert [content for _, content in seen] == [content for _, _, content in parts]
    for (fields, _), (name, filename, _) in zip(seen, parts, strict=True):
        said = parse_disposition(fields[0][1])
        assert len(fields) == 1
        assert said.kind == "form-data"
        # Of a percent sign nobody knows whether it was one, of a backslash whether it escapes: browsers leave both.
        if not set('"\\%') & set(name + (filename or "")):
            assert (said.name or "").replace("\r\n", "\n") == name.replace("\r\n", "\n").replace("\r", "\n")
            assert said.filename == filename


def test_pythons_own_reader_takes_it_apart() -> None:
    body = part_head("x", "a") + b"1" + CRLF + part_head("x", "f", "n.bin", "x/y") + b"\x00\xff" + CRLF + closing("x")
    head = b"content-type: multipart/form-data; boundary=x\r\n\r\n"
    first, second = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
    assert (first.get_param("name", header="content-disposition"), first.get_content().strip()) == ("a", "1")
    assert (second.get_filename(), second.get_content_type()) == ("n.bin", "x/y")
