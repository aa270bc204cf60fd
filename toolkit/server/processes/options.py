"""What may be said of a pool of processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.errors import UseError
from toolkit.server.identity import Process, current_process

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Processes", "worker_count"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Processes:
    """A pool of processes that run handlers; times in seconds, None for no bound.

    `initializer` is called once in each process before it takes calls: a function of a module, without arguments. Each
    object of this class is a pool of its own, shared by all routes that name it.
    """

    workers: int = 0  #: processes, a count; 0: one for each usable core, divided among the workers of `run(workers=N)`
    timeout: float | None = 15.0  #: for the answer, or a stream's next piece; then 503, and the process is killed
    queue: int = 64  #: requests that wait for a free process, a count, each for `timeout` at most; any more are 503
    recycle_after: int | None = None  #: calls, a count, after which a process is replaced by a fresh one
    start: float | None = 60.0  #: for a process to import the program
    initializer: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        _check_count("workers", self.workers, 0)
        _check_count("queue", self.queue, 0)
        if self.recycle_after is not None:
            _check_count("recycle_after", self.recycle_after, 1)
        for name in ("timeout", "start"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
                raise UseError(f"Processes({name}={value!r}): expected seconds above 0, or None")
        if self.initializer is not None and not callable(self.initializer):
            raise UseError(f"Processes(initializer={self.initializer!r}): expected a function without arguments")


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UseError(f"Processes({name}={value!r}): expected a whole number from {least} on")


def worker_count(workers: int, cores: int, here: Process | None = None) -> int:
    """How many processes a pool has: as many as were asked for, or this process's share of the cores."""
    if workers:
        return workers
    here = here or current_process()
    return max(1, cores // here.count if here.kind == "worker" else cores)
