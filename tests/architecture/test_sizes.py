"""The tail stays small: long files, long functions and long parameter lists are the exception, each with its reason.

Averages say nothing: the median function is short in every codebase. Hence bounds on the worst.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from .package import modules, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_LINES = 500
BODY_LINES = 60  # without the docstring
PARAMETERS = 8  # besides self or cls; public functions may offer more, by keyword

#: "module" or "module:qualified.name": why it may be larger.
ALLOWED: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Large(NamedTuple):
    """Something over a bound."""

    name: str
    what: str


def functions(module: str) -> Iterator[tuple[str, Function]]:
    """Every function of the module with its qualified name, inner ones included."""

    def below(node: ast.AST, owner: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                name = f"{owner}{child.name}"
                if not isinstance(child, ast.ClassDef):
                    yield name, child
                yield from below(child, f"{name}.")
            else:
                yield from below(child, owner)

    return below(tree(module), "")


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: Function) -> int:
    """Named parameters besides self and cls."""
    arguments = function.args
    names = [one.arg for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def is_public(qualified: str) -> bool:
    """No part of the name is private; `__init__` and its like belong to the public class."""
    return all(not part.startswith("_") or part.endswith("__") for part in qualified.split("."))


def large() -> list[Large]:
    """All that is over a bound."""
    found = []
    for module, path in modules().items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > FILE_LINES:
            found.append(Large(module, f"{lines} lines"))
        for name, function in functions(module):
            if (size := body_lines(function)) > BODY_LINES:
                found.append(Large(f"{module}:{name}", f"a body of {size} lines"))
            if (number := parameters(function)) > PARAMETERS and not is_public(name):
                found.append(Large(f"{module}:{name}", f"{number} parameters"))
    return found


def test_nothing_is_too_large() -> None:
    over = [f"{one.name}: {one.what}" for one in large() if one.name not in ALLOWED]
    assert not over, "\n".join(over)


def test_every_exception_is_used_and_has_a_reason() -> None:
    names = {one.name for one in large()}
    assert [name for name in ALLOWED if name not in names] == []
    assert all(reason.strip() for reason in ALLOWED.values())


SAMPLE = '''
class A:
    def f(self, a, /, b, *c, d=1, **e):
        """One.

        Two.
        """
        x = (
            1
        )
        return x
'''


def test_the_ruler_measures_right() -> None:
    function = next(node for node in ast.walk(ast.parse(SAMPLE)) if isinstance(node, ast.FunctionDef))
    assert body_lines(function) == 4
    assert parameters(function) == 3
    assert is_public("A.__init__")
    assert is_public("A.f")
    assert not is_public("_A.f")
    assert not is_public("A.f._g")
