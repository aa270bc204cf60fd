"""Any split of the same bytes gives the same result: answers at our client, requests at our server."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.raw import raw_server
from tests.helpers.served import served
from toolkit import App

if TYPE_CHECKING:
    from toolkit import Request

TEXT = b"some text, again and again\n" * 20


@dataclass(frozen=True)
class Case:
    """Bytes of an answer, and what the client makes of them."""

    sent: bytes
    status: int
    body: bytes
    complete: bool | None
    trailers: tuple[tuple[str, str], ...] = ()
    interim: int = 0


OK = b"HTTP/1.1 200 OK\r\n"
CASES = [
    Case(OK + b"content-length: 5\r\n\r\nhello", 200, b"hello", True),
    Case(OK + b"transfer-encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 200, b"hello", True),
    Case(
        OK + b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nx-a: 1\r\nX-B: 2\r\n\r\n",
        200,
        b"hello",
        True,
        (("x-a", "1"), ("x-b", "2")),
    ),
    Case(b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" * 2 + OK + b"content-length: 2\r\n\r\nok", 200, b"ok", True, (), 2),
    Case(OK + b"\r\nuntil the end", 200, b"until the end", None),
    Case(b"HTTP/1.0 404 Not Found\r\nserver: old\r\n\r\nnowhere", 404, b"nowhere", None),
    Case(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    Case(
        OK
        + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(gzip.compress(TEXT, mtime=0))
        + gzip.compress(TEXT, mtime=0),
        200,
        TEXT,
        True,
    ),
]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


async def client_sees(case: Case, parts: list[bytes]) -> None:
    async with raw_server("memory") as peer, peer.session() as http:

        async def serve() -> None:
            raw = await peer.accept()
            await raw.until(b"\r\n\r\n")
            for part in parts:
                await raw.send(part)
                for _ in range(2):
                    await asyncio.sleep(0)  # each piece arrives by itself
            await raw.eof()

        serving = asyncio.ensure_future(serve())
        async with http.get(f"{peer.url}/") as x:
            assert await x.read() == case.body
        await serving
        assert (x.status, x.complete, len(x.interim)) == (case.status, case.complete, case.interim)
        trailers = [(name.lower(), value) for name, value in x.trailers.items()] if x.trailers else []
        assert trailers == list(case.trailers)


@given(case=st.sampled_from(CASES), cuts=st.lists(st.integers(0, 10_000), max_size=12))
@settings(max_examples=60, deadline=None)
async def test_any_split_of_an_answer(case: Case, cuts: list[int]) -> None:
    await client_sees(case, pieces(case.sent, cuts))


async def test_every_answer_byte_by_byte() -> None:
    for case in CASES:
        await client_sees(case, pieces(case.sent, list(range(len(case.sent)))))


REQUESTS = (
    b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
    b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"
    b"GET /value?a=1 HTTP/1.1\r\nhost: x\r\n\r\n"
    b"HEAD /value HTTP/1.1\r\nhost: x\r\n\r\n"
    b"POST /ignored HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nlost"
    b"GET /value HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
)


async def server_says(parts: list[bytes]) -> list[object]:
    """What the handlers saw, and the statuses in order."""
    web = App(port=0)
    seen: list[object] = []

    @web.post("/echo")
    async def echo(r: Request) -> bytes:
        body = await r.read()
        seen.append((body, r.trailers["x-t"] if r.trailers else None))
        return body

    @web.get("/value")
    async def value(r: Request) -> str:
        seen.append((r.method, r.params()))
        return "value"

    @web.post("/ignored")
    async def ignored(r: Request) -> str:
        seen.append("ignored")
        return "ignored"

    async with served(web) as here:
        raw = await here.raw()
        for part in parts:
            await raw.send(part)
            for _ in range(2):
                await asyncio.sleep(0)
        rest = await raw.rest()
        seen.append(re.findall(rb"HTTP/1.1 (\d+) ", rest))
        seen.append([word in rest for word in (b"hello", b"abc", b"value", b"ignored")])
    return seen


EXPECTED = [
    (b"hello", None),
    (b"abc", "1"),
    ("GET", {"a": "1"}),
    ("HEAD", {}),
    "ignored",
    ("GET", {}),
    [b"200"] * 6,
    [True] * 4,
]


@given(cuts=st.lists(st.integers(0, 10_000), max_size=12))
@settings(max_examples=40, deadline=None)
async def test_any_split_of_requests(cuts: list[int]) -> None:
    assert await server_says(pieces(REQUESTS, cuts)) == EXPECTED


async def test_requests_byte_by_byte() -> None:
    assert await server_says(pieces(REQUESTS, list(range(len(REQUESTS))))) == EXPECTED
