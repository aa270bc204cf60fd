"""Chunks that are sent on as they come: every byte once and in order, and nothing lost where one end fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_head
from tests.helpers.raw import PATIENCE, Raw, raw_server
from tests.helpers.served import Served, served
from toolkit import App, Request, Session
from toolkit.errors import Disconnected, RemoteProtocolError, ToolkitError
from toolkit.protocol.aio import forwarding
from toolkit.protocol.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.protocol.aio.connection import Connection
    from toolkit.protocol.exchange import Exchange

LARGE = random.Random(5).randbytes(3 * 1024 * 1024 + 17)
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def forwarded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes went this way, run by run; -1 for a run that failed."""
    runs: list[int] = []
    real = forwarding.forward

    async def forward(sink: Connection, x: Exchange, origin: Connection, source: Exchange) -> int:
        runs.append(-1)
        runs[-1] = await real(sink, x, origin, source)
        return runs[-1]

    monkeypatch.setattr(forwarding, "forward", forward)
    return runs


class Proxy:
    """A server that relays another's answer, and what became of that."""

    def __init__(self, here: Served, http: Session, upstream: str) -> None:
        self.here = here
        self.http = http
        self.upstream = upstream
        self.moved: list[int] = []
        self.failed: list[BaseException] = []
        self.rest = b""
        self.received = 0
        self.over = asyncio.Event()

    async def __call__(self, r: Request) -> None:
        async with self.http.get(self.upstream) as source:
            await r.prepare({})
            try:
                self.moved.append((await r.relay(source)).total)
            except ToolkitError as error:
                self.failed.append(error)
                with contextlib.suppress(ToolkitError):
                    self.rest = b"".join([chunk async for chunk in source.pull(decode=False)])
                self.received = source.received_len
                raise
            finally:
                self.over.set()


@asynccontextmanager
async def proxied(upstream: str, limits: Limits = Limits()) -> AsyncIterator[Proxy]:
    web = App(port=0)
    async with asyncio.timeout(PATIENCE), Session(limits=limits) as http, served(web, "tcp") as here:
        proxy = Proxy(here, http, upstream)
        web.get("/")(proxy.__call__)
        yield proxy


def chunked(*pieces: bytes, line: bytes = b"%x\r\n") -> bytes:
    return b"".join(line % len(piece) + piece + b"\r\n" for piece in pieces)


async def begun(proxy: Proxy, **options: int) -> Raw:
    """A visitor whose request is on its way."""
    visitor = await proxy.here.raw(**options)
    await visitor.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return visitor


SIZES = {
    "one": [len(LARGE)],
    "signaling": [100_000] * 20,
    "mixed": [20_000, 1, 70_000, 17, 300_000],
    "small among large": [1] * 500 + [200_000] * 3 + [5] * 300,
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("line", [b"%x\r\n", b"%X\r\n", b"%x;a=b\r\n"], ids=["plain", "upper case", "extensions"])
@pytest.mark.parametrize("trailer", [b"", b"digest: 1\r\n"], ids=["no trailers", "trailers"])
async def test_chunks_arrive_as_they_were(sizes: list[int], line: bytes, trailer: bytes, forwarded: list[int]) -> None:
    """RFC 9112 7.1. Both connections are good for another exchange afterwards."""
    pieces = [LARGE[:size] for size in sizes]
    body = chunked(*pieces, line=line) + b"0\r\n" + trailer + b"\r\n"
    async with raw_server() as upstream, proxied(upstream.url) as proxy, proxy.here.session() as visitor:
        source: Raw | None = None
        for _ in range(2):
            answer = asyncio.ensure_future(_get(visitor, proxy.here.url))
            source = source or await upstream.accept()
            await read_head(source)
            await source.send(HEAD + body)
            assert await answer == b"".join(pieces)
    assert proxy.moved == [sum(sizes)] * 2
    assert len(forwarding._buffers) <= forwarding.POOLED
    if line != b"%x;a=b\r\n":
        assert sum(forwarded) > 0


async def _get(http: Session, url: str) -> bytes:
    return (await http.get(url)).content


@pytest.mark.parametrize("cut", [b"", b"\r", b"\r\n", b"\r\n1", b"\r\n10", b"\r\n10\r"], ids=repr)
async def test_a_cut_anywhere_between_two_chunks_leaves_a_whole_body(cut: bytes, forwarded: list[int]) -> None:
    """RFC 9112 7.1: what has come behind the data ends there, and the rest comes when that has been passed on."""
    behind = b"\r\n10\r\n" + b"0123456789abcdef" + b"\r\n0\r\n\r\n"
    got, there = bytearray(), asyncio.Event()

    async def visit(url: str) -> None:
        async with proxy.here.session() as visitor, visitor.get(url) as answer:
            async for piece in answer:
                got.extend(piece)
                if len(got) >= len(LARGE):
                    there.set()

    async with raw_server() as upstream, proxied(upstream.url) as proxy:
        visiting = asyncio.ensure_future(visit(proxy.here.url))
        source = await upstream.accept()
        await read_head(source)
        await source.send(HEAD + b"%x\r\n" % len(LARGE) + LARGE + cut)
        await there.wait()
        await source.send(behind[len(cut) :])
        await visiting
        assert got == LARGE + b"0123456789abcdef"
    assert forwarded[0] > 0


async def test_a_sink_that_dies_leaves_the_source_where_it_was(forwarded: list[int]) -> None:
    """What it did not take can be read: no byte is lost, none comes twice."""
    async with raw_server() as upstream, proxied(upstream.url) as proxy:
        visitor = await begun(proxy, receive_buffer=4096)
        source = await upstream.accept()
        await read_head(source)
        sending = asyncio.ensure_future(source.send(HEAD + chunked(*[LARGE] * 4) + b"0\r\n\r\n"))
        await visitor.until(b"\r\n\r\n")
        await visitor.receive(100_000)
        visitor.reset()
        await proxy.over.wait()
        await sending
        assert forwarded[-1] == -1
        assert proxy.received == 4 * len(LARGE)
        assert 0 < len(proxy.rest) < 4 * len(LARGE)
        assert (LARGE * 4).endswith(proxy.rest)
        await source.close()
        await visitor.close()


async def test_a_source_that_is_cut_off_is_no_end(forwarded: list[int]) -> None:
    """RFC 9112 8: the visitor's answer stops short."""
    async with raw_server() as upstream, proxied(upstream.url) as proxy:
        visitor = await begun(proxy)
        source = await upstream.accept()
        await read_head(source)
        await source.send(HEAD + chunked(LARGE)[: len(LARGE) // 2])
        await visitor.until(b"\r\n\r\n")
        await visitor.receive(1_000_000)
        await source.close()
        await proxy.over.wait()
        assert forwarded[0] > 0
        assert isinstance(proxy.failed[0], Disconnected)
        with contextlib.suppress(ConnectionError):
            assert not (await visitor.rest()).endswith(b"0\r\n\r\n")
        await visitor.close()


async def test_a_fault_behind_good_chunks_is_a_fault(forwarded: list[int]) -> None:
    """RFC 9112 7.1: what is not plain is looked at by the receiver."""
    async with raw_server() as upstream, proxied(upstream.url) as proxy:
        visitor = await begun(proxy)
        source = await upstream.accept()
        await read_head(source)
        await source.send(HEAD + chunked(LARGE, LARGE) + b"-5\r\nabcde\r\n0\r\n\r\n")
        await visitor.until(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not (await visitor.rest()).endswith(b"0\r\n\r\n")
        await proxy.over.wait()
        assert sum(forwarded) > 0
        assert isinstance(proxy.failed[0], RemoteProtocolError)
        await source.close()
        await visitor.close()


async def test_where_the_sum_has_a_limit_chunks_are_counted(forwarded: list[int]) -> None:
    """`Limits.body`."""
    limits = Limits(body=len(LARGE))
    async with raw_server() as upstream, proxied(upstream.url, limits) as proxy:
        visitor = await begun(proxy)
        source = await upstream.accept()
        await read_head(source)
        with contextlib.suppress(OSError):
            await source.send(HEAD + chunked(LARGE, b"x") + b"0\r\n\r\n")
        await proxy.over.wait()
        assert forwarded == []
        assert isinstance(proxy.failed[0], RemoteProtocolError)
        await source.close()
        await visitor.close()
