"""Functions by their names: which of them another process finds, and what is said of the others."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import pytest

from toolkit import App, UseError
from toolkit.server.processes.references import Reference, check_function, find, reference_of

from . import samples

if TYPE_CHECKING:
    from toolkit.server.handlers import Handler

HERE = "tests.server.processes.samples"


@functools.wraps(samples.add)
def hidden(*args: int) -> int:
    """It says that it is another."""
    return samples.add(*args)


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        (samples.add, Reference(HERE, "add")),
        (samples.Named.double, Reference(HERE, "Named.double")),
        (samples.Named, Reference(HERE, "Named")),
        (math.factorial, Reference("math", "factorial")),
        (len, Reference("builtins", "len")),
    ],
)
def test_what_a_module_has_by_its_name_is_found(function: Handler, reference: Reference) -> None:
    assert reference_of(function, "x") == reference
    assert find(reference) is function
    assert str(reference) == f"{reference.module}.{reference.name}"


async def coroutine_function() -> None: ...


REFUSED: list[tuple[object, str]] = [
    (samples.a_lambda(), "a lambda has no name that another process could find it by; expected `def`"),
    (samples.Named().method, "it is a method of a Named, and that object is in this process"),
    (App(port=0).exit, "it is a method of a App, and that object is in this process"),
    ([].append, "it is a method of a list"),
    (functools.partial(samples.add, 1), "it is a partial, and what it holds stays in this process"),
    (coroutine_function, "it is a coroutine function, which belongs to the loop; expected a plain function"),
    (functools.cached_property(samples.add), "it has no name of its own"),
]


@pytest.mark.parametrize(("function", "why"), REFUSED)
def test_what_would_not_be_found_is_refused_with_the_reason(function: Handler, why: str) -> None:
    with pytest.raises(UseError, match=r"^process=True for ") as raised:
        check_function(function, "process=True for")
    assert why in str(raised.value)


def test_a_function_inside_of_another_one() -> None:
    def inner() -> None: ...

    with pytest.raises(UseError, match=r"inner \(.*test_references.py:\d+\): it is made inside of another function"):
        check_function(inner, "process=True for")


def test_what_goes_by_the_name_of_another() -> None:
    with pytest.raises(UseError, match=r"what is found as tests\..*\.add is something else, <function add"):
        reference_of(hidden, "process=True for")


def test_a_name_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    function = samples.add
    monkeypatch.delattr(samples, "add")
    with pytest.raises(UseError, match=r"it cannot be found as tests\..*\.add: module .* has no attribute 'add'"):
        reference_of(function, "process=True for")


def test_a_function_with_a_cache_is_checked_for_itself() -> None:
    web = App()

    @web.cache(60)
    async def coroutine(r: object) -> str:
        return ""

    with pytest.raises(UseError, match="it is a coroutine function, which belongs to the loop"):
        check_function(coroutine, "process=True for")
    assert reference_of(samples.kept, "here").name == "kept"
