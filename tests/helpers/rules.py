"""One application with one handler, and all that goes over the wire for one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit import App

from .served import served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit import Request, Response

__all__ = ["END", "GET", "POST", "app_of", "raised", "sent_for", "whole"]

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def app_of(handler: Callable[[Request], object]) -> App:
    """An application with this one handler at `/` and a plain one at `/again`."""
    web = App(port=0)
    web.route("/", methods=("GET", "POST", "HEAD", "PUT"))(handler)

    @web.get("/again")
    async def again(r: Request) -> str:
        return "again"

    return web


async def raised(call: Awaitable[object]) -> BaseException | None:
    """The exception of a call, None when there was none."""
    try:
        await call
    except Exception as error:
        return error
    return None


async def sent_for(handler: Callable[[Request], object], request: bytes = GET) -> bytes:
    """All that goes over the wire for one request, after which the peer ends its side."""
    async with served(app_of(handler)) as here:
        raw = await here.raw()
        await raw.send(request)
        await raw.eof()
        try:
            return await raw.rest()
        except ConnectionError:
            return b"reset after " + bytes(raw.buffer)


async def whole(x: Response) -> Response:
    """Await an answer (a coroutine, as tasks want one)."""
    return await x
