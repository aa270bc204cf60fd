"""Content codings by name, and the outbound side: one incremental stream per message (RFC 9110 8.4). No I/O, no clock.

`make_encoder` gives an `Encoder`, whose `flush` lets the peer decode everything given so far. The inbound side, which
has to be bounded against the peer, is `decoding.py`.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Callable

    import brotlicffi

__all__ = ["GZIP", "ZLIB", "Encoder", "available_codings", "make_encoder", "parse_codings"]

# In our order of preference. On 4 MB of JSON at the levels below, share of the size and speed on one core: zstd 34 % at
# 111 MB/s, br 35 % at 45, gzip 36 % at 23. deflate is last, as its senders and receivers disagree on what it is.
LIBRARIES: Final = {"zstd": "zstandard", "br": "brotlicffi", "gzip": "zlib", "deflate": "zlib"}

# The level when none is asked for, the lowest and the highest. gzip, deflate, zstd: the libraries' own default. br: 4,
# no slower than gzip's 6; its own default of 11 is for files, at 1 MB/s. zstd ends at 19: from 20 on its window is over
# the 8 MiB that a receiver must have (RFC 9659 3).
LEVELS: Final = {"zstd": (3, 1, 19), "br": (4, 0, 11), "gzip": (6, 0, 9), "deflate": (6, 0, 9)}

ZLIB: Final = 15  # wbits: a window of 32 KiB in the zlib format
GZIP: Final = 31  # the same in the gzip format
BROTLI_SLICE: Final = 16 * 1024  # libbrotli's smallest input block, at qualities 2 and 3
BROTLI_WINDOW: Final = 19  # log2, 512 KiB as in nginx: the default of 4 MiB is memory per stream and wins little


class Encoder(Protocol):
    """One message's outbound stream of one content coding. Not for two threads at a time."""

    def encode(self, data: bytes | bytearray | memoryview) -> bytes:
        """Take bytes and give what is ready, often nothing. After `finish`: UseError."""

    def flush(self) -> bytes:
        """Give whatever the peer needs to decode all bytes given so far; nothing if it has that already."""

    def finish(self) -> bytes:
        """End the stream and give its rest; a second call gives nothing."""


@cache
def available_codings() -> tuple[str, ...]:
    """Name the content codings whose library is installed, in our order of preference; identity is not among them.

    No library is imported for this. The answer is cached for the life of the process.
    """
    return tuple(coding for coding, library in LIBRARIES.items() if find_spec(library) is not None)


def parse_codings(content_encoding: str) -> list[str]:
    """List the codings of a Content-Encoding field in lower case, in the order they were applied (RFC 9110 8.4).

    identity and empty elements are left out, `x-gzip` is given as gzip (8.4.1.3). The names may be unknown ones.
    """
    names = (name.strip(" \t").lower() for name in content_encoding.split(","))
    return ["gzip" if name == "x-gzip" else name for name in names if name not in {"", "identity"}]


class _Encoder:
    """The order of calls for any library's stream: the three functions only ever see a right one."""

    __slots__ = ("_encode", "_ended", "_finish", "_flush", "_owing")

    def __init__(
        self,
        encode: Callable[[bytes | bytearray | memoryview], bytes],
        flush: Callable[[], bytes],
        finish: Callable[[], bytes],
    ) -> None:
        self._encode = encode
        self._flush = flush
        self._finish = finish
        self._owing = False  # bytes were given since the last flush
        self._ended = False

    def encode(self, data: bytes | bytearray | memoryview) -> bytes:
        if self._ended:
            raise UseError("encode() after finish(): the coded stream has ended")
        if not data:
            return b""
        self._owing = True
        return self._encode(data)

    def flush(self) -> bytes:
        # A flush costs bytes on the wire even when there is nothing to flush.
        if self._ended or not self._owing:
            return b""
        self._owing = False
        return self._flush()

    def finish(self) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        return self._finish()


def _brotli_encode(compressor: brotlicffi.Compressor, data: bytes | bytearray | memoryview) -> bytes:
    """Compress in slices, emptying the library after each.

    brotlicffi gives libbrotli room for 1.25 times the input. Where a block held back needs more, input is left over and
    an assert fails (1 MiB and then 300 KiB of random bytes at quality 4). One slice at most fills a block, and an empty
    library always has room for a block: so nothing is ever left over.
    """
    parts = []
    view = memoryview(data).cast("B")
    for start in range(0, len(view), BROTLI_SLICE):
        part = compressor.process(bytes(view[start : start + BROTLI_SLICE]))
        while part:
            parts.append(part)
            part = compressor.process(b"")
    return b"".join(parts)


def make_encoder(coding: str, level: int | None = None) -> Encoder:
    """Start the outbound stream of one message in `coding`, one of `available_codings()` or identity.

    `level` is the library's own: 0 to 9 for gzip and deflate, 0 to 11 for br, 1 to 19 for zstd; None means 6, 6, 4
    and 3. Raises ValueError for an unknown coding, one whose library is missing, or a level outside the range.
    """
    if coding == "x-gzip":
        coding = "gzip"
    if coding == "identity":
        return _Encoder(bytes, bytes, bytes)
    if coding not in available_codings():
        raise ValueError(f"no such content coding here: {coding!r}; available: {', '.join(available_codings())}")
    default, lowest, highest = LEVELS[coding]
    level = default if level is None else level
    if not lowest <= level <= highest:
        raise ValueError(f"the level of {coding} goes from {lowest} to {highest}, not {level}")
    if coding == "br":
        import brotlicffi

        brotli = brotlicffi.Compressor(quality=level, lgwin=BROTLI_WINDOW)
        return _Encoder(partial(_brotli_encode, brotli), brotli.flush, brotli.finish)
    if coding == "zstd":
        import zstandard

        zstd = zstandard.ZstdCompressor(level=level).compressobj()
        return _Encoder(
            zstd.compress,
            partial(zstd.flush, zstandard.COMPRESSOBJ_FLUSH_BLOCK),
            partial(zstd.flush, zstandard.COMPRESSOBJ_FLUSH_FINISH),
        )
    import zlib

    deflate = zlib.compressobj(level, wbits=GZIP if coding == "gzip" else ZLIB)
    return _Encoder(deflate.compress, partial(deflate.flush, zlib.Z_SYNC_FLUSH), deflate.flush)
