"""One worker process and two: requests a second of the small JSON answer.

    python -m benchmarks.workers [--quick]

Nothing is pinned here. On a machine with two cores the load takes its share of them, and requests a second cannot
double; then CPU time for each request, and how evenly the workers share it, tell whether they would.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import Row
from benchmarks.core.load import CPU, RATE, Load, check_json, loading
from benchmarks.core.machine import CORES, cpu_by_process
from benchmarks.core.processes import Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Quantity, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

TITLE = "JSON, 128 keep-alive connections"
SHARE = Quantity("busiest process's share of CPU, %", "less", 0)
NUMBERS = (1, 2)


def name(workers: int) -> str:
    """A contestant."""
    return f"toolkit, {workers} worker{'s' * (workers > 1)}"


PEERS = tuple(Peer(name(number), "benchmarks.servers.toolkit", ("--workers", str(number))) for number in NUMBERS)


def turn(load: Load, server: Child) -> Figures:
    """Load, and see which process it went to."""
    check_json(server)
    before = cpu_by_process(server.pid)
    figures = load.on(server, connections=128)
    spent = [cpu - before.get(pid, 0.0) for pid, cpu in cpu_by_process(server.pid).items()]
    return {**figures, SHARE.name: 100 * max(spent) / sum(spent)}


def measure(bench: Bench) -> None:
    """Both in turns."""
    if len(CORES) < 3:
        bench.note(f"{len(CORES)} cores: the load shares them with the workers")
    with loading(bench, core=None) as load, bench.start(PEERS, core=None) as servers:
        turns = {which: partial(turn, load, server) for which, server in servers.items()}
        bench.compare(TITLE, [RATE, CPU, SHARE], turns, base=name(1))


ROW = Row(
    "workers",
    "Worker processes",
    "The same application with one worker process and with two, over 128 connections; nothing is pinned to a core.",
    (
        Target("2 workers: CPU/request at most 1.1 x that of 1", TITLE, CPU.name, name(2), (name(1),), 1.1),
        Target("2 workers: the busier one has at most 60 %", TITLE, SHARE.name, name(2), (), 60.0),
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
