"""What a connection between two exchanges holds: ten thousand of them are ten megabytes, not a gigabyte."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from pathlib import Path

import pytest

import toolkit
from tests.helpers.served import PATIENCE, served
from toolkit import App, Request

PACKAGE = str(Path(toolkit.__file__).parent)
COUNT = 128

ASKED = {
    "plain": (b"GET /plain HTTP/1.1\r\nhost: a\r\n\r\n", [], b"plain"),
    "read": (b"POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n", [b"bo", b"dy"], b"read body"),
    "echo": (
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        [b"4\r\nbody\r\n", b"0\r\n\r\n"],
        b"4\r\nbody\r\n0\r\n\r\n",
    ),
}


def application() -> App:
    web = App(port=0)

    @web.get("/plain")
    def plain(r: Request) -> str:
        return "plain"

    @web.post("/read")
    async def read(r: Request) -> str:
        return f"read {await r.text()}"

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare({})
        async for chunk in r:
            await r.write(chunk)

    return web


@pytest.mark.parametrize("what", ASKED)
async def test_an_idle_connection_holds_less_than_a_kibibyte(what: str) -> None:
    """Of what this package allocates: the transport is the loop's."""
    head, pieces, answer = ASKED[what]
    async with asyncio.timeout(PATIENCE), served(application(), "tcp") as here:

        async def ask() -> None:
            raw = await here.raw()
            for piece in (head, *pieces):
                await raw.send(piece)
                await asyncio.sleep(0)
            await raw.until(answer)

        for _ in range(4):  # what is made once is no connection's
            await ask()
        tracemalloc.start()
        try:
            for _ in range(COUNT):
                await ask()
            gc.collect()
            snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"{PACKAGE}/*")])
        finally:
            tracemalloc.stop()
        lines = snapshot.statistics("lineno")
        assert sum(line.size for line in lines) / COUNT < 1024, "\n".join(map(str, lines[:20]))
