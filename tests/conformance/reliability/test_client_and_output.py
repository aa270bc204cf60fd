"""Sections 3c and 3d as far as the foundation goes: what a server or a client puts on the wire, and what it believes.

`ROWS` are answers as raw bytes; each is given to a client in three deliveries, and the next request shows whether the
connection was kept.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import tracemalloc
import zlib
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import brotlicffi
import pytest
import zstandard

from toolkit import Abort, App, Deliver, Limits, Request
from toolkit.errors import Disconnected, LimitExceeded, LocalProtocolError, RemoteProtocolError, ToolkitError

from ...helpers.raw import raw_server
from ...helpers.served import served
from .answers import Answer, parse_answers
from .drive import AFTER, DELIVERIES, Outcome, cut, exchange, mutate
from .reference import read_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit import Session

    from ...helpers.raw import Raw, RawServer

    Handler = Callable[[Request], Awaitable[object]]

MIB = 1024 * 1024


# ---- the client: what it believes


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer is given to the caller; `reused`: the next request comes over the same connection (None: either)."""

    content: bytes
    status: int = 200
    reused: bool | None = True
    interim: int | None = 0  #: None: whether a 100 counts is not said


@dataclass(frozen=True, slots=True)
class Broken:
    """An error of one of these kinds, and the connection is gone, unless the framing was never in doubt."""

    kinds: tuple[type[Exception], ...] = (RemoteProtocolError,)
    framed: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The RFC leaves it open, but nothing else will do."""

    answered: Answered
    broken: Broken = field(default_factory=Broken)


@dataclass(frozen=True, slots=True)
class Row:
    """An answer as raw bytes; `eof`: the server then ends its side."""

    number: int
    name: str
    data: bytes
    expect: Answered | Broken | Choice
    method: str = "GET"
    eof: bool = False
    limits: Limits | None = None


def ok(fields: bytes, body: bytes = b"") -> bytes:
    """A 200 with these field lines."""
    return b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body


def sized(body: bytes, fields: bytes = b"") -> bytes:
    """A 200 with its length."""
    return ok(fields + b"Content-Length: %d\r\n" % len(body), body)


def length(value: bytes, body: bytes = b"hello") -> bytes:
    """A 200 whose Content-Length is `value`, as it stands behind the colon."""
    return ok(b"Content-Length:" + value + b"\r\n", body)


def chunked(body: bytes) -> bytes:
    """A chunked 200."""
    return ok(b"Transfer-Encoding: chunked\r\n", body)


def coded(coding: bytes, body: bytes) -> bytes:
    """A 200 with a content coding."""
    return sized(body, b"Content-Encoding: " + coding + b"\r\n")


def first(status_line: bytes) -> bytes:
    """An answer with this start line."""
    return status_line + b"\r\nContent-Length: 5\r\n\r\nhello"


BROKEN = Broken()
CUT = Broken((Disconnected, RemoteProtocolError))
OVER = Broken((LimitExceeded,))
#: A fault of the content coding inside a message whose end is known.
BAD_CODING = Broken(framed=True)
BOMB = Broken((LimitExceeded,), framed=True)
HELLO = Answered(b"hello")
ONCE = Answered(b"hello", reused=False)
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
SMALL = Limits(read=MIB)
ZEROS = bytes(16 * MIB)


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def brotli(data: bytes) -> bytes:
    compressed: bytes = brotlicffi.compress(data, quality=5)
    return compressed


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(9, zlib.DEFLATED, -15)
    return encoder.compress(data) + encoder.flush()


ROWS = [
    # 80. the framing of answers: httplint, WPT fetch/h1-parsing and fetch/content-length
    Row(80, "length", length(b" 5"), HELLO),
    Row(80, "chunked", chunked(CHUNKS), HELLO),
    Row(80, "until-close", ok(b"", b"hello"), ONCE, eof=True),
    Row(80, "close", sized(b"hello", b"Connection: close\r\n"), ONCE),
    Row(80, "http10", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", ONCE),
    Row(
        80,
        "http10-keep-alive",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        Answered(b"hello", reused=None),
    ),
    Row(80, "empty-reason", first(b"HTTP/1.1 200 "), HELLO),
    Row(80, "no-reason", first(b"HTTP/1.1 200"), Choice(Answered(b"hello", reused=None))),
    Row(80, "obs-text", sized(b"hello", b"X-A: \x80\xff\r\n"), HELLO),
    Row(80, "cl-te", ok(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKS), BROKEN),
    Row(80, "te-cl", ok(b"Transfer-Encoding: chunked\r\nContent-Length: 15\r\n", CHUNKS), BROKEN),
    Row(80, "cl-different", ok(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), BROKEN),
    Row(80, "cl-list-different", length(b" 5, 6"), BROKEN),
    Row(
        80,
        "cl-same",
        ok(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
        Choice(Answered(b"hello", reused=None)),
    ),
    Row(80, "cl-list-same", length(b" 5, 5"), Choice(Answered(b"hello", reused=None))),
    Row(80, "cl-plus", length(b" +5"), BROKEN),
    Row(80, "cl-hex", length(b" 0x5"), BROKEN),
    Row(80, "cl-underscore", length(b" 0_5"), BROKEN),
    Row(80, "cl-minus", length(b" -5"), BROKEN),
    Row(80, "cl-empty", length(b""), BROKEN),
    Row(80, "cl-letters", length(b" abc"), BROKEN),
    Row(80, "cl-inner-space", length(b" 0 5"), BROKEN),
    Row(80, "cl-fullwidth", length(b" \xef\xbc\x95"), BROKEN),
    Row(80, "cl-superscript", length(b" \xb2"), BROKEN),
    Row(80, "cl-two-to-64-and-5", length(b" 18446744073709551621"), BROKEN),
    Row(80, "cl-five-thousand-digits", length(b" " + b"1" * 5000), BROKEN),
    Row(80, "cl-bad-on-head", length(b" x", b""), BROKEN, method="HEAD"),
    Row(80, "te-unknown", ok(b"Transfer-Encoding: xchunked\r\n", CHUNKS), BROKEN, eof=True),
    Row(80, "te-identity", ok(b"Transfer-Encoding: identity\r\n", b"hello"), BROKEN, eof=True),
    Row(80, "te-gzip-chunked", ok(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS), BROKEN),
    Row(80, "te-chunked-gzip", ok(b"Transfer-Encoding: chunked, gzip\r\n", CHUNKS), BROKEN, eof=True),
    Row(80, "te-twice", ok(b"Transfer-Encoding: chunked, chunked\r\n", CHUNKS), BROKEN),
    Row(80, "te-two-lines", ok(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS), BROKEN),
    Row(80, "te-vt", ok(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS), BROKEN),
    Row(80, "te-empty", ok(b"Transfer-Encoding:\r\n", b"hello"), BROKEN, eof=True),
    Row(80, "te-http10", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, Choice(ONCE), eof=True),
    Row(80, "bare-cr", sized(b"hello", b"X-A: b\rX-B: c\r\n"), BROKEN),
    Row(80, "cr-in-name", sized(b"hello", b"X\rA: b\r\n"), BROKEN),
    Row(80, "cr-in-reason", first(b"HTTP/1.1 200 O\rK"), BROKEN),
    Row(80, "cr-cr-lf", first(b"HTTP/1.1 200 OK\r"), BROKEN),
    Row(80, "cr-x-at-end", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\rXhello\r\n\r\n", BROKEN),
    Row(80, "nul-in-value", sized(b"hello", b"X-A: \x00\r\n"), BROKEN),
    Row(80, "nul-in-name", sized(b"hello", b"X\x00A: b\r\n"), BROKEN),
    Row(80, "nul-in-reason", first(b"HTTP/1.1 200 O\x00K"), BROKEN),
    Row(80, "fold", sized(b"hello", b"X-A: b\r\n c\r\n"), Choice(HELLO)),
    Row(80, "folded-cl", ok(b"Content-Length:\r\n 5\r\n", b"hello"), Choice(HELLO)),
    Row(80, "space-before-colon", ok(b"Content-Length : 5\r\n", b"hello"), BROKEN),
    Row(80, "space-before-name", ok(b" Content-Length: 5\r\n", b"hello"), BROKEN),
    Row(80, "empty-name", sized(b"hello", b": b\r\n"), BROKEN),
    Row(80, "no-colon", sized(b"hello", b"X-A\r\n"), BROKEN),
    Row(80, "bad-name", sized(b"hello", b"X[]: b\r\n"), BROKEN),
    Row(80, "high-name", sized(b"hello", b"X\xe9: b\r\n"), BROKEN),
    Row(80, "bare-lf", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", Choice(HELLO, CUT), eof=True),
    Row(80, "status-two-digits", first(b"HTTP/1.1 20 OK"), BROKEN),
    Row(80, "status-four-digits", first(b"HTTP/1.1 2000 OK"), BROKEN),
    Row(80, "status-letters", first(b"HTTP/1.1 abc OK"), BROKEN),
    Row(80, "status-plus", first(b"HTTP/1.1 +20 OK"), BROKEN),
    Row(80, "status-zero", first(b"HTTP/1.1 000 OK"), BROKEN),
    Row(80, "status-099", first(b"HTTP/1.1 099 OK"), BROKEN),
    Row(80, "status-unicode", first("HTTP/1.1 \uff12\uff10\uff10 OK".encode()), BROKEN),
    Row(80, "status-missing", first(b"HTTP/1.1"), BROKEN),
    Row(80, "status-joined", first(b"HTTP/1.1 200OK"), BROKEN),
    Row(80, "version-2", first(b"HTTP/2.0 200 OK"), BROKEN),
    Row(80, "version-0.9", first(b"HTTP/0.9 200 OK"), BROKEN),
    Row(80, "version-case", first(b"http/1.1 200 OK"), BROKEN),
    Row(80, "version-icy", first(b"ICY 200 OK"), BROKEN),
    Row(80, "version-rtsp", first(b"RTSP/1.0 200 OK"), BROKEN),
    Row(80, "junk", b"hello\r\n\r\n", BROKEN),
    Row(80, "crlf-before", b"\r\n" + sized(b"hello"), Choice(HELLO)),
    Row(80, "junk-before", b"x" + sized(b"hello"), BROKEN),
    Row(80, "request", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", BROKEN),
    Row(80, "http09", b"<html>hello</html>", CUT, eof=True),
    Row(80, "nothing", b"", CUT, eof=True),
    Row(80, "cut-head", b"HTTP/1.1 200 OK\r\nContent-Le", CUT, eof=True),
    Row(80, "cut-length", length(b" 10"), CUT, eof=True),
    Row(80, "cut-chunked", chunked(b"5\r\nhello\r\n"), CUT, eof=True),
    Row(80, "cut-last-chunk", chunked(b"5\r\nhello\r\n0\r\n"), CUT, eof=True),
    Row(80, "cut-after-interim", HINTS, CUT, eof=True),
    Row(80, "chunk-hex-prefix", chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-plus", chunked(b"+5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-minus", chunked(b"-5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-empty-size", chunked(b"\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-overflow", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-two-bytes", chunked(b"5\r\nhelloXX0\r\n\r\n"), BROKEN),
    Row(80, "chunk-spill", chunked(b"5\r\nhello!!\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-lf", chunked(b"5\nhello\n0\n\n"), BROKEN),
    Row(80, "chunk-ext-lf", chunked(b"5;a\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-ext-long", chunked(b"5;a=" + b"b" * 300 + b"\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(80, "chunk-ext-in-all", chunked((b"1;a=" + b"b" * 200 + b"\r\nx\r\n") * 100 + b"0\r\n\r\n"), BROKEN),
    Row(80, "chunk-ext", chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"), HELLO),
    Row(80, "trailers", chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"), HELLO),
    Row(80, "trailers-no-colon", chunked(b"5\r\nhello\r\n0\r\nX-A\r\n\r\n"), BROKEN),
    Row(80, "trailers-too-large", chunked(b"0\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 17 + b"\r\n"), BROKEN),
    Row(80, "trailers-bare-lf", chunked(b"0\r\nX: y\n\r\n"), BROKEN),
    # what is left behind an answer belongs to nobody: the connection is not used again
    Row(80, "leftover-answer", sized(b"hello") + POISON, ONCE),
    Row(80, "leftover-answer-chunked", chunked(CHUNKS) + POISON, ONCE),
    Row(80, "leftover-byte", sized(b"hello") + b"!", ONCE),
    Row(80, "leftover-204", b"HTTP/1.1 204 No Content\r\n\r\n" + POISON, Answered(b"", 204, reused=False)),
    Row(
        80,
        "leftover-304",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
        Answered(b"", 304, reused=False),
    ),
    Row(80, "leftover-head", sized(b"hello"), Answered(b"", reused=False), method="HEAD"),
    Row(80, "head", sized(b"hello")[:-5], Answered(b""), method="HEAD"),
    Row(80, "head-chunked", chunked(b""), Answered(b""), method="HEAD"),
    Row(80, "304-length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Answered(b"", 304)),
    Row(80, "204", b"HTTP/1.1 204 No Content\r\n\r\n", Answered(b"", 204)),
    Row(80, "204-length", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Answered(b"", 204, reused=None)),
    # 81. no end of heads: curl CVE-2023-38039
    Row(81, "one-interim", HINTS + sized(b"hello"), Answered(b"hello", interim=1)),
    Row(81, "sixteen", HINTS * 16 + sized(b"hello"), Answered(b"hello", interim=16)),
    Row(81, "seventeen", HINTS * 17 + sized(b"hello"), BROKEN),
    Row(81, "endless-interim", HINTS * 500, BROKEN),
    Row(81, "endless-100", b"HTTP/1.1 100 Continue\r\n\r\n" * 500, BROKEN),
    Row(81, "own-limit", HINTS * 3 + sized(b"hello"), BROKEN, limits=Limits(interim=2)),
    Row(81, "too-many-fields", sized(b"hello", b"X: y\r\n" * 100), OVER),
    Row(81, "fields-in-interim", b"HTTP/1.1 103 Early Hints\r\n" + b"X: y\r\n" * 101 + b"\r\n" + sized(b"hello"), OVER),
    Row(81, "hundred-fields", sized(b"hello", b"X: y\r\n" * 99), HELLO),
    Row(81, "large-head", sized(b"hello", b"X: " + b"y" * 70000 + b"\r\n"), OVER),
    Row(81, "endless-head", ok(b"X: y\r\n" * 20000)[:-2], OVER),
    Row(81, "endless-line", b"HTTP/1.1 200 " + b"O" * 70000, OVER),
    Row(81, "endless-no-http", b"O" * 70000, BROKEN),
    # 82. an answer to nothing that was asked: Go CVE-2024-24791
    Row(82, "101", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", BROKEN),
    Row(
        82, "101-and-junk", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\njunk", BROKEN
    ),
    Row(82, "101-then-200", b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + sized(b"hello"), BROKEN),
    Row(82, "100-after-final", sized(b"hello") + b"HTTP/1.1 100 Continue\r\n\r\n", ONCE),
    Row(82, "103-after-final", sized(b"hello") + HINTS, ONCE),
    Row(
        82,
        "100-not-asked",
        b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"hello"),
        Answered(b"hello", reused=None, interim=None),
    ),
    Row(82, "100-with-a-body", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello", BROKEN),
    Row(
        82,
        "connect-like-200",
        ok(b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n", b"hello"),
        Answered(b"hello", reused=None),
    ),
    # 83. bombs: urllib3 CVE-2025-66471, CVE-2026-21441, CVE-2026-44432, curl CVE-2022-32206
    Row(83, "gzip", coded(b"gzip", gzip.compress(ZEROS)), BOMB, limits=SMALL),
    Row(83, "x-gzip", coded(b"x-gzip", gzip.compress(ZEROS)), BOMB, limits=SMALL),
    Row(83, "deflate", coded(b"deflate", zlib.compress(ZEROS)), BOMB, limits=SMALL),
    Row(83, "raw-deflate", coded(b"deflate", raw_deflate(ZEROS)), BOMB, limits=SMALL),
    Row(83, "br", coded(b"br", brotli(ZEROS)), BOMB, limits=SMALL),
    Row(83, "zstd", coded(b"zstd", zstd(ZEROS)), BOMB, limits=SMALL),
    Row(83, "gzip-in-gzip", coded(b"gzip, gzip", gzip.compress(gzip.compress(ZEROS))), BOMB, limits=SMALL),
    Row(83, "br-in-gzip", coded(b"br, gzip", gzip.compress(brotli(ZEROS))), BOMB, limits=SMALL),
    Row(83, "many-members", coded(b"gzip", gzip.compress(bytes(MIB)) * 3), BOMB, limits=SMALL),
    # 84. chains: urllib3 CVE-2025-66418, undici CVE-2026-22036, curl CVE-2023-23916
    Row(84, "two", coded(b"gzip, deflate", zlib.compress(gzip.compress(b"hello"))), HELLO),
    Row(84, "two-lines", coded(b"gzip\r\nContent-Encoding: br", brotli(gzip.compress(b"hello"))), HELLO),
    Row(84, "three", coded(b"gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(b"hello")))), BAD_CODING),
    Row(84, "three-lines", coded(b"gzip\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip", b"hello"), BAD_CODING),
    Row(84, "hundreds", coded(b", ".join([b"gzip"] * 500), b"hello"), BAD_CODING),
    Row(84, "unknown", coded(b"x-unknown", b"hello"), BAD_CODING),
    Row(84, "identity", coded(b"identity", b"hello"), HELLO),
    Row(84, "case", coded(b"GZip", gzip.compress(b"hello")), HELLO),
    # 85. members and frames: aiohttp #7157, #12234
    Row(85, "gzip-members", coded(b"gzip", gzip.compress(b"he") + gzip.compress(b"") + gzip.compress(b"llo")), HELLO),
    Row(85, "zstd-frames", coded(b"zstd", zstd(b"he") + zstd(b"llo")), HELLO),
    Row(85, "zstd-skippable", coded(b"zstd", b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(b"hello")), HELLO),
    Row(85, "br", coded(b"br", brotli(b"hello")), HELLO),
    Row(85, "deflate", coded(b"deflate", zlib.compress(b"hello")), HELLO),
    Row(85, "raw-deflate", coded(b"deflate", raw_deflate(b"hello")), HELLO),
    Row(85, "gzip-cut", coded(b"gzip", gzip.compress(b"hello")[:-1]), BAD_CODING),
    Row(85, "gzip-cut-in-data", coded(b"gzip", gzip.compress(b"hello" * 50)[:-9]), BAD_CODING),
    Row(85, "gzip-second-cut", coded(b"gzip", gzip.compress(b"he") + gzip.compress(b"llo")[:-3]), BAD_CODING),
    Row(85, "deflate-cut", coded(b"deflate", zlib.compress(b"hello")[:-1]), BAD_CODING),
    Row(85, "br-cut", coded(b"br", brotli(b"hello" * 50)[:-1]), BAD_CODING),
    Row(85, "zstd-cut", coded(b"zstd", zstd(b"hello" * 50)[:-1]), BAD_CODING),
    Row(85, "gzip-garbage", coded(b"gzip", gzip.compress(b"hello") + b"garbage"), BAD_CODING),
    Row(85, "deflate-garbage", coded(b"deflate", zlib.compress(b"hello") + b"garbage"), BAD_CODING),
    Row(85, "br-garbage", coded(b"br", brotli(b"hello") + b"garbage"), BAD_CODING),
    Row(85, "zstd-garbage", coded(b"zstd", zstd(b"hello") + b"garbage"), BAD_CODING),
    Row(85, "gzip-bad-sum", coded(b"gzip", gzip.compress(b"hello")[:-8] + b"\0" * 8), BAD_CODING),
    Row(85, "not-gzip", coded(b"gzip", b"hello"), BAD_CODING),
    Row(85, "not-zstd", coded(b"zstd", b"hello"), BAD_CODING),
    Row(85, "not-deflate", coded(b"deflate", b"hello"), BAD_CODING),
    Row(85, "empty-gzip", coded(b"gzip", b""), Choice(Answered(b""), BAD_CODING)),
    Row(85, "coded-head", ok(b"Content-Encoding: gzip\r\nContent-Length: 50\r\n"), Answered(b""), method="HEAD"),
    Row(85, "coded-304", b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n", Answered(b"", 304)),
]


def _id(row: Row) -> str:
    return f"{'3c' if row.number < 69 else '3d'}-{row.number}-{row.name}"


@dataclass(frozen=True, slots=True)
class Got:
    """What the caller of a client was given."""

    error: Exception | None
    content: bytes = b""
    status: int = 0
    interim: int = 0


async def _ask(http: Session, method: str, url: str) -> Got:
    try:
        answer = await http.request(method, url)
    except Exception as error:  # which kind it may be is for the row to say
        return Got(error)
    return Got(None, answer.content, answer.status or 0, len(answer.interim))


async def _answer(raw: Raw, row: Row, delivery: str) -> None:
    await raw.until(b"\r\n\r\n")
    try:
        for piece in cut(row.data, delivery, row.number):
            await raw.send(piece)
            await asyncio.sleep(0)
        if row.eof:
            await raw.eof()
    except OSError:
        pass  # the client had enough


async def _reused(server: RawServer, raw: Raw, http: Session) -> bool:
    """Make another request; whether it came over the same connection. Its answer must be its own."""
    for _ in range(10):
        await asyncio.sleep(0)  # what stood behind the answer has arrived by now
    asking = asyncio.create_task(_ask(http, "GET", server.url + "/again"))
    here, elsewhere = asyncio.create_task(_head(raw)), asyncio.create_task(server.accept())
    await asyncio.wait({here, elsewhere}, return_when=asyncio.FIRST_COMPLETED)
    same = here.done() and here.result().startswith(b"GET /again ")
    used: Raw = raw if same else await elsewhere
    if not same:
        assert (await used.until(b"\r\n\r\n")).startswith(b"GET /again ")
    await used.send(sized(b"again"))
    got = await asking
    assert got.error is None, got.error
    assert got.content == b"again"
    for task in (here, elsewhere):
        task.cancel()
    await asyncio.gather(here, elsewhere, return_exceptions=True)
    return same


async def _head(raw: Raw) -> bytes:
    try:
        return await raw.until(b"\r\n\r\n")
    except (EOFError, OSError):
        await asyncio.Event().wait()  # the other task decides
        raise


def _judge(expect: Answered | Broken | Choice, got: Got, reused: bool) -> None:
    if isinstance(expect, Choice):
        expect = expect.broken if got.error is not None else expect.answered
    if isinstance(expect, Broken):
        assert isinstance(got.error, expect.kinds), got
        assert expect.framed or not reused, "a broken connection was used again"
        return
    if got.error is not None:
        raise AssertionError(f"{type(got.error).__name__}: {got.error}")
    assert (got.content, got.status) == (expect.content, expect.status)
    assert expect.interim is None or got.interim == expect.interim
    assert expect.reused is None or reused is expect.reused, f"reused: {reused}"


@pytest.mark.parametrize("row", ROWS, ids=[_id(row) for row in ROWS])
async def test_row(row: Row) -> None:
    failures: list[str] = []
    for delivery in DELIVERIES:
        options: dict[str, object] = {} if row.limits is None else {"limits": row.limits}
        async with asyncio.timeout(10), raw_server("unix") as server, server.session(**options) as http:
            asking = asyncio.create_task(_ask(http, row.method, server.url + "/p"))
            raw = await server.accept()
            await _answer(raw, row, delivery)
            try:
                got = await asyncio.wait_for(asking, 3)
            except TimeoutError:
                failures.append(f"{delivery}: a hang")
                continue
            try:
                _judge(row.expect, got, await _reused(server, raw, http))
            except AssertionError as error:
                failures.append(f"{delivery}: {error}")
    assert not failures, "\n" + "\n".join(failures) + f"\n  in: {row.data[:300]!r}"


def test_ids_are_unique() -> None:
    assert len({_id(row) for row in ROWS}) == len(ROWS)


SEEDS = [
    sized(b"hello"),
    sized(b""),
    chunked(CHUNKS),
    chunked(b'1;a=b\r\nh\r\n4;c="d"\r\nello\r\n0;e\r\nX-T: u\r\n\r\n'),
    HINTS + sized(b"hello", b"X-A: b\r\nX-A: c\r\n"),
    ok(b"", b"hello"),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    sized(b"hello", b"Connection: close\r\n"),
    sized(b"hello") + POISON,
]
#: Cases on each loop; `FUZZED=100000 pytest -k gate_2` for a long run.
FUZZED = int(os.environ.get("FUZZED", "400"))


async def test_gate_2_any_answer(loop_errors: list[str]) -> None:
    """Any bytes and a FIN give an answer that is really there, or one of the two errors; never a hang."""
    async with raw_server("unix") as server, server.session() as http:
        for seed in range(FUZZED):
            rng = Random(seed)
            data = rng.choice(SEEDS)
            for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
                data = mutate(rng, data)
            row = Row(0, "fuzz", data, Broken(), eof=True)
            asking = asyncio.create_task(_ask(http, "GET", server.url + "/p"))
            raw = await server.accept()
            await _answer(raw, row, rng.choice(DELIVERIES))
            try:
                got = await asyncio.wait_for(asking, 3)
            except TimeoutError:
                pytest.fail(f"seed {seed}: a hang on {data!r}")
            await raw.close()
            if got.error is None:
                # one answer of the wire is one answer of the caller; HTTP allows nothing else to be made of it
                assert read_answer(data) == (got.status, got.content), f"seed {seed}: {got} from {data!r}"
            else:
                assert isinstance(got.error, (RemoteProtocolError, Disconnected)), f"seed {seed}: {got} from {data!r}"
            assert not loop_errors, f"seed {seed}: {loop_errors}"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(ZEROS * 2)),
        (b"deflate", zlib.compress(ZEROS * 2)),
        (b"br", brotli(ZEROS * 2)),
        (b"zstd", zstd(ZEROS * 2)),
        (b"gzip, gzip", gzip.compress(gzip.compress(ZEROS * 2))),
    ],
    ids=["gzip", "deflate", "br", "zstd", "gzip-gzip"],
)
async def test_83_bombs_come_in_steps(coding: bytes, body: bytes) -> None:
    """A reader is given a bounded piece at a time, and memory does not grow with the factor."""
    total, largest = 0, 0
    async with asyncio.timeout(20), raw_server("unix") as server, server.session() as http:
        serving = asyncio.create_task(_serve_once(server, coded(coding, body)))
        tracemalloc.start()
        try:
            async with http.get(server.url + "/p") as x:
                async for chunk in x:
                    total += len(chunk)
                    largest = max(largest, len(chunk))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await serving
    assert total == 2 * len(ZEROS)
    assert largest <= Limits().decode_step
    assert peak < 8 * MIB, peak


async def _serve_once(server: RawServer, data: bytes) -> None:
    raw = await server.accept()
    await raw.until(b"\r\n\r\n")
    await raw.send(data)


async def test_83_what_is_only_drained_is_not_decoded() -> None:
    """urllib3 CVE-2026-21441: a body that nobody reads is never decoded, so that its faults are nobody's."""
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:
        serving = asyncio.create_task(_serve_once(server, coded(b"gzip", b"not gzip at all")))
        async with http.get(server.url + "/p") as x:
            await x.head()
            assert x.status == 200
        await serving


# ---- the client: what it sends


CONTROLS = "".join(chr(code) for code in (*range(9), *range(10, 32), 127))

#: 69. urllib3 CVE-2020-26137, CVE-2019-11236, aiohttp CVE-2023-49081, CVE-2023-49082, undici CVE-2022-31150
INJECTIONS: dict[str, tuple[str, str, dict[str, str]]] = {
    "method-crlf": ("GET / HTTP/1.1\r\nX-Injected: y\r\n\r\nGET", "/p", {}),
    "method-lf": ("GET\n", "/p", {}),
    "method-cr": ("GET\rX", "/p", {}),
    "method-space": ("GET /x", "/p", {}),
    "method-tab": ("GET\t", "/p", {}),
    "method-nul": ("GET\0", "/p", {}),
    "method-empty": ("", "/p", {}),
    "method-colon": ("GET:", "/p", {}),
    "method-not-ascii": ("G\u00c9T", "/p", {}),
    "method-kelvin": ("LIN\u212a", "/p", {}),
    "value-crlf": ("GET", "/p", {"X-A": "b\r\nX-Injected: y"}),
    "value-lf": ("GET", "/p", {"X-A": "b\nX-Injected: y"}),
    "value-cr": ("GET", "/p", {"X-A": "b\rX-Injected: y"}),
    "value-nul": ("GET", "/p", {"X-A": "b\0"}),
    "value-del": ("GET", "/p", {"X-A": "b\x7f"}),
    "value-fold": ("GET", "/p", {"X-A": "b\r\n c"}),
    "value-trailing-lf": ("GET", "/p", {"X-A": "b\n"}),
    "name-crlf": ("GET", "/p", {"X-A: b\r\nX-Injected": "y"}),
    "name-lf": ("GET", "/p", {"X-A\n": "y"}),
    "name-colon": ("GET", "/p", {"X-A:": "y"}),
    "name-space": ("GET", "/p", {"X A": "y"}),
    "name-empty": ("GET", "/p", {"": "y"}),
    "name-not-ascii": ("GET", "/p", {"X-\u00c9": "y"}),
    "name-bracket": ("GET", "/p", {"X[]": "y"}),
    "host-crlf": ("GET", "/p", {"Host": "h\r\nX-Injected: y"}),
    "length-letters": ("POST", "/p", {"Content-Length": "abc"}),
    "length-minus": ("POST", "/p", {"Content-Length": "-1"}),
    "length-plus": ("POST", "/p", {"Content-Length": "+1"}),
    "length-and-chunked": ("POST", "/p", {"Content-Length": "5", "Transfer-Encoding": "chunked"}),
}


async def _next_head(server: RawServer, http: Session) -> bytes:
    """The first request head that arrives, while a good request is made."""
    asking = asyncio.create_task(_ask(http, "GET", server.url + "/good"))
    while True:
        raw = await server.accept()
        try:
            head = await raw.until(b"\r\n\r\n")
        except (EOFError, OSError):
            continue  # opened for the refused request, and ended without a byte
        await raw.send(sized(b"good"))
        assert (await asking).content == b"good"
        return head


@pytest.mark.parametrize(("method", "path", "headers"), INJECTIONS.values(), ids=INJECTIONS)
async def test_69_nothing_is_injected(method: str, path: str, headers: dict[str, str]) -> None:
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:
        with pytest.raises(LocalProtocolError):
            _ = await http.request(method, server.url + path, headers)
        assert (await _next_head(server, http)).startswith(b"GET /good HTTP/1.1\r\n")


async def test_69_every_control_character() -> None:
    """All CTL but HTAB are refused in names and values, each with nothing sent."""
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:
        for code in CONTROLS:
            with pytest.raises(LocalProtocolError):
                _ = await http.get(server.url + "/p", {"X-A": f"b{code}c"})
            with pytest.raises(LocalProtocolError):
                _ = await http.get(server.url + "/p", {f"X{code}A": "b"})
        assert (await _next_head(server, http)).startswith(b"GET /good HTTP/1.1\r\n")


TARGETS = {
    "path": "/a\r\nX-Injected: y",
    "path-lf": "/a\nX-Injected: y",
    "path-request": "/a HTTP/1.1\r\nHost: x\r\n\r\nGET /b",
    "query": "/a?b=\r\nX-Injected: y",
    "fragment": "/a#\r\nX-Injected: y",
    "space": "/a b",
    "tab": "/a\tb",
    "nul": "/a\0b",
    "unicode-line": "/a\u010d\u010aX-Injected: y",
    "unicode-separator": "/a\u2028X-Injected: y",
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
async def test_69_target_is_one_target(target: str) -> None:
    """A URL's odd characters are escaped or refused; the request line stays one line of three parts."""
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:
        asking = asyncio.create_task(_ask(http, "GET", server.url + target))
        accepting = asyncio.create_task(server.accept())
        await asyncio.wait({asking, accepting}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            assert isinstance(asking.result().error, (ToolkitError, ValueError)), asking.result()
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            return
        raw = await accepting
        head = await raw.until(b"\r\n\r\n")
        await raw.send(sized(b"hello"))
        assert (await asking).content == b"hello"
    line, *fields = head[:-4].split(b"\r\n")
    method, sent, version = line.split(b" ")
    assert (method, version) == (b"GET", b"HTTP/1.1")
    assert sent.startswith(b"/a")
    assert all(33 <= byte < 127 for byte in sent)
    assert not any(name.lower().startswith(b"x-injected") for name in fields)
    assert sum(name.lower().startswith(b"host:") for name in fields) == 1


@pytest.mark.parametrize(
    "host", ["h\r\nX-Injected: y", "h\ni", "h i", "h\0", "h%0d%0a", "h\\i", "a@b@c", "[::1", "h:99999", ""]
)
async def test_69_odd_hosts_are_refused(host: str) -> None:
    """What is no host is neither resolved nor sent (curl CVE-2022-27780)."""
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:
        asking = asyncio.create_task(_ask(http, "GET", f"http://{host}/p"))
        accepting = asyncio.create_task(server.accept())
        await asyncio.wait({asking, accepting}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():  # characters that a URL drops may leave a host behind; the head must be one all the same
            raw = await accepting
            lines = (await raw.until(b"\r\n\r\n"))[:-4].split(b"\r\n")
            assert not any(line.lower().startswith(b"x-injected") for line in lines)
            (sent,) = [line[5:].strip() for line in lines if line.lower().startswith(b"host:")]
            assert sent
            assert all(chr(byte).isalnum() or byte in b".-_:%" for byte in sent)
            await raw.send(sized(b"hello"))
            assert (await asking).error is None
        else:
            assert isinstance(asking.result().error, (ToolkitError, ValueError)), asking.result()
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


async def test_69_trailers() -> None:
    """A trailer that cannot be sent is refused, and the body does not look whole."""
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:

        async def send() -> None:
            async with http.post(server.url + "/p") as x:
                await x.write(b"hello")
                await x.eof(trailers={"X-A": "b\r\nX-Injected: y"})

        sending = asyncio.create_task(send())
        raw = await server.accept()
        got = await raw.until(b"hello")
        with pytest.raises(LocalProtocolError):
            await sending
        try:
            got += await raw.rest()
        except ConnectionError:
            got += bytes(raw.buffer)
    assert b"X-Injected" not in got
    assert b"0\r\n" not in got.partition(b"hello")[2]


@pytest.mark.parametrize("sent", [b"", b"hell"])
async def test_63_client_short_of_its_length(sent: bytes) -> None:
    """Too few bytes: the caller is told, the server sees a cut message, and the connection is not used again."""
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:

        async def send() -> None:
            async with http.post(server.url + "/p", {"content-length": "5"}) as x:
                await x.write(sent)
                await x.eof()

        sending = asyncio.create_task(send())
        raw = await server.accept()
        head = await raw.until(b"\r\n\r\n")
        with pytest.raises(LocalProtocolError):
            await sending
        try:
            rest = await raw.rest()
        except ConnectionError:
            rest = bytes(raw.buffer)
    assert b"content-length: 5\r\n" in head.lower()
    assert rest == sent


async def test_63_client_over_its_length() -> None:
    """Too many bytes: refused before any of them is sent; the right number still goes."""
    async with asyncio.timeout(10), raw_server("unix") as server, server.session() as http:

        async def send() -> bytes:
            async with http.post(server.url + "/p", {"content-length": "5"}) as x:
                with pytest.raises(LocalProtocolError):
                    await x.write(b"hello!")
                await x.write(b"hel")
                with pytest.raises(LocalProtocolError):
                    await x.write(b"lo!")
                await x.write(b"lo")
                await x.eof()
                return await x.read()

        sending = asyncio.create_task(send())
        raw = await server.accept()
        await raw.until(b"\r\n\r\n")
        assert await raw.receive(5) == b"hello"
        await raw.send(sized(b"done"))
        assert await sending == b"done"
        assert not raw.buffer


# ---- the server's output


_unrefused: list[str] = []


async def refuses(call: Awaitable[object], kinds: tuple[type[Exception], ...] = (LocalProtocolError,)) -> None:
    """The call must fail so; inside a handler, where an error of the test itself would only become a 500."""
    try:
        await call
    except kinds:
        return
    except Exception as error:
        _unrefused.append(repr(error))
    else:
        _unrefused.append("nothing was raised")


async def _run(handler: Handler, method: str = "GET") -> tuple[list[Answer], Outcome]:
    """The answers to one request and to `AFTER` behind it, read strictly."""
    web = App(port=0)
    _unrefused.clear()
    web.add_route("/p", handler)

    @web.get("/after")
    async def after(r: Request) -> str:
        return "after"

    async with served(web) as here:
        outcome = await exchange(here, [f"{method} /p HTTP/1.1\r\nHost: h\r\n\r\n".encode() + AFTER])
    assert not _unrefused, _unrefused
    return parse_answers(outcome.data, clean=outcome.clean, methods=(method,)), outcome


BAD_HEADERS: dict[str, dict[str, str]] = {
    "crlf": {"X-A": "b\r\nX-Injected: y"},
    "lf": {"X-A": "b\nX-Injected: y"},
    "cr": {"X-A": "b\rX-Injected: y"},
    "body": {"X-A": "b\r\n\r\n<script>"},
    "fold": {"X-A": "b\r\n c"},
    "trailing": {"X-A": "b\r\n"},
    "name": {"X-A: b\r\nX-Injected": "y"},
    "name-space": {"X A": "y"},
    "name-colon": {"X-A:": "y"},
    "name-empty": {"": "y"},
    "name-not-ascii": {"X-\u00c9": "y"},
    "cookie": {"Set-Cookie": "a=b\r\nSet-Cookie: c=d"},
}


#: 59. uvicorn CVE-2020-7695, gunicorn CVE-2018-1000164, Tornado CVE-2012-2374, hyper RUSTSEC-2017-0002
async def _by_prepare(r: Request, headers: dict[str, str]) -> object:
    await r.prepare(headers, 200)
    return None


async def _by_value(r: Request, headers: dict[str, str]) -> object:
    return 200, "hello", headers


async def _by_deliver(r: Request, headers: dict[str, str]) -> object:
    await Deliver.text("hello", 200, headers)
    return None


async def _by_returned_deliver(r: Request, headers: dict[str, str]) -> object:
    return Deliver.json({"a": 1}, 200, headers)


async def _by_abort(r: Request, headers: dict[str, str]) -> object:
    raise Abort("no", 403, headers)


async def _by_inform(r: Request, headers: dict[str, str]) -> object:
    await r.inform(103, headers)
    return "hello"


WAYS = {
    "prepare": _by_prepare,
    "value": _by_value,
    "deliver": _by_deliver,
    "returned-deliver": _by_returned_deliver,
    "abort": _by_abort,
    "inform": _by_inform,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
async def test_59_bad_headers_are_a_500(
    way: Callable[[Request, dict[str, str]], Awaitable[object]], headers: dict[str, str]
) -> None:
    """Whichever way a header takes, it is refused before a byte of the head is out."""

    async def handler(r: Request) -> object:
        return await way(r, headers)

    answers, _ = await _run(handler)
    assert answers[0].status == 500
    assert all(answer.get("x-injected") is None for answer in answers)
    assert all(answer.get("set-cookie") is None for answer in answers)
    assert b"script" not in answers[0].body


async def test_59_every_control_character_and_nothing_was_sent() -> None:
    """The error comes at the call, and the exchange is as it was: a good answer can still be given."""

    async def handler(r: Request) -> object:
        for code in CONTROLS:
            await refuses(r.prepare({"X-A": f"b{code}c"}, 200))
            await refuses(r.prepare({f"X{code}": "b"}, 200))
            await refuses(r.inform(103, {"X-A": f"b{code}c"}))
        return 200, "good", {"X-A": "b\tc\u00e9"}

    answers, _ = await _run(handler)
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"good"), (200, b"after")]
    assert answers[0].interim == ()


async def test_59_trailers() -> None:
    async def handler(r: Request) -> object:
        await r.prepare({"content-type": "text/plain"}, 200)
        await r.write(b"hello")
        await r.eof(trailers={"X-A": "b\r\nX-Injected: y"})
        return None

    answers, outcome = await _run(handler)
    assert b"X-Injected" not in outcome.data
    assert len(answers) == 1
    assert not answers[0].complete, "an answer whose end failed must not look whole"


@pytest.mark.parametrize("location", ["/a\r\nX-Injected: y", "/a\nb", "/a\0", "/a\r\n\r\n<script>"])
async def test_59_redirect(location: str) -> None:
    """A location is refused or escaped."""

    async def handler(r: Request) -> object:
        return Deliver.redirect(location)

    answers, _ = await _run(handler)
    assert answers[0].status in {302, 500}
    assert answers[0].get("x-injected") is None
    assert b"<script>" not in answers[0].body


#: 60. the reason comes from a table: aiohttp CVE-2026-34519, Tornado CVE-2025-67724
BAD_STATUSES = [0, -1, 20, 99, 1000, 2000, 100, 101, 199]


@pytest.mark.parametrize("status", BAD_STATUSES)
async def test_60_bad_status(status: int) -> None:
    """What is no final status is refused before a byte is out."""

    async def handler(r: Request) -> object:
        await refuses(r.prepare({"content-length": "0"}, status), (ToolkitError, ValueError))
        return "good"

    answers, _ = await _run(handler)
    assert [answer.body for answer in answers] == [b"good", b"after"]


@pytest.mark.parametrize("status", [200, 299, 418, 451, 499, 599])
async def test_60_reason_is_clean(status: int) -> None:
    async def handler(r: Request) -> object:
        return status, "body"

    answers, _ = await _run(handler)
    assert answers[0].status == status
    assert "\r" not in answers[0].reason


@pytest.mark.parametrize(
    "message", ["no\r\nX-Injected: y", "<script>alert(1)</script>", "no\r\n\r\n<html>", "\u4e0a\0"]
)
async def test_60_abort_message(message: str) -> None:
    """A message is a body, never a reason or a header; a browser does not run it."""

    async def handler(r: Request) -> object:
        raise Abort(message, 403)

    answers, _ = await _run(handler)
    assert answers[0].status == 403
    assert answers[0].reason == "Forbidden"
    assert answers[0].get("x-injected") is None
    if not (answers[0].get("content-type") or "").startswith("text/plain"):
        assert b"<script>" not in answers[0].body
        assert b"<html>" not in answers[0].body
    assert answers[1].body == b"after"


async def _bodyless_value(r: Request, status: int) -> object:
    return status, "a body that may not be"


async def _bodyless_write(r: Request, status: int) -> object:
    await r.prepare({"content-type": "text/plain"}, status)
    await r.write(b"a body that may not be")
    await r.eof(b"more")
    return None


async def _bodyless_length(r: Request, status: int) -> object:
    await r.prepare({"content-length": "5"}, status)
    await r.write(b"hello")
    await r.eof()
    return None


async def _bodyless_chunked(r: Request, status: int) -> object:
    await r.prepare({"transfer-encoding": "chunked"}, status)
    await r.write_chunked(b"hello")
    await r.eof()
    return None


BODYLESS = {
    "value": _bodyless_value,
    "write": _bodyless_write,
    "length": _bodyless_length,
    "chunked": _bodyless_chunked,
}


@pytest.mark.parametrize("how", BODYLESS.values(), ids=BODYLESS)
@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304), ("HEAD", 204)]
)
async def test_62_no_body_bytes(how: Callable[[Request, int], Awaitable[object]], method: str, status: int) -> None:
    """gunicorn #3413: bytes of a body that may not be shift the answers behind it."""

    async def handler(r: Request) -> object:
        return await how(r, status)

    answers, outcome = await _run(handler, method)
    assert b"may not be" not in outcome.data
    assert answers[0].status in {status, 500}  # 500: the framing was refused at `prepare`
    assert answers[-1].body == b"after"
    assert len(answers) == 2
    if status == 204:
        assert answers[0].get("transfer-encoding") is None


async def test_62_reset_content_is_empty() -> None:
    """RFC 9110 15.3.6: 205 has no content, and says so."""

    async def handler(r: Request) -> object:
        return 205, "hello"

    answers, _ = await _run(handler)
    assert answers[0].body == b""
    assert answers[-1].body == b"after"


async def test_62_interim_has_no_framing() -> None:
    """RFC 9110 8.6 and RFC 9112 6.1: neither length nor coding in 1xx."""

    async def handler(r: Request) -> object:
        try:
            await r.inform(103, {"link": "</a>", "content-length": "5", "transfer-encoding": "chunked"})
        except ToolkitError:
            pass
        return "hello"

    answers, _ = await _run(handler)
    assert [answer.body for answer in answers] == [b"hello", b"after"]


async def _short_by_return(r: Request) -> object:
    await r.prepare({"content-length": "10"}, 200)
    await r.write(b"hello")
    return None


async def _short_by_eof(r: Request) -> object:
    await r.prepare({"content-length": "10"}, 200)
    await r.write(b"hello")
    await refuses(r.eof())
    return None


async def _short_by_eof_data(r: Request) -> object:
    await r.prepare({"content-length": "10"}, 200)
    await refuses(r.eof(b"hello"))
    return None


async def _short_by_nothing(r: Request) -> object:
    await r.prepare({"content-length": "10"}, 200)
    return None


async def _short_by_error(r: Request) -> object:
    await r.prepare({"content-length": "10"}, 200)
    await r.write(b"hello")
    raise ValueError("in the middle")


async def _chunked_error(r: Request) -> object:
    await r.prepare({"transfer-encoding": "chunked"}, 200)
    await r.write(b"hello")
    raise ValueError("in the middle")


SHORT = {
    "return": _short_by_return,
    "eof": _short_by_eof,
    "eof-data": _short_by_eof_data,
    "nothing": _short_by_nothing,
    "error": _short_by_error,
    "chunked-error": _chunked_error,
}


@pytest.mark.parametrize("handler", SHORT.values(), ids=SHORT)
async def test_63_too_few_bytes_end_the_connection(handler: Handler) -> None:
    answers, _ = await _run(handler)
    assert len(answers) == 1, "the connection was used again behind a cut answer"
    assert answers[0].status == 200
    assert not answers[0].complete


async def test_63_too_many_bytes_are_refused_unsent() -> None:
    async def handler(r: Request) -> object:
        await r.prepare({"content-length": "5"}, 200)
        await refuses(r.write(b"hello!"))
        await r.write(b"hel")
        await refuses(r.write(b"lo!"))
        await refuses(r.write(b"x" * 1_000_000))
        await r.write(b"lo")
        await refuses(r.write(b"!"))
        await r.write(b"")
        await r.eof()
        return None

    answers, _ = await _run(handler)
    assert [answer.body for answer in answers] == [b"hello", b"after"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "abc"},
        {"content-length": "-1"},
        {"content-length": "+5"},
        {"content-length": "5, 5"},
        {"content-length": "1_0"},
        {"content-length": ""},
        {"content-length": "\u0665"},
        {"content-length": "5", "transfer-encoding": "chunked"},
        {"content-length": "5", "Content-Length": "6"},
        {"transfer-encoding": "gzip"},
        {"transfer-encoding": "chunked, chunked"},
        {"transfer-encoding": "chunked, gzip"},
        {"transfer-encoding": "identity"},
    ],
    ids=str,
)
async def test_63_framing_that_cannot_be_sent(headers: dict[str, str]) -> None:
    """A framing of the user's own that is none is refused at `prepare`, with nothing sent."""

    async def handler(r: Request) -> object:
        await refuses(r.prepare(headers, 200))
        return "good"

    answers, _ = await _run(handler)
    assert [answer.body for answer in answers] == [b"good", b"after"]


@pytest.mark.parametrize("length", ["3", "7"])
async def test_63_value_with_another_length(length: str) -> None:
    """A returned value whose length header lies: never two lengths, never a shifted stream."""

    async def handler(r: Request) -> object:
        return 200, "hello", {"content-length": length}

    answers, _ = await _run(handler)
    assert answers[0].status in {200, 500}
    assert not answers[0].complete or answers[0].status == 500 or answers[0].body == b"hello"
    assert len(answers) == 1 or answers[1].body == b"after"
