"""Outbound coding: one stream per message, in the writers' order, flushed when the writer waits for something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import Disconnected, UseError
from toolkit.protocol.outbound_coding import OFFLOAD, start_coding
from toolkit.protocol.states import ABORTED, DONE

from ..helpers.coded import NOISE, TEXT, decoded, each_coding, few, reference
from ..helpers.fakewire import End, FakeWire, Running, run


def coded(coding: str) -> End:
    x = End(FakeWire(), "GET")
    run(x.prepare({"content-encoding": coding}, coding=coding))
    return x


def sent(x: End) -> bytes:
    return b"".join(event[1] for event in x.fake.sent if event[0] == "part")  # type: ignore[misc]


def finish(x: End, *pieces: bytes) -> None:
    for piece in pieces:
        writing = Running(x.write(piece))
        while not writing.step():
            pass
        writing.result()
    run(x.eof())


@each_coding
@few
@given(pieces=st.lists(st.binary(max_size=50) | st.sampled_from([TEXT, NOISE[: OFFLOAD + 1]]), max_size=5))
def test_one_stream_however_it_is_written(coding: str, pieces: list[bytes]) -> None:
    x = coded(coding)
    finish(x, *pieces)
    assert reference(coding, sent(x)) == b"".join(pieces)
    assert x._sent == len(sent(x))  # coded bytes, as everywhere
    assert x._out is DONE


@each_coding
def test_a_piece_is_decodable_once_the_writer_waits(coding: str) -> None:
    x = coded(coding)
    run(x.write(b"now"))
    run(x.write(b", please"))
    assert len(x.fake.due) == 1  # one flush for all that a turn writes
    x.fake.run_due()
    flushed = sent(x)
    assert _decoded_so_far(coding, flushed) == b"now, please"
    x.fake.run_due()
    assert sent(x) == flushed  # nothing new, nothing sent
    run(x.write(b" and later"))
    x.fake.run_due()
    assert _decoded_so_far(coding, sent(x)) == b"now, please and later"
    run(x.eof())
    assert reference(coding, sent(x)) == b"now, please and later"


def _decoded_so_far(coding: str, data: bytes) -> bytes:
    from ..helpers.coded import decoder_for, drained

    decoder = decoder_for(coding)
    decoder.feed(data)
    return b"".join(drained(decoder))


@each_coding
def test_a_flush_that_comes_after_the_end_does_nothing(coding: str) -> None:
    x = coded(coding)
    run(x.write(b"body"))
    run(x.eof())
    end = list(x.fake.sent)
    x.fake.run_due()
    assert x.fake.sent == end
    assert decoded(coding, sent(x)) == b"body"


@each_coding
def test_large_blocks_are_coded_off_the_loop_one_at_a_time(coding: str) -> None:
    x = coded(coding)
    first = Running(x.write(NOISE[: OFFLOAD + 1]))
    second = Running(x.write(b"small, but behind it"))
    assert (first.done, second.done, x.fake.offloaded) == (False, False, 1)
    x.fake.run_due()  # not while the encoder is at work in its thread
    assert first.step()
    assert second.step()
    run(x.write(NOISE[:OFFLOAD]))
    assert x.fake.offloaded == 1
    run(x.eof())
    assert reference(coding, sent(x)) == NOISE[: OFFLOAD + 1] + b"small, but behind it" + NOISE[:OFFLOAD]


def test_a_flush_does_not_touch_an_encoder_at_work_in_its_thread() -> None:
    x = coded("gzip")
    run(x.write(b"small"))
    large = Running(x.write(NOISE[: OFFLOAD + 1]))
    before = list(x.fake.sent)
    x.fake.run_due()
    assert x.fake.sent == before
    assert large.step()
    run(x.eof())
    assert reference("gzip", sent(x)) == b"small" + NOISE[: OFFLOAD + 1]


def test_a_flush_that_was_put_off_is_made_up_for() -> None:
    """Or what is written later stays with us until the end, and a slow stream's reader waits for ever."""
    x = coded("gzip")
    run(x.write(b"small"))
    large = Running(x.write(NOISE[: OFFLOAD + 1]))
    x.fake.run_due()
    assert large.step()
    x.fake.run_due()
    run(x.write(b"now, please"))
    x.fake.run_due()
    assert _decoded_so_far("gzip", sent(x)) == b"small" + NOISE[: OFFLOAD + 1] + b"now, please"


def test_writers_take_turns_in_call_order() -> None:
    x = coded("gzip")
    block = NOISE[: OFFLOAD + 1]
    writers = [Running(x.write(bytes([n]) + block)) for n in range(3)]
    end = Running(x.eof())
    while not all([writer.step() for writer in writers]):
        pass
    while not end.step():
        pass
    end.result()
    assert reference("gzip", sent(x)) == b"".join(bytes([n]) + block for n in range(3))


def test_a_cancelled_writer_gives_its_turn_on() -> None:
    x = coded("gzip")
    first = Running(x.write(NOISE[: OFFLOAD + 1]))
    second = Running(x.write(b"second"))
    first.cancel()
    assert second.step()
    second.result()


def test_backpressure_reaches_the_writer() -> None:
    x = coded("gzip")
    x.fake.blocked = True
    writing = Running(x.write(b"a"))
    assert not writing.step()
    x.fake.blocked = False
    assert writing.step()


def test_a_lost_wire_reaches_the_writer_and_the_flush_stays_silent() -> None:
    x = coded("gzip")
    run(x.write(b"a"))
    before = list(x.fake.sent)
    x.fake.lose(Disconnected("reset"), x)
    x.fake.run_due()
    assert x.fake.sent == before
    with pytest.raises(Disconnected, match="writing: reset"):
        run(x.write(b"b"))
    run(x.eof())
    assert x._out is ABORTED


def test_a_wire_lost_while_the_turn_was_awaited() -> None:
    x = coded("gzip")
    first = Running(x.write(NOISE[: OFFLOAD + 1]))
    second = Running(x.write(b"second"))
    x.fake.lose(Disconnected("reset"), x)
    x._wire = None
    first.step()
    second.step()
    with pytest.raises(Disconnected, match="writing: reset"):
        second.result()


def test_an_empty_body_is_a_valid_stream() -> None:
    x = coded("gzip")
    run(x.eof())
    assert reference("gzip", sent(x)) == b""


def test_data_given_to_eof_is_coded_too() -> None:
    x = coded("br")
    run(x.eof(b"all of it"))
    assert reference("br", sent(x)) == b"all of it"


def test_codings_that_are_not_there_are_refused_by_name() -> None:
    for name in ("identity", "lzma", ""):
        with pytest.raises(UseError, match=f"coding={name!r}: expected one of"):
            start_coding(name, FakeWire())
