"""The traps of a server on a borrowed head parser, Host rules, delivery, fuzz, half-close, slow peers, limits."""

from __future__ import annotations

import asyncio
import itertools
import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from toolkit import App, Limits, Request, Timeouts

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
    Hang,
    Outcome,
    Recorder,
    Reject,
    RejectBody,
    Row,
    cut,
    exchange,
    mutate,
    run_row,
)
from .reference import Reading, read_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...helpers.raw import Raw


def line(first: bytes) -> bytes:
    """A request with this start line."""
    return first + b"\r\nHost: h\r\n\r\n"


def get(fields: bytes = b"") -> bytes:
    """A GET with further field lines."""
    return b"GET /p HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"


def post(fields: bytes, body: bytes = b"") -> bytes:
    """A POST with further field lines and a body."""
    return b"POST /p HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A chunked POST."""
    return post(b"Transfer-Encoding: chunked\r\n", body)


def refuse(*statuses: int, after: int = 0) -> Reject:
    """A refusal of the head."""
    return Reject(frozenset(statuses) or REFUSALS, after)


def host_is(host: str) -> Callable[[Call], bool]:
    """The authority that the handler sees."""
    return lambda call: call.host == host and call.path == "/p"


BAD = refuse(400)
EMPTY = Accept((b"",))
HELLO = Accept((b"hello",))
ONCE = Accept((b"",), keeps=False)
WS = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"

TRAPS = [
    # A parser that pauses at Upgrade loses the body and swallows what is pipelined behind (uvicorn, aiohttp, node).
    Row(0, "upgrade-get", get(WS), EMPTY),
    Row(0, "upgrade-post-length", post(WS + b"Content-Length: 5\r\n", b"hello"), HELLO),
    Row(0, "upgrade-post-chunked", post(WS + b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"), HELLO),
    Row(
        0, "upgrade-body-like-a-request", post(WS + b"Content-Length: %d\r\n" % len(POISON), POISON), Accept((POISON,))
    ),
    Row(0, "upgrade-twice", get(WS) + post(WS + b"Content-Length: 5\r\n", b"hello"), Accept((b"", b"hello"))),
    Row(0, "upgrade-h2c", get(H2C), EMPTY),
    Row(0, "upgrade-h2c-body", post(H2C + b"Content-Length: 5\r\n", b"hello"), HELLO),
    Row(0, "upgrade-unknown", get(b"Connection: upgrade\r\nUpgrade: made-up/1.0, x\r\n"), EMPTY),
    Row(0, "upgrade-empty", get(b"Connection: upgrade\r\nUpgrade:\r\n"), EMPTY),
    Row(0, "upgrade-without-connection", get(b"Upgrade: websocket\r\n"), EMPTY),
    Row(0, "connection-without-upgrade", get(b"Connection: upgrade\r\n"), EMPTY),
    Row(0, "upgrade-and-close", get(b"Connection: upgrade, close\r\nUpgrade: x\r\n"), ONCE),
    Row(0, "upgrade-http10", b"GET /p HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", ONCE),
    Row(0, "upgrade-then-bad", get(WS) + get(b"X[]: y\r\n"), refuse(400, after=1)),
    Row(
        0, "upgrade-bad-body", post(WS + b"Transfer-Encoding: chunked\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"), RejectBody()
    ),
    Row(0, "proxy-connection", get(b"Proxy-Connection: close\r\n"), EMPTY),
    # Bytes after `Connection: close`: the message before them was complete and is answered; the rest is nobody's.
    Row(0, "close-then-request", get(b"Connection: close\r\n"), ONCE),
    Row(0, "close-then-junk", get(b"Connection: close\r\n") + b"\0junk", ONCE),
    Row(0, "close-then-crlf", get(b"Connection: close\r\n") + b"\r\n", ONCE),
    Row(
        0,
        "close-length-then-junk",
        post(b"Connection: close\r\nContent-Length: 5\r\n", b"hello!"),
        Accept((b"hello",), keeps=False),
    ),
    Row(
        0, "close-chunked-then-junk", post(b"Connection: close\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nX"), ONCE
    ),
    Row(0, "http10-then-request", b"GET /p HTTP/1.0\r\n\r\n", ONCE),
    Row(0, "http10-then-junk", b"GET /p HTTP/1.0\r\n\r\n\0junk", ONCE),
    Row(
        0,
        "http10-length-then-junk",
        b"POST /p HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello!",
        Accept((b"hello",), keeps=False),
    ),
    Row(0, "kept-then-close", get() + get(b"Connection: close\r\n"), Accept((b"", b""), keeps=False)),
    # Host (part 7, gate 4)
    Row(0, "host-missing", b"GET /p HTTP/1.1\r\n\r\n", BAD),
    Row(0, "host-missing-absolute", b"GET http://h/p HTTP/1.1\r\n\r\n", BAD),
    Row(0, "host-missing-1.0", b"GET /p HTTP/1.0\r\n\r\n", ONCE),
    Row(
        0,
        "host-missing-post-1.0",
        b"POST /p HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
        Accept((b"hello",), keeps=False),
    ),
    Row(0, "host-malformed-1.0", b"GET /p HTTP/1.0\r\nHost: a/b\r\n\r\n", BAD),
    Row(0, "host-repeated-1.0", b"GET /p HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", BAD),
    Row(0, "host-empty-twice", b"GET /p HTTP/1.1\r\nHost:\r\nHost:\r\n\r\n", BAD),
    Row(0, "host-plain", get(), Accept((b"",), check=host_is("h"))),
    # RFC 9112 3.2.2: with an absolute target the Host field is ignored, but it must still be a good one.
    Row(0, "host-absolute", b"GET http://other/p HTTP/1.1\r\nHost: h\r\n\r\n", Accept((b"",), check=host_is("other"))),
    Row(0, "host-absolute-malformed", b"GET http://other/p HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD),
    Row(0, "host-absolute-repeated", b"GET http://other/p HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD),
    Row(0, "host-absolute-userinfo", b"GET http://a@other/p HTTP/1.1\r\nHost: h\r\n\r\n", BAD),
    Row(
        0,
        "host-absolute-query",
        b"GET http://other?/p HTTP/1.1\r\nHost: h\r\n\r\n",
        Either(Accept((b"",), check=lambda call: call.path in {"", "/"}), BAD),
    ),
    Row(0, "host-absolute-ipv6", b"GET http://[::1]:80/p HTTP/1.1\r\nHost: h\r\n\r\n", EMPTY),
    Row(0, "host-absolute-ipv6-bad", b"GET http://[::1]x:80/p HTTP/1.1\r\nHost: h\r\n\r\n", BAD),
    Row(0, "host-absolute-backslash", b"GET http://h\\i/p HTTP/1.1\r\nHost: h\r\n\r\n", BAD),
    Row(0, "host-absolute-http10", b"GET http://h/p HTTP/1.0\r\n\r\n", ONCE),
    Row(0, "host-bracket-nested", b"GET /p HTTP/1.1\r\nHost: [[::1]]\r\n\r\n", BAD),
    Row(0, "host-bracket-userinfo", b"GET /p HTTP/1.1\r\nHost: a@[::1]\r\n\r\n", BAD),
    Row(0, "host-bracket-zone", b"GET /p HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", Either(EMPTY, BAD)),
    Row(0, "host-port-0", b"GET /p HTTP/1.1\r\nHost: h:0\r\n\r\n", Either(EMPTY, BAD)),
    Row(0, "host-port-00080", b"GET /p HTTP/1.1\r\nHost: h:00080\r\n\r\n", Either(EMPTY, BAD)),
    Row(0, "host-port-65535", b"GET /p HTTP/1.1\r\nHost: h:65535\r\n\r\n", EMPTY),
    # limits at their edges
    Row(0, "limit-target", line(b"GET /p?" + b"a" * 97 + b" HTTP/1.1"), EMPTY, Limits(target=100)),
    Row(0, "limit-target-over", line(b"GET /p?" + b"a" * 98 + b" HTTP/1.1"), refuse(414), Limits(target=100)),
    Row(0, "limit-head", get(b"X: " + b"y" * 400 + b"\r\n"), EMPTY, Limits(head=450)),
    Row(0, "limit-head-over", get(b"X: " + b"y" * 450 + b"\r\n"), refuse(431), Limits(head=450)),
    Row(0, "limit-fields", get(b"X: y\r\n" * 4), EMPTY, Limits(fields=5)),
    Row(0, "limit-fields-over", get(b"X: y\r\n" * 5), refuse(431), Limits(fields=5)),
    Row(0, "limit-chunk-line", chunked(b"5;a=" + b"b" * 40 + b"\r\nhello\r\n0\r\n\r\n"), HELLO, Limits(chunk_line=50)),
    Row(
        0,
        "limit-chunk-line-over",
        chunked(b"5;a=" + b"b" * 60 + b"\r\nhello\r\n0\r\n\r\n"),
        RejectBody(frozenset({400, 413})),
        Limits(chunk_line=50),
    ),
    Row(
        0,
        "limit-extensions",
        chunked(b"1;a=b\r\nx\r\n" * 5 + b"0\r\n\r\n"),
        Accept((b"xxxxx",)),
        Limits(chunk_extensions=40),
    ),
    Row(
        0,
        "limit-extensions-over",
        chunked(b"1;a=b\r\nx\r\n" * 15 + b"0\r\n\r\n"),
        RejectBody(frozenset({400, 413})),
        Limits(chunk_extensions=40),
    ),
    Row(0, "limit-trailers", chunked(b"0\r\nX: " + b"y" * 80 + b"\r\n\r\n"), EMPTY, Limits(trailers=100)),
    Row(
        0,
        "limit-trailers-over",
        chunked(b"0\r\nX: " + b"y" * 120 + b"\r\n\r\n"),
        RejectBody(frozenset({400, 413, 431})),
        Limits(trailers=100),
    ),
    Row(
        0,
        "limit-trailers-endless",
        chunked(b"0\r\nX: " + b"y" * 300),
        RejectBody(frozenset({400, 413, 431})),
        Limits(trailers=100),
        tail=False,
    ),
    Row(0, "limit-body", post(b"Content-Length: 5\r\n", b"hello"), HELLO, Limits(body=5)),
    Row(0, "limit-body-over", post(b"Content-Length: 6\r\n", b"hello!"), RejectBody(frozenset({413})), Limits(body=5)),
    Row(0, "limit-body-chunked", chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), HELLO, Limits(body=5)),
    Row(
        0,
        "limit-body-chunked-over",
        chunked(b"2\r\nhe\r\n4\r\nllo!\r\n0\r\n\r\n"),
        RejectBody(frozenset({413})),
        Limits(body=5),
    ),
    Row(
        0, "limit-body-announced", post(b"Content-Length: 999999999\r\n"), RejectBody(frozenset({413})), Limits(body=5)
    ),
    # h1spec (uNetworking): its 18 cases with an answer
    Row(0, "h1spec-no-version", b"GET / \r\n\r\n", refuse()),
    Row(0, "h1spec-expect", b"GET /p HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\n\r\n", EMPTY),
    Row(0, "h1spec-get", b"GET /p HTTP/1.1\r\nHost: example.com\r\n\r\n", EMPTY),
    Row(0, "h1spec-odd-but-valid", b"GET /p HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n", EMPTY),
    Row(0, "h1spec-bad-name", b"GET /p HTTP/1.1\r\nHost: example.com\r\nX-Invalid[]: test\r\n\r\n", BAD),
    Row(0, "h1spec-no-host", b"GET /p HTTP/1.1\r\nContent-Length: 5\r\n\r\n", BAD),
    Row(0, "h1spec-two-hosts", b"GET /p HTTP/1.1\r\nHost: example.com\r\nHost: example.org\r\n\r\n", BAD),
    Row(0, "h1spec-length-minus-big", get(b"Content-Length: -123456789123456789123456789\r\n"), BAD),
    Row(0, "h1spec-length-minus", get(b"Content-Length: -1234\r\n"), BAD),
    Row(0, "h1spec-length-abc", get(b"Content-Length: abc\r\n"), BAD),
    Row(0, "h1spec-empty-value", get(b"X-Empty-Header: \r\n"), EMPTY),
    Row(0, "h1spec-bell", get(b"X-Bad-Control-Char: test\x07\r\n"), BAD),
    Row(0, "h1spec-version", b"GET /p HTTP/9.9\r\nHost: example.com\r\n\r\n", refuse(400, 505)),
    Row(0, "h1spec-prefix", b"Extra lineGET /p HTTP/1.1\r\nHost: example.com\r\n\r\n", refuse()),
    Row(0, "h1spec-line-ending", b"GET /p HTTP/1.1\r\nHost: example.com\r\n\rSome-Header: Test\r\n\r\n", BAD),
    Row(0, "h1spec-post", post(b"Content-Length: 5\r\n", b"hello"), HELLO),
    Row(0, "h1spec-chunked", chunked(b"c\r\nHellO world1\r\n0\r\n\r\n"), Accept((b"HellO world1",))),
    Row(
        0,
        "h1spec-te-cl",
        post(b"content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n", b"c\r\nHellO world1\r\n0\r\n\r\n"),
        BAD,
    ),
]


@pytest.mark.parametrize("row", TRAPS, ids=[row.name for row in TRAPS])
async def test_trap(row: Row) -> None:
    await run_row(row)


@pytest.mark.parametrize("mode", MODES)
async def test_connect_not_taken(mode: str) -> None:
    """A parser that pauses at CONNECT swallows what is behind it: served, or the connection closed, but no silence."""
    for data in (line(b"CONNECT h:80 HTTP/1.1"), line(b"CONNECT [::1]:443 HTTP/1.1")):
        recorder = Recorder(mode)
        async with served(recorder.app()) as here:
            outcome = await exchange(here, [data, AFTER])
        answers = parse_answers(outcome.data, clean=outcome.clean)
        assert 400 <= answers[0].status < 600, "2xx to CONNECT would be a tunnel"
        assert answers[0].status != 500
        assert [answer.status for answer in answers[1:]] == [200] or answers[0].closes


async def test_options_asterisk() -> None:
    """RFC 9112 3.2.4: the one method with an asterisk; it is no path of the application."""
    recorder = Recorder("reads")
    async with served(recorder.app()) as here:
        outcome = await exchange(here, [line(b"OPTIONS * HTTP/1.1") + AFTER])
    answers = parse_answers(outcome.data, clean=outcome.clean)
    assert answers[0].status in {200, 204, 404, 405}
    assert answers[1].status == 200


# ---- h1spec: fragments must wait

WHOLE = b"GET /p HTTP/1.1\r\nHost: localhost\r\n\r\n"
FRAGMENTS = [WHOLE[:end] for end in range(1, len(WHOLE))]


async def test_fragments_wait() -> None:
    """A cut head is no fault: no byte is answered until the rest is there, and then it is served."""
    recorder = Recorder("reads")
    async with served(recorder.app()) as here, asyncio.timeout(10):
        for fragment in FRAGMENTS:
            recorder.reached.clear()
            raw = await here.raw()
            await raw.send(fragment)
            first = asyncio.create_task(raw.receive(1))
            for _ in range(30):
                await asyncio.sleep(0)
            assert not first.done(), fragment
            assert not recorder.reached, fragment
            await raw.send(WHOLE[len(fragment) :])
            assert await first == b"H", fragment
            await raw.until(b"\r\n\r\n")
            assert recorder.reached == ["/p"], fragment
            await raw.close()


async def test_fragments_then_eof() -> None:
    """A client that ends inside a head gets an end, and no handler hears of it."""
    recorder = Recorder("reads")
    async with served(recorder.app()) as here:
        for fragment in FRAGMENTS:
            outcome = await exchange(here, [fragment], eof=True)
            answers = parse_answers(outcome.data, clean=outcome.clean)
            assert [answer.status for answer in answers] in ([], [400], [408]), fragment
            assert not recorder.reached, fragment


# ---- gate 1: delivery invariance

CONVERSATION = b"".join(
    [
        get(),
        post(b"Content-Length: 5\r\n", b"hello"),
        chunked(b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Checksum: abc\r\n\r\n"),
        b"HEAD /p HTTP/1.1\r\nHost: h\r\n\r\n",
        post(WS + b"Content-Length: 5\r\n", b"hello"),
        b"GET /missing HTTP/1.1\r\nHost: h\r\n\r\n",
        b"DELETE /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT http://h/p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n\r\n",
        AFTER,
    ]
)


def _by_lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


@pytest.mark.parametrize("ending", [b"", get(b"X[]: y\r\n"), b"\0"], ids=["good", "bad", "junk"])
@pytest.mark.parametrize("mode", MODES)
async def test_gate_1_delivery_invariance(mode: str, ending: bytes) -> None:
    """A conversation whole, by lines, by bytes and at random cuts: the same calls and the same answers."""
    data = CONVERSATION + ending if not ending else CONVERSATION[: -len(AFTER)] + ending + POISON
    methods = ("GET", "POST", "POST", "HEAD", "POST", "GET", "DELETE", "PUT", "GET")
    reached = 8 + (not ending)
    deliveries = [[data], _by_lines(data), cut(data, "bytewise"), *(cut(data, "random", seed) for seed in range(12))]
    seen: list[object] = []
    for pieces in deliveries:
        recorder = Recorder(mode)
        async with served(recorder.app()) as here:
            outcome = await exchange(here, pieces)
        answers = parse_answers(outcome.data, clean=outcome.clean, methods=methods)
        calls = [
            (call.method, call.target, call.headers, call.body, call.trailers, type(call.error))
            for call in recorder.calls
        ]
        if mode == "streams":  # an answer to HEAD may end the handler at its first write
            calls = [call for call in calls if call[0] != "HEAD"]
        assert len(recorder.reached) == reached
        seen.append(([answer.undated for answer in answers], calls, recorder.reached, outcome.clean))
    for pieces, other in zip(deliveries, seen, strict=True):
        assert other == seen[0], f"in {len(pieces)} pieces {pieces[:20]}:\n  {other}\nwhole:\n  {seen[0]}"


# ---- gate 2: fuzz

SEEDS = [
    get(),
    get(b"Connection: close\r\n"),
    get(b"Connection: keep-alive, x\r\nX-A: b\r\nX-A: c\r\n"),
    post(b"Content-Length: 5\r\n", b"hello"),
    post(b"Content-Length: 0\r\n"),
    chunked(b"5\r\nhello\r\n0\r\n\r\n"),
    chunked(b'1;a=b\r\nh\r\n4;c="d"\r\nello\r\n0;e\r\nX-T: u\r\n\r\n'),
    post(WS + b"Content-Length: 5\r\n", b"hello"),
    post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
    post(b"Content-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"),
    b"GET http://h:80/p?a=b HTTP/1.1\r\nHost: h\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
    b"GET /p HTTP/1.0\r\n\r\n",
    b"POST /p HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
]
#: Cases of each handler mode and loop; `FUZZED=100000 pytest -k gate_2` for a long run.
FUZZED = int(os.environ.get("FUZZED", "2000"))


def _case(seed: int) -> tuple[bytes, list[bytes]]:
    rng = Random(seed)
    data = b"".join(rng.choice(SEEDS) for _ in range(rng.randint(1, 3)))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6))):
        data = mutate(rng, data)
    if rng.random() < 0.05:
        data = rng.randbytes(rng.randrange(200))
    delivery = rng.choice(("whole", "random", "random", "bytewise"))
    return data, cut(data, delivery, seed) or [b""]


def _in_order(some: Sequence[object], every: Sequence[object]) -> bool:
    """Whether `some` is left of `every` when items are taken out of it."""
    left = iter(every)
    return all(item in left for item in some)


def _judge_fuzz(recorder: Recorder, outcome: Outcome, reading: Reading) -> None:
    answers = parse_answers(outcome.data, clean=outcome.clean, cut=True)
    for answer in answers:
        assert answer.status in {200, 204, 404, 405} | REFUSALS, answer
    heads = [target.decode("latin-1") for _, target in reading.heads]
    assert _in_order(recorder.reached, heads), f"reached {recorder.reached}, at most {heads}"
    assert len(answers) <= len(reading.heads) + 1
    taken = [(call.method, call.target, call.body) for call in recorder.calls if call.body is not None]
    whole = [(seen.method.decode(), seen.target.decode("latin-1"), seen.body) for seen in reading.whole]
    assert _in_order(taken, whole), f"a body that nobody sent: {taken}, at most {whole}"


@pytest.mark.parametrize("mode", MODES)
async def test_gate_2_any_bytes(mode: str, loop_errors: list[str]) -> None:
    """Any bytes give answers or a refusal and an end; never more than a strict second reading finds in them."""
    recorder = Recorder(mode)
    timeouts = Timeouts(hold=0.2, linger=0.2)
    async with served(recorder.app(timeouts=timeouts)) as here:
        for seed in range(FUZZED):
            data, pieces = _case(seed)
            if b"HEAD" in data:
                continue  # its answers can only be read by somebody who knows the method
            recorder.calls.clear()
            recorder.reached.clear()
            try:
                outcome = await exchange(here, pieces, eof=True)
            except Hang as error:
                pytest.fail(f"seed {seed}: {error}\n  in: {data!r}")
            try:
                _judge_fuzz(recorder, outcome, read_requests(data))
                assert not loop_errors, loop_errors
            except AssertionError as error:
                pytest.fail(f"seed {seed}: {error}\n  in: {data!r}\n  out: {outcome.data!r}")


def test_the_second_reading_takes_the_seeds() -> None:
    """The oracle is no oracle if it refuses everything."""
    for data in SEEDS:
        reading = read_requests(data)
        assert len(reading.whole) == len(reading.heads) == 1, data


# ---- gate 5: half-close


class Slow:
    """An application that answers when it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    def app(self) -> App:
        web = App(port=0)
        web.add_route("/p", self.handle)
        web.add_route("/quick", self.quick)
        return web

    async def handle(self, r: Request) -> bytes:
        body = await r.read()
        self.begun.set()
        await self.go.wait()
        return b"slow " + body

    async def quick(self, r: Request) -> str:
        return "quick"


@pytest.mark.parametrize("kind", ["memory", "tcp", "unix"])
@pytest.mark.parametrize("pipelined", [0, 1, 5])
async def test_gate_5_half_close(kind: str, pipelined: int) -> None:
    """A client that shut its sending side down gets every answer that is due, and then the end."""
    slow = Slow()
    async with served(slow.app(), kind) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(post(b"Content-Length: 5\r\n", b"hello") + line(b"GET /quick HTTP/1.1") * pipelined)
        await raw.eof()
        await slow.begun.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        slow.go.set()
        answers = parse_answers(await raw.rest())
    assert [answer.body for answer in answers] == [b"slow hello"] + [b"quick"] * pipelined


@pytest.mark.parametrize("before", [0, 1, 2, 5])
@pytest.mark.parametrize("mode", MODES)
async def test_gate_5_half_close_inside_a_pipelined_body(mode: str, before: int) -> None:
    """What was whole is answered; the handler of the cut one is told, even if the FIN came long before its turn."""
    recorder = Recorder(mode)
    good = post(b"Content-Length: 5\r\n", b"hello")
    async with served(recorder.app()) as here:
        outcome = await exchange(here, [good * before + good[:-2]], eof=True)
    answers = parse_answers(outcome.data, clean=outcome.clean)
    assert [answer.status for answer in answers[:before]] == [200] * before
    assert all(answer.complete for answer in answers[:before])
    assert all(call.body is None for call in recorder.calls[before:])
    assert len(answers) <= before + 1


async def test_gate_5_half_close_between_requests() -> None:
    """The FIN of an idle connection ends it in order, with nothing said."""
    recorder = Recorder("reads")
    async with served(recorder.app()) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(get())
        head = await raw.until(b"\r\n\r\n")
        assert b"content-length: 0" in head.lower()
        await raw.eof()
        assert await raw.rest() == b""


async def test_gate_5_half_close_with_a_streamed_answer() -> None:
    """What is written long after the client's FIN still arrives, whole."""
    begun, go = asyncio.Event(), asyncio.Event()
    web = App(port=0)

    @web.get("/p")
    async def handler(r: Request) -> None:
        await r.prepare({"content-type": "text/plain"}, 200)
        begun.set()
        await go.wait()
        for _ in range(100):
            await r.write(b"x" * 10_000)

    async with served(web) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(get())
        await raw.eof()
        await begun.wait()
        go.set()
        (answer,) = parse_answers(await raw.rest())
    assert answer.complete
    assert answer.body == b"x" * 1_000_000


# ---- gate 6: slow peers; the waits end with the connection, each bounded by a timeout

TICK = 0.01


async def _until_end(raw: Raw) -> Outcome:
    try:
        return Outcome(await raw.rest(), True)
    except ConnectionError:
        return Outcome(bytes(raw.buffer), False)


async def _drip(raw: Raw, pieces: Iterable[bytes]) -> Outcome:
    """Send a piece every tick until the connection ends."""
    ending = asyncio.create_task(_until_end(raw))
    for piece in pieces:
        try:
            await raw.send(piece)
        except ConnectionError:
            break
        done, _ = await asyncio.wait({ending}, timeout=TICK)
        if done:
            break
    return await ending


def _refused_in_time(outcome: Outcome, *before: int) -> None:
    statuses = [answer.status for answer in parse_answers(outcome.data, clean=outcome.clean)]
    assert statuses in ([*before], [*before, 408]), statuses


async def test_41_silent_connection() -> None:
    """Node CVE-2018-12122, CVE-2019-5737: the deadline of the first head runs from accept."""
    recorder = Recorder("reads")
    async with served(recorder.app(timeouts=Timeouts(head=0.05))) as here, asyncio.timeout(10):
        _refused_in_time(await _until_end(await here.raw()))


async def test_41_silent_connection_over_tcp() -> None:
    recorder = Recorder("reads")
    async with served(recorder.app(timeouts=Timeouts(head=0.05)), "tcp") as here, asyncio.timeout(10):
        _refused_in_time(await _until_end(await here.raw()))


@pytest.mark.parametrize(
    "start", [b"", b"GET /", b"GET /p HTTP/1.1\r\nHost: h\r\nX: "], ids=["nothing", "line", "field"]
)
async def test_41_dripped_head(start: bytes) -> None:
    """Slowloris: bytes that come do not move the deadline."""
    recorder = Recorder("reads")
    async with served(recorder.app(timeouts=Timeouts(head=0.1))) as here, asyncio.timeout(10):
        outcome = await _drip(await here.raw(), itertools.chain([start] if start else [], itertools.repeat(b"G")))
    _refused_in_time(outcome)
    assert not recorder.reached


async def test_41_dripped_empty_lines() -> None:
    """Empty lines before a request line may be skipped, but not for ever."""
    recorder = Recorder("reads")
    async with served(recorder.app(timeouts=Timeouts(head=0.1))) as here, asyncio.timeout(10):
        outcome = await _drip(await here.raw(), itertools.repeat(b"\r\n"))
    answers = parse_answers(outcome.data, clean=outcome.clean)
    assert all(answer.status in {400, 408} for answer in answers)
    assert not recorder.reached


async def test_41_dripped_second_head() -> None:
    """The head deadline is there for every head, whatever the keep-alive allows."""
    recorder = Recorder("reads")
    timeouts = Timeouts(head=0.1, keep_alive=600)
    async with served(recorder.app(timeouts=timeouts)) as here, asyncio.timeout(10):
        outcome = await _drip(await here.raw(), itertools.chain([get(), b"GET /"], itertools.repeat(b"a")))
    _refused_in_time(outcome, 200)
    assert recorder.reached == ["/p"]


async def test_41_idle_keep_alive() -> None:
    """Between two requests: closed in order and without a word, since a late 408 answers nobody."""
    recorder = Recorder("reads")
    timeouts = Timeouts(keep_alive=0.05, head=600)
    async with served(recorder.app(timeouts=timeouts)) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(get())
        outcome = await _until_end(raw)
    assert outcome.clean
    (answer,) = parse_answers(outcome.data)
    assert answer.status == 200
    assert not answer.closes


@pytest.mark.parametrize(
    "fields", [b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n"], ids=["length", "chunked"]
)
async def test_42_body_of_a_byte_at_a_time(fields: bytes) -> None:
    """No peer checked cuts a body of a byte a second: this one does, and the handler is told."""
    recorder = Recorder("reads")
    timeouts = Timeouts(slow_body=0.1, min_rate=100_000)
    async with served(recorder.app(timeouts=timeouts)) as here, asyncio.timeout(10):
        start = post(fields) + (b"ffffff\r\n" if b"chunked" in fields else b"")
        outcome = await _drip(await here.raw(), itertools.chain([start], itertools.repeat(b"x")))
    _refused_in_time(outcome)
    (call,) = recorder.calls
    assert call.body is None
    assert call.error is not None


@pytest.mark.parametrize("mode", ["reads", "ignores"])
async def test_42_body_that_never_comes(mode: str) -> None:
    recorder = Recorder(mode)
    timeouts = Timeouts(slow_body=0.1, idle=0.1, hold=0.1)
    async with served(recorder.app(timeouts=timeouts)) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(post(b"Content-Length: 1000\r\n", b"x"))
        outcome = await _until_end(raw)
    _refused_in_time(outcome, *([200] if mode == "ignores" else []))
    assert all(call.body is None for call in recorder.calls)


async def test_42_signaling_peer_may_be_silent() -> None:
    """Once the answer's head is out, no minimum rate holds: only `idle` does."""
    recorder = Recorder("streams")
    timeouts = Timeouts(slow_body=0.05, min_rate=100_000)
    async with served(recorder.app(timeouts=timeouts)) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(chunked(b""))
        await raw.until(b"\r\n\r\n")
        more = asyncio.create_task(raw.receive(1))
        done, _ = await asyncio.wait({more}, timeout=1.5)
        assert not done, "a silent duplex peer was cut"
        await raw.send(b"5\r\nhello\r\n0\r\n\r\n")
        await more
        assert b"hello" in await raw.until(b"0\r\n\r\n")
    assert recorder.calls[0].body == b"hello"


async def test_42_idle_exchange_ends() -> None:
    """`idle`: an exchange on which no byte moves."""
    recorder = Recorder("streams")
    async with served(recorder.app(timeouts=Timeouts(idle=0.1))) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(chunked(b"5\r\nhello\r\n"))
        outcome = await _until_end(raw)
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert not answer.complete
    assert recorder.calls[0].body is None
    assert recorder.calls[0].error is not None


@pytest.mark.parametrize("kind", ["memory", "tcp"])
async def test_42_unread_answer(kind: str) -> None:
    """Slow read: bytes wait and the peer takes none: the handler is told, with a bounded amount accepted."""
    errors: list[BaseException] = []
    written = 0
    told = asyncio.Event()
    web = App(port=0, timeouts=Timeouts(write=0.1))

    @web.get("/p")
    async def handler(r: Request) -> None:
        nonlocal written
        await r.prepare({"content-type": "text/plain"}, 200)
        try:
            while True:
                await r.write(b"x" * 65536)
                written += 65536
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            told.set()

    async with served(web, kind) as here, asyncio.timeout(10):
        raw = await here.raw(receive_buffer=65536)
        await raw.send(get())
        await told.wait()
        outcome = await _until_end(raw)
    assert written < 32 * 1024 * 1024
    assert isinstance(errors[0], (OSError, asyncio.CancelledError)), errors  # WriteTimeout or Disconnected
    assert all(not answer.complete for answer in parse_answers(outcome.data, clean=outcome.clean))


async def test_42_held_body_is_let_go() -> None:
    """An answer prepared before the inbound end, a handler that returned, a body nobody claims: held, then closed."""
    web = App(port=0, timeouts=Timeouts(hold=0.1))

    @web.post("/p")
    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "5"}, 200)
        await r.eof(b"early")

    async with served(web) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(post(b"Content-Length: 1000\r\n", b"x"))
        outcome = await _until_end(raw)
    (answer,) = parse_answers(outcome.data, clean=outcome.clean)
    assert answer.body == b"early"


async def test_42_lingering_is_bounded() -> None:
    """RFC 9112 9.6: after a refusal the server reads on for a while, but not for as long as the peer likes."""
    recorder = Recorder("reads")
    async with served(recorder.app(timeouts=Timeouts(linger=0.1))) as here, asyncio.timeout(10):
        raw = await here.raw()
        await raw.send(get(b"X[]: y\r\n"))
        assert b" 400 " in await raw.until(b"\r\n")
        never = asyncio.get_running_loop().create_future()
        while True:  # ends when the link refuses to take more
            try:
                await raw.send(POISON)
            except ConnectionError:
                break
            await asyncio.wait({never}, timeout=TICK)
    assert not recorder.reached
