"""What can be told of a handler from itself: its path, its place in the source, whether it is a coroutine function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Coroutine",
    "Handler",
    "default_path",
    "described",
    "in_thread",
    "is_coroutine_function",
    "misfit",
    "name_of",
]

Handler: TypeAlias = Callable[..., object]
Coroutine: TypeAlias = Callable[..., Awaitable[object]]


def is_coroutine_function(handler: Handler) -> bool:
    """Whether calling it gives a coroutine: `async def`, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - not a test for callability: an object's coroutine method
    )


def in_thread(handler: Handler) -> Coroutine:
    """A plain function, called in a thread of the loop's: what it waits for holds up nobody else.

    It has the request to read from and a value to return; everything that is awaited belongs to the loop. What stands
    around such a function and belongs to the loop itself has an `in_thread` of its own. Raises `UseError` for a
    coroutine function.
    """
    own: Callable[[], Coroutine] | None = getattr(handler, "in_thread", None)
    if own is not None:
        return own()
    if is_coroutine_function(handler):
        raise UseError(f"thread=True for {described(handler)}: it is a coroutine function, which never holds up others")

    async def call_in_thread(r: object, /, **parameters: object) -> object:
        return await asyncio.to_thread(handler, r, **parameters)

    return call_in_thread


def name_of(handler: Handler) -> str:
    """The name that a function was given; "" for a lambda, a partial, an object."""
    name = getattr(handler, "__name__", "")
    return name if isinstance(name, str) and name.isidentifier() else ""


def default_path(handler: Handler) -> str:
    """The path of a function registered without one: the default of its `route` parameter, or its name."""
    try:
        route = inspect.signature(handler).parameters.get("route")
    except (TypeError, ValueError):
        route = None
    if route is not None and isinstance(route.default, str):
        return route.default
    name = name_of(handler)
    if not name:
        raise UseError(f"add_route({handler!r}): it has no name; give a path")
    return "/" + name


def misfit(handler: Handler, names: Sequence[str]) -> str:
    """Why it cannot be called with a request and these parameters; "" where it can, or where nobody can tell."""
    try:
        signature = inspect.signature(handler)
        if signature.parameters:  # none: it is compiled, and does not say
            signature.bind(None, **dict.fromkeys(names))
    except ValueError:
        return ""
    except TypeError as error:
        return str(error)
    return ""


def described(handler: Handler) -> str:
    """A handler as an error names it: what it is called and where it stands."""
    inner: object = handler
    while isinstance(inner, partial):
        inner = inner.func
    inner = inspect.unwrap(inner) if callable(inner) else inner
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    call = getattr(type(inner), "__call__", None)  # noqa: B004 - likewise
    code = getattr(inner, "__code__", None) or getattr(call, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
