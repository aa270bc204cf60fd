"""The machine: its cores, what a process costs it, what it is called."""

from __future__ import annotations

import os
import platform
import resource
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CORES",
    "cpu_by_process",
    "cpu_seconds",
    "describe",
    "has_ktls",
    "on_core",
    "raise_file_limit",
    "resident_bytes",
]

CORES: Final = sorted(os.sched_getaffinity(0))
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@contextmanager
def on_core(index: int | None) -> Iterator[None]:
    """Processes started inside run on that core (0: the measured one, 1: the load), from their first instruction on.

    On a machine with one core, and for None, they run anywhere.
    """
    if index is None or len(CORES) < 2:
        yield
        return
    os.sched_setaffinity(0, {CORES[index]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def family(pid: int) -> list[int]:
    """The process and those that it started, and they in turn: a server may be several."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:  # it ended since
                continue
            parent = int(stat.rpartition(")")[2].split()[1])  # the name before it may hold anything
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_by_process(pid: int) -> dict[int, float]:
    """User and system seconds that a process has had so far, and each that it started and that still runs.

    Read from the process's own CPU clock, which counts nanoseconds where /proc counts hundredths of a second.
    """
    # The kernel's name for "CPU clock of process pid"; clock_getcpuclockid(3) makes the same, and Python has none.
    return {one: time.clock_gettime((~one << 3) | 2) for one in family(pid)}


def cpu_seconds(pid: int) -> float:
    """All of them together."""
    return sum(cpu_by_process(pid).values())


def resident_bytes(pid: int) -> int:
    """Memory that a process and its children hold, in bytes (the resident set)."""
    return sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid)) * PAGE


def raise_file_limit(wanted: int) -> int:
    """Let this process and those it starts open `wanted` files, or as many as it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        except (ValueError, OSError):  # only root may raise the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def has_ktls() -> bool:
    """Whether the kernel can encrypt what a socket sends (the module `tls`)."""
    try:
        return "tls" in Path("/proc/sys/net/ipv4/tcp_available_ulp").read_text().split()
    except OSError:
        return False


def describe() -> dict[str, str]:
    """What the figures were measured on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = " ".join(line.partition(":")[2].split())
            break
    return {
        "CPU": model,
        "cores": str(len(CORES)) if len(CORES) > 1 else "1, for the load as well",
        "kernel": f"{platform.system()} {platform.release()}",
    }
