"""Flow control, counted in bytes: behind a reader that stands still, what a producer got rid of has a stated bound.

The bound is the sum of the marks on the way and of the kernel's buffers, which are set small where the test holds
the socket. A producer that stands still is recognised by loop turns without progress; were that too early, the count
would only be smaller. Afterwards the reader goes on, and everything arrives.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering, chunk, read_answer, read_chunked, read_head
from tests.helpers.lockstep import lockstep
from tests.helpers.raw import SOCKET_KINDS, SocketRaw, raw_server
from tests.helpers.served import KINDS, Served, served
from tests.helpers.tls import server_context
from toolkit import App, Limits
from toolkit.protocol.aio.tls import TlsLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Exchange, Request

KIB, MIB = 1024, 1024 * 1024
MARK = 64 * KIB
MARKS = Limits(read_mark=MARK, write_mark=MARK)
PIECE = 8 * KIB
RECEIVED = 256 * KIB  # a loop hands on at most so much at a time, over the mark that stops the next read
TLS = 1280 * KIB  # what asyncio's and uvloop's TLS hold each way: high-water marks of 512 KiB, records, a read
SMALL = 16 * KIB  # for SO_SNDBUF and SO_RCVBUF; Linux doubles it
TOTAL = 16 * MIB

LINKS = pytest.mark.parametrize("kind", KINDS)
SOCKETS = pytest.mark.parametrize("kind", SOCKET_KINDS)


class Counter:
    """What a producer got rid of so far."""

    def __init__(self) -> None:
        self.accepted = 0
        self.sha = hashlib.sha256()
        self.done = False

    def took(self, piece: bytes) -> None:
        self.accepted += len(piece)
        self.sha.update(piece)

    async def stands_still(self) -> int:
        """The count, once many loop turns in a row have not moved it."""
        turns, last = 0, -1
        while turns < 300:
            if self.accepted != last:
                turns, last = 0, self.accepted
            turns += 1
            await asyncio.sleep(0)
        return last


def pieces() -> list[bytes]:
    return [os.urandom(PIECE) for _ in range(16)]


async def produce(x: Exchange, count: Counter, total: int = TOTAL) -> None:
    """Write `total` bytes and count each accepted piece."""
    some = pieces()
    for number in range(total // PIECE):
        await x.write(some[number % 16])
        count.took(some[number % 16])
    count.done = True
    await x.eof()


async def produce_raw(raw: SocketRaw, count: Counter, total: int = TOTAL) -> None:
    """Send `total` bytes in chunks and count each accepted piece."""
    some = pieces()
    loop = asyncio.get_running_loop()
    for number in range(total // PIECE):
        await loop.sock_sendall(raw.sock, chunk(some[number % 16]))
        count.took(some[number % 16])
    await loop.sock_sendall(raw.sock, b"0\r\n\r\n")
    count.done = True


def kernel(sock: socket.socket, option: int) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, option)


def unix_buffer() -> int:
    return int(Path("/proc/sys/net/core/wmem_default").read_text())


def largest_tcp(name: str) -> int:
    return int(Path(f"/proc/sys/net/ipv4/{name}").read_text().split()[2])


def largest_send_buffer(kind: str) -> int:
    """The most that the kernel lets a client's unset send buffer grow to, with what Unix sockets count per packet."""
    if kind == "unix":
        return 4 * unix_buffer()
    return largest_tcp("tcp_wmem")


async def is_pending(task: asyncio.Task[None]) -> None:
    """Waiting goes on, and costs no CPU."""
    before = time.process_time()
    done, _ = await asyncio.wait([task], timeout=0.1)
    assert not done, "the producer was not stopped"
    assert time.process_time() - before < 0.08, "waiting burns CPU"


@asynccontextmanager
async def tight(web: App, kind: str) -> AsyncIterator[tuple[Served, int, int]]:
    """The application behind a listener whose connections have small kernel buffers, and how large those are."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="tk-") as folder:
        path = os.path.join(folder, "s") if kind == "unix" else None
        listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        listener.bind(path or ("127.0.0.1", 0))
        listener.listen()
        sizes = kernel(listener, socket.SO_SNDBUF), kernel(listener, socket.SO_RCVBUF)
        if kind == "tls":
            server = await loop.create_server(
                lambda: TlsLink(web.new_connection()), sock=listener, ssl=server_context()
            )
            here = Served(web, kind, f"https://127.0.0.1:{listener.getsockname()[1]}")
        elif path:
            server = await loop.create_unix_server(web.new_connection, sock=listener)
            here = Served(web, kind, "http://localhost", path)
            # A Unix listener's accepted sockets do not inherit its buffers.
            sizes = unix_buffer(), unix_buffer()
        else:
            server = await loop.create_server(web.new_connection, sock=listener)
            here = Served(web, kind, f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield here, *sizes
        finally:
            here.drop()
            server.close()
            await web.exit()


@SOCKETS
async def test_a_client_that_reads_nothing_stops_the_handler(kind: str) -> None:
    web = App(port=0, limits=MARKS)
    count = Counter()
    producing: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare()
        task = asyncio.ensure_future(produce(r, count))
        producing.set_result(task)
        await task

    async with tight(web, kind) as (here, sent, _):
        raw = await here.raw(receive_buffer=SMALL)
        assert isinstance(raw, SocketRaw)
        received = kernel(raw.sock, socket.SO_RCVBUF)
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        task = await producing
        bound = MARK + sent + received + 2 * PIECE + (TLS if kind == "tls" else 0)
        accepted = await count.stands_still()
        assert accepted < bound
        await is_pending(task)
        assert count.accepted < bound
        await read_head(raw)
        body, _ = await read_chunked(raw)
        assert (len(body), hashlib.sha256(body).digest()) == (TOTAL, count.sha.digest())


@SOCKETS
async def test_a_server_that_reads_nothing_stops_the_client(kind: str) -> None:
    count = Counter()
    async with (
        raw_server(kind, receive_buffer=SMALL) as peer,
        peer.session(limits=MARKS) as http,
        http.post(f"{peer.url}/") as x,
    ):
        raw = await peer.accept()
        assert isinstance(raw, SocketRaw)
        received = kernel(raw.sock, socket.SO_RCVBUF)
        task = asyncio.ensure_future(produce(x, count, 2 * TOTAL))
        bound = MARK + largest_send_buffer(kind) + received + 2 * PIECE + (TLS if kind == "tls" else 0)
        assert await count.stands_still() < bound
        await is_pending(task)
        assert count.accepted < bound
        await read_head(raw)
        body, _ = await read_chunked(raw)
        assert (len(body), hashlib.sha256(body).digest()) == (2 * TOTAL, count.sha.digest())
        await task
        await raw.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await x.head()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_handler_that_reads_nothing_stops_the_peers_socket(kind: str) -> None:
    web = App(port=0, limits=MARKS)
    count = Counter()
    go_on = asyncio.Event()

    @web.post("/")
    async def handler(r: Request) -> str:
        body = r.pull()
        first = await anext(body)  # somebody reads, and then stands still
        await go_on.wait()
        sha = hashlib.sha256(first)
        async for part in body:
            sha.update(part)
        return sha.hexdigest()

    async with tight(web, kind) as (here, _, received):
        raw = await here.raw()
        assert isinstance(raw, SocketRaw)
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        await raw.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        task = asyncio.ensure_future(produce_raw(raw, count))
        bound = 2 * (MARK + RECEIVED) + kernel(raw.sock, socket.SO_SNDBUF) + received + 2 * PIECE
        assert await count.stands_still() < bound
        await is_pending(task)
        assert count.accepted < bound
        go_on.set()
        await task
        assert (await read_answer(raw)).body.decode() == count.sha.hexdigest()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_client_that_stops_reading_stops_the_servers_socket(kind: str) -> None:
    count = Counter()
    sent = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with (
        raw_server(kind) as peer,
        peer.session(limits=MARKS) as http,
        answering(peer, http.get(f"{peer.url}/"), sent) as (x, raw, _),
    ):
        assert isinstance(raw, SocketRaw)
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        task = asyncio.ensure_future(produce_raw(raw, count, 2 * TOTAL))
        received = largest_tcp("tcp_rmem") if kind == "tcp" else 0
        bound = MARK + RECEIVED + max(kernel(raw.sock, socket.SO_SNDBUF), 256 * KIB) + received + 2 * PIECE
        assert await count.stands_still() < bound
        await is_pending(task)
        assert count.accepted < bound
        sha = hashlib.sha256()
        async for part in x:
            sha.update(part)
        await task
        assert sha.digest() == count.sha.digest()


async def test_in_memory_only_the_marks_count_upwards() -> None:
    web = App(port=0, limits=MARKS)
    count = Counter()
    async with lockstep("memory", web=web, session={"limits": MARKS}) as script:
        await script.server.prepare()
        await script.client.head()
        x = await script.client.x()
        task = asyncio.ensure_future(produce(x, count))
        assert await count.stands_still() <= 2 * MARK + 2 * PIECE
        assert count.accepted > MARK // 2, "a mark that lets nothing through is no flow control"
        await is_pending(task)
        assert count.accepted <= 2 * MARK + 2 * PIECE
        body = await script.server.do(lambda r: r.read())
        await task
        assert hashlib.sha256(body).digest() == count.sha.digest()


async def test_in_memory_only_the_marks_count_downwards() -> None:
    web = App(port=0, limits=MARKS)
    count = Counter()
    async with lockstep("memory", web=web, session={"limits": MARKS}) as script:
        await script.server.prepare()
        await script.client.head()
        task = asyncio.ensure_future(produce(await script.server.x(), count))
        assert await count.stands_still() <= 2 * MARK + 2 * PIECE
        await is_pending(task)
        assert count.accepted <= 2 * MARK + 2 * PIECE
        body = await script.client.do(lambda x: x.read())
        await task
        assert hashlib.sha256(body).digest() == count.sha.digest()


@LINKS
async def test_an_echo_that_nobody_reads_stops_its_uploader(kind: str) -> None:
    """Both directions of both ends lie between: four marks, and the kernel's buffers there and back."""
    web = App(port=0, limits=MARKS)
    count = Counter()

    @web.post("/")
    async def echo(r: Request) -> None:
        await r.prepare()
        async for part in r:
            await r.write(part)

    async with served(web, kind) as here, here.session(limits=MARKS) as http, http.post(f"{here.url}/") as x:
        task = asyncio.ensure_future(produce(x, count, 4 * TOTAL))
        await x.head()
        kernels = {"memory": 0, "unix": 2 * MIB}.get(kind, 2 * (largest_tcp("tcp_wmem") + largest_tcp("tcp_rmem")))
        overshoot = 0 if kind == "memory" else 2 * RECEIVED
        bound = 4 * (MARK + 2 * PIECE) + overshoot + MARK + kernels + (2 * TLS if kind == "tls" else 0)
        assert await count.stands_still() < bound
        await is_pending(task)
        assert count.accepted < bound
        sha, total = hashlib.sha256(), 0
        async for part in x:
            total += len(part)
            sha.update(part)
        await task
        assert (total, sha.digest()) == (4 * TOTAL, count.sha.digest())


async def test_a_relay_passes_backpressure_on() -> None:
    """Source app -> relaying app -> a client that reads nothing: the source's handler stands still."""
    count = Counter()
    source = App(port=0, limits=MARKS)

    @source.get("/")
    async def produce_all(r: Request) -> None:
        await r.prepare()
        await produce(r, count)

    async with served(source, "memory") as upstream, upstream.session(limits=MARKS) as inner:
        relay = App(port=0, limits=MARKS)

        @relay.get("/")
        async def pass_on(r: Request) -> None:
            async with inner.get("/") as body:
                await r.prepare()
                await r.relay(body)

        async with served(relay, "memory") as here, here.session(limits=MARKS) as http, http.get("/") as x:
            await x.head()
            bound = 4 * MARK + MARK + 6 * PIECE  # two links of two marks each, and what the relay holds in hand
            assert await count.stands_still() <= bound
            assert await count.stands_still() <= bound
            assert not count.done
            sha = hashlib.sha256()
            async for part in x:
                sha.update(part)
            assert sha.digest() == count.sha.digest()


async def test_a_write_larger_than_all_marks_is_taken_and_waits() -> None:
    """One write of 8 MiB is atomic: accepted as one, and its caller waits until the mark is reached again."""
    async with lockstep("memory", session={"limits": MARKS}) as script:
        await script.server.prepare()
        await script.client.head()
        x = await script.client.x()
        block = os.urandom(8 * MIB)
        task = asyncio.ensure_future(x.write(block))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not task.done()
        await script.server.sees(block)
        await task
