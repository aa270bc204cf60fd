"""What is cut from a head's lines is what llhttp would have told."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from toolkit.protocol.head_lines import DECISIVE, LINE_END, cut_fields, value_of

from ..helpers.coded import many


class Callbacks:
    """What llhttp tells of fields when it is asked."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.strip(b" \t")))


blank = st.sampled_from([b"", b" ", b"\t", b" \t "])
cut_anywhere = st.sampled_from([b":", b" ", b"\r", b"\n", b"\r\n", b"a", b"-", b"\x80", b"\x00", b'"', b","])
value = st.lists(st.sampled_from([b"a", b"B", b":", b" ", b"\t", b"\xff", b'"', b";="]), max_size=6).map(b"".join)
line = st.tuples(st.sampled_from([b"a", b"X-Y", b"!#$%&", b"Cookie"]), st.just(b":"), blank, value, blank).map(b"".join)


@many
@given(st.lists(line | st.lists(cut_anywhere, max_size=4).map(b"".join), max_size=5), st.booleans())
def test_fields_are_cut_where_llhttp_cuts_them(lines: list[bytes], request: bool) -> None:
    """RFC 9112 5: a block that it takes without being asked for fields has the fields that it would have told."""
    start = b"GET / HTTP/1.1" if request else b"HTTP/1.1 204 No Content"
    block = b"".join(line + b"\r\n" for line in (start, *lines)) + b"\r\n"
    assume(block.find(b"\r\n\r\n") + 4 == len(block))
    theirs = Callbacks()
    parser = httptools.HttpRequestParser(theirs) if request else httptools.HttpResponseParser(theirs)
    try:
        parser.feed_data(block)
    except httptools.HttpParserError:
        assume(False)  # that it is refused is held elsewhere
    assert cut_fields(block) == theirs.fields


@pytest.mark.parametrize(
    "name", [b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"]
)
def test_a_name_that_decides_is_found_however_it_is_written(name: bytes) -> None:
    """RFC 9110 5.1: names have no case."""
    for written in (name, name.upper(), name.title(), name.swapcase(), name[:1].upper() + name[1:]):
        assert len(name) in DECISIVE[written[0]]


def test_lines_keep_their_cr() -> None:
    """The last two are the empty line and nothing."""
    assert b"GET / HTTP/1.1\r\na: 1\r\n\r\n".split(LINE_END) == [b"GET / HTTP/1.1\r", b"a: 1\r", b"\r", b""]


@pytest.mark.parametrize("line", [b"a: x\r", b"a:x\r", b"a:  x\r", b"a:\tx\r", b"a: x \t\r", b"a: x\t\r"])
def test_white_space_around_a_value_is_not_part_of_it(line: bytes) -> None:
    """RFC 9112 5.1."""
    assert value_of(line, 1) == b"x"


@pytest.mark.parametrize("line", [b"a:\r", b"a: \r", b"a:  \r", b"a:\t\r"])
def test_a_value_may_be_empty(line: bytes) -> None:
    """RFC 9110 5.5."""
    assert value_of(line, 1) == b""
