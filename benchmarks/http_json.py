"""Requests per second, and CPU microseconds per request, of a small JSON route beside uvicorn and aiohttp.

    python benchmarks/http_json.py [--rounds 5] [--seconds 3] [--connections 64] [--load auto|wrk|python]

All servers run in the same minutes on the same core, in turns; the load runs on another core. The medians of the
rounds are compared. CPU time is the server process's own, as the kernel counts it, so it does not depend on how
fast the load generator is. Every server's answer is checked before each round.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.servers import ANSWER, PATH, SERVERS  # noqa: E402 - as a script this file has to find its package first

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
PINNED = len(CORES) > 1


class Round(NamedTuple):
    """One server's figures in one round; `cpu` is microseconds per request, None where the system does not say."""

    rate: float
    cpu: float | None


class Failed(Exception):
    """A server did not answer as it should; no figure of such a run means anything."""


@contextmanager
def on_core(index: int) -> Iterator[None]:
    """Processes started inside run on that core, from their first instruction on."""
    if not PINNED:
        yield
        return
    os.sched_setaffinity(0, {CORES[index]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


@contextmanager
def serving(name: str) -> Iterator[tuple[int, int]]:
    """Run a server on the first core; its process id and port."""
    with on_core(0):
        process = subprocess.Popen(
            [sys.executable, str(HERE / "servers.py"), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.strip().isdigit():
                raise Failed(f"{name} did not start")
            yield process.pid, int(line)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a process so far, from /proc; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(name: str, port: int) -> None:
    """Ask once, and raise `Failed` unless the answer is right."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", PATH)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    kind = (answer.getheader("content-type") or "").partition(";")[0]
    if answer.status != 200 or kind != "application/json" or json.loads(body) != ANSWER:
        raise Failed(f"{name} answered {answer.status} {kind} {body[:200]!r}")


def load_by_wrk(port: int, seconds: float, connections: int) -> tuple[int, float]:
    """Requests answered and seconds taken, by wrk."""
    # wrk takes whole seconds only.
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"http://127.0.0.1:{port}{PATH}"]
    with on_core(1):
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counted = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", told)
    if counted is None or "Non-2xx" in told or "Socket errors" in told:
        raise Failed(f"wrk: {told}")
    return int(counted[1]), float(counted[2]) * {"ms": 0.001, "s": 1, "m": 60}[counted[3]]


def load_by_python(port: int, seconds: float, connections: int) -> tuple[int, float]:
    """Requests answered and seconds taken, by load.py."""
    command = [sys.executable, str(HERE / "load.py"), str(port), PATH, str(seconds), str(connections)]
    with on_core(1):
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if told["errors"] or json.loads(told["body"]) != ANSWER:
        raise Failed(f"load.py: {told}")
    return told["requests"], told["seconds"]


def measure(pid: int, load: Callable[[], tuple[int, float]]) -> Round:
    """One round against one server."""
    before = cpu_seconds(pid)
    requests, seconds = load()
    after = cpu_seconds(pid)
    spent = None if before is None or after is None else after - before
    return Round(requests / seconds, None if spent is None else spent * 1e6 / requests)


def table(rounds: dict[str, list[Round]]) -> Iterator[str]:
    """The medians, and how many times the first server's they are."""
    yield f"{'server':<10}{'requests/s':>12}{'(worst':>10}{'best)':>10}{'CPU us/request':>16}{'rate':>8}{'CPU':>8}"
    first: tuple[float, float | None] | None = None
    for name, measured in rounds.items():
        rates = [one.rate for one in measured]
        spent = [one.cpu for one in measured if one.cpu is not None]
        rate, cpu = median(rates), median(spent) if spent else None
        first = first or (rate, cpu)
        row = f"{name:<10}{rate:>12,.0f}{min(rates):>10,.0f}{max(rates):>10,.0f}"
        row += f"{cpu:>16.2f}" if cpu is not None else f"{'-':>16}"
        row += f"{rate / first[0]:>7.2f}x"
        yield row + (f"{cpu / first[1]:>7.2f}x" if cpu and first[1] else f"{'-':>8}")


def run(names: Sequence[str], tool: str, rounds: int, seconds: float, connections: int) -> dict[str, list[Round]]:
    """Measure every server in turns; raises `Failed` for a wrong answer."""
    by = load_by_wrk if tool == "wrk" else load_by_python
    measured: dict[str, list[Round]] = {name: [] for name in names}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(name)) for name in names}
        for number in range(rounds + 1):
            for name, (pid, port) in servers.items():
                if sys.stderr.isatty():
                    what = f"round {number} of {rounds}" if number else "warming up"
                    print(f"\r\033[K{what}: {name}", end="", file=sys.stderr, flush=True)
                check(name, port)
                one = measure(pid, partial(by, port, seconds if number else min(seconds, 1), connections))
                if number:  # the first turn only warms up
                    measured[name].append(one)
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    return measured


def main() -> int:
    """Measure and print; 1 when a server answered wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each round and server")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--load", choices=["auto", "wrk", "python"], default="auto")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS))
    options = parser.parse_args()
    tool = ("wrk" if shutil.which("wrk") else "python") if options.load == "auto" else options.load
    pinned = f"server on core {CORES[0]}, load on core {CORES[1]}" if PINNED else "not pinned to cores"
    print(f"JSON route, {options.connections} keep-alive connections, load by {tool}, {pinned};")
    print(f"medians of {options.rounds} rounds of {options.seconds:g} s, in turns; x: times the first server's figure")
    try:
        rounds = run(options.servers, tool, options.rounds, options.seconds, options.connections)
    except Failed as error:
        print(f"http_json: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
