"""Frames come out as they went in, wherever the bytes are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.processes.frames import HEADER, Frame, FrameReader, Kind, frame, header

FRAMES = st.lists(st.builds(Frame, st.sampled_from(Kind), st.binary(max_size=300)), max_size=8)


@given(FRAMES, st.data())
def test_any_cut_gives_the_same_frames(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(frame(*one) for one in frames)
    reader, read = FrameReader(), list[Frame]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        read += reader.feed(stream[:size])
        stream = stream[size:]
    assert read == frames


def test_a_header_and_its_payload_may_go_one_by_one() -> None:
    assert header(Kind.BODY, 3) + b"abc" == frame(Kind.BODY, memoryview(b"abc"))


def test_an_empty_piece_costs_something_too() -> None:
    assert Frame(Kind.PIECE, b"").cost == HEADER.size == 9
