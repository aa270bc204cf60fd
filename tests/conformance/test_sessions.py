"""What a client sends and when, and what it makes of redirects."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_request
from tests.helpers.lockstep import lockstep
from tests.helpers.raw import raw_server
from tests.helpers.rules import app_of, raised, whole
from toolkit import (
    App,
    BodyNotReplayable,
    Deliver,
    EarlyAnswer,
    Session,
    ToolkitError,
    UseError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Request, Response


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
            assert isinstance(await raised(whole(x)), UseError)


@pytest.mark.parametrize("method", ["post", "put", "patch"])
async def test_awaited_without_body_says_length_0(method: str) -> None:
    async with raw_server("tcp") as peer, peer.session() as http:
        asking = asyncio.ensure_future(whole(getattr(http, method)(f"{peer.url}/")))
        raw = await peer.accept()
        asked = await read_request(raw)
        assert asked.get("content-length") == "0"
        assert asked.get("transfer-encoding") is None
        await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await asking).status == 204


@pytest.mark.parametrize("method", ["get", "head", "delete", "options"])
async def test_methods_without_a_body_say_nothing_of_one(method: str) -> None:
    async with raw_server("tcp") as peer, peer.session() as http:
        asking = asyncio.ensure_future(whole(getattr(http, method)(f"{peer.url}/")))
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
        asking = asyncio.ensure_future(whole(http.post(f"{peer.url}/", body=body)))  # type: ignore[arg-type]  # in turn
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
