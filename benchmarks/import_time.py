"""What an import costs: the time of a fresh process that imports something, over that of one that imports nothing.

    python -m benchmarks.import_time [--quick]

Fresh processes in turns, on one core, everything in the page cache; the median of some of them is a round's figure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.core.bench import Row
from benchmarks.core.machine import on_core
from benchmarks.core.processes import Failed, Peer
from benchmarks.core.program import main
from benchmarks.core.results import ROOT, Figures, Quantity, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench

#: Contestant: what it needs, and what is run.
IMPORTS = {
    "toolkit": ((), "from toolkit import App, Session"),
    "its App alone": ((), "from toolkit import App"),
    "its Session alone": ((), "from toolkit import Session"),
    "its bare name": ((), "import toolkit"),
    "asyncio and ssl": ((), "import asyncio, ssl"),
    "uvicorn": (("uvicorn",), "import uvicorn"),
    "httpx": (("httpx",), "import httpx"),
    "aiohttp": (("aiohttp",), "import aiohttp"),
    "aiohttp.web": (("aiohttp",), "from aiohttp import web"),
    "starlette": (("starlette",), "from starlette.applications import Starlette"),
}
TITLE = "an import, over bare Python"
WALL = Quantity("ms", "less", 1)
CPU = Quantity("CPU ms", "less", 1)


def process(python: str, statement: str) -> tuple[float, float]:
    """Milliseconds that a fresh process takes, and its CPU milliseconds. Raises `Failed` when it fails."""
    with on_core(0):
        begun = time.perf_counter()
        child = subprocess.Popen([python, "-c", statement], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        _, status, usage = os.wait4(child.pid, 0)
        took = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.stderr is not None
    with child.stderr:
        if child.returncode:
            raise Failed(f"{statement}: {child.stderr.read().strip().splitlines()[-1]}")
    return took * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def one_round(python: str, statements: dict[str, str], each: int) -> dict[str, Figures]:
    """Each statement some times, in turns with an empty one."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(each):
        for name, statement in {"": "pass", **statements}.items():
            found.setdefault(name, []).append(process(python, statement))
    middle = {name: [median(figures) for figures in zip(*measured, strict=True)] for name, measured in found.items()}
    wall, cpu = middle.pop("")
    return {name: {WALL.name: own[0] - wall, CPU.name: own[1] - cpu} for name, own in middle.items()}


def measure(bench: Bench) -> None:
    """All that is installed."""
    python = bench.environment.python
    statements = {
        name: statement for name, (needs, statement) in IMPORTS.items() if bench.has(Peer(name, "", needs=needs))
    }
    for statement in statements.values():
        process(python, statement)  # compiles what has not been compiled
    each = max(1, round(5 * bench.options.seconds))
    bench.collect(TITLE, [WALL, CPU], lambda: one_round(python, statements, each))


ROW = Row(
    "import_time",
    "Import time",
    "What a fresh process takes longer when it imports something: `from toolkit import App, Session`, one of the two, "
    "or `import toolkit`, which loads nothing yet. asyncio and ssl, which all of them need, are in the figures.",
    tuple(
        Target(f"{IMPORTS[name][1]}: at most 100 ms", TITLE, WALL.name, name, (), 100.0)
        for name in ("its bare name", "its App alone", "its Session alone", "toolkit")
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
