"""The floor of clients, and the load of servers: bare uvloop protocols that parse as little as they can.

What it asks is known to be answered whole, with a length or in chunks, and by a peer that it trusts.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from benchmarks.clients.measured import Client, Wrong, serve
from benchmarks.core.certificate import trusting_context
from benchmarks.core.payload import ANSWER, CHUNKED_END, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
MARK = 256 * 1024  # bytes that may wait to be sent, as many as this package lets wait
PORTS = 20_000
BIND_ADDRESS_NO_PORT = 24  # of linux/in.h: the port is chosen once the other end is known
KEPT = 4 << 20  # bytes of a body that are kept, for those who ask for it


def head(url: str, method: str, fields: Iterable[Sequence[str]] = ()) -> bytes:
    """A request's head."""
    where = urlsplit(url)
    target = where.path + (f"?{where.query}" if where.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {where.netloc}", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connected(url: str, number: int) -> socket.socket:
    """A socket with a connection, made by hand: that needs no look-ups. From one address there are some 28,000."""
    where = urlsplit(url)
    link = socket.socket()
    if number >= PORTS:
        link.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        link.bind((f"127.0.0.{1 + number // PORTS}", 0))
    link.connect((where.hostname or "", where.port or 80))
    link.setblocking(False)
    return link


class Small:
    """What the connections of one load share."""

    def __init__(self, request: bytes, answer: bytes) -> None:
        self.request = request
        self.length = len(answer)  # dates are all of one length, so answers are
        self.body = answer.partition(b"\r\n\r\n")[2]
        self.connections: list[SmallConnection] = []
        self.requests = 0
        self.wrong = b""
        self.ended = True
        self.answered = asyncio.Event()

    async def run(self, seconds: float) -> int:
        """Keep all connections busy for a while; how many requests were answered. Raises `Wrong`."""
        before, self.ended = self.requests, False
        for one in self.connections:
            one.ask()
        await asyncio.sleep(seconds)
        self.ended = True
        while not self.wrong and any(one.busy for one in self.connections):
            self.answered.clear()
            async with asyncio.timeout(20):
                await self.answered.wait()
        if self.wrong:
            raise Wrong(f"answered {self.wrong[-200:]!r}")
        return self.requests - before

    async def close(self) -> None:
        """End the connections."""
        for one in self.connections:
            one.transport.close()
        await asyncio.gather(*(one.lost for one in self.connections))


class SmallConnection(asyncio.Protocol):
    """One keep-alive connection: an answer of the right length and end is followed by the next request."""

    __slots__ = ("busy", "load", "lost", "received", "transport")

    def __init__(self, load: Small) -> None:
        self.load = load
        self.received = b""
        self.busy = False
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        """The first request of a run."""
        self.busy = True
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        load = self.load
        if self.received:
            data = self.received + data
            self.received = b""
        if len(data) < load.length:
            self.received = data
        elif len(data) > load.length or not data.endswith(load.body) or not data.startswith(b"HTTP/1.1 200 "):
            load.wrong = data
            self.transport.abort()
        else:
            load.requests += 1
            if not load.ended:
                self.transport.write(load.request)
            else:
                self.busy = False
                load.answered.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy and not self.load.wrong:
            self.load.wrong = b"by the end of a connection"
            self.load.answered.set()
        self.lost.set_result(None)


class Conversation(asyncio.Protocol):
    """One connection, one exchange after another: a head and a body go out, an answer comes in and is counted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=MARK)
        self.paused = False
        self.outgoing: Iterator[bytes] = iter(())
        self.answer: asyncio.Future[int] | None = None

    def ask(self, request: bytes, body: Iterable[bytes] = ()) -> asyncio.Future[int]:
        """Send; the result is the length of the answer's body, framing included. `whole` has its beginning."""
        self.whole = b""
        self.in_head = True
        self.left: int | None = None
        self.size = 0
        self.tail = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        self.outgoing = iter(body)
        self.go_on()
        return self.answer

    def go_on(self) -> None:
        """Write until the transport has enough."""
        write = self.transport.write
        while not self.paused:
            piece = next(self.outgoing, None)
            if piece is None:
                return
            write(piece)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.go_on()

    def data_received(self, data: bytes) -> None:
        if self.in_head:
            self.whole += data
            begun, end, data = self.whole.partition(b"\r\n\r\n")
            if not end:
                return
            self.in_head = False
            if not begun.startswith(b"HTTP/1.1 200 "):
                self.fail(Wrong(begun.decode("latin-1")))
                return
            length = LENGTH.search(begun + b"\r\n")
            self.left = None if length is None else int(length[1])
            self.whole = b""
        self.size += len(data)
        if self.size <= KEPT:
            self.whole += data
        if self.left is None:
            self.tail = data[-5:] if len(data) >= 5 else (self.tail + data)[-5:]
            over = self.tail == CHUNKED_END
        else:
            over = self.size >= self.left
        if over and self.answer is not None and not self.answer.done():
            self.answer.set_result(self.size)

    def fail(self, error: Exception) -> None:
        """End the exchange under way with an error."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(exc or Wrong("the connection ended within an answer"))


class Raw(Client):
    """Connections by hand."""

    async def open(self) -> None:
        self.held: list[asyncio.BaseTransport] = []
        self.loads: dict[tuple[str, int], Small] = {}
        self.conversations: dict[str, Conversation] = {}

    async def connect(self, url: str) -> Conversation:
        """A new connection, with TLS where the URL says so."""
        context = trusting_context() if url.startswith("https:") else None
        name = "127.0.0.1" if context is not None else None
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(Conversation, sock=connected(url, 0), ssl=context, server_hostname=name)
        return made

    async def kept(self, url: str) -> Conversation:
        """The connection to a server that is kept between jobs."""
        where = urlsplit(url).netloc
        made = self.conversations.get(where)
        if made is None or made.transport.is_closing():
            made = self.conversations[where] = await self.connect(url)
        return made

    async def get(self, url: str) -> bytes:
        made = await self.kept(url)
        await made.ask(head(url, "GET"))
        return made.whole if made.left is not None else without_chunks(made.whole)

    async def download(self, url: str) -> int:
        return await (await self.kept(url)).ask(head(url, "GET"))

    async def upload(self, url: str, size: int, chunked: bool) -> bytes:
        made = await self.kept(url)
        if chunked:
            framed = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(size))
            await made.ask(head(url, "POST", [("Transfer-Encoding", "chunked")]), _then(framed, CHUNKED_END))
        else:
            await made.ask(head(url, "POST", [("Content-Length", str(size))]), pieces(size))
        return made.whole

    # -- its own jobs ------------------------------------------------------------------------------------------

    async def do_download(self, url: str, size: int) -> Mapping[str, float]:
        received = await self.download(url)
        if received < size or ("framing=chunked" not in url and received != size):
            raise Wrong(f"{url}: {received} of {size} bytes arrived")
        return {"bytes": size}

    async def do_small(self, url: str, seconds: float, concurrency: int) -> Mapping[str, float]:
        """As any client does it, with connections that are kept between jobs."""
        if (url, concurrency) not in self.loads:
            self.loads[url, concurrency] = await self._opened(url, concurrency, ())
        return {"requests": await self.loads[url, concurrency].run(seconds)}

    async def do_load(
        self, url: str, seconds: float, connections: int, headers: Sequence[Sequence[str]]
    ) -> Mapping[str, float]:
        """Keep new connections busy with one request each; how many were answered rightly."""
        load = await self._opened(url, connections, headers)
        try:
            return {"requests": await load.run(seconds)}
        finally:
            await load.close()

    async def _opened(self, url: str, connections: int, headers: Sequence[Sequence[str]]) -> Small:
        where = urlsplit(url)
        request = head(url, "GET", headers)
        load = Small(request, await self._probe(url, request))
        context = trusting_context() if where.scheme == "https" else None
        loop = asyncio.get_running_loop()
        for number in range(connections):
            link = connected(url, number)
            name = "127.0.0.1" if context is not None else None
            _, made = await loop.create_connection(
                lambda: SmallConnection(load), sock=link, ssl=context, server_hostname=name
            )
            load.connections.append(made)
        return load

    async def _probe(self, url: str, request: bytes) -> bytes:
        """The whole answer, head and body, which must be the right one."""
        where = urlsplit(url)
        context = trusting_context() if where.scheme == "https" else None
        reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
        writer.write(request)
        begun = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(begun)
        body = await reader.readexactly(0 if length is None else int(length[1]))
        writer.close()
        if not begun.startswith(b"HTTP/1.1 200 ") or (b"json" in begun and json.loads(body) != ANSWER):
            raise Wrong(f"{url} answered {(begun + body)[:300]!r}")
        return begun + body

    async def do_repeat(self, url: str, size: int, times: int, method: str) -> Mapping[str, float]:
        """The same body again and again on one connection."""
        for _ in range(times):
            await (self.do_download(url, size) if method == "GET" else self.do_upload(url, size, "length"))
        return {"bytes": size * times}

    async def do_echo(self, url: str, size: int) -> Mapping[str, float]:
        """A body goes out and comes back at once."""
        made = await self.kept(url)
        back = await made.ask(head(url, "POST", [("Content-Length", str(size))]), pieces(size))
        if back != size and made.left is not None:
            raise Wrong(f"{url}: {back} of {size} bytes came back")
        if size <= KEPT // 2 and b"".join(pieces(size)) not in made.whole:
            raise Wrong(f"{url}: another body came back, of {back} bytes")
        return {"bytes": size}

    async def do_hold(self, url: str, connections: int) -> Mapping[str, float]:
        """Open connections, ask once on each, and keep them open; how many are."""
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(64)

        async def one(number: int) -> None:
            async with room:
                _, made = await loop.create_connection(Conversation, sock=connected(url, number))
                self.held.append(made.transport)
                await made.ask(head(url, "GET"))
                if json.loads(made.whole) != ANSWER:
                    raise Wrong(f"{url} answered {made.whole[:200]!r}")

        await asyncio.gather(*(one(number) for number in range(connections)))
        return {"held": sum(not transport.is_closing() for transport in self.held)}

    async def do_release(self) -> Mapping[str, float]:
        """Close what is held."""
        for transport in self.held:
            transport.close()
        self.held.clear()
        return {}

    async def do_duplex(self, url: str, seconds: float, size: int, exchanges: int) -> Mapping[str, float]:
        """Exchanges that are open on both sides: on each a chunk goes out, comes back, and the next one goes out.

        How many chunks did. The sockets block, which answers sooner than a loop does.
        """
        trips = 0
        with ExitStack() as stack:
            made = [stack.enter_context(Duplex(url, size)) for _ in range(exchanges)]
            end = perf_counter() + seconds
            while perf_counter() < end:
                for one in made:
                    one.send(trips)
                for one in made:
                    one.receive()
                trips += exchanges
            for one in made:
                one.finish()
        return {"trips": trips}


class Duplex:
    """One exchange that is open on both sides."""

    def __init__(self, url: str, size: int) -> None:
        where = urlsplit(url)
        self.url, self.size = url, size
        self.in_head = True
        self.link = socket.create_connection((where.hostname or "", where.port or 80), 20)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.sendall(head(url, "POST", [("Transfer-Encoding", "chunked")]))

    def send(self, number: int) -> None:
        """A chunk unlike the one before."""
        self.chunk = b"%x\r\n%0*d\r\n" % (self.size, self.size, number)
        self.link.sendall(self.chunk)

    def receive(self) -> None:
        """The same chunk, behind the answer's head where it is the first."""
        received = b""
        while self.in_head or len(received) < len(self.chunk):
            data = self.link.recv(65536)
            if not data:
                break
            received += data
            if self.in_head and b"\r\n\r\n" in received:
                received = received.partition(b"\r\n\r\n")[2]
                self.in_head = False
        if received != self.chunk:
            raise Wrong(f"{self.url}: {self.chunk!r} came back as {received[:200]!r}")

    def finish(self) -> None:
        """End the request; the answer must end, too."""
        self.chunk = CHUNKED_END
        self.link.sendall(CHUNKED_END)
        self.receive()

    def __enter__(self) -> Duplex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.link.close()


def without_chunks(body: bytes) -> bytes:
    """The body in a chunked one."""
    found = []
    while not body.startswith(CHUNKED_END):
        size, _, body = body.partition(b"\r\n")
        found.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(found)


def _then(body: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    yield from body
    yield end


if __name__ == "__main__":
    serve(Raw())
