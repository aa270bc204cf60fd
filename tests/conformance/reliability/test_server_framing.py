"""Section 3a: what servers mistook for the end, the start or the meaning of a message.

Each row names the public fault it comes from. Every row runs in four handler modes and three deliveries.
"""

from __future__ import annotations

import asyncio

import pytest

from toolkit import App, Limits, Request

from ...helpers.served import served
from .answers import parse_answers
from .drive import (
    AFTER,
    MODES,
    POISON,
    REFUSALS,
    Accept,
    Call,
    Either,
    Recorder,
    Reject,
    RejectBody,
    Row,
    exchange,
    row_id,
    run_row,
)

NOT_TOUCHED: dict[int, str] = {}


def post(fields: bytes, body: bytes = b"") -> bytes:
    """A POST with further field lines (each with its own line end) and a body."""
    return b"POST /p HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n" + body


def get(fields: bytes = b"") -> bytes:
    """A GET with further field lines."""
    return b"GET /p HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"


def hosted(value: bytes) -> bytes:
    """A GET whose Host field is `value`."""
    return b"GET /p HTTP/1.1\r\nHost:" + value + b"\r\n\r\n"


def line(first: bytes) -> bytes:
    """A request with this start line."""
    return first + b"\r\nHost: h\r\n\r\n"


def length(value: bytes, body: bytes = b"hello") -> bytes:
    """A POST whose Content-Length is `value`, as it stands behind the colon."""
    return post(b"Content-Length:" + value + b"\r\n", body)


def coded(value: bytes, body: bytes = b"5\r\nhello\r\n0\r\n\r\n") -> bytes:
    """A POST whose Transfer-Encoding is `value`, as it stands behind the colon."""
    return post(b"Transfer-Encoding:" + value + b"\r\n", body)


def chunked(body: bytes) -> bytes:
    """A chunked POST."""
    return coded(b" chunked", body)


def refuse(*statuses: int, after: int = 0) -> Reject:
    """A refusal of the head; without statuses any refusal will do, also a bare close."""
    return Reject(frozenset(statuses) or REFUSALS, after)


def takes(*bodies: bytes) -> Accept:
    """The row is good and these are the bodies of its requests."""
    return Accept(bodies)


BROKEN = RejectBody()
BAD = refuse(400)
HELLO = takes(b"hello")
EMPTY = takes(b"")
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def _plain_path(call: Call) -> bool:
    return call.path == "/p"


def _no_length(call: Call) -> bool:
    return call.get("content-length") is None and call.get("transfer-encoding") is None


def _not_forwarded(call: Call) -> bool:
    return call.ip_host != "6.6.6.6" and call.scheme == "http" and call.host == "h"


def _length_kept(call: Call) -> bool:
    return call.get("content-length") == "5" and call.get("host") == "h"


def _clean_trailers(call: Call) -> bool:
    """Nothing of a forbidden trailer may pass for a header, nor be handed on as a trailer."""
    forbidden = {"content-length", "transfer-encoding", "host", "authorization", "cookie", "content-type"}
    names = {name.lower() for name, _ in call.headers}
    trailed = {name.lower() for name, _ in call.trailers}
    authentic = call.get("host") == "h" and call.get("transfer-encoding") == "chunked"
    return authentic and not trailed & forbidden and not names & {"authorization", "content-length", "cookie"}


def _checksum(call: Call) -> bool:
    return call.get("x-checksum") is None and (
        call.body is None or [(name.lower(), value) for name, value in call.trailers] == [("x-checksum", "abc")]
    )


def _good_tab(call: Call) -> bool:
    return call.get("x-a") == "b\tc"


def _empty_value(call: Call) -> bool:
    return call.get("x-empty") == ""


def _both_names(call: Call) -> bool:
    return call.get("x_a") == "1" and call.get("x-a") == "2"


ROWS = [
    # 1. CL.TE and TE.CL: Twisted CVE-2020-10109, aiohttp CVE-2023-47641, hypercorn #279
    Row(1, "cl-te", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKS), BAD),
    Row(1, "te-cl", post(b"Transfer-Encoding: chunked\r\nContent-Length: 15\r\n", CHUNKS), BAD),
    Row(1, "cl-te-agreeing", post(b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", CHUNKS), BAD),
    Row(1, "cl-zero-te", post(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", CHUNKS), BAD),
    Row(1, "mixed-case", post(b"content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n", CHUNKS), BAD),
    Row(1, "smuggled-in-cl", post(b"Content-Length: 38\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + POISON), BAD),
    Row(1, "smuggled-in-te", post(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"21\r\n" + POISON), BAD),
    Row(
        1, "cl-te-http10", b"POST /p HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, BAD
    ),
    Row(1, "te-http10", b"POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, refuse(400, 501)),
    Row(
        1,
        "te-http10-keepalive",
        b"POST /p HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        refuse(400, 501),
    ),
    Row(1, "cl-te-get", get(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + CHUNKS, BAD),
    Row(1, "bad-cl-te", post(b"Content-Length: +5\r\nTransfer-Encoding: chunked\r\n", CHUNKS), BAD),
    Row(1, "te-xchunked-cl", post(b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", b"hello"), refuse(400, 501)),
    # 2. a coding that is not understood must not fall back to the length: gunicorn CVE-2024-1135, CVE-2024-6827,
    # waitress CVE-2019-16786
    Row(2, "xchunked", coded(b" xchunked"), refuse(400, 501)),
    Row(2, "chunked-identity", coded(b" chunked, identity"), refuse(400, 501)),
    Row(2, "identity", coded(b" identity", b""), refuse(400, 501)),
    Row(2, "identity-cl", post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"), refuse(400, 501)),
    Row(2, "gzip", coded(b" gzip", b""), refuse(400, 501)),
    Row(2, "gzip-chunked", coded(b" gzip, chunked"), refuse(400, 501)),
    Row(2, "chunked-gzip", coded(b" chunked, gzip"), refuse(400, 501)),
    Row(2, "identity-chunked", coded(b" identity, chunked"), refuse(400, 501)),
    Row(2, "chunked-chunked", coded(b" chunked, chunked"), refuse(400, 501)),
    Row(2, "parameter", coded(b" chunked;q=1"), refuse(400, 501)),
    Row(2, "parameter-bare", coded(b" chunked;"), refuse(400, 501)),
    Row(2, "quoted", coded(b' "chunked"'), refuse(400, 501)),
    Row(2, "single-quoted", coded(b" 'chunked'"), refuse(400, 501)),
    Row(2, "prefix", coded(b" chunke"), refuse(400, 501)),
    Row(2, "longer", coded(b" chunkedd"), refuse(400, 501)),
    Row(2, "two-words", coded(b" x chunked"), refuse(400, 501)),
    Row(2, "words-after", coded(b" chunked x"), refuse(400, 501)),
    Row(2, "colon", coded(b" : chunked"), refuse(400, 501)),
    Row(2, "empty", coded(b"", b""), refuse(400, 501)),
    Row(2, "empty-cl", post(b"Transfer-Encoding: \r\nContent-Length: 5\r\n", b"hello"), refuse(400, 501)),
    Row(2, "comma", coded(b" ,", b""), refuse(400, 501)),
    Row(2, "semicolon-list", coded(b" chunked; chunked"), refuse(400, 501)),
    # RFC 9110 5.6.1.2: empty list elements are to be ignored; many parsers refuse them, and either is safe.
    Row(2, "leading-comma", coded(b" , chunked"), Either(HELLO, refuse(400, 501))),
    Row(2, "trailing-comma", coded(b" chunked,"), Either(HELLO, refuse(400, 501))),
    Row(2, "case", coded(b" cHuNkEd"), HELLO),
    Row(2, "ows-around", coded(b" \t chunked \t "), HELLO),
    Row(2, "no-ows", coded(b"chunked"), HELLO),
    # 3. two lines: hyper RUSTSEC-2021-0020, Tornado GHSA-753j-mpmx-qq6g, Node CVE-2020-8287
    Row(3, "chunked-twice", coded(b" chunked\r\nTransfer-Encoding: chunked"), refuse(400, 501)),
    Row(3, "then-identity", coded(b" chunked\r\nTransfer-Encoding: identity"), refuse(400, 501)),
    Row(3, "identity-first", coded(b" identity\r\nTransfer-Encoding: chunked"), refuse(400, 501)),
    Row(3, "unknown-first", coded(b" xchunked\r\nTransfer-Encoding: chunked"), refuse(400, 501)),
    Row(3, "then-unknown", coded(b" chunked\r\nTransfer-Encoding: x"), refuse(400, 501)),
    Row(3, "then-false", coded(b" chunked\r\nTransfer-Encoding: chunked-false"), refuse(400, 501)),
    Row(3, "apart", coded(b" chunked\r\nX-A: b\r\nTransfer-Encoding: gzip"), refuse(400, 501)),
    Row(
        3,
        "with-cl",
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"),
        refuse(400, 501),
    ),
    Row(3, "then-empty", coded(b" chunked\r\nTransfer-Encoding:"), Either(HELLO, refuse(400, 501))),
    # 4. only SP and HTAB are white space: waitress CVE-2019-16789
    Row(4, "vt", coded(b"\x0bchunked"), BAD),
    Row(4, "ff", coded(b"\x0cchunked"), BAD),
    Row(4, "vt-after", coded(b" chunked\x0b"), BAD),
    Row(4, "nul-after", coded(b" chunked\x00"), BAD),
    Row(4, "nul-before", coded(b" \x00chunked"), BAD),
    Row(4, "cr-before", coded(b" \rchunked"), BAD),
    Row(4, "cr-after", coded(b" chunked\r"), BAD),
    Row(4, "nbsp", coded(b" \xa0chunked"), refuse(400, 501)),
    Row(4, "nbsp-after", coded(b" chunked\xa0"), refuse(400, 501)),
    Row(4, "nel", coded(b" chunked\x85"), refuse(400, 501)),
    Row(4, "fs", coded(b" chunked\x1c"), BAD),
    Row(4, "us", coded(b"\x1fchunked"), BAD),
    Row(4, "del", coded(b" chunked\x7f"), BAD),
    Row(4, "bom", coded(b" \xef\xbb\xbfchunked"), refuse(400, 501)),
    Row(4, "soft-hyphen", coded(b" chun\xadked"), refuse(400, 501)),
    # 'K' is the Kelvin sign: str.lower() makes it a plain k
    Row(4, "kelvin-sign", coded(b" chun\xe2\x84\xaaed"), refuse(400, 501)),
    Row(4, "vt-with-cl", post(b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n", b"hello"), BAD),
    Row(4, "tab", coded(b"\tchunked"), HELLO),
    # 5. folded over lines: Node CVE-2022-32215, CVE-2022-35256
    Row(5, "folded", coded(b"\r\n chunked"), BAD),
    Row(5, "folded-tab", coded(b"\r\n\tchunked"), BAD),
    Row(5, "folded-list", coded(b" chunked\r\n , identity"), BAD),
    Row(5, "folded-word", coded(b" chun\r\n ked"), BAD),
    Row(5, "folded-with-cl", post(b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n", b"hello"), BAD),
    Row(5, "folded-cl", length(b"\r\n 5"), BAD),
    Row(5, "folded-cl-digits", length(b" 1\r\n 0"), BAD),
    Row(5, "folded-any", get(b"X-A: b\r\n c\r\n"), BAD),
    Row(5, "folded-any-tab", get(b"X-A: b\r\n\tc\r\n"), BAD),
    Row(5, "folded-host", b"GET /p HTTP/1.1\r\nHost:\r\n h\r\n\r\n", BAD),
    Row(5, "folded-blank", get(b"X-A: b\r\n \r\n"), BAD),
    Row(5, "folded-last", get(b"X-A: b\r\n Transfer-Encoding: chunked\r\n"), BAD),
    # 6. two lengths: Twisted CVE-2020-10108, waitress CVE-2019-16792, meinheld #111
    Row(6, "different", post(b"Content-Length: 5\r\nContent-Length: 10\r\n", b"helloworld"), BAD),
    Row(6, "different-swapped", post(b"Content-Length: 10\r\nContent-Length: 5\r\n", b"helloworld"), BAD),
    Row(6, "zero-first", post(b"Content-Length: 0\r\nContent-Length: 33\r\n", POISON), BAD),
    Row(6, "zero-last", post(b"Content-Length: 33\r\nContent-Length: 0\r\n", POISON), BAD),
    Row(6, "case", post(b"Content-Length: 5\r\ncontent-length: 6\r\n", b"hello"), BAD),
    Row(6, "list-different", length(b" 5, 10"), BAD),
    Row(6, "empty-second", post(b"Content-Length: 5\r\nContent-Length:\r\n", b"hello"), BAD),
    Row(6, "bad-second", post(b"Content-Length: 5\r\nContent-Length: x\r\n", b"hello"), BAD),
    Row(6, "apart", post(b"Content-Length: 5\r\nX-A: b\r\nContent-Length: 4\r\n", b"hello"), BAD),
    Row(
        6, "same-number-other-form", post(b"Content-Length: 5\r\nContent-Length: 05\r\n", b"hello"), Either(HELLO, BAD)
    ),
    # RFC 9110 8.6 lets a recipient take identical values for one.
    Row(6, "same", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), Either(HELLO, BAD)),
    Row(6, "list-same", length(b" 5, 5"), Either(HELLO, BAD)),
    Row(6, "list-triple", length(b" 5, 5, 5"), Either(HELLO, BAD)),
    # 7. int(): aiohttp CVE-2023-47627, Tornado GHSA-qppv-j76h-2rpx, waitress CVE-2022-24761, hyper RUSTSEC-2021-0078
    Row(7, "plus", length(b" +5"), BAD),
    Row(7, "hex", length(b" 0x5"), BAD),
    Row(7, "octal", length(b" 0o5"), BAD),
    Row(7, "binary", length(b" 0b1"), BAD),
    Row(7, "underscore", length(b" 1_0", b"helloworld"), BAD),
    Row(7, "point", length(b" 5.0"), BAD),
    Row(7, "exponent", length(b" 5e0"), BAD),
    Row(7, "letters", length(b" abc"), BAD),
    Row(7, "suffix", length(b" 5a"), BAD),
    Row(7, "prefix", length(b" a5"), BAD),
    Row(7, "inner-space", length(b" 1 0", b"helloworld"), BAD),
    Row(7, "inner-tab", length(b" 1\t0", b"helloworld"), BAD),
    Row(7, "semicolon", length(b" 5;"), BAD),
    Row(7, "trailing-comma", length(b" 5,"), BAD),
    Row(7, "leading-comma", length(b" ,5"), BAD),
    Row(7, "quoted", length(b' "5"'), BAD),
    Row(7, "equals", length(b" =5"), BAD),
    Row(7, "vt", length(b" \x0b5"), BAD),
    Row(7, "nbsp", length(b" 5\xa0"), BAD),
    Row(7, "nel", length(b" \x855"), BAD),
    Row(7, "nul", length(b" 5\x00"), BAD),
    Row(7, "on-get", get(b"Content-Length: 0x0\r\n"), BAD),
    Row(7, "http10", b"POST /p HTTP/1.0\r\nContent-Length: +5\r\n\r\nhello", BAD),
    Row(7, "space-after", length(b" 5 "), HELLO),
    Row(7, "spaces-before", length(b"   5"), HELLO),
    Row(7, "tab-before", length(b"\t5"), HELLO),
    Row(7, "no-space", length(b"5"), HELLO),
    # 1*DIGIT allows leading zeros; what it never allows is reading them as octal.
    Row(7, "leading-zero", length(b" 010", b"helloworld"), Either(takes(b"helloworld"), BAD)),
    Row(7, "zeros", length(b" 00", b""), Either(EMPTY, BAD)),
    # 8. digits that only str knows: aiohttp CVE-2025-69224
    Row(8, "fullwidth", length(b" \xef\xbc\x95"), BAD),
    Row(8, "arabic-indic", length(b" \xd9\xa5"), BAD),
    Row(8, "superscript-latin1", length(b" \xb2", b"he"), BAD),
    Row(8, "superscript-after", length(b" 1\xb2", b"h"), BAD),
    Row(8, "chunk-fullwidth", chunked(b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(8, "chunk-superscript", chunked(b"\xb2\r\nhe\r\n0\r\n\r\n"), BROKEN),
    # 9. empty: Go #61679, HAProxy CVE-2023-40225, WEBrick
    Row(9, "empty", length(b"", b""), BAD),
    Row(9, "space", length(b" ", b""), BAD),
    Row(9, "tab", length(b" \t ", b""), BAD),
    Row(9, "then-five", post(b"Content-Length:\r\nContent-Length: 5\r\n", b"hello"), BAD),
    Row(9, "with-body", length(b"", POISON), BAD),
    # 10. overflow and negative: mongoose CVE-2023-34188
    Row(10, "minus-one", length(b" -1", b""), BAD),
    Row(10, "minus-zero", length(b" -0", b""), BAD),
    Row(10, "minus-big", length(b" -123456789123456789123456789", b""), BAD),
    Row(10, "two-to-64", length(b" 18446744073709551616", b""), refuse(400, 413)),
    Row(10, "two-to-64-and-5", length(b" 18446744073709551621"), refuse(400, 413)),
    Row(10, "minus-wrap", length(b" 18446744073709551615", b""), refuse(400, 413)),
    Row(10, "twenty-nines", length(b" 99999999999999999999", b""), refuse(400, 413)),
    # int() of more than 4300 digits is a ValueError of its own kind
    Row(10, "five-thousand-digits", length(b" " + b"1" * 5000, b""), refuse(400, 413)),
    Row(10, "five-thousand-zeros", length(b" " + b"0" * 5000 + b"5"), Either(HELLO, refuse(400, 413))),
    # 11. chunk-size overflow: hyper RUSTSEC-2021-0079, nginx CVE-2013-2028
    Row(11, "seventeen-digits", chunked(b"FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(11, "wraps-to-five", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(11, "wraps-32-to-five", chunked(b"F0000000000000005\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(11, "all-ones", chunked(b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(11, "sign-bit", chunked(b"8000000000000005\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(11, "hundred-digits", chunked(b"1" * 100 + b"\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(11, "second-chunk", chunked(b"5\r\nhello\r\n10000000000000000\r\n0\r\n\r\n"), BROKEN),
    Row(11, "endless-zeros", chunked(b"0" * 300 + b"5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(11, "eighteen-zeros", chunked(b"0" * 18 + b"5\r\nhello\r\n0\r\n\r\n"), Either(HELLO, BROKEN)),
    Row(11, "two-zeros", chunked(b"005\r\nhello\r\n00\r\n\r\n"), HELLO),
    # 12. chunk-size forms: aiohttp CVE-2023-47627, protocol-http1 CVE-2023-38697, H2O, OpenLiteSpeed
    Row(12, "hex-prefix", chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "plus", chunked(b"+5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "minus", chunked(b"-5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "minus-zero", chunked(b"5\r\nhello\r\n-0\r\n\r\n"), BROKEN),
    Row(12, "underscore", chunked(b"1_0\r\nhello world!!!!\r\n0\r\n\r\n"), BROKEN),
    Row(12, "space-before", chunked(b" 5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "tab-before", chunked(b"\t5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "space-after", chunked(b"5 \r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "tab-after", chunked(b"5\t\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "not-hex", chunked(b"g\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "longest-prefix", chunked(b"5g\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "trailing-h", chunked(b"5h\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "empty", chunked(b"\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "empty-at-once", chunked(b"\r\n\r\n"), BROKEN),
    Row(12, "empty-last", chunked(b"5\r\nhello\r\n\r\n\r\n"), BROKEN),
    Row(12, "only-extension", chunked(b";a\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "zero-x", chunked(b"5\r\nhello\r\n0x\r\n\r\n"), BROKEN),
    Row(12, "point", chunked(b"5.0\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "two-numbers", chunked(b"5 5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "comma", chunked(b"5,5\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "nul", chunked(b"5\x00\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "high-byte", chunked(b"5\x80\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "nbsp", chunked(b"\xa05\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(12, "upper", chunked(b"A\r\nhelloworld\r\n0\r\n\r\n"), takes(b"helloworld")),
    Row(12, "lower", chunked(b"a\r\nhelloworld\r\n0\r\n\r\n"), takes(b"helloworld")),
    Row(12, "many", chunked(b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"), HELLO),
    Row(12, "none", chunked(b"0\r\n\r\n"), EMPTY),
    Row(12, "data-like-an-end", chunked(b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), takes(b"\r\n0\r\n\r\n")),
    Row(12, "data-like-a-request", chunked(b"%x\r\n" % len(POISON) + POISON + b"\r\n0\r\n\r\n"), takes(POISON)),
    # 13. what stands behind the data: h11 CVE-2025-43859
    Row(13, "two-bytes", chunked(b"5\r\nhelloXX0\r\n\r\n"), BROKEN),
    Row(13, "missing", chunked(b"5\r\nhello0\r\n\r\n"), BROKEN),
    Row(13, "lf", chunked(b"5\r\nhello\n0\r\n\r\n"), BROKEN),
    Row(13, "lf-lf", chunked(b"5\r\nhello\n\n0\r\n\r\n"), BROKEN),
    Row(13, "cr", chunked(b"5\r\nhello\r0\r\n\r\n"), BROKEN),
    Row(13, "cr-x", chunked(b"5\r\nhello\rX0\r\n\r\n"), BROKEN),
    Row(13, "x-lf", chunked(b"5\r\nhelloX\n0\r\n\r\n"), BROKEN),
    Row(13, "lf-cr", chunked(b"5\r\nhello\n\r0\r\n\r\n"), BROKEN),
    Row(13, "spill", chunked(b"5\r\nhello!!\r\n0\r\n\r\n"), BROKEN),
    Row(13, "short", chunked(b"6\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(13, "extra-crlf", chunked(b"5\r\nhello\r\n\r\n0\r\n\r\n"), BROKEN),
    Row(13, "space", chunked(b"5\r\nhello \r\n0\r\n\r\n"), BROKEN),
    Row(13, "h11-smuggle", chunked(b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n" + POISON), BROKEN),
    # 14. a bare LF in a chunk line: Go CVE-2025-22871
    Row(14, "lf-after-size", chunked(b"5\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(14, "lf-after-last", chunked(b"5\r\nhello\r\n0\n\r\n"), BROKEN),
    Row(14, "lf-lf-at-end", chunked(b"5\r\nhello\r\n0\n\n"), BROKEN),
    Row(14, "lf-as-end", chunked(b"5\r\nhello\r\n0\r\n\n"), BROKEN),
    Row(14, "cr-after-size", chunked(b"5\rhello\r\n0\r\n\r\n"), BROKEN),
    Row(14, "cr-x-after-size", chunked(b"5\rXhello\r\n0\r\n\r\n"), BROKEN),
    Row(14, "cr-cr-lf", chunked(b"5\r\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(14, "cr-as-end", chunked(b"5\r\nhello\r\n0\r\n\rX"), BROKEN),
    Row(14, "two-bytes-as-end", chunked(b"5\r\nhello\r\n0\r\nXX"), BROKEN),
    Row(14, "lf-cr", chunked(b"5\n\rhello\r\n0\r\n\r\n"), BROKEN),
    # 15. line ends and worse inside an extension: Kestrel CVE-2025-55315, aiohttp CVE-2024-52304, Netty CVE-2025-58056
    Row(15, "lf", chunked(b"5;\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "lf-in-name", chunked(b"5;a\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "lf-in-value", chunked(b"5;a=b\nc\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "cr-in-name", chunked(b"5;a\rX\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "cr-in-value", chunked(b"5;a=b\r;c\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "cr-x", chunked(b"5\rX\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "lf-quoted", chunked(b'5;a="x\ny"\r\nhello\r\n0\r\n\r\n'), BROKEN),
    Row(15, "crlf-quoted", chunked(b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n'), BROKEN),
    Row(15, "cr-escaped", chunked(b'5;a="\\\r\n"\r\nhello\r\n0\r\n\r\n'), BROKEN),
    Row(15, "nul", chunked(b"5;a\x00b\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "nul-quoted", chunked(b'5;a="\x00"\r\nhello\r\n0\r\n\r\n'), BROKEN),
    Row(15, "control", chunked(b"5;\x01ext\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "bare-semicolon", chunked(b"5;\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "double-semicolon", chunked(b"5;;a\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "bad-token", chunked(b"5;bad[=x\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "no-name", chunked(b"5;=x\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "no-value", chunked(b"5;a=\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "open-quote", chunked(b'5;a="b\r\nhello\r\n0\r\n\r\n'), BROKEN),
    Row(15, "after-quote", chunked(b'5;a="b"c\r\nhello\r\n0\r\n\r\n'), BROKEN),
    Row(15, "inner-space", chunked(b"5;a=b c\r\nhello\r\n0\r\n\r\n"), BROKEN),
    Row(15, "on-last-chunk-lf", chunked(b"5\r\nhello\r\n0;a\n\r\n"), BROKEN),
    Row(15, "kestrel-smuggle", chunked(b"2;\n45\r\n22\r\n0\r\n\r\n" + POISON), BROKEN),
    Row(15, "name", chunked(b"5;a\r\nhello\r\n0\r\n\r\n"), HELLO),
    Row(15, "value", chunked(b"5;a=b\r\nhello\r\n0;c=d\r\n\r\n"), HELLO),
    Row(15, "two", chunked(b"5;a=b;c\r\nhello\r\n0\r\n\r\n"), HELLO),
    Row(15, "quoted", chunked(b'5;a="b;c d\\"e"\r\nhello\r\n0\r\n\r\n'), HELLO),
    # RFC 9112 7.1.1 writes BWS around ";" and "=", which a recipient must take (RFC 9110 5.6.3); llhttp does not.
    Row(15, "bws", chunked(b"5 ; a = b\r\nhello\r\n0\r\n\r\n"), Either(HELLO, BROKEN)),
    # 16. extensions without bound: Go CVE-2023-39326, Node CVE-2024-22019
    Row(
        16,
        "one-long-line",
        chunked(b"5;a=" + b"b" * 300 + b"\r\nhello\r\n0\r\n\r\n"),
        RejectBody(frozenset({400, 413})),
    ),
    Row(16, "never-ending-line", chunked(b"5;a=" + b"b" * 9000), RejectBody(frozenset({400, 413})), tail=False),
    Row(
        16,
        "many-small-lines",
        chunked(b"1;abcdefghijklmnopqrstuvwxyz=0123456789\r\nx\r\n" * 40 + b"0\r\n\r\n"),
        RejectBody(frozenset({400, 413})),
        Limits(chunk_extensions=1024),
    ),
    Row(
        16,
        "default-in-all",
        chunked((b"1;a=" + b"b" * 200 + b"\r\nx\r\n") * 100 + b"0\r\n\r\n"),
        RejectBody(frozenset({400, 413})),
    ),
    Row(16, "on-last-chunk", chunked(b"0;a=" + b"b" * 300 + b"\r\n\r\n"), RejectBody(frozenset({400, 413}))),
    Row(16, "some-are-fine", chunked(b"1;a=b\r\nx\r\n" * 50 + b"0\r\n\r\n"), takes(b"x" * 50)),
    # 17. trailers: aiohttp CVE-2025-53643 (smuggling), CVE-2026-22815 (memory), Puma CVE-2023-40175
    Row(17, "good", chunked(b"5\r\nhello\r\n0\r\nX-Checksum: abc\r\n\r\n"), Accept((b"hello",), check=_checksum)),
    Row(
        17,
        "content-length",
        chunked(b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
        Either(Accept((b"hello",), check=_clean_trailers), BROKEN),
    ),
    Row(
        17,
        "transfer-encoding",
        chunked(b"5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n"),
        Either(Accept((b"hello",), check=_clean_trailers), BROKEN),
    ),
    Row(
        17,
        "host",
        chunked(b"5\r\nhello\r\n0\r\nHost: evil\r\n\r\n"),
        Either(Accept((b"hello",), check=_clean_trailers), BROKEN),
    ),
    Row(
        17,
        "authorization",
        chunked(b"5\r\nhello\r\n0\r\nAuthorization: Bearer evil\r\n\r\n"),
        Either(Accept((b"hello",), check=_clean_trailers), BROKEN),
    ),
    Row(
        17,
        "cookie",
        chunked(b"5\r\nhello\r\n0\r\nCookie: a=b\r\n\r\n"),
        Either(Accept((b"hello",), check=_clean_trailers), BROKEN),
    ),
    Row(
        17,
        "content-type",
        chunked(b"5\r\nhello\r\n0\r\nContent-Type: text/evil\r\n\r\n"),
        Either(Accept((b"hello",), check=_clean_trailers), BROKEN),
    ),
    Row(
        17,
        "connection",
        chunked(b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n"),
        Either(Accept((b"hello",), check=_clean_trailers), BROKEN),
    ),
    Row(17, "request-inside", chunked(b"0\r\nGET /poison HTTP/1.1\r\nHost: h\r\n\r\n"), BROKEN),
    Row(17, "no-colon", chunked(b"0\r\nX\r\n\r\n"), BROKEN),
    Row(17, "space-before-colon", chunked(b"0\r\nX : y\r\n\r\n"), BROKEN),
    Row(17, "space-before-name", chunked(b"0\r\n X: y\r\n\r\n"), BROKEN),
    Row(17, "empty-name", chunked(b"0\r\n: y\r\n\r\n"), BROKEN),
    Row(17, "folded", chunked(b"0\r\nX: y\r\n z\r\n\r\n"), BROKEN),
    Row(17, "bare-lf", chunked(b"0\r\nX: y\n\r\n"), BROKEN),
    Row(17, "bare-lf-end", chunked(b"0\r\nX: y\r\n\n"), BROKEN),
    Row(17, "bare-cr", chunked(b"0\r\nX: y\rz\r\n\r\n"), BROKEN),
    Row(17, "cr-end", chunked(b"0\r\nX: y\r\n\rX"), BROKEN),
    Row(17, "nul", chunked(b"0\r\nX: \x00\r\n\r\n"), BROKEN),
    Row(17, "bad-name", chunked(b"0\r\nX[]: y\r\n\r\n"), BROKEN),
    Row(17, "high-name", chunked(b"0\r\nX\xe9: y\r\n\r\n"), BROKEN),
    Row(
        17,
        "too-large",
        chunked(b"0\r\nX: " + b"y" * 2000 + b"\r\n\r\n"),
        RejectBody(frozenset({400, 413, 431})),
        Limits(trailers=1024),
    ),
    Row(
        17,
        "too-large-by-default",
        chunked(b"0\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 17 + b"\r\n"),
        RejectBody(frozenset({400, 413, 431})),
    ),
    Row(
        17,
        "many",
        chunked(b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n"),
        Either(EMPTY, RejectBody(frozenset({400, 413, 431}))),
    ),
    Row(17, "never-ending", chunked(b"0\r\nX: " + b"y" * 20000), RejectBody(frozenset({400, 413, 431})), tail=False),
    # 18. a cut body is not a whole one: gunicorn #3382
    Row(18, "in-size", chunked(b"5"), BROKEN, tail=False, eof=True),
    Row(18, "after-size", chunked(b"5\r\n"), BROKEN, tail=False, eof=True),
    Row(18, "in-data", chunked(b"5\r\nhel"), BROKEN, tail=False, eof=True),
    Row(18, "after-data", chunked(b"5\r\nhello"), BROKEN, tail=False, eof=True),
    Row(18, "after-chunk", chunked(b"5\r\nhello\r\n"), BROKEN, tail=False, eof=True),
    Row(18, "in-last-size", chunked(b"5\r\nhello\r\n0"), BROKEN, tail=False, eof=True),
    Row(18, "after-last-size", chunked(b"5\r\nhello\r\n0\r\n"), BROKEN, tail=False, eof=True),
    Row(18, "before-last-lf", chunked(b"5\r\nhello\r\n0\r\n\r"), BROKEN, tail=False, eof=True),
    Row(18, "in-trailers", chunked(b"5\r\nhello\r\n0\r\nX: y\r\n"), BROKEN, tail=False, eof=True),
    Row(18, "no-body-at-all", chunked(b""), BROKEN, tail=False, eof=True),
    Row(18, "length", length(b" 10"), BROKEN, tail=False, eof=True),
    Row(18, "length-nothing", length(b" 10", b""), BROKEN, tail=False, eof=True),
    Row(18, "length-http10", b"POST /p HTTP/1.0\r\nContent-Length: 10\r\n\r\nhello", BROKEN, tail=False, eof=True),
    # 19. bare LF in a head: waitress CVE-2019-16785, Node CVE-2022-32214
    Row(19, "request-line", b"GET /p HTTP/1.1\nHost: h\r\n\r\n", BAD),
    Row(19, "field", b"GET /p HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n", BAD),
    Row(19, "all", b"GET /p HTTP/1.1\nHost: h\n\n", BAD),
    Row(19, "end", b"GET /p HTTP/1.1\r\nHost: h\r\n\n", BAD),
    Row(19, "lf-crlf", b"GET /p HTTP/1.1\r\nHost: h\n\r\n", BAD),
    Row(19, "hides-te", get(b"X-A: b\nTransfer-Encoding: chunked\r\n"), BAD),
    Row(19, "hides-request", b"GET /p HTTP/1.1\r\nHost: h\r\nX: \n\n" + POISON, BAD),
    # 20. the head's end in pieces: Node CVE-2025-23167
    Row(20, "cr-x", b"GET /p HTTP/1.1\r\nHost: h\r\n\rX-A: b\r\n\r\n", BAD),
    Row(20, "cr-request", b"GET /p HTTP/1.1\r\nHost: h\r\n\r" + POISON, BAD),
    Row(20, "cr-cr-lf", b"GET /p HTTP/1.1\r\nHost: h\r\n\r\r\n\r\n", BAD),
    Row(20, "cr-only", b"GET /p HTTP/1.1\rHost: h\r\r", BAD),
    Row(20, "cr-after-line", b"GET /p HTTP/1.1\rHost: h\r\n\r\n", BAD),
    Row(20, "cr-after-field", b"GET /p HTTP/1.1\r\nHost: h\rX-A: b\r\n\r\n", BAD),
    Row(20, "cr-cr-lf-line", b"GET /p HTTP/1.1\r\r\nHost: h\r\n\r\n", BAD),
    Row(20, "cr-cr-lf-field", b"GET /p HTTP/1.1\r\nHost: h\r\r\n\r\n", BAD),
    # 21. control characters in values: aiohttp CVE-2023-37276, CVE-2023-47627
    *(
        Row(21, f"value-{code:02x}", get(b"X-A: b" + bytes([code]) + b"c\r\n"), BAD)
        for code in (0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0D, 0x0E, 0x1B, 0x1F, 0x7F)
    ),
    Row(21, "nul-first", get(b"X-A: \x00\r\n"), BAD),
    Row(21, "nul-in-host", b"GET /p HTTP/1.1\r\nHost: h\x00\r\n\r\n", BAD),
    Row(21, "nul-hides", get(b"X-A: b\x00\r\nTransfer-Encoding: chunked\r\n"), BAD),
    Row(21, "lf", get(b"X-A: b\nc\r\n"), BAD),
    Row(21, "lf-field", get(b"X-A: b\nX-B: c\r\n"), BAD),
    Row(21, "tab", get(b"X-A: b\tc\r\n"), Accept((b"",), check=_good_tab)),
    Row(21, "obs-text", get(b"X-A: \x80\x85\xa0\xff\r\n"), EMPTY),
    Row(21, "utf-8", get("X-A: žluťoučký 馬\r\n".encode()), EMPTY),
    Row(21, "empty", get(b"X-Empty:\r\n"), Accept((b"",), check=_empty_value)),
    Row(21, "only-ows", get(b"X-Empty: \t \r\n"), Accept((b"",), check=_empty_value)),
    # 22. names: Node CVE-2024-27982, OpenLiteSpeed CVE-2023-40518, aiohttp GHSA-gfw2-4jvh-wgfg
    Row(22, "space-before-colon", get(b"X-A : b\r\n"), BAD),
    Row(22, "tab-before-colon", get(b"X-A\t: b\r\n"), BAD),
    Row(22, "te-space-before-colon", post(b"Transfer-Encoding : chunked\r\n", CHUNKS), BAD),
    Row(22, "te-space-and-cl", post(b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", b"hello"), BAD),
    Row(22, "cl-space-before-colon", post(b"Content-Length : 5\r\n", b"hello"), BAD),
    Row(22, "host-space-before-colon", b"GET /p HTTP/1.1\r\nHost : h\r\n\r\n", BAD),
    Row(22, "space-before-first-name", b"GET /p HTTP/1.1\r\n Host: h\r\n\r\n", BAD),
    Row(22, "tab-before-first-name", b"GET /p HTTP/1.1\r\n\tHost: h\r\n\r\n", BAD),
    Row(22, "space-line-first", b"GET /p HTTP/1.1\r\n \r\nHost: h\r\n\r\n", BAD),
    Row(22, "space-te-first", b"POST /p HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: h\r\n\r\n" + CHUNKS, BAD),
    Row(22, "no-colon", get(b"NoColonHere\r\n"), BAD),
    Row(22, "no-colon-space", get(b"X-A b\r\n"), BAD),
    Row(22, "space-in-name", get(b"X A: b\r\n"), BAD),
    Row(22, "request-line-again", get(b"GET /p HTTP/1.1\r\n"), BAD),
    *(
        Row(22, f"name-{code:02x}", get(b"X" + bytes([code]) + b"A: b\r\n"), BAD)
        for code in (*b'\x00\x01\x09\x0b\x0c\x0d\x0a\x1f\x7f"(),/;<=>?@[\\]{}', 0x80, 0x85, 0xA0, 0xE9, 0xFF)
    ),
    Row(22, "utf-8-name", get("Contént: b\r\n".encode()), BAD),
    Row(22, "te-vt-name", post(b"Transfer-Encoding\x0b: chunked\r\n", CHUNKS), BAD),
    Row(22, "te-high-name", post(b"\xffTransfer-Encoding: chunked\r\n", CHUNKS), BAD),
    Row(22, "cl-nel-name", post(b"Content-Length\x85: 5\r\n", b"hello"), BAD),
    Row(22, "all-token-characters", get(b"!#$%&'*+-.^_`|~09azAZ: b\r\n"), EMPTY),
    # 23. an empty name hid the fields behind it: HAProxy CVE-2023-25725
    Row(23, "empty", get(b": b\r\n"), BAD),
    Row(23, "empty-first", b"GET /p HTTP/1.1\r\n: b\r\nHost: h\r\n\r\n", BAD),
    Row(23, "hides-cl", post(b":\r\nContent-Length: 5\r\n", b"hello"), BAD),
    Row(23, "bare-colon", get(b":\r\n"), BAD),
    Row(23, "double-colon", get(b":: b\r\n"), BAD),
    Row(23, "colon-host", b"GET /p HTTP/1.1\r\n:Host: h\r\n\r\n", BAD),
    # 24. the length of a name in too few bits: HAProxy CVE-2021-40346
    Row(24, "name-270", post(b"Content-Length0" + b"a" * 255 + b":\r\nContent-Length: 5\r\n", b"hello"), HELLO),
    Row(24, "name-256-is-cl", post(b"X" * 256 + b"Content-Length: 0\r\nContent-Length: 5\r\n", b"hello"), HELLO),
    Row(24, "name-70000", get(b"A" * 70000 + b": b\r\n"), refuse(431)),
    Row(24, "value-70000", get(b"A: " + b"b" * 70000 + b"\r\n"), refuse(431)),
    Row(24, "value-60000", get(b"A: " + b"b" * 60000 + b"\r\n"), EMPTY),
    # 25. fragments: HAProxy CVE-2023-45539, aiohttp #13171
    Row(25, "fragment", line(b"GET /p#frag HTTP/1.1"), Either(Accept((b"",), check=_plain_path), BAD)),
    Row(25, "empty-fragment", line(b"GET /p# HTTP/1.1"), Either(Accept((b"",), check=_plain_path), BAD)),
    Row(25, "after-query", line(b"GET /p?a=b#c HTTP/1.1"), Either(Accept((b"",), check=_plain_path), BAD)),
    Row(25, "hides-path", line(b"GET /p#/../poison HTTP/1.1"), Either(Accept((b"",), check=_plain_path), BAD)),
    Row(25, "only", line(b"GET #/p HTTP/1.1"), BAD),
    Row(
        25,
        "absolute",
        line(b"GET http://h#@poison/p HTTP/1.1"),
        Either(Accept((b"",), check=lambda call: call.host == "h"), BAD),
    ),
    # 26. what a target may not hold: nginx CVE-2013-4547
    Row(26, "space", line(b"GET /p a HTTP/1.1"), BAD),
    Row(26, "space-nul", line(b"GET /p \x00 HTTP/1.1"), BAD),
    Row(26, "trailing-space", line(b"GET /p  HTTP/1.1"), BAD),
    Row(26, "double-space", line(b"GET  /p HTTP/1.1"), BAD),
    Row(26, "leading-space", line(b" GET /p HTTP/1.1"), BAD),
    Row(26, "version-space", line(b"GET /p HTTP/1.1 "), refuse(400, 505)),
    Row(26, "version-tab", line(b"GET /p HTTP/1.1\t"), refuse(400, 505)),
    Row(26, "tabs", line(b"GET\t/p\tHTTP/1.1"), BAD),
    Row(26, "tab-in-target", line(b"GET /p\ta HTTP/1.1"), BAD),
    Row(26, "vt", line(b"GET\x0b/p\x0bHTTP/1.1"), refuse(400, 501)),
    Row(26, "cr", line(b"GET /p\r HTTP/1.1"), BAD),
    Row(26, "lf", line(b"GET /p\n HTTP/1.1"), BAD),
    Row(26, "request-in-target", line(b"GET /p HTTP/1.1\rHost: h"), BAD),
    *(
        Row(26, f"target-{code:02x}", line(b"GET /p" + bytes([code]) + b" HTTP/1.1"), BAD)
        for code in (0, 1, 0x1F, 0x7F)
    ),
    *(
        Row(
            26,
            f"target-{code:02x}",
            line(b"GET /p?" + bytes([code]) + b" HTTP/1.1"),
            Either(Accept((b"",), check=_plain_path), BAD),
        )
        for code in (*b'"<>\\^`{|}', 0x80, 0xE9, 0xFF)
    ),
    Row(26, "bad-percent", line(b"GET /p?%zz HTTP/1.1"), Either(EMPTY, BAD)),
    Row(26, "escaped", line(b"GET /p?%20%00%0d%0a HTTP/1.1"), EMPTY),
    # 27. two hosts: aiohttp CVE-2026-34525, gunicorn 26.1
    Row(27, "different", b"GET /p HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", BAD),
    Row(27, "same", b"GET /p HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", BAD),
    Row(27, "case", b"GET /p HTTP/1.1\r\nHost: h\r\nhOST: i\r\n\r\n", BAD),
    Row(27, "one-empty", b"GET /p HTTP/1.1\r\nHost: h\r\nHost:\r\n\r\n", BAD),
    Row(27, "comma", hosted(b" h, i"), BAD),
    Row(27, "http10", b"GET /p HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n", BAD),
    Row(27, "absolute", b"GET http://h/p HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", BAD),
    # 28. a host that is none: Starlette CVE-2026-48710
    Row(28, "path", hosted(b" a/abc?x="), BAD),
    Row(28, "slash", hosted(b" h/"), BAD),
    Row(28, "query", hosted(b" h?x"), BAD),
    Row(28, "fragment", hosted(b" h#x"), BAD),
    Row(28, "userinfo", hosted(b" user@h"), BAD),
    Row(28, "password", hosted(b" user:pass@h"), BAD),
    Row(28, "port-letters", hosted(b" h:port"), BAD),
    Row(28, "port-range", hosted(b" h:99999"), BAD),
    Row(28, "port-65536", hosted(b" h:65536"), BAD),
    Row(28, "port-long", hosted(b" h:" + b"8" * 400), BAD),
    Row(28, "port-sign", hosted(b" h:+80"), BAD),
    Row(28, "port-minus", hosted(b" h:-80"), BAD),
    Row(28, "port-space", hosted(b" h: 80"), BAD),
    Row(28, "port-twice", hosted(b" h:80:80"), BAD),
    Row(28, "port-unicode", hosted(b" h:\xef\xbc\x98"), BAD),
    Row(28, "port-superscript", hosted(b" h:\xb2"), BAD),
    Row(28, "space", hosted(b" h i"), BAD),
    Row(28, "tab", hosted(b" h\ti"), BAD),
    Row(28, "backslash", hosted(b" h\\i"), BAD),
    Row(28, "angle", hosted(b" <script>"), BAD),
    Row(28, "quote", hosted(b' "h"'), BAD),
    Row(28, "bad-percent", hosted(b" h%zz"), BAD),
    Row(28, "cut-percent", hosted(b" h%2"), BAD),
    Row(28, "high-byte", hosted(b" h\xe9"), BAD),
    Row(28, "caret", hosted(b" h^"), BAD),
    Row(28, "braces", hosted(b" {h}"), BAD),
    Row(28, "open-bracket", hosted(b" [::1"), BAD),
    Row(28, "close-bracket", hosted(b" ::1]"), BAD),
    Row(28, "no-brackets", hosted(b" ::1"), BAD),
    Row(28, "bracket-junk", hosted(b" [::1]x"), BAD),
    Row(28, "bracket-name", hosted(b" [h]"), BAD),
    Row(28, "bracket-empty", hosted(b" []"), BAD),
    Row(28, "bracket-port", hosted(b" [::1]:x"), BAD),
    Row(28, "scheme", hosted(b" http://h"), BAD),
    Row(28, "missing", b"GET /p HTTP/1.1\r\n\r\n", BAD),
    Row(28, "missing-post", b"POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", BAD),
    # RFC 9110 4.2.1 refuses an http URI without a host, RFC 9112 3.2 allows an empty field: either is safe.
    Row(28, "empty", hosted(b""), Either(EMPTY, BAD)),
    Row(28, "only-port", hosted(b" :80"), Either(EMPTY, BAD)),
    Row(28, "port", hosted(b" h:8000"), EMPTY),
    Row(28, "port-empty", hosted(b" h:"), EMPTY),
    Row(28, "ipv4", hosted(b" 127.0.0.1:1"), EMPTY),
    Row(28, "ipv6", hosted(b" [::1]:65535"), EMPTY),
    Row(28, "ipv6-no-port", hosted(b" [2001:db8::1]"), EMPTY),
    Row(28, "name", hosted(b" My_Host-1.example.COM."), EMPTY),
    Row(28, "ows", hosted(b"\t h \t"), EMPTY),
    # 29. target forms in the wrong place: gunicorn 26.0
    Row(29, "relative", line(b"GET p HTTP/1.1"), BAD),
    Row(29, "empty", line(b"GET  HTTP/1.1"), BAD),
    Row(29, "missing", line(b"GET HTTP/1.1"), refuse(400, 505)),
    Row(29, "query-only", line(b"GET ?p HTTP/1.1"), BAD),
    Row(29, "dot", line(b"GET ../p HTTP/1.1"), BAD),
    Row(29, "authority", line(b"GET h:80 HTTP/1.1"), BAD),
    Row(29, "authority-bare", line(b"GET example.com HTTP/1.1"), BAD),
    Row(29, "asterisk-get", line(b"GET * HTTP/1.1"), BAD),
    Row(29, "asterisk-post", line(b"POST * HTTP/1.1"), BAD),
    Row(29, "asterisk-path", line(b"OPTIONS *p HTTP/1.1"), BAD),
    Row(29, "absolute-no-host", line(b"GET http:///p HTTP/1.1"), BAD),
    Row(29, "absolute-nothing", line(b"GET http:// HTTP/1.1"), BAD),
    Row(29, "absolute-one-slash", line(b"GET http:/p HTTP/1.1"), BAD),
    Row(29, "absolute-userinfo", line(b"GET http://u@h/p HTTP/1.1"), BAD),
    Row(29, "absolute-bad-port", line(b"GET http://h:x/p HTTP/1.1"), BAD),
    Row(29, "absolute-big-port", line(b"GET http://h:70000/p HTTP/1.1"), BAD),
    Row(29, "absolute-bracket", line(b"GET http://[::1/p HTTP/1.1"), BAD),
    Row(29, "connect-origin", line(b"CONNECT /p HTTP/1.1"), BAD),
    Row(29, "connect-no-port", line(b"CONNECT h HTTP/1.1"), BAD),
    Row(29, "connect-path", line(b"CONNECT h:80/p HTTP/1.1"), BAD),
    Row(29, "connect-absolute", line(b"CONNECT http://h:80 HTTP/1.1"), BAD),
    Row(29, "connect-userinfo", line(b"CONNECT u@h:80 HTTP/1.1"), BAD),
    Row(29, "connect-bad-port", line(b"CONNECT h:x HTTP/1.1"), BAD),
    Row(29, "connect-big-port", line(b"CONNECT h:65536 HTTP/1.1"), BAD),
    Row(29, "connect-asterisk", line(b"CONNECT * HTTP/1.1"), BAD),
    Row(29, "absolute", line(b"GET http://h/p HTTP/1.1"), Accept((b"",), check=_plain_path)),
    Row(29, "absolute-case", line(b"GET HTTP://h/p HTTP/1.1"), Accept((b"",), check=_plain_path)),
    # 30. a body belongs to its request whatever the method: hyper RUSTSEC-2020-0008, OpenBSD relayd.
    # Without the writing modes for HEAD: its first write may end the handler, with the body still to come.
    *(
        Row(
            30,
            f"length-{method.lower()}",
            f"{method} /p HTTP/1.1\r\nHost: h\r\nContent-Length: {len(POISON)}\r\n\r\n".encode() + POISON,
            takes(POISON),
            modes=("reads", "ignores") if method == "HEAD" else MODES,
        )
        for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH")
    ),
    *(
        Row(
            30,
            f"chunked-{method.lower()}",
            f"{method} /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{len(POISON):x}\r\n".encode()
            + POISON
            + b"\r\n0\r\n\r\n",
            takes(POISON),
            modes=("reads", "ignores") if method == "HEAD" else MODES,
        )
        for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH")
    ),
    Row(30, "post-without", post(b""), EMPTY),
    Row(30, "post-zero", length(b" 0", b""), EMPTY),
    # 31. after a refusal nothing is a request any more: waitress CVE-2024-49768
    Row(31, "good-then-bad", get() + get(b"X[]: y\r\n"), refuse(400, after=1)),
    Row(31, "good-then-bad-post", length(b" 5") + length(b" +5"), refuse(400, after=1)),
    Row(31, "two-good-then-bad", get() + length(b" 5") + b"\x00\r\n\r\n", refuse(400, 501, after=2)),
    Row(31, "good-then-junk", get() + b"hello\r\n\r\n", refuse(400, 501, after=1)),
    Row(31, "body-then-trailing-byte", length(b" 5") + b"X[]: y\r\n\r\n", refuse(400, 501, after=1)),
    Row(31, "bad-then-good", get(b"X[]: y\r\n") + get(), BAD),
    Row(31, "too-large-then-good", get(b"X: " + b"y" * 3000 + b"\r\n") + get(), refuse(431), Limits(head=2048)),
    Row(31, "body-too-large", length(b" 3000", b"x" * 3000), RejectBody(frozenset({413})), Limits(body=1024)),
    Row(
        31,
        "chunked-too-large",
        chunked(b"400\r\n" + b"x" * 1024 + b"\r\n1\r\nx\r\n0\r\n\r\n"),
        RejectBody(frozenset({413})),
        Limits(body=1024),
    ),
    Row(31, "three-good", get() + length(b" 5") + chunked(CHUNKS), takes(b"", b"hello", b"hello")),
    # RFC 9112 2.2: an empty line before the request line should be ignored.
    Row(31, "empty-line-between", length(b" 5") + b"\r\n" + get(), Either(takes(b"hello", b""), refuse(400, after=1))),
    # 35. an underscore is no dash: the WSGI family, gunicorn's header_map
    Row(35, "content-length", post(b"Content_Length: 33\r\n"), Accept((b"",), check=_no_length)),
    Row(35, "transfer-encoding", post(b"Transfer_Encoding: chunked\r\n"), Accept((b"",), check=_no_length)),
    Row(35, "beside-a-length", post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"), HELLO),
    Row(35, "both", get(b"X_A: 1\r\nX-A: 2\r\n"), Accept((b"",), check=_both_names)),
    Row(35, "host", b"GET /p HTTP/1.1\r\nHo_st: h\r\n\r\n", BAD),
    # 36. Connection names what it may not: httpd CVE-2022-31813
    Row(
        36,
        "content-length",
        post(b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello"),
        Accept((b"hello",), check=_length_kept),
    ),
    Row(
        36,
        "host",
        post(b"Connection: Host\r\nContent-Length: 5\r\n", b"hello"),
        Accept((b"hello",), check=_length_kept),
    ),
    Row(
        36, "transfer-encoding", post(b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", CHUNKS), HELLO
    ),
    Row(36, "empty-elements", get(b"Connection: , ,,keep-alive,\r\n"), EMPTY),
    Row(36, "close-in-a-word", get(b"Connection: enclose, closed\r\n"), EMPTY),
    Row(36, "close-in-list", get(b"Connection: x, CLOSE\r\n"), Accept((b"",), keeps=False)),
    Row(36, "close-second-line", get(b"Connection: x\r\nConnection: close\r\n"), Accept((b"",), keeps=False)),
    # 37. untrusted forwarding fields: waitress 3.0.2, gunicorn forwarded_allow_ips
    Row(
        37,
        "x-forwarded",
        get(
            b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\n"
        ),
        Accept((b"",), check=_not_forwarded),
    ),
    Row(
        37, "forwarded", get(b"Forwarded: for=6.6.6.6;proto=https;host=evil\r\n"), Accept((b"",), check=_not_forwarded)
    ),
    Row(
        37,
        "override",
        get(b"X-HTTP-Method-Override: DELETE\r\n"),
        Accept((b"",), check=lambda call: call.method == "GET"),
    ),
    Row(
        37, "rewrite", get(b"X-Original-URL: /poison\r\nX-Rewrite-URL: /poison\r\n"), Accept((b"",), check=_plain_path)
    ),
    # 38. method and version in full: aiohttp #7700, waitress #423
    Row(38, "method-paren", line(b"GE(T /p HTTP/1.1"), refuse(400, 501)),
    Row(38, "method-nul", line(b"G\x00T /p HTTP/1.1"), refuse(400, 501)),
    Row(38, "method-colon", line(b"GET: /p HTTP/1.1"), refuse(400, 501)),
    Row(38, "method-high", line(b"G\xc9T /p HTTP/1.1"), refuse(400, 501)),
    Row(38, "method-junk-before", line(b"\x16\x03\x01GET /p HTTP/1.1"), refuse(400, 501)),
    Row(38, "method-words-before", line(b"Extra lineGET /p HTTP/1.1"), refuse(400, 501)),
    Row(38, "method-empty", line(b" /p HTTP/1.1"), refuse(400, 501)),
    Row(38, "method-long", line(b"A" * 100 + b" /p HTTP/1.1"), refuse()),
    Row(38, "version-missing", line(b"GET /p"), refuse(400, 505)),
    Row(38, "version-missing-space", line(b"GET /p "), refuse(400, 505)),
    Row(38, "version-case", line(b"GET /p http/1.1"), refuse(400, 505)),
    Row(38, "version-mixed", line(b"GET /p Http/1.1"), refuse(400, 505)),
    Row(38, "version-short", line(b"GET /p HTTP/1"), refuse(400, 505)),
    Row(38, "version-dot", line(b"GET /p HTTP/1."), refuse(400, 505)),
    Row(38, "version-no-dot", line(b"GET /p HTTP/11"), refuse(400, 505)),
    Row(38, "version-comma", line(b"GET /p HTTP/1,1"), refuse(400, 505)),
    Row(38, "version-long", line(b"GET /p HTTP/1.10"), refuse(400, 505)),
    Row(38, "version-zeros", line(b"GET /p HTTP/01.01"), refuse(400, 505)),
    Row(38, "version-suffix", line(b"GET /p HTTP/1.1x"), refuse(400, 505)),
    Row(38, "version-inner-space", line(b"GET /p HTTP/ 1.1"), refuse(400, 505)),
    Row(38, "version-space-slash", line(b"GET /p HTTP /1.1"), refuse(400, 505)),
    Row(38, "version-plus", line(b"GET /p HTTP/+1.1"), refuse(400, 505)),
    Row(38, "version-0.9", line(b"GET /p HTTP/0.9"), refuse(400, 505)),
    Row(38, "version-2.0", line(b"GET /p HTTP/2.0"), refuse(400, 505)),
    Row(38, "version-3.0", line(b"GET /p HTTP/3.0"), refuse(400, 505)),
    Row(38, "version-9.9", line(b"GET /p HTTP/9.9"), refuse(400, 505)),
    Row(38, "version-other-protocol", line(b"GET /p XHTTP/1.1"), refuse(400, 505)),
    Row(38, "version-https", line(b"GET /p HTTPS/1.1"), refuse(400, 505)),
    # llhttp knows these two protocols by their methods
    Row(38, "version-rtsp", line(b"DESCRIBE /p RTSP/1.0"), refuse(400, 501, 505)),
    Row(38, "version-ice", line(b"SOURCE /p ICE/1.0"), refuse(400, 501, 505)),
    Row(38, "get-rtsp", line(b"GET /p RTSP/1.0"), refuse(400, 505)),
    Row(38, "h2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refuse(400, 501, 505)),
    Row(38, "http09", b"GET /p\r\n\r\n", refuse(400, 505)),
    Row(38, "tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", refuse(400, 501)),
    Row(38, "response-as-request", b"HTTP/1.1 200 OK\r\nHost: h\r\nContent-Length: 0\r\n\r\n", refuse(400, 501)),
    Row(38, "blank-spaces", b"   \r\n\r\n", refuse(400, 501)),
    # RFC 9110 9.1: methods are case-sensitive, so this is an unknown one and never GET.
    Row(
        38,
        "method-case",
        line(b"get /p HTTP/1.1"),
        Either(Accept((b"",), check=lambda call: call.method == "get"), refuse(400, 405, 501)),
    ),
    Row(
        38,
        "method-prefix",
        line(b"GETX /p HTTP/1.1"),
        Either(Accept((b"",), check=lambda call: call.method == "GETX"), refuse(400, 405, 501)),
    ),
    Row(
        38,
        "method-cut",
        line(b"GE /p HTTP/1.1"),
        Either(Accept((b"",), check=lambda call: call.method == "GE"), refuse(400, 405, 501)),
    ),
    Row(38, "version-1.2", line(b"GET /p HTTP/1.2"), Either(EMPTY, refuse(400, 505))),
    Row(38, "version-1.0", line(b"GET /p HTTP/1.0"), Accept((b"",), keeps=False)),
    Row(38, "leading-crlf", b"\r\n" + get(), Either(EMPTY, BAD)),
]


@pytest.mark.parametrize("row", ROWS, ids=[row_id("3a", row) for row in ROWS])
async def test_row(row: Row) -> None:
    await run_row(row)


def test_ids_are_unique() -> None:
    ids = [row_id("3a", row) for row in ROWS]
    assert len(set(ids)) == len(ids), sorted({name for name in ids if ids.count(name) > 1})


# ---- numbers that need more than bytes in a row


class Gated:
    """An application whose handlers note their start and then wait to be let go."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    def app(self) -> App:
        web = App(port=0)
        for path in ("/first", "/second", "/third"):
            web.add_route(path, self.handle)
        return web

    async def handle(self, r: Request) -> str:
        self.started.append(r.path)
        self.begun.set()
        if r.path == "/first":
            await self.go.wait()
        return r.path


async def test_32_pipelined_answers_in_order() -> None:
    """Twisted CVE-2023-46137: a quick second answer overtook a slow first one."""
    gated = Gated()
    async with served(gated.app()) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(b"".join(line(b"GET /%s HTTP/1.1" % name) for name in (b"first", b"second")))
        await raw.send(b"GET /third HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        await gated.begun.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert gated.started == ["/first"], "a pipelined request ran before the answer in front of it was done"
        gated.go.set()
        answers = parse_answers(await raw.rest())
    assert [answer.body for answer in answers] == [b"/first", b"/second", b"/third"]


async def test_33_pipelined_requests_are_not_hoarded() -> None:
    """aiohttp CVE-2026-54273: while a handler runs, the server stops reading, and the sender feels it."""
    gated = Gated()
    async with served(gated.app()) as here, asyncio.timeout(20):
        raw = await here.raw()
        await raw.send(line(b"GET /first HTTP/1.1"))
        await gated.begun.wait()
        piece = line(b"GET /second HTTP/1.1") * 100
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while sent < 8 * 1024 * 1024:
                await raw.send(piece)
                sent += len(piece)
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        before = -1
        while before != sent:  # until the sender makes no more progress
            before = sent
            for _ in range(50):
                await asyncio.sleep(0)
        assert not flooding.done(), "8 MiB of pipelined requests were taken while a handler ran"
        # pipelined + read_mark of the server, and what the link itself holds on the way
        assert sent < 1024 * 1024, sent
        assert gated.started == ["/first"]
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        gated.go.set()


async def test_33_a_flood_leaves_room_for_others() -> None:
    """Thousands of pipelined requests are worked off in turns: another connection is served in between."""
    recorder = Recorder("ignores")
    many = 3000
    async with served(recorder.app()) as here, asyncio.timeout(15):
        flood, other = await here.raw(), await here.raw()
        flooding = asyncio.create_task(flood.send(get() * many + AFTER))
        first = await flood.until(b"ignored")
        await other.send(line(b"GET /p?other HTTP/1.1"))
        await other.until(b"ignored")
        assert len(recorder.calls) < many, "the other connection waited for the whole flood"
        answers = parse_answers(first + await flood.rest())
        await flooding
    assert len(answers) == many + 1
    assert {answer.body for answer in answers} == {b"ignored"}


async def _one(data: bytes, mode: str) -> tuple[Recorder, list[bytes]]:
    recorder = Recorder(mode)
    async with served(recorder.app()) as here:
        outcome = await exchange(here, [data[at : at + 16384] for at in range(0, len(data), 16384)])
    answers = parse_answers(outcome.data, clean=outcome.clean)
    assert len(answers) == 1, answers
    assert answers[0].status == 200
    assert answers[0].complete
    assert answers[0].closes, "the end of the connection must be announced"
    assert not answers[0].interim, "100 Continue though nobody read"
    return recorder, [answers[0].body]


async def test_34_expect_unmet_and_unread() -> None:
    """The body was never asked for, so nobody knows whether it comes: what follows is neither body nor request."""
    recorder = Recorder("ignores")
    async with served(recorder.app()) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(length(b" 33\r\nExpect: 100-continue", b""))
        answered = await raw.until(b"ignored")
        await raw.send(POISON + POISON)
        (answer,) = parse_answers(answered + await raw.rest())
    assert answer.status == 200
    assert answer.closes, "the end of the connection must be announced"
    assert not answer.interim, "100 Continue though nobody read"
    assert recorder.reached == ["/p"]


async def test_34_huge_body_unread() -> None:
    """A body over the drain budget is not waited for: the close is announced in the head."""
    recorder, bodies = await _one(length(b" 100000000", b""), "ignores")
    assert bodies == [b"ignored"]
    assert not recorder.poisoned


async def test_34_sent_body_over_the_budget_does_not_cost_the_answer() -> None:
    """RFC 9112 9.6: a close with unread input must not destroy the answer by a reset."""
    body = POISON * 30000
    recorder, bodies = await _one(length(b" %d" % len(body), body), "ignores")
    assert bodies == [b"ignored"]
    assert not recorder.poisoned


async def test_34_small_body_is_drained() -> None:
    """Announced, not read, within the budget: thrown away when it comes, and the connection goes on."""
    recorder = Recorder("ignores")
    async with served(recorder.app()) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(length(b" 330", b""))
        head = await raw.until(b"ignored")
        assert b"connection: close" not in head.lower()
        await raw.send(POISON * 5)
        await raw.send(POISON * 5 + AFTER)
        answers = parse_answers(head + await raw.rest())
    assert [answer.status for answer in answers] == [200, 200]
    assert recorder.reached == ["/p", "/after"]


@pytest.mark.parametrize("mode", ["reads", "streams", "early"])
async def test_34_expect_met(mode: str) -> None:
    """100 comes when somebody reads, before the final head or, after an early one, not at all."""
    recorder = Recorder(mode)
    async with served(recorder.app()) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(length(b" 5\r\nExpect: 100-continue", b""))
        head = await raw.until(b"\r\n\r\n")
        if mode != "early":
            assert head.startswith(b"HTTP/1.1 100 "), head
        await raw.send(b"hello" + AFTER)
        answers = parse_answers(head + await raw.rest())
    # an answer prepared with a known length may also send 100 first (the handler streams)
    assert [answer.status for answer in answers] == [200, 200]
    assert [call.body for call in recorder.calls] == [b"hello", b""]


@pytest.mark.parametrize("value", [b"200-ok", b"100-continue-not", b"\xc3\xa9", b"100-continue, 200-ok"])
async def test_34_unknown_expectation(value: bytes) -> None:
    """RFC 9110 10.1.1: 417 or ignored; never taken for 100-continue."""
    recorder = Recorder("reads")
    async with served(recorder.app()) as here:
        outcome = await exchange(here, [length(b" 5\r\nExpect: " + value) + AFTER])
    answers = parse_answers(outcome.data, clean=outcome.clean)
    assert [answer.status for answer in answers] in ([200, 200], [417], [417, 200])
    assert all(100 not in answer.interim for answer in answers)


async def test_34_no_interim_to_http10() -> None:
    """RFC 9110 15.2: never 1xx to an HTTP/1.0 client."""
    recorder = Recorder("reads")
    async with served(recorder.app()) as here:
        outcome = await exchange(
            here, [b"POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", b"hello"]
        )
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert (answer.status, answer.interim, answer.body) == (200, (), b"hello")
