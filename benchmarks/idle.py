"""Idle keep-alive connections: the memory each of them holds, and the CPU time that all of them take.

    python -m benchmarks.idle [--quick] [--connections N]

Every connection asks once and is then left alone. Memory is what the server's resident set grew by, so the kernel's
share is not in it. All servers are left alone in the same seconds; new ones are started for each round.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import Row
from benchmarks.core.load import RAW_CLIENT
from benchmarks.core.machine import raise_file_limit
from benchmarks.core.payload import JSON_PATH
from benchmarks.core.processes import Child, Failed, Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Quantity, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench

SERVERS = (
    Peer("toolkit", "benchmarks.servers.toolkit"),
    Peer("raw uvloop", "benchmarks.servers.floor"),
    Peer("uvicorn", "benchmarks.servers.asgi", ("bare",), needs=("uvicorn",)),
    Peer("aiohttp", "benchmarks.servers.aiohttp", needs=("aiohttp",)),
    # The last, as it ends idle connections after ten seconds, whatever one says.
    Peer("socketify", "benchmarks.servers.socketify", needs=("socketify",)),
)
TITLE = "idle keep-alive connections"
MEMORY = Quantity("KB/connection", "less", 2)
IDLE = Quantity("CPU ms/s while idle", "less", 2)


def fill(server: Child, client: Child, connections: int) -> int:
    """Open the connections and ask once on each; the bytes by which the server grew."""
    url = server.url + JSON_PATH
    client.do("hold", url=url, connections=8)  # whatever is made for the first requests
    client.do("release")
    before = server.memory
    held = client.do("hold", url=url, connections=connections)["held"]
    if held != connections:
        raise Failed(f"{server.peer.name} holds {held:.0f} of {connections} connections")
    return server.memory - before


def one_round(bench: Bench, connections: int, idle: float) -> dict[str, Figures]:
    """Fill new servers one after another, each from a client of its own; then leave all of them alone."""
    with bench.start(SERVERS) as servers, ExitStack() as stack:
        grown = {
            name: fill(server, stack.enter_context(bench.one(RAW_CLIENT)), connections)
            for name, server in servers.items()
        }
        spent = {name: server.cpu for name, server in servers.items()}
        time.sleep(idle)
        return {
            name: {
                MEMORY.name: grown[name] / connections / 1000,
                IDLE.name: (server.cpu - spent[name]) * 1000 / idle,
            }
            for name, server in servers.items()
        }


def measure(bench: Bench) -> None:
    """As many connections as files may be open."""
    room = raise_file_limit(bench.options.connections + 500) - 500
    connections = min(bench.options.connections, room)
    idle = 5 * bench.options.seconds
    bench.note(f"{connections:,} connections, left alone for {idle:g} s")
    bench.collect(TITLE, [MEMORY, IDLE], partial(one_round, bench, connections, idle))


ROW = Row(
    "idle",
    "Idle keep-alive connections",
    "Each connection has asked once for the small answer and is kept open. Memory is the growth of the server's "
    "resident set; CPU time is what the server takes while nothing happens at all. socketify ends connections that "
    "were idle for ten seconds.",
    (
        Target("at most 3 KB for each connection", TITLE, MEMORY.name, "toolkit", (), 3.0),
        Target("idle connections take no CPU: at most 1 ms a second", TITLE, IDLE.name, "toolkit", (), 1.0),
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
