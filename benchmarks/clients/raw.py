"""The floor of clients, and the load of servers: bare uvloop protocols that parse as little as they can.

What it asks is known to be answered whole, with a length or in chunks, and by a peer that it trusts.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from time import perf_counter
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from benchmarks.clients.measured import Client, Wrong, serve
from benchmarks.core.payload import ANSWER, CHUNKED_END, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
MARK = 256 * 1024  # bytes that may wait to be sent, as many as this package lets wait
KEPT = 1 << 20  # bytes of a body that are kept, for those who ask for it


def head(url: str, method: str, fields: Iterable[Sequence[str]] = ()) -> bytes:
    """A request's head."""
    where = urlsplit(url)
    target = where.path + (f"?{where.query}" if where.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {where.netloc}", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def anyone() -> ssl.SSLContext:
    """A client's context that takes any certificate: the benchmark's own is on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Small:
    """What the connections of one load share."""

    def __init__(self, request: bytes, answer: bytes) -> None:
        self.request = request
        self.length = len(answer)  # dates are all of one length, so answers are
        self.body = answer.partition(b"\r\n\r\n")[2]
        self.requests = 0
        self.wrong = b""
        self.ended = False


class SmallConnection(asyncio.Protocol):
    """One keep-alive connection: an answer of the right length and with the right end is followed by the next request."""

    __slots__ = ("load", "lost", "received", "transport")

    def __init__(self, load: Small) -> None:
        self.load = load
        self.received = b""
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
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

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.load.ended and not self.load.wrong:
            self.load.wrong = b"the end of a connection"
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
        self.conversations: dict[str, Conversation] = {}

    async def connect(self, url: str) -> Conversation:
        """A new connection, with TLS where the URL says so."""
        where = urlsplit(url)
        context = anyone() if where.scheme == "https" else None
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(Conversation, where.hostname, where.port, ssl=context)
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
        return made.whole

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
        return await self.do_load(url, seconds, concurrency, ())

    async def do_load(
        self, url: str, seconds: float, connections: int, headers: Sequence[Sequence[str]]
    ) -> Mapping[str, float]:
        """Keep connections busy with one request each; how many were answered rightly."""
        where = urlsplit(url)
        request = head(url, "GET", headers)
        load = Small(request, await self._probe(url, request))
        context = anyone() if where.scheme == "https" else None
        loop = asyncio.get_running_loop()
        made = [
            (await loop.create_connection(lambda: SmallConnection(load), where.hostname, where.port, ssl=context))[1]
            for _ in range(connections)
        ]
        await asyncio.sleep(seconds)
        load.ended = True
        for one in made:
            one.transport.close()
        await asyncio.gather(*(one.lost for one in made))
        if load.wrong:
            raise Wrong(f"{url} answered {load.wrong[-200:]!r}")
        return {"requests": load.requests}

    async def _probe(self, url: str, request: bytes) -> bytes:
        """The whole answer, head and body, which must be the right one."""
        where = urlsplit(url)
        context = anyone() if where.scheme == "https" else None
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
        where = urlsplit(url)
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(64)

        async def one(number: int) -> None:
            async with room:
                # A source address has some 28,000 ports to one server.
                source = (f"127.0.0.{2 + number // 20_000}", 0)
                _, made = await loop.create_connection(Conversation, where.hostname, where.port, local_addr=source)
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

    async def do_duplex(self, url: str, seconds: float, size: int) -> Mapping[str, float]:
        """One exchange, open on both sides: a chunk goes out, comes back, and the next one goes out; how many did."""
        return {"trips": trips(url, seconds, size)}


def _then(body: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    yield from body
    yield end


def trips(url: str, seconds: float, size: int) -> int:
    """The duplex exchange on a blocking socket, which answers sooner than a loop does."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 80), 20) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(head(url, "POST", [("Transfer-Encoding", "chunked")]))
        number, received = 0, b""
        end = perf_counter() + seconds
        while perf_counter() < end:
            chunk = b"%x\r\n%b\r\n" % (size, b"%0*d" % (size, number))
            link.sendall(chunk)
            while not received.endswith(chunk):
                data = link.recv(65536)
                if not data or len(received) > 2000 + size:
                    raise Wrong(f"{url}: chunk {number} came back as {received[-200:]!r}")
                received += data
            number += 1
            received = b""
        link.sendall(CHUNKED_END)
        while not received.endswith(CHUNKED_END):
            data = link.recv(65536)
            if not data:
                raise Wrong(f"{url}: the exchange did not end cleanly")
            received += data
        return number


if __name__ == "__main__":
    serve(Raw())
