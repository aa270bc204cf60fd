"""What a request costs, counted: calls of our own Python functions between its bytes and its answer's.

Time cannot be asserted, and a call too many shows here before it shows in a benchmark. A compiled build makes fewer
calls that can be seen, so the bounds are upper ones.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from toolkit import App, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

# What a browser sends besides its host.
BROWSER = [
    b"user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    b"accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    b"accept-language: en-US,en;q=0.5",
    b"accept-encoding: gzip, deflate, br, zstd",
    b"connection: keep-alive",
    b"upgrade-insecure-requests: 1",
    b"sec-fetch-dest: document",
    b"sec-fetch-mode: navigate",
    b"sec-fetch-site: none",
    b"priority: u=0, i",
]


class Sent(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.answered = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.answered.set()

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def abort(self) -> None:
        pass


class Served:
    """A connection whose requests are counted."""

    def __init__(self, app: App) -> None:
        self.transport = Sent()
        self.connection = app.new_connection()
        self.connection.connection_made(self.transport)

    async def calls(self, path: bytes, fields: list[bytes]) -> int:
        """Calls that one request takes, the third of its kind: what is made once is made."""
        head = b"\r\n".join([b"GET %b HTTP/1.1" % path, b"host: a", *fields, b"", b""])
        made: list[str] = []
        for _ in range(3):
            made.clear()
            self.transport.answered.clear()

            def note(frame: FrameType, event: str, argument: object) -> None:
                if event == "call" and frame.f_globals["__name__"].startswith("toolkit."):
                    made.append(frame.f_code.co_qualname)

            sys.setprofile(note)
            self.connection.data_received(head)
            await self.transport.answered.wait()
            sys.setprofile(None)
        assert self.transport.written[-1].endswith(b'{"hello":"world"}')
        return len(made)


@pytest.fixture
def no_profile() -> Iterator[None]:
    """Counting replaces whatever profiles the run."""
    before: Callable[..., object] | None = sys.getprofile()
    yield
    sys.setprofile(before)


def app() -> App:
    web = App()

    @web.get("/plain")
    def plain(r: Request) -> dict[str, str]:
        return {"hello": "world"}

    @web.get("/waiting")
    async def waiting(r: Request) -> dict[str, str]:
        return {"hello": "world"}

    return web


@pytest.mark.usefixtures("no_profile")
async def test_a_plain_functions_request_takes_30_calls() -> None:
    assert await Served(app()).calls(b"/plain", []) <= 30


@pytest.mark.usefixtures("no_profile")
async def test_a_coroutines_request_takes_a_task_more() -> None:
    assert await Served(app()).calls(b"/waiting", []) <= 30


@pytest.mark.usefixtures("no_profile")
async def test_a_header_takes_one_call() -> None:
    served = Served(app())
    bare = await served.calls(b"/plain", [])
    assert await served.calls(b"/plain", BROWSER) <= bare + len(BROWSER) + 1  # and one for `connection`
    fifty = await served.calls(b"/plain", [b"x-%d: y" % number for number in range(50)])
    assert fifty <= bare + 50


@pytest.mark.usefixtures("no_profile")
async def test_the_number_of_routes_and_connections_takes_no_call() -> None:
    web = app()
    alone = await Served(web).calls(b"/plain", [])
    for number in range(1000):
        web.route(f"/other/{number}")(lambda r: None)
    among = [Served(web) for _ in range(100)]
    assert await among[50].calls(b"/plain", []) <= alone
