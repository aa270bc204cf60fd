"""Run all benchmarks, then write the page: `python -m benchmarks [--quick] [--python 3.13] [--rows NAME ...]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.core.environment import EnvironmentFailed
from benchmarks.core.processes import Failed
from benchmarks.core.program import environment_of, options_of, parser, run
from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """One row after another; one that fails does not keep the others from running. 1 when one failed."""
    line = parser(__doc__ or "")
    names = [row.name for row in ROWS]
    line.add_argument("--rows", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    line.add_argument("--page", type=Path, default=report.PAGE, metavar="PATH", help="(%(default)s)")
    told = line.parse_args(arguments)
    try:
        environment = environment_of(told)
    except EnvironmentFailed as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    failed = []
    for row in ROWS:
        if row.name in told.rows:
            try:
                run(row, environment, options_of(told))
            except Failed as error:
                failed.append(row.name)
                print(f"{row.name}: {error}", file=sys.stderr)
            print(flush=True)
    written = report.main(["--page", str(told.page), "--results", str(told.results)])
    if failed:
        print(f"benchmarks: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else written


if __name__ == "__main__":
    sys.exit(main())
