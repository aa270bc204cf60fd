"""A bare splice(2) loop on blocking sockets: no HTTP but a length, and one connection at a time."""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import socket
from urllib.parse import urlsplit

from benchmarks.core.child import end_with_parent, ready

PIPE = 1 << 20  # bytes, the most that an ordinary user may ask for
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


def read_head(link: socket.socket) -> tuple[bytes, bytes]:
    """A head with its end, and what came behind it; empty at the connection's end."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = link.recv(65536)
        if not data:
            return b"", b""
        received += data
    head, end, rest = received.partition(b"\r\n\r\n")
    return head + end, rest


def move(source: socket.socket, sink: socket.socket, pipe: tuple[int, int], count: int) -> None:
    """So many bytes, by way of a pipe."""
    reader, writer = pipe
    while count:
        held = os.splice(source.fileno(), writer, min(count, PIPE), flags=os.SPLICE_F_MOVE)
        if not held:
            raise ConnectionError("the source ended early")
        count -= held
        while held:
            more = os.SPLICE_F_MORE if count else 0
            held -= os.splice(reader, sink.fileno(), held, flags=os.SPLICE_F_MOVE | more)


def relay(client: socket.socket, upstream: tuple[str, int]) -> None:
    """The requests of one connection, one after another."""
    pipe = os.pipe()
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, PIPE)
    try:
        with client, socket.create_connection(upstream) as source:
            while (request := read_head(client)[0]) != b"":
                source.sendall(request)
                head, rest = read_head(source)
                length = LENGTH.search(head)
                client.sendall(head + rest)
                move(source, client, pipe, (0 if length is None else int(length[1])) - len(rest))
    finally:
        os.close(pipe[0])
        os.close(pipe[1])


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Proxy by splice(2).")
    parser.add_argument("upstream", metavar="URL")
    where = urlsplit(parser.parse_args().upstream)
    end_with_parent()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready(port=listener.getsockname()[1])
        while True:
            relay(listener.accept()[0], (where.hostname or "", where.port or 80))


if __name__ == "__main__":
    main()
