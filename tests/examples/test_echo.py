"""The smallest servers."""

from __future__ import annotations

import asyncio

import pytest

from examples.echo import web
from toolkit import Session


@pytest.mark.parametrize(("path", "name"), [("/hello/world", "world"), ("/hello/%C3%A9t%C3%A9", "été")])
async def test_hello_greets_by_name(path: str, name: str) -> None:
    async with asyncio.timeout(10), Session(app=web) as http:
        answer = await http.get(path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("application/json")
        assert await answer.json() == {"hello": name}


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_echo_answers_while_the_request_is_open(method: str) -> None:
    """In lock step: each line is back before the next one is sent."""
    headers = {"content-type": "text/plain", "transfer-encoding": "chunked"}
    async with asyncio.timeout(10), Session(app=web) as http, http.request(method, "/echo", headers) as x:
        await x.head()
        assert (x.status, x.content_type) == (200, "text/plain")
        back = x.pull()
        for line in (b"one", b"two", b"three"):
            await x.write(line)
            assert await anext(back) == line
        await x.eof()
        assert [chunk async for chunk in back] == []
        assert x.complete is True


async def test_echo_of_a_whole_body() -> None:
    body = bytes(range(256)) * 4096
    async with asyncio.timeout(10), Session(app=web) as http:
        answer = await http.post("/echo", body=body)
        assert answer.content == body
