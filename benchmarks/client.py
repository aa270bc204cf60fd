"""A client's small GET, one at a time and 32 at a time: CPU time of the client for each request, and requests a second.

    python -m benchmarks.client [--quick] [--peers wreq aiohttp ...]

The client has the measured core; a server that answers a constant has the other one.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import Row
from benchmarks.core.load import CPU, RATE
from benchmarks.core.payload import JSON_PATH
from benchmarks.core.processes import Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

SERVER = Peer("the server", "benchmarks.servers.floor", ("--httptools",))
CLIENTS = (
    Peer("toolkit", "benchmarks.clients.toolkit"),
    Peer("raw protocol", "benchmarks.clients.raw"),
    Peer("wreq", "benchmarks.clients.wreq", needs=("wreq",)),
    Peer("pyreqwest", "benchmarks.clients.pyreqwest", needs=("pyreqwest",)),
    Peer("aiohttp", "benchmarks.clients.aiohttp", needs=("aiohttp",)),
    Peer("httpx", "benchmarks.clients.httpx", needs=("httpx",)),
    Peer("niquests", "benchmarks.clients.niquests", needs=("niquests",)),
)
ONE, MANY = "one at a time", "32 at a time"
AT_ONCE = {1: ONE, 32: MANY}
OURS = "toolkit"


def turn(client: Child, url: str, seconds: float, concurrency: int) -> Figures:
    """One client's requests for a while; it checks each answer itself."""
    told = client.do("small", url=url, seconds=seconds, concurrency=concurrency)
    return {RATE.name: told["requests"] / told["seconds"], CPU.name: told["cpu"] * 1e6 / told["requests"]}


def measure(bench: Bench) -> None:
    """The connections are opened in the first round and kept."""
    with bench.one(SERVER) as server, bench.start(CLIENTS) as clients:
        for concurrency, title in AT_ONCE.items():
            turns = {
                name: partial(turn, client, server.url + JSON_PATH, bench.options.seconds, concurrency)
                for name, client in clients.items()
            }
            bench.compare(title, [RATE, CPU], turns)


RUST = ("wreq", "pyreqwest")
ROW = Row(
    "client",
    "A client's small GET",
    "Small requests to a server that answers a constant; each answer is read whole and compared. Requests a second are "
    "those of one core, which the threads of the clients in Rust share.",
    (
        Target(
            "32 at a time: requests/s at least 2 x the better of wreq and pyreqwest", MANY, RATE.name, OURS, RUST, 2.0
        ),
        Target("32 at a time: requests/s at least 3 x aiohttp", MANY, RATE.name, OURS, ("aiohttp",), 3.0),
        # One at a time, both cores wait for each other most of the time: only CPU tells the clients apart.
        Target(
            "one at a time: CPU at most 1/1.3 of the better of wreq and pyreqwest", ONE, CPU.name, OURS, RUST, 1 / 1.3
        ),
        Target("one at a time: CPU at most 1/3 of aiohttp", ONE, CPU.name, OURS, ("aiohttp",), 1 / 3),
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
