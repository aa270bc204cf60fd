"""What is known of a handler: its path, its place in the source, whether it is a coroutine function."""

from __future__ import annotations

from functools import partial, wraps

import pytest

from toolkit.errors import UseError
from toolkit.server.handlers import Handler, default_path, described, is_coroutine_function, misfit, name_of
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


@pytest.mark.parametrize(
    ("function", "names", "why"),
    [
        (lambda r: 1, [], ""),
        (lambda r, a: 1, ["a"], ""),
        (lambda r, a, b=2: 1, ["a"], ""),
        (lambda r, **given: 1, ["a", "b"], ""),
        (lambda *given, **named: 1, ["a"], ""),
        (partial(lambda x, r, a: 1, 5), ["a"], ""),
        (Answering(), [], ""),
        (Answering().method, [], ""),
        (lambda r: 1, ["a"], "unexpected keyword argument 'a'"),
        (lambda r, b: 1, ["a"], "missing a required argument: 'b'"),
        (lambda r, other: 1, [], "missing a required argument: 'other'"),
        (Answering().method, ["a"], "unexpected keyword argument 'a'"),
        (lambda r, /, *, a: 1, ["r", "a"], "unexpected keyword argument 'r'"),
        (lambda r: 1, ["r"], "multiple values for argument 'r'"),
        # Nobody can tell.
        (lambda: 1, ["a"], ""),
        (dict, ["a"], ""),
    ],
)
def test_what_a_handler_can_be_called_with(function: Handler, names: list[str], why: str) -> None:
    assert why in misfit(function, names)
    assert bool(misfit(function, names)) == bool(why)


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
