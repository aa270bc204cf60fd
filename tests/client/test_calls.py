"""Requests without a session of one's own."""

from __future__ import annotations

import subprocess
import sys

import pytest

import toolkit
from tests.helpers.served import served
from toolkit import App, Request
from toolkit.client import calls


def telling() -> App:
    web = App(port=0)

    @web.route("/", methods=["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"])
    async def tell(r: Request) -> dict[str, object]:
        return {"method": r.method, "own": r.headers.get("x-own"), "body": await r.text()}

    return web


async def seen(x: toolkit.Response) -> object:
    answer = await x
    return await answer.json()


async def test_each_method() -> None:
    async with served(telling(), "tcp") as here:
        url, own = f"{here.url}/", {"x-own": "1"}
        for call in (toolkit.get, toolkit.options, toolkit.delete):
            name = call.__name__.upper()
            assert await seen(call(url, own)) == {"method": name, "own": "1", "body": ""}
        for call in (toolkit.post, toolkit.put, toolkit.patch):
            name = call.__name__.upper()
            assert await seen(call(url, own, body="b")) == {"method": name, "own": "1", "body": "b"}
        assert (await toolkit.head(url)).status == 200
        assert await seen(toolkit.request("PUT", url, own, body="b")) == {"method": "PUT", "own": "1", "body": "b"}
        async with toolkit.post(url) as x:
            await x.write(b"streamed")
            await x.eof()
            assert await x.json() == {"method": "POST", "own": None, "body": "streamed"}
        assert len(calls._shared.bound().pool.open) == 1
        await calls._shared.close()


def test_a_call_needs_no_loop_until_it_is_awaited() -> None:
    assert toolkit.get("http://a.test/").url == "http://a.test/"
    with pytest.raises(toolkit.UseError, match="is relative"):
        _ = toolkit.get("/x")


PROGRAM = """
import asyncio, gc, sys, threading, toolkit

web = toolkit.App("127.0.0.1", 0)
ready = threading.Event()

@web.get("/")
def hello(r):
    return "hello"

@web.on_start
def started():
    ready.set()

async def where():
    async with web:
        return [(await toolkit.get(web.server_address)).content for _ in range(3)]

print(toolkit.run(where()), asyncio.run(where()), asyncio.run(where()))

async def serve():
    serving = asyncio.ensure_future(web.serve())
    await web.started()
    address.append(web.server_address)
    up.set()
    await serving

address, up = [], threading.Event()
thread = threading.Thread(target=lambda: asyncio.run(serve()))
thread.start()
up.wait()
print(toolkit.run(toolkit.get(address[0])).content)
web.stop()
thread.join()
gc.collect()
"""


def test_a_script_that_closes_nothing_ends_without_a_warning() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, timeout=50)
    hello = "[b'hello', b'hello', b'hello']"
    assert (done.stdout, done.stderr, done.returncode) == (f"{hello} {hello} {hello}\nb'hello'\n", "", 0)
