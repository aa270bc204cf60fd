"""The README's programs run and print what it says; its tables and its tree of errors are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tests.helpers.programs import Program, programs, run_program
from toolkit import Limits, Request, Response, Timeouts, errors

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")

UNITS = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "s": 1, "B/s": 1}


PROGRAMS = programs(README)


def test_every_block_of_python_is_found() -> None:
    assert len(PROGRAMS) == README.count("```python") >= 6
    assert sum(bool(one.output) for one in PROGRAMS) >= 5


@pytest.mark.parametrize("program", [pytest.param(one, id=one.title) for one in PROGRAMS])
def test_a_program_prints_what_the_readme_says(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    run_program(program, PROGRAMS, tmp_path)
    assert capsys.readouterr().out == program.output


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a line that begins with `heading`."""
    lines = README[README.index(f"\n| {heading}") + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def amount(text: str) -> float | None:
    if text == "none":
        return None
    number, _, unit = text.partition(" ")
    return float(number) * UNITS[unit]


@pytest.mark.parametrize("kind", [Limits, Timeouts])
def test_limits_and_timeouts_are_those_of_the_code(kind: type[Limits] | type[Timeouts]) -> None:
    told = [(name.strip("`"), amount(default)) for name, default, _ in rows(f"`{kind.__name__}`")]
    assert told == [(field.name, field.default) for field in fields(kind)]


def test_what_is_the_same_on_both_ends_is_there_on_both_ends() -> None:
    names = [name for call, _ in rows("on any exchange") for name in re.findall(r"\bx\.(\w+)", call)]
    assert len(names) > 20
    assert [f"{end.__name__}.{name}" for name in names for end in (Request, Response) if not hasattr(end, name)] == []


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    tree = re.search(r"^ToolkitError$.*?^```", README, re.MULTILINE | re.DOTALL)
    assert tree is not None
    above: list[str] = []
    names = []
    for line in tree[0].splitlines()[:-1]:
        found = re.match(r"([│├└─ ]*)(\w+)(?: \((\w+)\))?", line)
        assert found is not None
        depth, name, builtin = len(found[1]) // 4, found[2], found[3]
        error = getattr(errors, name)
        bases = [base.__name__ for base in error.__bases__]
        assert bases == [above[depth - 1] if depth else "Exception", *([builtin] if builtin else [])]
        above[depth:] = [name]
        names.append(name)
    assert sorted(names) == sorted(errors.__all__)
