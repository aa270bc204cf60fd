"""Zero copy, counted by method: splice between two TCP links, sendfile from a file to one, a copy where neither can."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import raw_server
from tests.helpers.served import KINDS, Served, served
from toolkit import App, PoolLimits

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit import Moved, Request

MIB = 1024 * 1024
SIZE = 8 * MIB
BUFFERED = MIB  # what may have been read before zero copy began: a mark, and one read of the loop
DATA = random.Random(8).randbytes(SIZE)
SUM = hashlib.sha256(DATA).hexdigest()
LINUX = sys.platform == "linux"
PAIRS = [(a, b) for a in KINDS for b in KINDS]


def source_app(seen: list[int]) -> App:
    """Serves DATA with its length, or chunked; notes the peer's port, to see the connection reused."""
    web = App(port=0)

    @web.get("/length")
    async def length(r: Request) -> None:
        seen.append(r.ip_port)
        await r.prepare({"content-length": str(SIZE)})
        for start in range(0, SIZE, 65536):
            await r.write(DATA[start : start + 65536])

    @web.get("/chunked")
    async def chunked(r: Request) -> None:
        await r.prepare()
        for start in range(0, SIZE, 65536):
            await r.write(DATA[start : start + 65536])

    @web.put("/sum")
    async def checksum(r: Request) -> str:
        seen.append(r.ip_port)
        sha = hashlib.sha256()
        async for part in r:
            sha.update(part)
        return sha.hexdigest()

    return web


async def checksum_of(here: Served, path: str) -> tuple[str, int]:
    """What a session of its own reads: the checksum and the number of bytes."""
    sha, total = hashlib.sha256(), 0
    async with here.session() as http, http.get(f"{here.url}{path}") as x:
        async for part in x:
            sha.update(part)
            total += len(part)
    return sha.hexdigest(), total


@pytest.mark.parametrize(("upstream", "downstream"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_relay_from_a_client_to_a_server(upstream: str, downstream: str, framing: str) -> None:
    """Upstream answer to our answer; the upstream connection is right afterwards and reused."""
    ports: list[int] = []
    moved: list[Moved] = []
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(served(source_app(ports), upstream))
        inner = await stack.enter_async_context(there.session(pool=PoolLimits(connections=1)))
        web = App(port=0)

        @web.get("/")
        async def relay(r: Request) -> None:
            async with inner.get(f"{there.url}/{framing}", decode=False) as source:
                await r.prepare({"content-length": str(SIZE)})
                moved.append(await r.relay(source))

        here = await stack.enter_async_context(served(web, downstream))
        for _ in range(2):
            assert await checksum_of(here, "/") == (SUM, SIZE)
    for each in moved:
        assert each.total == each.splice + each.sendfile + each.copy == SIZE
        if LINUX and upstream == downstream == "tcp" and framing == "length":
            assert each.splice >= SIZE - BUFFERED
        if {upstream, downstream} & {"memory", "tls"}:
            assert each.copy == SIZE
    if upstream == "tcp" and framing == "length":
        assert len(set(ports)) == 1, "the upstream connection was not reused"


@pytest.mark.parametrize(("upstream", "downstream"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
async def test_relay_from_a_server_to_a_client(upstream: str, downstream: str) -> None:
    """An upload passed on: our request body into a request of ours."""
    ports: list[int] = []
    moved: list[Moved] = []
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(served(source_app(ports), upstream))
        inner = await stack.enter_async_context(there.session(pool=PoolLimits(connections=1)))
        web = App(port=0)

        @web.put("/")
        async def relay(r: Request) -> str:
            async with inner.put(f"{there.url}/sum", {"content-length": str(r.content_length)}) as sink:
                moved.append(await r_to(sink, r))
                await sink.eof()
                return await sink.text()

        async def r_to(sink: object, r: Request) -> Moved:
            return await sink.relay(r)  # type: ignore[attr-defined,no-any-return]  # a Response

        here = await stack.enter_async_context(served(web, downstream))
        http = await stack.enter_async_context(here.session(pool=PoolLimits(connections=1)))
        for _ in range(2):
            answer = await http.put(f"{here.url}/", body=DATA)
            assert await answer.text() == SUM
    for each in moved:
        assert each.total == SIZE
        if LINUX and upstream == downstream == "tcp":
            assert each.splice >= SIZE - BUFFERED
        if {upstream, downstream} & {"memory", "tls"}:
            assert each.copy == SIZE
    if upstream == "tcp":
        assert len(set(ports)) == 1, "the upstream connection was not reused"


@pytest.mark.parametrize("early", [0, 1, 1000, 300_000])
async def test_bytes_buffered_before_zero_copy_began_are_right(early: int) -> None:
    """The first bytes come with the head, are read, and must go out before what is spliced."""
    moved: list[Moved] = []
    async with raw_server("tcp") as peer, peer.session() as inner:
        web = App(port=0)
        begun = asyncio.Event()

        @web.get("/")
        async def relay(r: Request) -> None:
            async with inner.get(f"{peer.url}/", decode=False) as source:
                await r.prepare({"content-length": str(SIZE)})
                begun.set()
                moved.append(await r.relay(source))

        async def upstream() -> None:
            raw = await peer.accept()
            await raw.until(b"\r\n\r\n")
            await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE + DATA[:early])
            await begun.wait()
            await raw.send(DATA[early:])

        async with served(web, "tcp") as here:
            sending = asyncio.ensure_future(upstream())
            assert await checksum_of(here, "/") == (SUM, SIZE)
            await sending
    assert moved[0].total == SIZE
    if LINUX:
        assert moved[0].splice > 0


async def test_bytes_read_by_pull_before_the_relay_are_not_sent_again() -> None:
    """A relay goes on where a reader stopped."""
    moved: list[Moved] = []
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(served(source_app([]), "tcp"))
        inner = await stack.enter_async_context(there.session())
        web = App(port=0)

        @web.get("/")
        async def relay(r: Request) -> None:
            async with inner.get(f"{there.url}/length", decode=False) as source:
                await r.prepare({"content-length": str(SIZE)})
                body = source.pull(decode=False, size=1000)
                await r.write(await anext(body))
                await body.aclose()
                moved.append(await r.relay(source))

        here = await stack.enter_async_context(served(web, "tcp"))
        assert await checksum_of(here, "/") == (SUM, SIZE)
    assert moved[0].total == SIZE - 1000
    if LINUX:
        assert moved[0].splice >= SIZE - BUFFERED


async def test_a_source_that_dies_inside_the_splice_is_an_error_and_nothing_looks_whole() -> None:
    raised: list[BaseException] = []
    async with raw_server("tcp") as peer, peer.session() as inner:
        web = App(port=0)

        @web.get("/")
        async def relay(r: Request) -> None:
            async with inner.get(f"{peer.url}/", decode=False) as source:
                await r.prepare({"content-length": str(SIZE)})
                try:
                    await r.relay(source)
                except ConnectionError as error:
                    raised.append(error)
                    raise

        async def upstream() -> None:
            raw = await peer.accept()
            await raw.until(b"\r\n\r\n")
            await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE + DATA[: SIZE // 2])
            await raw.close()

        async with served(web, "tcp") as here:
            raw = await here.raw()
            sending = asyncio.ensure_future(upstream())
            await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await raw.until(b"\r\n\r\n")
            await raw.gone()
            assert len(raw.buffer) < SIZE
            await sending
    assert len(raised) == 1


async def test_a_sink_that_dies_inside_the_splice_ends_the_relay() -> None:
    over = asyncio.Event()
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(served(source_app([]), "tcp"))
        inner = await stack.enter_async_context(there.session())
        web = App(port=0)

        @web.get("/")
        async def relay(r: Request) -> None:
            try:
                async with inner.get(f"{there.url}/length", decode=False) as source:
                    await r.prepare({"content-length": str(SIZE)})
                    await r.relay(source)
            finally:
                over.set()

        here = await stack.enter_async_context(served(web, "tcp"))
        raw = await here.raw(receive_buffer=16384)
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await raw.until(b"\r\n\r\n")
        await raw.receive(MIB)
        raw.reset()
        await over.wait()
        assert (await (await inner.get(f"{there.url}/length")).read()) == DATA, "the session goes on"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("offset", "count"), [(0, None), (12345, None), (0, 1000), (777, 3 * MIB), (SIZE, None)])
async def test_send_file(kind: str, offset: int, count: int | None, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    expected = DATA[offset:] if count is None else DATA[offset : offset + count]
    moved: list[Moved] = []
    web = App(port=0)

    @web.get("/path")
    async def by_path(r: Request) -> None:
        await r.prepare({"content-length": str(len(expected) + 6)})
        await r.write(b"before")  # what was written first goes out first
        moved.append(await r.send_file(path, offset=offset, count=count))

    @web.get("/file")
    async def by_file(r: Request) -> None:
        await r.prepare({"content-length": str(len(expected))})
        with path.open("rb") as file:
            moved.append(await r.send_file(file, offset=offset, count=count))

    @web.get("/again")
    async def again(r: Request) -> str:
        return "again"

    async with served(web, kind) as here, here.session(pool=PoolLimits(connections=1)) as http:
        assert (await http.get(f"{here.url}/path")).content == b"before" + expected
        assert (await http.get(f"{here.url}/file")).content == expected
        assert (await http.get(f"{here.url}/again")).content == b"again"
    for each in moved:
        assert each.total == len(expected)
        if here.caps.zero_copy and len(expected) > 65536:  # less is cheaper to copy, joined with the head
            assert each.sendfile == len(expected)
        if kind in {"memory", "tls"}:
            assert each.copy == len(expected)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_sends_a_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    async with served(source_app([]), kind) as here, here.session() as http:
        async with http.put(f"{here.url}/sum", {"content-length": str(SIZE)}) as x:
            moved = await x.send_file(path)
            await x.eof()
            assert await x.text() == SUM
        assert moved.total == SIZE
        if here.caps.zero_copy:
            assert moved.sendfile == SIZE
        with path.open("rb") as file:
            answer = await http.put(f"{here.url}/sum", body=file)
        assert await answer.text() == SUM


@pytest.mark.parametrize("kind", KINDS)
async def test_send_file_over_chunks_is_framed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"before")
        await r.send_file(path, offset=1, count=100_000)
        await r.write(b"after")

    async with served(web, kind) as here, here.session() as http:
        assert (await http.get(f"{here.url}/")).content == b"before" + DATA[1:100_001] + b"after"


@pytest.mark.parametrize("kind", ["tcp", "memory"])
async def test_a_file_shorter_than_promised_is_an_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"short")
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "100"})
        await r.send_file(path)

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
        await raw.gone()
        assert bytes(raw.buffer).count(b"HTTP/1.1") <= 1
