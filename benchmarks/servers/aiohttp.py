"""aiohttp's server on uvloop, with its compiled parser."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import orjson
import uvloop
from aiohttp import web

from benchmarks.core.certificate import server_context
from benchmarks.core.child import end_with_parent, listening, ready
from benchmarks.core.payload import ANSWER, JSON_PATH, pieces

BINARY = "application/octet-stream"


async def answer(request: web.Request) -> web.Response:
    """The small answer."""
    return web.Response(body=orjson.dumps(ANSWER), content_type="application/json")


async def source(request: web.Request) -> web.StreamResponse:
    """A body of the size asked for."""
    size = int(request.query["size"])
    response = web.StreamResponse(headers={"content-type": BINARY, "content-length": str(size)})
    await response.prepare(request)
    for piece in pieces(size):
        await response.write(piece)
    return response


async def echo(request: web.Request) -> web.StreamResponse:
    """Send a body back while it arrives."""
    response = web.StreamResponse(headers={"content-type": BINARY})
    if request.content_length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = request.content_length
    await response.prepare(request)
    async for chunk in request.content.iter_any():
        await response.write(chunk)
    return response


async def serve(tls: Path | None) -> None:
    """Until the parent ends."""
    application = web.Application()
    application.router.add_get(JSON_PATH, answer)
    application.router.add_get("/source", source)
    application.router.add_post("/echo", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listener = listening()
    await web.SockSite(runner, listener, ssl_context=server_context(tls), backlog=4096).start()
    ready(port=listener.getsockname()[1])
    await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve with aiohttp.")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="with the certificate there")
    options = parser.parse_args()
    end_with_parent()
    uvloop.run(serve(options.tls))


if __name__ == "__main__":
    main()
