"""What stands around a handler: hooks and middlewares, composed once into one coroutine function.

A layer is a middleware or the hooks of one level. The innermost callable waits for the handler; each layer, from the
inside out, becomes a coroutine function of the request that calls the one inside it.

In a module of its own, which is not compiled: the hooks behind a handler are waited for while its exception is on its
way, and the compiler would let that exception show in other tasks meanwhile.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from toolkit.errors import UseError
from toolkit.protocol.states import IDLE
from toolkit.server.abort import named_abort
from toolkit.server.answers import Answer
from toolkit.server.handlers import Coroutine, Handler, described, is_coroutine_function
from toolkit.server.request import AnswerComplete

if TYPE_CHECKING:
    from toolkit.server.request import Request

__all__ = [
    "Hooks",
    "Layer",
    "Middleware",
    "call",
    "check_middlewares",
    "compose",
    "endpoint",
    "fallback",
    "is_decorator",
]

Middleware: TypeAlias = Callable[..., object]


class Hooks:
    """Functions around every handler of one level, in the order of their registration.

    `before` run ahead of the handler, also when no route matched; `after` run in the end, whatever happened;
    `handle_all` stand in for 404. The first that answers ends its list.
    """

    __slots__ = ("after", "before", "handle_all")

    def __init__(self) -> None:
        self.before: list[Handler] = []
        self.after: list[Handler] = []
        self.handle_all: list[Handler] = []


Layer: TypeAlias = Middleware | Hooks


def check_middlewares(middlewares: Sequence[Middleware]) -> list[Middleware]:
    """A list of them. Raises `UseError` for what would fail at each request: no list, no callable, a class of them."""
    if not isinstance(middlewares, Iterable):
        raise UseError(f"middlewares={middlewares!r}: expected a list, [{middlewares!r}]")
    for one in middlewares:
        if inspect.isclass(one) and inspect.iscoroutinefunction(getattr(one, "__call__", None)):  # noqa: B004 - its method
            raise UseError(f"the middleware {one.__name__} is a class; expected an object of it, {one.__name__}(...)")
        if not callable(one):
            raise UseError(f"the middleware {one!r}: expected a function of a handler and a request")
    return list(middlewares)


def compose(layers: Sequence[Layer], inner: Coroutine) -> Coroutine:
    """`inner` with these layers around it, the first one outermost."""
    for layer in reversed(layers):
        inner = _hooked(layer, inner) if isinstance(layer, Hooks) else _wrapped(layer, inner)
    return inner


def endpoint(handler: Handler) -> Coroutine:
    """A handler of any kind as a coroutine function of the request alone; its parameters are the request's."""

    async def call_handler(request: Request) -> object:
        return await call(handler, request, **request.path_params)

    return call_handler


def fallback(hooks: Sequence[Handler], status: int, message: str, headers: dict[str, str] | None = None) -> Coroutine:
    """What stands where no route does: the first hook that answers, or this error."""

    async def call_hooks(request: Request) -> object:
        for hook in hooks:
            value = await call(hook, request)
            if value is not None or request._out is not IDLE:
                return value
        raise named_abort(status, message, headers)

    return call_hooks


async def call(function: Handler, request: Request, /, **parameters: object) -> object:
    """Call a handler of any kind, and wait for it."""
    try:
        value = function(request, **parameters)
        if isinstance(value, Awaitable) and not isinstance(value, Answer):
            return await value
    except AnswerComplete:  # HEAD's answer has no body to be written: it is over, and no error to those around it
        return None
    return value


def _hooked(hooks: Hooks, inner: Coroutine) -> Coroutine:
    async def call_hooked(request: Request) -> object:
        try:
            for hook in hooks.before:
                value = await call(hook, request)
                if value is not None or request._out is not IDLE:
                    return value
            return await inner(request)
        finally:
            await _call_each(hooks.after, request)

    return call_hooked


async def _call_each(hooks: Sequence[Handler], request: Request) -> None:
    """All of them, whichever of them fail: each may have something of its own to end."""
    if hooks:
        try:
            await call(hooks[0], request)
        finally:
            await _call_each(hooks[1:], request)


def _wrapped(middleware: Middleware, inner: Coroutine) -> Coroutine:
    if is_decorator(middleware):
        return _decorated(middleware, inner)
    if is_coroutine_function(middleware):

        async def call_middleware(request: Request) -> object:
            return await middleware(inner, request)  # type: ignore[misc]  # its result is an awaitable

    else:

        async def call_middleware(request: Request) -> object:
            value = middleware(inner, request)
            if isinstance(value, Awaitable) and not isinstance(value, Answer):
                return await value
            return value

    return call_middleware


def is_decorator(middleware: Middleware) -> bool:
    """Whether it takes the handler alone, and gives what is to be called in its place."""
    try:
        parameters = inspect.signature(middleware).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    required = [one for one in positional if one.default is one.empty]
    return len(required) == 1 and not any(one.kind is one.VAR_POSITIONAL for one in parameters)


def _decorated(decorator: Middleware, inner: Coroutine) -> Coroutine:
    """A decorator's wrapper is called like the handler, with its parameters, and may change them."""

    def handler(request: Request, /, **parameters: object) -> Awaitable[object]:
        if parameters != request.path_params:
            request.path_params = parameters
        return inner(request)

    wrapper = decorator(handler)
    if not callable(wrapper):
        raise UseError(f"the middleware {described(decorator)} takes a handler alone, and returned no callable")

    async def call_wrapper(request: Request) -> object:
        return await call(wrapper, request, **request.path_params)

    return call_wrapper
