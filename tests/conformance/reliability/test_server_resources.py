"""Section 3b: what servers ran out of. The deadlines (41, 42) stand with the other slow peers in `test_traps.py`."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from toolkit import App, Limits, Request

from ...helpers.served import served
from .answers import parse_answers
from .drive import REFUSALS, Accept, Call, Recorder, Reject, Row, exchange, row_id, run_row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


NOT_TOUCHED = {
    52: "the parameters of content types are read in one pass, which test_multipart.py and number 54 drive",
}


def line(first: bytes) -> bytes:
    """A request with this start line."""
    return first + b"\r\nHost: h\r\n\r\n"


def get(fields: bytes = b"") -> bytes:
    """A GET with further field lines."""
    return b"GET /p HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"


def post(fields: bytes, body: bytes = b"") -> bytes:
    """A POST with further field lines and a body."""
    return b"POST /p HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n" + body


def refuse(*statuses: int) -> Reject:
    """A refusal of the head."""
    return Reject(frozenset(statuses) or REFUSALS)


EMPTY = Accept((b"",))
TINY = Limits(head=1024, target=128, fields=8)


def _repeated(call: Call) -> bool:
    return [value for name, value in call.headers if name.lower() == "x-a"] == [str(n) for n in range(98)]


ROWS = [
    # 39. an oversize line over many segments: aiohttp CVE-2026-54277
    Row(39, "target", line(b"GET /" + b"a" * 9000 + b" HTTP/1.1"), refuse(414)),
    Row(39, "query", line(b"GET /p?" + b"a" * 9000 + b" HTTP/1.1"), refuse(414)),
    Row(39, "absolute", line(b"GET http://h/" + b"a" * 9000 + b" HTTP/1.1"), refuse(414)),
    Row(39, "own-limit", line(b"GET /" + b"a" * 200 + b" HTTP/1.1"), refuse(414), TINY),
    Row(39, "endless-target", b"GET /" + b"a" * 70000, refuse(414, 431), tail=False),
    Row(39, "endless-own-limit", b"GET /" + b"a" * 1100, refuse(414, 431), TINY, tail=False),
    Row(39, "endless-method", b"A" * 70000, refuse(), tail=False),
    Row(39, "endless-version", b"GET /p HTTP/1." + b"1" * 70000, refuse(), tail=False),
    Row(39, "endless-spaces", b"GET " + b" " * 70000, refuse(), tail=False),
    Row(39, "endless-name", b"GET /p HTTP/1.1\r\nHost: h\r\n" + b"A" * 70000, refuse(431), tail=False),
    Row(39, "endless-value", b"GET /p HTTP/1.1\r\nHost: h\r\nA: " + b"b" * 70000, refuse(431), tail=False),
    Row(39, "endless-ows", b"GET /p HTTP/1.1\r\nHost: h\r\nA:" + b" " * 70000, refuse(431), tail=False),
    Row(39, "endless-fields", b"GET /p HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 12000, refuse(431), tail=False),
    Row(39, "head-own-limit", get(b"A: " + b"b" * 1100 + b"\r\n"), refuse(431), TINY),
    Row(
        39,
        "head-dripped-own-limit",
        get(b"A: bcdefghijklmnopqrst\r\n" * 7)[:-2] + b"B: " + b"c" * 1000,
        refuse(431),
        TINY,
        tail=False,
    ),
    Row(39, "recommended-8000", line(b"GET /p?" + b"a" * 7970 + b" HTTP/1.1"), EMPTY),
    Row(39, "below-own-limits", get(b"A: " + b"b" * 900 + b"\r\n"), EMPTY, TINY),
    # 40. many fields, and joining them in quadratic time: Tornado CVE-2025-67725
    Row(40, "hundred", get(b"".join(b"X-%d: b\r\n" % n for n in range(99))), EMPTY),
    Row(40, "hundred-and-one", get(b"".join(b"X-%d: b\r\n" % n for n in range(100))), refuse(431)),
    Row(40, "ten-thousand", get(b"X:\r\n" * 10000), refuse(431)),
    Row(40, "same-name", get(b"".join(b"X-A: %d\r\n" % n for n in range(98))), Accept((b"",), check=_repeated)),
    Row(40, "own-limit", get(b"X: y\r\n" * 8), refuse(431), TINY),
    Row(40, "at-own-limit", get(b"X: y\r\n" * 7), EMPTY, TINY),
    # 43. tiny chunks: aiohttp CVE-2025-69229
    Row(
        43, "tiny", post(b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"), Accept((b"x" * 1000,))
    ),
    # 57. bytes that crashed a worker: Granian CVE-2026-42544
    Row(
        57,
        "websocket-protocol",
        get(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: \xc3\xa9\xff\r\n"),
        EMPTY,
    ),
    Row(57, "high-upgrade", get(b"Connection: Upgrade\r\nUpgrade: \xc3\xa9\xff\r\n"), EMPTY),
    Row(57, "high-connection", get(b"Connection: \xc3\xa9\xff\r\n"), EMPTY),
    Row(57, "high-type", post(b"Content-Type: text/\xc3\xa9; charset=\xff\r\nContent-Length: 0\r\n"), EMPTY),
    Row(57, "high-accept-encoding", get(b"Accept-Encoding: \xff;q=\xb2, gzip;q=\xd9\xa5\r\n"), EMPTY),
    Row(57, "query-not-utf-8", line(b"GET /p?%ff=%fe&=&&a%=%&+ HTTP/1.1"), EMPTY),
]


@pytest.mark.parametrize("row", ROWS, ids=[row_id("3b", row) for row in ROWS])
async def test_row(row: Row) -> None:
    await run_row(row)


def test_ids_are_unique() -> None:
    ids = [row_id("3b", row) for row in ROWS]
    assert len(set(ids)) == len(ids)


# ---- numbers that need more than bytes in a row


async def test_43_tiny_chunks_are_coalesced() -> None:
    """100,000 one-byte chunks: the reader gets them in pieces that are worth a wake-up, in linear time."""
    pieces: list[int] = []
    web = App(port=0)

    @web.post("/p")
    async def handler(r: Request) -> str:
        async for chunk in r:
            pieces.append(len(chunk))
        return str(sum(pieces))

    data = post(b"Transfer-Encoding: chunked\r\nConnection: close\r\n", b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    started = time.process_time()
    async with served(web) as here:
        outcome = await exchange(here, [data[at : at + 65536] for at in range(0, len(data), 65536)])
    assert time.process_time() - started < 5
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.body == b"100000"
    assert len(pieces) < 5000, f"{len(pieces)} wake-ups for 100,000 bytes"


BOMB = 32 * 1024 * 1024


async def test_44_bomb_against_read() -> None:
    """aiohttp 3.13.3, Tornado CVE-2026-49855: what is decoded is bounded in all, and answered with 413."""
    body = gzip.compress(bytes(BOMB), 9)
    recorder = Recorder("reads")
    data = post(b"Content-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n" % len(body), body)
    async with served(recorder.app(Limits(read=1024 * 1024))) as here:
        tracemalloc.start()
        outcome = await exchange(here, [data])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.status == 413
    assert recorder.calls[0].body is None
    assert peak < 8 * 1024 * 1024, peak


async def test_44_bomb_in_steps() -> None:
    """A handler that streams is given a bounded piece at a time, so that its own budget can end it."""
    web = App(port=0)
    total, largest = 0, 0

    @web.post("/p")
    async def handler(r: Request) -> str:
        nonlocal total, largest
        async for chunk in r:
            total += len(chunk)
            largest = max(largest, len(chunk))
        return "done"

    body = gzip.compress(bytes(BOMB), 9)
    data = post(b"Content-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n" % len(body), body)
    async with served(web) as here:
        tracemalloc.start()
        outcome = await exchange(here, [data])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.body == b"done"
    assert (total, largest) == (BOMB, Limits().decode_step)
    assert peak < 8 * 1024 * 1024, peak


async def test_44_codings_not_taken() -> None:
    """An application that takes no codings says so with 415, before anything is decoded."""
    web = App(port=0, accept_codings=())

    @web.post("/p")
    async def handler(r: Request) -> bytes:
        return await r.read()

    body = gzip.compress(b"hello")
    data = post(b"Content-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n" % len(body), body)
    async with served(web) as here:
        outcome = await exchange(here, [data])
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.status == 415


N = 60_000
#: waitress CVE-2020-5236, urllib3 CVE-2021-33503: what drove a backtracking expression into quadratic time
ADVERSARIAL = {
    "host-at": b"GET /p HTTP/1.1\r\nHost: " + b"a@" * (N // 2) + b"\r\n\r\n",
    "host-dots": b"GET /p HTTP/1.1\r\nHost: " + b"a." * (N // 2) + b"!@\r\n\r\n",
    "host-percent": b"GET /p HTTP/1.1\r\nHost: " + b"%61" * (N // 3) + b"%\r\n\r\n",
    "host-brackets": b"GET /p HTTP/1.1\r\nHost: " + b"[" * N + b"\r\n\r\n",
    "host-colons": b"GET /p HTTP/1.1\r\nHost: [" + b":" * N + b"]\r\n\r\n",
    "host-spaces": b"GET /p HTTP/1.1\r\nHost: h" + b" " * N + b"x\r\n\r\n",
    "spaces-then-control": get(b"X: a" + b" " * N + b"\x10\r\n"),
    "spaces-then-letter": get(b"X:" + b" \t" * (N // 2) + b"b\r\n"),
    "length-spaces": get(b"Content-Length: 5" + b" " * N + b"x\r\n"),
    "length-list": get(b"Content-Length: " + b"5," * (N // 2) + b"x\r\n"),
    "coding-commas": get(b"Transfer-Encoding: " + b" ," * (N // 2) + b"x\r\n"),
    "connection-commas": get(b"Connection: " + b" , " * (N // 3) + b"\r\n"),
    "connection-words": get(b"Connection: " + b"a," * (N // 2) + b"\r\n"),
    "accept-encoding": get(b"Accept-Encoding: " + b"a;q=0.1," * (N // 8) + b"\r\n"),
    "accept-encoding-spaces": get(b"Accept-Encoding: gzip" + b" " * N + b";q\r\n"),
    "cookie": get(b"Cookie: " + b'a="\\' * (N // 4) + b"\r\n"),
    "charset-quotes": post(b'Content-Length: 0\r\nContent-Type: text/plain; charset="' + b"\\" * N + b"\r\n"),
    "type-semicolons": post(b"Content-Length: 0\r\nContent-Type: text/plain" + b"; " * (N // 2) + b"\r\n"),
    "expect": post(b"Content-Length: 0\r\nExpect: " + b"100-continue " * (N // 13) + b"\r\n"),
    "name-colons": get(b"X" + b":" * N + b"\r\n"),
    "query-ampersands": line(b"GET /p?" + b"&a=b;" * 1600 + b" HTTP/1.1"),
    "query-percents": line(b"GET /p?" + b"%" * 8000 + b" HTTP/1.1"),
    "path-slashes": line(b"GET " + b"/" * 8000 + b" HTTP/1.1"),
    "path-dots": line(b"GET " + b"/.." * 2600 + b" HTTP/1.1"),
    "absolute-at": line(b"GET http://" + b"@" * 8000 + b" HTTP/1.1"),
}


@pytest.mark.parametrize("data", ADVERSARIAL.values(), ids=ADVERSARIAL)
async def test_54_linear_scanners(data: bytes) -> None:
    web = App(port=0)

    async def handler(r: Request) -> str:
        r.params()
        return f"{r.content_type[:9]} {r.host[:9]} {len(await r.text())}"

    web.add_route("/p", handler)
    # a second handler may never be needed: what matters is that every scanner had its turn
    async with served(web) as here:
        started = time.process_time()
        outcome = await exchange(here, [data], eof=True)
        spent = time.process_time() - started
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.status in {200, 400, 404, 413, 414, 415, 417, 431, 501}, answer
    assert spent < 1.0, f"{spent:.1f} s for {len(data)} bytes"


async def _raises(r: Request) -> None:
    raise ValueError("an application's own fault")


async def _cancels_itself(r: Request) -> None:
    raise asyncio.CancelledError


async def _stops(r: Request) -> None:
    raise StopAsyncIteration


async def _not_serialisable(r: Request) -> object:
    return {"a": object()}


async def _not_a_value(r: Request) -> object:
    return object()


async def _bad_status(r: Request) -> object:
    return 1000, "x"


async def _text_status(r: Request) -> object:
    return "200 OK\r\nX: y", "x"


async def _bad_header(r: Request) -> object:
    return 200, "x", {"X-A": "b\r\nX-Injected: c"}


async def _bad_header_name(r: Request) -> object:
    return 200, "x", {"X A": "b"}


async def _unicode_header(r: Request) -> object:
    return 200, "x", {"X-A": "\u4e0a"}


FAULTS: dict[str, Callable[[Request], Awaitable[object]]] = {
    "raises": _raises,
    "cancels-itself": _cancels_itself,
    "stops": _stops,
    "not-serialisable": _not_serialisable,
    "not-a-value": _not_a_value,
    "bad-status": _bad_status,
    "text-status": _text_status,
    "bad-header": _bad_header,
    "bad-header-name": _bad_header_name,
}


@pytest.mark.parametrize("handler", FAULTS.values(), ids=FAULTS)
async def test_57_application_fault_is_a_500(handler: Callable[[Request], Awaitable[object]]) -> None:
    """Granian CVE-2026-42545: an application's fault is a 500, and the next request is answered."""
    web = App(port=0)
    web.add_route("/p", handler)

    @web.get("/good")
    async def good(r: Request) -> str:
        return "good"

    async with served(web) as here:
        outcome = await exchange(here, [get(b"Connection: close\r\n")])
        (answer,) = parse_answers(outcome.data, clean=outcome.clean)
        assert answer.status == 500
        assert answer.get("x-injected") is None
        assert b"Traceback" not in answer.body
        assert b"fault" not in answer.body, "an exception's text is not the peer's business"
        outcome = await exchange(here, [b"GET /good HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"])
        (answer,) = parse_answers(outcome.data, clean=outcome.clean)
        assert answer.body == b"good"


async def test_57_unicode_header_is_never_cut_to_bytes() -> None:
    """U+4E0A cut to its low byte is LF: what cannot be encoded is an error or UTF-8."""
    web = App(port=0)
    web.add_route("/p", _unicode_header)
    async with served(web) as here:
        outcome = await exchange(here, [get(b"Connection: close\r\n")])
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.status == 500 or (answer.get("x-a") or "").encode("latin-1") == "\u4e0a".encode()


PARSE_FAULTS = {
    "json-cut": ("json", b"", b'{"a": '),
    "json-empty": ("json", b"", b""),
    "json-not-utf-8": ("json", b"", b'"\xff"'),
    "json-deep": ("json", b"", b"[" * 100_000),
    "json-nan": ("json", b"", b"nan"),
    "text-not-utf-8": ("text", b"", b"\xff\xfe"),
    "text-unknown-charset": ("text", b"Content-Type: text/plain; charset=klingon\r\n", b"hello"),
    # codecs that are no character sets, and one that once opened files
    "text-codec-rot13": ("text", b"Content-Type: text/plain; charset=rot13\r\n", b"hello"),
    "text-codec-zlib": ("text", b"Content-Type: text/plain; charset=zlib\r\n", b"hello"),
    "text-codec-nul": ("text", b"Content-Type: text/plain; charset=\xc3\xa9\r\n", b"hello"),
    "gzip-junk": ("read", b"Content-Encoding: gzip\r\n", b"hello"),
    "gzip-cut": ("read", b"Content-Encoding: gzip\r\n", gzip.compress(b"hello" * 100)[:-4]),
    "gzip-empty": ("read", b"Content-Encoding: gzip\r\n", b""),
    "deflate-junk": ("read", b"Content-Encoding: deflate\r\n", b"hello"),
    "br-junk": ("read", b"Content-Encoding: br\r\n", b"\xff" * 20),
    "zstd-junk": ("read", b"Content-Encoding: zstd\r\n", b"hello"),
    "unknown-coding": ("read", b"Content-Encoding: x-unknown\r\n", b"hello"),
    "three-codings": ("read", b"Content-Encoding: gzip, gzip, gzip\r\n", b"hello"),
}


@pytest.mark.parametrize(("how", "fields", "body"), PARSE_FAULTS.values(), ids=PARSE_FAULTS)
async def test_57_parse_fault_is_no_500(how: str, fields: bytes, body: bytes) -> None:
    """What a peer sent wrongly is a 4xx (or is read with replacement characters), never a 500."""
    web = App(port=0)

    @web.post("/p")
    async def handler(r: Request) -> str:
        if how == "json":
            await r.json()
        elif how == "text":
            await r.text()
        else:
            await r.read()
        return "read"

    async with served(web) as here:
        data = post(fields + b"Content-Length: %d\r\nConnection: close\r\n" % len(body), body)
        outcome = await exchange(here, [data])
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    if how == "text" or (body == b"" and how == "read"):
        assert answer.status in {200, 400, 415}
    else:
        assert answer.status in {400, 415}


@pytest.mark.parametrize("path", [b"/%ff", b"/%00", b"/%0d%0a", b"/..%2f..%2f", b"/%c0%ae%c0%ae/", b"/%", b"/%e4%b8"])
async def test_57_odd_path_is_no_500(path: bytes) -> None:
    recorder = Recorder("reads")
    async with served(recorder.app()) as here:
        outcome = await exchange(here, [b"GET " + path + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"])
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.status in {400, 404}
    assert not recorder.calls


class DeadTransport(asyncio.Transport):
    """A transport whose peer left before the server saw it: no address, nothing to write to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return None

    def is_closing(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_reading(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


async def test_58_peer_gone_at_accept(loop_errors: list[str]) -> None:
    """waitress GHSA-3f84-rpwh-47g6: no address, a transport that is closing already, and then the loss."""
    recorder = Recorder("reads")
    async with served(recorder.app()) as here:
        for error in (None, ConnectionResetError(), OSError(107, "not connected")):
            gone = here.web.new_connection()
            gone.connection_made(DeadTransport())
            await asyncio.sleep(0)
            gone.connection_lost(error)
        await asyncio.sleep(0)
        outcome = await exchange(here, [get(b"Connection: close\r\n")])
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.status == 200
    assert not loop_errors


@pytest.mark.parametrize("kind", ["memory", "tcp"])
@pytest.mark.parametrize(
    "data", [b"", b"GET", get(), post(b"Content-Length: 5\r\n", b"he")], ids=["silent", "cut", "whole", "body"]
)
async def test_58_reset_at_once(kind: str, data: bytes, loop_errors: list[str]) -> None:
    recorder = Recorder("reads")
    async with served(recorder.app(), kind) as here:
        for _ in range(10):
            raw = await here.raw()
            if data:
                await raw.send(data)
            raw.reset()
        outcome = await exchange(here, [get(b"Connection: close\r\n")])
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.status == 200
    assert not loop_errors
