"""What was probed on the peers' servers and clients, each with the best peer's answer or better, in raw bytes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import chunk, read_answer, read_head, read_request
from tests.helpers.raw import raw_server
from tests.helpers.served import KINDS, served
from toolkit import App, EarlyAnswer, LocalProtocolError, PoolLimits, RemoteProtocolError, Timeouts, ToolkitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Request

LINKS = pytest.mark.parametrize("kind", KINDS)
HALF_CLOSING = pytest.mark.parametrize("kind", ["memory", "tcp", "unix"])
POST = b"POST /%b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n%b\r\n"
GET = b"GET /%b HTTP/1.1\r\nhost: x\r\n%b\r\n"
END = b"0\r\n\r\n"


def application(**options: object) -> App:
    """One application with every handler that the probes need."""
    web = App(port=0, **options)  # type: ignore[arg-type]  # options are passed through by name

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare({"x-handler": "echo"})
        async for part in r:
            await r.write(part)

    @web.post("/unread")
    async def unread(r: Request) -> str:
        return "not read"

    @web.post("/unread-stream")
    async def unread_stream(r: Request) -> None:
        await r.prepare()
        await r.write(b"streamed")

    @web.post("/read")
    async def read(r: Request) -> bytes:
        return await r.read()

    @web.post("/write-then-read")
    async def write_then_read(r: Request) -> None:
        await r.prepare()
        await r.write(b"first ")
        await r.write(await r.read())

    @web.get("/late")
    async def late(r: Request) -> str:
        await r.disconnected()
        return "late"

    @web.get("/again")
    async def again(r: Request) -> str:
        return "again"

    return web


# --- duplex echo over one chunked POST ----------------------------------------------------------------------------


@LINKS
async def test_echo_sends_its_head_before_any_body_byte_and_each_chunk_at_once(kind: str) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        for _ in range(2):  # the connection is reused
            await raw.send(POST % (b"echo", b""))
            line, fields = await read_head(raw)
            assert line.startswith("HTTP/1.1 200 ")
            assert ("x-handler", "echo") in [(name.lower(), value) for name, value in fields]
            for part in (b"a", b"bc", b"d" * 1000):
                await raw.send(chunk(part))
                assert await raw.receive(len(chunk(part))) == chunk(part)
            await raw.send(END)
            assert await raw.receive(len(END)) == END
        await raw.send(GET % (b"again", b""))
        assert (await read_answer(raw)).body == b"again"


# --- a whole answer without reading ---


@LINKS
async def test_a_whole_answer_then_the_rest_of_an_open_chunked_body_and_a_second_request(kind: str) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(POST % (b"unread", b"") + chunk(b"some"))
        first = await read_answer(raw)
        assert first.body == b"not read"
        await raw.send(chunk(b"the rest") + END + GET % (b"again", b""))
        if first.closes:  # announced: then nothing of it may be served
            assert await raw.rest() == b""
        else:
            assert (await read_answer(raw)).body == b"again"
        assert not first.closes, "the rest was within the drain budget"


@LINKS
async def test_more_than_the_drain_budget_is_announced_and_the_answer_survives_the_upload(kind: str) -> None:
    """Known at head time: `connection: close`; and a lingering close, so that no reset destroys the answer."""
    size = 1024 * 1024
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
        answered = asyncio.ensure_future(read_answer(raw))
        for _ in range(16):
            try:
                await raw.send(bytes(size // 16))
            except ConnectionError:
                break  # the server lingers for a bounded time only
        answer = await answered
        assert answer.closes
        assert answer.body == b"not read"


@LINKS
async def test_an_unread_body_behind_a_streamed_answer_is_held_then_the_connection_ends(kind: str) -> None:
    """Nobody claims it within `hold`: no second request is served behind an unread body."""
    async with served(application(timeouts=Timeouts(hold=0.05)), kind) as here:
        raw = await here.raw()
        await raw.send(POST % (b"unread-stream", b"") + chunk(b"some"))
        assert (await read_answer(raw)).body == b"streamed"
        assert await raw.rest() == b""


@LINKS
async def test_an_unread_length_within_the_budget_is_drained(kind: str) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")
        first = await read_answer(raw)
        assert not first.closes
        await raw.send(b"0123456789" + GET % (b"again", b""))
        assert (await read_answer(raw)).body == b"again"


# --- FIN right after the request ---


@HALF_CLOSING
async def test_a_fin_right_after_the_request_still_gets_the_slow_answer(kind: str) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(GET % (b"late", b""))
        await raw.eof()
        answer = await read_answer(raw)
        assert (answer.status, answer.body) == (200, b"late")
        assert await raw.rest() == b""


@HALF_CLOSING
async def test_pipelined_requests_then_fin_are_all_answered_in_order(kind: str) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(GET % (b"again", b"") + POST % (b"read", b"") + chunk(b"body") + END + GET % (b"late", b""))
        await raw.eof()
        bodies = [(await read_answer(raw)).body for _ in range(3)]
        assert bodies == [b"again", b"body", b"late"]
        assert await raw.rest() == b""


@HALF_CLOSING
async def test_a_fin_inside_a_request_is_no_request(kind: str) -> None:
    """Cut inside the head or the body: never a 2xx of a handler that takes the part for the whole."""
    seen: list[object] = []
    web = App(port=0)

    @web.post("/read")
    async def read(r: Request) -> bytes:
        try:
            body = await r.read()
        except Exception as error:
            seen.append(type(error).__name__)
            raise
        seen.append(body)
        return body

    cut = [
        b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-le",
        b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf",
        POST % (b"read", b"") + b"5\r\nhal",
        POST % (b"read", b"") + chunk(b"half"),
        POST % (b"read", b"") + chunk(b"half") + b"0\r\n",
    ]
    async with served(web, kind) as here:
        for request in cut:
            raw = await here.raw()
            await raw.send(request)
            await raw.eof()
            try:
                rest = await raw.rest()
            except ConnectionError:
                rest = b""
            assert b"HTTP/1.1 2" not in rest, request
        assert all(entry in ("Disconnected", "RemoteProtocolError", "CancelledError") for entry in seen), seen


# --- Expect: 100-continue ---

EXPECT = b"expect: 100-continue\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@LINKS
async def test_100_is_sent_when_somebody_reads(kind: str) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(POST % (b"read", EXPECT))
        assert await raw.receive(len(CONTINUE)) == CONTINUE
        await raw.send(chunk(b"body") + END)
        assert (await read_answer(raw)).body == b"body"
        await raw.send(GET % (b"again", b""))
        assert (await read_answer(raw)).body == b"again"


@LINKS
async def test_no_100_to_a_handler_that_never_reads_and_the_close_is_announced(kind: str) -> None:
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(POST % (b"unread", EXPECT))
        answer = await read_answer(raw)
        assert (answer.status, answer.body) == (200, b"not read")
        assert answer.closes
        assert await raw.rest() == b""


@LINKS
async def test_no_100_when_the_body_is_already_here(kind: str) -> None:
    """RFC 9110 10.1.1: a server may omit it when it has received some of the body; and the final answer is right."""
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(POST % (b"read", EXPECT) + chunk(b"body") + END)
        answer = await read_answer(raw)
        if answer.status == 100:
            answer = await read_answer(raw)
        assert (answer.status, answer.body) == (200, b"body")


@LINKS
@pytest.mark.parametrize("path", [b"echo", b"write-then-read"])
async def test_duplex_with_expect_sends_100_before_the_final_head(kind: str, path: bytes) -> None:
    """After the final head a 100 is illegal, so `prepare` of a streamed answer sends it first."""
    async with served(application(), kind) as here:
        raw = await here.raw()
        await raw.send(POST % (path, EXPECT))
        assert await raw.receive(len(CONTINUE)) == CONTINUE
        line, _ = await read_head(raw)
        assert line.startswith("HTTP/1.1 200 ")
        await raw.send(chunk(b"x") + END)
        got = await raw.until(END)
        assert b"x" in got
        assert b"100 Continue" not in got
        await raw.send(GET % (b"again", b""))
        assert (await read_answer(raw)).body == b"again"


async def test_never_1xx_to_http_1_0() -> None:
    async with served(application()) as here:
        raw = await here.raw()
        await raw.send(b"POST /read HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        await raw.send(b"body")
        answer = await read_answer(raw)
        assert (answer.status, answer.body) == (200, b"body")


@LINKS
async def test_a_client_sends_its_body_after_100(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http:
        asking = asyncio.ensure_future(_post(http.post(f"{peer.url}/", body=b"the body", expect_continue=True)))
        raw = await peer.accept()
        _, fields = await read_head(raw)
        assert ("expect", "100-continue") in [(name.lower(), value) for name, value in fields]
        assert not raw.buffer, "the body came before 100"
        await raw.send(CONTINUE)
        assert await raw.receive(8) == b"the body"
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        assert await asking == (200, b"ok")


async def _post(request: object) -> tuple[int | None, bytes]:
    answer = await request  # type: ignore[misc]  # a Response is awaitable
    return answer.status, answer.content


@LINKS
async def test_a_client_waits_a_bounded_time_for_100(kind: str) -> None:
    timeouts = Timeouts(expect=0.02)
    async with raw_server(kind) as peer, peer.session(timeouts=timeouts) as http:
        asking = asyncio.ensure_future(_post(http.post(f"{peer.url}/", body=b"the body", expect_continue=True)))
        raw = await peer.accept()
        asked = await read_request(raw)
        assert asked.body == b"the body"
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        assert await asking == (200, b"ok")


@LINKS
async def test_a_client_sends_no_body_after_a_refusal(kind: str) -> None:
    """A final answer in place of 100: the body stays here and the connection is not reused."""
    async with raw_server(kind) as peer, peer.session(pool=PoolLimits(connections=1)) as http:
        asking = asyncio.ensure_future(_post(http.post(f"{peer.url}/", body=b"the body", expect_continue=True)))
        raw = await peer.accept()
        await read_head(raw)
        await raw.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        assert await asking == (403, b"")
        assert await raw.rest() == b"", "the connection carries an unsent body: it must not be reused"


@LINKS
async def test_a_client_asks_again_without_an_expectation_that_is_refused(kind: str) -> None:
    """417: once more without it (RFC 9110 10.1.1), on another connection, as this one carries an unsent body."""
    async with raw_server(kind) as peer, peer.session(pool=PoolLimits(connections=1)) as http:
        asking = asyncio.ensure_future(_post(http.post(f"{peer.url}/", body=b"the body", expect_continue=True)))
        raw = await peer.accept()
        await read_head(raw)
        await raw.send(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n")
        assert await raw.rest() == b""
        raw = await peer.accept()
        seen = await read_request(raw)
        assert (seen.get("expect"), seen.body) == (None, b"the body")
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        assert await asking == (200, b"ok")


# --- a client generator that waits for the answer ---


@LINKS
async def test_a_generator_that_waits_for_the_first_answer_bytes_before_it_yields_more(kind: str) -> None:
    first = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await first.wait()
        yield b"two"

    async with served(application(), kind) as here, here.session() as http:
        async with http.post(f"{here.url}/echo", body=body()) as x:
            got = bytearray()
            async for part in x:
                got += part
                if got == b"one":
                    first.set()
        assert got == b"onetwo"
        assert (await http.get(f"{here.url}/again")).content == b"again"


# --- early final answers ---


@LINKS
@pytest.mark.parametrize("status", [300, 302, 413, 500])
async def test_a_final_status_from_300_stops_the_upload(kind: str, status: int) -> None:
    async with raw_server(kind) as peer, peer.session() as http:
        async with http.post(f"{peer.url}/") as x:
            await x.write(b"first")
            raw = await peer.accept()
            assert (await raw.until(b"first\r\n")).endswith(chunk(b"first"))
            await raw.send(b"HTTP/1.1 %d No\r\ncontent-length: 5\r\n\r\nsorry" % status)
            await x.head()
            assert x.status == status
            with pytest.raises(EarlyAnswer) as caught:
                await x.write(b"second")
            assert caught.value.exchange is x
            assert await x.read() == b"sorry"
        await raw.gone()
        assert not raw.buffer, "no final chunk, and nothing after the early answer"


@LINKS
async def test_an_early_answer_stops_an_iterable_silently(kind: str) -> None:
    closed = asyncio.Event()
    more = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await more.wait()
            yield b"second"
            raise AssertionError("the upload went on after a final answer")
        finally:
            closed.set()

    async with raw_server(kind) as peer, peer.session() as http:
        asking = asyncio.ensure_future(_post(http.post(f"{peer.url}/", body=body())))
        raw = await peer.accept()
        await raw.until(b"first\r\n")
        await raw.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nsorry")
        assert await asking == (413, b"sorry")
        more.set()
        await closed.wait()
        await raw.gone()
        assert END not in bytes(raw.buffer)


@LINKS
@pytest.mark.parametrize("close", [b"", b"connection: close\r\n"])
async def test_a_2xx_never_stops_an_upload(kind: str, close: bytes) -> None:
    """Unless it says close and is complete; here its body is still open when the upload goes on."""
    async with raw_server(kind) as peer, peer.session() as http, http.post(f"{peer.url}/") as x:
        raw = await peer.accept()
        await read_head(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\n" + close + b"transfer-encoding: chunked\r\n\r\n")
        await x.head()
        await x.write(b"first")
        assert await raw.receive(len(chunk(b"first"))) == chunk(b"first")
        await raw.send(chunk(b"a"))
        await x.write(b"second")
        assert await raw.receive(len(chunk(b"second"))) == chunk(b"second")
        await x.eof()
        assert await raw.receive(len(END)) == END
        await raw.send(chunk(b"b") + END)
        assert await x.read() == b"ab"


@LINKS
async def test_a_complete_200_without_close_does_not_stop_an_upload(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http:
        async with http.post(f"{peer.url}/") as x:
            raw = await peer.accept()
            await read_head(raw)
            await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nall.")
            assert [part async for part in x] == [b"all."]  # `read()` would end the open body
            await x.write(b"more")
            assert await raw.receive(len(chunk(b"more"))) == chunk(b"more")
            await x.eof()
            assert await raw.receive(len(END)) == END
        asking = asyncio.ensure_future(_post(http.get(f"{peer.url}/2")))
        assert (await read_request(raw)).target == "/2", "the connection is right and is reused"
        await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert await asking == (204, b"")


@LINKS
async def test_connection_close_with_the_answer_complete_stops_the_upload(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http, http.post(f"{peer.url}/") as x:
        raw = await peer.accept()
        await read_head(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nall.")
        assert [part async for part in x] == [b"all."]
        with pytest.raises(EarlyAnswer):
            await x.write(b"more")


@LINKS
async def test_an_early_refusal_by_our_server_reaches_our_client_that_uploads(kind: str) -> None:
    """32 MiB would go up; the handler refuses without reading: the client gets the 403 whole, not a reset."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(512):
            yield bytes(65536)

    web = App(port=0)

    @web.post("/")
    async def refuse(r: Request) -> tuple[int, str]:
        return 403, "no thanks"

    async with served(web, kind) as here, here.session() as http:
        answer = await http.post(f"{here.url}/", body=body())
        assert (answer.status, answer.content) == (403, b"no thanks")


# --- half-closing servers ---


@HALF_CLOSING
async def test_a_server_that_half_closes_after_its_answer_still_gets_the_upload(kind: str) -> None:
    """A whole 2xx, then FIN, without `connection: close`: no reason to stop an upload is among these."""
    async with raw_server(kind) as peer, peer.session() as http:
        async with http.post(f"{peer.url}/") as x:
            raw = await peer.accept()
            await read_head(raw)
            await raw.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"whole") + END)
            await raw.eof()
            assert b"".join([part async for part in x]) == b"whole"
            assert x.complete is True
            await x.write(b"still")
            assert await raw.receive(len(chunk(b"still"))) == chunk(b"still")
            await x.eof()
            assert await raw.receive(len(END)) == END
        assert await raw.rest() == b""


# --- what a client must not believe ---

WRONG = {
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "length and chunked": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "another protocol": b"SSH-2.0-x\r\n\r\n",
    "fin in the head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "nothing at all": b"",
    "bad chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    "101 that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}


@LINKS
@pytest.mark.parametrize("sent", WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_answer_is_an_error_that_names_the_request(kind: str, sent: bytes) -> None:
    async with raw_server(kind) as peer, peer.session() as http:
        asking = asyncio.ensure_future(_post(http.get(f"{peer.url}/the-path")))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(sent)
        await raw.close()
        with pytest.raises(ToolkitError) as caught:
            await asking
        assert not isinstance(caught.value, LocalProtocolError)
        assert isinstance(caught.value, RemoteProtocolError | ConnectionError)
        assert "GET" in str(caught.value)
        assert "/the-path" in str(caught.value)
