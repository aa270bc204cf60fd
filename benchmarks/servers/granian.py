"""granian: one worker on uvloop, by its own interface or by ASGI."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import orjson
from granian import Granian
from granian.constants import Interfaces, Loops

from benchmarks.core.child import end_with_parent, free_port, ready_once_listening
from benchmarks.core.payload import ANSWER, JSON_PATH
from benchmarks.servers.asgi import bare

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope

JSON = [("content-type", "application/json")]
BINARY = [("content-type", "application/octet-stream")]

asgi = bare


async def rsgi(scope: Scope, protocol: HTTPProtocol) -> None:
    """The same routes by granian's interface."""
    path = scope.path
    if path == JSON_PATH:
        protocol.response_bytes(200, JSON, orjson.dumps(ANSWER))
    elif path == "/echo":
        length = scope.headers.get("content-length")
        fields = BINARY if length is None else [*BINARY, ("content-length", length)]
        transport = protocol.response_stream(200, fields)
        async for chunk in protocol:
            await transport.send_bytes(chunk)
    else:
        protocol.response_empty(404, [])


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve with granian.")
    parser.add_argument("interface", choices=["rsgi", "asgi"])
    options = parser.parse_args()
    end_with_parent()
    port = free_port()
    ready_once_listening(port)
    Granian(
        f"benchmarks.servers.granian:{options.interface}",
        address="127.0.0.1",
        port=port,
        interface=Interfaces(options.interface if options.interface == "rsgi" else "asginl"),
        workers=1,
        loop=Loops.uvloop,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    main()
