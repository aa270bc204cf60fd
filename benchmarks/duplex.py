"""An open duplex exchange: a 64-byte chunk goes to the server, comes back, and the next one goes out.

    python -m benchmarks.duplex [--quick] [--peers uvicorn ...]

CPU microseconds of the server for each chunk there and back. Each chunk has a number, and must come back as it went.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import Row
from benchmarks.core.load import RAW_CLIENT
from benchmarks.core.processes import Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Quantity, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

SERVERS = (
    Peer("toolkit", "benchmarks.servers.toolkit"),
    Peer("raw protocol", "benchmarks.servers.raw"),
    Peer("uvicorn", "benchmarks.servers.asgi", ("bare",), needs=("uvicorn",)),
    Peer("aiohttp", "benchmarks.servers.aiohttp", needs=("aiohttp",)),
    Peer("granian RSGI", "benchmarks.servers.granian", ("rsgi",), needs=("granian", "uvicorn")),
    Peer("granian ASGI", "benchmarks.servers.granian", ("asgi",), needs=("granian", "uvicorn")),
)
CHUNK = 64  # bytes
TITLES = {1: "one exchange", 16: "16 exchanges at once"}
CPU = Quantity("CPU us/chunk", "less", 2)
RATE = Quantity("chunks/s", "more")


def turn(client: Child, server: Child, seconds: float, exchanges: int) -> Figures:
    """Some exchanges for a while."""
    before = server.cpu
    told = client.do("duplex", url=f"{server.url}/echo", seconds=seconds, size=CHUNK, exchanges=exchanges)
    return {CPU.name: (server.cpu - before) * 1e6 / told["trips"], RATE.name: told["trips"] / told["seconds"]}


def measure(bench: Bench) -> None:
    """One exchange, where a server wakes up for each chunk; then several, where it finds some chunks at a time."""
    with bench.start(SERVERS) as servers, bench.one(RAW_CLIENT) as client:
        for exchanges, title in TITLES.items():
            turns = {
                name: partial(turn, client, server, bench.options.seconds, exchanges)
                for name, server in servers.items()
            }
            bench.compare(title, [CPU, RATE], turns)


ROW = Row(
    "duplex",
    "A small chunk there and back",
    "POSTs whose request and answer are both open: on each a chunk of 64 bytes goes out, comes back, and then the next "
    "one goes out. CPU time of the server, waking up included. The raw protocol sends back whatever it gets.",
    tuple(
        Target(f"{title}: CPU at most 0.6 x uvicorn's", title, CPU.name, "toolkit", ("uvicorn",), 0.6)
        for title in TITLES.values()
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
