"""The kinds of messages both ends know: interim answers, trailers, bodyless answers, HTTP/1.0, raw streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering, chunk, read_answer, read_chunked, read_head, read_request
from tests.helpers.raw import raw_server
from tests.helpers.served import KINDS, served
from toolkit import App, PoolLimits, RemoteProtocolError, UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Exchange, Request, Response

LINKS = pytest.mark.parametrize("kind", KINDS)


async def whole(request: Response) -> Response:
    """Await an answer (a coroutine, as tasks want one)."""
    return await request


# --- 103 ---


@LINKS
async def test_103_goes_out_before_the_final_answer_and_is_seen_by_the_client(kind: str) -> None:
    web = App(port=0)
    go_on = asyncio.Event()

    @web.get("/")
    async def hinted(r: Request) -> str:
        await r.inform(103, {"link": "</a.css>; rel=preload"})
        await go_on.wait()
        return "final"

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        hint = await read_answer(raw)  # lock-step: the final answer waits for this
        assert (hint.status, hint.get("link")) == (103, "</a.css>; rel=preload")
        go_on.set()
        assert (await read_answer(raw)).body == b"final"
        async with here.session() as http:
            answer = await http.get(f"{here.url}/")
            assert answer.content == b"final"
            interim = [(status, headers["link"]) for status, headers in answer.interim]
            assert interim == [(103, "</a.css>; rel=preload")]


async def test_no_103_to_http_1_0() -> None:
    web = App(port=0)

    @web.get("/")
    async def hinted(r: Request) -> str:
        await r.inform(103, {"link": "x"})
        return "final"

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await read_answer(raw)).status == 200


@LINKS
async def test_too_many_interim_answers_are_refused(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http:
        asking = asyncio.ensure_future(whole(http.get(f"{peer.url}/")))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 17)
        with pytest.raises(RemoteProtocolError):
            _ = await asking


# --- trailers ---


@LINKS
async def test_trailers_go_both_ways_and_stay_apart_from_headers(kind: str) -> None:
    web = App(port=0)
    seen: tuple[str, bool, bool] | None = None

    @web.post("/")
    async def handler(r: Request) -> None:
        nonlocal seen
        await r.prepare({"trailer": "x-sum"})
        size = 0
        async for part in r:
            size += len(part)
            await r.write(part)
        assert r.trailers is not None
        seen = (r.trailers["x-sent"], "x-sent" in r.request_headers, "x-sent" in r.headers)
        await r.eof(trailers={"x-sum": str(size)})

    async with served(web, kind) as here, here.session() as http:
        async with http.post(f"{here.url}/", {"trailer": "x-sent"}) as x:
            await x.write(b"body")
            assert x.trailers is None or len(x.trailers) == 0
            await x.eof(trailers={"x-sent": "yes"})
            assert await x.read() == b"body"
            assert x.trailers is not None
            assert x.trailers["x-sum"] == "4"
            assert "x-sum" not in x.headers
        assert seen == ("yes", False, False)
        raw = await here.raw()
        await raw.send(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sent: z\r\n\r\n"
        )
        answer = await read_answer(raw)
        assert (answer.body, [(name.lower(), value) for name, value in answer.trailers]) == (b"a", [("x-sum", "1")])


# --- bodyless answers ---


def bodyless() -> tuple[App, list[str]]:
    """Answers whose body must not be sent, and what their handlers saw."""
    web = App(port=0)
    log: list[str] = []

    async def source() -> AsyncIterator[bytes]:
        log.append("the source was read")
        yield b"x"

    @web.route("/204", methods=("GET",))
    async def no_content(r: Request) -> None:
        await r.prepare(status=204)
        await r.write(b"discarded")
        await r.relay(source())
        log.append("204 handler ran to its end")

    @web.route("/304", methods=("GET",))
    async def not_modified(r: Request) -> None:
        await r.prepare({"etag": '"x"'}, status=304)
        await r.write(b"discarded")

    @web.route("/explicit-head", methods=("HEAD",))
    async def explicit(r: Request) -> None:
        await r.prepare({"content-length": "1000"})
        await r.write(b"discarded")
        log.append("HEAD handler ran to its end")

    @web.get("/automatic")
    async def automatic(r: Request) -> None:
        await r.prepare({"content-length": "1000"})
        await r.write(b"x" * 1000)
        if r.method == "HEAD":
            log.append("went on after the first write")

    @web.get("/value")
    async def value(r: Request) -> str:
        return "value"

    return web, log


@LINKS
async def test_head_204_and_304_have_no_body_and_keep_the_connection(kind: str) -> None:
    web, log = bodyless()
    async with served(web, kind) as here:
        raw = await here.raw()
        asks = [("GET", "204", 204), ("GET", "304", 304), ("HEAD", "explicit-head", 200), ("HEAD", "automatic", 200)]
        for method, path, status in [*asks, ("HEAD", "value", 200)]:
            await raw.send(f"{method} /{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            answer = await read_answer(raw, method=method)
            assert answer.status == status
            if status == 204:  # RFC 9112 6.3: no framing fields on 204
                assert answer.get("content-length") is None
                assert answer.get("transfer-encoding") is None
            if method == "HEAD":
                assert answer.get("content-length") == ("5" if path == "value" else "1000")
        await raw.send(b"GET /value HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_answer(raw)).body == b"value"
        assert log == ["204 handler ran to its end", "HEAD handler ran to its end"]


@LINKS
async def test_the_client_reads_no_body_of_head_204_304(kind: str) -> None:
    web, _ = bodyless()
    async with served(web, kind) as here, here.session(pool=PoolLimits(connections=1)) as http:
        answer = await http.head(f"{here.url}/value")
        assert (answer.status, answer.content, answer.content_length, answer.complete) == (200, b"", 5, True)
        assert (await http.get(f"{here.url}/204")).content == b""
        assert (await http.get(f"{here.url}/304")).content == b""
        async with http.head(f"{here.url}/automatic") as x:
            assert await x.text() == ""
            assert x.headers["content-length"] == "1000"
        assert (await http.get(f"{here.url}/value")).content == b"value"


# --- HTTP/1.0 and until-close ---


@pytest.mark.parametrize("kind", ["memory", "tcp", "unix"])
async def test_http_1_0_gets_no_chunks_and_a_close(kind: str) -> None:
    web = App(port=0)

    @web.get("/")
    async def streamed(r: Request) -> None:
        await r.prepare()
        await r.write(b"one")
        await r.write(b"two")

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.0\r\n\r\n")
        head = await raw.until(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert await raw.rest() == b"onetwo"


async def test_http_1_0_keep_alive_when_asked_for_and_the_length_is_known() -> None:
    web = App(port=0)

    @web.get("/")
    async def value(r: Request) -> str:
        return r.http_version

    async with served(web) as here:
        raw = await here.raw()
        for _ in range(2):
            await raw.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            answer = await read_answer(raw)
            assert answer.body == b"1.0"
            assert (answer.get("connection") or "").lower() == "keep-alive"
        await raw.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await read_answer(raw)).body == b"1.0"
        assert await raw.rest() == b""


@LINKS
async def test_a_close_that_was_asked_for_comes_at_once(kind: str) -> None:
    """Nothing is unread, so there is nothing to linger for, also where a link cannot half-close."""
    web = App(port=0)

    @web.get("/")
    async def value(r: Request) -> str:
        return "value"

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.body, answer.closes) == (b"value", True)
        async with asyncio.timeout(1):  # half of `Timeouts.linger`
            assert await raw.rest() == b""


@LINKS
async def test_an_until_close_answer_ended_by_fin_is_neither_complete_nor_broken(kind: str) -> None:
    sent = b"HTTP/1.0 200 OK\r\n\r\nall there is"
    async with (
        raw_server(kind) as peer,
        peer.session() as http,
        answering(peer, http.get(f"{peer.url}/"), sent) as (x, raw, _),
    ):
        await raw.close()
        assert await x.read() == b"all there is"
        assert x.complete is None
        assert x.content_length is None
        assert x.http_version == "1.0"


@LINKS
async def test_complete_tells_the_framings_apart(kind: str) -> None:
    web = App(port=0)

    @web.get("/length")
    async def length(r: Request) -> str:
        return "length"

    @web.get("/chunked")
    async def chunked(r: Request) -> None:
        await r.prepare()
        await r.write_chunked(b"chunked")

    async with served(web, kind) as here, here.session() as http:
        for path in ("length", "chunked"):
            async with http.get(f"{here.url}/{path}") as x:
                assert await x.text() == path
                assert x.complete is True


# --- pipelining ---


@LINKS
async def test_pipelined_requests_are_answered_in_order_however_slow_the_first_is(kind: str) -> None:
    web = App(port=0)
    running: list[str] = []
    begun, first = asyncio.Event(), asyncio.Event()

    @web.get("/{name}")
    async def handler(r: Request, name: str) -> str:
        running.append(name)
        begun.set()
        if name == "0":
            await first.wait()
        return name

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % n for n in range(50)))
        await begun.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert running == ["0"], "the next request starts only when the present one is done"
        first.set()
        assert [(await read_answer(raw)).body for _ in range(50)] == [b"%d" % n for n in range(50)]
        assert running == [str(n) for n in range(50)]


@LINKS
async def test_pipelined_requests_behind_a_streamed_body(kind: str) -> None:
    web = App(port=0)

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for part in r:
            await r.write(part)

    @web.get("/next")
    async def following(r: Request) -> str:
        return "next"

    async with served(web, kind) as here:
        raw = await here.raw()
        post = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        await raw.send((post + chunk(b"ab") + b"0\r\n\r\n" + b"GET /next HTTP/1.1\r\nhost: x\r\n\r\n") * 3)
        bodies = [(await read_answer(raw)).body for _ in range(6)]
        assert bodies == [b"ab", b"next"] * 3


# --- raw streams: upgrade and CONNECT -------------------------------------------------------------------------------


async def lines_of(stream: Exchange) -> AsyncIterator[bytes]:
    """A line protocol over a raw stream, the same function at both ends."""
    kept = b""
    async for part in stream:
        kept += part
        while (at := kept.find(b"\n")) >= 0:
            yield kept[:at]
            kept = kept[at + 1 :]


def line_server() -> App:
    """Answers every line with its upper case, until `bye`, which ends our side; then counts what comes to the end."""
    web = App(port=0)

    @web.get("/lines")
    async def lines(r: Request) -> None:
        stream = await r.upgrade({"x-protocol": "lines"})
        async for line in lines_of(stream):
            if line == b"bye":
                await stream.eof(b"farewell\n")
                break
            await stream.write(line.upper() + b"\n")

    async def tunnel(r: Request) -> None:
        stream = await r.upgrade()
        async for line in lines_of(stream):
            await stream.write(b"> " + line + b"\n")

    @web.attach
    class Tunnel:
        async def handle_all_middleware(self, r: Request) -> None:
            if r.method == "CONNECT":
                await tunnel(r)

    @web.post("/value")
    async def value(r: Request) -> bytes:
        return b"not upgraded: " + await r.read()

    return web


ASK = b"GET /lines HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: lines\r\n\r\n"


@LINKS
async def test_upgrade_on_the_server_is_a_raw_duplex_stream(kind: str) -> None:
    async with served(line_server(), kind) as here:
        raw = await here.raw()
        await raw.send(ASK + b"early\n")  # bytes right behind the head belong to the stream
        line, fields = await read_head(raw)
        names = {name.lower(): value for name, value in fields}
        assert line.startswith("HTTP/1.1 101 ")
        assert names["upgrade"] == "lines"
        assert names["connection"].lower() == "upgrade"
        assert names["x-protocol"] == "lines"
        assert "content-length" not in names
        assert "transfer-encoding" not in names
        assert await raw.receive(6) == b"EARLY\n"
        for word in (b"one", b"two", b"three"):
            await raw.send(word + b"\n")
            assert await raw.receive(len(word) + 1) == word.upper() + b"\n"
        await raw.send(b"bye\n")
        assert await raw.rest() == b"farewell\n"


@LINKS
async def test_upgrade_on_both_ends_with_one_line_protocol(kind: str) -> None:
    async with served(line_server(), kind) as here, here.session() as http:
        async with http.get(f"{here.url}/lines", upgrade="lines") as x:
            stream = await x.upgrade()
            assert x.status == 101
            assert x.headers["x-protocol"] == "lines"
            answers = lines_of(stream)
            for word in (b"one", b"two", b"three"):
                await stream.write(word + b"\n")
                assert await anext(answers) == word.upper()
            await stream.write(b"bye\n")
            assert await anext(answers) == b"farewell"
            assert [line async for line in answers] == []
        assert (await http.post(f"{here.url}/value", body=b"b")).content == b"not upgraded: b"


@pytest.mark.parametrize("kind", ["memory", "tcp", "unix"])
async def test_a_raw_streams_eof_is_one_way(kind: str) -> None:
    """8 MiB after the other side has ended: half-closed, as links that can do it allow."""
    web = App(port=0)

    @web.get("/sink")
    async def sink(r: Request) -> None:
        stream = await r.upgrade()
        total = 0
        async for part in stream:
            total += len(part)
        await stream.write(b"%d" % total)
        await stream.eof()

    async with served(web, kind) as here, here.session() as http, http.get(f"{here.url}/sink", upgrade="sink") as x:
        stream = await x.upgrade()
        for _ in range(128):
            await stream.write(bytes(65536))
        await stream.eof()
        assert b"".join([part async for part in stream]) == b"%d" % (8 * 1024 * 1024)


@LINKS
async def test_an_upgrade_that_is_not_taken_serves_the_body_and_the_rest(kind: str) -> None:
    async with served(line_server(), kind) as here:
        raw = await here.raw()
        fields = b"host: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 4\r\n\r\n"
        await raw.send((b"POST /value HTTP/1.1\r\n" + fields + b"body") * 2)
        assert [(await read_answer(raw)).body for _ in range(2)] == [b"not upgraded: body"] * 2


@LINKS
async def test_an_upgrade_that_the_server_refuses_is_an_ordinary_answer(kind: str) -> None:
    sent = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"
    async with (
        raw_server(kind) as peer,
        peer.session() as http,
        answering(peer, http.get(f"{peer.url}/", upgrade="lines"), sent) as (x, _, head),
    ):
        assert b"upgrade: lines\r\n" in head.lower()
        assert b"connection: upgrade\r\n" in head.lower()
        with pytest.raises((UseError, RemoteProtocolError)):
            await x.upgrade()
        assert x.status == 200


async def test_upgrade_on_a_server_without_being_asked_is_a_use_error() -> None:
    web = App(port=0)
    told: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    @web.get("/")
    async def handler(r: Request) -> str:
        try:
            await r.upgrade()
        except UseError as error:
            told.set_result(error)
        return "plain"

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).content == b"plain"
        assert isinstance(await told, UseError)


@LINKS
async def test_connect_on_the_server_is_a_raw_duplex_stream(kind: str) -> None:
    async with served(line_server(), kind) as here:
        raw = await here.raw()
        await raw.send(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")
        line, fields = await read_head(raw)
        assert line.startswith("HTTP/1.1 200 ")
        assert not {"content-length", "transfer-encoding"} & {name.lower() for name, _ in fields}
        await raw.send(b"a\n")
        assert await raw.receive(4) == b"> a\n"
        await raw.send(b"b\nc\n")
        assert await raw.receive(8) == b"> b\n> c\n"


@LINKS
async def test_connect_on_the_client(kind: str) -> None:
    sent = b"HTTP/1.1 200 Connected\r\n\r\nhello\n"
    async with (
        raw_server(kind) as peer,
        peer.session() as http,
        answering(peer, http.request("CONNECT", f"{peer.url}/"), sent) as (x, raw, head),
    ):
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        assert method == b"CONNECT"
        assert target.rpartition(b":")[2].isdigit(), "authority-form has a port (RFC 9112 3.2.3)"
        assert b"\r\nhost: " in head.lower()
        stream = await x.upgrade()
        answers = lines_of(stream)
        assert await anext(answers) == b"hello"
        await stream.write(b"raw, not chunked\n")
        assert await raw.receive(17) == b"raw, not chunked\n"
        await raw.send(b"and back\n")
        assert await anext(answers) == b"and back"
        await raw.close()
        assert [line async for line in answers] == []


@LINKS
async def test_chunks_of_a_raw_answer_are_what_was_written(kind: str) -> None:
    """`write_chunked` names the framing; extensions and empty writes make no difference to what is seen."""
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write_chunked(b"one")
        await r.write(b"")
        await r.write_chunked(b"")
        await r.write(b"two")

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await read_head(raw)
        body, trailers = await read_chunked(raw)
        assert (body, trailers) == (b"onetwo", [])
