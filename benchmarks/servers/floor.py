"""The floor: uvloop, and a protocol that parses nothing, or only lets llhttp parse. What no server can go below."""

from __future__ import annotations

import argparse
import asyncio
from typing import cast

import httptools
import orjson
import uvloop

from benchmarks.core.child import end_with_parent, listening, ready
from benchmarks.core.payload import ANSWER

BODY = orjson.dumps(ANSWER)
ANSWERED = (
    b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


class Nothing(asyncio.Protocol):
    """Whatever comes is a request."""

    __slots__ = ("write",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        self.write(ANSWERED)


class Parsing(Nothing):
    """llhttp says when a request is whole; nothing is kept of it."""

    __slots__ = ("feed",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.feed = httptools.HttpRequestParser(self).feed_data

    def data_received(self, data: bytes) -> None:
        self.feed(data)

    def on_message_complete(self) -> None:
        self.write(ANSWERED)


async def serve(protocol: type[Nothing]) -> None:
    """Until the parent ends."""
    loop = asyncio.get_running_loop()
    listener = listening()
    server = await loop.create_server(protocol, sock=listener, backlog=4096)
    ready(port=listener.getsockname()[1])
    async with server:
        await loop.create_future()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve a constant.")
    parser.add_argument("--httptools", action="store_true")
    options = parser.parse_args()
    end_with_parent()
    uvloop.run(serve(Parsing if options.httptools else Nothing))


if __name__ == "__main__":
    main()
