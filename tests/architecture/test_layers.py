"""The layer table, executed: imports point one way, and the pure part of the protocol stays pure.

    other -> server, client -> protocol.aio -> protocol -> errors

Imports inside functions and for types only count as well: they are the usual ways round a layer.
"""

from __future__ import annotations

import ast

import pytest

from .package import ROOT, imports, inner_imports, modules, tree

#: What each layer may import besides itself, first match first.
LAYERS: dict[str, set[str]] = {
    f"{ROOT}.__main__": {f"{ROOT}._version"},  # subcommands are imported by name, when they are called
    f"{ROOT}._version": set(),
    f"{ROOT}.errors": set(),
    f"{ROOT}.logs": {f"{ROOT}.errors"},
    f"{ROOT}.protocol.aio": {f"{ROOT}.protocol", f"{ROOT}.errors", f"{ROOT}._version"},
    f"{ROOT}.protocol": {f"{ROOT}.errors", f"{ROOT}._version"},
    f"{ROOT}.server": {
        f"{ROOT}.protocol.aio",
        f"{ROOT}.protocol",
        f"{ROOT}.logs",
        f"{ROOT}.errors",
        f"{ROOT}._version",
    },
    f"{ROOT}.client": {
        f"{ROOT}.protocol.aio",
        f"{ROOT}.protocol",
        f"{ROOT}.logs",
        f"{ROOT}.errors",
        f"{ROOT}._version",
    },
    f"{ROOT}.other": {
        f"{ROOT}.server",
        f"{ROOT}.client",
        f"{ROOT}.protocol.aio",
        f"{ROOT}.protocol",
        f"{ROOT}.logs",
        f"{ROOT}.errors",
        f"{ROOT}._version",
    },
}

#: (importer, imported): why it may.
ALLOWED: dict[tuple[str, str], str] = {
    (f"{ROOT}.errors", f"{ROOT}.protocol.exchange"): "for types only: some errors carry the exchange they happened on",
}

#: Input, output, clocks and other threads of control: the pure protocol layer has none.
IMPURE = {
    "_socket",
    "_thread",
    "asyncio",
    "concurrent",
    "fcntl",
    "mmap",
    "multiprocessing",
    "sched",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "uvloop",
}


def layer(module: str) -> str:
    """The first layer of the table that the module is in; itself where it is in none."""
    return next((name for name in LAYERS if module == name or module.startswith(f"{name}.")), module)


def test_every_module_is_in_a_layer() -> None:
    strangers = [module for module in modules() if layer(module) not in LAYERS and module != ROOT]
    assert not strangers, "\n".join(strangers)


def test_imports_point_one_way() -> None:
    broken = [
        f"{one.source}:{one.line} imports {one.target} ({one.when})"
        for one in inner_imports()
        if one.source != ROOT
        and one.target != ROOT
        and layer(one.target) not in {layer(one.source)} | LAYERS[layer(one.source)]
        and (one.source, one.target) not in ALLOWED
    ]
    assert not broken, "\n".join(broken)


def test_every_exception_is_used() -> None:
    used = {(one.source, one.target) for one in inner_imports()}
    assert [pair for pair in ALLOWED if pair not in used] == []


def test_exceptions_are_for_types_only() -> None:
    """An import that runs can break a start; no reason so far is good enough for one."""
    running = [one for one in inner_imports() if (one.source, one.target) in ALLOWED and one.when != "types"]
    assert running == []


def test_nobody_imports_the_package_root() -> None:
    broken = [f"{one.source}:{one.line}" for one in imports() if one.target == ROOT and one.source != ROOT]
    assert not broken, "\n".join(broken)


def test_the_pure_protocol_layer_does_no_io() -> None:
    impure = [
        f"{one.source}:{one.line} imports {one.target}"
        for one in imports()
        if layer(one.source) == f"{ROOT}.protocol" and one.target.split(".")[0] in IMPURE
    ]
    assert not impure, "\n".join(impure)


@pytest.mark.parametrize("leaf", [f"{ROOT}._version", f"{ROOT}.errors"])
def test_leaves_import_nothing_of_the_package(leaf: str) -> None:
    assert [one for one in inner_imports() if one.source == leaf and one.when != "types"] == []


def test_no_runtime_cycle() -> None:
    """Imports inside functions count: they run too, and they are how cycles are hidden."""
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for one in inner_imports():
        if one.when != "types" and one.source != one.target:
            graph[one.source].add(one.target)
    # Take away what imports nothing that is left, and what nothing left imports; cycles are what cannot be taken away.
    while done := {module for module in graph if not graph[module]} | (graph.keys() - set().union(*graph.values())):
        graph = {module: targets - done for module, targets in graph.items() if module not in done}
    assert graph == {}


def test_the_reader_of_imports_misses_none() -> None:
    """All of the above rests on this."""
    for module in modules():
        stated = {node.lineno for node in ast.walk(tree(module)) if isinstance(node, (ast.Import, ast.ImportFrom))}
        assert stated == {one.line for one in imports() if one.source == module}, module
