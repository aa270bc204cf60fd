"""`Session(app=web)` is the same protocol code: its bytes are those of the same exchange over TCP, the date aside."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import PATIENCE
from tests.helpers.served import served
from toolkit import App, Deliver, PoolLimits, Session
from toolkit.protocol.aio.memory import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from toolkit import Request

DATE = re.compile(rb"(?im)^date: [^\r\n]+\r\n")
HOST = {"host": "one.test"}


class Recorder:
    """Stands between a client and a server on TCP and writes down both directions of each connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.tape: list[tuple[bytearray, bytearray]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.sockets: list[socket.socket] = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self.listener)
            server = socket.socket()
            for sock in (client, server):
                sock.setblocking(False)
                self.sockets.append(sock)
            await loop.sock_connect(server, ("127.0.0.1", self.port))
            up, down = bytearray(), bytearray()
            self.tape.append((up, down))
            self.tasks += [
                asyncio.ensure_future(self._copy(client, server, up)),
                asyncio.ensure_future(self._copy(server, client, down)),
            ]

    async def _copy(self, source: socket.socket, sink: socket.socket, tape: bytearray) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(source, 65536):
                tape += data
                await loop.sock_sendall(sink, data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def application() -> App:
    """One application with every kind of answer that the exchanges below ask for."""
    web = App(port=0)

    @web.get("/value")
    async def value(r: Request) -> dict[str, object]:
        return {"query": r.params()}

    @web.post("/echo")
    async def echo(r: Request) -> None:
        await r.prepare({"content-type": r.content_type or "text/plain"})
        async for part in r:
            await r.write(part)
        if r.trailers:
            await r.eof(trailers={"x-echo": r.trailers["x-sent"]})

    @web.post("/read")
    async def read(r: Request) -> bytes:
        return await r.read()

    @web.get("/hinted")
    async def hinted(r: Request) -> str:
        await r.inform(103, {"link": "</a>"})
        return "final"

    @web.get("/redirect")
    async def redirect(r: Request) -> object:
        return Deliver.redirect("/value")

    @web.get("/fails")
    async def fails(r: Request) -> None:
        raise ValueError

    @web.get("/coded")
    async def coded(r: Request) -> None:
        await r.prepare(coding="auto")
        await r.write(b"text " * 1000)

    @web.get("/lines")
    async def lines(r: Request) -> None:
        stream = await r.upgrade()
        async for part in stream:
            await stream.write(part.upper())

    return web


async def in_turns(http: Session, url: str) -> None:
    """A duplex echo in lock-step, so that the chunks are cut alike, with trailers both ways."""
    async with http.post(f"{url}/echo", {**HOST, "content-type": "text/x", "trailer": "x-sent"}) as x:
        await x.head()
        body = x.pull()
        for number in range(5):
            await x.write(b"message %d" % number)
            assert await anext(body) == b"message %d" % number
        await x.eof(trailers={"x-sent": "yes"})
        assert [part async for part in body] == []


async def values(http: Session, url: str) -> None:
    _ = await http.get(f"{url}/value", HOST, params={"a": "1", "b": "ä /&"})
    _ = await http.head(f"{url}/value", HOST)
    _ = await http.post(f"{url}/read", HOST, json={"a": [1, None]})
    _ = await http.post(f"{url}/read", HOST)
    _ = await http.get(f"{url}/nowhere", HOST)
    _ = await http.put(f"{url}/value", HOST, body=b"x")
    _ = await http.get(f"{url}/fails", HOST)


async def bodies(http: Session, url: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"part %d" % number

    _ = await http.post(f"{url}/read", HOST, body=b"x" * 100_000)
    _ = await http.post(f"{url}/read", HOST, body=parts())
    _ = await http.post(f"{url}/read", HOST, body=b"expected", expect_continue=True)


async def others(http: Session, url: str) -> None:
    _ = await http.get(f"{url}/hinted", HOST)
    _ = await http.get(f"{url}/redirect", HOST)
    _ = await http.get(f"{url}/coded", HOST)
    _ = await http.get(f"{url}/coded", HOST, decode=False)


async def stream(http: Session, url: str) -> None:
    async with http.get(f"{url}/lines", HOST, upgrade="lines") as x:
        raw = await x.upgrade()
        body = raw.pull()
        for word in (b"one", b"two"):
            await raw.write(word)
            assert await anext(body) == word.upper()
        await raw.eof()
        assert [part async for part in body] == []


async def over_tcp(run: Callable[[Session, str], Awaitable[None]]) -> list[tuple[bytes, bytes]]:
    """What goes over the wire of each connection, there and back."""
    async with served(application(), "tcp") as here:
        recorder = Recorder(int(here.url.rpartition(":")[2]))
        serving = asyncio.ensure_future(recorder.serve())
        async with Session(pool=PoolLimits(connections=1)) as http:
            await run(http, recorder.url)
        serving.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(serving, *recorder.tasks, return_exceptions=True)
        for sock in (recorder.listener, *recorder.sockets):
            sock.close()
        return [(bytes(up), bytes(down)) for up, down in recorder.tape]


async def in_memory(
    run: Callable[[Session, str], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> list[tuple[bytes, bytes]]:
    """The same in memory: what each transport is given to write, the client's first, as it speaks first."""
    tapes: dict[MemoryTransport, bytearray] = {}
    write = MemoryTransport.write

    def recording(self: MemoryTransport, data: bytes | bytearray | memoryview) -> None:
        tapes.setdefault(self, bytearray()).extend(data)
        write(self, data)

    monkeypatch.setattr(MemoryTransport, "write", recording)
    web = application()
    async with Session(app=web, pool=PoolLimits(connections=1)) as http:
        await run(http, "")
    await web.exit()
    sent = [bytes(tape) for tape in tapes.values()]
    return list(zip(sent[::2], sent[1::2], strict=True))


@pytest.mark.parametrize("run", [values, bodies, in_turns, others, stream], ids=lambda run: run.__name__)
async def test_the_bytes_are_those_of_tcp(
    run: Callable[[Session, str], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tcp = await over_tcp(run)
    memory = await in_memory(run, monkeypatch)
    assert len(tcp) == len(memory)
    for (up, down), (memory_up, memory_down) in zip(tcp, memory, strict=True):
        assert up == memory_up
        assert DATE.sub(b"", down) == DATE.sub(b"", memory_down)
        assert down.startswith(b"HTTP/1.1 ")
