"""Coded bodies: samples, other libraries' coders, and a decoder driven to its end."""

from __future__ import annotations

import random
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import brotlicffi
import pytest
import zstandard
from hypothesis import HealthCheck, settings

from toolkit.protocol.codings import make_encoder
from toolkit.protocol.decoding import Decoder, make_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CODINGS",
    "KIB",
    "MIB",
    "NOISE",
    "STEP",
    "TEXT",
    "cut",
    "decoded",
    "decoder_for",
    "drained",
    "each_coding",
    "encoded",
    "few",
    "foreign",
    "many",
    "reference",
]

CODINGS: Final = ("zstd", "br", "gzip", "deflate")
KIB: Final = 1024
MIB: Final = 1024 * 1024
STEP: Final = 64 * KIB
TEXT: Final = b"".join(b"line %d of a body that compresses, as bodies do\n" % number for number in range(6000))
NOISE: Final = random.Random(1).randbytes(300 * KIB)

# No deadline: the machine may be busy with something else.
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
many = settings(few, max_examples=200)
each_coding = pytest.mark.parametrize("coding", CODINGS)


def encoded(coding: str, data: bytes, level: int | None = None) -> bytes:
    encoder = make_encoder(coding, level)
    return encoder.encode(data) + encoder.finish()


def foreign(coding: str, data: bytes) -> bytes:
    """The same by the library's one-shot call, so that a round trip does not only prove us right by ourselves."""
    if coding == "br":
        return bytes(brotlicffi.compress(data))
    if coding == "zstd":
        return zstandard.ZstdCompressor(write_checksum=True).compress(data)
    return zlib.compress(data, wbits=31 if coding == "gzip" else 15)


def reference(coding: str, data: bytes) -> bytes:
    """Decode a whole body by the library's own one-shot call."""
    if coding == "br":
        return bytes(brotlicffi.decompress(data))
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return zlib.decompress(data, wbits=31 if coding == "gzip" else 15)


def decoder_for(coding: str, *, step: int = STEP, depth: int = 2, limit: int | None = None) -> Decoder:
    decoder = make_decoder(coding, step=step, depth=depth, limit=limit)
    assert decoder is not None
    return decoder


def drained(decoder: Decoder) -> Iterator[bytes]:
    while data := decoder.next():
        yield data


def decoded(coding: str, *pieces: bytes, step: int = STEP, depth: int = 2, limit: int | None = None) -> bytes:
    decoder = decoder_for(coding, step=step, depth=depth, limit=limit)
    parts = []
    for piece in pieces:
        decoder.feed(piece)
        for part in drained(decoder):
            assert len(part) <= step
            parts.append(part)
        assert not decoder.pending
    decoder.finish()
    return b"".join(parts)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]
