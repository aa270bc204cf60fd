"""Server to server: a file moves from one server into another, through a client that never holds it.

    python examples/relay.py                     # 256 MiB
    python examples/relay.py --size 1024         # MiB

    source server ═══ GET ═══▶ this client ═══ PUT ═══▶ target server

Between two TCP links the kernel moves the bytes: sendfile(2) out of the file, splice(2) from socket to socket. The
target hashes what arrives and answers with the checksum, which must be the one the file was made with.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from toolkit import App, Moved, Session, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit import Request

MB = 1_000_000  # bytes
MIB = 1024 * 1024


# --------------------------------------------------------------------------------------------------- the two servers


class Source:
    """Serves one file at /file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved = Moved()

    async def _file(self, r: Request) -> None:
        size = self.path.stat().st_size
        await r.prepare({"content-type": "application/octet-stream", "content-length": size})
        self.moved = await r.send_file(self.path)


class Target:
    """Takes uploads at /upload; answers with what it got: how many bytes, and their checksum."""

    async def _upload(self, r: Request) -> dict[str, object]:
        digest = hashlib.sha256()
        async for chunk in r:
            digest.update(chunk)
        return {"bytes": r.received_len, "sha256": digest.hexdigest()}


# ---------------------------------------------------------------------------------------------------------- the relay


@dataclass(frozen=True, slots=True)
class Report:
    """What was moved, how, and whether it came out right."""

    size: int
    sha256: str
    answer: object  # the target's, in JSON
    seconds: float
    sent: Moved  # by the source, out of its file
    relayed: Moved  # by the client, from one server to the other

    @property
    def ok(self) -> bool:
        """All bytes arrived, and they are the file's."""
        return self.answer == {"bytes": self.size, "sha256": self.sha256}

    def table(self) -> str:
        """A line for each hop, and one for the checksum."""
        head = f"{'hop':<20}{'bytes':>15}{'seconds':>10}{'MB/s':>10}  moved by"
        rule = "-" * (len(head) + 12)
        lines = [head, rule]
        for hop, moved in (("file to source", self.sent), ("source to target", self.relayed)):
            rate = moved.total / MB / self.seconds
            lines.append(f"{hop:<20}{moved.total:>15,}{self.seconds:>10.3f}{rate:>10.1f}  {methods(moved)}")
        verdict = "the target has the same" if self.ok else f"WRONG, the target has {self.answer}"
        return "\n".join([*lines, rule, f"sha256 {self.sha256[:16]}..: {verdict}"])


def methods(moved: Moved) -> str:
    """The ways bytes were moved, the largest first, with the share of each where there were several."""
    counts = {"splice": moved.splice, "sendfile": moved.sendfile, "copy": moved.copy}
    used = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    if len(used) < 2:
        return "".join(used) or "-"
    return ", ".join(f"{name} {counts[name]:,}" for name in used)


async def relay(path: Path, sha256: str) -> Report:
    """Serve the file at `path` from one server and relay it into another; `sha256` is what should arrive, in hex."""
    source, target = Source(path), Target()
    source_web, target_web = App(port=0), App(port=0)
    source_web.attach(source)
    target_web.attach(target)

    async with source_web, target_web, Session() as http:
        started = perf_counter()
        async with (
            http.get(f"{source_web.server_address}/file", decode=False) as download,
            http.put(f"{target_web.server_address}/upload", {"content-length": download.content_length}) as upload,
        ):
            relayed = await upload.relay(download)  # put(..., body=download) does the same, and tells no counts
            await upload.eof()
            answer = await upload.json()
        seconds = perf_counter() - started

    return Report(relayed.total, sha256, answer, seconds, source.moved, relayed)


def generate(path: Path, size: int) -> str:
    """Write `size` bytes to `path`, the same ones each time; their checksum in hex.

    Noise with a number in front of each block: no two blocks are alike, so a lost or repeated one changes the checksum.
    """
    noise = random.Random(256).randbytes(MIB)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(-(-size // MIB)):
            block = (number.to_bytes(8, "big") + noise[8:])[: size - number * MIB]
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------------------- the command line


def main(argv: Sequence[str] | None = None) -> int:
    """Generate, relay, print; the exit code."""
    parser = argparse.ArgumentParser(description="Relay a generated file from one server into another.")
    parser.add_argument("--size", type=int, default=256, metavar="MIB", help="of the file (%(default)s)")
    args = parser.parse_args(argv)
    if args.size <= 0:
        parser.error("--size: expected a number of MiB above zero")
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        path = Path(folder, "file.bin")
        expected = generate(path, args.size * MIB)
        report = run(relay(path, expected))
    print(report.table())
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
