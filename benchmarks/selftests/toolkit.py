"""The signaling self-test of this package: `examples/signaling.py --test` as a job."""

from __future__ import annotations

import asyncio

from benchmarks.core.child import jobs, reply
from examples.signaling import self_test
from toolkit import run


def main() -> None:
    """Run the self-test for each job."""
    for job in jobs():
        pairs, size, chunks = (int(str(job[name])) for name in ("pairs", "size", "chunks"))
        report = run(asyncio.wait_for(self_test(pairs, size, chunks), 60))
        if report.ok:
            reply({"bytes": report.bytes, "seconds": report.seconds})
        else:
            reply({"error": report.table().splitlines()[-1]})


if __name__ == "__main__":
    main()
