"""How the cost of this package grows with the work: routes, connections, bodies, headers. No peers.

    python -m benchmarks.growth [--quick] [--connections N] [--size MIB]

CPU time of the server for each unit of work; it should not rise as there is more of it.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import MIB, Row
from benchmarks.core.load import CPU, RATE, RAW_CLIENT, check_json
from benchmarks.core.machine import raise_file_limit
from benchmarks.core.payload import JSON_PATH
from benchmarks.core.processes import Child, Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Quantity, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.results import Comparison

SERVER = "benchmarks.servers.toolkit"
ROUTES = (10, 1000, 10_000)
HEADERS = (1, 10, 50)
FIXED, NAMED = "routes, with a fixed path", "routes, with a parameter"
CONNECTIONS = "connections, all of them busy"
SENT, RECEIVED = "a body that the server sends", "a body that the server receives"
FIELDS = "header fields in a request"
PER_FIELD = Quantity("CPU us/further field", "less", 2)
PER_BODY = Quantity("CPU us/body", "less", 1)
PER_MIB = Quantity("CPU us/MiB", "less", 0)


def load(client: Child, server: Child, path: str, seconds: float, fields: int = 1) -> Figures:
    """64 busy connections, whose requests have some header fields (the host is one of them)."""
    check_json(server, path)
    more = [(f"x-field-{number}", f"value-{number:04}") for number in range(fields - 1)]
    before = server.cpu
    told = client.do("load", url=server.url + path, seconds=seconds, connections=64, headers=more)
    spent = (server.cpu - before) * 1e6
    return {CPU.name: spent / told["requests"], RATE.name: told["requests"] / told["seconds"]}


def measure_routes(bench: Bench, client: Child) -> None:
    """The route that was added last."""
    peers = {number: Peer("toolkit", SERVER, ("--routes", str(number))) for number in ROUTES}
    with ExitStack() as stack:
        servers = {number: stack.enter_context(bench.one(peer, 0)) for number, peer in peers.items()}
        for title, path in ((FIXED, "/fixed/{}"), (NAMED, "/named{}/x")):
            turns = {
                f"{number:,} routes": partial(load, client, server, path.format(number - 1), bench.options.seconds)
                for number, server in servers.items()
            }
            bench.compare(title, [CPU, RATE], turns, base="10 routes")


def busy(client: Child, server: Child, connections: int, seconds: float) -> Figures:
    """Each connection has one request under way; they are opened once and kept."""
    before = server.cpu
    told = client.do("small", url=server.url + JSON_PATH, seconds=seconds, concurrency=connections)
    spent = (server.cpu - before) * 1e6
    return {CPU.name: spent / told["requests"], RATE.name: told["requests"] / told["seconds"]}


def measure_connections(bench: Bench) -> None:
    """1, 100 and as many as may be open; each number on a server of its own."""
    most = min(bench.options.connections, raise_file_limit(bench.options.connections + 500) - 500)
    with ExitStack() as stack:
        turns = {}
        for number in sorted({1, min(100, most), most}):
            server = stack.enter_context(bench.one(Peer("toolkit", SERVER), 0))
            client = stack.enter_context(bench.one(RAW_CLIENT))
            name = f"{number:,} connections" if number > 1 else "1 connection"
            turns[name] = partial(busy, client, server, number, bench.options.seconds)
        bench.compare(CONNECTIONS, [CPU, RATE], turns, base="1 connection")


def body(client: Child, server: Child, method: str, size: int, times: int) -> Figures:
    """One body again and again on one connection."""
    path = f"/source?size={size}" if method == "GET" else "/sink"
    before = server.cpu
    client.do("repeat", url=server.url + path, size=size, times=times, method=method)
    spent = (server.cpu - before) * 1e6
    return {PER_BODY.name: spent / times, PER_MIB.name: spent / (size * times / MIB)}


def measure_bodies(bench: Bench, client: Child) -> None:
    """Small, middle and large ones."""
    sizes = {"1 KiB": (1024, 2000), "1 MiB": (MIB, 200), told(bench.options.size): (bench.options.size, 1)}
    with bench.one(Peer("toolkit", SERVER), 0) as server:
        client.do("check", origin=server.url, size=MIB)
        for title, method in ((SENT, "GET"), (RECEIVED, "POST")):
            turns = {name: partial(body, client, server, method, size, times) for name, (size, times) in sizes.items()}
            bench.compare(title, [PER_BODY, PER_MIB], turns, base="1 KiB")


def told(size: int) -> str:
    """A size in words."""
    return f"{size // (1024 * MIB)} GiB" if size % (1024 * MIB) == 0 else f"{size // MIB} MiB"


def measure_headers(bench: Bench, client: Child) -> None:
    """And what each field beyond the first costs."""
    with bench.one(Peer("toolkit", SERVER), 0) as server:
        turns = {
            f"{number} field{'s' * (number > 1)}": partial(
                load, client, server, JSON_PATH, bench.options.seconds, number
            )
            for number in HEADERS
        }
        comparison = bench.compare(FIELDS, [CPU, PER_FIELD, RATE], turns, base="1 field")
        add_slopes(comparison, {f"{number} fields": number - 1 for number in HEADERS[1:]})


def add_slopes(comparison: Comparison, further: dict[str, int]) -> None:
    """What a further field costs, from the difference to one field in the same round."""
    for name, fields in further.items():
        for figures, first in zip(comparison.samples[name], comparison.samples["1 field"], strict=True):
            figures[PER_FIELD.name] = (figures[CPU.name] - first[CPU.name]) / fields


def measure(bench: Bench) -> None:
    """All four."""
    with bench.one(RAW_CLIENT) as client:
        measure_routes(bench, client)
        measure_bodies(bench, client)
        measure_headers(bench, client)
    measure_connections(bench)


ROW = Row(
    "growth",
    "How cost grows",
    "CPU time of our server for each unit of work, as there is more of it; the load is a program of our own. A bound "
    "of 1.25 stands for flat: beyond it, something grows. With 1 connection the server is woken for each request.",
    (
        Target("10,000 routes: CPU/request flat", FIXED, CPU.name, "10,000 routes", ("10 routes",), 1.25),
        Target("10,000 routes with a parameter: flat", NAMED, CPU.name, "10,000 routes", ("10 routes",), 1.25),
        Target(
            "10,000 connections: CPU/request flat", CONNECTIONS, CPU.name, "10,000 connections", ("1 connection",), 1.25
        ),
        Target("1 GiB sent: CPU/MiB flat", SENT, PER_MIB.name, "1 GiB", ("1 MiB",), 1.25),
        Target("1 GiB received: CPU/MiB flat", RECEIVED, PER_MIB.name, "1 GiB", ("1 MiB",), 1.25),
        Target("50 fields: CPU/field flat", FIELDS, PER_FIELD.name, "50 fields", ("10 fields",), 1.25),
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
