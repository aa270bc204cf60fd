"""The signaling self-test: pairs of peers stream through a server, all in one process. Megabytes a second.

    python -m benchmarks.signaling [--quick]

A megabyte counted here went through the server once and through two clients.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import Row
from benchmarks.core.processes import Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Quantity, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

PEERS = (
    Peer("toolkit", "benchmarks.selftests.toolkit"),
    Peer("Blazeio", "benchmarks.selftests.blazeio", needs=("Blazeio",)),
)
RELAYED = "10 pairs, 100 chunks of 100 KiB each"
RATE = Quantity("MB/s relayed", "more")


def turn(child: Child) -> Figures:
    """One self-test."""
    told = child.do("self-test", pairs=10, size=100 * 1024, chunks=100)
    return {RATE.name: told["bytes"] / 1e6 / told["seconds"]}


def measure(bench: Bench) -> None:
    """Each in a process of its own, on one core."""
    with bench.start(PEERS) as running:
        bench.compare(RELAYED, [RATE], {name: partial(turn, child) for name, child in running.items()})
    if "Blazeio" in bench.result.versions:
        bench.note("Blazeio: bodies with their length, as this version cannot read every chunked request")


ROW = Row(
    "signaling",
    "The signaling self-test",
    "Ten pairs of peers meet in rooms and stream to each other through a server, all in one process: "
    "`examples/signaling.py --test`.",
    (Target("MB/s at least 2 x Blazeio", RELAYED, RATE.name, "toolkit", ("Blazeio",), 2.0),),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
