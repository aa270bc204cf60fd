"""Functions by their names: how a handler is told to another process, and found again there.

Only what a module has by that name can be found. A function inside of another one, a lambda or an object's method holds
more than its name says, and another process has nothing of that.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import UseError, caused
from toolkit.server.handlers import described, is_coroutine_function

if TYPE_CHECKING:
    from toolkit.server.handlers import Handler

__all__ = ["Reference", "check_function", "find", "reference_of"]


class Reference(NamedTuple):
    """Where a function is: a module, and the way to it from there, `f` or `Class.f`."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def check_function(function: Handler, call: str) -> Reference:
    """What can be told of a function by itself, before its module is complete. Raises `UseError`."""
    function = getattr(function, "uncached", function)  # a cache before it stays where the loop is
    what = f"{call} {described(function)}" if callable(function) else f"{call} {function!r}"
    if is_coroutine_function(function):
        raise UseError(f"{what}: it is a coroutine function, which belongs to the loop; expected a plain function")
    if isinstance(function, partial):
        raise UseError(f"{what}: it is a partial, and what it holds stays in this process; expected a function")
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, type(sys)):  # a function written in C has its module there
        raise UseError(
            f"{what}: it is a method of a {type(owner).__name__}, and that object is in this process; expected a "
            "function of a module, or a static method"
        )
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise UseError(f"{what}: it has no name of its own; expected a function of a module")
    if "<lambda>" in name:
        raise UseError(f"{what}: a lambda has no name that another process could find it by; expected `def`")
    if "<locals>" in name:
        raise UseError(
            f"{what}: it is made inside of another function, and what it holds from there stays in this process; "
            "expected a function of a module"
        )
    return Reference(module, name)


def reference_of(function: Handler, call: str) -> Reference:
    """The name of a function, by which another process will find the same one. Raises `UseError` where it would not."""
    reference = check_function(function, call)
    try:
        found = find(reference)
    except (ImportError, AttributeError) as error:
        raise caused(UseError(f"{call} {described(function)}: it cannot be found as {reference}: {error}"), error)
    if found is not function:
        raise UseError(
            f"{call} {described(function)}: what is found as {reference} is something else, {found!r}; another "
            "process would call that. A decorator belongs below the one of the route, with functools.wraps"
        )
    return reference


def find(reference: Reference) -> object:
    """What has this name here; the module is imported. Raises ImportError and AttributeError."""
    found: object = sys.modules.get(reference.module) or import_module(reference.module)
    for name in reference.name.split("."):
        found = getattr(found, name)
    return found
