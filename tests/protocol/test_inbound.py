"""The inbound buffer and its reader: who may read, in which pieces, and what ends it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import Busy, Disconnected, RemoteProtocolError, UseError
from toolkit.protocol.inbound import COALESCE, Inbound, Pull, decoding

from ..helpers.coded import CODINGS, TEXT, cut, each_coding, encoded, few
from ..helpers.fakewire import End, FakeOwner, FakeWire, Running, run


def begun(*pieces: bytes, complete: bool | None = True, ended: bool = True, coding: str = "") -> End:
    """An exchange to whose inbound body these pieces have come."""
    x = End(FakeWire())
    x.inbound.coding = coding
    for piece in pieces:
        x.fake.on_body(piece)
    if ended:
        x.fake.on_end(None, complete)
    return x


async def pieces_of(pull: Pull) -> list[bytes]:
    return [piece async for piece in pull]


# The buffer


@few
@given(st.lists(st.one_of(st.binary(min_size=1, max_size=30), st.none()), max_size=30))
def test_what_is_fed_is_taken_once_and_in_order(steps: list[bytes | None]) -> None:
    inbound = Inbound()
    fed = taken = b""
    for step in steps:
        if step is None:
            taken += inbound.take()
        else:
            fed += step
            assert inbound.feed(step) == inbound.buffered
        assert inbound.buffered == len(fed) - len(taken)
        assert inbound.received == len(fed)
    while piece := inbound.take():
        taken += piece
    assert taken == fed
    assert (inbound.buffered, inbound.take()) == (0, b"")


def test_small_pieces_come_joined_and_large_ones_as_they_are() -> None:
    inbound = Inbound()
    large = b"x" * (COALESCE + 1)
    for piece in (b"a", b"b", large, b"c"):
        inbound.feed(piece)
    assert inbound.take() == b"ab"
    assert inbound.take() is large
    assert inbound.take() == b"c"
    for _ in range(3):
        inbound.feed(b"y" * (COALESCE // 2))
    assert [len(inbound.take()) for _ in range(2)] == [COALESCE, COALESCE // 2]


def test_the_first_end_counts() -> None:
    inbound = Inbound()
    inbound.end(None, [(b"a", b"1")])
    inbound.fail(Disconnected("later"))
    assert (inbound.ended, inbound.complete, inbound.error, inbound.trailers) == (True, None, None, [(b"a", b"1")])
    inbound = Inbound()
    first = Disconnected("first")
    inbound.fail(first)
    inbound.fail(Disconnected("later"))
    assert (inbound.ended, inbound.complete, inbound.error) == (True, False, first)


def test_one_reader_at_a_time_and_it_may_be_anyone() -> None:
    inbound, one, other = Inbound(), FakeOwner(), FakeOwner()
    assert not inbound.claimed
    inbound.claim(one, "pull()")
    inbound.claim(one, "pull()")
    assert inbound.claimed
    with pytest.raises(Busy, match=r"pull\(\): the body is being read by another task"):
        inbound.claim(other, "pull()")
    inbound.release()
    inbound.claim(other, "pull()")
    other.over = True  # a task that ended has let go
    assert not inbound.claimed
    inbound.claim(one, "pull()")
    inbound.claim(None, "read()") if one.done() else inbound.release()
    assert not inbound.claimed


# Pulling


@few
@given(st.lists(st.binary(min_size=1, max_size=9), max_size=8), st.integers(1, 12))
def test_pieces_of_one_size(pieces: list[bytes], size: int) -> None:
    body = b"".join(pieces)
    got = run(pieces_of(begun(*pieces).pull(size=size)))
    assert b"".join(got) == body
    assert all(len(piece) == size for piece in got[:-1])
    assert not got or 0 < len(got[-1]) <= size


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_is_at_least_one(size: int) -> None:
    with pytest.raises(UseError, match="expected at least 1"):
        begun().pull(size=size)


def test_a_reader_waits_for_what_has_not_come() -> None:
    x = begun(b"first", ended=False)
    pull = x.pull()
    assert run(pull.__anext__()) == b"first"  # without suspending, as it is there
    second = Running(pull.__anext__())
    assert not second.done
    x.fake.on_body(b"second")
    assert second.step()
    assert second.result() == b"second"
    end = Running(pull.__anext__())
    x.fake.on_end(None, True)
    end.step()
    with pytest.raises(StopAsyncIteration):
        end.result()
    with pytest.raises(StopAsyncIteration):
        run(pull.__anext__())


def test_what_was_read_is_credit_for_the_sender() -> None:
    x = begun(b"abc", b"de")
    assert run(pieces_of(x.pull())) == [b"abcde"]
    assert x.fake.received[-1] == ("consumed", 5)


@pytest.mark.parametrize("size", [None, 2, 100])
def test_what_came_before_a_fault_is_read_then_the_fault_is_raised(size: int | None) -> None:
    x = begun(b"abcd", ended=False)
    x.fake.lose(Disconnected("the peer is gone", clean=True))
    got = bytearray()

    async def read() -> None:
        async for piece in x.pull(size=size):
            got.extend(piece)

    with pytest.raises(Disconnected, match="reading the body: the peer is gone") as raised:
        run(read())
    if size != 100:  # less than a piece is no piece
        assert got == b"abcd"
    assert raised.value.exchange is x
    assert raised.value.clean
    assert x.complete is False
    assert not x.inbound.claimed


def test_a_cancelled_read_loses_nothing() -> None:
    for size in (None, 4):
        x = begun(b"ab", ended=False)
        pull = x.pull(size=size)
        if size is None:
            assert run(pull.__anext__()) == b"ab"
        waiting = Running(pull.__anext__())
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            waiting.result()
        x.fake.on_body(b"cdef")
        x.fake.on_end(None, True)
        assert run(pieces_of(pull)) == ([b"cdef"] if size is None else [b"abcd", b"ef"])


def test_a_reader_that_gives_up_leaves_the_position_to_the_next() -> None:
    x = begun(b"abcdef")
    first = x.pull(size=2)
    assert run(first.__anext__()) == b"ab"
    x.fake.running = FakeOwner()
    with pytest.raises(Busy, match="another task"):
        x.pull()
    run(first.aclose())
    assert run(pieces_of(first)) == []
    assert b"".join(run(pieces_of(x.pull()))) == b"cdef"
    run(first.aclose())  # twice is harmless


def test_the_claim_ends_with_its_task() -> None:
    x = begun(b"abcd")
    task = FakeOwner()
    x.fake.running = task
    first = x.pull(size=1)
    assert run(first.__anext__()) == b"a"
    x.fake.running = FakeOwner()
    task.over = True
    assert b"".join(run(pieces_of(x.pull()))) == b"bcd"
    assert not x.inbound.claimed


def test_the_first_reader_is_who_the_hundred_waits_for() -> None:
    """RFC 9110 10.1.1: sent when somebody is about to wait, once."""
    x = begun(ended=False)
    x.inbound.expect = True
    pull = x.pull()
    assert x.fake.sent == []
    waiting = Running(pull.__anext__())
    assert x.fake.sent == [("continue",)]
    x.fake.on_body(b"x")
    waiting.step()
    Running(pull.__anext__())
    assert x.fake.sent == [("continue",)]


# Codings


@each_coding
@few
@given(points=st.lists(st.integers(0), max_size=5), size=st.sampled_from([None, 1000, 70_000]))
def test_codings_are_undone_however_they_come(coding: str, points: list[int], size: int | None) -> None:
    x = begun(*filter(None, cut(encoded(coding, TEXT), points)), coding=coding)
    got = run(pieces_of(x.pull(size=size)))
    assert b"".join(got) == TEXT
    assert all(len(piece) <= x._limits.decode_step for piece in got if size is None)
    assert x.received_len == len(encoded(coding, TEXT))


@each_coding
def test_coded_bytes_can_be_had_as_they_came(coding: str) -> None:
    coded = encoded(coding, TEXT)
    assert b"".join(run(pieces_of(begun(coded, coding=coding).pull(decode=False)))) == coded


@pytest.mark.parametrize("coding", ["identity", "", "Identity, identity"])
def test_identity_is_no_coding(coding: str) -> None:
    assert run(pieces_of(begun(b"plain", coding=coding).pull())) == [b"plain"]


@pytest.mark.parametrize("coding", [*CODINGS, "gzip, br"])
def test_a_broken_coding_is_the_peers_fault_and_says_where(coding: str) -> None:
    for body in (b"\xff\x00 no such thing", encoded("gzip", TEXT)[:-20] if coding == "gzip" else b"\xff" * 50):
        with pytest.raises(RemoteProtocolError, match="POST http://test/: decoding the body"):
            run(pieces_of(begun(body, coding=coding).pull()))


def test_an_unknown_coding_is_refused_when_somebody_reads_decoded() -> None:
    x = begun(b"...", coding="x-unknown")
    with pytest.raises(RemoteProtocolError, match="decoding the body") as raised:
        run(pieces_of(x.pull()))
    assert 400 <= raised.value.status_hint < 600


def test_decoded_and_coded_cannot_be_mixed_within_a_body() -> None:
    coded = encoded("gzip", TEXT)
    x = begun(coded, coding="gzip")
    pull = x.pull()
    run(pull.__anext__())
    run(pull.aclose())
    with pytest.raises(UseError, match="begun decoded"):
        x.pull(decode=False)
    inbound = Inbound()
    decoding(inbound, True)
    decoding(inbound, False)  # nothing was decoded yet
    assert inbound.mode == "coded"
