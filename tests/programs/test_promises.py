"""What the table of promises names is there, and no promise is without a test or a reason."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from .promises import EVERYTHING, Promise

TESTS = Path(__file__).parents[1]


@cache
def names_in(path: str) -> set[str]:
    """The names of the test functions in a file below tests/."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {one.name for one in ast.walk(tree) if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))}


@pytest.mark.parametrize("promise", EVERYTHING, ids=lambda promise: promise.what[:60])
def test_a_promise_is_shown_or_has_a_reason(promise: Promise) -> None:
    assert bool(promise.shown) is not bool(promise.apart), "tests that show it, or why there is nothing to show"
    for one in promise.shown:
        path, _, name = one.partition("::")
        assert name in names_in(path), f"there is no test {name} in tests/{path}"


def test_each_program_here_is_named_by_a_promise() -> None:
    named = {one for promise in EVERYTHING for one in promise.shown}
    here = {
        f"programs/{path.name}::{name}"
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name != Path(__file__).name
        for name in names_in(f"programs/{path.name}")
        if name.startswith("test_")
    }
    assert not here - named


def test_each_promise_is_made_once() -> None:
    assert len({promise.what for promise in EVERYTHING}) == len(EVERYTHING)
