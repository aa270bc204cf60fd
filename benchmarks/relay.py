"""A reverse proxy moves a large body from a server to a client: CPU seconds of the proxy per gigabyte.

    python -m benchmarks.relay [--quick] [--size MIB]

Between two TCP connections with a known length, where the kernel can move the bytes; then with TLS on one side, and in
chunks, where it cannot. The server behind and the client in front share the other core.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bulk import CPU, RATE, of_server
from benchmarks.core.bench import MIB, Row
from benchmarks.core.certificate import certificate
from benchmarks.core.load import RAW_CLIENT
from benchmarks.core.processes import Child, Peer
from benchmarks.core.program import main
from benchmarks.core.results import Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench

PLAIN = "known length, TCP on both sides"
TLS_OUT = "TLS to the client"
TLS_IN = "TLS to the server behind"
CHUNKED = "chunked"
SOURCE = "benchmarks.servers.raw"


def proxies(upstream: str, *tls: str) -> dict[str, Peer]:
    """The contestants, in front of a server."""
    return {
        "toolkit": Peer("toolkit", "benchmarks.proxies.toolkit", (upstream, *tls)),
        "HAProxy": Peer("HAProxy", "benchmarks.proxies.haproxy", (upstream,), needs=("haproxy",)),
        "splice loop": Peer("splice loop", "benchmarks.proxies.splice", (upstream,)),
        "nginx": Peer("nginx", "benchmarks.servers.nginx", (upstream, *tls), needs=("nginx",)),
        "aiohttp": Peer("aiohttp", "benchmarks.proxies.aiohttp", (upstream,), needs=("aiohttp",)),
    }


def compare(bench: Bench, title: str, source: Child, names: tuple[str, ...], framing: str, *tls: str) -> None:
    """One table."""
    peers = [peer for name, peer in proxies(source.url, *tls).items() if name in names]
    with bench.start(peers) as running, bench.one(RAW_CLIENT) as client:
        turns = {}
        for name, proxy in running.items():
            body = f"{proxy.url}/source?framing={framing}&size="
            client.do("compare", url=f"{body}{MIB}", size=MIB)
            size = bench.options.size
            turns[name] = partial(of_server, client, proxy, "download", url=f"{body}{size}", size=size)
        bench.compare(title, [CPU, RATE], turns)


def measure(bench: Bench) -> None:
    """With the kernel's help, then without."""
    both = ("toolkit", "nginx")
    with certificate(bench.environment) as folder:
        tls = ("--tls", str(folder))
        with bench.one(Peer("the source", SOURCE)) as source:
            compare(bench, PLAIN, source, ("toolkit", "HAProxy", "splice loop", "nginx", "aiohttp"), "length")
            compare(bench, TLS_OUT, source, both, "length", *tls)
            compare(bench, CHUNKED, source, (*both, "aiohttp"), "chunked")
        with bench.one(Peer("the source", SOURCE, tls)) as source:
            compare(bench, TLS_IN, source, both, "length")


ROW = Row(
    "relay",
    "A reverse proxy relays a large body",
    "A body goes from a server through a proxy to a client. HAProxy splices (`option splice-auto`); nginx does not "
    "buffer, and has buffers of 64 KiB; the splice loop is a blocking loop in Python that knows next to no HTTP.",
    (
        Target("CPU at most HAProxy's, with splice", PLAIN, CPU.name, "toolkit", ("HAProxy",), 1.0),
        *(
            Target(f"{title}: CPU at most nginx's", title, CPU.name, "toolkit", ("nginx",), 1.0)
            for title in (TLS_OUT, TLS_IN, CHUNKED)
        ),
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
