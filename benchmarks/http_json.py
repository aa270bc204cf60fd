"""A small JSON answer on a routed GET, over 64 keep-alive connections: requests a second, and CPU time for each.

    python -m benchmarks.http_json [--quick] [--peers socketify uvicorn ...] [--python 3.13]

All servers run on the same core, in turns; the load runs on another. Twice: with the one or two headers of a load
tool, and with the eleven of a browser. Every answer is checked before each turn.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import Row
from benchmarks.core.load import BROWSER, CPU, RATE, Load, check_json, loading
from benchmarks.core.payload import JSON_PATH
from benchmarks.core.processes import Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

OURS = Peer("toolkit", "benchmarks.servers.toolkit")
PATHS = {"toolkit def": JSON_PATH, "toolkit async def": "/async" + JSON_PATH}
NEAR = (
    Peer("floor", "benchmarks.servers.floor"),
    Peer("floor, httptools", "benchmarks.servers.floor", ("--httptools",)),
    Peer("socketify", "benchmarks.servers.socketify", needs=("socketify",)),
    Peer("uvicorn", "benchmarks.servers.asgi", ("bare",), needs=("uvicorn",)),
    Peer("granian RSGI", "benchmarks.servers.granian", ("rsgi",), needs=("granian", "uvicorn")),
    Peer("granian ASGI", "benchmarks.servers.granian", ("asgi",), needs=("granian", "uvicorn")),
    Peer("aiohttp", "benchmarks.servers.aiohttp", needs=("aiohttp",)),
)
FAR = (
    Peer("blacksheep", "benchmarks.servers.asgi", ("blacksheep",), needs=("blacksheep", "uvicorn")),
    Peer("falcon", "benchmarks.servers.asgi", ("falcon",), needs=("falcon", "uvicorn")),
    Peer("sanic", "benchmarks.servers.sanic", needs=("sanic",)),
    Peer("starlette", "benchmarks.servers.asgi", ("starlette",), needs=("starlette", "uvicorn")),
)
#: It ends each connection behind its answer, and only wrk opens another one in time.
ENDING = Peer("Blazeio", "benchmarks.servers.blazeio", needs=("Blazeio", "wrk"))
BARE, FULL = "a load tool's headers", "a browser's 11 headers"


def turns(servers: Mapping[str, Child], load: Load, headers: Mapping[str, str]) -> Mapping[str, Callable[[], Figures]]:
    """What each contestant does in a round; ours answers in two ways from one process."""

    def turn(server: Child, path: str) -> Figures:
        check_json(server, path)
        return load.on(server, path, headers=headers)

    ours = {name: partial(turn, servers["toolkit"], path) for name, path in PATHS.items()}
    return ours | {name: partial(turn, server, JSON_PATH) for name, server in servers.items() if name != "toolkit"}


def measure(bench: Bench) -> None:
    """The whole table with bare headers; with a browser's, the servers that are near."""
    near = {peer.name for peer in (OURS, *NEAR)}
    with loading(bench) as load, ExitStack() as stack:
        peers = [OURS, *NEAR, *FAR]
        if load.raw is None:
            peers.append(ENDING)
        servers = stack.enter_context(bench.start(peers))
        bench.compare(BARE, [RATE, CPU], turns(servers, load, {}))
        few = {name: server for name, server in servers.items() if name in near}
        bench.compare(FULL, [RATE, CPU], turns(few, load, BROWSER))


def targets() -> tuple[Target, ...]:
    """The same for both kinds of headers."""
    stated = (
        ("toolkit def", "socketify", 1.0),
        ("toolkit async def", "socketify", 0.9),
        ("toolkit async def", "uvicorn", 1.5),
    )
    return tuple(
        Target(f"{ours}, {headers}: requests/s at least {bound:g} x {peer}", headers, RATE.name, ours, (peer,), bound)
        for headers in (BARE, FULL)
        for ours, peer, bound in stated
    )


ROW = Row(
    "http_json",
    "JSON on a routed GET, 64 keep-alive connections",
    "A small JSON answer on a routed GET, over 64 keep-alive connections. The answer is built for every request. The "
    "floor is a uvloop protocol that answers a constant to whatever arrives; Blazeio takes one request a connection.",
    targets(),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
