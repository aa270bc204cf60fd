"""The command line that all benchmarks share."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.bench import MIB, Bench, Options, Row, required
from benchmarks.core.environment import Environment, EnvironmentFailed, here, prepare
from benchmarks.core.processes import Failed
from benchmarks.core.results import RESULTS
from benchmarks.core.tables import comparison_table, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["environment_of", "main", "options_of", "parser", "run"]


def parser(about: str) -> argparse.ArgumentParser:
    """The options of every program."""
    found = argparse.ArgumentParser(description=about.partition("\n")[0])
    found.add_argument("--quick", action="store_true", help="few and short rounds")
    found.add_argument("--rounds", type=int, metavar="N", help="turns of each contestant (5)")
    found.add_argument("--seconds", type=float, metavar="S", help="of load in each turn (1)")
    found.add_argument("--size", type=int, metavar="MIB", help="of large bodies (1024)")
    found.add_argument("--connections", type=int, metavar="N", help="where there are many (10000)")
    found.add_argument(
        "--load", choices=["wrk", "python"], default="wrk", help="python also where wrk is not installed"
    )
    found.add_argument("--peers", nargs="+", default=(), metavar="NAME", help="these alone, beside ours (all)")
    found.add_argument("--python", metavar="VERSION", help="an interpreter other than this one: 3.13, or a path")
    found.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="figures are kept there")
    found.add_argument("--here", action="store_true", help="no environment of its own: whatever is installed here")
    return found


def options_of(told: argparse.Namespace) -> Options:
    """How much to measure, by the command line and the environment."""
    options = Options.quick() if told.quick else Options()
    stated = {"rounds": told.rounds, "seconds": told.seconds, "connections": told.connections}
    if told.size is not None:
        stated["size"] = told.size * MIB
    options = replace(options, **{name: value for name, value in stated.items() if value is not None})
    return replace(
        options, wrk=told.load == "wrk", only=tuple(told.peers), results=told.results, require_peers=required()
    )


def environment_of(told: argparse.Namespace) -> Environment:
    """Where the contestants run. Raises `EnvironmentFailed`."""
    return here() if told.here else prepare(told.python)


def run(row: Row, environment: Environment, options: Options) -> None:
    """Measure, print, and keep the result. Raises `Failed` when a contestant answers wrongly."""
    bench = Bench(row.name, environment, options)
    row.measure(bench)
    result = bench.result
    print(f"{row.title}; Python {result.python}, {result.rounds} rounds in turns")
    for comparison in result.comparisons:
        print(f"\n{comparison.title}\n\n{comparison_table(comparison).text()}")
    print()
    for target in row.targets:
        print(f"{target.text}: {verdict(target, target.judge(result.comparisons)).replace('*', '')}")
    for line in result.notes:
        print(line)
    result.save(options.results)


def main(row: Row, arguments: Sequence[str] | None = None) -> int:
    """Run one program; 1 when a contestant answered wrongly."""
    told = parser(row.about).parse_args(arguments)
    try:
        run(row, environment_of(told), options_of(told))
    except (Failed, EnvironmentFailed) as error:
        print(f"{row.name}: {error}", file=sys.stderr)
        return 1
    return 0
