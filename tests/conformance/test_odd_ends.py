"""Odd ends of a server's exchanges: answers without a body, bodies that fail, links that go, the server's end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.raw import PATIENCE, TlsRaw
from tests.helpers.served import served
from tests.helpers.tls import server_context
from toolkit import App, Disconnected, Session, Timeouts, ToolkitError

if TYPE_CHECKING:
    from toolkit import Request

NOISE = random.Random(5).randbytes(1 << 20)


async def turns(count: int = 50) -> None:
    """Let the loop take what the kernel has."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("status", [204, 304, 205])
async def test_an_answer_without_a_body_has_no_coded_one(status: int) -> None:
    web = App(port=0)

    @web.get("/")
    async def bare(r: Request) -> None:
        await r.prepare({"etag": '"x"'}, status, coding="auto")

    async with asyncio.timeout(PATIENCE), served(web) as here:
        raw = await here.raw()
        head = b"GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n"
        await raw.send(head + b"\r\n" + head + b"connection: close\r\n\r\n")
        for _ in range(2):
            answer = await read_answer(raw)
            assert (answer.status, answer.body, answer.get("content-encoding")) == (status, b"", None)
        assert await raw.rest() == b""


def uploads_to(http: Session, target: str, **options: object) -> App:
    """A server that passes what is put on to another one."""
    web = App(port=0, **options)  # type: ignore[arg-type]  # options are passed through by name

    @web.put("/")
    async def pass_on(r: Request) -> str:
        async with http.put(target, {"content-length": r.content_length}) as x:
            await x.relay(r)
            await x.eof()
            return await x.text()

    return web


def counting() -> App:
    web = App(port=0)

    @web.put("/")
    async def put(r: Request) -> str:
        return str(len(await r.read()))

    return web


@pytest.mark.parametrize("size", [1000, 1_000_000])
async def test_a_relayed_body_is_asked_for_by_100_continue(size: int) -> None:
    async with (
        asyncio.timeout(5),
        served(counting(), "tcp") as back,
        Session() as http,
        served(uploads_to(http, back.url), "tcp") as front,
    ):
        raw = await front.raw()
        await raw.send(b"PUT / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % size)
        assert (await raw.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await raw.send(bytes(size))
        assert (await read_answer(raw)).body == b"%d" % size


async def test_a_relayed_upload_is_held_against_the_minimum_rate() -> None:
    async with asyncio.timeout(3), served(counting(), "tcp") as back, Session() as http:
        web = uploads_to(http, back.url, timeouts=Timeouts(slow_body=0.1))
        async with served(web, "tcp") as front:
            raw = await front.raw()
            await raw.send(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
            assert (await raw.until(b"\r\n")).startswith(b"HTTP/1.1 408 ")


async def test_a_coded_write_that_was_cancelled_never_makes_a_clean_corrupt_body() -> None:
    web = App()

    @web.get("/")
    async def cut(r: Request) -> None:
        await r.prepare({}, coding="gzip")
        writing = asyncio.ensure_future(r.write(NOISE))
        await turns(3)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        with contextlib.suppress(ToolkitError):
            await r.write(b"END")
            await r.eof()

    async with asyncio.timeout(PATIENCE), served(web) as here, here.session() as http:
        try:
            body = (await http.get(f"{here.url}/")).content
        except Disconnected:
            pass
        else:
            assert body == NOISE + b"END"


async def test_a_handler_is_cancelled_although_another_reads_its_body() -> None:
    web = App(port=0)
    requests: asyncio.Queue[Request] = asyncio.Queue()
    cancelled, told, reading = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @web.post("/a")
    async def waits(r: Request) -> None:
        requests.put_nowait(r)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    @web.post("/b")
    async def reads(r: Request) -> str:
        source = await requests.get()
        with contextlib.suppress(Disconnected):
            async for _ in source:
                reading.set()
        told.set()
        return "b"

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here:
        first, second = await here.raw(), await here.raw()
        await first.send(b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await second.send(b"POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        await reading.wait()
        await turns(5)
        first.reset()
        async with asyncio.timeout(2):
            await told.wait()
            await cancelled.wait()


async def test_the_end_of_the_own_half_of_a_tls_stream_never_looks_like_the_peers() -> None:
    web = App(port=0)

    @web.get("/")
    async def echo(r: Request) -> None:
        stream = await r.upgrade()
        question = b"".join([part async for part in stream])
        with contextlib.suppress(ToolkitError):
            await stream.write(b"answer to " + question)
            await stream.eof()

    async with asyncio.timeout(PATIENCE), served(web, "tls") as here, here.session() as http:
        got, failed = b"", False
        try:
            async with http.get(f"{here.url}/", upgrade="q") as x:
                stream = await x.upgrade()
                await stream.write(b"question")
                await stream.eof()
                async for part in stream:
                    got += part
        except ToolkitError:
            failed = True
        assert failed or got == b"answer to question"


async def test_the_deadline_of_a_head_holds_in_the_tls_handshake() -> None:
    web = App(port=0, tls=server_context(), timeouts=Timeouts(head=0.1, grace=0.1))
    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here:
        raw = await here.raw()
        async with asyncio.timeout(2):
            await raw.gone()


async def test_a_connection_whose_handshake_ends_after_the_exit_is_not_served() -> None:
    web = App(port=0, tls=server_context())

    @web.get("/")
    async def serve(r: Request) -> str:
        return "served"

    async def ask(raw: TlsRaw) -> None:
        await raw.handshake()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await raw.until(b"served")

    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    raw = TlsRaw(sock)
    async with asyncio.timeout(PATIENCE):
        async with served(web, "tcp") as here:
            await loop.sock_connect(sock, ("127.0.0.1", urlsplit(here.url).port))
            await turns()
        with pytest.raises((OSError, EOFError, ssl.SSLError)):
            await ask(raw)
    raw.reset()


async def test_waiters_that_were_cancelled_are_not_kept() -> None:
    web = App()
    kept: list[int] = []

    @web.get("/")
    async def wait(r: Request) -> str:
        for _ in range(20):
            waiting = [asyncio.ensure_future(r.stopping()), asyncio.ensure_future(r.disconnected())]
            await turns(1)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        running = web._running
        assert running is not None
        kept.append(len(running._stopping))
        kept.append(len(r._connection._gone_waiters or ()))
        return "x"

    async with asyncio.timeout(PATIENCE), served(web) as here, here.session() as http:
        assert (await http.get(f"{here.url}/")).status == 200
    assert kept == [0, 0]


async def test_reading_goes_on_when_the_requests_held_back_were_taken() -> None:
    web = App(port=0)
    go, left = asyncio.Event(), asyncio.Event()

    @web.get("/1")
    async def first(r: Request) -> str:
        await go.wait()
        return "1"

    @web.get("/2")
    async def second(r: Request) -> str:
        return "2"

    @web.get("/3")
    async def third(r: Request) -> str:
        await r.disconnected()
        left.set()
        return "3"

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\n")
        for target in (b"/2", b"/3"):
            await raw.send(b"GET %b HTTP/1.1\r\nhost: x\r\nx: %b\r\n\r\n" % (target, b"y" * 36_000))
        await turns()
        go.set()
        assert [(await read_answer(raw)).body for _ in range(2)] == [b"1", b"2"]
        raw.reset()
        async with asyncio.timeout(2):
            await left.wait()


async def test_a_head_handlers_own_length_is_sent() -> None:
    web = App()

    @web.head("/")
    async def head(r: Request) -> object:
        return 200, None, {"content-length": 5000}

    async with asyncio.timeout(PATIENCE), served(web) as here, here.session() as http:
        assert (await http.head(f"{here.url}/")).headers["content-length"] == "5000"


@pytest.mark.parametrize("fault", ["json", "coding"])
async def test_an_upstreams_fault_is_502_and_tells_nothing_of_it(fault: str) -> None:
    upstream, web = App(port=0), App(port=0)

    @upstream.get("/json")
    async def page(r: Request) -> str:
        return "<html>"

    @upstream.get("/coding")
    async def coded(r: Request) -> object:
        return 200, b"not gzip", {"content-encoding": "gzip"}

    async with asyncio.timeout(PATIENCE), served(upstream, "tcp") as back, Session() as http:

        @web.get("/")
        async def ask(r: Request) -> object:
            answer = await http.get(f"{back.url}/{fault}?key=SECRET")
            return await answer.json()

        async with served(web, "tcp") as front:
            answer = await http.get(f"{front.url}/")
            assert answer.status == 502
            assert b"SECRET" not in answer.content
            assert back.url.encode() not in answer.content


async def test_a_password_in_a_url_is_not_told() -> None:
    async with asyncio.timeout(PATIENCE), Session() as http:
        with pytest.raises(ToolkitError) as raised:
            _ = http.get("http://user:PASSWORD@127.0.0.1:1/").headers
    assert "PASSWORD" not in str(raised.value)


async def test_an_answer_in_its_lingering_close_outlives_the_exit() -> None:
    web = App(port=0)
    answered = asyncio.Event()

    @web.post("/")
    async def refuse(r: Request) -> object:
        answered.set()
        return 413, "too large"

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n" + bytes(1000))
        await answered.wait()
        await turns()
        leaving = asyncio.ensure_future(web.exit())
        await turns()
        for _ in range(20):
            await raw.send(bytes(10_000))
            await turns(5)
        assert (await raw.until(b"\r\n")).startswith(b"HTTP/1.1 413 ")
        await raw.close()
        await leaving


async def test_a_body_that_failed_takes_no_more_and_is_never_complete() -> None:
    web = App(port=0, timeouts=Timeouts(slow_body=0.1))
    failed, look = asyncio.Event(), asyncio.Event()
    seen: list[object] = []

    @web.post("/")
    async def read(r: Request) -> str:
        with contextlib.suppress(ToolkitError):
            await r.read()
        failed.set()
        await look.wait()
        seen.append(r.complete)
        return "x"

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 20000\r\n\r\n")
        await failed.wait()
        await raw.send(bytes(20_000))
        await turns()
        look.set()
        await raw.until(b"\r\n\r\n")
    assert seen == [False]
