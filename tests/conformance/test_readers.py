"""A body has one reader at a time, and it may be anyone; relay and pair move bodies on. In memory."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.helpers.answers import chunk, read_answer, read_head
from tests.helpers.lockstep import lockstep
from tests.helpers.rules import END, GET, POST, app_of, raised, sent_for
from tests.helpers.served import served
from toolkit import (
    App,
    Busy,
    Disconnected,
    LimitExceeded,
    PoolLimits,
    RemoteProtocolError,
    Session,
    ToolkitError,
    UseError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from toolkit import Exchange, Request


# --- bodies and their reader ---


async def test_another_task_gets_busy_while_the_claim_lasts() -> None:
    async with lockstep("memory") as script:
        await script.server.prepare()
        r = await script.server.x()
        await script.client.write(b"one")
        await script.server.sees(b"one")  # the server's own task holds the claim
        assert isinstance(await raised(asyncio.ensure_future(_first(r))), Busy)
        for read in (r.read, r.text, r.json):  # and streaming has begun: either is a reason
            assert isinstance(await raised(asyncio.ensure_future(read())), UseError)
        await script.client.write(b"two")
        await script.server.sees(b"two")  # and was not disturbed
        await script.client.eof()
        await script.server.sees_end()
        assert await raised(asyncio.ensure_future(_drain(r))) is None  # the claim ended with the body


async def _first(x: Exchange) -> bytes:
    return await anext(x.pull())


async def _drain(x: Exchange) -> bytes:
    return b"".join([part async for part in x.pull()])


async def test_a_claim_ends_with_its_task_and_the_position_is_kept() -> None:
    async with lockstep("memory") as script:
        r = await script.server.x()
        await script.client.write(b"one")
        assert await asyncio.ensure_future(_first(r)) == b"one"  # no aclose: the task's end is enough
        await script.client.write(b"two")
        assert await asyncio.ensure_future(_first(r)) == b"two"


async def test_pull_claims_when_called_not_when_iterated() -> None:
    async with lockstep("memory") as script:
        r = await script.server.x()
        body = r.pull()
        with pytest.raises(Busy):
            await asyncio.ensure_future(_first(r))
        await body.aclose()
        await script.client.write(b"one")
        assert await asyncio.ensure_future(_first(r)) == b"one"


async def test_pull_returns_a_plain_iterator() -> None:
    async with lockstep("memory") as script:
        body = (await script.client.x()).pull()
        assert not hasattr(body, "asend")
        assert aiter(body) is body
        await body.aclose()
        await body.aclose()


async def test_anext_does_not_suspend_when_data_is_ready() -> None:
    async with lockstep("memory") as script:
        await script.client.write(b"one")
        r = await script.server.x()
        body = r.pull()
        first = await anext(body)
        await script.client.write(b"two")
        for _ in range(20):
            await asyncio.sleep(0)  # it has arrived
        step = body.__anext__().__await__()
        with pytest.raises(StopIteration) as caught:
            next(step)
        assert (first, caught.value.value) == (b"one", b"two")


async def test_small_chunks_are_coalesced() -> None:
    parts: list[bytes] = []

    async def handler(r: Request) -> None:
        async for part in r:
            parts.append(part)

    await sent_for(handler, POST + chunk(b"x") * 5000 + END)
    assert b"".join(parts) == b"x" * 5000
    assert len(parts) < 500


async def test_pull_in_pieces_of_one_size() -> None:
    sizes: list[int] = []

    async def handler(r: Request) -> None:
        sizes.extend([len(part) async for part in r.pull(size=1000)])

    await sent_for(handler, POST + chunk(b"x" * 700) * 5 + END)
    assert sizes == [1000, 1000, 1000, 500]


async def test_whole_body_reads_are_cached_and_limited() -> None:
    async def handler(r: Request) -> dict[str, object]:
        one, two = await r.read(), await r.read()
        return {"same": one is two, "text": await r.text(), "json": await r.json(), "length": r.received_len}

    async with Session(app=app_of(handler)) as http:
        answer = await http.post("/", json={"a": [1, 2]})
        assert answer.status == 200
        value = await answer.json()
        assert value == {"same": True, "text": '{"a":[1,2]}', "json": {"a": [1, 2]}, "length": 11}
        assert await answer.json() == value
        assert await answer.read() == answer.content
        assert await answer.text() == answer.content.decode()


async def test_a_read_over_its_limit_is_413() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> bytes:
        try:
            return await r.read(limit=10)
        except LimitExceeded as error:
            seen.append(error)
            raise

    async with Session(app=app_of(handler)) as http:
        assert (await http.post("/", body=b"x" * 10)).content == b"x" * 10
        assert (await http.post("/", body=b"x" * 11)).status == 413
        assert isinstance(seen[0], LimitExceeded)
        assert seen[0].status_hint == 413
        async with http.post("/", body=b"x" * 10) as x:
            with pytest.raises(LimitExceeded):
                await x.read(limit=9)


async def test_bad_json_is_400_on_a_server_and_an_error_on_a_client() -> None:
    async def handler(r: Request) -> object:
        return await r.json() if r.method == "POST" else "not json"

    async with Session(app=app_of(handler)) as http:
        assert (await http.post("/", body=b"{bad")).status == 400
        assert (await http.post("/", body=b"")).status == 400
        answer = await http.get("/")
        with pytest.raises((RemoteProtocolError, ValueError)):
            await answer.json()


async def test_lines_are_split_wherever_the_bytes_were_cut() -> None:
    text = "première\nsecond\r\nthird\n\nlast"
    data = text.encode()
    for cut in range(len(data)):
        seen: list[str] = []

        async def handler(r: Request, seen: list[str] = seen) -> None:
            seen.extend([line async for line in r.lines()])

        await sent_for(handler, POST + (chunk(data[:cut]) if cut else b"") + chunk(data[cut:]) + END)
        assert seen == ["première", "second", "third", "", "last"]


async def test_whole_body_reads_after_streaming_began_are_use_errors() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        async for _ in r:
            break
        for call in (r.read(), r.text(), r.json()):
            seen.append(await raised(call))

    async with Session(app=app_of(handler)) as http:
        _ = await http.post("/", body=b"x" * 100)
    assert [type(error) for error in seen] == [UseError, UseError, UseError]


# --- relay and pair ---


async def test_relay_source_fails_the_sink_is_aborted_first() -> None:
    class Source:
        def __init__(self) -> None:
            self.parts = 0

        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> bytes:
            self.parts += 1
            if self.parts > 2:
                raise ZeroDivisionError
            return b"part"

    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare()
        seen.append(await raised(r.relay(Source())))
        seen.append(await raised(r.write(b"more")))

    sent = await sent_for(handler)
    assert isinstance(seen[0], ZeroDivisionError)
    assert isinstance(seen[1], ToolkitError)
    assert not sent.endswith(END)


async def test_relay_moves_exchanges_iterables_and_files(tmp_path: object) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"iter"
        yield b"able"

    async def handler(r: Request) -> None:
        await r.prepare()
        first = await r.relay(parts())
        second = await r.relay(io.BytesIO(b" file "))
        third = await r.relay(r)
        assert (first.total, second.total, third.total) == (8, 6, 4)
        assert (first.copy, first.splice, first.sendfile) == (8, 0, 0)

    sent = await sent_for(handler, POST + chunk(b"self") + END)
    body = sent.partition(b"\r\n\r\n")[2]
    assert body == chunk(b"iter") + chunk(b"able") + chunk(b" file ") + chunk(b"self") + END


async def test_relay_sink_fails_the_error_names_the_sink_and_the_source_stays_its_owners() -> None:
    count = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal count
        while True:
            count += 1
            yield bytes(65536)

    source = endless()
    done: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    async def handler(r: Request) -> None:
        async with r.shield():
            await r.prepare()
            done.set_result(await raised(r.relay(source)))

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(b"GET /?the-sink HTTP/1.1\r\nhost: x\r\n\r\n")
        await read_head(raw)
        raw.reset()
        error = await done
        assert isinstance(error, Disconnected)
        assert "the-sink" in str(error)
        before = count
        assert len(await anext(source)) == 65536  # not closed, not read on
        assert count == before + 1
        await source.aclose()


async def test_a_cancelled_relay_aborts_its_sink_and_its_source_is_not_pooled() -> None:
    """What is half moved can be finished by nobody."""
    hold = asyncio.Event()
    ports: list[int] = []
    source = App(port=0)

    @source.get("/")
    async def slow(r: Request) -> None:
        ports.append(r.ip_port)
        await r.prepare({"content-length": "10"})
        await r.write(b"half")
        await hold.wait()

    @source.get("/port")
    async def port(r: Request) -> str:
        ports.append(r.ip_port)
        return "port"

    async with served(source, "tcp") as there, there.session(pool=PoolLimits(connections=1)) as inner:
        relaying: asyncio.Future[asyncio.Task[object]] = asyncio.get_running_loop().create_future()

        async def handler(r: Request) -> None:
            async with inner.get(f"{there.url}/") as body:
                await r.prepare({"content-length": "10"})
                task: asyncio.Task[object] = asyncio.ensure_future(r.relay(body))
                relaying.set_result(task)
                await asyncio.wait([task])

        async with served(app_of(handler)) as here:
            raw = await here.raw()
            await raw.send(GET)
            await raw.until(b"half")
            (await relaying).cancel()
            assert not await raw.receive(0)
            await raw.gone()
            assert not raw.buffer, "nothing may follow"
        assert (await inner.get(f"{there.url}/port")).content == b"port"
        assert ports[0] != ports[1], "the half-read connection was used again"
        hold.set()


async def test_a_detached_body_is_held_for_who_claims_it_later() -> None:
    """`detach` before anything was prepared: the handler's whole answer does not drain the body away."""
    kept: asyncio.Future[Request] = asyncio.get_running_loop().create_future()

    async def handler(r: Request) -> str:
        r.detach()
        kept.set_result(r)
        return "answered"

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(POST + chunk(b"one"))
        first = await read_answer(raw)
        assert first.body == b"answered"
        assert not first.closes
        body = (await kept).pull()
        assert await anext(body) == b"one"
        await raw.send(chunk(b"two") + END + b"GET /again HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await anext(body) == b"two"
        assert [part async for part in body] == []
        assert (await read_answer(raw)).body == b"again"


async def test_pair_joins_two_exchanges_both_ways() -> None:
    """An eof passes on alone; the other direction goes on."""
    web = App(port=0)
    first: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
    joined = asyncio.Event()

    @web.post("/a")
    async def a(r: Request) -> None:
        first.set_result(r)
        await r.prepare()
        await joined.wait()

    @web.post("/b")
    async def b(r: Request) -> None:
        await r.prepare()
        await toolkit.pair(await first, r)
        joined.set()

    async with Session(app=web) as http, http.post("/a") as x:
        await x.head()
        async with http.post("/b") as y:
            await y.head()
            down, up = x.pull(), y.pull()
            await x.write(b"from a")
            assert await anext(up) == b"from a"
            await x.eof()
            assert [part async for part in up] == []
            await y.write(b"from b")
            assert await anext(down) == b"from b"
            await y.eof()
            assert [part async for part in down] == []


async def test_pair_aborts_both_on_an_error() -> None:
    web = App(port=0)
    first: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
    joined: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    @web.post("/a")
    async def a(r: Request) -> None:
        first.set_result(r)
        await r.prepare()
        await asyncio.wait([joined])

    @web.post("/b")
    async def b(r: Request) -> None:
        await r.prepare()
        joined.set_result(await raised(toolkit.pair(await first, r)))

    async with served(web) as here:
        x, y = await here.raw(), await here.raw()
        await x.send(POST.replace(b"/ ", b"/a ", 1))
        await y.send(POST.replace(b"/ ", b"/b ", 1))
        await read_head(x)
        await read_head(y)
        await x.send(chunk(b"from a"))
        assert await y.receive(len(chunk(b"from a"))) == chunk(b"from a")
        x.reset()
        assert isinstance(await joined, Disconnected)
        try:
            assert not (await y.rest()).endswith(END)
        except ConnectionError:
            pass
