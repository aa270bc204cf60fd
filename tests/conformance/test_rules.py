"""The rules both ends keep, one by one, in memory: ends, bodies and their reader, order of calls, messages."""

from __future__ import annotations

import asyncio
import io
import threading
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.helpers.answers import chunk, read_answer, read_head, read_request
from tests.helpers.lockstep import lockstep
from tests.helpers.raw import raw_server
from tests.helpers.served import served
from toolkit import (
    Abort,
    App,
    BodyNotReplayable,
    Busy,
    Deliver,
    Disconnected,
    EarlyAnswer,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
    Session,
    StatusError,
    ToolkitError,
    UseError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from tests.helpers.raw import Raw, RawServer
    from toolkit import Exchange, Request, Response

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def app_of(handler: Callable[[Request], object]) -> App:
    """An application with this one handler at `/` and a plain one at `/again`."""
    web = App(port=0)
    web.route("/", methods=("GET", "POST", "HEAD", "PUT"))(handler)

    @web.get("/again")
    async def again(r: Request) -> str:
        return "again"

    return web


async def raised(call: Awaitable[object]) -> BaseException | None:
    """The exception of a call, None when there was none."""
    try:
        await call
    except Exception as error:
        return error
    return None


async def sent_for(handler: Callable[[Request], object], request: bytes = GET) -> bytes:
    """All that goes over the wire for one request, after which the peer ends its side."""
    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(request)
        await raw.eof()
        try:
            return await raw.rest()
        except ConnectionError:
            return b"reset after " + bytes(raw.buffer)


# --- ends ---


async def test_eof_after_the_end_does_nothing_and_with_data_is_a_use_error() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare()
        await r.eof(b"last")
        seen.append(await raised(r.eof()))
        seen.append(await raised(r.eof(b"more")))
        seen.append(await raised(r.write(b"more")))

    sent = await sent_for(handler)
    assert sent.count(END) == 1
    assert sent.endswith(chunk(b"last") + END)
    assert seen[0] is None
    assert isinstance(seen[1], UseError)
    assert isinstance(seen[2], UseError)


async def test_eof_short_of_the_promised_length_aborts_and_raises() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "10"})
        await r.write(b"1234")
        seen.append(await raised(r.eof()))

    sent = await sent_for(handler)
    assert isinstance(seen[0], LocalProtocolError)
    assert "10" in str(seen[0]), "the promise is named"
    assert "6" in str(seen[0]), "and what is missing"
    assert b"12345" not in sent
    assert sent.count(b"HTTP/1.1") <= 1


async def test_a_handler_that_returns_short_of_its_length_aborts() -> None:
    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "10"})
        await r.write(b"1234")

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(GET + GET)
        try:
            rest = await raw.rest()
        except ConnectionError:
            rest = bytes(raw.buffer)
        assert rest.count(b"HTTP/1.1") <= 1, "the connection must not be used again"


async def test_more_than_promised_is_an_error_before_anything_of_it_is_sent() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "4"})
        await r.write(b"12")
        seen.append(await raised(r.write(b"345")))
        await r.write(b"34")

    sent = await sent_for(handler)
    assert isinstance(seen[0], LocalProtocolError)
    assert sent.endswith(b"\r\n\r\n1234")


async def test_more_than_promised_on_the_client_too() -> None:
    async def handler(r: Request) -> bytes:
        return await r.read()

    async with Session(app=app_of(handler)) as http, http.post("/", {"content-length": "4"}) as x:
        with pytest.raises(LocalProtocolError, match="POST"):
            await x.write(b"12345")
        await x.write(b"1234")
        assert await x.read() == b"1234"


async def test_an_empty_write_does_nothing() -> None:
    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"")
        await r.write(b"one")
        await r.write(b"")
        await r.write(bytearray())
        await r.write(memoryview(b""))

    assert (await sent_for(handler)).endswith(b"\r\n\r\n" + chunk(b"one") + END)


@pytest.mark.parametrize("where", ["except", "finally", "context"])
async def test_eof_while_another_exception_is_handled_aborts_and_returns(where: str) -> None:
    """A handler that tidies up by `eof` must not make its failure look like a whole answer."""
    seen: list[BaseException | None] = []

    class Tidy:
        def __init__(self, r: Request) -> None:
            self.r = r

        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_: object) -> None:
            seen.append(await raised(self.r.eof()))

    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"half")
        if where == "context":
            async with Tidy(r):
                raise ValueError
        try:
            raise ValueError
        except ValueError:
            if where == "except":
                seen.append(await raised(r.eof()))
                return
            raise
        finally:
            if where == "finally":
                seen.append(await raised(r.eof()))

    sent = await sent_for(handler)
    assert seen == [None]
    assert not sent.endswith(END)


async def test_raised_before_the_head_is_an_error_answer() -> None:
    async def fails(r: Request) -> None:
        raise ValueError("a secret")

    async with served(app_of(fails)) as here:
        raw = await here.raw()
        await raw.send(GET)
        answer = await read_answer(raw)
        assert answer.status == 500
        assert b"secret" not in answer.body


@pytest.mark.parametrize(("status", "message"), [(403, "no"), (404, "nowhere"), (302, "")])
async def test_abort_is_an_answer_with_a_length(status: int, message: str) -> None:
    async def refuses(r: Request) -> None:
        raise Abort(message, status, {"x-why": "because", "location": "/again"})

    async with served(app_of(refuses)) as here:
        raw = await here.raw()
        for _ in range(2):  # and the connection goes on
            await raw.send(GET)
            answer = await read_answer(raw)
            assert answer.status == status
            assert answer.get("content-length") is not None
            assert answer.get("x-why") == "because"
            assert message.encode() in answer.body


async def test_one_message_ends_once_however_often_everybody_says_so() -> None:
    """eof by the handler, at its return, and by its context: one terminator (the seed sent three)."""

    async def handler(r: Request) -> None:
        await r.prepare()
        try:
            await r.write(b"x")
        finally:
            await r.eof()
            await r.eof(b"")

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(GET + GET)
        for _ in range(2):
            assert (await read_answer(raw)).body == b"x"


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

    async with served(source, "tcp") as there, there.session(max_connections=1) as inner:
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


# --- open bodies and what a client sends, and when ---


async def test_nothing_is_sent_until_an_exchange_is_awaited_or_entered() -> None:
    called: list[str] = []

    async def handler(r: Request) -> None:
        called.append(r.query)

    async with Session(app=app_of(handler)) as http:
        waiting = http.get("/?1")
        for _ in range(20):
            await asyncio.sleep(0)
        assert called == []
        _ = await waiting
        assert called == ["1"]


async def test_an_exchange_is_awaited_or_entered_once() -> None:
    async def handler(r: Request) -> None: ...

    async def enter(x: Response) -> None:
        async with x:
            pass

    async with Session(app=app_of(handler)) as http:
        awaited = http.get("/")
        _ = await awaited
        entered = http.get("/")
        async with entered:
            pass
        for x in (awaited, entered):
            assert isinstance(await raised(enter(x)), UseError)
            assert isinstance(await raised(_await(x)), UseError)


async def _await(x: Response) -> Response:
    return await x


@pytest.mark.parametrize("method", ["post", "put", "patch"])
async def test_awaited_without_body_says_length_0(method: str) -> None:
    async with raw_server("tcp") as peer, peer.session() as http:
        asking = asyncio.ensure_future(_await(getattr(http, method)(f"{peer.url}/")))
        raw = await peer.accept()
        asked = await read_request(raw)
        assert asked.get("content-length") == "0"
        assert asked.get("transfer-encoding") is None
        await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await asking).status == 204


@pytest.mark.parametrize("method", ["get", "head", "delete", "options"])
async def test_methods_without_a_body_say_nothing_of_one(method: str) -> None:
    async with raw_server("tcp") as peer, peer.session() as http:
        asking = asyncio.ensure_future(_await(getattr(http, method)(f"{peer.url}/")))
        raw = await peer.accept()
        asked = await read_request(raw)
        assert asked.method == method.upper()
        assert asked.get("content-length") is None
        assert asked.get("transfer-encoding") is None
        await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await asking).status == 204


async def test_a_whole_body_read_with_nothing_written_ends_an_open_body_empty() -> None:
    async def handler(r: Request) -> str:
        return f"got {len(await r.read())}"

    async with Session(app=app_of(handler)) as http, http.post("/") as x:
        assert await x.text() == "got 0"


async def test_pull_and_head_never_end_an_open_body() -> None:
    async with lockstep("memory") as script:
        await script.server.prepare()
        assert await script.client.head() == 200
        await script.server.write(b"x")
        await script.client.sees(b"x")
        await script.client.write(b"still open")
        await script.server.sees(b"still open")
        await script.client.eof()
        await script.server.sees_end()


async def test_an_open_body_may_wait_for_100() -> None:
    async def handler(r: Request) -> bytes:
        return await r.read()

    async def refuses(r: Request) -> tuple[int, str]:
        return 403, "no"

    async with Session(app=app_of(handler)) as http:
        async with http.post("/", expect_continue=True) as x:
            await x.write(b"one ")
            await x.write(b"two")
            await x.eof()
            assert await x.read() == b"one two"
        assert (await http.get("/again")).content == b"again"
    async with Session(app=app_of(refuses)) as http, http.post("/", expect_continue=True) as x:
        await x.head()
        with pytest.raises(EarlyAnswer):
            await x.write(b"never sent")
        assert (x.status, await x.read()) == (403, b"no")


async def test_leaving_the_block_ends_an_open_body() -> None:
    bodies: list[bytes] = []

    async def handler(r: Request) -> None:
        bodies.append(await r.read())

    async with Session(app=app_of(handler)) as http:
        async with http.post("/") as x:
            await x.write(b"said")
        assert (await http.get("/again")).content == b"again"
    assert bodies == [b"said"]


async def test_entered_waits_for_the_head_when_the_body_is_complete_or_supplied() -> None:
    async def handler(r: Request) -> bytes:
        return await r.read()

    async def parts() -> AsyncIterator[bytes]:
        yield b"supplied"

    async with Session(app=app_of(handler)) as http:
        async with http.get("/again") as x:
            assert x.status == 200
        async with http.post("/", body=b"bytes") as x:
            assert x.status == 200
            assert await x.text() == "bytes"
        async with http.post("/", body=parts()) as x:
            assert x.status == 200
            assert await x.text() == "supplied"
        async with http.post("/") as x:
            assert x.status is None


@pytest.mark.parametrize(
    ("body", "length"),
    [(b"bytes", "5"), ("tëxt", "5"), (None, "6"), (bytearray(b"array"), "5")],
    ids=["bytes", "str", "file", "bytearray"],
)
async def test_bodies_of_known_size_say_their_length(body: object, length: str) -> None:
    body = body or io.BytesIO(b"a file")
    async with raw_server("tcp") as peer, peer.session() as http:
        asking = asyncio.ensure_future(_await(http.post(f"{peer.url}/", body=body)))  # type: ignore[arg-type]  # in turn
        raw = await peer.accept()
        asked = await read_request(raw)
        assert asked.get("content-length") == length
        assert len(asked.body) == int(length)
        await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        _ = await asking


async def test_a_clients_prepare_is_a_use_error() -> None:
    async def handler(r: Request) -> None: ...

    async with Session(app=app_of(handler)) as http, http.post("/") as x:
        with pytest.raises(UseError, match="prepare"):
            await x.prepare({"x": "y"}, 200)


# --- order of calls on a server ---


@pytest.mark.parametrize("verb", ["write", "write_chunked", "relay"])
async def test_writing_without_prepare_is_a_use_error_and_nothing_is_sent(verb: str) -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> str:
        argument: object = io.BytesIO(b"x") if verb == "relay" else b"x"
        seen.append(await raised(getattr(r, verb)(argument)))
        return "whole"

    sent = await sent_for(handler)
    assert isinstance(seen[0], UseError)
    assert "prepare" in str(seen[0])
    assert verb in str(seen[0])
    assert sent.count(b"HTTP/1.1") == 1
    assert sent.endswith(b"\r\n\r\nwhole")


async def test_a_value_returned_after_prepare_is_a_use_error_and_an_abort() -> None:
    async def handler(r: Request) -> str:
        await r.prepare()
        await r.write(b"streamed")
        return "and a value"

    sent = await sent_for(handler)
    assert b"and a value" not in sent
    assert not sent.endswith(END)


async def test_prepare_twice_is_a_use_error() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare()
        seen.append(await raised(r.prepare()))
        await r.write(b"x")

    sent = await sent_for(handler)
    assert isinstance(seen[0], UseError)
    assert sent.endswith(chunk(b"x") + END)


async def test_eof_with_data_and_no_prepare_is_a_whole_200() -> None:
    async def handler(r: Request) -> None:
        await r.eof(b"whole")

    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(GET)
        answer = await read_answer(raw)
        assert (answer.status, answer.get("content-length"), answer.body) == (200, "5", b"whole")


async def test_none_returned_is_204_if_nothing_was_prepared() -> None:
    async def handler(r: Request) -> None:
        return None

    async with Session(app=app_of(handler)) as http:
        assert (await http.get("/")).status == 204


async def test_write_chunked_after_a_promised_length_is_an_error() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "4"})
        seen.append(await raised(r.write_chunked(b"1234")))
        await r.write(b"1234")

    sent = await sent_for(handler)
    assert isinstance(seen[0], UseError | LocalProtocolError)
    assert sent.endswith(b"\r\n\r\n1234")


async def test_concurrent_writes_are_atomic_in_call_order() -> None:
    async with lockstep("memory") as script:
        await script.server.prepare()
        await script.client.head()
        r = await script.server.x()
        blocks = [bytes([number]) * 300_000 for number in range(10)]
        writing = [asyncio.ensure_future(r.write(block)) for block in blocks]
        await script.client.sees(b"".join(blocks))
        await asyncio.gather(*writing)
        await script.client.eof()
        await script.server.sees_end()


@pytest.mark.parametrize(
    ("value", "status", "kind", "body"),
    [
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1, 2], 200, "application/json", b"[1,2]"),
        ("tëxt", 200, "text/plain; charset=utf-8", "tëxt".encode()),
        (b"bytes", 200, "application/octet-stream", b"bytes"),
        ((201, {"a": 1}), 201, "application/json", b'{"a":1}'),
        ((202, "text", {"x-more": "1"}), 202, "text/plain; charset=utf-8", b"text"),
    ],
    ids=["dict", "list", "str", "bytes", "pair", "triple"],
)
async def test_returned_values_are_answers(value: object, status: int, kind: str, body: bytes) -> None:
    async def handler(r: Request) -> object:
        return value

    async with Session(app=app_of(handler)) as http:
        answer = await http.get("/")
        assert (answer.status, answer.content_type, answer.content) == (status, kind, body)
        assert answer.headers["content-length"] == str(len(body))


# --- bytes that may not be sent ---

BAD = ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"]


@pytest.mark.parametrize("bad", BAD)
async def test_a_server_sends_no_bad_header_value_name_or_reason(bad: str) -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> str:
        seen.append(await raised(r.prepare({"x-value": bad})))
        seen.append(await raised(r.prepare({bad: "value"})))
        seen.append(await raised(r.inform(103, {"x-value": bad})))
        seen.append(await raised(r.prepare({"x y": "value"})))
        seen.append(await raised(r.prepare({"": "value"})))
        return "whole"

    sent = await sent_for(handler)
    assert [type(error) for error in seen] == [LocalProtocolError] * 5
    assert sent.count(b"HTTP/1.1") == 1
    assert sent.endswith(b"whole")
    assert b"evil" not in sent


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_header_returned_or_aborted_with_is_a_500_without_it(bad: str) -> None:
    async def returns(r: Request) -> object:
        return 200, "text", {"x-value": bad}

    async def aborts(r: Request) -> None:
        raise Abort("no", 403, {"x-value": bad})

    for handler in (returns, aborts):
        sent = await sent_for(handler)
        assert sent.startswith(b"HTTP/1.1 500 ")
        assert b"evil" not in sent


@pytest.mark.parametrize("bad", BAD)
async def test_bad_trailers_are_not_sent(bad: str) -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"x")
        seen.append(await raised(r.eof(trailers={"x-value": bad})))

    sent = await sent_for(handler)
    assert isinstance(seen[0], LocalProtocolError)
    assert b"evil" not in sent


@pytest.mark.parametrize("bad", [*BAD, "a b"])
async def test_a_client_sends_no_bad_method_target_name_or_value(bad: str) -> None:
    async with raw_server("tcp") as peer, peer.session() as http:

        async def ask(method: str, path: str, headers: dict[str, str] | None = None) -> None:
            _ = await http.request(method, f"{peer.url}{path}", headers)

        calls = [ask(bad, "/"), ask("GET", "/", {bad: "value"})]
        if bad != "a b":
            calls += [ask("GET", "/", {"x-value": bad})]
        for call in calls:
            error = await raised(call)
            assert isinstance(error, LocalProtocolError), error
        target = await _target_sent(peer.url, http, bad, peer)
        assert "\r" not in target
        assert "\n" not in target
        assert " " not in target
        assert "\0" not in target


async def _target_sent(url: str, http: Session, bad: str, peer: RawServer) -> str:
    """What goes out for a bad path: nothing (an error), or its percent-encoded form."""

    async def ask() -> None:
        _ = await http.get(f"{url}/{bad}")

    asking = asyncio.ensure_future(ask())
    accepting = asyncio.ensure_future(_asked(peer))
    await asyncio.wait([asking, accepting], return_when=asyncio.FIRST_COMPLETED)
    if asking.done():
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        assert isinstance(asking.exception(), LocalProtocolError | ValueError), asking.exception()
        return ""
    raw, target = await accepting
    await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await asking
    return target


async def _asked(peer: RawServer) -> tuple[Raw, str]:
    raw = await peer.accept()
    return raw, (await read_request(raw)).target


async def test_two_framings_are_never_sent() -> None:
    seen: list[BaseException | None] = []

    async def handler(r: Request) -> str:
        both = {"content-length": "5", "transfer-encoding": "chunked"}
        seen.append(await raised(r.prepare(both)))
        seen.append(await raised(r.prepare([("content-length", "5"), ("content-length", "6")])))
        seen.append(await raised(r.prepare({"content-length": "-1"})))
        seen.append(await raised(r.prepare({"content-length": "+1"})))
        seen.append(await raised(r.prepare({"transfer-encoding": "gzip"})))
        return "whole"

    sent = await sent_for(handler)
    assert [type(error) for error in seen] == [LocalProtocolError] * 5
    assert sent.count(b"HTTP/1.1") == 1


# --- what is known stays known ---


async def test_metadata_outlives_the_context_and_the_connections_reuse() -> None:
    kept: list[Request] = []

    async def handler(r: Request) -> tuple[int, str, dict[str, str]]:
        kept.append(r)
        await r.read()
        return 201, f"body {r.query}", {"x-number": r.query}

    async with Session(app=app_of(handler), max_connections=1) as http:
        answers = [await http.post(f"/?{number}", {"x-asked": str(number)}, body=b"12345") for number in range(3)]
        async with http.post("/?3", {"x-asked": "3"}, body=b"12345") as x:
            await x.read()
        answers.append(x)
    for number, (r, x) in enumerate(zip(kept, answers, strict=True)):
        assert (x.status, x.reason, x.method, x.headers["x-number"]) == (201, "Created", "POST", str(number))
        assert (x.content_length, x.received_len, x.complete, x.http_version) == (6, 6, True, "1.1")
        assert x.request_headers["x-asked"] == str(number)
        assert (r.method, r.path, r.query, r.headers["x-asked"]) == ("POST", "/", str(number), str(number))
        assert (r.status, r.content_length, r.received_len, r.complete) == (201, 5, 5, True)
        assert r.response_headers["x-number"] == str(number)


async def test_headers_ignore_case_repeat_and_drop_none() -> None:
    async def handler(r: Request) -> None:
        await r.prepare({"X-Number": 5, "x-none": None, "x-list": ["a", "b"], "content-length": 0})

    async with Session(app=app_of(handler)) as http:
        answer = await http.get("/")
        assert answer.headers["x-NUMBER"] == "5"
        assert "x-none" not in answer.headers
        assert answer.headers.get_all("X-List") == ["a", "b"]


async def test_a_typo_is_an_attribute_error() -> None:
    seen: list[str] = []

    async def handler(r: Request) -> None:
        for name in ("wirte", "prepar"):
            with pytest.raises(AttributeError):
                getattr(r, name)
        with pytest.raises(AttributeError):
            r.wirte = 1  # type: ignore[attr-defined]  # the typo is the point
        seen.append("done")

    async with Session(app=app_of(handler)) as http:
        x = await http.get("/")
        with pytest.raises(AttributeError):
            x.wirte = 1  # type: ignore[attr-defined]  # the typo is the point
    assert seen == ["done"]


async def test_store_is_the_applications_own() -> None:
    async def handler(r: Request) -> object:
        assert r.store == {}
        r.store["a"] = 1
        return r.store

    async with Session(app=app_of(handler)) as http:
        for _ in range(2):
            assert await (await http.get("/")).json() == {"a": 1}


async def test_errors_name_method_url_and_bytes_moved() -> None:
    async with raw_server("tcp") as peer, peer.session() as http:

        async def ask() -> None:
            async with http.get(f"{peer.url}/some/path?q=1") as x:
                async for _ in x:
                    pass

        asking = asyncio.ensure_future(ask())
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 777\r\n\r\n" + b"x" * 123)
        await raw.close()
        error = await raised(asking)
        assert isinstance(error, Disconnected)
        for word in ("GET", "/some/path", "123"):
            assert word in str(error), str(error)


async def test_raise_for_status_names_the_status() -> None:
    async def handler(r: Request) -> tuple[int, str]:
        return 404, "nowhere"

    async with Session(app=app_of(handler)) as http:
        answer = await http.get("/")
        assert not answer.ok
        with pytest.raises(StatusError, match="404") as caught:
            _ = answer.raise_for_status()
        assert (caught.value.status, caught.value.answer) == (404, answer)
        fine = await http.get("/again")
        assert fine.ok
        assert fine.ok()
        assert fine.raise_for_status() is fine
        assert (fine.status_code, fine.reason_phrase) == (200, "OK")


# --- redirects ---


def redirecting() -> App:
    web = App(port=0)

    @web.route("/from/{status}", methods=("GET", "POST", "PUT"))
    async def start(r: Request, status: str) -> object:
        return int(status), "", {"location": "/to"}

    @web.route("/to", methods=("GET", "POST", "PUT"))
    async def end(r: Request) -> object:
        body = await r.read()
        return {
            "method": r.method,
            "body": body.decode(),
            "type": r.content_type,
            "te": "transfer-encoding" in r.headers,
        }

    return web


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_301_302_303_drop_the_body(status: int) -> None:
    async with Session(app=redirecting()) as http:
        answer = await http.post(f"/from/{status}", json={"a": 1}, follow_redirects=True)
        assert await answer.json() == {"method": "GET", "body": "", "type": "", "te": False}
        assert [hop.status for hop in answer.history] == [status]


@pytest.mark.parametrize("status", [307, 308])
async def test_307_308_replay_what_can_be_replayed(status: int) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"once"

    async with Session(app=redirecting()) as http:
        for body in (b"again", "again", io.BytesIO(b"again")):
            answer = await http.put(f"/from/{status}", body=body, follow_redirects=True)
            value = await answer.json()
            assert (value["method"], value["body"]) == ("PUT", "again")  # type: ignore[index,call-overload]
        with pytest.raises(BodyNotReplayable) as caught:
            _ = await http.put(f"/from/{status}", body=parts(), follow_redirects=True)
        assert caught.value.answer.status == status


async def test_redirects_are_followed_only_on_request_and_with_an_end() -> None:
    web = App(port=0)

    @web.get("/loop")
    async def loop(r: Request) -> object:
        return Deliver.redirect("/loop")

    async with Session(app=web) as http:
        answer = await http.get("/loop")
        assert (answer.status, answer.history) == (302, [])
        with pytest.raises(ToolkitError):
            _ = await http.get("/loop", follow_redirects=True)


# --- loops, and the current request ---


def test_app_and_session_are_made_without_a_loop_and_rebound_when_theirs_is_closed() -> None:
    async def handler(r: Request) -> str:
        return "value"

    web = app_of(handler)
    http = Session(app=web)

    async def ask() -> bytes:
        answer = await http.get("/")
        await http.close()
        return answer.content

    assert asyncio.run(ask()) == b"value"
    assert asyncio.run(ask()) == b"value"


async def test_use_from_another_running_loop_is_a_use_error() -> None:
    async def handler(r: Request) -> str:
        return "value"

    web = app_of(handler)
    seen: list[BaseException | None] = []

    async def elsewhere(http: Session, own: Session) -> None:
        seen.append(await raised(_await(http.get("/"))))
        seen.append(await raised(_await(own.get("/"))))

    async with Session(app=web) as http:
        assert (await http.get("/")).content == b"value"
        own = Session(app=web)  # a session of the other loop, an application of this one
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere(http, own)))
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        assert [type(error) for error in seen] == [UseError, UseError]
        assert (await http.get("/")).content == b"value"


async def test_deliver_knows_the_current_request_awaited_or_returned() -> None:
    web = App(port=0)

    @web.get("/awaited")
    async def awaited(r: Request) -> None:
        await Deliver.json({"how": "awaited"}, 201, {"x-a": "b"})

    @web.get("/returned")
    async def returned(r: Request) -> object:
        return Deliver.text("returned")

    @web.get("/subtask")
    async def subtask(r: Request) -> None:
        async def inner() -> None:
            await Deliver.html("<p>")

        await asyncio.ensure_future(inner())

    @web.get("/redirect")
    async def redirect(r: Request) -> object:
        return Deliver.redirect("/awaited")

    @web.get("/empty")
    async def empty(r: Request) -> object:
        return Deliver.empty()

    async with Session(app=web) as http:
        answer = await http.get("/awaited")
        assert (answer.status, answer.headers["x-a"], await answer.json()) == (201, "b", {"how": "awaited"})
        assert (await http.get("/returned")).content == b"returned"
        assert (await http.get("/subtask")).content_type.startswith("text/html")
        moved = await http.get("/redirect")
        assert (moved.status, moved.headers["location"], moved.headers["content-length"]) == (302, "/awaited", "0")
        assert (await http.get("/empty")).status == 204
        both = await asyncio.gather(*(http.get(f"/{path}") for path in ("awaited", "returned") * 5))
        assert [answer.status for answer in both] == [201, 200] * 5


async def test_deliver_without_a_request_is_a_use_error() -> None:
    async def deliver() -> None:
        await Deliver.text("to whom?")

    assert isinstance(await raised(deliver()), UseError)


# --- graceful exit ---


@pytest.mark.parametrize("kind", ["tcp", "memory"])
async def test_exit_lets_running_exchanges_end_and_tells_them(kind: str) -> None:
    stopping = asyncio.Event()

    async def handler(r: Request) -> str:
        await r.stopping()
        stopping.set()
        return "ended in order"

    web = app_of(handler)
    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        idle = await here.raw()
        await idle.send(b"GET /again HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_answer(idle)).body == b"again"
        leaving = asyncio.ensure_future(_exit(web))
        answer = await read_answer(raw)
        assert stopping.is_set()
        assert answer.body == b"ended in order"
        assert answer.closes
        assert await raw.rest() == b""
        assert await idle.rest() == b"", "an idle connection is closed at once"
        await leaving


async def _exit(web: App) -> None:
    await web.exit()


async def test_exit_cancels_what_outlives_the_grace_time() -> None:
    seen: list[str | None] = []
    hold = asyncio.Event()
    running = asyncio.Event()
    web = App(port=0, timeouts=toolkit.Timeouts(grace=0.02))

    @web.get("/")
    async def handler(r: Request) -> None:
        running.set()
        try:
            await hold.wait()
        finally:
            seen.append(r.cancelled_by)

    async with served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(GET)
        await running.wait()
        await web.exit()
        assert seen == ["shutdown"]
        await raw.gone()
