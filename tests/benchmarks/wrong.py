"""A server that answers wrongly, in one of several ways: `python -m tests.benchmarks.wrong WAY`."""

from __future__ import annotations

import asyncio
import re
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
    "other chunks": lambda: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n" + bytes(64) + b"\r\n",
}


async def serve(way: str) -> None:
    """Answer every request in the same way; only what is too short has to end with its connection."""

    async def wrongly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length is not None else 0)
                writer.write(WAYS[way]())
                if way == "too short":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has left
        finally:
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
    asyncio.run(serve(sys.argv[1]))
