"""TLS: requests a second of the small JSON answer, and CPU seconds per gigabyte of a large body.

    python -m benchmarks.tls [--quick] [--size MIB]

Ours on the loop's transports and on those of aiofastnet; with kernel TLS where the kernel has it. All with TLS 1.3, an
elliptic curve's key, and the library's own choice of cipher.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bulk import CPU as BULK_CPU
from benchmarks.bulk import RATE as BULK_RATE
from benchmarks.bulk import of_server
from benchmarks.core.bench import MIB, Row
from benchmarks.core.certificate import certificate
from benchmarks.core.load import CPU, RATE, RAW_CLIENT, check_json, loading
from benchmarks.core.machine import has_ktls
from benchmarks.core.payload import JSON_PATH
from benchmarks.core.processes import Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.load import Load
    from benchmarks.core.processes import Child

SMALL = "JSON, 64 keep-alive connections"
LARGE = "a large body, with a length"
OURS = "benchmarks.servers.toolkit"
FAST = "toolkit on aiofastnet"
SOURCE = "/source?size="


def servers(tls: tuple[str, ...]) -> tuple[Peer, ...]:
    """The contestants, with a certificate."""
    fast = (*tls, "--aiofastnet")
    kernel = (Peer(f"{FAST}, kTLS", OURS, (*fast, "--ktls"), needs=("aiofastnet",)),) if has_ktls() else ()
    return (
        Peer("toolkit", OURS, tls),
        Peer(FAST, OURS, fast, needs=("aiofastnet",)),
        *kernel,
        Peer("raw protocol", "benchmarks.servers.raw", tls),
        Peer("uvicorn", "benchmarks.servers.asgi", ("bare", *tls), needs=("uvicorn",)),
        Peer("aiohttp", "benchmarks.servers.aiohttp", tls, needs=("aiohttp",)),
    )


def turn(load: Load, server: Child) -> Figures:
    """Check, then load; the handshakes are part of it."""
    check_json(server)
    return load.on(server, JSON_PATH)


def measure(bench: Bench) -> None:
    """Small answers, then a large one."""
    if not has_ktls():
        bench.note("kernel TLS is left out: this kernel has no module tls")
    size = bench.options.size
    with (
        certificate(bench.environment) as folder,
        loading(bench) as load,
        bench.start(servers(("--tls", str(folder)))) as running,
        bench.one(RAW_CLIENT) as client,
    ):
        turns = {name: partial(turn, load, server) for name, server in running.items() if name != "raw protocol"}
        bench.compare(SMALL, [RATE, CPU], turns)
        turns = {}
        for name, server in running.items():
            client.do("compare", url=f"{server.url}{SOURCE}{MIB}", size=MIB)
            turns[name] = partial(of_server, client, server, "download", url=f"{server.url}{SOURCE}{size}", size=size)
        bench.compare(LARGE, [BULK_CPU, BULK_RATE], turns)


ROW = Row(
    "tls",
    "TLS",
    "The small JSON answer, and a large body, over TLS 1.3. The raw protocol is a uvloop protocol on uvloop's own TLS "
    "transport: what anything on that transport pays.",
    (
        Target("JSON: CPU at most that on aiofastnet", SMALL, CPU.name, "toolkit", (FAST,), 1.0),
        Target("a large body: CPU at most that on aiofastnet", LARGE, BULK_CPU.name, "toolkit", (FAST,), 1.0),
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
