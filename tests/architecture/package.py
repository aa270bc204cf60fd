"""The package as its sources show it: modules, and who imports whom. Nothing is imported to find out."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
ROOT = "toolkit"


class Import(NamedTuple):
    """One import statement's effect: `target` is a module of the package where it is one, else a foreign name.

    `when` is "load" for what runs as the module is imported, "call" for an import inside a function, and "types" for
    one below `if TYPE_CHECKING`.
    """

    source: str
    target: str
    when: Literal["load", "call", "types"]
    line: int


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted((REPOSITORY / ROOT).rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    """The parsed source of a module."""
    path = modules()[module]
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def imports() -> tuple[Import, ...]:
    """Every import in the package, foreign ones included."""
    return tuple(one for module in modules() for one in _imports_of(module, tree(module).body, "load"))


def inner_imports() -> list[Import]:
    """The imports whose target is a module of the package."""
    return [one for one in imports() if one.target in modules()]


def _imports_of(module: str, body: list[ast.stmt], when: Literal["load", "call", "types"]) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, when, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for target in dict.fromkeys(_targets(module, node)):
                yield Import(module, target, when, node.lineno)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            yield from _imports_of(module, node.body, "types")
            yield from _imports_of(module, node.orelse, when)
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            children = [child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.stmt, _Blocks))]
            flat = [inner for child in children for inner in (child.body if isinstance(child, _Blocks) else [child])]
            yield from _imports_of(module, flat, "call" if inside and when == "load" else when)


_Blocks = ast.ExceptHandler | ast.match_case


def _targets(module: str, node: ast.ImportFrom) -> Iterator[str]:
    """What `from x import a, b` loads: x.a where that is a module, x itself where a is a name in it."""
    base = node.module or ""
    if node.level:
        package = module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]
        for _ in range(node.level - 1):
            package = package.rpartition(".")[0]
        base = f"{package}.{base}" if base else package
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner in modules() else base
