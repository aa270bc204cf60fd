"""Going on with a download: RFC 9110 8.8 (validators), 13.1.5 (If-Range), 14 and 15.3.7 (ranges), 15.5.17 (416)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.resuming import Mark, Step, answered_size, judge, read_mark, strong_validator, write_mark
from toolkit.protocol.headers import Headers

OLD = "Sun, 06 Nov 1994 08:49:37 GMT"
NEW = "Sun, 06 Nov 1994 08:50:36 GMT"  # 59 seconds later
LATER = "Sun, 06 Nov 1994 08:50:37 GMT"


@pytest.mark.parametrize(
    ("section", "headers", "expected"),
    [
        ("8.8.3", {"etag": '"a"'}, '"a"'),
        ("8.8.3 (before a date)", {"etag": '"a"', "last-modified": OLD, "date": LATER}, '"a"'),
        ("8.8.1 (weak)", {"etag": 'W/"a"'}, None),
        ("13.1.5 (a weak one, and a date)", {"etag": 'W/"a"', "last-modified": OLD, "date": LATER}, None),
        ("8.8.3 (no quotes)", {"etag": "a"}, None),
        ("8.8.3 (two)", {"etag": '"a", "b"'}, None),
        ("8.8.3 (empty)", {"etag": '""'}, '""'),
        ("8.8.2.2", {"last-modified": OLD, "date": LATER}, OLD),
        ("8.8.2.2 (too near)", {"last-modified": OLD, "date": NEW}, None),
        ("8.8.2.2 (the same moment)", {"last-modified": OLD, "date": OLD}, None),
        ("8.8.2.2 (in the future)", {"last-modified": LATER, "date": OLD}, None),
        ("8.8.2.2 (no date)", {"last-modified": OLD}, None),
        ("8.8.2 (none)", {"date": OLD}, None),
        ("5.6.7 (no date)", {"last-modified": "yesterday", "date": OLD}, None),
        ("5.6.7 (no date)", {"last-modified": OLD, "date": "now"}, None),
    ],
)
def test_a_validator_that_may_stand_in_if_range(section: str, headers: dict[str, str], expected: str | None) -> None:
    assert strong_validator(Headers(headers)) == expected, section


TAG = Mark.of("http://a.test/", '"a"', 10)
DATE = Mark.of("http://a.test/", OLD, None)


@pytest.mark.parametrize(
    ("section", "status", "headers", "held", "mark", "expected"),
    [
        ("15.3.1", 200, {}, None, None, Step.WHOLE),
        ("15.3.1 (ranges are not known)", 200, {"etag": '"a"'}, 5, TAG, Step.WHOLE),
        ("13.1.5 (it changed)", 200, {"etag": '"b"'}, 5, TAG, Step.WHOLE),
        ("15.3.4", 203, {}, None, None, Step.WHOLE),
        ("15.3.7", 206, {"content-range": "bytes 5-9/10"}, 5, TAG, Step.REST),
        ("15.3.7", 206, {"content-range": "bytes 5-9/10", "etag": '"a"'}, 5, TAG, Step.REST),
        ("15.3.7", 206, {"content-range": "bytes 5-9/10", "last-modified": OLD}, 5, DATE, Step.REST),
        ("15.3.7 (less than asked for)", 206, {"content-range": "bytes 5-6/10"}, 5, TAG, Step.REST),
        ("14.4 (no size)", 206, {"content-range": "bytes 5-9/*"}, 5, TAG, Step.REST),
        ("15.3.7 (another tag)", 206, {"content-range": "bytes 5-9/10", "etag": '"b"'}, 5, TAG, Step.AGAIN),
        ("15.3.7 (another place)", 206, {"content-range": "bytes 4-9/10"}, 5, TAG, Step.AGAIN),
        ("15.3.7 (another size)", 206, {"content-range": "bytes 5-9/11"}, 5, TAG, Step.AGAIN),
        ("15.3.7 (no place)", 206, {}, 5, TAG, Step.AGAIN),
        ("15.3.7.2 (several)", 206, {"content-type": "multipart/byteranges; boundary=x"}, 5, TAG, Step.AGAIN),
        ("15.3.7 (nobody asked)", 206, {"content-range": "bytes 0-9/10"}, None, None, None),
        ("15.5.17 (it is whole)", 416, {"content-range": "bytes */10"}, 10, TAG, Step.NOTHING),
        (
            "15.5.17 (another tag)",
            416,
            {"content-range": "bytes */10", "etag": '"b"'},
            10,
            TAG,
            Step.AGAIN,
        ),
        ("15.5.17 (it is shorter)", 416, {"content-range": "bytes */4"}, 5, TAG, Step.AGAIN),
        ("15.5.17 (no size)", 416, {}, 10, TAG, Step.AGAIN),
        ("15.5.17 (nobody asked)", 416, {}, None, None, None),
        ("15.4.5", 304, {}, None, None, None),
        ("15.4.3", 302, {"location": "/"}, 5, TAG, None),
        ("15.5.5", 404, {}, 5, TAG, None),
        ("15.6.4", 503, {}, None, None, None),
    ],
)
def test_what_an_answer_means(
    section: str, status: int, headers: dict[str, str], held: int | None, mark: Mark | None, expected: Step | None
) -> None:
    assert judge(status, Headers(headers), held, mark) == expected, section


def test_a_range_of_what_is_decoded_on_the_way_fits_nowhere() -> None:
    headers = Headers({"content-range": "bytes 5-9/10"})
    assert judge(206, headers, 5, TAG, coded=True) is Step.AGAIN


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {"content-length": "10"}, 10),
        (200, {}, None),
        (206, {"content-length": "5", "content-range": "bytes 5-9/10"}, 10),
        (206, {"content-length": "5", "content-range": "bytes 5-9/*"}, None),
        (206, {"content-length": "5"}, None),
    ],
)
def test_the_size_of_the_whole(status: int, headers: dict[str, str], expected: int | None) -> None:
    assert answered_size(status, Headers(headers)) == expected


@pytest.mark.parametrize("mark", [TAG, DATE])
def test_a_mark_is_read_again(mark: Mark) -> None:
    assert read_mark(write_mark(mark)) == mark


def test_a_mark_keeps_no_url_that_may_hold_a_secret() -> None:
    assert b"token" not in write_mark(Mark.of("http://u:token@a.test/?key=token", '"a"', 1))
    assert Mark.of("http://a.test/?1", '"a"', 1).source != Mark.of("http://a.test/?2", '"a"', 1).source


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"source": "x", "validator": "y", "size": 1}',
        b'{"source": "x", "validator": "\\"a\\"\\r\\nx: y", "size": 1}',
        b'{"source": "x", "validator": "\\"a\\"", "size": -1}',
        b'{"source": "x", "validator": "\\"a\\"", "size": 1.5}',
        b'{"source": 1, "validator": "\\"a\\"", "size": 1}',
        b'{"source": "x", "validator": null, "size": 1}',
        write_mark(TAG)[:20],
    ],
)
def test_what_is_no_mark_is_none(data: bytes) -> None:
    assert read_mark(data) is None


@given(st.binary(max_size=60))
def test_a_mark_of_anything_never_raises(data: bytes) -> None:
    read_mark(data)
