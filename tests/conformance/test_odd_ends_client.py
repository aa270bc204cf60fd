"""Odd ends of a client's exchanges: what is left behind, what comes too late, and links that go at a bad moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering, read_head, read_request
from tests.helpers.raw import PATIENCE, raw_server
from tests.helpers.served import served
from toolkit import App, Disconnected, PoolLimits, Timeouts, WriteTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.helpers.raw import RawServer
    from toolkit import Exchange, Request, Response, Session
    from toolkit.protocol.aio.clock import Clock

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
PART_OF_A_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-left: over\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: q\r\n\r\n"


async def fetch(http: Session, url: str) -> bytes:
    return (await http.get(url)).content


def clock_of(http: Session) -> Clock:
    assert http._transports is not None
    return http._transports.clock


async def fill(request: Response) -> None:
    """Write to a peer that reads nothing."""
    async with request as x:
        while True:
            await x.write(bytes(65536))


async def turns(count: int = 50) -> None:
    """Let the loop take what the kernel has."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("late", [False, True], ids=["same-segment", "while-idle"])
@pytest.mark.parametrize("left", [PART_OF_A_HEAD, b"H", b"\r\n"], ids=["part-of-a-head", "one-byte", "crlf"])
async def test_bytes_behind_an_answer_end_the_connection(left: bytes, late: bool) -> None:
    async with asyncio.timeout(PATIENCE), raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(fetch(http, peer.url))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(OK if late else OK + left)
        assert await asking == b"ok"
        if late:
            await raw.send(left)
        async with asyncio.timeout(2):
            await raw.gone()
        again = asyncio.ensure_future(fetch(http, peer.url))
        fresh = await peer.accept()
        await read_request(fresh)
        await fresh.send(OK)
        assert await again == b"ok"


async def test_a_redirect_with_a_body_too_long_to_read_off_is_followed() -> None:
    web = App(port=0)

    @web.get("/a")
    async def first(r: Request) -> object:
        return 302, b"x" * 200_000, {"location": "/b"}

    @web.get("/b")
    async def second(r: Request) -> str:
        return "b"

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here, here.session() as http:
        answer = await http.get(f"{here.url}/a", follow_redirects=True)
        assert (answer.status, answer.content) == (200, b"b")


@pytest.mark.parametrize("way", ["fin", "reset"])
async def test_a_request_on_a_kept_connection_that_ends_is_sent_again(way: str) -> None:
    async with asyncio.timeout(PATIENCE), raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(fetch(http, peer.url))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(OK)
        assert await asking == b"ok"
        again = asyncio.ensure_future(fetch(http, peer.url))
        await read_request(raw)
        if way == "fin":
            await raw.close()
        else:
            raw.reset()
        fresh = await peer.accept()
        await read_request(fresh)
        await fresh.send(OK)
        assert await again == b"ok"


async def test_an_upload_whose_link_died_does_not_wait_for_its_source() -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.get_running_loop().create_future()

    async def upload(http: Session, url: str) -> None:
        _ = await http.post(url, body=source())

    async with asyncio.timeout(3), raw_server() as peer, peer.session() as http:
        sending = asyncio.ensure_future(upload(http, peer.url))
        raw = await peer.accept()
        await raw.until(b"first")
        raw.reset()
        with pytest.raises(Disconnected):
            await sending


async def test_a_fin_right_behind_a_101_leaves_the_own_half() -> None:
    async with (
        asyncio.timeout(PATIENCE),
        raw_server() as peer,
        peer.session() as http,
        answering(peer, http.get(peer.url, upgrade="q"), SWITCHING + b"hello") as (x, raw, _),
    ):
        await raw.eof()
        await turns()
        stream = await x.upgrade()
        await stream.write(b"my half")
        await stream.eof()
        assert b"".join([part async for part in stream]) == b"hello"
        assert await raw.rest() == b"my half"


@pytest.mark.parametrize("size", [None, 50, 80])
async def test_what_arrived_before_the_link_was_lost_is_read_in_any_size(size: int | None) -> None:
    got = 0

    async def read(http: Session, peer: RawServer) -> None:
        nonlocal got
        async with answering(peer, http.get(peer.url), begun) as (x, raw, _):
            await raw.close()
            async for part in x.pull(size=size):
                got += len(part)

    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 60
    async with asyncio.timeout(PATIENCE), raw_server() as peer, peer.session() as http:
        with pytest.raises(Disconnected):
            await read(http, peer)
    assert got == 60


async def test_a_redirect_that_drops_the_body_drops_its_expectation() -> None:
    async def ask(http: Session, url: str) -> bytes:
        return (await http.post(url, body=b"abc", expect_continue=True, follow_redirects=True)).content

    async with asyncio.timeout(PATIENCE), raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, peer.url))
        raw = await peer.accept()
        line, fields = await read_head(raw)
        assert line.startswith("POST ")
        assert dict(fields)["expect"] == "100-continue"
        await raw.send(b"HTTP/1.1 303 See\r\nlocation: /b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await raw.eof()
        fresh = await peer.accept()
        line, fields = await read_head(fresh)
        assert line.startswith("GET /b ")
        assert "expect" not in {name.lower() for name, _ in fields}
        await fresh.send(OK)
        assert await asking == b"ok"


async def test_a_body_whose_reader_dies_after_its_block_was_left_gives_the_connection_back() -> None:
    begun = asyncio.Event()

    async def read(x: Exchange) -> None:
        async for _ in x:
            begun.set()
            await asyncio.get_running_loop().create_future()

    timeouts = Timeouts(hold=0.05, pool=2)
    async with (
        asyncio.timeout(PATIENCE),
        raw_server() as peer,
        peer.session(pool=PoolLimits(connections=1), timeouts=timeouts) as http,
    ):
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nfirst"
        async with answering(peer, http.get(peer.url), head) as (x, _, _):
            reading = asyncio.ensure_future(read(x))
            await begun.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        again = asyncio.ensure_future(fetch(http, peer.url))
        async with asyncio.timeout(2):
            fresh = await peer.accept()
        await read_request(fresh)
        await fresh.send(OK)
        assert await again == b"ok"


async def test_a_requests_own_write_deadline_holds() -> None:
    timeouts = Timeouts(write=0.1)
    async with asyncio.timeout(3), raw_server() as peer, peer.session() as http:
        with pytest.raises(WriteTimeout):
            await fill(http.post(peer.url, timeouts=timeouts))


async def test_deadlines_of_single_requests_are_not_kept() -> None:
    web = App(port=0)
    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here, here.session() as http:
        _ = await http.get(here.url)
        clock = clock_of(http)
        before = len(clock._deadlines)
        for number in range(50):
            _ = await http.get(here.url, timeouts=Timeouts(read=5 + number / 1000))
        assert len(clock._deadlines) - before <= 1


async def test_a_requests_own_write_deadline_ends_with_its_connection() -> None:
    async with asyncio.timeout(PATIENCE), raw_server() as peer, peer.session() as http:
        filling = asyncio.ensure_future(fill(http.post(peer.url, timeouts=Timeouts(write=100))))
        raw = await peer.accept()
        clock = clock_of(http)
        async with asyncio.timeout(2):
            while not [deadline for deadline in clock._active if deadline.seconds == 100 and deadline._due]:
                await turns(1)
        raw.reset()
        with pytest.raises(Disconnected):
            await filling
        await turns()
        assert not [deadline for deadline in clock._active if deadline.seconds == 100 and deadline._due]
