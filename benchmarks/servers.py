"""One JSON route, served by one of several servers: `python benchmarks/servers.py toolkit|uvicorn|aiohttp`.

Each runs as its authors would have it run for speed: uvloop, one process, no access log, and the same serializer
(orjson), called anew for every request. A free port is chosen and printed; the end of standard input ends the server,
so that none outlives the benchmark that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from typing import TYPE_CHECKING

import orjson
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from toolkit import Request

PATH = "/json"
ANSWER: dict[str, object] = {
    "message": "hello, world",
    "numbers": [1, 2, 3, 5, 8, 13],
    "nested": {"yes": True, "no": None},
}


def listening() -> socket.socket:
    """A listening socket on a free port of the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    return listener


def ready(port: int) -> None:
    """Tell the benchmark where to send its requests."""
    print(port, flush=True)


async def told_to_end() -> None:
    """Wait for the end of standard input."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())


async def serve_toolkit() -> None:
    """This package."""
    from toolkit import App

    web = App(port=0)

    @web.get(PATH)
    async def answer(r: Request) -> dict[str, object]:
        return ANSWER

    async with web:
        ready(int(web.server_address.rpartition(":")[2]))
        await told_to_end()


async def serve_uvicorn() -> None:
    """A bare ASGI application under uvicorn, with httptools: no framework between."""
    import uvicorn

    headers = [(b"content-type", b"application/json")]

    async def answer(
        scope: Mapping[str, object],
        receive: Callable[[], Awaitable[object]],
        send: Callable[[Mapping[str, object]], Awaitable[None]],
    ) -> None:
        body = orjson.dumps(ANSWER)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    options = uvicorn.Config(
        answer, http="httptools", loop="uvloop", ws="none", lifespan="off", access_log=False, log_level="warning"
    )
    server = uvicorn.Server(options)
    listener = listening()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ready(listener.getsockname()[1])
    await told_to_end()
    server.should_exit = True
    await serving


async def serve_aiohttp() -> None:
    """aiohttp's server, with its compiled parser where it is built."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(ANSWER), content_type="application/json")

    application = web.Application()
    application.router.add_get(PATH, answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listener = listening()
    await web.SockSite(runner, listener).start()
    ready(listener.getsockname()[1])
    await told_to_end()
    await runner.cleanup()


SERVERS = {"toolkit": serve_toolkit, "uvicorn": serve_uvicorn, "aiohttp": serve_aiohttp}


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve one JSON route for the benchmark.")
    parser.add_argument("server", choices=SERVERS)
    uvloop.run(SERVERS[parser.parse_args().server]())


if __name__ == "__main__":
    main()
