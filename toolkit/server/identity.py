"""Which process this is: the one that was started, a worker that serves, or one of a pool that runs handlers.

One of a pool must know it while it imports the program, before anything of ours runs there. `multiprocessing` gives a
process its name by then, so that the name says it.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import Final, Literal

from toolkit.errors import UseError

__all__ = ["Process", "check_may_serve", "current_process", "of_name", "this_is"]

NAME: Final = "toolkit-pool"


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a program: `kind` is "main", "worker" (of `run(workers=N)`) or "pool" (it runs handlers).

    `number` is 0 for the main one; workers and the processes of a pool are counted from 1, to `count`. A process that
    takes another's place has its number.
    """

    kind: Literal["main", "worker", "pool"] = "main"
    number: int = 0
    count: int = 1

    @property
    def pid(self) -> int:
        """The system's number for it."""
        return os.getpid()

    @property
    def name(self) -> str:
        """What `multiprocessing` is to call it, if it is of a pool."""
        return f"{NAME}-{self.number}-of-{self.count}"


def of_name(name: str) -> Process:
    """The process that `multiprocessing` calls so."""
    found = re.fullmatch(rf"{NAME}-(\d+)-of-(\d+)", name)
    return Process() if found is None else Process("pool", int(found[1]), int(found[2]))


def _first() -> Process:
    processes = sys.modules.get("multiprocessing.process")
    return Process() if processes is None else of_name(processes.current_process().name)


_this = _first()


def current_process() -> Process:
    """The process that this code runs in."""
    return _this


def this_is(process: Process) -> None:
    """From now on the process is this one; said once, as it begins."""
    global _this
    _this = process


def check_may_serve(call: str) -> None:
    """Raises `UseError` in a process that runs handlers: it imports the program, and must not serve it once more."""
    if _this.kind == "pool":
        raise UseError(
            f"{call} in a process that runs handlers: it imports the program to find them, and would serve it once "
            'more. Put what starts the server below `if __name__ == "__main__":`'
        )
