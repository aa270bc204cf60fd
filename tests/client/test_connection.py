"""One connection to a server, told by a raw peer what to do: when it is lent again, and when it is not."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.helpers.answers import read_head, read_request
from tests.helpers.raw import Raw, RawServer, raw_server
from toolkit import Session, Timeouts
from toolkit.errors import Disconnected, EarlyAnswer, RemoteProtocolError

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def ask(http: Session, url: str, method: str = "GET") -> bytes:
    answer = await http.request(method, url)
    return answer.content


async def exchange(http: Session, peer: RawServer, sent: bytes, raw: Raw | None = None) -> Raw:
    """One request, answered by these bytes; on a new connection unless one is given."""
    asking = asyncio.ensure_future(ask(http, peer.url))
    if raw is None:
        raw = await peer.accept()
    await read_request(raw)
    await raw.send(sent)
    await asking
    return raw


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
async def test_a_connection_is_lent_again(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http:
        raw = await exchange(http, peer, OK)
        for _ in range(3):
            await exchange(http, peer, OK, raw)
        assert len(peer.accepted) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",  # RFC 9112 9.3: 1.0 keeps only what it says it keeps
    ],
)
async def test_a_last_answer_ends_it(sent: bytes) -> None:
    async with raw_server() as peer, peer.session() as http:
        raw = await exchange(http, peer, sent)
        assert await raw.rest() == b""
        await exchange(http, peer, OK)
        assert len(peer.accepted) == 2


async def test_http_1_0_may_keep_it() -> None:
    async with raw_server() as peer, peer.session() as http:
        raw = await exchange(http, peer, b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n")
        await exchange(http, peer, OK, raw)


async def test_a_body_until_the_close_ends_it() -> None:
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, peer.url))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await raw.close()
        assert await asking == b"all of it"
        await exchange(http, peer, OK)


@pytest.mark.parametrize("behind", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"\0", b"x" * 10_000])
async def test_bytes_behind_an_answer_poison_nobody(behind: bytes) -> None:
    # They belong to no request: the next one must not get them for its answer.
    async with raw_server() as peer, peer.session() as http:
        await exchange(http, peer, OK + behind)
        raw = await exchange(http, peer, OK)
        assert raw is peer.accepted[1]


async def test_bytes_on_an_idle_connection_poison_nobody() -> None:
    async with raw_server() as peer, peer.session() as http:
        raw = await exchange(http, peer, OK)
        await raw.send(b"HTTP/1.1 408 Timeout\r\nconnection: close\r\ncontent-length: 4\r\n\r\nevil")
        assert await raw.gone() in {True, False}
        asking = asyncio.ensure_future(ask(http, peer.url))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(OK)
        assert await asking == b"ok"


async def test_a_connection_that_its_server_ended_while_idle_is_not_lent() -> None:
    async with raw_server() as peer, peer.session() as http:
        raw = await exchange(http, peer, OK)
        await raw.eof()
        assert await raw.rest() == b""
        await exchange(http, peer, OK)


async def test_an_idle_connection_ends_after_keep_alive() -> None:
    async with raw_server() as peer, peer.session(timeouts=Timeouts(keep_alive=0.01)) as http:
        raw = await exchange(http, peer, OK)
        assert await raw.rest() == b""
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


async def test_an_answer_to_a_request_that_has_not_left_ends_the_connection_behind_it() -> None:
    """A server may answer a long request before it has read it; what came behind it would wait for the rest."""
    async with raw_server() as peer, peer.session() as http:
        body = bytes(16 * 1024 * 1024)
        asking = asyncio.ensure_future(posted(http, peer.url, body))
        raw = await peer.accept()
        head = await raw.until(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % len(body) in head.lower()
        await raw.send(OK)
        assert await asking == b"ok"
        assert repr(http) == "<Session <Pool 1 of 100 open, 0 idle, 0 waiting>>"
        await exchange(http, peer, OK)  # on another connection
        assert len(peer.accepted) == 2
        assert await raw.receive(len(body)) == body  # all the same, it gets what it was promised
        assert await raw.rest() == b""


async def posted(http: Session, url: str, body: bytes) -> bytes:
    answer = await http.post(url, body=body)
    return answer.content


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "before the answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "before the answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", "inside the answer's body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", "inside the answer's body"),
        (b"HTTP/1.1 103 Early\r\n\r\n", "before the answer"),
    ],
)
async def test_a_fin_too_early_is_an_error(sent: bytes, message: str) -> None:
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, peer.url, "DELETE"))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(sent)
        await raw.eof()
        with pytest.raises(Disconnected, match=f"the peer ended its side {message}") as caught:
            await asking
        assert caught.value.clean
        assert caught.value.exchange is not None


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
    ],
)
async def test_a_fault_of_the_server_ends_it_and_names_the_request(sent: bytes) -> None:
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, peer.url))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(sent)
        with pytest.raises(RemoteProtocolError, match=r"^GET http://127\.0\.0\.1:\d+"):
            await asking
        await raw.gone()
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


@pytest.mark.parametrize("status", [300, 401, 413, 500])
async def test_an_early_refusal_stops_the_upload(status: int) -> None:
    async with raw_server() as peer, peer.session() as http, asyncio.timeout(10):
        async with contextlib.AsyncExitStack() as stack:
            x = await stack.enter_async_context(http.post(peer.url))
            raw = await peer.accept()
            await read_head(raw)
            await raw.send(b"HTTP/1.1 %d No\r\ncontent-length: 4\r\n\r\nwhy?" % status)
            await x.head()
            with pytest.raises(EarlyAnswer, match=f"the answer is {status}, before the upload was complete"):
                await x.write(b"more")
            assert await x.read() == b"why?"
        assert await raw.rest() == b""  # no last chunk: it was no whole request
        await exchange(http, peer, OK)


async def test_an_early_acceptance_does_not_stop_it() -> None:
    async with raw_server() as peer, peer.session() as http, asyncio.timeout(10):
        async with http.post(peer.url, {"content-length": "4"}) as x:
            raw = await peer.accept()
            await read_head(raw)
            await raw.send(OK)
            assert b"".join([part async for part in x]) == b"ok"
            await x.write(b"more")
            await x.eof()
            assert await raw.receive(4) == b"more"
        await exchange(http, peer, OK, raw)


async def test_an_early_complete_last_answer_stops_it() -> None:
    async with raw_server() as peer, peer.session() as http, asyncio.timeout(10), contextlib.AsyncExitStack() as stack:
        x = await stack.enter_async_context(http.post(peer.url))
        raw = await peer.accept()
        await read_head(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        await x.head()
        with pytest.raises(EarlyAnswer, match="the answer is complete and the connection closes"):
            await x.write(b"more")
        assert await x.read() == b"ok"
