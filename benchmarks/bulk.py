"""Moving a large body: CPU seconds per gigabyte of the end that is measured.

    python -m benchmarks.bulk [--quick] [--size MIB]

A server that sends, a server that receives, a client that receives, a client that sends, each with a length and in
chunks, beside a bare uvloop protocol; and a server that sends back what it receives. The other end is a bare protocol
on the other core. Before the rounds, bodies in both directions are compared by checksum.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.core.bench import MIB, Row
from benchmarks.core.load import RAW_CLIENT
from benchmarks.core.processes import Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Quantity, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

OURS = Peer("toolkit", "benchmarks.servers.toolkit")
RAW = Peer("raw protocol", "benchmarks.servers.raw")
CLIENTS = (
    Peer("toolkit", "benchmarks.clients.toolkit"),
    Peer("raw protocol", "benchmarks.clients.raw"),
    Peer("wreq", "benchmarks.clients.wreq", needs=("wreq",)),
    Peer("pyreqwest", "benchmarks.clients.pyreqwest", needs=("pyreqwest",)),
    Peer("aiohttp", "benchmarks.clients.aiohttp", needs=("aiohttp",)),
    Peer("httpx", "benchmarks.clients.httpx", needs=("httpx",)),
)
ECHOES = (
    OURS,
    Peer("aiohttp", "benchmarks.servers.aiohttp", needs=("aiohttp",)),
    Peer("granian RSGI", "benchmarks.servers.granian", ("rsgi",), needs=("granian", "uvicorn")),
    Peer("granian ASGI", "benchmarks.servers.granian", ("asgi",), needs=("granian", "uvicorn")),
    Peer("uvicorn", "benchmarks.servers.asgi", ("bare",), needs=("uvicorn",)),
)
FRAMINGS = {"length": "with a length", "chunked": "chunked"}
ECHO = "a server that echoes, with a length"
CPU = Quantity("CPU s/GB", "less", 3)
RATE = Quantity("MB/s", "more")


def figures(size: float, cpu: float, seconds: float) -> Figures:
    """The quantities of one transfer."""
    return {CPU.name: cpu / size * 1e9, RATE.name: size / 1e6 / seconds}


def of_server(client: Child, server: Child, job: str, **details: object) -> Figures:
    """A transfer of which the server is measured."""
    before = server.cpu
    told = client.do(job, **details)
    return figures(told["bytes"], server.cpu - before, told["seconds"])


def of_client(client: Child, job: str, **details: object) -> Figures:
    """A transfer of which the client is measured."""
    told = client.do(job, **details)
    return figures(told["bytes"], told["cpu"], told["seconds"])


def source(server: Child, size: int, framing: str) -> dict[str, object]:
    """What a client has to know for a download."""
    return {"url": f"{server.url}/source?size={size}&framing={framing}", "size": size}


def sink(server: Child, size: int, framing: str) -> dict[str, object]:
    """What a client has to know for an upload."""
    return {"url": f"{server.url}/sink", "size": size, "framing": framing}


WAYS = {"download": ("sends", source), "upload": ("receives", sink)}


def measure_servers(bench: Bench) -> None:
    """Our server beside a bare protocol."""
    with bench.start((OURS, RAW)) as servers, bench.one(RAW_CLIENT) as client:
        client.do("check", origin=servers["toolkit"].url, size=MIB)
        for framing, said in FRAMINGS.items():
            for job, (verb, details) in WAYS.items():
                turns = {
                    name: partial(of_server, client, server, job, **details(server, bench.options.size, framing))
                    for name, server in servers.items()
                }
                bench.compare(f"a server that {verb}, {said}", [CPU, RATE], turns)


def measure_clients(bench: Bench) -> None:
    """Our client beside others."""
    with bench.one(OURS) as checker, bench.one(RAW) as server, bench.start(CLIENTS) as clients:
        for client in clients.values():
            client.do("check", origin=checker.url, size=MIB)
        for framing, said in FRAMINGS.items():
            for job, (_, details) in WAYS.items():
                verb = {"download": "receives", "upload": "sends"}[job]
                turns = {
                    name: partial(of_client, client, job, **details(server, bench.options.size, framing))
                    for name, client in clients.items()
                }
                bench.compare(f"a client that {verb}, {said}", [CPU, RATE], turns)


def measure_echo(bench: Bench) -> None:
    """A body that comes back while it is sent."""
    with bench.start(ECHOES) as servers, bench.one(RAW_CLIENT) as client:
        for server in servers.values():
            client.do("echo", url=f"{server.url}/echo", size=MIB // 2)
        turns = {
            name: partial(of_server, client, server, "echo", url=f"{server.url}/echo", size=bench.options.size)
            for name, server in servers.items()
        }
        bench.compare(ECHO, [CPU, RATE], turns)


def measure(bench: Bench) -> None:
    """All of it."""
    measure_servers(bench)
    measure_clients(bench)
    measure_echo(bench)


def targets() -> tuple[Target, ...]:
    """Beside the bare protocol in each way, and the echo."""
    found = [
        Target(f"{end}: CPU at most {bound:g} x a bare protocol's", end, CPU.name, "toolkit", ("raw protocol",), bound)
        for framing, bound in (("with a length", 1.3), ("chunked", 1.5))
        for end in (f"a {who} that {verb}, {framing}" for who in ("server", "client") for verb in ("sends", "receives"))
    ]
    return (*found, Target(f"{ECHO}: CPU at most 0.9 x aiohttp's", ECHO, CPU.name, "toolkit", ("aiohttp",), 0.9))


ROW = Row(
    "bulk",
    "Moving a large body",
    "One large body through a server or a client, in pieces of 64 KiB: CPU time of that end for each gigabyte. The raw "
    "protocol is a uvloop protocol that counts what it gets and trusts its peer; in chunks it does not look at them.",
    targets(),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
