"""The signaling self-test's megabytes per second: `examples/signaling.py --test`, several times.

    python benchmarks/signaling.py [--rounds 5] [OPTIONS OF THE SELF-TEST ...]

Each round is a new process; its options (`--concurrency`, `--payload-size`, `--chunk-range`) are passed on. Server and
peers share that process, so a megabyte counted here went through the server once and through two clients.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "signaling.py"
TOTAL = re.compile(r"^ *total .* ([\d,.]+)$", re.MULTILINE)


def main() -> int:
    """Run and print; the exit code of a self-test that fails is passed on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    options, of_the_test = parser.parse_known_args()
    rates: list[float] = []
    for number in range(1, options.rounds + 1):
        if sys.stderr.isatty():
            print(f"\r\033[Kround {number} of {options.rounds}", end="", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), "--test", *of_the_test], stdout=subprocess.PIPE, text=True, check=False
        )
        total = TOTAL.search(done.stdout)
        if done.returncode or total is None:
            print(done.stdout, end="")
            print(f"signaling: the self-test ended with {done.returncode}", file=sys.stderr)
            return done.returncode or 1
        rates.append(float(total[1].replace(",", "")))
        if number == options.rounds:
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr, flush=True)
            print(done.stdout, end="")
    print(f"{options.rounds} rounds: median {median(rates):.1f} MB/s, {min(rates):.1f} to {max(rates):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
