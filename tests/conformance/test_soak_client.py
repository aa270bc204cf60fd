"""Thousands of requests, two hundred at a time, to a server that fails at random and by callers who give up at random:
at the end nothing is left of them, and nothing has grown.

What goes wrong, and when, is drawn from a seed; what is cancelled is cancelled after so many turns of the loop, not
after so much time. `make soak` runs a hundred thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import resource
import tracemalloc
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.helpers.hostile import sockets, until
from toolkit import PoolLimits, Session, Timeouts
from toolkit.errors import Disconnected, RemoteProtocolError, ToolkitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MANY = 200  # requests at a time
PLACES = 50  # connections: three of four requests stand in line
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
#: What the server sends, and whether it then keeps the link, ends it in order, or resets it.
FAULTS: list[tuple[bytes, str]] = [
    (b"", "fin"),
    (b"", "reset"),
    (b"HTTP/1.1 20", "fin"),
    (OK[:-2], "reset"),
    (OK[:-2], "fin"),
    (OK, "reset"),
    (OK, "fin"),
    (OK + OK, "keep"),
    (CHUNKED + b"5\r\nhel", "reset"),
    (CHUNKED + b"zz\r\n", "keep"),
    (b"nonsense\r\n\r\n", "keep"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "keep"),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20, "keep"),
    (b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", "fin"),
]


class FaultyServer(asyncio.Protocol):
    """Answers well nine times of ten."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.transport: asyncio.Transport | None = None
        self.begun = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's are none by name

    def data_received(self, data: bytes) -> None:
        self.begun += data
        assert self.transport is not None
        while not self.transport.is_closing():
            head, end, rest = self.begun.partition(b"\r\n\r\n")
            wanted = 1000 if head.startswith(b"POST") else 0
            if not end or len(rest) < wanted:
                return
            self.begun = rest[wanted:]
            self.answer(self.transport)

    def answer(self, transport: asyncio.Transport) -> None:
        drawn = self.dice.random()
        if drawn < 0.7:
            transport.write(OK)
        elif drawn < 0.9:
            transport.write(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
        else:
            sent, then = self.dice.choice(FAULTS)
            transport.write(sent)
            if then == "fin":
                transport.close()
            elif then == "reset":
                transport.abort()


@asynccontextmanager
async def faulty(seed: int) -> AsyncIterator[str]:
    """The server's URL."""
    dice = random.Random(seed)
    server = await asyncio.get_running_loop().create_server(lambda: FaultyServer(dice), "127.0.0.1", 0, backlog=MANY)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def one(http: Session, url: str, way: int) -> None:
    """A request in one of four ways; a body that comes is the one that was asked for."""
    if way == 0:
        answer = await http.post(url, body=bytes(1000))
        assert answer.content in (b"hello", b"")
    elif way == 1:
        async with http.get(url) as x:
            async for part in x:
                assert b"hello".startswith(part) or part in b"hello"
    elif way == 2:
        async with http.get(url):  # left unread
            pass
    else:
        answer = await http.get(url)
        assert answer.content in (b"hello", b"")


class Soak:
    """So many requests, `MANY` at a time, and what became of them."""

    def __init__(self, http: Session, url: str, seed: int) -> None:
        self.http = http
        self.url = url
        self.dice = random.Random(seed)
        self.ended: Counter[str] = Counter()

    async def run(self, count: int) -> None:
        """Make them all."""
        left = iter(range(count))
        workers = [asyncio.create_task(self._work(left)) for _ in range(MANY)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)

    async def _work(self, left: object) -> None:
        for _ in left:  # type: ignore[attr-defined]  # shared: each number is one request of somebody's
            asking = asyncio.create_task(one(self.http, self.url, self.dice.randrange(4)))
            if self.dice.random() < 0.15:
                for _ in range(self.dice.randrange(12)):
                    await asyncio.sleep(0)
                asking.cancel()
            try:
                await asking
            except asyncio.CancelledError:
                self.ended["cancelled"] += 1
            except ToolkitError as error:
                self.ended[type(error).__name__] += 1
            else:
                self.ended["answered"] += 1


async def census(http: Session) -> tuple[int, int]:
    """Tasks and sockets, when no link is open any more."""
    transports = http.bound()
    pool = transports.pool
    await until(lambda: pool.total == sum(map(len, pool.idle.values())) == len(transports._open))
    assert pool.waiting_count == 0
    await http.close()
    for _ in range(20):
        await asyncio.sleep(0)
    gc.collect()
    return len(asyncio.all_tasks()), sockets()


async def soak(count: int, seed: int) -> Counter[str]:
    """Two equal parts; the second must leave what the first has left."""
    async with faulty(seed) as url:
        timeouts = Timeouts(read=20, pool=20)
        http = Session(pool=PoolLimits(connections=PLACES), timeouts=timeouts)
        run = Soak(http, url, seed)
        await run.run(count // 5)
        before = await census(http)
        tracemalloc.start()
        try:
            await run.run(count // 5)
            assert await census(http) == before
            held = tracemalloc.get_traced_memory()[0]
            await run.run(count // 5)
            assert await census(http) == before
            grown = tracemalloc.get_traced_memory()[0] - held
        finally:
            tracemalloc.stop()
        assert grown < 64 * 1024, f"{grown} bytes more after {count // 5} requests more"
        top = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await run.run(count - 3 * (count // 5))
        assert await census(http) == before
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - top < 8 * 1024  # KiB
    return run.ended


def check(ended: Counter[str], count: int) -> None:
    """Each request ended, in one of the ways that there are, and all of these were seen."""
    assert ended.total() == count
    assert set(ended) <= {"answered", "cancelled", "Disconnected", "RemoteProtocolError", "LimitExceeded"}
    assert ended["answered"] > count / 2
    assert min(ended["cancelled"], ended[Disconnected.__name__], ended[RemoteProtocolError.__name__]) > count / 200


@pytest.mark.slow
async def test_five_thousand_requests_with_faults_leave_nothing_behind() -> None:
    check(await soak(5_000, 1), 5_000)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_requests_with_faults_leave_nothing_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = await soak(100_000, 2)
    with contextlib.suppress(AttributeError), capsys.disabled():
        print(f"\n{dict(ended)}")
    check(ended, 100_000)
