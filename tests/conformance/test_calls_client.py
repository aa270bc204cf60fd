"""What asking costs, counted: calls of our own Python functions between a request's making and its answer in hand.

As in `test_calls`: a call too many shows here before it shows in a benchmark, and the bounds are upper ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, cast

import pytest

from toolkit import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from types import FrameType

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: now\r\ncontent-length: 5\r\n\r\nhello"


class Peer(asyncio.Protocol):
    """Answers whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)


@contextlib.asynccontextmanager
async def asking() -> AsyncIterator[tuple[Session, str]]:
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Session() as http:
        yield http, f"http://127.0.0.1:{port}/"


async def calls(ask: Callable[[], Awaitable[bytes]]) -> int:
    """Calls that one request takes, the third of its kind: what is made once is made."""
    made: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_globals["__name__"].startswith("toolkit."):
            made.append(frame.f_code.co_qualname)

    for _ in range(3):
        made.clear()
        sys.setprofile(note)
        body = await ask()
        sys.setprofile(None)
        assert body == b"hello"
    return len(made)


@pytest.fixture(autouse=True)
def no_profile() -> Iterator[None]:
    """Counting replaces whatever profiles the run."""
    before: Callable[..., object] | None = sys.getprofile()
    yield
    sys.setprofile(before)


async def test_an_awaited_request_takes_50_calls() -> None:
    async with asking() as (http, url):

        async def ask() -> bytes:
            return (await http.get(url)).content

        assert await calls(ask) <= 50


async def test_an_entered_one_takes_few_more() -> None:
    async with asking() as (http, url):

        async def ask() -> bytes:
            async with http.get(url) as x:
                return await x.read()

        assert await calls(ask) <= 56


async def test_a_body_at_hand_takes_few_more() -> None:
    async with asking() as (http, url):

        async def ask() -> bytes:
            return (await http.post(url, json={"hello": "world"})).content

        assert await calls(ask) <= 56


async def test_a_header_takes_few_calls() -> None:
    async with asking() as (http, url):

        async def bare() -> bytes:
            return (await http.get(url)).content

        async def ten() -> bytes:
            return (await http.get(url, {f"x-{number}": "y" for number in range(10)})).content

        async def twenty() -> bytes:
            return (await http.get(url, {f"x-{number}": "y" for number in range(20)})).content

        few, more = await calls(ten), await calls(twenty)
        assert more - few <= 10  # one each
        assert few - await calls(bare) <= 10 + 10


async def test_what_a_session_adds_takes_no_call() -> None:
    async with asking() as (http, url):

        async def ask() -> bytes:
            return (await http.get(url)).content

        alone = await calls(ask)
        for number in range(20):
            http.headers[f"x-{number}"] = "y"
        assert await calls(ask) <= alone
