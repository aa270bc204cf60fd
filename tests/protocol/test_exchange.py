"""The exchange over a fake wire, and two of them back to back: every test body runs in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import (
    Disconnected,
    EarlyAnswer,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
    ToolkitError,
    UseError,
    WriteTimeout,
)
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, NONE, Framing
from toolkit.protocol.states import ABORTED, BODY, DONE, IDLE

from ..helpers.coded import few
from ..helpers.fakewire import End, FakeWire, Running, run
from ..helpers.pair import DIRECTIONS, Direction, Pair, bytewise, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from toolkit.protocol.inbound import Pull

CUTS = pytest.mark.parametrize("cut", [whole, bytewise])
BOTH_WAYS = pytest.mark.parametrize("direction", DIRECTIONS)
# A request cannot end with its connection: the answer would have no way back.
FRAMED: list[tuple[Direction, Framing]] = [
    ("request", LENGTH),
    ("request", CHUNKED),
    ("response", LENGTH),
    ("response", CHUNKED),
    ("response", CLOSE),
]
EACH_FRAMING = pytest.mark.parametrize(("direction", "framing"), FRAMED)


async def body_of(pull: Pull) -> bytes:
    return b"".join([piece async for piece in pull])


def begin(
    direction: Direction, framing: Framing, size: int, cut: Callable[[bytes], list[bytes]] = whole
) -> tuple[End, End]:
    """A sender whose head has gone, and a reader that has seen it."""
    pair = Pair(cut, unframed=CHUNKED if framing is LENGTH else framing)
    sender, reader = pair.ends(direction)
    run(sender.prepare({"content-length": size} if framing is LENGTH else None))
    assert reader.peer_head is not None
    # A request's length of 0 is the same as no body.
    assert reader.peer_head.framing is (NONE if direction == "request" and framing is LENGTH and not size else framing)
    return sender, reader


# Back to back


@EACH_FRAMING
@CUTS
def test_a_message_arrives_as_it_was_sent(
    direction: Direction, framing: Framing, cut: Callable[[bytes], list[bytes]]
) -> None:
    pieces = [b"one", b"\r\n\r\n", b"0\r\n\r\n", bytes(range(256))]
    sender, reader = begin(direction, framing, sum(map(len, pieces)), cut)
    for piece in pieces:
        run(sender.write(piece))
    run(sender.eof())
    assert run(reader.read()) == b"".join(pieces)
    assert reader.received_len == sum(map(len, pieces))
    assert reader.complete is (None if framing is CLOSE else True)  # a FIN says nothing of what should have come
    assert reader.trailers is None
    assert (sender._out, sender.fake.state) == (DONE, DONE)


@EACH_FRAMING
def test_each_piece_arrives_before_the_next_is_sent(direction: Direction, framing: Framing) -> None:
    sender, reader = begin(direction, framing, 6)
    pull = reader.pull()
    for piece in (b"ab", b"cd", b"ef"):
        run(sender.write(piece))
        assert run(pull.__anext__()) == piece
    waiting = Running(pull.__anext__())
    if framing is LENGTH:
        assert waiting.done  # the count says that this was all
    run(sender.eof())
    waiting.step()
    with pytest.raises(StopAsyncIteration):
        waiting.result()


@BOTH_WAYS
@CUTS
def test_trailers_go_behind_a_chunked_body(direction: Direction, cut: Callable[[bytes], list[bytes]]) -> None:
    sender, reader = begin(direction, CHUNKED, 0, cut)
    run(sender.write(b"body"))
    run(sender.eof(b"!", trailers={"Digest": "x", "b": ["1", "2"]}))
    assert reader.trailers is not None
    assert list(reader.trailers.items()) == [("Digest", "x"), ("b", "1"), ("b", "2")]
    assert run(reader.read()) == b"body!"


@EACH_FRAMING
def test_an_empty_body(direction: Direction, framing: Framing) -> None:
    sender, reader = begin(direction, framing, 0)
    run(sender.eof())
    assert run(reader.read()) == b""
    assert reader.complete is (None if framing is CLOSE else True)


@EACH_FRAMING
@few
@given(pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=6))
def test_any_pieces_arrive_in_their_order(direction: Direction, framing: Framing, pieces: list[bytes]) -> None:
    sender, reader = begin(direction, framing, sum(map(len, pieces)), bytewise)
    for piece in pieces:
        run(sender.write(piece))
    run(sender.eof())
    assert run(body_of(reader.pull())) == b"".join(pieces)


@BOTH_WAYS
def test_too_much_is_refused_and_too_little_is_aborted(direction: Direction) -> None:
    """Declared length is law: never truncated, never padded."""
    sender, reader = begin(direction, LENGTH, 3)
    with pytest.raises(LocalProtocolError, match=r"write\(\) of 4 bytes, 3 of the promised 3 are left"):
        run(sender.write(b"abcd"))
    run(sender.write(b"ab"))
    with pytest.raises(LocalProtocolError, match=r"write\(\) of 2 bytes, 1 of the promised 3"):
        run(sender.write(b"cd"))
    with pytest.raises(LocalProtocolError, match="1 bytes short of the promised 3; aborted"):
        run(sender.eof())
    assert reader.complete is False
    assert reader.received_len == 2
    assert sender.fake.sent[-1][0] == "reset"
    assert sender._out is ABORTED


@BOTH_WAYS
def test_what_breaks_the_framing_is_told_to_the_reader(direction: Direction) -> None:
    sender, reader = begin(direction, CHUNKED, 0)
    run(sender.write(b"good"))
    sender.fake._put(b"no chunk\r\n")
    with pytest.raises(RemoteProtocolError, match=r"reading the body: .*hexadecimal") as raised:
        run(reader.read())
    assert raised.value.status_hint == 400
    assert reader.complete is False


@CUTS
def test_raw_streams_both_ways(cut: Callable[[bytes], list[bytes]]) -> None:
    pair = Pair(cut, method="GET")
    pair.to_raw()
    for sender, reader in ((pair.asking, pair.answering), (pair.answering, pair.asking)):
        run(sender.write(b"GET / HTTP/1.1\r\n\r\n"))
        run(sender.eof())
        assert run(body_of(reader.pull())) == b"GET / HTTP/1.1\r\n\r\n"
        assert reader.complete is True
    assert (pair.asking._out, pair.answering._out) == (DONE, DONE)


def test_both_directions_at_the_same_time() -> None:
    """Either end may send before the other has finished."""
    pair = Pair()
    asking, answering = pair.asking, pair.answering
    run(asking.prepare())
    run(answering.prepare())
    there, back = answering.pull(), asking.pull()
    for number in range(5):
        run(asking.write(b"ping %d" % number))
        assert run(there.__anext__()) == b"ping %d" % number
        run(answering.write(b"pong %d" % number))
        assert run(back.__anext__()) == b"pong %d" % number
    run(answering.eof())
    run(asking.write(b"more"))
    run(asking.eof())
    assert run(body_of(there)) == b"more"
    assert run(body_of(back)) == b""


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_without_a_body_discards_what_is_written(status: int, method: str) -> None:
    pair = Pair(method=method)
    answering, asking = pair.ends("response")
    run(answering.prepare({"x": "y"}, status))
    run(answering.write(b"never sent"))
    run(answering.write_chunked(b"never sent"))
    run(answering.eof(b"never", trailers={"a": "b"}))
    assert asking.headers["x"] == "y"
    assert run(asking.read()) == b""
    assert [event[0] for event in answering.fake.sent] == ["head", "end"]


# The order of calls


Calls = list[tuple[str, "Callable[[Exchange], Coroutine[object, object, object]]"]]
WRITING: Calls = [
    ("write()", lambda x: x.write(b"a")),
    ("write()", lambda x: x.write(b"")),
    ("write_chunked()", lambda x: x.write_chunked(b"a")),
    ("relay()", lambda x: x.relay(End(FakeWire()))),
    ("send_file()", lambda x: x.send_file("/nonexistent")),
]


@pytest.mark.parametrize(("name", "call"), WRITING)
def test_nothing_is_written_before_the_head(
    name: str, call: Callable[[Exchange], Coroutine[object, object, object]]
) -> None:
    x = End(FakeWire())
    with pytest.raises(UseError) as raised:
        run(call(x))
    assert str(raised.value) == f"POST http://test/: {name} before the head was sent; await prepare(...) first"
    assert x.fake.sent == []


@pytest.mark.parametrize(("name", "call"), WRITING)
def test_nothing_is_written_after_the_end(
    name: str, call: Callable[[Exchange], Coroutine[object, object, object]]
) -> None:
    x = End(FakeWire())
    run(x.prepare())
    run(x.eof())
    sent = list(x.fake.sent)
    with pytest.raises(UseError, match="after the end of the message"):
        run(call(x))
    assert x.fake.sent == sent
    x = End(FakeWire())
    run(x.prepare())
    run(x.abort("told to"))
    with pytest.raises(Disconnected):
        run(call(x))


def test_the_end_is_said_once() -> None:
    x = End(FakeWire())
    with pytest.raises(UseError, match=r"eof\(\) before the head"):
        run(x.eof())
    run(x.prepare())
    run(x.eof(b"data"))
    run(x.eof())
    with pytest.raises(UseError, match=r"eof\(data\) after the end"):
        run(x.eof(b"more"))
    assert [event[0] for event in x.fake.sent] == ["head", "part", "end"]
    with pytest.raises(UseError, match="sent once"):
        run(x.prepare())


@pytest.mark.parametrize("framing", [LENGTH, CLOSE])
def test_chunks_and_trailers_need_chunked_framing(framing: Framing) -> None:
    x = End(FakeWire(), "GET", unframed=framing)
    run(x.prepare({"content-length": 1} if framing is LENGTH else None))
    with pytest.raises(UseError, match=f"framed by {framing.name}"):
        run(x.write_chunked(b"a"))
    with pytest.raises(UseError, match="trailers need chunked framing"):
        run(x.eof(b"a", trailers={"t": "1"}))
    assert [event[0] for event in x.fake.sent] == ["head"]
    run(x.eof(b"a"))


def test_trailers_that_may_not_be_sent_are_refused_before_the_end() -> None:
    x = End(FakeWire())
    run(x.prepare())
    with pytest.raises(LocalProtocolError, match="control character"):
        run(x.eof(b"data", trailers={"t": "a\r\nb"}))
    assert [event[0] for event in x.fake.sent] == ["head"]
    assert x._out is BODY


def test_a_head_that_may_not_be_sent_is_not() -> None:
    x = End(FakeWire())
    for headers in ({"a b": "c"}, {"a": "b\r\nc"}, {"content-length": "x"}, {"transfer-encoding": "gzip"}):
        with pytest.raises(LocalProtocolError):
            run(x.prepare(headers))
    assert (x.fake.sent, x._out) == ([], IDLE)
    run(x.prepare())


def test_what_write_takes() -> None:
    x = End(FakeWire())
    run(x.prepare())
    data = bytearray(b"abc")
    run(x.write(data))
    run(x.write(memoryview(data)[1:]))
    data[:] = b"xyz"  # the caller's own again
    assert [event[1] for event in x.fake.sent[1:]] == [b"abc", b"bc"]
    piece = b"the very object"
    run(x.write(piece))
    assert x.fake.sent[-1][1] is piece
    for wrong in ("text", 7, None, [b"a"]):
        with pytest.raises(UseError, match=r"write\(\) takes bytes, not"):
            run(x.write(wrong))  # type: ignore[arg-type]


def test_this_end_cannot_inform() -> None:
    with pytest.raises(UseError, match="only the answering end can"):
        run(End(FakeWire()).inform(103))


def test_a_typo_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        End(FakeWire()).stat  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError):
        End(FakeWire()).conten_type = "x"  # type: ignore[attr-defined]


# Backpressure, and peers that leave


def test_a_writer_waits_while_the_wire_is_full() -> None:
    x = End(FakeWire())
    run(x.prepare())
    x.fake.blocked = True
    first, second = Running(x.write(b"1")), Running(x.write(b"2"))
    assert not first.step()
    assert [event[1] for event in x.fake.sent[1:]] == [b"1", b"2"]  # handed over before anything is waited for
    x.fake.blocked = False
    assert first.step()
    assert second.step()
    x.fake.blocked = True
    end = Running(x.eof())
    assert not end.done
    x.fake.blocked = False
    assert end.step()


@pytest.mark.parametrize(
    "error", [Disconnected("reset", clean=False), EarlyAnswer("413 is the answer"), WriteTimeout("nothing for 60 s")]
)
def test_what_ends_the_wire_reaches_the_writer(error: ToolkitError) -> None:
    x = End(FakeWire())
    run(x.prepare())
    run(x.write(b"abc"))
    x.fake.blocked = True
    waiting = Running(x.write(b"d"))
    x.fake.lose(error, x)
    waiting.step()
    with pytest.raises(type(error)) as raised:
        waiting.result()
    assert str(raised.value) == f"POST http://test/: writing: {error} (received 0 bytes, sent 4)"
    for _ in range(2):
        with pytest.raises(type(error), match="writing"):
            run(x.write(b"e"))
    run(x.eof())  # on a dead peer: aborts and returns
    assert x._out is ABORTED
    assert [event[0] for event in x.fake.sent] == ["head", "part", "part"]


def test_eof_with_data_on_a_dead_peer_raises_as_write_does() -> None:
    x = End(FakeWire())
    run(x.prepare())
    x.fake.lose(Disconnected("reset"), x)
    with pytest.raises(Disconnected, match="writing: reset"):
        run(x.eof(b"unsent"))


def test_an_abort_ends_both_directions() -> None:
    x = End(FakeWire())
    run(x.prepare())
    x.fake.on_body(b"came")
    run(x.abort("enough"))
    assert x.fake.sent[-1] == ("reset", "enough")
    with pytest.raises(Disconnected, match=r"reading the body: enough \(received 4 bytes, sent 0\)"):
        run(x.read())
    assert x._out is ABORTED


def test_without_a_wire_an_exchange_keeps_what_it_knows() -> None:
    pair = Pair()
    sender, reader = pair.ends("response")
    run(sender.prepare({"content-type": "text/plain", "content-length": 3}))
    run(sender.eof(b"abc"))
    reader._wire = None  # the connection serves another
    assert run(reader.text()) == "abc"
    assert (reader.content_type, reader.content_length, reader.received_len) == ("text/plain", 3, 3)
    assert reader.complete is True
    reader._out = BODY
    with pytest.raises(Disconnected, match="the exchange is over"):
        run(reader.write(b"late"))
    run(reader.eof())
    run(reader.abort())


def test_waiting_without_a_wire_is_an_error_not_a_hang() -> None:
    x = End(FakeWire())
    x._wire = None
    with pytest.raises(Disconnected, match="reading the body: the connection is gone"):
        run(x.read())


def test_errors_keep_their_kind_and_their_cause() -> None:
    x = End(FakeWire())
    cause = OSError("the system's words")
    lost = Disconnected("reset", clean=True)
    lost.__cause__ = cause
    told = x._failure(lost, "writing")
    assert isinstance(told, Disconnected)
    assert (told.exchange, told.clean, told.__cause__) == (x, True, cause)
    over = x._failure(LimitExceeded("too long", 431), "reading the body")
    assert isinstance(over, LimitExceeded)
    assert over.status_hint == 431
    foreign = KeyError("x")
    assert x._failure(foreign, "writing") is foreign


def test_the_store_is_the_applications_own() -> None:
    x = End(FakeWire())
    x.store["a"] = 1
    assert x.store == {"a": 1}
    x.store = {"b": 2}
    assert x.store == {"b": 2}
    assert End(FakeWire()).store == {}


def test_nothing_is_known_of_an_abstract_exchange() -> None:
    x = Exchange(None, "GET", None)
    for name in ("url", "status", "http_version", "request_headers", "response_headers", "headers", "_limits"):
        with pytest.raises(NotImplementedError):
            getattr(x, name)
    for call in (x.prepare(), x.head(), x.upgrade()):
        with pytest.raises(NotImplementedError):
            run(call)
    assert x._framing is NONE


@pytest.mark.parametrize("data", [b"", b"never sent"])
def test_the_end_of_a_bodyless_answer_on_a_dead_peer_is_no_clean_one(data: bytes) -> None:
    x = End(FakeWire(), "HEAD")
    run(x.prepare())
    x.fake.lose(Disconnected("reset"), x)
    run(x.eof(data))
    assert x._out is ABORTED
    assert [event[0] for event in x.fake.sent] == ["head"]
