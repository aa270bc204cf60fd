"""This package, as it comes: limits and timeouts on."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.certificate import server_context
from benchmarks.core.child import end_with_parent, free_port, listening, ready, ready_once_listening
from benchmarks.core.payload import ANSWER, JSON_PATH, pieces
from toolkit import App, run

if TYPE_CHECKING:
    import ssl

    from toolkit import Request

BINARY = "application/octet-stream"


def plain(r: Request) -> dict[str, object]:
    """A plain function."""
    return ANSWER


async def coroutine(r: Request) -> dict[str, object]:
    """The same as a coroutine."""
    return ANSWER


async def source(r: Request) -> None:
    """A body of the size asked for."""
    asked = r.params()
    size = int(asked["size"])
    length = None if asked.get("framing") == "chunked" else size
    await r.prepare({"content-type": BINARY, "content-length": length})
    for piece in pieces(size):
        await r.write(piece)


async def sink(r: Request) -> dict[str, object]:
    """Read a body and forget it."""
    size = 0
    async for chunk in r:
        size += len(chunk)
    return {"bytes": size}


async def digest(r: Request) -> dict[str, object]:
    """Read a body and say what it was."""
    found = hashlib.sha256()
    async for chunk in r:
        found.update(chunk)
    return {"bytes": r.received_len, "sha256": found.hexdigest()}


async def echo(r: Request) -> None:
    """Send a body back while it arrives."""
    await r.prepare({"content-type": BINARY, "content-length": r.content_length})
    async for chunk in r:
        await r.write(chunk)


def add_files(web: App, folder: Path) -> None:
    """The files of a folder, in the three ways that an application has."""
    web.static("/static", folder)

    @web.get("/sendfile/{name}")
    async def sendfile(r: Request, name: str) -> None:
        path = folder / Path(name).name
        await r.prepare({"content-type": BINARY, "content-length": path.stat().st_size})
        await r.send_file(path)

    @web.get("/bytes/{name}")
    def whole(r: Request, name: str) -> bytes:
        return (folder / Path(name).name).read_bytes()


def add_routes(web: App, number: int) -> None:
    """So many routes with a fixed path, and so many with a parameter."""
    for index in range(number):
        web.add_route(f"/fixed/{index}", plain, ("GET",))

        def named(r: Request, name: str) -> dict[str, object]:
            return ANSWER

        web.add_route(f"/named{index}/{{name}}", named, ("GET",))


def application(options: argparse.Namespace, port: int = 0) -> App:
    """The routes of this benchmark."""
    web = App(port=port, tls=server_context(options.tls))
    web.get(JSON_PATH)(plain)
    web.get("/async" + JSON_PATH)(coroutine)
    web.get("/source")(source)
    web.post("/sink")(sink)
    web.post("/digest")(digest)
    web.post("/echo")(echo)
    if options.files is not None:
        add_files(web, options.files)
    add_routes(web, options.routes)
    return web


async def serve(web: App) -> None:
    """Until the parent ends."""
    async with web:
        ready(port=int(web.server_address.rpartition(":")[2]))
        await asyncio.get_running_loop().create_future()


async def serve_on_aiofastnet(web: App, context: ssl.SSLContext | None) -> None:
    """The same connections on the transports of aiofastnet, in place of the loop's own."""
    import aiofastnet

    listener = listening()
    loop = asyncio.get_running_loop()
    server = await aiofastnet.create_server(loop, web.new_connection, sock=listener, ssl=context, backlog=4096)
    ready(port=listener.getsockname()[1])
    async with server:
        await loop.create_future()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve with this package.")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="with the certificate there")
    parser.add_argument("--files", type=Path, metavar="FOLDER")
    parser.add_argument("--routes", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--aiofastnet", action="store_true")
    parser.add_argument("--ktls", action="store_true")
    options = parser.parse_args()
    end_with_parent()
    if options.workers:
        port = free_port()
        ready_once_listening(port)
        application(options, port).run(workers=options.workers)
    elif options.aiofastnet:
        run(serve_on_aiofastnet(application(options), server_context(options.tls, options.ktls)))
    else:
        run(serve(application(options)))


if __name__ == "__main__":
    main()
