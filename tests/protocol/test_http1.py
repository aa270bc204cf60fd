"""The receivers: any cut of the bytes gives the same calls, and whatever comes is a message or a fault."""

from __future__ import annotations

from typing import Final

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.errors import LimitExceeded, RemoteProtocolError
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, NONE, RAW_BYTES
from toolkit.protocol.head import RequestHead, ResponseHead
from toolkit.protocol.http1 import MESSAGES_A_TURN, Receiver, RequestReceiver, ResponseReceiver
from toolkit.protocol.limits import Limits

from ..helpers.coded import cut, few, many
from ..helpers.fakewire import Heard, Recorder, events_of
from ..helpers.pair import bytewise, whole

GET: Final = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"

REQUESTS: Final[list[bytes]] = [
    GET % 1,
    b"\r\n" + GET % 1,
    b"\r\n\r\n\r\n" + GET % 1,
    GET % 1 + GET % 2 + GET % 3,
    GET % 1 + b"\r\n" + GET % 2,
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a \r\nX: \t y\t\r\nx:\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello" + GET % 2,
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n" + GET % 2,
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhell",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n\r\n\r\n" + GET % 2,
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + GET % 2,
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nt: 1\r\n\r\n" + GET % 2,
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
    b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + GET % 2,
    b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n" + GET % 2,
    b"GET / HTTP/1.1\r\nhos",
    b"",
]

BAD_REQUESTS: Final[list[bytes]] = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\nhost: a\n\n",
    b"GET / HTTP/1.1\r\nhost: a\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\n folded: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n",
    b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET / HTTP/3.0\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n" + GET % 2,
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n" + GET % 2,
    GET % 1 + b"\x00" + GET % 2,
    GET % 1 + b"GET /\r\n\r\n" + GET % 2,
]

OK: Final = b"HTTP/1.1 200 OK\r\n"
RESPONSES: Final[list[bytes]] = [
    OK + b"content-length: 5\r\n\r\nhello",
    OK + b"content-length: 0\r\n\r\n",
    OK + b"content-length: 9\r\n\r\nhell",
    OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n",
    OK + b"\r\nuntil the end\r\n\r\n",
    b"HTTP/1.0 200 \r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 1\r\n\r\nx",
    b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 3 + OK + b"content-length: 1\r\n\r\nx",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw \r\n\r\n bytes",
    b"HTTP/1.1 2",
    b"",
]

BAD_RESPONSES: Final[list[bytes]] = [
    b"<html>",
    b"SSH-2.0-OpenSSH_9\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\n\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    OK + b"x : y\r\n\r\n",
    OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    OK + b"transfer-encoding: chunked\r\n\r\nx\r\n",
    OK + b"content-length: 1\r\n\r\nx" + OK + b"content-length: 1\r\n\r\ny",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
]


def served(pieces: list[bytes], limits: Limits = Limits(), *, at_once: bool = False) -> list[Heard]:
    sink = Recorder(at_once=at_once)
    return events_of(RequestReceiver(sink, limits), sink, pieces)


def asked(pieces: list[bytes], method: str = "GET", limits: Limits = Limits()) -> list[Heard]:
    sink = Recorder()
    receiver = ResponseReceiver(sink, limits)
    receiver.expect(method, True)
    heard = events_of(receiver, sink, pieces)
    receiver.receive_eof()
    return heard


def names(heard: list[Heard]) -> list[object]:
    return [event[0] for event in heard]


points = st.lists(st.integers(0), max_size=8)
methods = st.sampled_from(["GET", "HEAD", "CONNECT"])

# Any cut


@pytest.mark.parametrize("data", REQUESTS)
@pytest.mark.parametrize("at_once", [False, True])
def test_requests_whole_and_bytewise(data: bytes, at_once: bool) -> None:
    expected = served([data])
    assert "fault" not in names(expected)
    assert served(bytewise(data)) == expected
    assert served([data], at_once=at_once) == expected
    assert served(bytewise(data), at_once=at_once) == expected


@pytest.mark.parametrize("data", BAD_REQUESTS)
def test_faulty_requests_whole_and_bytewise(data: bytes) -> None:
    expected = served([data])
    assert names(expected)[-1] == "fault"
    assert names(expected).count("fault") == 1
    assert _without_bodies(served(bytewise(data))) == _without_bodies(expected)


def _without_bodies(heard: list[Heard]) -> list[Heard]:
    """What of a faulty body came before the fault may be told or not: it depends on what was in one piece with it."""
    faulty = bool(heard) and heard[-1][0] == "fault"
    return [event for event in heard if event[0] != "body"] if faulty else heard


@many
@given(st.sampled_from(REQUESTS + BAD_REQUESTS), points, st.booleans())
def test_any_cut_of_requests_gives_the_same(data: bytes, cuts: list[int], at_once: bool) -> None:
    assert _without_bodies(served(cut(data, cuts), at_once=at_once)) == _without_bodies(served([data]))


@pytest.mark.parametrize("data", RESPONSES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "CONNECT"])
def test_responses_whole_and_bytewise(data: bytes, method: str) -> None:
    assert asked(bytewise(data), method) == asked([data], method)
    if method == "GET":
        assert "fault" not in names(asked([data], method))


@pytest.mark.parametrize("data", BAD_RESPONSES)
def test_faulty_responses_whole_and_bytewise(data: bytes) -> None:
    expected = asked([data])
    assert names(expected)[-1] == "fault"
    assert names(expected).count("fault") == 1
    assert asked(bytewise(data)) == expected


@many
@given(st.sampled_from(RESPONSES + BAD_RESPONSES), points, methods)
def test_any_cut_of_responses_gives_the_same(data: bytes, cuts: list[int], method: str) -> None:
    assert _without_bodies(asked(cut(data, cuts), method)) == _without_bodies(asked([data], method))


# Mostly of what messages are made of, so that the receivers come far.
WORDS: Final = [
    b"GET / HTTP/1.1\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 C\r\n\r\n",
    b"host: a\r\n",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"connection: close\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"x: y",
    b":",
    b" ",
    b"\x00",
    b"\xff",
]
streams = st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join) | st.binary(max_size=60)
TIGHT: Final = Limits(head=60, target=20, fields=3, chunk_line=8, trailers=20, body=12, interim=2)
bounds = st.sampled_from([Limits(), TIGHT])


@many
@given(streams, points, bounds)
@example(b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", [1], Limits())
@example(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 60 + b"\x00", list(range(90)), TIGHT)
@example(b"GET /" + b"a" * 100 + b"\x00", list(range(110)), TIGHT)
@example(b"GET /" + b"a" * 100 + b" FTP/1.1\r\nhost: a\r\n\r\n", list(range(140)), TIGHT)
def test_any_bytes_to_a_server_are_messages_or_one_fault(data: bytes, cuts: list[int], limits: Limits) -> None:
    """The garbage rule: calls on the sink, or one fault with a status; never another error, whatever the cut."""
    heard = served(cut(data, cuts), limits)
    assert _without_bodies(heard) == _without_bodies(served([data], limits))
    _one_fault_with_a_status(heard)


@many
@given(streams, points, bounds, methods)
@example(b"\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", [1], Limits(), "GET")
def test_any_bytes_to_a_client_are_messages_or_one_fault(
    data: bytes, cuts: list[int], limits: Limits, method: str
) -> None:
    heard = asked(cut(data, cuts), method, limits)
    assert _without_bodies(heard) == _without_bodies(asked([data], method, limits))
    _one_fault_with_a_status(heard)


def _one_fault_with_a_status(heard: list[Heard]) -> None:
    faults = [event for event in heard if event[0] == "fault"]
    assert len(faults) <= 1
    for _, kind, text, hint in faults:
        assert kind in (RemoteProtocolError, LimitExceeded)
        assert text
        assert isinstance(hint, int)
        assert 400 <= hint <= 599


# Against llhttp


class Theirs:
    """What llhttp reads: the methods, the bodies, the ends."""

    def __init__(self) -> None:
        self.heads = 0
        self.body = b""
        self.ends = 0

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.ends += 1


bodies = st.lists(st.binary(min_size=1, max_size=30), max_size=5)


@many
@given(st.lists(st.tuples(bodies, st.booleans()), min_size=1, max_size=4), points)
def test_llhttp_reads_a_connection_alike(messages: list[tuple[list[bytes], bool]], cuts: list[int]) -> None:
    """Several requests on one connection, framed by length and by chunks: the same bodies, the same ends."""
    data = b""
    for parts, chunked in messages:
        body = b"".join(parts)
        head = b"POST / HTTP/1.1\r\nhost: a\r\n"
        if chunked:
            body = b"".join(b"%X;e\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nt: 1\r\n\r\n"
            data += head + b"transfer-encoding: chunked\r\n\r\n" + body
        else:
            data += head + b"content-length: %d\r\n\r\n" % len(body) + body
    theirs = Theirs()
    httptools.HttpRequestParser(theirs).feed_data(data)
    heard = served(cut(data, cuts))
    assert b"".join(event[1] for event in heard if event[0] == "body") == theirs.body  # type: ignore[misc]
    assert len([event for event in heard if event[0] == "head"]) == theirs.heads == theirs.ends == len(messages)


FRAMING_LINES: Final = [
    b"content-length: 5\r\n",
    b"content-length: 0\r\n",
    b"transfer-encoding: chunked\r\n",
    b"x: y\r\n",
    b"",
]
BODY_WORDS: Final = [b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nt: 1\r\n\r\n", b"hello", b"\r\n", b"5;a\r\n", b"x", b"0"]


@many
@given(st.sampled_from(FRAMING_LINES), st.lists(st.sampled_from(BODY_WORDS), max_size=6).map(b"".join))
def test_what_we_take_whole_llhttp_takes_as_one_message_too(framing: bytes, rest: bytes) -> None:
    """Of any request that we take, llhttp sees the same body and the same end: no room for smuggling."""
    data = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n" + framing + b"\r\n" + rest
    sink = Recorder()
    receiver = RequestReceiver(sink, Limits())
    sink.receiver = receiver
    receiver.receive(data)
    if "fault" in names(sink.heard):
        return  # refused: that is no room either
    head = sink.heard[0][1]
    assert isinstance(head, RequestHead)
    over = head.framing is NONE or names(sink.heard)[-1] == "end"
    message = data[: len(data) - len(receiver.held)]
    theirs = Theirs()
    try:
        httptools.HttpRequestParser(theirs).feed_data(message)
    except httptools.HttpParserError:
        assert not over  # it may know from the first byte of a line what we say at its end
        return
    ours = b"".join(event[1] for event in sink.heard if event[0] == "body")  # type: ignore[misc]
    assert (theirs.heads, theirs.body, theirs.ends) == (1, ours, int(over))


# Between messages


@pytest.mark.parametrize("data", [*REQUESTS[:3], *REQUESTS[7:9], REQUESTS[10], REQUESTS[11], REQUESTS[12]])
def test_what_follows_a_message_waits_untouched(data: bytes) -> None:
    """A pipelined request is not served before its turn, and not a byte of it is looked at."""
    first = data.removesuffix(GET % 2)
    for behind in (GET % 2, b"\x00\x01\x02", b"\r\n", b"x"):
        for pieces in ([first + behind], [first, behind], [first, *bytewise(behind)]):
            sink = Recorder()
            receiver = RequestReceiver(sink, Limits())
            for piece in pieces:
                receiver.receive(piece)
            assert names(sink.heard).count("head") == 1
            assert "fault" not in names(sink.heard)
            assert len(receiver.held) == sink.held == len(behind)
            assert not receiver.between_messages


def test_the_next_message_is_let_in_by_the_connection() -> None:
    sink = Recorder()
    receiver = RequestReceiver(sink, Limits())
    assert receiver.between_messages
    receiver.receive(GET % 1 + GET % 2 + b"GET /3")
    assert receiver.next_message()
    receiver.resume()
    assert receiver.next_message()
    receiver.resume()
    assert not receiver.next_message()
    assert receiver.in_head
    assert not receiver.between_messages
    receiver.receive(b" HTTP/1.1\r\nhost: a\r\n\r\n")
    assert sink.targets == ["/1", "/2", "/3"]


def test_after_a_fault_nothing_is_read_as_a_message() -> None:
    """waitress CVE-2024-49768."""
    sink = Recorder()
    receiver = RequestReceiver(sink, Limits())
    receiver.receive(b"GET / HTTP/1.1\r\n\r\n" + GET % 2)
    receiver.receive(GET % 3)
    assert not receiver.next_message()
    receiver.receive(GET % 4)
    receiver.receive_eof()
    assert names(sink.heard) == ["fault"]


def test_stopped_it_hears_nothing() -> None:
    for before in (b"", b"GET /", GET % 1 + GET % 2, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx"):
        sink = Recorder()
        receiver = RequestReceiver(sink, Limits())
        receiver.receive(before)
        heard = list(sink.heard)
        receiver.stop()
        receiver.receive(GET % 3)
        receiver.receive_eof()
        assert not receiver.next_message()
        assert sink.heard == heard
        assert not receiver.in_head


def test_a_turn_ends_so_that_other_connections_get_theirs() -> None:
    """In one segment a client may ask for thousands; the order is kept, also of what comes before the next turn."""
    count = MESSAGES_A_TURN + 8
    sink = Recorder(at_once=True)
    receiver = RequestReceiver(sink, Limits())
    sink.receiver = receiver
    receiver.receive(b"".join(GET % n for n in range(count)))
    assert len(sink.heard) == MESSAGES_A_TURN
    assert len(receiver.held) == sink.held == 8 * len(GET % 10)
    receiver.receive(GET % count)
    while receiver.held:
        receiver.next_message()
        receiver.resume()
    assert sink.targets == [f"/{n}" for n in range(count + 1)]


# Bodies


def test_the_length_is_counted_down_and_can_be_moved_past() -> None:
    sink = Recorder()
    receiver = RequestReceiver(sink, Limits())
    receiver.receive(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab")
    assert receiver.left == 8
    receiver.skip(3)  # from socket to socket
    assert receiver.left == 5
    receiver.receive(b"cd")
    receiver.skip(3)
    assert receiver.left == 0
    assert sink.heard[-1] == ("end", None, True)
    receiver.receive(GET % 2)
    assert receiver.held == GET % 2


@pytest.mark.parametrize("data", [b"\r\n", b"\r\nbody", b"content-length: 9\r\n\r\nx", b"content-length: 0\r\n\r\n"])
def test_the_end_of_the_link(data: bytes) -> None:
    sink = Recorder()
    receiver = ResponseReceiver(sink, Limits())
    receiver.expect("GET", False)
    receiver.receive(OK + data)
    assert receiver.passing == data.startswith(b"\r\n")
    receiver.receive_eof()
    ends = [event for event in sink.heard if event[0] == "end"]
    if data.startswith(b"\r\n"):
        assert ends == [("end", None, None)]  # nobody can tell whether it is complete
    elif b"9" in data:
        assert ends == []  # the connection decides what that means
    else:
        assert ends == [("end", None, True)]
    receiver.receive_eof()
    assert [event for event in sink.heard if event[0] == "end"] == ends


def test_raw_bytes_after_a_switch() -> None:
    sink = Recorder()
    receiver = RequestReceiver(sink, Limits())
    receiver.receive(b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nearly ")
    assert receiver.switch() == b"early "
    assert not receiver.held
    receiver.receive(GET % 2)
    receiver.receive_eof()
    assert sink.heard[1:] == [("body", GET % 2), ("end", None, True)]


def test_an_answer_to_an_upgrade_goes_on_as_raw_bytes() -> None:
    head, body, end = asked([b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + OK])
    assert isinstance(head[1], ResponseHead)
    assert head[1].framing is RAW_BYTES
    assert (body, end) == (("body", OK), ("end", None, True))


def test_101_has_to_be_asked_for() -> None:
    sink = Recorder()
    receiver = ResponseReceiver(sink, Limits())
    receiver.expect("GET", False)
    receiver.receive(b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    assert names(sink.heard) == ["fault"]
    assert "without having been asked" in str(sink.heard[0][2])


def test_an_answer_has_to_be_asked_for() -> None:
    sink = Recorder()
    receiver = ResponseReceiver(sink, Limits())
    receiver.receive(OK + b"content-length: 0\r\n\r\n")
    assert names(sink.heard) == ["fault"]
    assert "no request asked for" in str(sink.heard[0][2])


def test_each_answer_is_read_by_its_own_request() -> None:
    """A HEAD's answer has a length and no body: the next one must not be swallowed."""
    sink = Recorder()
    receiver = ResponseReceiver(sink, Limits())
    for method, data in (("HEAD", b""), ("GET", b"hello"), ("HEAD", b"")):
        receiver.expect(method, False)
        receiver.receive(OK + b"content-length: 5\r\n\r\n" + data)
        assert not receiver.next_message()
    assert names(sink.heard) == ["head", "head", "body", "end", "head"]


SIDES: Final = [(RequestReceiver, b"POST / HTTP/1.1\r\nhost: a\r\n"), (ResponseReceiver, OK)]


@pytest.mark.parametrize(("kind", "start"), SIDES)
def test_the_state_is_right_when_the_sink_is_told(kind: type[Receiver], start: bytes) -> None:
    """What the sink does on a head or an end may already ask for the next message."""
    for framing, fields, body in (
        (LENGTH, b"content-length: 1\r\n\r\n", b"x"),
        (CHUNKED, b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n0\r\n\r\n"),
    ):
        for cutting in (whole, bytewise):
            sink = Recorder(at_once=True)
            receiver = kind(sink, Limits())
            sink.receiver = receiver
            if isinstance(receiver, ResponseReceiver):
                receiver.expect("GET", False)
            for piece in cutting(start + fields + body):
                receiver.receive(piece)
            assert names(sink.heard) == ["head", "body", "end"]
            assert sink.heard[0][1].framing is framing  # type: ignore[attr-defined]
            assert receiver.between_messages


# Limits

CHUNKED_HEAD: Final = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
HEAD_LIMITS: Final[list[tuple[bytes, int, str]]] = [
    (b"GET /" + b"a" * 100, 414, "request target is over 20 bytes"),
    (b"GET /" + b"a" * 30 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414, "request target is over 20 bytes"),
    (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100, 431, "request head is over 60 bytes"),
    (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100 + b"\r\n\r\n", 431, "request head is over 60 bytes"),
    (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x:y\r\n" * 3 + b"\r\n", 431, "4 header fields, the limit is 3"),
    (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 13\r\n\r\n", 413, "body of 13 bytes, the limit is 12"),
    (CHUNKED_HEAD + b"7\r\n1234567\r\n" * 2, 413, "body over 12 bytes"),
]


@pytest.mark.parametrize(("data", "hint", "message"), HEAD_LIMITS)
def test_limits_of_requests(data: bytes, hint: int, message: str) -> None:
    limits = Limits(head=60, target=20, fields=3, body=12)
    if b"chunked" in data:
        limits = Limits(body=12)
    for pieces in ([data], bytewise(data)):
        _, kind, text, told = served(pieces, limits)[-1]
        assert kind is LimitExceeded
        assert message in str(text)
        assert told == hint


def test_limits_of_answers() -> None:
    for data, message in (
        (OK + b"x: " + b"y" * 100, "response head is over 60 bytes"),
        (OK + b"x: " + b"y" * 100 + b"\r\n\r\n", "response head is over 60 bytes"),
        (b"HTTP/1.1 100 C\r\n\r\n" * 3, "more than 2 interim answers"),
        (OK + b"content-length: 13\r\n\r\n", "body of 13 bytes"),
    ):
        for pieces in ([data], bytewise(data)):
            _, kind, text, hint = asked(pieces, limits=TIGHT)[-1]
            assert kind is LimitExceeded
            assert message in str(text)
            assert isinstance(hint, int)


@few
@given(st.integers(0, 8))
def test_a_head_may_be_as_long_as_the_limit(short: int) -> None:
    size = 60 - short
    head = b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * (size - 32) + b"\r\n\r\n"
    assert len(head) == size
    for pieces in ([head], bytewise(head)):
        assert names(served(pieces, TIGHT)) == ["head"]


def test_a_first_line_that_no_client_sends_is_refused_at_once() -> None:
    """Its sender may be waiting for our answer, and will never send the end of a head."""
    for data in (b"\x16\x03\x01", b"GET /\x00", "GET /é".encode(), b"quite another protocol", b"a" * 33):
        assert names(served([data])) == ["fault"], data
    for data in (b"G", b"GET", b"GET ", b"GET /", b"GET / ", b"GET / HTTP/1.", b"GET / HTTP/1.1\r"):
        assert served([data]) == [], data


def test_until_close_is_passed_on_as_it_comes() -> None:
    class Keeper(Recorder):
        def on_body(self, data: bytes) -> None:
            self.heard.append(("piece", data))

    sink = Keeper()
    receiver = ResponseReceiver(sink, Limits(body=2))
    receiver.expect("GET", False)
    receiver.receive(OK + b"\r\n")
    piece = b"the very object"
    receiver.receive(piece)
    assert sink.heard[-1][1] is piece, "received bytes are handed on uncopied"
    head = sink.heard[0][1]
    assert isinstance(head, ResponseHead)
    assert head.framing is CLOSE
