"""Static files: requests a second for one of 10 KiB, CPU seconds per gigabyte for a large one, beside nginx.

    python -m benchmarks.files [--quick] [--size MIB]

Ours has three ways: `web.static`, which keeps the small one in memory and looks at it once a second; and handlers that
open it for every request, and either send it with `send_file` or read and return its bytes. `web.static` and nginx send
validators, all have the date, the length and a content type in their answers.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bulk import CPU as BULK_CPU
from benchmarks.bulk import RATE as BULK_RATE
from benchmarks.bulk import of_server
from benchmarks.core.bench import Row
from benchmarks.core.load import CPU, RATE, RAW_CLIENT, Load, fetch, loading
from benchmarks.core.payload import pieces
from benchmarks.core.processes import Failed, Peer
from benchmarks.core.program import main
from benchmarks.core.results import Figures, Target

if TYPE_CHECKING:
    from benchmarks.core.bench import Bench
    from benchmarks.core.processes import Child

SMALL = 10 * 1024  # bytes
SMALL_TITLE = "10 KiB, 64 connections"
LARGE_TITLE = "a large file"
#: Contestant: the server, and where the files are on it.
WAYS = {
    "toolkit static": ("toolkit", "/static/"),
    "toolkit send_file": ("toolkit", "/sendfile/"),
    "toolkit bytes": ("toolkit", "/bytes/"),
    "nginx": ("nginx", "/"),
}


def servers(folder: Path) -> tuple[Peer, ...]:
    """Both with the same folder."""
    files = ("--files", str(folder))
    return (
        Peer("toolkit", "benchmarks.servers.toolkit", files),
        Peer("nginx", "benchmarks.servers.nginx", files, needs=("nginx",)),
    )


def turn(load: Load, server: Child, path: str, body: bytes) -> Figures:
    """Check, then load."""
    status, _, received = fetch(server, path)
    if status != 200 or received != body:
        raise Failed(f"{server.peer.name} answered {path} with {status} and {len(received)} bytes")
    return load.on(server, path)


def measure(bench: Bench) -> None:
    """The small file, then the large one."""
    body, size = b"".join(pieces(SMALL)), bench.options.size
    with tempfile.TemporaryDirectory(prefix="bench-files-") as scratch, loading(bench) as load:
        folder = Path(scratch)
        (folder / "small").write_bytes(body)
        with (folder / "large").open("wb") as file:
            file.writelines(pieces(size))
        with bench.start(servers(folder)) as running, bench.one(RAW_CLIENT) as client:
            ways = {name: (running[which], path) for name, (which, path) in WAYS.items() if which in running}
            turns = {name: partial(turn, load, server, f"{path}small", body) for name, (server, path) in ways.items()}
            bench.compare(SMALL_TITLE, [RATE, CPU], turns)
            turns = {
                name: partial(of_server, client, server, "download", url=f"{server.url}{path}large", size=size)
                for name, (server, path) in ways.items()
                if path != "/bytes/"  # nobody reads a gigabyte into memory for each request
            }
            bench.compare(LARGE_TITLE, [BULK_CPU, BULK_RATE], turns)


ROW = Row(
    "files",
    "Static files",
    "A file of 10 KiB over 64 keep-alive connections, and a large one, which both servers send by sendfile(2). Ours "
    "has the small file in memory (`web.static`), or opens it for every request and either sends it by `send_file` or "
    "returns its bytes.",
    (
        Target("10 KiB: requests/s at least nginx's", SMALL_TITLE, RATE.name, "toolkit static", ("nginx",), 1.0),
        Target("large: CPU at most 1.2 x nginx's", LARGE_TITLE, BULK_CPU.name, "toolkit static", ("nginx",), 1.2),
    ),
    measure,
)

if __name__ == "__main__":
    sys.exit(main(ROW))
