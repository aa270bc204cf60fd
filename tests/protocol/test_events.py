"""Server-sent events, by the rules of WHATWG HTML 9.2 (section numbers of the living standard)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded, LocalProtocolError
from toolkit.protocol.events import (
    EVENT_SIZE,
    LONGEST_RETRY,
    Event,
    EventParser,
    encode_comment,
    encode_event,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse(*pieces: bytes, limit: int = EVENT_SIZE) -> list[Event]:
    parser = EventParser(limit)
    return [event for piece in pieces for event in parser.feed(piece)]


def data(*texts: str) -> list[Event]:
    return [Event(text) for text in texts]


#: stream, events, the rule
TABLE: list[tuple[bytes, list[Event], str]] = [
    (b"data: x\n\n", data("x"), "9.2.5: a block of fields and an empty line"),
    (b"data:x\n\n", data("x"), "9.2.6: the space behind the colon is not needed"),
    (b"data:  x \n\n", data(" x "), "9.2.6: one space is removed, no more"),
    (b"data:\tx\n\n", data("\tx"), "9.2.6: a tab is no space"),
    (b"data: a\ndata: b\n\n", data("a\nb"), "9.2.6: lines of data are joined by LF"),
    (b"data\n\ndata\ndata\n\ndata: x", data("", "\n"), "9.2.6: a field without colon is empty; the rest is discarded"),
    (b"data:\n\n", data(""), "9.2.6: an empty line of data is data"),
    (b"data: x\n", [], "9.2.6: no empty line, no event"),
    (b"data: x\n\ndata: y\n", data("x"), "9.2.6: what the end of the stream cuts off is discarded"),
    (b"\n\n\n", [], "9.2.6: empty lines alone are nothing"),
    (b"event: a\n\ndata: x\n\n", data("x"), "9.2.6: an event without data is none, and its type is forgotten"),
    (b"event: a\ndata: x\n\ndata: y\n\n", [Event("x", "a"), Event("y")], "9.2.6: a type is one event's"),
    (b"event: \ndata: x\n\n", data("x"), "9.2.6: an empty type is `message`"),
    (b"event: a\nevent: b\ndata: x\n\n", [Event("x", "b")], "9.2.6: the last type counts"),
    (b"id: 1\ndata: x\n\ndata: y\n\n", [Event("x", id="1"), Event("y", id="1")], "9.2.6: an id stays in force"),
    (b"id: 1\ndata: x\n\nid\ndata: y\n\n", [Event("x", id="1"), Event("y")], "9.2.6: an empty id resets it"),
    (b"id: 1\n\ndata: y\n\n", [Event("y", id="1")], "9.2.6: an id without data counts"),
    (b"id: 1\0\ndata: x\n\n", data("x"), "9.2.6: an id with NUL is ignored"),
    (b"id: \xe2\x80\xa6\ndata: x\n\n", [Event("x", id="\u2026")], "9.2.5: ids are UTF-8"),
    (b": c\n\ndata: x\n: c\ndata: y\n\n", data("x\ny"), "9.2.6: comments are ignored, inside an event too"),
    (b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\r", data("a\nb\nc", "d"), "9.2.5: LF, CR and CRLF end a line"),
    (b"data: a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n\n", data("a\x0bb\x0cc\x1cd\x85e\u2028f"), "9.2.5: others do not"),
    (b"\xef\xbb\xbfdata: x\n\n", data("x"), "9.2.5: one BOM at the beginning is no text"),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata: y\n\n", data("y"), "9.2.5: a second one is"),
    (b"data: x\n\n\xef\xbb\xbfdata: y\n\ndata: z\n\n", data("x", "z"), "9.2.5: nor is there one later"),
    (b"Data: x\nda-ta: x\n data: x\ndata\0: x\ndata_: x\n\n", [], "9.2.6: names are compared byte for byte"),
    (b"data: \0\n\n", data("\0"), "9.2.6: NUL is text, but in an id"),
    (b"data: \xff\xc3\n\n", data("\ufffd\ufffd"), "9.2.5: bytes that are no UTF-8 become U+FFFD"),
    (b"data: a: b\n\n", data("a: b"), "9.2.6: the first colon ends the name"),
]


@pytest.mark.parametrize(("stream", "events", "rule"), [pytest.param(*row, id=row[2]) for row in TABLE])
def test_the_interpretation_of_a_stream(stream: bytes, events: list[Event], rule: str) -> None:
    assert parse(stream) == events
    assert parse(*(stream[at : at + 1] for at in range(len(stream)))) == events


LINES = [row[0] for row in TABLE] + [b"data: x\r", b"\n", b"\r\n", b"id: 7\r\n", b"retry: 5\n", b"event: e\r"]


@given(st.lists(st.sampled_from(LINES), max_size=8), st.data())
def test_any_split_gives_the_same(parts: list[bytes], draw: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = draw.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    whole, cut = EventParser(), EventParser()
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert [e for piece in pieces for e in cut.feed(piece)] == list(whole.feed(stream))
    assert (cut.last_id, cut.retry) == (whole.last_id, whole.retry)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_stream(stream: bytes) -> None:
    parse(stream)


@pytest.mark.parametrize(
    ("stream", "retry"),
    [
        (b"retry: 3000\n", 3000),
        (b"retry:0\n", 0),
        (b"retry: 3000\nretry: 1000x\n", 3000),
        (b"retry: 3000\nretry\n", 3000),
        (b"retry: -1\n", None),
        (b"retry: 1_0\n", None),
        (b"retry: 1.5\n", None),
        (b"retry:  5\n", None),
        ("retry: \u0663\n".encode(), None),
        (b"retry: 99999999999\n", LONGEST_RETRY),
        (b"retry: " + b"9" * 10_000 + b"\n", LONGEST_RETRY),
    ],
)
def test_retry_is_digits_alone(stream: bytes, retry: int | None) -> None:
    parser = EventParser()
    assert list(parser.feed(stream)) == []
    assert parser.retry == retry


def test_the_last_id_is_what_was_in_force_at_the_last_empty_line() -> None:
    parser = EventParser(last_id="0")
    assert list(parser.feed(b"data: x\n\nid: 1\ndata: y\n")) == [Event("x", id="0")]
    assert parser.last_id == "0"
    assert list(parser.feed(b"\n")) == [Event("y", id="1")]
    assert parser.last_id == "1"


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * 20,
        b": " + b"x" * 20,
        b"data: xxxxx\n" * 2,
        b"data: x\n\n" + b"data\n" * 5,
        b"id: " + b"x" * 20,
    ],
)
def test_an_event_and_a_line_are_bounded_wherever_they_are_cut(stream: bytes) -> None:
    for pieces in ([stream + b"\n\n"], [stream], [stream[at : at + 1] for at in range(len(stream))]):
        with pytest.raises(LimitExceeded, match="over 20 bytes"):
            parse(*pieces, limit=20)


def test_what_came_before_the_limit_is_given_away() -> None:
    parser = EventParser(20)
    events = parser.feed(b"data: x\n\ndata: " + b"x" * 20)
    assert next(events) == Event("x")
    with pytest.raises(LimitExceeded):
        next(events)


def test_events_within_the_limit_go_on_for_ever() -> None:
    assert len(parse(*[b"data: xxx\n\n: comment\n"] * 1000, limit=12)) == 1000


SENT: list[tuple[dict[str, object], bytes]] = [
    ({"data": "x"}, b"data: x\n\n"),
    ({"data": ""}, b"data: \n\n"),
    ({"data": "a\nb\r\nc\rd"}, b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
    ({"data": {"a": [1, None]}}, b'data: {"a":[1,null]}\n\n'),
    ({"data": 5}, b"data: 5\n\n"),
    ({"data": "x", "event": "tick"}, b"event: tick\ndata: x\n\n"),
    ({"data": "x", "event": "message"}, b"data: x\n\n"),
    ({"data": "x", "id": 7, "retry": 100}, b"id: 7\nretry: 100\ndata: x\n\n"),
    ({"id": ""}, b"id: \n\n"),
    ({"retry": 0}, b"retry: 0\n\n"),
]


@pytest.mark.parametrize(("fields", "stream"), SENT)
def test_an_event_as_it_is_sent(fields: dict[str, object], stream: bytes) -> None:
    assert encode_event(**fields) == stream  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"data": "x", "event": "a\nb"}, "event='a"),
        ({"data": "x", "event": "a\rb"}, "event='a"),
        ({"data": "x", "id": "a\nb"}, "id='a"),
        ({"data": "x", "id": "a\0b"}, "without NUL"),
        ({"event": "tick"}, "never arrives"),
        ({"data": "x", "retry": -1}, "milliseconds"),
        ({"data": "\ud800"}, "UTF-8"),
        ({"data": "x", "id": "\ud800"}, "UTF-8"),
    ],
)
def test_what_would_arrive_as_something_else_is_not_sent(fields: dict[str, object], text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text):
        encode_event(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "sent"), [("", b":\n\n"), ("hello", b": hello\n\n"), ("a\r\nb", b": a\n: b\n\n")])
def test_a_comment_is_nobody_s_event(text: str, sent: bytes) -> None:
    assert encode_comment(text) == sent
    assert parse(sent) == []


NO_SURROGATES = st.characters(exclude_categories=["Cs"])
ONE_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


@given(st.lists(st.tuples(st.text(NO_SURROGATES), ONE_LINE, ONE_LINE), max_size=4))
def test_what_is_sent_is_what_arrives(events: Sequence[tuple[str, str, str]]) -> None:
    stream = b"".join(encode_event(text, event, id) for text, event, id in events)
    arrived = [(text.replace("\r\n", "\n").replace("\r", "\n"), event or "message", id) for text, event, id in events]
    assert parse(stream) == [Event(*each) for each in arrived]


def test_data_as_json() -> None:
    assert parse(encode_event({"a": 1}))[0].json() == {"a": 1}
