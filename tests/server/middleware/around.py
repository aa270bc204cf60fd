"""A middleware around a handler, and what a raw client is answered."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from tests.helpers.answers import read_answer
from tests.helpers.served import served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.helpers.answers import Answer
    from toolkit import App, Request

    Handler = Callable[[Request], Awaitable[object]]
    Middleware = Callable[[Handler, Request], Awaitable[object]]


def around(handler: Callable[[Request], object], *middlewares: Middleware) -> Handler:
    """A handler with middlewares around it, the first one outermost."""

    async def inner(r: Request) -> object:
        value = handler(r)
        return await value if inspect.isawaitable(value) else value

    whole: Handler = inner
    for middleware in reversed(middlewares):
        whole = _one(middleware, whole)
    return whole


def _one(middleware: Middleware, handler: Handler) -> Handler:
    async def handle(r: Request) -> object:
        return await middleware(handler, r)

    return handle


async def ask(web: App, *fields: str, method: str = "GET", path: str = "/", kind: str = "memory") -> Answer:
    """One request over a link, with these header lines."""
    async with served(web, kind) as here:
        raw = await here.raw()
        lines = [f"{method} {path} HTTP/1.1", "host: x", *fields, "", ""]
        await raw.send("\r\n".join(lines).encode("latin-1"))
        return await read_answer(raw, method=method)
