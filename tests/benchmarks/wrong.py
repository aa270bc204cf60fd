"""A server that answers wrongly, in one of several ways: `python -m tests.benchmarks.wrong WAY`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from benchmarks.core.child import end_with_parent, listening, ready

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


def whole(status: bytes, body: bytes) -> bytes:
    """An answer with its length."""
    return HEAD % (status, len(body)) + body


WAYS: dict[str, Callable[[], bytes]] = {
    "another value": lambda: whole(b"200 OK", b'{"message":"goodbye"}'),
    "no JSON": lambda: whole(b"200 OK", b"hello"),
    "a failure": lambda: whole(b"500 Internal Server Error", b"{}"),
    "too short": lambda: HEAD % (b"200 OK", 1000) + b"short",
    "other bytes": lambda: whole(b"200 OK", bytes(4096)),
    "other chunks": lambda: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n" + bytes(64) + b"\r\n" * 2000,
}


async def serve(answer: bytes) -> None:
    """Answer the first bytes of each connection, and end it."""

    async def wrongly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        writer.close()

    listener = listening()
    server = await asyncio.start_server(wrongly, sock=listener)
    ready(port=listener.getsockname()[1])
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] not in WAYS:
        sys.exit(f"no such way: {sys.argv[1]}")
    end_with_parent()
    asyncio.run(serve(WAYS[sys.argv[1]]()))
