"""Decoding: any cut of the input, bounded output, and every way a coded body can be wrong."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.coded import (
    CODINGS,
    KIB,
    MIB,
    NOISE,
    STEP,
    TEXT,
    cut,
    decoded,
    decoder_for,
    drained,
    each_coding,
    encoded,
    few,
    foreign,
    many,
)
from toolkit.errors import LimitExceeded, RemoteProtocolError, UseError
from toolkit.protocol.codings import make_encoder
from toolkit.protocol.decoding import make_decoder

# What is right


@each_coding
@pytest.mark.parametrize("body", [b"", b"x", TEXT, NOISE], ids=["empty", "one", "text", "noise"])
def test_what_the_libraries_encode_we_decode(coding: str, body: bytes) -> None:
    assert decoded(coding, foreign(coding, body)) == body


@each_coding
@few
@given(points=st.lists(st.integers(0, 10**6), max_size=12), step=st.integers(1, 200_000))
def test_any_cut_and_any_step_give_the_same_output(coding: str, points: list[int], step: int) -> None:
    body = TEXT[:1500] + NOISE[:500] + bytes(2500)
    assert decoded(coding, *cut(foreign(coding, body), points), step=step) == body


@each_coding
@pytest.mark.parametrize("step", [1, 3, STEP])
def test_byte_by_byte_gives_the_same_output(coding: str, step: int) -> None:
    body = TEXT[:2000]
    coded = foreign(coding, body)
    assert decoded(coding, *[coded[at : at + 1] for at in range(len(coded))], step=step) == body


@each_coding
@few
@given(body=st.binary(max_size=2000), points=st.lists(st.integers(0, 5000), max_size=4), step=st.integers(1, 3000))
def test_any_body_comes_back(coding: str, body: bytes, points: list[int], step: int) -> None:
    assert decoded(coding, *cut(encoded(coding, body), points), step=step) == body


@each_coding
@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 2 * STEP])
def test_a_body_of_whole_steps_ends_like_any_other(coding: str, size: int) -> None:
    # With the last step full, only one more call can tell that the stream is at its end.
    for body in (bytes(size), NOISE[:size]):
        assert decoded(coding, foreign(coding, body)) == body


@each_coding
def test_input_may_be_fed_ahead_of_its_decoding(coding: str) -> None:
    coded, decoder = foreign(coding, TEXT), decoder_for(coding)
    for piece in cut(coded, [5, 700, 701]):
        decoder.feed(memoryview(piece))
    assert b"".join(drained(decoder)) == TEXT
    decoder.finish()


@each_coding
def test_pending_says_whether_next_may_give_more(coding: str) -> None:
    decoder = decoder_for(coding, step=1000)
    assert not decoder.pending
    assert decoder.next() == b""
    decoder.feed(b"")
    assert not decoder.pending
    decoder.feed(foreign(coding, bytes(2500)))
    sizes: list[int] = []
    while decoder.pending:
        sizes.append(len(decoder.next()))
    assert sizes == [1000, 1000, 500, 0]
    decoder.finish()


@pytest.mark.parametrize("outer", CODINGS)
@pytest.mark.parametrize("inner", CODINGS)
def test_several_codings_are_undone_last_one_first(inner: str, outer: str) -> None:
    # RFC 9110 8.4: listed in the order in which they were applied.
    coded = foreign(outer, foreign(inner, TEXT))
    assert decoded(f"{inner}, {outer}", *cut(coded, [1, 2, 90, 300]), step=777) == TEXT


def test_depth_bounds_the_codings_on_top_of_one_another() -> None:
    # CVE-2025-66418, CVE-2026-22036: a chain without bound.
    coded = foreign("gzip", foreign("br", foreign("zstd", b"deep")))
    assert decoded("zstd, br, gzip", coded, depth=3) == b"deep"
    for chain, depth in (("zstd, br, gzip", 2), ("gzip, gzip", 1), (", ".join(["gzip"] * 10_000), 2)):
        with pytest.raises(
            RemoteProtocolError, match=rf"content codings on top of one another, over {depth}"
        ) as caught:
            make_decoder(chain, depth=depth)
        assert caught.value.status_hint == 415
    assert decoded("identity, gzip, identity, , identity", foreign("gzip", b"a"), depth=1) == b"a"


@pytest.mark.parametrize("name", ["compress", "gzip2", "aes128gcm", "g zip", "*", "zlib"])
def test_an_unknown_coding_is_415_and_named(name: str) -> None:
    # RFC 9110 15.5.16
    with pytest.raises(RemoteProtocolError) as caught:
        make_decoder(name)
    assert caught.value.status_hint == 415
    assert repr(name) in str(caught.value)


def test_the_name_of_an_unknown_coding_is_shown_in_part_if_it_is_long() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        make_decoder("x" * 5000)
    assert len(str(caught.value)) < 100


def test_a_step_below_one_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="step must be at least 1"):
        make_decoder("gzip", step=0)


@pytest.mark.parametrize("body", [b"", b"\x00", TEXT, NOISE], ids=["empty", "nul", "text", "noise"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_deflate_is_taken_without_its_zlib_wrapper(body: bytes, level: int) -> None:
    # RFC 9110 8.4.1.2: some senders leave it out.
    coder = zlib.compressobj(level, wbits=-15)
    raw = coder.compress(body) + coder.flush()
    assert decoded("deflate", raw) == body
    assert decoded("deflate", *cut(raw, [1, 2, 3])) == body


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@few
@given(
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=5), points=st.lists(st.integers(0, 3000), max_size=5)
)
def test_members_and_frames_one_after_another_are_one_body(coding: str, bodies: list[bytes], points: list[int]) -> None:
    # RFC 1952 2.2, RFC 8878 3.1
    coded = b"".join([foreign(coding, body) for body in bodies])
    assert decoded(coding, *cut(coded, points), step=100) == b"".join(bodies)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 3 * STEP + 5, 400_000])
def test_a_member_of_several_steps_is_followed_by_the_next(coding: str, size: int) -> None:
    # zlib's object keeps a stale unconsumed_tail beside unused_data here.
    for body in (bytes(size), TEXT[:size], NOISE[:size]):
        coded = foreign(coding, body) + foreign(coding, b"next")
        assert decoded(coding, coded) == body + b"next"
        assert decoded(coding, *cut(coded, [len(coded) - 30])) == body + b"next"
        wrong(coding, coded + b"garbage")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_and_frames_without_content_are_passed_over(coding: str) -> None:
    empty = foreign(coding, b"")
    assert decoded(coding, empty * 3000 + foreign(coding, b"end")) == b"end"


@pytest.mark.parametrize("padding", [1, 511, 40_000])
def test_zero_bytes_after_a_gzip_member_are_padding(padding: int) -> None:
    coded = foreign("gzip", b"ab") + bytes(padding)
    assert decoded("gzip", coded) == b"ab"
    assert decoded("gzip", *cut(coded, [22, 23, 24])) == b"ab"
    assert decoded("gzip", coded + foreign("gzip", b"cd")) == b"abcd"


def test_zstd_skippable_frames_are_skipped() -> None:
    # RFC 8878 3.1.2
    skippable = (0x184D2A5A).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"user!"
    empty = (0x184D2A50).to_bytes(4, "little") + bytes(4)
    coded = skippable + foreign("zstd", b"ab") + empty + skippable + foreign("zstd", b"cd") + skippable
    assert decoded("zstd", coded) == b"abcd"
    assert decoded("zstd", *[coded[at : at + 1] for at in range(len(coded))]) == b"abcd"
    with pytest.raises(RemoteProtocolError, match="ended inside a frame"):
        decoded("zstd", coded[:-1])


@pytest.mark.parametrize("size", [0, 1, 200, 70_000, 300_000])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("content_size", [False, True])
def test_zstd_frames_of_every_header_shape_are_cut_right(size: int, checksum: bool, content_size: bool) -> None:
    # RFC 8878 3.1.1.1: with and without content size and checksum; raw, run-length and compressed blocks.
    compressor = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=content_size)
    for body in (bytes(size), NOISE[:size], TEXT[:size]):
        coded = compressor.compress(body)
        assert decoded("zstd", coded) == body
        assert decoded("zstd", *cut(coded, [1, 4, 5, 6, 7, 9, 13, 14, 90, len(coded) - 3])) == body


@pytest.mark.parametrize("value", [*CODINGS, "gzip, br"])
def test_no_bytes_at_all_are_an_empty_body(value: str) -> None:
    assert decoded(value) == b""
    assert decoded(value, b"") == b""


# Bounds


def bomb(coding: str, size: int) -> bytes:
    """Zeros by the MiB: with one block repeated where the format allows it, as coding a whole GiB takes seconds."""
    if coding == "br":
        encoder = make_encoder(coding, 1)
        return b"".join([encoder.encode(bytes(MIB)) for _ in range(size // MIB)]) + encoder.finish()
    if coding == "zstd":
        return foreign(coding, bytes(MIB)) * (size // MIB)
    coder = zlib.compressobj(9, wbits=-15)
    block = coder.compress(bytes(MIB)) + coder.flush(zlib.Z_FULL_FLUSH)
    raw = block * (size // MIB) + coder.flush()
    if coding == "deflate":
        return raw
    checksum = 0
    for _ in range(size // MIB):
        checksum = zlib.crc32(bytes(MIB), checksum)
    return bytes.fromhex("1f8b08000000000000ff") + raw + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")


@pytest.mark.slow
@each_coding
def test_a_bomb_of_one_gib_is_drained_in_steps_at_the_cost_of_one(coding: str) -> None:
    # CVE-2025-66471: bounded output per step, here with all of the coded body fed at once.
    coded, decoder = bomb(coding, 1024 * MIB), decoder_for(coding)
    assert len(coded) < 1400 * KIB
    tracemalloc.start()
    try:
        decoder.feed(coded)
        total = 0
        while data := decoder.next():
            assert len(data) <= STEP
            total += len(data)
        decoder.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 1024 * MIB
    assert peak < 2 * MIB


def test_zstd_runs_of_four_bytes_are_bounded_block_by_block() -> None:
    # The densest zstd there is: 128 KiB out of each 4 bytes, so that no size of input piece bounds the output.
    run = (128 * KIB << 3 | 1 << 1).to_bytes(3, "little") + b"a"
    coded = bytes.fromhex("28b52ffd0050") + run * 512 + b"\1\0\0"
    decoder = decoder_for("zstd")
    tracemalloc.start()
    try:
        decoder.feed(coded)
        assert sum(map(len, drained(decoder))) == 64 * MIB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    decoder.finish()
    assert peak < MIB


def test_a_bomb_in_a_bomb_is_bounded_in_every_stage() -> None:
    coded = foreign("gzip", bomb("zstd", 256 * MIB))
    decoder = decoder_for("zstd, gzip")
    tracemalloc.start()
    try:
        decoder.feed(coded)
        assert sum(map(len, drained(decoder))) == 256 * MIB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    decoder.finish()
    assert peak < MIB


@each_coding
def test_the_limit_counts_decoded_bytes_in_all(coding: str) -> None:
    coded = foreign(coding, bytes(100_000))
    assert decoded(coding, coded, limit=100_000) == bytes(100_000)
    decoder = decoder_for(coding, limit=99_999)
    decoder.feed(coded)
    with pytest.raises(LimitExceeded, match=f"{coding} data decodes to more than 99999 bytes") as caught:
        list(drained(decoder))
    assert caught.value.status_hint == 413


def test_the_limit_holds_for_the_stages_between_as_well() -> None:
    # Empty gzip members: they never give a byte, however many the stage before makes of them.
    members = foreign("gzip", b"") * 40_000
    assert decoded("gzip, gzip", foreign("gzip", members)) == b""
    with pytest.raises(LimitExceeded, match="decode to nothing"):
        decoded("gzip, gzip", foreign("gzip", members * 2))
    # With a byte now and then in between, the limit itself ends it.
    members = (foreign("gzip", b"") * 20_000 + foreign("gzip", b"x")) * 4
    assert decoded("gzip, gzip", foreign("gzip", members)) == b"xxxx"
    with pytest.raises(LimitExceeded, match="decodes to more than 1000 bytes"):
        decoded("gzip, gzip", foreign("gzip", members), limit=1000)


def test_a_small_limit_leaves_room_for_coded_data_longer_than_plain() -> None:
    assert decoded("gzip, gzip", foreign("gzip", foreign("gzip", b"a")), limit=1) == b"a"


def test_a_zstd_window_over_8_mib_is_refused() -> None:
    # RFC 9659 3. The highest levels need one, as does a single segment (RFC 8878 3.1.1.1.2) of a large size.
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=24)
    coder = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    coded = coder.compress(b"wide") + coder.flush()
    single = bytes.fromhex("28b52ffd") + b"\xa0" + (9 * MIB).to_bytes(4, "little")
    for data in (coded, single):
        with pytest.raises(RemoteProtocolError, match=r"zstd window of \d+ bytes is over 8388608") as caught:
            decoded("zstd", data)
        assert caught.value.status_hint == 400


def test_a_zstd_window_of_8_mib_is_taken() -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=23)
    coder = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    assert decoded("zstd", coder.compress(b"wide") + coder.flush()) == b"wide"


# What is wrong


def wrong(coding: str, *pieces: bytes) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        decoded(coding, *pieces)
    assert not isinstance(caught.value, LimitExceeded)
    assert caught.value.status_hint == 400
    return caught.value


def outcome(coding: str, pieces: list[bytes]) -> int | None:
    """The status hint of the error these bytes end in, None if they decode."""
    try:
        decoded(coding, *pieces, limit=MIB)
    except RemoteProtocolError as error:
        return error.status_hint
    return None


@each_coding
@pytest.mark.parametrize("body", [b"", b"a few bytes", TEXT[:5000]], ids=["empty", "few", "many"])
def test_a_stream_cut_short_anywhere_is_an_error(coding: str, body: bytes) -> None:
    # A short read must never pass for a whole body (aiohttp #7157 and its like).
    coded = foreign(coding, body)
    for end in range(1, len(coded)):
        assert f"{coding} data ended inside a " in str(wrong(coding, coded[:end]))


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_second_member_or_frame_cut_short_is_an_error(coding: str) -> None:
    first, second = foreign(coding, b"first"), foreign(coding, b"second")
    for end in range(1, len(second)):
        assert "ended inside" in str(wrong(coding, first + second[:end]))


def test_a_raw_deflate_stream_cut_short_is_an_error() -> None:
    coder = zlib.compressobj(wbits=-15)
    raw = coder.compress(TEXT[:500]) + coder.flush()
    assert "ended inside a stream" in str(wrong("deflate", raw[:-1]))


def test_a_stream_cut_short_inside_another_coding_is_an_error() -> None:
    inner = foreign("br", TEXT)
    assert "br data ended inside" in str(wrong("br, gzip", foreign("gzip", inner[:-1])))
    assert "gzip data ended inside" in str(wrong("br, gzip", foreign("gzip", inner)[:-1]))


@each_coding
@pytest.mark.parametrize("garbage", [b"garbage!", b"\x01" * 20_000, b"\xff" * 8], ids=["text", "long", "ff"])
def test_bytes_after_the_end_are_an_error(coding: str, garbage: bytes) -> None:
    coded = foreign(coding, TEXT)
    for pieces in ((coded + garbage,), (coded, garbage), (coded[:-1], coded[-1:] + garbage[:4], garbage[4:])):
        assert str(wrong(coding, *pieces)) == f"bytes after the end of the {coding} data"


@each_coding
def test_a_single_byte_after_the_end_is_an_error(coding: str) -> None:
    # Too short for a zstd magic number: there it counts as a frame that was cut short.
    wrong(coding, foreign(coding, TEXT) + b"\x07")
    wrong(coding, foreign(coding, TEXT), b"\x07")


@pytest.mark.parametrize("coding", ["deflate", "br"])
def test_a_second_stream_is_garbage_where_the_coding_has_only_one(coding: str) -> None:
    assert "bytes after the end" in str(wrong(coding, foreign(coding, b"a") + foreign(coding, b"b")))


def test_a_zero_byte_is_padding_to_gzip_alone() -> None:
    for coding in ("deflate", "br"):
        assert "bytes after the end" in str(wrong(coding, foreign(coding, b"a") + bytes(4)))
    assert "bytes after the end" in str(wrong("zstd", foreign("zstd", b"a") + bytes(4)))
    assert "corrupt" in str(wrong("gzip", bytes(4)))  # and only after a member


@pytest.mark.parametrize("coding", ["gzip", "zstd", "deflate"])
def test_a_wrong_checksum_is_an_error(coding: str) -> None:
    coded = bytearray(foreign(coding, TEXT))
    coded[-8 if coding == "gzip" else -4] ^= 1  # CRC32 and length, XXH64, Adler-32
    assert f"{coding} data is corrupt" in str(wrong(coding, bytes(coded)))


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"not gzip at all"),
        ("gzip", b"\x1f\x8c" + bytes(20)),
        ("deflate", b"\x78\x00" + bytes(20)),  # header check (RFC 1950 2.2)
        ("deflate", b"\x78\xbb" + bytes(20)),  # a preset dictionary
        ("deflate", b"\xff" * 20),
        ("br", b"\xff" * 20),
        ("br", b"\x11" + bytes(20)),  # the large window that only its own variant has
        ("zstd", b"not zstd at all"),
        ("zstd", bytes.fromhex("28b52ffd08") + bytes(20)),  # the reserved bit (RFC 8878 3.1.1.1.1)
        ("zstd", bytes.fromhex("28b52ffd0050") + b"\x07\0\0"),  # the reserved block type
        ("zstd", bytes.fromhex("28b52ffd0050") + (128 * KIB + 1 << 3 | 3).to_bytes(3, "little") + b"a"),
        ("zstd", bytes.fromhex("28b52ffd2082010000")),  # 130 bytes promised, an empty block at once
        ("zstd", bytes.fromhex("28b52ffd0150") + b"\x07" + b"\x01\0\0"),  # a dictionary nobody has
    ],
)
def test_corrupt_data_is_a_remote_protocol_error(coding: str, data: bytes) -> None:
    assert f"{coding} data is corrupt" in str(wrong(coding, data))
    assert f"{coding} data is corrupt" in str(wrong(coding, *[data[at : at + 1] for at in range(len(data))]))


@each_coding
@many
@given(data=st.binary(max_size=200), points=st.lists(st.integers(0, 200), max_size=3))
def test_any_bytes_decode_or_raise_a_remote_protocol_error(coding: str, data: bytes, points: list[int]) -> None:
    for start in (b"", foreign(coding, b"")[:6]):
        assert outcome(coding, cut(start + data, points)) in {None, 400, 413}


@each_coding
@many
@given(at=st.integers(0, 10**6), flip=st.integers(1, 255), points=st.lists(st.integers(0, 10**6), max_size=3))
def test_a_changed_byte_is_decoded_or_a_remote_protocol_error(
    coding: str, at: int, flip: int, points: list[int]
) -> None:
    body = TEXT[:2000] + NOISE[:200] + bytes(1000)
    coded = bytearray(foreign(coding, body))
    coded[at % len(coded)] ^= flip
    assert outcome(coding, cut(bytes(coded), points)) in {None, 400, 413}


@each_coding
def test_after_an_error_every_call_raises_the_like_of_it(coding: str) -> None:
    decoder = decoder_for(coding)
    decoder.feed(b"\xff" * 40)
    with pytest.raises(RemoteProtocolError) as first:
        decoder.next()
    assert not decoder.pending
    decoder.feed(foreign(coding, b"a"))
    assert not decoder.pending
    for again in (decoder.next, decoder.finish):
        with pytest.raises(RemoteProtocolError) as second:
            again()
        assert str(second.value) == str(first.value)
        assert second.value.status_hint == 400


@each_coding
def test_an_error_lets_go_of_what_was_fed(coding: str) -> None:
    decoder = decoder_for(coding)
    tracemalloc.start()
    try:
        decoder.feed(b"\xff" * (4 * MIB))
        with pytest.raises(RemoteProtocolError):
            decoder.next()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < MIB


def test_an_ended_decoder_reports_truncation_again() -> None:
    decoder = decoder_for("gzip")
    decoder.feed(foreign("gzip", TEXT)[:-1])
    assert b"".join(drained(decoder)) == TEXT
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match=f"ended inside a member, {len(TEXT)} bytes decoded"):
            decoder.finish()


def test_finish_before_all_was_decoded_is_a_use_error() -> None:
    decoder = decoder_for("gzip", step=10)
    decoder.feed(foreign("gzip", TEXT))
    decoder.next()
    with pytest.raises(UseError, match=r"finish\(\) before next\(\) gave"):
        decoder.finish()
