"""Bodies by a bare uvloop protocol: what moving them costs without HTTP around them. It trusts its peer."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

import uvloop

from benchmarks.core.certificate import server_context
from benchmarks.core.child import end_with_parent, listening, ready
from benchmarks.core.payload import CHUNKED_END, pieces

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

MARK = 256 * 1024  # bytes that may wait to be sent, as many as this package lets wait


class Bulk(asyncio.Protocol):
    """GET: a body is sent. POST: one is counted; to /echo, whatever comes goes back as it is, framing and all."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=MARK)
        self.head = b""
        self.outgoing: Iterator[bytes] | None = None
        self.left: int | None = 0  # of the body that arrives; None: until the end of its chunks
        self.size = 0
        self.tail = b""
        self.paused = False
        self.echoes = False

    def data_received(self, data: bytes) -> None:
        if self.echoes:
            self.transport.write(data)
            return
        if self.left != 0:
            self.count(data)
            return
        self.head += data
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if end:
            self.head = b""
            self.begin(head.decode("latin-1"), rest)

    def begin(self, head: str, rest: bytes) -> None:
        """Answer a GET, or begin to count."""
        method, target, _ = head.split(" ", 2)
        if method == "GET":
            asked = parse_qs(urlsplit(target).query)
            self.send(int(asked["size"][0]), asked.get("framing") == ["chunked"])
            return
        if target == "/echo":
            self.echoes = True
            self.transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + rest)
            return
        fields = dict(line.lower().split(":", 1) for line in head.split("\r\n")[1:])
        self.left = None if "transfer-encoding" in fields else int(fields["content-length"])
        self.size = 0
        if rest or self.left == 0:
            self.count(rest)

    def count(self, data: bytes) -> None:
        """A piece of a body; its answer at the end."""
        self.size += len(data)
        if self.left is None:
            self.tail = data[-5:] if len(data) >= 5 else (self.tail + data)[-5:]
            if self.tail != CHUNKED_END:
                return
        else:
            self.left -= len(data)
            if self.left:
                return
        self.left, self.tail = 0, b""
        body = json.dumps({"bytes": self.size}).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )

    def send(self, size: int, chunked: bool) -> None:
        """Begin a body."""
        framing = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % size
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n%b\r\n\r\n" % framing)
        self.outgoing = chunks(size) if chunked else pieces(size)
        self.go_on()

    def go_on(self) -> None:
        """Write until the transport has enough."""
        while self.outgoing is not None and not self.paused:
            piece = next(self.outgoing, None)
            if piece is None:
                self.outgoing = None
            else:
                self.transport.write(piece)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.go_on()


def chunks(size: int) -> Iterator[bytes]:
    """A chunked body, framed."""
    for piece in pieces(size):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield CHUNKED_END


async def serve(context: ssl.SSLContext | None) -> None:
    """Until the parent ends."""
    loop = asyncio.get_running_loop()
    listener = listening()
    server = await loop.create_server(Bulk, sock=listener, backlog=4096, ssl=context)
    ready(port=listener.getsockname()[1])
    async with server:
        await loop.create_future()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve bodies.")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="with the certificate there")
    options = parser.parse_args()
    end_with_parent()
    uvloop.run(serve(server_context(options.tls)))


if __name__ == "__main__":
    main()
