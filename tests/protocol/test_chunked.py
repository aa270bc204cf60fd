"""Chunked framing: any cut gives the same, what follows is not touched, and llhttp agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded, RemoteProtocolError
from toolkit.protocol.chunked import LAST_CHUNK, NOT_IN_TRAILERS, ChunkedDecoder, chunk, last_chunk
from toolkit.protocol.limits import Limits

from ..helpers.coded import cut, many
from ..helpers.pair import bytewise

if TYPE_CHECKING:
    from toolkit.protocol.headers import Fields

SMALL = Limits(chunk_line=20, chunk_extensions=30, trailers=40, fields=3)
Outcome = tuple[bytes, "Fields", bytes | None, type[Exception] | None, str, int]


def outcome(pieces: list[bytes], limits: Limits = Limits()) -> Outcome:
    """Payload, trailers, what stands behind the end (None: no end yet), and the fault."""
    decoder = ChunkedDecoder(limits)
    payload = b""
    rest: bytes | None = None
    for piece in pieces:
        if rest is not None:
            rest += piece
            continue
        try:
            data, behind = decoder.decode(piece)
        except RemoteProtocolError as error:
            return b"", [], None, type(error), str(error), error.status_hint
        payload += data
        if decoder.done:
            rest = behind
        else:
            assert behind == b""
    return payload, decoder.trailers, rest, None, "", 0


GOOD: list[tuple[bytes, bytes, list[tuple[bytes, bytes]]]] = [
    (b"0\r\n\r\n", b"", []),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello", []),
    (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", []),
    (b"00000000000005\r\nhello\r\n0\r\n\r\n", b"hello", []),
    (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", []),
    (b"a\r\n0123456789\r\n000\r\n\r\n", b"0123456789", []),
    (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", []),
    (b"5;a\r\nhello\r\n0;b\r\n\r\n", b"hello", []),
    (b'5;a=b;c="d\\"e"\r\nhello\r\n0\r\n\r\n', b"hello", []),
    (b"5 ; a = b\r\nhello\r\n0\r\n\r\n", b"hello", []),
    (b"0\r\nx: 1\r\n\r\n", b"", [(b"x", b"1")]),
    (b"1\r\nz\r\n0\r\nDigest: a b \r\nx:\r\n\r\n", b"z", [(b"Digest", b"a b"), (b"x", b"")]),
]

BAD: list[tuple[bytes, str]] = [
    (b"x\r\n", "expected hexadecimal digits"),
    (b"\r\n", "expected hexadecimal digits"),
    (b"-5\r\nhello\r\n", "expected hexadecimal digits"),
    (b"+5\r\nhello\r\n", "expected hexadecimal digits"),
    (b"0x5\r\nhello\r\n", "expected hexadecimal digits"),
    (b"5_0\r\n", "expected hexadecimal digits"),
    (b" 5\r\nhello\r\n", "expected hexadecimal digits"),
    (b"5 \r\nhello\r\n", "expected hexadecimal digits"),
    (b"5;\r\nhello\r\n", "expected hexadecimal digits"),
    (b"5;a=\r\nhello\r\n", "expected hexadecimal digits"),
    (b'5;a="b\r\nhello\r\n', "expected hexadecimal digits"),
    (b"5;a\x00\r\nhello\r\n", "expected hexadecimal digits"),
    (b"00000000000000005\r\nhello\r\n", "expected hexadecimal digits"),
    (b"8000000000000000\r\n", "is over"),
    (b"5\nhello\r\n0\r\n\r\n", "bare CR or LF"),
    (b"5\rhello\r\n0\r\n\r\n", "bare CR or LF"),
    (b"5;a\nb\r\nhello\r\n0\r\n\r\n", "bare CR or LF"),
    (b"0\r\r\n", "bare CR or LF"),
    (b"5\r\nhelloX\r\n0\r\n\r\n", "not followed by CRLF"),
    (b"5\r\nhello0\r\n\r\n", "not followed by CRLF"),
    (b"5\r\nhello\n0\r\n\r\n", "bare CR or LF|not followed by CRLF"),
    (b"5\r\nhello\r0\r\n\r\n", "bare CR or LF|not followed by CRLF"),
    (b"0\r\nx\r\n\r\n", "expected 'name: value'"),
    (b"0\r\n: 1\r\n\r\n", "expected 'name: value'"),
    (b"0\r\nx : 1\r\n\r\n", "expected 'name: value'"),
    (b"0\r\n x: 1\r\n\r\n", "expected 'name: value'"),
    (b"0\r\nx: a\x00\r\n\r\n", "expected 'name: value'"),
    (b"0\r\nx: a\r\n b\r\n\r\n", "expected 'name: value'"),
    (b"0\r\nx: 1\n\r\n", "bare CR or LF"),
    (b"0\r\n\n", "bare CR or LF"),
]


@pytest.mark.parametrize(("coded", "payload", "trailers"), GOOD)
@pytest.mark.parametrize("behind", [b"", b"\r\n", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n", b"\x00"])
def test_a_body_ends_where_it_ends(coded: bytes, payload: bytes, trailers: Fields, behind: bytes) -> None:
    expected = (payload, trailers, behind, None, "", 0)
    assert outcome([coded + behind]) == expected
    assert outcome(bytewise(coded + behind)) == expected
    assert outcome([coded[:-1], coded[-1:] + behind]) == expected


@pytest.mark.parametrize(("coded", "message"), BAD)
def test_faults_are_told_alike_however_they_come(coded: bytes, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message) as raised:
        ChunkedDecoder(Limits()).decode(coded)
    assert raised.type is RemoteProtocolError
    assert raised.value.status_hint == 400
    assert outcome(bytewise(coded)) == outcome([coded])


@many
@given(st.sampled_from([coded for coded, _, _ in GOOD]), st.lists(st.integers(0)), st.binary(max_size=6))
def test_any_cut_of_a_good_body_gives_the_same(coded: bytes, points: list[int], behind: bytes) -> None:
    assert outcome(cut(coded + behind, points)) == outcome([coded + behind])


# Mostly made of what chunked bodies are made of, so that the decoder comes far.
PIECES = [
    b"0",
    b"5",
    b"a",
    b"\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b"hello",
    b";",
    b"x",
    b"=",
    b'"',
    b": ",
    b" ",
    b"\x00",
    b"1\r\nz\r\n",
]
bodies = st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join) | st.binary(max_size=30)


@many
@given(bodies, st.lists(st.integers(0)))
def test_any_bytes_are_a_body_or_one_fault(coded: bytes, points: list[int]) -> None:
    """Never another error; and the verdict does not depend on the cut."""
    assert outcome(cut(coded, points)) == outcome([coded])
    assert outcome(cut(coded, points), SMALL) == outcome([coded], SMALL)


@many
@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(0)), st.binary(max_size=5))
def test_what_is_framed_comes_out_again(parts: list[bytes], points: list[int], behind: bytes) -> None:
    trailers = [(b"a", b"1"), (b"b", b"")]
    coded = b"".join(map(chunk, parts)) + last_chunk(trailers) + behind
    assert outcome(cut(coded, points)) == (b"".join(parts), trailers, behind, None, "", 0)


def test_the_last_chunk() -> None:
    assert last_chunk([]) == LAST_CHUNK == b"0\r\n\r\n"
    assert last_chunk([(b"a", b"1")]) == b"0\r\na: 1\r\n\r\n"
    assert chunk(b"0123456789abcdef") == b"10\r\n0123456789abcdef\r\n"


def test_many_chunks_of_a_segment_are_handed_over_as_one() -> None:
    data, behind = ChunkedDecoder(Limits()).decode(b"1\r\nx\r\n" * 10_000)
    assert (data, behind) == (b"x" * 10_000, b"")


def test_payload_of_one_piece_is_not_framed_again() -> None:
    decoder = ChunkedDecoder(Limits())
    assert decoder.decode(b"fff\r\n") == (b"", b"")
    assert decoder.decode(b"part") == (b"part", b"")


# Limits

LIMITED: list[tuple[bytes, int, str]] = [
    (b"5;" + b"a" * 20, 400, "chunk-size line is over 20 bytes"),
    (b"5;" + b"a" * 30 + b"\r\n", 400, "chunk-size line is over 20 bytes"),
    (b"1;aaaaaaaaa\r\nx\r\n" * 4, 413, "chunk extensions over 30 bytes"),
    (b"0\r\nx: " + b"a" * 60, 431, "trailer section is over 40 bytes"),
    (b"0\r\nx: " + b"a" * 60 + b"\r\n\r\n", 431, "trailer section is over 40 bytes"),
    (b"0\r\nx: " + b"a" * 20 + b"\r\ny: " + b"a" * 20 + b"\r\n\r\n", 431, "trailer section is over 40 bytes"),
    (b"0\r\n" + b"x:\r\n" * 4 + b"\r\n", 431, "more than 3 trailer fields"),
    (b"5;" + b"a" * 19 + b"\r\nhello\r\n", 400, "chunk-size line is over 20 bytes"),
]


@pytest.mark.parametrize(("coded", "hint", "message"), LIMITED)
def test_limits(coded: bytes, hint: int, message: str) -> None:
    for pieces in ([coded], bytewise(coded)):
        fault = outcome(pieces, SMALL)
        assert fault[3] is LimitExceeded
        assert fault[5] == hint
        assert message in fault[4]


def test_just_within_the_limits() -> None:
    line = b"5;" + b"a" * 18 + b"\r\nhello\r\n"
    trailer = b"0\r\nx: " + b"a" * 35 + b"\r\n\r\n"  # 40 bytes with its CRLF
    for pieces in ([line + trailer], bytewise(line + trailer)):
        assert outcome(pieces, SMALL)[:4] == (b"hello", [(b"x", b"a" * 35)], b"", None)


@pytest.mark.parametrize("name", sorted(NOT_IN_TRAILERS))
def test_fields_that_may_not_come_behind_the_body(name: bytes) -> None:
    """RFC 9110 6.5.1."""
    for spelt in (name, name.upper()):
        assert "may not come behind" in outcome([b"0\r\n" + spelt + b": x\r\n\r\n"])[4]


# Against llhttp


class Theirs:
    """What llhttp makes of a chunked request."""

    def __init__(self) -> None:
        self.body = b""
        self.over = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.over = True


def theirs(coded: bytes) -> tuple[bytes, bool] | None:
    """Its payload and whether the message is over; None for a fault."""
    events = Theirs()
    parser = httptools.HttpRequestParser(events)
    try:
        parser.feed_data(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + coded)
    except httptools.HttpParserError:
        return None
    return events.body, events.over


@pytest.mark.parametrize("coded", [coded for coded, _, _ in GOOD if b"5 ;" not in coded])
def test_llhttp_reads_the_good_ones_alike(coded: bytes) -> None:
    assert theirs(coded) == (outcome([coded])[0], True)


@many
@given(bodies)
@example(b"5\r\nhello\r\n0\r\n\r\n")
@example(b"5;x\r\nhello\r\n0\r\nx: z\r\n\r\n")
def test_whatever_we_take_llhttp_takes_alike(coded: bytes) -> None:
    """We may refuse more than it does; what we accept it must not read in another way: that would be smuggling."""
    payload, _, behind, fault, _, _ = outcome([coded])
    assume(fault is None)
    # White space around the parts of an extension is allowed (RFC 9112 7.1.1), and llhttp refuses it.
    assume(not any(space in coded for space in (b" ;", b"; ", b" =", b"= ")))
    if behind is None:  # llhttp may know from the first byte what we say at the end of a line
        assert theirs(coded) in (None, (payload, False))
    else:
        assert theirs(coded[: len(coded) - len(behind)]) == (payload, True)


chunks = st.lists(
    st.tuples(st.binary(min_size=1, max_size=40), st.sampled_from([b"%x\r\n", b"%X\r\n", b"%x;a\r\n"])), max_size=6
)


@many
@given(chunks, st.lists(st.integers(0, 300), max_size=6))
def test_what_is_skimmed_and_what_is_decoded_make_the_whole(
    parts: list[tuple[bytes, bytes]], points: list[int]
) -> None:
    """Whatever was passed over is plain chunks, whole lines and data; `decode` goes on right behind it."""
    body = b"".join(line % len(data) + data + b"\r\n" for data, line in parts) + b"0\r\n\r\n"
    decoder, skimmer = ChunkedDecoder(Limits()), ChunkedDecoder(Limits())
    for piece in cut(body, points):
        size, count = skimmer.skim(memoryview(piece)) if not skimmer._line else (0, 0)
        there = decoder.decode(piece[:size])[0]
        assert len(there) == count
        rest = piece[size:]
        if rest:
            assert skimmer.decode(rest) == decoder.decode(rest)
    assert skimmer.done
    assert decoder.done


def test_a_place_in_a_chunk_can_be_gone_back_to() -> None:
    decoder = ChunkedDecoder(Limits())
    place = decoder.place
    assert decoder.skim(memoryview(b"5\r\nhel")) == (6, 3)
    assert decoder.left_of_chunk == 2
    decoder.go_back(place)
    assert decoder.skim(memoryview(b"5\r\nhello\r\n0\r\n")) == (10, 5)
    assert decoder.left_of_chunk == 0
