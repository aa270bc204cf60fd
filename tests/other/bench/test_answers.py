"""The reader: any cut gives the same answers, whichever of its two ways they take; no bytes make it fail otherwise."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.helpers.coded import cut
from tests.helpers.pair import bytewise
from toolkit.other.bench.answers import MOST_HEADS, MOST_WHOLE, AnswerReader, Heads

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


class Answered(NamedTuple):
    status: int
    keep_alive: bool
    same: bool = True


class Recorder:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Answered | str] = []

    def on_answer(self, status: int, keep_alive: bool, same: bool) -> None:
        self.told.append(Answered(status, keep_alive, same))

    def on_fault(self, kind: str) -> None:
        self.told.append(kind)

    @property
    def answers(self) -> int:
        return sum(isinstance(one, Answered) for one in self.told)


def read(
    pieces: list[bytes], requests: int, *, method: str = "GET", heads: Heads | None = None, eof: bool = False
) -> list[Answered | str]:
    """What a sink is told of these pieces, while so many requests wait."""
    sink = Recorder()
    reader = AnswerReader(sink, heads or Heads(method))
    for piece in pieces:
        reader.feed(piece, requests - sink.answers)
    if eof:
        reader.eof()
    return sink.told


BODIES = st.binary(max_size=40)
STATUSES = st.sampled_from([200, 201, 204, 304, 404, 503])
EXTRA = st.sampled_from([b"", b"server: x\r\n", b"x-y: z\r\ndate: now\r\n"])


@st.composite
def answers(draw: st.DrawFn, method: str) -> tuple[bytes, Answered]:
    """An answer to a method, in bytes, and what is to be told of it."""
    status, body, extra = draw(STATUSES), draw(BODIES), draw(EXTRA)
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"]))
    head = interim + b"HTTP/1.1 %d Some Words\r\n%b" % (status, extra)
    if method == "HEAD" or status in (204, 304):
        length = b"" if status == 204 else b"content-length: 7\r\n"
        return head + length + b"\r\n", Answered(status, True)
    if draw(st.booleans()):
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body), Answered(status, True)
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, body[at : at + 1]) for at in range(len(body)))
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", Answered(status, True)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@given(data=st.data(), points=st.lists(st.integers(0, 1000), max_size=12))
def test_any_cut_gives_the_same_answers(method: str, data: st.DataObject, points: list[int]) -> None:
    sent = data.draw(st.lists(answers(method), min_size=1, max_size=6))
    stream, wanted = b"".join(one for one, _ in sent), [told for _, told in sent]
    heads = Heads(method)
    for pieces in ([stream], cut(stream, points), bytewise(stream), [one for one, _ in sent]):
        assert read(pieces, len(sent), method=method, heads=heads) == wanted  # the heads are known from the second on


@given(body=BODIES, points=st.lists(st.integers(0, 200), max_size=5))
def test_the_end_of_the_connection_ends_an_answer(body: bytes, points: list[int]) -> None:
    stream = b"HTTP/1.1 200 OK\r\n\r\n" + body
    pieces = cut(stream, points)
    assert read(pieces, 1) == []
    assert read(pieces, 1, eof=True) == [Answered(200, False)]


@given(points=st.lists(st.integers(0, 200), max_size=5))
def test_the_server_may_say_that_it_closes(points: list[int]) -> None:
    stream = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
    assert read(cut(stream, points), 1) == [Answered(200, False)]
    assert read([b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"], 1) == [Answered(200, False)]


@pytest.mark.parametrize("cut_at", range(1, len(OK)))
def test_an_answer_cut_off_is_none(cut_at: int) -> None:
    sink = Recorder()
    reader = AnswerReader(sink, Heads("GET"))
    reader.feed(OK[:cut_at], 1)
    assert not reader.eof()
    assert sink.told == []
    assert reader.busy


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01",
        b"HTTP/1.1 xyz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
    ],
)
def test_what_is_no_answer_is_malformed_and_nothing_behind_it_counts(rubbish: bytes) -> None:
    assert read([OK + rubbish + OK, OK], 5) == [Answered(200, True), "malformed"]
    assert read(bytewise(rubbish), 5)[:1] == ["malformed"]


def test_what_nobody_asked_for_is_told() -> None:
    assert read([OK], 0) == ["unasked"]
    assert read([OK + OK], 1) == [Answered(200, True), "unasked"]
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    assert read([chunked + OK], 1) == [Answered(200, True), "unasked"]
    assert read([OK + b"x"], 1) == [Answered(200, True), "unasked"]


@given(pieces=st.lists(st.binary(max_size=60), max_size=8), requests=st.integers(0, 3))
@example(pieces=[b"HTTP/1.1 200 OK\r\n\r\n", b"x"], requests=1)
def test_any_bytes_are_answers_or_one_fault(pieces: list[bytes], requests: int) -> None:
    told = read(pieces, requests, eof=True)
    faults = [at for at, one in enumerate(told) if isinstance(one, str)]
    assert faults in ([], [len(told) - 1])


# -- what is remembered --------------------------------------------------------------------------------------------


def test_a_known_head_is_not_parsed_again_and_one_byte_makes_it_another() -> None:
    heads = Heads("GET")
    first = heads.at(OK, 0)
    assert first is not None
    assert (first.total, first.status) == (len(OK), 200)
    assert heads.at(b"xx" + OK + b"yy", 2) is first
    assert heads.at(OK[:-5] + b"world", 0) is first  # only the head is compared
    other = heads.at(OK.replace(b"OK", b"Ok"), 0)
    assert other is not None
    assert other is not first
    assert heads.latest is other
    assert heads.at(OK, 0) is first


def test_an_answer_that_is_not_there_in_whole_is_for_the_receiver() -> None:
    heads = Heads("GET")
    assert all(heads.at(OK[:end], 0) is None for end in range(len(OK)))
    assert heads.at(OK, 0) is not None
    assert all(heads.at(OK[:end], 0) is None for end in range(len(OK)))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200\x00 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_what_is_not_simple_is_for_the_receiver(answer: bytes) -> None:
    assert Heads("GET").at(answer, 0) is None


def test_a_chunked_answer_in_one_piece_is_remembered_with_its_body() -> None:
    heads = Heads("GET")
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert read([chunked], 1, heads=heads) == [Answered(200, True)]
    assert (heads.latest.prefix, heads.latest.total) == (chunked, len(chunked))
    assert heads.at(chunked.replace(b"hello", b"world"), 0) is None
    for pieces in ([chunked + OK], [chunked[:9], chunked[9:]], [chunked[:-9] + bytes(MOST_WHOLE) + chunked[-9:]]):
        heads = Heads("GET")
        read(pieces, 2, heads=heads)
        assert heads.latest.prefix != chunked


def test_what_was_counted_elsewhere_is_taken_once() -> None:
    heads = Heads("GET")
    known = heads.at(OK, 0)
    assert known is not None
    known.count += 3
    assert heads.take() == (Counter({200: 3}), 3 * len(OK))
    assert heads.take() == (Counter(), 0)


def test_heads_that_all_differ_take_bounded_memory_and_lose_no_count() -> None:
    heads = Heads("GET")
    held = []
    for number in range(5 * MOST_HEADS):
        known = heads.at(OK.replace(b"OK", b"%06d" % number), 0)
        assert known is not None
        known.count += 1
        held.append(known)
    assert sum(known.total >= 0 for known in held) <= MOST_HEADS  # the others match nothing any more
    statuses, size = heads.take()
    assert statuses == Counter({200: 5 * MOST_HEADS})
    assert size == 5 * MOST_HEADS * (len(OK) + 4)


# -- bodies that are checked ---------------------------------------------------------------------------------------


def answer_with(body: bytes, *, status: int = 200, chunked: bool = False) -> bytes:
    if chunked:
        size = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return b"HTTP/1.1 %d X\r\ntransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (status, size)
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


@given(
    bodies=st.lists(
        st.tuples(st.sampled_from([b"", b"abc", b"abd", b"ab", b"abcd"]), st.booleans()), min_size=1, max_size=8
    ),
    points=st.lists(st.integers(0, 1000), max_size=8),
)
def test_every_body_is_held_against_the_first(bodies: list[tuple[bytes, bool]], points: list[int]) -> None:
    sent = [answer_with(body, chunked=chunked) for body, chunked in bodies]
    stream = b"".join(sent)
    first = bodies[0][0]
    wanted = [Answered(200, True, body == first) for body, _ in bodies]
    for pieces in ([stream], cut(stream, points), bytewise(stream), sent):
        assert read(pieces, len(bodies), heads=Heads("GET", check=True)) == wanted


def test_only_a_good_answer_is_the_reference() -> None:
    heads = Heads("GET", check=True)
    stream = answer_with(b"sorry", status=503) + answer_with(b"good") + answer_with(b"oops", status=500)
    assert read([stream + answer_with(b"good")], 4, heads=heads) == [
        Answered(503, True),
        Answered(200, True),
        Answered(500, True),
        Answered(200, True),
    ]
    assert read([answer_with(b"evil")], 1, heads=heads) == [Answered(200, True, same=False)]


def test_a_checked_body_is_part_of_what_is_known() -> None:
    heads = Heads("GET", check=True)
    assert heads.at(OK, 0) is heads.latest
    assert heads.latest.prefix == OK
    wrong = heads.at(OK[:-5] + b"world", 0)
    assert wrong is not None
    assert not wrong.same
    assert heads.latest.prefix == OK
