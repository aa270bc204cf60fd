"""What is known of a handler: its path, its place in the source, whether it is a coroutine function."""

from __future__ import annotations

from functools import partial, wraps

import pytest

from toolkit.errors import UseError
from toolkit.server.handlers import default_path, described, is_coroutine_function, name_of
from toolkit.server.routing import Route


def handler(r: object) -> None:
    """Any handler."""


class Answering:
    """An object that is a handler."""

    async def __call__(self, r: object) -> None: ...

    def method(self, r: object) -> None: ...


async def coroutine(r: object) -> None: ...


def test_default_paths() -> None:
    def named(r: object) -> None: ...

    def routed(r: object, route: str = "/fp") -> None: ...

    def unrouted(r: object, route: int = 1) -> None: ...

    assert [default_path(one) for one in (named, routed, unrouted)] == ["/named", "/fp", "/unrouted"]
    for nameless in (lambda r: None, partial(named), int.__add__):
        if getattr(nameless, "__name__", "<").isidentifier():
            continue
        with pytest.raises(UseError, match="it has no name; give a path"):
            default_path(nameless)


def test_what_is_a_coroutine_function() -> None:
    assert Route("/", coroutine, (), None).coroutine is coroutine
    assert Route("/", Answering(), (), None).coroutine is not None
    assert Route("/", handler, (), None).coroutine is None
    assert is_coroutine_function(partial(coroutine))
    assert not is_coroutine_function(Answering().method)


def test_names() -> None:
    assert name_of(handler) == "handler"
    assert name_of(Answering().method) == "method"
    assert [name_of(one) for one in (lambda r: None, partial(handler), Answering())] == ["", "", ""]


def test_a_handler_is_described_by_its_name_and_where_it_stands() -> None:
    @wraps(handler)
    def around(r: object) -> None: ...

    line = handler.__code__.co_firstlineno
    for one in (handler, partial(handler), partial(partial(handler)), around):
        assert described(one) == f"handler ({__file__}:{line})"
    assert described(Answering().method).startswith(f"Answering.method ({__file__}:")
    assert described(Answering()).startswith(f"Answering ({__file__}:")
    assert described(print) == "print"
