"""Time, by phase: each bound ends its own wait with its own error, and none where bytes still move (rule 19)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering, chunk, read_answer, read_head, read_request
from tests.helpers.raw import raw_server
from tests.helpers.served import KINDS, served
from toolkit import (
    App,
    ConnectTimeout,
    PoolLimits,
    PoolTimeout,
    ReadTimeout,
    Session,
    Timeouts,
    ToolkitTimeout,
    TotalTimeout,
    WriteTimeout,
)

if TYPE_CHECKING:
    from toolkit import Request, Response

LINKS = pytest.mark.parametrize("kind", KINDS)
SHORT = 0.05
POST = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def whole(request: Response) -> int | None:
    answer = await request
    return answer.status


def names(error: ToolkitTimeout, *words: str) -> bool:
    """Whether the message has every word."""
    return all(word in str(error) for word in words)


@LINKS
async def test_a_server_that_never_answers_is_a_read_timeout(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session(timeouts=Timeouts(read=SHORT)) as http:
        asking = asyncio.ensure_future(whole(http.get(f"{peer.url}/silent")))
        raw = await peer.accept()
        await read_request(raw)
        with pytest.raises(ReadTimeout) as caught:
            await asking
        assert names(caught.value, "GET", "/silent")
        assert isinstance(caught.value, TimeoutError)
        await raw.gone()  # the connection is not used again


@LINKS
async def test_a_server_that_stops_inside_its_answer_is_a_read_timeout(kind: str) -> None:
    sent = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"
    async with raw_server(kind) as peer, peer.session(timeouts=Timeouts(read=SHORT)) as http:
        x = http.get(f"{peer.url}/half")

        async def ask() -> None:
            async with answering(peer, x, sent):
                await x.read()

        with pytest.raises(ReadTimeout) as caught:
            await ask()
        assert names(caught.value, "GET", "/half", "4")
        assert x.complete is False
        assert x.status == 200


@LINKS
async def test_time_spent_outside_of_reading_is_no_read_timeout(kind: str) -> None:
    """Nobody waits, so nothing is late: a reader that comes after the bound gets its bytes."""
    sent = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"
    async with (
        raw_server(kind) as peer,
        peer.session(timeouts=Timeouts(read=SHORT)) as http,
        answering(peer, http.get(f"{peer.url}/"), sent) as (x, _, _),
    ):
        await passes(4 * SHORT)
        assert await x.read() == b"body"


@LINKS
async def test_bytes_that_move_the_other_way_keep_a_reader_waiting(kind: str) -> None:
    """An upload that goes on is progress: the reader of its answer is not timed out."""
    web = App(port=0)

    @web.post("/")
    async def count(r: Request) -> str:
        return str(len(await r.read()))

    async with (
        served(web, kind) as here,
        here.session(timeouts=Timeouts(read=0.2)) as http,
        http.post(f"{here.url}/") as x,
    ):
        reading = asyncio.ensure_future(x.head())
        for _ in range(8):
            await x.write(b"x" * 1000)
            await passes(0.06)
            assert not reading.done()
        await x.eof()
        await reading
        assert await x.text() == "8000"


async def passes(seconds: float) -> None:
    """Let time pass: wait for what never comes."""
    never = asyncio.get_running_loop().create_future()
    await asyncio.wait([never], timeout=seconds)
    never.cancel()


@LINKS
async def test_a_server_that_reads_nothing_is_a_write_timeout(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session(timeouts=Timeouts(write=SHORT)) as http:

        async def ask() -> None:
            async with http.post(f"{peer.url}/stuck") as x:
                while True:
                    await x.write(bytes(65536))

        asking = asyncio.ensure_future(ask())
        raw = await peer.accept()
        await read_head(raw)
        with pytest.raises(WriteTimeout) as caught:
            await asking
        assert names(caught.value, "POST", "/stuck")


@LINKS
async def test_total_ends_an_exchange_that_never_stops_moving(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session(timeouts=Timeouts(total=0.2)) as http:

        async def drip() -> None:
            raw = await peer.accept()
            await read_request(raw)
            await raw.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                await raw.send(chunk(b"x"))
                await passes(0.02)

        dripping = asyncio.ensure_future(drip())
        with pytest.raises(TotalTimeout) as caught:
            _ = await http.get(f"{peer.url}/endless")
        assert names(caught.value, "GET", "/endless")
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_a_handshake_that_nobody_answers_is_a_connect_timeout() -> None:
    async with raw_server("tcp") as peer, Session(timeouts=Timeouts(connect=SHORT)) as http:
        with pytest.raises(ConnectTimeout):
            _ = await http.get(peer.url.replace("http:", "https:"))


@LINKS
async def test_no_free_connection_is_a_pool_timeout(kind: str) -> None:
    sent = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"
    async with (
        raw_server(kind) as peer,
        peer.session(timeouts=Timeouts(pool=SHORT), pool=PoolLimits(connections=1)) as http,
        answering(peer, http.get(f"{peer.url}/"), sent) as (x, raw, _),
    ):
        with pytest.raises(PoolTimeout):
            _ = await http.get(f"{peer.url}/second")
        await raw.send(b"+ rest")
        assert await x.read() == b"half+ rest"


@LINKS
async def test_timeouts_of_one_request_stand_before_the_sessions(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http:
        with pytest.raises(ReadTimeout):
            _ = await http.get(f"{peer.url}/", timeouts=Timeouts(read=SHORT))


@LINKS
async def test_a_silent_exchange_ends_by_idle_and_the_handler_is_told_so(kind: str) -> None:
    seen: list[str | None] = []
    over = asyncio.Event()
    web = App(port=0, timeouts=Timeouts(idle=SHORT))

    @web.post("/")
    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"x")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append(r.cancelled_by)
            over.set()

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(POST)
        await over.wait()
        assert seen == ["timeout"]
        await raw.gone()


@LINKS
async def test_a_reading_handler_times_out_with_an_error(kind: str) -> None:
    """A body that stops: whatever its name, the handler's read ends, and the connection too."""
    seen: list[BaseException] = []
    over = asyncio.Event()
    web = App(port=0, timeouts=Timeouts(idle=SHORT, slow_body=SHORT))

    @web.post("/")
    async def handler(r: Request) -> str:
        try:
            return str(len(await r.read()))
        except BaseException as error:
            seen.append(error)
            raise
        finally:
            over.set()

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(POST + chunk(b"part"))
        await over.wait()
        assert isinstance(seen[0], ToolkitTimeout | ConnectionError | asyncio.CancelledError)
        await raw.gone()
        assert b"HTTP/1.1 2" not in bytes(raw.buffer)


@LINKS
async def test_a_head_that_never_ends_and_an_idle_connection_are_closed(kind: str) -> None:
    web = App(port=0, timeouts=Timeouts(head=SHORT, keep_alive=SHORT))

    @web.get("/")
    async def value(r: Request) -> str:
        return "value"

    async with served(web, kind) as here:
        silent, half, idle = await here.raw(), await here.raw(), await here.raw()
        await half.send(GET[:10])
        await idle.send(GET)
        assert (await read_answer(idle)).body == b"value"
        for raw in (silent, half, idle):
            await raw.gone()
            assert b"HTTP/1.1 2" not in bytes(raw.buffer)


@LINKS
async def test_an_answer_that_nobody_reads_ends_by_the_write_bound(kind: str) -> None:
    over = asyncio.Event()
    seen: list[BaseException] = []
    web = App(port=0, timeouts=Timeouts(write=SHORT))

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare()
        try:
            while True:
                await r.write(bytes(65536))
        except BaseException as error:
            seen.append(error)
            raise
        finally:
            over.set()

    async with served(web, kind) as here:
        raw = await here.raw(receive_buffer=16384)
        await raw.send(GET)
        await over.wait()
        assert isinstance(seen[0], WriteTimeout | asyncio.CancelledError)


@LINKS
async def test_a_long_silence_of_both_is_no_error_by_default(kind: str) -> None:
    """After the head, only `idle`: two signaling peers may be silent, with a minimum rate set."""
    web = App(port=0, timeouts=Timeouts(slow_body=SHORT, head=SHORT, keep_alive=SHORT))

    @web.post("/")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for part in r:
            await r.write(part)

    async with served(web, kind) as here, here.session() as http, http.post(f"{here.url}/") as x:
        await x.head()
        body = x.pull()
        for word in (b"one", b"two"):
            await passes(4 * SHORT)
            await x.write(word)
            assert await anext(body) == word
