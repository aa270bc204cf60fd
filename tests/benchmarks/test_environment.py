"""Where contestants run, and how much is measured."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.core import environment as environments
from benchmarks.core.bench import MIB, Options
from benchmarks.core.environment import EnvironmentFailed, normal, prepare
from benchmarks.core.machine import CORES, describe, on_core, raise_file_limit
from benchmarks.core.program import options_of, parser
from benchmarks.core.results import ROOT
from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.core.environment import Environment


def test_what_is_installed_is_known_by_any_spelling(environment: Environment) -> None:
    assert environment.python == sys.executable
    assert environment.version_of("pytest_asyncio") == environment.version_of("Pytest.Asyncio")
    assert environment.version_of("aiohttp")
    assert environment.version_of("no-such-distribution") is None
    assert normal("A__b.C") == "a-b-c"


def test_a_program_s_version_is_asked_of_it(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "wrk"
    program.write_text("#!/bin/sh\necho 'wrk 4.1.0 [epoll]'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.version_of("wrk") == "4.1.0"
    program.unlink()
    assert environment.version_of("wrk") is None


def test_whoever_misses_a_peer_is_told_how_to_get_it(environment: Environment) -> None:
    assert environment.how_to_get("nginx") == "apt install nginx-light"
    assert environment.how_to_get("wreq") == "pip install wreq"
    failed = environments.Environment(sys.executable, "3.11.7", {}, {"wreq": "no matching distribution"})
    assert failed.how_to_get("Wreq") == "pip could not install it: no matching distribution"


def test_an_interpreter_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EnvironmentFailed, match=r"no Python 9\.9 found"):
        prepare("9.9")
    with pytest.raises(EnvironmentFailed, match="/no/such/python"):
        prepare("/no/such/python")


def test_the_command_line_says_how_much_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOOLKIT_REQUIRE_PEERS", raising=False)
    line = parser("About.")
    assert options_of(line.parse_args([])) == Options()
    assert options_of(line.parse_args(["--quick"])) == Options.quick()
    told = options_of(line.parse_args(["--quick", "--rounds", "3", "--size", "2", "--peers", "a", "b"]))
    assert (told.rounds, told.size, told.only) == (3, 2 * MIB, ("a", "b"))


def test_peers_are_required_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, required in (("1", True), ("", False)):
        monkeypatch.setenv("TOOLKIT_REQUIRE_PEERS", value)
        assert options_of(parser("").parse_args([])).require_peers is required


def test_the_machine_describes_itself() -> None:
    assert describe().keys() == {"CPU", "cores", "kernel"}
    assert raise_file_limit(1) >= 1


def test_cores_are_given_back() -> None:
    with on_core(0):
        assert len(CORES) < 2 or os.sched_getaffinity(0) == {CORES[0]}
    assert sorted(os.sched_getaffinity(0)) == CORES


def test_every_row_has_its_program_and_names_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)) == 12
    for row in ROWS:
        assert (ROOT / "benchmarks" / f"{row.name}.py").exists()
        assert row.title
        assert row.about
