"""Streams: chunks are counted in bytes however they are cut, and a stream that breaks costs what was under way."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import Raw, raw_server
from tests.helpers.served import served
from tests.helpers.tls import authority
from toolkit import Abort, App, ConnectError, Request
from toolkit.errors import ConnectTimeout, Disconnected, RemoteProtocolError
from toolkit.other.bench.duplex import DuplexLoad, kind_of

from .drive import PATIENCE, QUICK, finished, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit.other.bench.options import Options

STREAM = replace(QUICK, duplex=True, method="POST", connections=2)
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def application() -> App:
    web = App()

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for piece in r:
            await r.write(piece)

    @web.post("/crumbs")
    async def crumbs(r: Request) -> None:
        await r.prepare()
        async for piece in r:
            for at in range(0, len(piece), 7):
                await r.write(piece[at : at + 7])

    @web.post("/shout")
    async def shout(r: Request) -> None:
        await r.prepare()
        async for piece in r:
            await r.write(bytes(255 - byte for byte in piece))

    @web.post("/once")
    async def once(r: Request) -> None:
        await r.prepare()
        await r.write(await anext(r.pull()))

    @web.post("/no")
    def no(r: Request) -> None:
        raise Abort("no", 403)

    @web.post("/more")
    async def more(r: Request) -> None:
        await r.prepare()
        async for piece in r:
            await r.write(piece + b"x")

    return web


@asynccontextmanager
async def streaming(options: Options) -> AsyncIterator[DuplexLoad]:
    load = DuplexLoad(options)
    try:
        async with asyncio.timeout(PATIENCE):
            await load.open()
        yield load
    finally:
        await load.close()


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
@pytest.mark.parametrize(("path", "chunk"), [("/echo", 1), ("/echo", 1000), ("/crumbs", 100), ("/echo", 3_000_000)])
async def test_every_chunk_comes_back(kind: str, path: str, chunk: int, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(ca)
    async with served(application(), kind) as here:
        secure = str(ca) if kind == "tls" else None
        options = replace(STREAM, url=here.url + path, unix=here.path, chunk=chunk, pipeline=3, check=True, ca=secure)
        async with streaming(options) as load:
            load.pacer.begin_closed(12)
            record = await finished(load)
            assert record.errors == {}
            assert record.counts.answers == len(record.latencies) == 12
            assert record.counts.received == record.counts.sent == 12 * chunk
            assert record.counts.opened == 2


async def test_chunks_that_came_back_altered_are_told() -> None:
    async with served(application(), "tcp") as here:
        async with streaming(replace(STREAM, url=f"{here.url}/shout", check=True)) as load:
            load.pacer.begin_closed(4)
            record = await finished(load)
            assert (record.errors, record.counts.answers) == ({"wrong body": 4}, 4)
        async with streaming(replace(STREAM, url=f"{here.url}/shout")) as load:
            load.pacer.begin_closed(4)
            assert (await finished(load)).errors == {}


@pytest.mark.parametrize(("path", "kind"), [("/no", "status 403"), ("/none", "status 404")])
async def test_a_route_that_does_not_echo_is_told_by_its_status(path: str, kind: str) -> None:
    async with served(application(), "tcp") as here, streaming(replace(STREAM, url=here.url + path)) as load:
        await until(lambda: load.record.errors)
        assert set(load.record.errors) == {kind}
        assert load.record.counts.answers == 0


async def test_a_stream_that_ends_early_is_opened_again() -> None:
    once = replace(STREAM, connections=1)
    async with served(application(), "tcp") as here, streaming(replace(once, url=f"{here.url}/once")) as load:
        load.pacer.begin_closed(4)
        record = await finished(load)
        assert record.counts.answers + record.errors["closed"] >= 4
        assert record.counts.answers >= 2
        assert set(record.errors) == {"closed"}


async def test_more_than_was_sent_is_malformed() -> None:
    async with served(application(), "tcp") as here, streaming(replace(STREAM, url=f"{here.url}/more")) as load:
        load.pacer.begin_closed(1)
        await finished(load)
        await until(lambda: load.record.errors)
        assert set(load.record.errors) == {"malformed"}


async def silent(raw: Raw) -> None:
    await raw.until(b"\r\n\r\n")
    await raw.send(HEAD)


async def test_a_chunk_times_out_and_its_age_is_a_latency() -> None:
    async with raw_server("tcp") as server:
        load = DuplexLoad(replace(STREAM, url=server.url, connections=1, pipeline=2, timeout=5.0))
        async with asyncio.timeout(PATIENCE):
            await load.open()
            await silent(await server.accept())
        load.pacer.begin_closed(2)
        now = time.monotonic_ns()
        load.sweep(now)
        load.sweep(now + 5 * 10**9)
        assert load.record.errors == {}
        load.sweep(now + 5 * 10**9 + 1)
        record = await finished(load)
        assert record.errors == {"timeout": 2}
        assert record.latencies.summary().most == pytest.approx(5e9, rel=0.2)
        async with asyncio.timeout(PATIENCE):
            await silent(await server.accept())  # another stream in its place
        server.accepted[-1].reset()
        await load.close()


async def test_chunks_under_way_on_a_stream_that_breaks_have_failed() -> None:
    async with raw_server("tcp") as server:
        load = DuplexLoad(replace(STREAM, url=server.url, connections=1, pipeline=3))
        async with asyncio.timeout(PATIENCE):
            await load.open()
            raw = await server.accept()
            await silent(raw)
            load.pacer.begin_closed(3)
            await raw.until(b"\r\n" + load.chunk)
            raw.reset()
            record = await finished(load)
        assert record.errors == {"reset": 3}
        await load.close()


async def test_a_server_that_cannot_be_reached_is_told() -> None:
    async with raw_server("tcp") as server:
        url = server.url
    load = DuplexLoad(replace(STREAM, url=url))
    with pytest.raises(ConnectError, match=r"cannot connect to 127\.0\.0\.1"):
        await load.open()
    assert not load.is_alive
    await load.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RemoteProtocolError("x"), "malformed"),
        (Disconnected("x"), "reset"),
        (Disconnected("x", clean=True), "closed"),
        (ConnectTimeout("x"), "connect timeout"),
        (ConnectError("x"), "network"),
    ],
)
def test_every_error_of_a_session_has_a_kind(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


def test_the_cause_of_a_connect_error_is_its_kind() -> None:
    error = ConnectError("x")
    error.__cause__ = ConnectionRefusedError()
    assert kind_of(error) == "refused"
