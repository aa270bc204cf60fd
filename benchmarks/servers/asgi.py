"""uvicorn with httptools: a bare ASGI application, or a framework on it."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

import orjson
import uvicorn
import uvloop

from benchmarks.core.child import end_with_parent, listening, ready
from benchmarks.core.payload import ANSWER, JSON_PATH, pieces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Message = Mapping[str, object]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[..., object]

JSON = (b"content-type", b"application/json")
BINARY = (b"content-type", b"application/octet-stream")


async def bare(scope: Message, receive: Receive, send: Send) -> None:
    """An application with nothing between it and the server."""
    path = scope["path"]
    if path == JSON_PATH:
        body = orjson.dumps(ANSWER)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [JSON, length]})
        await send({"type": "http.response.body", "body": body})
    elif path == "/source":
        await source(scope, send)
    elif path == "/echo":
        await echo(scope, receive, send)
    else:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def source(scope: Message, send: Send) -> None:
    """A body of the size asked for."""
    query = scope["query_string"]
    assert isinstance(query, bytes)
    size = int(parse_qs(query)[b"size"][0])
    await send({"type": "http.response.start", "status": 200, "headers": [BINARY, (b"content-length", b"%d" % size)]})
    for piece in pieces(size):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Send a body back while it arrives."""
    fields = scope["headers"]
    assert isinstance(fields, (list, tuple))
    length = [(name, value) for name, value in fields if name == b"content-length"]
    await send({"type": "http.response.start", "status": 200, "headers": [BINARY, *length]})
    more: object = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if body := message.get("body"):
            await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def starlette() -> Application:
    """Starlette."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def answer(request: object) -> Response:
        return Response(orjson.dumps(ANSWER), media_type="application/json")

    found: Application = Starlette(routes=[Route(JSON_PATH, answer)])
    return found


def falcon() -> Application:
    """Falcon's ASGI face."""
    import falcon.asgi

    class Answer:
        async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
            response.content_type = "application/json"
            response.data = orjson.dumps(ANSWER)

    application = falcon.asgi.App()
    application.add_route(JSON_PATH, Answer())
    found: Application = application
    return found


def blacksheep() -> Application:
    """BlackSheep."""
    from blacksheep import Application as BlackSheep
    from blacksheep import Content, Response

    async def answer(request: object) -> object:  # it resolves these names, and finds no others
        return Response(200, content=Content(b"application/json", orjson.dumps(ANSWER)))

    application = BlackSheep()
    application.router.add_get(JSON_PATH, answer)
    found: Application = application
    return found


APPLICATIONS = {"bare": lambda: bare, "starlette": starlette, "falcon": falcon, "blacksheep": blacksheep}


async def serve(application: Application, tls: Path | None) -> None:
    """Until the parent ends."""
    # BlackSheep only works once it was told to start; the others have nothing to start.
    lifespan: Literal["on", "off"] = "on" if type(application).__module__.startswith("blacksheep") else "off"
    options = uvicorn.Config(
        application,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan=lifespan,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,  # as long as this package keeps a connection
        ssl_certfile=None if tls is None else tls / "server.pem",
        ssl_keyfile=None if tls is None else tls / "server.key",
    )
    listener = listening()
    serving = uvicorn.Server(options).serve(sockets=[listener])
    asyncio.get_running_loop().call_soon(lambda: ready(port=listener.getsockname()[1]))
    await serving


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve an application with uvicorn.")
    parser.add_argument("application", choices=APPLICATIONS)
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="with the certificate there")
    options = parser.parse_args()
    end_with_parent()
    uvloop.run(serve(APPLICATIONS[options.application](), options.tls))


if __name__ == "__main__":
    main()
