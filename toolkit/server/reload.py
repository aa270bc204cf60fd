"""Reloading while one develops: what is watched, which changes count, and when the program is started anew.

No process, file system event or clock is touched here. `Reloader` is told what happened, and when; each method returns
what is to be done about it, and `next_at` says when to ask again by `tick`.

A change ends the process that serves, gracefully, and starts the next one when that has ended. An old one that has
streams open is waited for no longer than `PATIENCE`: it finishes them, within its grace, beside the new one. Source
that Python cannot read is told, and the old process serves on. A process that fails leaves nobody who serves: requests
wait in the queue of the listening socket, which is never closed, for the process that the next change starts.
"""

from __future__ import annotations

import logging
import os
import traceback
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from toolkit.errors import UseError

__all__ = ["End", "Kill", "Launch", "Reload", "Reloader", "counts", "unreadable"]

log = logging.getLogger("toolkit.server")

PATIENCE: Final = 1.0  # seconds: an application without open streams ends in a fifth of it
HASTE: Final = 0.5  # seconds: a terminal's Ctrl-C reaches the whole group, and wrappers pass it on once more
LATE: Final = 10.0  # seconds past its grace, for exit hooks; then a process is taken to hang


@dataclass(frozen=True)
class Reload:
    """`web.run(reload=Reload(...))`: what is watched.

    `paths` are folders and files, by default the program's folder and the working directory; folders are watched with
    all that is below them, but for those of tools (`.git`, `__pycache__`, `.venv`, `node_modules`, ...). `patterns` say
    which files count: by name, or by the end of the path, as in "templates/*.html". Raises `UseError` for a path that
    is not there.
    """

    paths: Sequence[str | os.PathLike[str]] = ()
    patterns: Sequence[str] = ("*.py",)

    def __post_init__(self) -> None:
        for name, value in (("paths", self.paths), ("patterns", self.patterns)):
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise UseError(f"Reload({name}={value!r}): expected a list, [{value!r}]")
        for path in self.paths:
            if not Path(path).exists():
                raise UseError(f"Reload(paths=...): there is no {os.fspath(path)!r} in {os.getcwd()}")

    def watched(self, program: str) -> list[str]:
        """The folders and files to watch; `program` is the path of what was run, or ""."""
        if self.paths:
            return [os.path.abspath(path) for path in self.paths]
        folder = os.path.dirname(os.path.abspath(program)) if os.path.isfile(program) else os.getcwd()
        above = os.getcwd()
        return [above] if PurePath(folder).is_relative_to(above) else [folder, above]


def counts(path: str, patterns: Sequence[str]) -> bool:
    """Whether a change of this file is one of the program."""
    return any(PurePath(path).match(pattern) for pattern in patterns)


def unreadable(paths: Iterable[str]) -> dict[str, str]:
    """Of these files the ones that hold Python which cannot be compiled, and what is wrong with each."""
    found = {}
    for path in sorted(paths):
        if path.endswith(".py"):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # they are told when the file is imported
                    compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError) as error:  # ValueError: NUL bytes, before 3.12
                found[path] = "".join(traceback.format_exception_only(error)).rstrip()
            except OSError:
                pass  # it is gone, or nobody's to read: whoever imports it will say so
    return found


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the program."""


@dataclass(frozen=True, slots=True)
class End:
    """Tell this process to end gracefully."""

    pid: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End this process at once."""

    pid: int


Command = Launch | End | Kill


class Reloader:
    """One process that serves, and those before it that are still at their end; `grace` in seconds, None: no end."""

    def __init__(self, grace: float | None) -> None:
        self.grace = grace
        self._current: int | None = None
        self._ending: dict[int, float | None] = {}  # when each is killed
        self._due: float | None = None  # when the next one is started, whoever is still at it
        self._waits_for: int | None = None
        self._stopped: float | None = None  # when the end began
        self._finished = False

    @property
    def over(self) -> bool:
        """Nothing is left to do."""
        return (self._finished or self._stopped is not None) and self._current is None and not self._ending

    @property
    def pids(self) -> list[int]:
        """The processes that have been started and have not ended."""
        return [*self._ending, *([] if self._current is None else [self._current])]

    def next_at(self) -> float | None:
        """When `tick` has something to do; None: not before something happens."""
        return min((at for at in (self._due, *self._ending.values()) if at is not None), default=None)

    def started(self, pid: int) -> None:
        """The process exists."""
        self._current = pid

    def changed(self, now: float) -> list[Command]:
        """The source is another."""
        if self._stopped is not None or self._finished or self._due is not None:
            return []  # what is about to start reads the newest source
        if self._current is None:
            return [Launch()]
        old, self._current = self._current, None
        self._due, self._waits_for = now + PATIENCE, old
        return [self._end(old, now)]

    def ended(self, pid: int, code: int) -> list[Command]:
        """The process is gone: its exit code, or negative the signal that ended it."""
        if pid == self._current:
            self._current = None
            if code == 0:
                self._finished = True  # the application said `exit()`, or the program came to its end
            elif self._stopped is None:
                how = f"exit code {code}" if code > 0 else f"signal {-code}"
                log.warning("the program ended with %s; requests wait for the next change", how)
            return []
        self._ending.pop(pid, None)
        return self._go_on() if pid == self._waits_for else []

    def tick(self, now: float) -> list[Command]:
        """What has fallen due."""
        commands: list[Command] = []
        for pid, at in self._ending.items():
            if at is not None and at <= now:
                self._ending[pid] = None
                log.error("process %d did not end in time and is killed", pid)
                commands.append(Kill(pid))
        if self._due is not None and self._due <= now:
            log.warning("the old process has work to finish, the new one starts beside it")
            commands += self._go_on()
        return commands

    def stop(self, now: float) -> list[Command]:
        """SIGINT or SIGTERM: the graceful end; the second time, at once."""
        if self._stopped is None:
            self._stopped = now
            self._due = self._waits_for = None
            old, self._current = self._current, None
            return [] if old is None else [self._end(old, now)]
        return [] if now - self._stopped < HASTE else [Kill(pid) for pid in self.pids]

    def _end(self, pid: int, now: float) -> End:
        self._ending[pid] = None if self.grace is None else now + self.grace + LATE
        return End(pid)

    def _go_on(self) -> list[Command]:
        self._due = self._waits_for = None
        return [Launch()]
