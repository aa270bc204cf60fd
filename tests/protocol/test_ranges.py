"""Range fields, Content-Range and multipart/byteranges: RFC 9110 14 and 15.3.7."""

from __future__ import annotations

from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.ranges import (
    ByteRanges,
    Span,
    content_range,
    parse_content_range,
    parse_range,
    unsatisfied_range,
)

SIZE = 10_000  # as in the examples of RFC 9110 14.1.2
HUGE = "9" * 10_000


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("14.1.2", "bytes=0-499", [(0, 500)]),
        ("14.1.2", "bytes=500-999", [(500, 1000)]),
        ("14.1.2", "bytes=-500", [(9500, 10_000)]),
        ("14.1.2", "bytes=9500-", [(9500, 10_000)]),
        ("14.1.2", "bytes=0-0,-1", [(0, 1), (9999, 10_000)]),
        ("14.1.2", "bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10_000)]),
        ("14.1.2", "bytes=500-600,601-999", [(500, 1000)]),  # they touch: joined
        ("14.1.2", "bytes=500-700,601-999", [(500, 1000)]),  # they overlap: joined
        ("14.1.2", "bytes=0-99999", [(0, 10_000)]),  # a last position behind the end is the end
        ("14.1.2", "bytes=-99999", [(0, 10_000)]),  # a suffix longer than all is all
        ("14.1.2", f"bytes=0-{HUGE}", [(0, 10_000)]),
        ("14.1.2", f"bytes=-{HUGE}", [(0, 10_000)]),
        ("14.1.2", "bytes=000000000000000000000000001-2", [(1, 3)]),
        ("14.1.1", "BYTES=0-1", [(0, 2)]),  # units in any case
        ("5.6.1", "bytes=,0-1, ,", [(0, 2)]),  # empty elements
        ("15.3.7", "bytes=500-,0-99", [(500, 10_000), (0, 100)]),  # in the order asked for
        ("15.3.7", "bytes=20-29,0-9,25-40", [(0, 10), (20, 41)]),  # joined: by their place
        ("14.1.2", "bytes=0-1,20000-", [(0, 2)]),  # what lies behind the end is left out
        # 15.5.17: none lies within
        ("14.1.2", "bytes=10000-", []),
        ("14.1.2", "bytes=10000-10001", []),
        ("14.1.2", "bytes=-0", []),
        ("14.1.2", f"bytes={HUGE}-", []),
        ("14.1.2", "bytes=10000-,-0", []),
        # 14.2: ignored
        ("14.1.1", "bytes=1-0", None),  # the last before the first
        ("14.1.1", "bytes=0-1,1-0", None),  # one bad element spoils the field
        ("14.1.1", f"bytes={HUGE}1-{HUGE[1:]}", []),  # both beyond measure: behind the end
        ("14.1.1", "lines=0-1", None),  # no such unit
        ("14.1.1", "bytes", None),
        ("14.1.1", "bytes=", None),
        ("14.1.1", "bytes=,", None),
        ("14.1.1", "bytes=-", None),
        ("14.1.1", "bytes=a-b", None),
        ("14.1.1", "bytes=0", None),
        ("14.1.1", "bytes=+0-1", None),
        ("14.1.1", "bytes=0--1", None),
        ("14.1.1", "bytes=0-1-2", None),
        ("14.1.1", "bytes=0 - 1", None),
        ("14.1.1", "bytes=0x0-0x1", None),
        ("14.1.1", "bytes=1_0-2_0", None),
        ("14.1.1", "bytes=\u0660-\u0661", None),  # digits to Python, not to HTTP
        ("14.1.1", "", None),
    ],
)
def test_a_range_is_read_as_rfc_9110_says(section: str, value: str, expected: list[tuple[int, int]] | None) -> None:
    assert parse_range(value, SIZE) == expected, section


def test_too_many_parts_are_answered_by_the_whole() -> None:
    """14.2: many small ranges are an attack, or as good as one."""
    sixteen = ",".join(f"{at}-{at}" for at in range(0, 160, 10))
    assert len(parse_range(f"bytes={sixteen}", SIZE) or []) == 16
    assert parse_range(f"bytes={sixteen},500-500", SIZE) is None
    assert parse_range("bytes=" + "0-," * 5000 + "0-", SIZE) is None


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-1", "bytes=5-6"])
def test_nothing_has_no_parts(value: str) -> None:
    assert parse_range(value, 0) is None


@given(st.text() | st.text(alphabet="bytes=-,0123456789 "), st.integers(0, 1000))
def test_any_text_gives_parts_that_lie_within(value: str, size: int) -> None:
    spans = parse_range(value, size)
    assert all(0 <= span.start < span.stop <= size for span in spans or ())
    assert sum(span.size for span in spans or ()) <= size


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted), min_size=1, max_size=16),
    st.integers(1, 50),
)
def test_parts_hold_the_bytes_asked_for_once(pairs: list[list[int]], size: int) -> None:
    spans = parse_range("bytes=" + ",".join(f"{first}-{last}" for first, last in pairs), size)
    assert spans is not None
    wanted = {at for first, last in pairs for at in range(first, last + 1) if at < size}
    given_ = [at for span in spans for at in range(span.start, span.stop)]
    assert sorted(given_) == sorted(wanted)


def test_content_range() -> None:
    """14.4"""
    assert content_range(Span(42, 1234), 1234) == b"bytes 42-1233/1234"
    assert unsatisfied_range(47022) == b"bytes */47022"


@given(
    st.binary(min_size=1, max_size=200),
    st.lists(st.integers(0, 199), min_size=2, max_size=8, unique=True).map(sorted),
)
def test_a_body_of_parts_is_a_multipart_message(body: bytes, cuts: list[int]) -> None:
    """14.6, read by the standard library's parser; the length said beforehand is the body's."""
    wanted = [Span(first, last) for first, last in zip(cuts[::2], cuts[1::2], strict=False) if last <= len(body)]
    parts = ByteRanges(wanted, len(body), b"application/octet-stream", b"THIS_STRING_SEPARATES")
    whole = parts.join(body)
    assert len(whole) == parts.length
    sliced = [body[one.start : one.stop] if isinstance(one, Span) else one for one in parts.pieces]
    assert b"".join(sliced) == whole
    if not wanted or b"\r" in body or b"\n" in body:  # the parser reads lines; ours are bytes
        return
    head = b"content-type: " + parts.content_type + b"\r\n\r\n"
    message = BytesParser().parsebytes(head + whole)
    found = message.get_payload()
    assert isinstance(found, list)
    for part, span in zip(found, wanted, strict=True):
        assert part["content-type"] == "application/octet-stream"
        assert part["content-range"] == content_range(span, len(body)).decode()
        assert part.get_payload(decode=True) == body[span.start : span.stop]


def test_a_part_without_a_type() -> None:
    parts = ByteRanges([Span(0, 1)], 3, b"", b"B")
    assert parts.join(b"abc") == b"--B\r\ncontent-range: bytes 0-0/3\r\n\r\na\r\n--B--\r\n"
    assert parts.content_type == b"multipart/byteranges; boundary=B"


# Content-Range, read


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("14.4", "bytes 42-1233/1234", (Span(42, 1234), 1234)),
        ("14.4", "bytes 42-1233/*", (Span(42, 1234), None)),
        ("14.4", "bytes */1234", (None, 1234)),
        ("14.4", "bytes 0-0/1", (Span(0, 1), 1)),
        ("14.4", "bytes 0-499/1234", (Span(0, 500), 1234)),
        ("14.4 (units ignore case)", "Bytes 0-0/1", (Span(0, 1), 1)),
        ("14.4 (last before first)", "bytes 5-4/10", None),
        ("14.4 (last behind the end)", "bytes 5-10/10", None),
        ("14.4 (nothing known)", "bytes */*", None),
        ("14.4 (another unit)", "lines 0-1/2", None),
        ("14.4 (no range)", "bytes 5/10", None),
        ("14.4 (no last)", "bytes 5-/10", None),
        ("14.4 (no size)", "bytes 0-4", None),
        ("14.4 (a size that is none)", "bytes 0-4/x", None),
        ("14.4 (a sign)", "bytes +0-4/5", None),
        ("14.4 (as in Range)", "bytes=0-4/5", None),
        ("14.4", "", None),
    ],
)
def test_a_content_range_is_read(section: str, value: str, expected: object) -> None:
    assert parse_content_range(value) == expected, section


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
def test_a_content_range_that_was_written_is_read_again(start: int, size: int, more: int) -> None:
    span, whole = Span(start, start + size), start + size + more
    assert parse_content_range(content_range(span, whole).decode()) == (span, whole)
    assert parse_content_range(unsatisfied_range(whole).decode()) == (None, whole)


@given(st.text(alphabet="bytes */-0129x", max_size=24))
def test_a_content_range_of_anything_never_raises(value: str) -> None:
    parse_content_range(value)
