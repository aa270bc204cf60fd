"""A small load generator, for where `wrk` is not installed: `python benchmarks/load.py PORT PATH SECONDS CONNECTIONS`.

Every connection has one request under way and sends the next when the answer is whole. Each answer is compared with
the first one, whose body comes on standard output with the counts. Being Python, it may be slower than the server it
measures: what it says about CPU per request holds all the same, what it says about requests per second may not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from typing import cast

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Load:
    """What the connections share: the request, the answer that is right, the counts."""

    def __init__(self, port: int, path: str) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self.body: bytes | None = None
        self.requests = 0
        self.errors = 0
        self.ended = False


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.received = b""
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        length = LENGTH.search(head + b"\r\n")
        if length is None:
            self.failed()
        elif len(rest) >= (size := int(length[1])):
            if self.load.body is None:
                self.load.body = rest
            if not head.startswith(b"HTTP/1.1 200 ") or len(rest) > size or rest != self.load.body:
                self.failed()
            else:
                self.received = b""
                self.load.requests += 1
                if not self.load.ended:
                    self.transport.write(self.load.request)

    def failed(self) -> None:
        """Count an answer that is not the right one, and leave."""
        self.load.errors += 1
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or not self.load.ended:
            self.load.errors += 1
        self.lost.set_result(None)


async def generate(port: int, path: str, seconds: float, connections: int) -> dict[str, object]:
    """Keep `connections` busy for `seconds` and return what was counted."""
    load = Load(port, path)
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    made = [await loop.create_connection(lambda: Connection(load), "127.0.0.1", port) for _ in range(connections)]
    ended = asyncio.Event()
    loop.call_later(seconds, ended.set)
    await ended.wait()
    load.ended = True
    took = time.perf_counter() - begun
    for transport, _ in made:
        transport.close()
    await asyncio.gather(*(connection.lost for _, connection in made))
    return {
        "requests": load.requests,
        "seconds": took,
        "errors": load.errors,
        "body": (load.body or b"").decode("utf-8", "replace"),
    }


def main() -> None:
    """Generate load and print one line of JSON."""
    parser = argparse.ArgumentParser(description="Load one route for the benchmark.")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("seconds", type=float)
    parser.add_argument("connections", type=int)
    options = parser.parse_args()
    print(json.dumps(uvloop.run(generate(options.port, options.path, options.seconds, options.connections))))


if __name__ == "__main__":
    main()
