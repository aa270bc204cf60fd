"""Full duplex over HTTP/1.1: lock-step scripts over every kind of link, small and with more than all buffers hold."""

from __future__ import annotations

import asyncio
import hashlib
import random
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.lockstep import End, lockstep, pass_on
from tests.helpers.served import KINDS, served
from toolkit import App, PoolLimits, Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit import Exchange, Request

MIB = 1024 * 1024
SMALL, LARGE = 1, 2 * MIB  # bytes per step; four steps each way are 8 MiB
SIZES = pytest.mark.parametrize("size", [pytest.param(SMALL, id="bytewise"), pytest.param(LARGE, id="8MiB")])
LINKS = pytest.mark.parametrize("kind", KINDS)


def data(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


async def echo_steps(client: End, server: End, size: int, steps: int = 4) -> None:
    """Strictly in turns: one end's bytes are seen by the other before the other sends its own."""
    for step in range(steps):
        await pass_on(client, server, data(size, step))
        await pass_on(server, client, data(size, 100 + step))


@LINKS
@SIZES
async def test_the_response_head_comes_before_the_request_ends(kind: str, size: int) -> None:
    async with lockstep(kind) as script:
        client, server = script.client, script.server
        await server.prepare({"content-type": "application/x-test", "room": "r1"})
        assert await client.head() == 200
        x = await client.x()
        assert x.headers["room"] == "r1"
        assert x.content_type == "application/x-test"
        await echo_steps(client, server, size)
        await client.eof()
        await server.sees_end()
        await server.eof()
        await client.sees_end()
        await server.finish()
        await client.finish()
        await script.again()
        assert x.complete is True
        assert (await server.x()).complete is True


@LINKS
@SIZES
async def test_the_servers_eof_is_seen_at_once_and_the_upload_goes_on(kind: str, size: int) -> None:
    async with lockstep(kind) as script:
        client, server = script.client, script.server
        await server.prepare()
        await client.head()
        await pass_on(server, client, data(size, 1))
        await server.eof()
        await client.sees_end()
        for step in range(4):
            await pass_on(client, server, data(size, step))
        await client.eof()
        await server.sees_end()
        await client.finish()
        await server.finish()
        await script.again()


@LINKS
@SIZES
async def test_the_clients_eof_is_seen_at_once_and_the_answer_goes_on(kind: str, size: int) -> None:
    async with lockstep(kind) as script:
        client, server = script.client, script.server
        await pass_on(client, server, data(size, 1))
        await client.eof()
        await server.sees_end()
        await server.prepare()
        await client.head()
        for step in range(4):
            await pass_on(server, client, data(size, step))
        await server.eof()
        await client.sees_end()
        await server.finish()
        await client.finish()
        await script.again()


@LINKS
@SIZES
async def test_a_whole_answer_comes_before_the_request_ends(kind: str, size: int) -> None:
    async with lockstep(kind) as script:
        client, server = script.client, script.server
        await server.eof(b"early and whole")
        assert await client.head() == 200
        await client.sees(b"early and whole")
        await client.sees_end()
        assert (await client.x()).content_length == len(b"early and whole")
        for step in range(4):
            await pass_on(client, server, data(size, step))
        await client.eof()
        await server.sees_end()
        await server.finish()
        await client.finish()
        await script.again()


@LINKS
@SIZES
async def test_duplex_with_lengths_promised_on_both_sides(kind: str, size: int) -> None:
    length = {"content-length": str(4 * size)}
    async with lockstep(kind, headers=length) as script:
        client, server = script.client, script.server
        await server.prepare(length)
        await client.head()
        await echo_steps(client, server, size)
        await server.sees_end()  # a length is an end by itself: no eof was needed
        await client.sees_end()
        await client.eof()
        await server.eof()
        await server.finish()
        await client.finish()
        await script.again()


@LINKS
async def test_the_head_alone_arrives_before_any_body_byte_of_either_side(kind: str) -> None:
    async with lockstep(kind) as script:
        request = await script.server.x()
        assert request.method == "POST"
        await script.server.prepare(status=201)
        assert await script.client.head() == 201
        await script.client.eof()
        await script.server.eof()


turns = st.lists(
    st.tuples(st.sampled_from(["client", "server"]), st.integers(min_value=0, max_value=70_000)), max_size=12
)


@given(turns=turns, ends_first=st.sampled_from(["client", "server"]), lengths=st.booleans())
@settings(max_examples=25, deadline=None)
async def test_any_script_runs(turns: list[tuple[str, int]], ends_first: str, lengths: bool) -> None:
    """Any order of writes, each seen before the next, ends in two clean ends and a connection that is right."""
    total = {name: sum(n for who, n in turns if who == name) for name in ("client", "server")}
    promised = {name: {"content-length": str(n)} if lengths else None for name, n in total.items()}
    async with lockstep("memory", headers=promised["client"]) as script:
        ends: Mapping[str, End] = {"client": script.client, "server": script.server}
        other = {"client": "server", "server": "client"}
        await script.server.prepare(promised["server"])
        await script.client.head()
        for number, (who, size) in enumerate(turns):
            await pass_on(ends[who], ends[other[who]], data(size, number))
        for who in (ends_first, other[ends_first]):
            await ends[who].eof()
            await ends[other[who]].sees_end()
        await script.server.finish()
        await script.client.finish()
        await script.again()


async def digest(x: Exchange) -> tuple[int, str]:
    total, sha = 0, hashlib.sha256()
    async for piece in x:
        total += len(piece)
        sha.update(piece)
    return total, sha.hexdigest()


@LINKS
async def test_both_ways_at_once(kind: str) -> None:
    """8 MiB each way at the same time, a reader and a writer task at each end: more than all buffers hold."""
    up, down = data(MIB, 1), data(MIB, 2)
    web = App(port=0)
    told: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def send(x: Exchange, piece: bytes) -> None:
        for _ in range(8):
            await x.write(piece)
        await x.eof()

    @web.post("/")
    async def handler(r: Request) -> None:
        await r.prepare()
        reading = asyncio.ensure_future(digest(r))
        await send(r, down)
        told.set_result(await reading)

    async with served(web, kind) as here, here.session() as http, http.post(f"{here.url}/") as x:
        writing = asyncio.ensure_future(send(x, up))
        assert await digest(x) == (8 * MIB, hashlib.sha256(down * 8).hexdigest())
        await writing
        assert await told == (8 * MIB, hashlib.sha256(up * 8).hexdigest())


@LINKS
async def test_an_echo_of_8_mib_whose_client_reads_only_after_writing_is_held_back_not_lost(kind: str) -> None:
    """The writer stands still at the marks until somebody reads; then all of it arrives."""
    piece = data(MIB, 3)
    web = App(port=0)

    @web.post("/")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for part in r:
            await r.write(part)

    async with served(web, kind) as here, here.session() as http, http.post(f"{here.url}/") as x:
        accepted = 0

        async def send() -> None:
            nonlocal accepted
            for _ in range(8):
                await x.write(piece)
                accepted += len(piece)
            await x.eof()

        writing = asyncio.ensure_future(send())
        await x.head()
        sha, total = hashlib.sha256(), 0
        async for part in x:
            total += len(part)
            sha.update(part)
        await writing
        assert total == accepted == 8 * MIB
        assert sha.hexdigest() == hashlib.sha256(piece * 8).hexdigest()


# --- a body's reader may be anyone ---


@LINKS
async def test_another_task_reads_the_body_after_the_handler_returned(kind: str) -> None:
    web = App(port=0)
    loop = asyncio.get_running_loop()
    bodies: list[asyncio.Task[bytes]] = []
    claimed, returned = asyncio.Event(), asyncio.Event()

    async def read(r: Request) -> bytes:
        body = bytearray()
        async for part in r.pull():
            body += part
            claimed.set()
        return bytes(body)

    @web.post("/")
    async def handler(r: Request) -> None:
        bodies.append(loop.create_task(read(r)))
        await claimed.wait()
        loop.call_soon(returned.set)

    @web.get("/next")
    async def following(r: Request) -> str:
        return "next"

    async with served(web, kind) as here, here.session(pool=PoolLimits(connections=1)) as http:
        async with http.post(f"{here.url}/") as x:
            await x.write(b"one")
            await x.head()
            await returned.wait()
            assert x.status == 204
            await x.write(b"two")
            await x.eof(b"three")
        async with asyncio.timeout(10):
            assert await bodies[0] == b"onetwothree"
        assert (await http.get(f"{here.url}/next")).content == b"next"


@LINKS
@SIZES
async def test_handler_b_reads_request_a_after_handler_a_returned(kind: str, size: int) -> None:
    """The signaling flow: A's answer ends and A returns while A's body is open; B reads on to A's eof."""
    web = App(port=0)
    rooms: dict[str, Request] = {}
    joined, a_is_over = asyncio.Event(), asyncio.Event()

    @web.post("/create")
    async def create(r: Request) -> None:
        rooms["a"] = r
        await r.prepare({"room": "a"})
        await joined.wait()
        async with aclosing(rooms["b"].pull()) as body:
            async for part in body:
                await r.write(part)
        asyncio.get_running_loop().call_soon(a_is_over.set)

    @web.post("/join")
    async def join(r: Request) -> None:
        rooms["b"] = r
        await r.prepare()
        joined.set()
        async for part in rooms["a"].pull():
            await r.write(part)

    @web.get("/next")
    async def following(r: Request) -> str:
        return "next"

    up, down = data(4 * size, 1), data(4 * size, 2)
    async with served(web, kind) as here, here.session(pool=PoolLimits(connections=2)) as http:
        async with http.post(f"{here.url}/create") as a:
            await a.head()
            assert a.headers["room"] == "a"
            async with http.post(f"{here.url}/join") as b:
                await b.head()
                writing = asyncio.ensure_future(b.write(up))
                got = bytearray()
                async for part in a:
                    got += part
                    if len(got) == len(up):
                        await writing
                        await b.eof()
                assert got == up
                await a_is_over.wait()
                await asyncio.gather(a.write(down[:size]), _sees(b, down[:size]))
                await asyncio.gather(a.eof(down[size:]), _sees(b, down[size:]))
                assert [part async for part in b] == []
        answers = await asyncio.gather(*(http.get(f"{here.url}/next") for _ in range(2)))
        assert [answer.content for answer in answers] == [b"next", b"next"]


async def _sees(x: Exchange, expected: bytes) -> None:
    got = bytearray()
    body = x.pull()
    try:
        while len(got) < len(expected):
            got += await anext(body)
    finally:
        await body.aclose()
    assert got == expected


@LINKS
async def test_two_readers_in_turn_each_go_on_where_the_other_stopped(kind: str) -> None:
    """The claim ends at aclose() with the position kept."""
    web = App(port=0)
    told: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    @web.post("/")
    async def handler(r: Request) -> None:
        parts = []

        async def take(n: int) -> None:
            async with aclosing(r.pull(size=n)) as body:
                parts.append(await anext(body))

        for n in (3, 5, 2):
            await asyncio.get_running_loop().create_task(take(n))
        told.set_result(parts)

    async with served(web, kind) as here, here.session() as http:
        _ = await http.post(f"{here.url}/", body=b"0123456789")
        assert await told == [b"012", b"34567", b"89"]


async def test_a_session_may_hold_many_open_exchanges_of_one_app() -> None:
    web = App(port=0)

    @web.post("/")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for part in r:
            await r.write(part)

    async def run(http: Session, number: int) -> None:
        async with http.post("/") as x:
            for step in range(5):
                message = b"%d:%d" % (number, step)
                await x.write(message)
                assert await anext(x.pull(size=len(message))) == message
            await x.eof()

    async with Session(app=web) as http:
        await asyncio.gather(*(run(http, number) for number in range(20)))
