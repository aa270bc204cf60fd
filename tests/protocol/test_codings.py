"""Content codings by name, and encoding: every library decodes what we encode, and flushes say all there is."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.coded import (
    CODINGS,
    KIB,
    MIB,
    NOISE,
    TEXT,
    decoded,
    decoder_for,
    drained,
    each_coding,
    encoded,
    few,
    reference,
)
from toolkit.errors import RemoteProtocolError, UseError
from toolkit.protocol import codings
from toolkit.protocol.codings import available_codings, make_encoder, parse_codings
from toolkit.protocol.decoding import make_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

# Names and registry


def test_codings_are_listed_in_our_order_and_identity_is_none_of_them() -> None:
    assert available_codings() == CODINGS


def test_a_coding_without_its_library_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_brotli(name: str) -> object:
        return None if name == "brotlicffi" else object()

    monkeypatch.setattr(codings, "find_spec", without_brotli)
    available_codings.cache_clear()
    try:
        assert available_codings() == ("zstd", "gzip", "deflate")
        with pytest.raises(ValueError, match="no such content coding here: 'br'"):
            make_encoder("br")
        with pytest.raises(RemoteProtocolError, match="'br' is not supported") as caught:
            make_decoder("br")
        assert caught.value.status_hint == 415
    finally:
        available_codings.cache_clear()


def test_libraries_are_imported_only_when_used() -> None:
    program = (
        "import sys; from toolkit.protocol import codings, decoding; codings.available_codings();"
        "decoding.make_decoder('gzip');"
        "print(sorted({'zstandard', 'brotlicffi'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("identity", []),
        ("gzip", ["gzip"]),
        ("GZip", ["gzip"]),  # RFC 9110 8.4.1: case-insensitive
        ("x-gzip", ["gzip"]),  # RFC 9110 8.4.1.3
        ("deflate,\tgzip", ["deflate", "gzip"]),
        (" , br, identity, ", ["br"]),  # RFC 9110 5.6.1.2: empty elements
        ("rot13", ["rot13"]),
    ],
)
def test_content_encoding_lists_codings_in_the_order_applied(value: str, expected: list[str]) -> None:
    assert parse_codings(value) == expected
    assert (make_decoder(value) is None) == (not expected) if "rot13" not in expected else True


# Encoding


@each_coding
@pytest.mark.parametrize("body", [b"", b"x", TEXT, NOISE], ids=["empty", "one", "text", "noise"])
def test_what_we_encode_every_library_decodes_to_the_same(coding: str, body: bytes) -> None:
    assert reference(coding, encoded(coding, body)) == body


@each_coding
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_is_taken(coding: str, kind: Callable[[bytes], bytes]) -> None:
    assert reference(coding, encoded(coding, kind(TEXT))) == TEXT


@pytest.mark.parametrize(
    ("coding", "level"),
    [("gzip", 0), ("gzip", 9), ("deflate", 0), ("deflate", 9), ("br", 0), ("br", 11), ("zstd", 1), ("zstd", 19)],
)
def test_every_level_from_lowest_to_highest_can_be_decoded_by_ourselves(coding: str, level: int) -> None:
    body = TEXT[: 20 * KIB]
    assert decoded(coding, encoded(coding, body, level)) == body


@pytest.mark.parametrize(
    ("coding", "level"), [("gzip", -1), ("gzip", 10), ("deflate", 10), ("br", 12), ("zstd", 0), ("zstd", 20)]
)
def test_a_level_outside_its_range_is_a_value_error(coding: str, level: int) -> None:
    # zstd 20 needs a window over the 8 MiB of RFC 9659.
    with pytest.raises(ValueError, match=f"the level of {coding} goes from"):
        make_encoder(coding, level)


def test_an_unknown_coding_to_encode_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no such content coding here: 'compress'; available: zstd, br"):
        make_encoder("compress")


def test_identity_and_x_gzip_can_be_encoded() -> None:
    encoder = make_encoder("identity")
    assert (encoder.encode(b"ab"), encoder.flush(), encoder.finish()) == (b"ab", b"", b"")
    assert reference("gzip", encoded("x-gzip", b"ab")) == b"ab"


@each_coding
@few
@given(parts=st.lists(st.binary(max_size=400), max_size=6))
def test_a_flush_makes_all_bytes_so_far_decodable(coding: str, parts: list[bytes]) -> None:
    encoder, decoder = make_encoder(coding), decoder_for(coding)
    for part in parts:
        decoder.feed(encoder.encode(part) + encoder.flush())
        assert b"".join(drained(decoder)) == part
    decoder.feed(encoder.finish())
    assert b"".join(drained(decoder)) == b""
    decoder.finish()


@each_coding
def test_a_flush_with_nothing_to_flush_costs_nothing_on_the_wire(coding: str) -> None:
    encoder = make_encoder(coding)
    assert encoder.flush() == b""
    assert encoder.encode(b"") == b""
    head = encoder.encode(b"ab") + encoder.flush()
    assert head
    assert encoder.flush() == b""
    assert reference(coding, head + encoder.finish()) == b"ab"


@each_coding
def test_the_end_of_an_encoder_is_one_end(coding: str) -> None:
    encoder = make_encoder(coding)
    assert reference(coding, encoder.encode(b"ab") + encoder.finish()) == b"ab"
    assert encoder.finish() == b""
    assert encoder.flush() == b""
    with pytest.raises(UseError, match=r"encode\(\) after finish\(\)"):
        encoder.encode(b"c")


@pytest.mark.parametrize("quality", [0, 1, 2, 4, 9])
def test_brotli_takes_large_writes_of_noise_while_it_holds_a_block_back(quality: int) -> None:
    # brotlicffi's own compress() fails an assert here at quality 4: its output buffer is sized by the write alone.
    sizes = (255 * KIB, MIB, 1, 300 * KIB, MIB)
    parts = [random.Random(size).randbytes(size) for size in sizes]
    encoder = make_encoder("br", quality)
    coded = b"".join([encoder.encode(part) for part in parts])
    assert reference("br", coded + encoder.finish()) == b"".join(parts)


def test_zstd_keeps_to_the_window_of_rfc_9659_at_its_highest_level() -> None:
    assert zstandard.get_frame_parameters(encoded("zstd", TEXT, 19)[:18]).window_size <= 8 * MIB
