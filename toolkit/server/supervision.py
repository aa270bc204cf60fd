"""What a supervisor of worker processes decides: when one is started, told to end, killed; when all of it is over.

No process, signal or clock is touched here. `Supervisor` is told what happened, and when; each method returns what is
to be done about it, and `next_at` says when to ask again by `tick`.

    STARTING   until each worker has served once. One that ends before it serves ends everything: whoever started the
               program is watching, and the next attempt would end the same way.
    SERVING    a worker that ends is replaced, at once the first time, and with a growing delay where it keeps ending
               soon after its start. Starts that fail while nobody serves are given up after `ATTEMPTS` of them.
    STOPPING   everybody was told to end; over when the last one has.

A renewal goes from slot to slot: start a second worker in it, wait until it serves, tell the first one to end. Where
the new one does not come to serve, the old one stays.

A worker ends by itself, in order, only because the application said `exit()`: that ends the whole application, as it
does with one process. One that was sent a signal by somebody else is replaced.
"""

from __future__ import annotations

import logging
import signal
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["Command", "Kill", "Phase", "Refuse", "Start", "Supervisor", "Tell", "delay_after", "manner"]

log = logging.getLogger("toolkit.server")

STEADY: Final = 10.0  # seconds: a worker that lived as long is no sign of one that cannot live
FIRST_DELAY: Final = 0.25  # seconds, doubled each time
LONGEST_DELAY: Final = 5.0  # seconds. Connections queue on the port's share of the missing worker meanwhile
ATTEMPTS: Final = 5  # starts in a row that fail, in one slot
HASTE: Final = 0.5  # seconds: shells and wrappers pass on a Ctrl-C that the whole group got already
LATE: Final = 10.0  # seconds past its grace, for exit hooks; then a worker is taken to hang


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker in this slot."""

    slot: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell this process to end gracefully."""

    pid: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End this process at once."""

    pid: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Stop listening."""


Command = Start | Tell | Kill | Refuse


class Phase(Enum):
    """See the module."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


@dataclass(slots=True, eq=False)
class _Worker:
    slot: _Slot
    pid: int
    began: float
    serves: bool = False
    told: bool = False
    kill_at: float | None = None

    def __str__(self) -> str:
        return f"worker {self.slot.number + 1} (pid {self.pid})"


@dataclass(slots=True, eq=False)
class _Slot:
    number: int
    current: _Worker | None = None  # who serves
    coming: _Worker | None = None  # who is being started
    due: float | None = None  # when the next one is started
    setbacks: int = 0  # workers in a row that ended soon
    attempts: int = 0  # starts in a row that failed


class Supervisor:
    """`count` workers; one that was told to end has `grace` seconds (None: as long as it takes) and a little more."""

    __slots__ = ("_renewing", "_slots", "_stopped", "_workers", "count", "failure", "grace", "phase")

    def __init__(self, count: int, grace: float | None) -> None:
        self.count = count
        self.grace = grace
        self.phase = Phase.STARTING
        self.failure: str | None = None  # why it gave up
        self._slots = [_Slot(number) for number in range(count)]
        self._workers: dict[int, _Worker] = {}
        self._renewing: list[_Slot] = []  # the first one is at it
        self._stopped = 0.0  # when the end began

    # -- asked -------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Nothing is left to do."""
        return self.phase is Phase.STOPPING and not self._workers

    @property
    def is_stopping(self) -> bool:
        """The end has begun."""
        return self.phase is Phase.STOPPING

    def pids(self) -> list[int]:
        """The processes that have been started and have not ended."""
        return list(self._workers)

    def next_at(self) -> float | None:
        """When `tick` has something to do; None: not before something happens."""
        times = [slot.due for slot in self._slots] + [worker.kill_at for worker in self._workers.values()]
        return min((at for at in times if at is not None), default=None)

    # -- told --------------------------------------------------------------------------------------------------

    def begin(self) -> list[Command]:
        """Start all of them."""
        return [Start(slot.number) for slot in self._slots]

    def started(self, number: int, pid: int, now: float) -> list[Command]:
        """The process exists."""
        slot = self._slots[number]
        self._workers[pid] = slot.coming = _Worker(slot, pid, now)
        return [] if self.phase is not Phase.STOPPING else self._tell(slot.coming, now)

    def not_started(self, number: int, error: OSError, now: float) -> list[Command]:
        """No process could be made."""
        slot = self._slots[number]
        return self._failed(slot, f"worker {number + 1} could not be started: {error}", now)

    def serves(self, pid: int, now: float) -> list[Command]:
        """The worker accepts connections."""
        worker = self._workers[pid]
        slot = worker.slot
        worker.serves = True
        log.info("%s serves", worker)
        if self.phase is Phase.STOPPING:
            return []
        old, slot.current, slot.coming, slot.attempts = slot.current, worker, None, 0
        if self.phase is Phase.STARTING and all(one.current is not None for one in self._slots):
            self.phase = Phase.SERVING
        commands = self._tell(old, now) if old is not None else []
        if slot in self._renewing:
            self._renewing.remove(slot)
            commands += self._renew_next()
        return commands

    def leaves(self, pid: int, now: float) -> list[Command]:
        """The application said `exit()` in this worker."""
        if self.phase is Phase.STOPPING:
            return []
        log.info("%s: the application ends", self._workers[pid])
        return self.stop(now)

    def ended(self, pid: int, code: int | None, now: float) -> list[Command]:
        """The process is gone: its exit code, or negative the signal that ended it; None where nobody knows."""
        worker = self._workers.pop(pid)
        slot = worker.slot
        what = f"{worker} {manner(code)}"
        expected = worker.told and code == 0
        if self.phase is Phase.STOPPING or worker.told:
            log.log(logging.INFO if expected else logging.WARNING, "%s", what)
            return []
        if slot.coming is worker:
            slot.coming = None
            return self._failed(slot, f"{what} before it served", now)
        slot.current = None
        slot.setbacks = 0 if now - worker.began >= STEADY else slot.setbacks + 1
        if slot.coming is not None:
            log.warning("%s while another is started", what)
            return []
        delay = delay_after(slot.setbacks)
        log.warning("%s; another is started%s", what, _when(delay))
        return self._start_after(delay, slot, now)

    def stop(self, now: float) -> list[Command]:
        """SIGTERM or SIGINT: the graceful end; the second time, at once."""
        if self.phase is not Phase.STOPPING:
            log.info("stopping")
            return self._stop(now)
        if now - self._stopped < HASTE:
            return []
        log.warning("told to stop once more: %d workers are killed", len(self._workers))
        return [Kill(pid) for pid in self._workers]

    def renew(self, now: float) -> list[Command]:
        """SIGHUP: each worker is replaced by a new one, in turn."""
        if self.phase is not Phase.SERVING:
            log.warning("no worker is replaced while the server is %s", self.phase.value)
            return []
        log.info("replacing %d workers", self.count)
        at_it = bool(self._renewing)
        self._renewing = self._renewing[:1] + [slot for slot in self._slots if slot not in self._renewing[:1]]
        return [] if at_it else self._renew_next()

    def tick(self, now: float) -> list[Command]:
        """What has fallen due."""
        commands: list[Command] = []
        for slot in self._slots:
            if slot.due is not None and slot.due <= now:
                slot.due = None
                commands.append(Start(slot.number))
        for worker in self._workers.values():
            if worker.kill_at is not None and worker.kill_at <= now:
                worker.kill_at = None
                log.error("%s did not end in time and is killed", worker)
                commands.append(Kill(worker.pid))
        return commands

    # -- decided -----------------------------------------------------------------------------------------------

    def _start_after(self, delay: float, slot: _Slot, now: float) -> list[Command]:
        slot.due = now + delay if delay else None
        return [] if delay else [Start(slot.number)]

    def _tell(self, worker: _Worker, now: float) -> list[Command]:
        worker.told = True
        worker.kill_at = None if self.grace is None else now + self.grace + LATE
        return [Tell(worker.pid)]

    def _stop(self, now: float) -> list[Command]:
        self.phase = Phase.STOPPING
        self._stopped = now
        self._renewing.clear()
        commands: list[Command] = [Refuse()]
        for slot in self._slots:
            slot.due = None
        for worker in self._workers.values():
            if not worker.told:
                commands += self._tell(worker, now)
        return commands

    def _failed(self, slot: _Slot, what: str, now: float) -> list[Command]:
        """A start came to nothing."""
        if self.phase is Phase.STOPPING:
            return []
        slot.attempts += 1
        nobody = not any(one.current is not None for one in self._slots)
        if self.phase is Phase.STARTING or (nobody and slot.attempts >= ATTEMPTS):
            self.failure = what
            log.error("%s; the server ends", what)
            return self._stop(now)
        if slot.current is not None and slot.attempts >= ATTEMPTS:
            log.error("%s; after %d attempts the old workers stay", what, slot.attempts)
            slot.attempts = 0
            self._renewing.clear()
            return []
        delay = delay_after(slot.attempts)
        log.error("%s; another is started%s", what, _when(delay))
        return self._start_after(delay, slot, now)

    def _renew_next(self) -> list[Command]:
        slot = self._renewing[0] if self._renewing else None
        if slot is None or slot.current is None or slot.coming is not None or slot.due is not None:
            return []  # none is left, or a new one is on its way: its turn ends when that one serves
        return [Start(slot.number)]


def delay_after(count: int) -> float:
    """Before the start that follows `count` setbacks in a row, in seconds."""
    return 0.0 if count <= 1 else min(LONGEST_DELAY, FIRST_DELAY * 2 ** (count - 2))


def _when(delay: float) -> str:
    return f" in {delay:g} s" if delay else ""


def manner(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "is gone"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
