"""What compiled modules may not say: Python that their compiler takes for something else, without a word.

It refuses most of what it does not understand, and mypy tells what it would leave out (`warn_unreachable`). The rest is
here. Each was seen to go wrong:

    await in `finally`          the exception that is being handled stays the thread's current one, for ever
    await in `except`           the same, while it waits: an exchange that another task ends meanwhile is aborted
    raise ... from              `from` is dropped: neither `__cause__` nor an end of the context
    f(name, /, **others)        another `name` among the others is taken for the first one, and refused as given twice
    a base class written in C   its memory and the compiled class's overlap
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from .compilation import compiled_modules
from .package import modules, tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: "module:function": why it may wait while an exception is handled. In `except` only, and only what never suspends.
WAITS: dict[str, str] = {
    "toolkit.client.response:_enter_within_total": "`Total.__aexit__` suspends nowhere, as asyncio.timeout does not",
    "toolkit.client.response:_leave_within": "likewise",
    "toolkit.protocol.relay:relay_exchange": "`Pull.aclose` suspends nowhere",
}

#: What may be entered by `async with`: leaving it on an exception suspends nowhere.
ENTERED = {"asyncio.timeout", "Total"}

#: Bases from outside the compiled modules: without memory of their own, or known to the compiler.
BASES = {
    "Exception",
    "Generic",
    "IntEnum",
    "NamedTuple",
    "Protocol",
    "TypedDict",
    "asyncio.BufferedProtocol",
    "asyncio.Protocol",
}

#: Classes that are compiled to ordinary ones, and so may have other bases: the decorator that says so.
ORDINARY = "mypyc_attr(native_class=False)"


def walk(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    return (inner for node in nodes for inner in ast.walk(node))


def waits(nodes: Iterable[ast.AST]) -> bool:
    return any(
        isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)) for node in walk(nodes)
    )


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def waiting_in(module: str, clause: str) -> set[str]:
    """The functions that wait in such a clause."""
    found = set()
    for function in functions(module):
        for node in walk(function.body):
            if isinstance(node, ast.Try):
                handlers = [statement for handler in node.handlers for statement in handler.body]
                if waits(node.finalbody if clause == "finally" else handlers):
                    found.add(f"{module}:{function.name}")
    return found


@pytest.mark.parametrize("module", compiled_modules())
def test_nothing_waits_while_an_exception_is_handled(module: str) -> None:
    assert waiting_in(module, "finally") == set()
    assert waiting_in(module, "except") <= WAITS.keys()


def test_every_exception_is_used() -> None:
    assert set().union(*(waiting_in(module, "except") for module in compiled_modules())) == WAITS.keys()


@pytest.mark.parametrize("module", compiled_modules())
def test_what_is_entered_is_left_without_waiting(module: str) -> None:
    entered = {
        ast.unparse(item.context_expr.func if isinstance(item.context_expr, ast.Call) else item.context_expr)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.AsyncWith)
        for item in node.items
    }
    assert entered <= ENTERED


@pytest.mark.parametrize("module", compiled_modules())
def test_what_is_raised_while_an_exception_is_handled_says_because_of_what(module: str) -> None:
    """`raise`, `raise error` (the one that is handled), or `raise caused(..., ...)`."""
    raised = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Raise)]
    assert [f"{module}:{node.lineno}" for node in raised if node.cause is not None] == []
    handlers = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ExceptHandler)]
    unsaid = [
        f"{module}:{node.lineno}"
        for handler in handlers
        for node in walk(handler.body)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) != "caused"
    ]
    assert unsaid == []


@pytest.mark.parametrize("module", compiled_modules())
def test_a_parameter_without_a_name_beside_others_by_name_begins_with_an_underscore(module: str) -> None:
    taken = [
        f"{module}:{function.name}({argument.arg}, /)"
        for function in functions(module)
        if function.args.kwarg is not None
        for argument in function.args.posonlyargs
        if argument.arg != "self" and not argument.arg.startswith("_")
    ]
    assert taken == []


@pytest.mark.parametrize("module", compiled_modules())
def test_no_base_class_is_written_in_c(module: str) -> None:
    inside = {node.name for one in compiled_modules() for node in ast.walk(tree(one)) if isinstance(node, ast.ClassDef)}
    strange = {
        f"{node.name}({base})"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ClassDef) and ORDINARY not in map(ast.unparse, node.decorator_list)
        for base in (ast.unparse(base).partition("[")[0] for base in node.bases)
        if base not in BASES | inside
    }
    assert strange == set()


def test_the_list_is_sorted_and_names_modules() -> None:
    assert list(compiled_modules()) == sorted(set(compiled_modules()) & modules().keys())
