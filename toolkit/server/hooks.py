"""A handler with hooks around it.

In a module of its own, which is not compiled: the hooks behind a handler are waited for while its exception is on its
way, and the compiler would let that exception show in other tasks meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from toolkit.protocol.states import IDLE
from toolkit.server.abort import NotFound
from toolkit.server.answers import Answer

if TYPE_CHECKING:
    from toolkit.server.app import Hooks
    from toolkit.server.request import Request
    from toolkit.server.routing import Coroutine, Handler, Route

__all__ = ["hooked"]


def hooked(route: Route | None, parameters: dict[str, str], hooks: Hooks) -> Coroutine:
    """A handler with hooks around it; without a route, the hooks that stand in for 404."""

    async def handle(request: Request) -> object:
        try:
            for hook in hooks.before:
                value = await _call(hook, request)
                if value is not None or request._out is not IDLE:
                    return value
            if route is not None:
                return await _call(route.handler, request, **parameters)
            for hook in hooks.handle_all:
                value = await _call(hook, request)
                if value is not None or request._out is not IDLE:
                    return value
            raise NotFound
        finally:
            for hook in hooks.after:
                await _call(hook, request)

    return handle


async def _call(function: Handler, request: Request, /, **parameters: str) -> object:
    value = function(request, **parameters)
    if isinstance(value, Awaitable) and not isinstance(value, Answer):
        return await value
    return value
