"""Response: what it knows before, during and after its exchange, and the two ways to begin one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering, read_request
from tests.helpers.raw import raw_server
from tests.helpers.served import KINDS, served
from toolkit import App, Request, Session, Timeouts
from toolkit.client.response import Ok, Response
from toolkit.errors import RemoteProtocolError, StatusError, TotalTimeout, UseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit.client.options import RequestOptions


def application() -> App:
    web = App(port=0)

    @web.get("/status/{code}")
    async def status(r: Request, code: str) -> object:
        return int(code), "body", {"x-own": "1"}

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare({"content-type": r.content_type})
        async for part in r:
            await r.write(part)

    @web.get("/never")
    async def never(r: Request) -> None:
        await r.disconnected()

    @web.get("/endless")
    async def endless(r: Request) -> None:
        await r.prepare({})
        await r.write(b"begun")
        await r.disconnected()

    @web.get("/hints")
    async def hints(r: Request) -> str:
        await r.inform(103, {"link": "</a>"})
        await r.inform(103, {"link": "</b>"})
        return "x"

    return web


# Before


def unsent() -> Response:
    return Session(base_url="http://a.test").get("/a%20b?q", {"x-own": "1"})


def test_what_is_known_before_it_is_sent() -> None:
    x = unsent()
    assert (x.method, x.url, x.target) == ("GET", "http://a.test/a%20b?q", "/a%20b?q")
    assert (x.path, x.raw_path) == ("/a b", "/a%20b")
    assert (x.status, x.status_code, x.reason, x.reason_phrase) == (None, None, "", "")
    assert not x.ok
    assert x.http_version == "1.1"
    assert x.request_headers["x-own"] == "1"
    assert len(x.response_headers) == 0
    assert (x.history, x.interim, x.trailers, x.received_len) == ([], [], None, 0)
    assert repr(x) == "<Response GET http://a.test/a%20b?q: not sent>"


async def test_the_requests_fields_are_those_that_were_sent() -> None:
    async with Session(app=application(), headers={"x-all": "2"}) as http:
        x = http.post("/echo", {"x-own": "1", "content-length": "3"}, body=b"abc")
        assert list(x.request_headers) == ["x-own", "content-length"]
        _ = await x
        sent = x.request_headers
        assert (sent["host"], sent["x-own"], sent["x-all"]) == ("localhost", "1", "2")
        assert "accept-encoding" in sent
        assert "content-length" not in sent  # framing is the wire's
        assert x.request_headers is sent


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.headers,
        lambda x: x.content,
        lambda x: x.content_type,
        lambda x: x.content_length,
        lambda x: x.raise_for_status(),
        lambda x: x.pull(),
    ],
    ids=["headers", "content", "content_type", "content_length", "raise_for_status", "pull"],
)
def test_what_cannot_be_known_yet_is_a_use_error(look: Callable[[Response], object]) -> None:
    with pytest.raises(UseError, match=r"^GET http://a\.test/a%20b\?q: .* before "):
        look(unsent())


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.head(),
        lambda x: x.read(),
        lambda x: x.upgrade(),
        lambda x: x.prepare(),
        lambda x: x.text(),
        lambda x: x.write(b"x"),
    ],
    ids=["head", "read", "upgrade", "prepare", "text", "write"],
)
async def test_no_verb_works_before_it_is_sent(call: Callable[[Response], Awaitable[object]]) -> None:
    with pytest.raises(UseError, match=r"before the (request|head) was sent"):
        await call(unsent())


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (204, True), (302, True), (399, True), (400, False), (500, False)]
)
def test_ok_is_true_or_false_and_may_be_called(status: int, ok: bool) -> None:
    word = Ok(status < 400)
    assert bool(word) is ok
    assert word() is ok
    assert int(word) == int(ok)


# Awaited


@pytest.mark.parametrize("kind", KINDS)
async def test_awaited_it_is_read_and_knows_everything(kind: str) -> None:
    async with served(application(), kind) as here, here.session() as http:
        x = await http.get(f"{here.url}/status/404")
        assert (x.status, x.status_code, x.reason, bool(x.ok)) == (404, 404, "Not Found", False)
        assert (x.content, await x.text(), await x.read(), x.complete) == (b"body", "body", b"body", True)
        assert (x.headers["x-own"], x.content_type, x.content_length) == ("1", "text/plain; charset=utf-8", 4)
        assert x.received_len == 4
        assert repr(x).endswith("/status/404: 404>")
        with pytest.raises(StatusError, match="answered 404 Not Found") as caught:
            _ = x.raise_for_status()
        assert (caught.value.status, caught.value.answer) == (404, x)


@pytest.mark.parametrize("kind", ["memory", "tcp"])
@pytest.mark.parametrize("whose", ["session", "request"])
async def test_raise_for_status_as_an_option(kind: str, whose: str) -> None:
    own: RequestOptions = {} if whose == "session" else {"raise_for_status": True}
    async with (
        served(application(), kind) as here,
        here.session(raise_for_status=whose == "session") as http,
    ):
        assert (await http.get(f"{here.url}/status/302", **own)).status == 302
        for code in (400, 404, 500):
            with pytest.raises(StatusError, match=f"answered {code} ") as caught:
                _ = await http.get(f"{here.url}/status/{code}", **own)
            answer = caught.value.answer
            assert isinstance(answer, Response)
            assert (caught.value.status, answer.content) == (code, b"body")  # to be read all the same
            with pytest.raises(StatusError, match=f"answered {code} ") as caught:
                async with http.get(f"{here.url}/status/{code}", **own):
                    pytest.fail("entered")
            answer = caught.value.answer
            assert isinstance(answer, Response)
            assert answer.content == b"body"
        assert (await http.get(f"{here.url}/status/404", raise_for_status=False)).status == 404
        async with http.post(f"{here.url}/status/404", **own) as x:  # open: its user asks
            assert await x.read() is not None
            assert x.status == 405
        assert repr(http).endswith("1 idle, 0 waiting>>") or kind == "tcp"


async def test_raise_for_status_gives_up_a_body_that_is_long() -> None:
    async with raw_server() as peer, peer.session(raise_for_status=True) as http:
        asking = asyncio.ensure_future(enter(http, peer.url))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(b"HTTP/1.1 500 No\r\ncontent-length: 1000000\r\n\r\n" + bytes(100_000))
        with pytest.raises(StatusError, match="answered 500"):
            await asking
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


async def enter(http: Session, url: str) -> None:
    async with http.get(url):
        pytest.fail("entered")


async def test_raise_for_status_gives_the_answer_back() -> None:
    async with Session(app=application()) as http:
        x = await http.get("/status/302")
        assert x.raise_for_status() is x


@pytest.mark.parametrize(
    ("first", "again"), [("await", "await"), ("await", "enter"), ("enter", "await"), ("enter", "enter")]
)
async def test_a_request_is_sent_once(first: str, again: str) -> None:
    async def use(x: Response, how: str) -> None:
        if how == "await":
            _ = await x
        else:
            async with x:
                pass

    async with Session(app=application()) as http:
        x = http.get("/status/200")
        await use(x, first)
        with pytest.raises(UseError, match="awaited or entered twice"):
            await use(x, again)
        assert x.status == 200


async def test_total_is_a_bound_on_the_whole_exchange() -> None:
    async with Session(app=application()) as http:
        for path in ("/never", "/endless"):
            with pytest.raises(TotalTimeout, match=r"not complete within 0\.01 s"):
                _ = await http.get(path, timeouts=Timeouts(total=0.01))
        assert (await http.get("/status/200", timeouts=Timeouts(total=5))).status == 200


async def test_an_entered_exchange_ends_at_its_total_whatever_still_moves() -> None:
    received: list[bytes] = []

    async def take_all(x: Response) -> None:
        async with x:
            async for part in x:
                received.append(part)

    async with served(application()) as here, here.session(timeouts=Timeouts(total=0.05)) as http:
        x = http.get(f"{here.url}/endless")
        with pytest.raises(TotalTimeout, match=r"not complete within 0\.05 s"):
            await take_all(x)
        assert received
        assert x.complete is False


# Entered


async def test_entered_it_can_be_looked_at_before_its_body() -> None:
    async with Session(app=application()) as http, http.get("/endless") as x:
        assert x.status == 200
        assert x.complete is not True
        assert await anext(aiter(x.pull())) == b"begun"
        with pytest.raises(UseError, match="content before the body was read"):
            _ = x.content
        await x.abort("seen enough")


async def test_prepare_does_nothing_without_arguments_and_is_refused_with_any() -> None:
    async with Session(app=application()) as http, http.post("/echo") as x:
        await x.prepare()
        for call in (x.prepare({}), x.prepare(None, 201), x.prepare(coding="gzip")):
            with pytest.raises(UseError, match="a request's head is given to the session's method"):
                await call
        await x.eof(b"ok")
        assert await x.text() == "ok"


async def test_interim_answers_are_kept_in_order() -> None:
    async with Session(app=application()) as http:
        x = await http.get("/hints")
        assert [(status, headers["link"]) for status, headers in x.interim] == [(103, "</a>"), (103, "</b>")]
        assert x.status == 200


async def test_an_upgrade_that_was_refused_can_be_read() -> None:
    async with Session(app=application()) as http, http.get("/status/200", upgrade="chat") as x:
        with pytest.raises(UseError, match=r"upgrade\(headers\): the request is sent"):
            await x.upgrade({})
        with pytest.raises(RemoteProtocolError, match="the peer did not upgrade, it answered 200"):
            await x.upgrade()
        assert await x.text() == "body"


async def test_a_block_left_early_gives_the_connection_up() -> None:
    async with Session(app=application()) as http:
        async with http.get("/endless", timeouts=Timeouts(linger=0.01)) as x:
            assert x.status == 200
        assert x.complete is not True
        assert (await http.get("/status/200")).status == 200


async def test_a_block_left_with_a_short_rest_keeps_the_connection() -> None:
    async with Session(app=application()) as http:
        async with http.get("/status/200") as x:
            assert x.status == 200
        assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"


@pytest.mark.parametrize(
    ("line", "status", "reason", "version"),
    [
        (b"HTTP/1.1 200 OK", 200, "OK", "1.1"),
        (b"HTTP/1.1 200 Fine by me", 200, "Fine by me", "1.1"),
        (b"HTTP/1.1 404 ", 404, "Not Found", "1.1"),  # RFC 9112 4: the phrase may be empty
        (b"HTTP/1.0 200 OK", 200, "OK", "1.0"),
        (b"HTTP/1.1 599 ", 599, "", "1.1"),
    ],
)
async def test_status_reason_and_version(line: bytes, status: int, reason: str, version: str) -> None:
    async with raw_server() as peer, peer.session() as http:
        request = http.get(peer.url)
        async with answering(peer, request, line + b"\r\ncontent-length: 0\r\n\r\n") as (x, _, _):
            assert (x.status, x.reason, x.http_version) == (status, reason, version)


async def test_cancelled_while_waiting_it_can_be_told_from_a_failure() -> None:
    web, begun = application(), asyncio.Event()

    @web.get("/wait")
    async def wait(r: Request) -> None:
        begun.set()
        await r.disconnected()

    async def ask(http: Session) -> None:
        _ = await http.get("/wait")

    async with Session(app=web) as http, asyncio.timeout(10):
        asking = asyncio.ensure_future(ask(http))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await http.get("/status/200")).status == 200
