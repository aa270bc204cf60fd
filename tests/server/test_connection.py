"""The answering end of a connection, byte for byte: heads, keep-alive, pipelining, left bodies, deadlines."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import PATIENCE, served
from toolkit import App, Limits, Request, Timeouts


def application(timeouts: Timeouts = Timeouts()) -> App:
    web = App(port=0, timeouts=timeouts, limits=Limits(drain=1000))
    web.get("/")(lambda r: "x")
    web.post("/ignore")(lambda r: "ignored")

    @web.post("/read")
    async def read(r: Request) -> bytes:
        return await r.read()

    @web.post("/stream")
    async def stream(r: Request) -> None:
        await r.prepare({})
        await r.write(b"part")

    return web


GET = b"GET / HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize(
    ("request_head", "closes", "says"),
    [
        # RFC 9112 9.3
        (GET, False, None),
        (GET + b"connection: keep-alive\r\n", False, None),
        (GET + b"connection: close\r\n", True, "close"),
        (GET + b"connection: x, CLOSE\r\n", True, "close"),
        (b"GET / HTTP/1.0\r\n", True, "close"),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n", False, "keep-alive"),
        (b"GET / HTTP/1.0\r\nconnection: close\r\n", True, "close"),
    ],
)
async def test_keep_alive(request_head: bytes, closes: bool, says: str | None) -> None:
    async with asyncio.timeout(PATIENCE), served(application()) as here:
        raw = await here.raw()
        await raw.send(request_head + b"\r\n")
        assert (await read_answer(raw)).get("connection") == says
        if closes:
            assert await raw.rest() == b""
        else:
            await raw.send(GET + b"\r\n")
            assert (await read_answer(raw)).body == b"x"


@pytest.mark.parametrize("kind", ["memory", "tcp"])
async def test_pipelined_requests_are_answered_in_order(kind: str) -> None:
    web = App(port=0)

    @web.get("/{number}")
    async def answer(r: Request, number: str) -> str:
        await asyncio.sleep(0)
        return number

    async with asyncio.timeout(PATIENCE), served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in range(100)))
        for number in range(100):
            assert (await read_answer(raw)).body == b"%d" % number


async def test_every_answer_has_a_date_unless_it_brings_one() -> None:
    web = application()
    web.get("/own")(lambda r: (200, "x", {"date": "mine"}))
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(GET + b"\r\n" + GET.replace(b"/ ", b"/own ") + b"\r\n")
        assert ((await read_answer(raw)).get("date") or "").endswith(" GMT")
        assert (await read_answer(raw)).get("date") == "mine"


async def test_an_applications_own_word_on_the_connection_counts() -> None:
    web = application()
    web.get("/close")(lambda r: (200, "x", {"Connection": "close, x-a"}))
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(GET.replace(b"/ ", b"/close ") + b"\r\n")
        answer = await read_answer(raw)
        assert sorted(value for name, value in answer.fields if name.lower() == "connection") == ["close", "x-a"]
        assert await raw.rest() == b""


# What becomes of a body that nobody read


async def test_a_short_left_body_is_thrown_away_and_the_connection_kept() -> None:
    async with asyncio.timeout(PATIENCE), served(application()) as here:
        raw = await here.raw()
        await raw.send(b"POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
        assert not (await read_answer(raw)).closes
        await raw.send(b"b" * 1000 + GET + b"\r\n")
        assert (await read_answer(raw)).body == b"x"


async def test_a_long_left_body_ends_the_connection_and_says_so() -> None:
    async with asyncio.timeout(PATIENCE), served(application(), "tcp") as here:
        raw = await here.raw()
        await raw.send(b"POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.body, answer.closes) == (b"ignored", True)
        assert await raw.rest() == b""


async def test_a_chunked_left_body_is_thrown_away_up_to_the_budget() -> None:
    async with asyncio.timeout(PATIENCE), served(application(), "tcp") as here:
        raw = await here.raw()
        await raw.send(b"POST /ignore HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        assert (await read_answer(raw)).body == b"ignored"
        await raw.send(b"3e9\r\n" + b"b" * 1001)
        assert await raw.rest() == b""


async def test_a_body_left_by_a_streamed_answer_is_held_then_given_up() -> None:
    async with asyncio.timeout(PATIENCE), served(application(Timeouts(hold=0.01)), "tcp") as here:
        raw = await here.raw()
        await raw.send(b"POST /stream HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n")
        assert (await read_answer(raw)).body == b"part"
        assert await raw.rest() == b""


async def test_an_unmet_expectation_ends_the_connection() -> None:
    async with asyncio.timeout(PATIENCE), served(application()) as here:
        raw = await here.raw()
        await raw.send(b"POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.status, answer.closes) == (200, True)


async def test_continue_is_sent_when_somebody_reads() -> None:
    async with asyncio.timeout(PATIENCE), served(application()) as here:
        raw = await here.raw()
        await raw.send(b"POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        assert (await read_answer(raw)).status == 100
        await raw.send(b"ok")
        assert (await read_answer(raw)).body == b"ok"


# Time, by the deadlines' own short durations


@pytest.mark.parametrize(
    ("sent", "answered"), [(b"", False), (b"GET", True), (GET, True), (GET + b"\r\n" + b"GET /", True)]
)
async def test_a_head_that_does_not_come(sent: bytes, answered: bool) -> None:
    async with asyncio.timeout(PATIENCE), served(application(Timeouts(head=0.01)), "tcp") as here:
        raw = await here.raw()
        await raw.send(sent)
        seen = await raw.rest()
        assert (b"HTTP/1.1 408 " in seen) == answered
        assert answered or not seen


async def test_an_idle_connection_ends_without_a_word() -> None:
    async with asyncio.timeout(PATIENCE), served(application(Timeouts(keep_alive=0.01)), "tcp") as here:
        raw = await here.raw()
        await raw.send(GET + b"\r\n")
        assert (await read_answer(raw)).body == b"x"
        assert await raw.rest() == b""


async def test_a_body_that_drips_is_a_408() -> None:
    async with asyncio.timeout(PATIENCE), served(application(Timeouts(slow_body=0.01)), "tcp") as here:
        raw = await here.raw()
        await raw.send(b"POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nb")
        answer = await read_answer(raw)
        assert (answer.status, answer.closes) == (408, True)


async def test_a_request_behind_another_of_the_same_segment_is_cancelled_like_any() -> None:
    """The first one's answer lets the second in, while the first one's task has not ended yet."""
    web, started, ended = App(port=0), asyncio.Event(), asyncio.Event()
    by: list[object] = []

    @web.get("/first")
    async def first(r: Request) -> str:
        return "first"

    @web.get("/second")
    async def second(r: Request) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            by.append(r.cancelled_by)
            ended.set()

    async with asyncio.timeout(PATIENCE), served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET /first HTTP/1.1\r\nhost: a\r\n\r\nGET /second HTTP/1.1\r\nhost: a\r\n\r\n")
        await started.wait()
        raw.reset()
        await ended.wait()
    assert by == ["peer"]
