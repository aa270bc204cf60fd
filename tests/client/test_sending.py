"""How a request gets onto its connection: its framing, its target, and its body behind it, read by a raw peer."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import Asked, read_request
from tests.helpers.raw import raw_server
from tests.helpers.served import served
from toolkit import App, Exchange, Request
from toolkit.errors import Disconnected, LocalProtocolError, UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Session
    from toolkit.client.options import RequestOptions
    from toolkit.protocol.headers import HeadersLike

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


async def parts() -> AsyncIterator[bytes]:
    yield b"ab"
    yield b"c"


async def asked(
    method: str, options: RequestOptions, headers: dict[str, str] | None = None, target: str = "/x"
) -> Asked:
    """What a raw peer reads of an awaited request."""
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, method, peer.url + target, headers, options))
        raw = await peer.accept()
        seen = await read_request(raw)
        await raw.send(OK)
        assert await asking == 200
        return seen


async def ask(http: Session, method: str, url: str, headers: HeadersLike | None, options: RequestOptions) -> int | None:
    answer = await http.request(method, url, headers, **options)
    return answer.status


@pytest.mark.parametrize(
    ("method", "options", "length", "body"),
    [
        # RFC 9110 8.6: a method that has a meaning for a body says when there is none.
        ("GET", {}, None, b""),
        ("HEAD", {}, None, b""),
        ("DELETE", {}, None, b""),
        ("OPTIONS", {}, None, b""),
        ("POST", {}, "0", b""),
        ("PUT", {}, "0", b""),
        ("PATCH", {}, "0", b""),
        ("POST", {"body": b""}, "0", b""),
        ("POST", {"body": b"abc"}, "3", b"abc"),
        ("GET", {"body": b"abc"}, "3", b"abc"),
        ("DELETE", {"json": {"a": 1}}, "7", b'{"a":1}'),
        ("PUT", {"body": "caf\u00e9"}, "5", b"caf\xc3\xa9"),
        ("PUT", {"body": io.BytesIO(b"abc")}, "3", b"abc"),
        ("PUT", {"body": io.BytesIO(b"")}, "0", b""),
    ],
)
async def test_a_body_of_known_length(method: str, options: RequestOptions, length: str | None, body: bytes) -> None:
    if "body" in options and isinstance(options["body"], io.BytesIO):
        options["body"].seek(0)  # the other loop has read it
    seen = await asked(method, options)
    assert (seen.method, seen.get("content-length"), seen.get("transfer-encoding")) == (method, length, None)
    assert seen.body == body


async def test_a_body_of_unknown_length_is_chunked() -> None:
    for source in (parts(), parts):
        seen = await asked("POST", {"body": source})
        assert (seen.get("content-length"), seen.get("transfer-encoding"), seen.body) == (None, "chunked", b"abc")


async def test_the_callers_length_is_kept_for_an_iterable() -> None:
    seen = await asked("POST", {"body": parts()}, {"content-length": "3"})
    assert (seen.get("content-length"), seen.get("transfer-encoding"), seen.body) == ("3", None, b"abc")


async def test_a_coded_body_has_no_length_of_its_own() -> None:
    seen = await asked("POST", {"body": b"abc" * 100, "coding": "gzip"})
    assert (seen.get("content-length"), seen.get("content-encoding")) == (None, "gzip")
    assert seen.body[:2] == b"\x1f\x8b"


async def test_a_length_that_the_body_does_not_have_is_an_error_and_nothing_is_sent() -> None:
    async with raw_server() as peer, peer.session() as http:
        with pytest.raises(LocalProtocolError, match="content-length 4, but the body has 3 bytes"):
            _ = await http.post(peer.url, {"content-length": "4"}, body=b"abc")
        assert peer.accepted == []


async def test_content_type_is_the_bodys_unless_the_caller_says() -> None:
    assert (await asked("POST", {"json": []})).get("content-type") == "application/json"
    assert (await asked("POST", {"json": []}, {"Content-Type": "a/b"})).get("content-type") == "a/b"
    assert (await asked("POST", {"body": b"x"})).get("content-type") is None


async def test_headers_go_in_the_callers_order_and_case() -> None:
    async with raw_server() as peer, peer.session(headers={"X-Session": "1", "accept": "a/b"}) as http:
        own = [("X-B", "1"), ("x-a", "2"), ("ACCEPT", "c/d"), ("X-B", "3"), ("X-None", None), ("X-List", ["4", "5"])]
        asking = asyncio.ensure_future(ask(http, "POST", peer.url, own, {"json": 1}))
        raw = await peer.accept()
        seen = await read_request(raw)
        await raw.send(OK)
        assert await asking == 200
    names = [name for name, _ in seen.fields]
    assert names[:7] == ["host", "X-B", "x-a", "ACCEPT", "X-B", "X-List", "X-List"]
    assert names[7:] == ["X-Session", "user-agent", "accept-encoding", "content-type", "content-length"]
    assert (seen.get("accept"), seen.get("x-b"), seen.get("x-list")) == ("c/d", "1, 3", "4, 5")


@pytest.mark.parametrize("target", ["/", "/a%2Fb?c=%2F", "/a/../b", "/?", "/a;b=c,d"])
async def test_the_target_is_sent_as_given(target: str) -> None:
    seen = await asked("GET", {}, target=target)
    assert seen.target == target.rstrip("?")


async def test_an_expectation_is_waited_for() -> None:
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, "POST", peer.url, None, {"body": b"abc", "expect_continue": True}))
        raw = await peer.accept()
        head = await raw.until(b"\r\n\r\n")
        assert b"expect: 100-continue\r\n" in head.lower()
        await raw.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await raw.receive(3) == b"abc"
        await raw.send(OK)
        assert await asking == 200


@pytest.mark.parametrize("status", [401, 403, 413])
async def test_an_answer_instead_of_100_leaves_the_body_unsent(status: int) -> None:
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, "POST", peer.url, None, {"body": b"abc", "expect_continue": True}))
        raw = await peer.accept()
        await raw.until(b"\r\n\r\n")
        await raw.send(b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n\r\n" % status)
        assert await asking == status
        assert await raw.rest() == b""


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_request_that_was_not_taken_is_sent_again_as_it_was(method: str) -> None:
    # RFC 9112 9.3.1: the server may end a kept connection at any time.
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, "GET", peer.url, None, {}))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(OK)
        assert await asking == 200
        asking = asyncio.ensure_future(ask(http, method, peer.url, None, {}))
        first = await read_request(raw)
        raw.reset()
        raw = await peer.accept()
        assert await read_request(raw) == first
        await raw.send(OK)
        assert await asking == 200


@pytest.mark.parametrize(
    ("method", "options", "again"),
    [
        # RFC 9110 9.2.2: what may be repeated without asking; and only where all of it is at hand.
        ("PUT", {"body": b"abc"}, True),
        ("DELETE", {"json": {"a": 1}}, True),
        ("GET", {"body": "text"}, True),
        ("POST", {"body": b"abc"}, False),
        ("PATCH", {"body": b"abc"}, False),
        ("POST", {}, False),
        ("PUT", {"body": parts}, False),
    ],
)
async def test_which_requests_are_sent_again_when_a_kept_connection_dies(
    method: str, options: RequestOptions, again: bool
) -> None:
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, "GET", peer.url, None, {}))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(OK)
        assert await asking == 200
        asking = asyncio.ensure_future(ask(http, method, peer.url, None, options))
        first = await read_request(raw)
        raw.reset()
        if again:
            raw = await peer.accept()
            assert await read_request(raw) == first
            await raw.send(OK)
            assert await asking == 200
        else:
            with pytest.raises(Disconnected):
                await asking
            assert len(peer.accepted) == 1


async def test_a_request_is_sent_again_once() -> None:
    async with raw_server() as peer, peer.session() as http:
        asking = asyncio.ensure_future(ask(http, "GET", peer.url, None, {}))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(OK)
        assert await asking == 200
        asking = asyncio.ensure_future(ask(http, "GET", peer.url, None, {}))
        await read_request(raw)
        raw.reset()
        raw = await peer.accept()
        await read_request(raw)
        raw.reset()  # a new connection that dies is no accident of keeping it
        with pytest.raises(Disconnected):
            await asking
        assert len(peer.accepted) == 2


async def test_a_request_made_while_an_error_is_handled_ends_cleanly() -> None:
    web = App(port=0)

    @web.route("/echo", methods=("GET", "POST"))
    async def echo(r: Request) -> None:
        stream: Exchange = r
        if r.method == "GET":
            stream = await r.upgrade()
        else:
            await r.prepare({})
        async for part in stream:
            await stream.write(part)

    async with served(web, "tcp") as here, here.session(base_url=here.url) as http:
        try:
            raise ValueError
        except ValueError:
            for request in (http.post("/echo"), http.get("/echo", upgrade="echo")):
                async with request as x:
                    stream = await x.upgrade() if x.method == "GET" else x
                    await stream.write(b"part")
                    await stream.eof()
                    assert [part async for part in stream] == [b"part"]
                assert x.complete


@pytest.mark.parametrize("coding", ["gzip\r\nx-more: 1", "none", True])
async def test_a_coding_that_is_none_is_an_error_and_nothing_is_sent(coding: object) -> None:
    async with raw_server() as peer, peer.session() as http:
        with pytest.raises(UseError, match=r"^coding=.*expected one of"):
            _ = await http.post(peer.url, body=b"abc", coding=coding)  # type: ignore[arg-type]  # the point
        assert peer.accepted == []


async def test_timeouts_are_no_number() -> None:
    async with raw_server() as peer, peer.session() as http:
        with pytest.raises(UseError, match=r"^timeouts=3: expected Timeouts\(\.\.\.\)"):
            _ = http.get(peer.url, timeouts=3)  # type: ignore[arg-type]  # the point
