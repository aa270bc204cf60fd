"""Write the page of results anew, from what was measured so far: `python -m benchmarks.report [--page PATH]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.page import write
from benchmarks.core.results import RESULTS, ROOT, kept
from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PAGE", "main"]

PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write it; 1 when nothing was measured yet."""
    parser = argparse.ArgumentParser(description="Write the page of results.")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="PATH", help="(%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="(%(default)s)")
    told = parser.parse_args(arguments)
    found = kept(told.results)
    if not found:
        print("benchmarks: nothing was measured yet", file=sys.stderr)
        return 1
    write(ROWS, found, told.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
