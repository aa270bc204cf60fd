"""The command `toolkit`: a table of subcommands that are imported when they are called."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from toolkit import __version__
from toolkit.__main__ import COMMANDS, Subcommand, main

entry = main  # a test puts a subcommand in its place
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(import_module(COMMANDS[name].module).main)
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: toolkit {name}" in capsys.readouterr().out


def test_the_help_lists_the_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    width = max(map(len, COMMANDS))
    assert all(f"  {name:<{width}}  {command.about}\n" in out for name, command in COMMANDS.items())


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"toolkit {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["brew"], ["--coffee"]])
def test_a_mistake_is_one_line_and_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("toolkit: ")
    assert told.count("\n") == 1
    assert "expected one of: get, post, put, patch, delete, head, options, request, bench" in told
    assert told.count("patch") == 1


def test_arguments_and_the_exit_status_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever follows the subcommand's name is its own, options that the command itself has included."""
    monkeypatch.setitem(COMMANDS, "made-up", Subcommand(__name__, "for this test"))
    given: list[list[str]] = []

    def subcommand(arguments: list[str]) -> int:
        given.append(arguments)
        return 42

    monkeypatch.setattr(sys.modules[__name__], "main", subcommand)
    assert entry(["made-up", "a", "--version", "-x", "--", "b"]) == 42
    assert given == [["a", "--version", "-x", "--", "b"]]


def test_nothing_is_imported_that_is_not_called() -> None:
    program = "import json, sys, toolkit.__main__; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = {name for name in json.loads(done.stdout) if name.startswith("toolkit.")}
    assert loaded == {"toolkit.__main__", "toolkit._version"}


def test_it_runs_as_a_module_and_is_installed_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "--version"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"toolkit {__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"toolkit": "toolkit.__main__:main"}
