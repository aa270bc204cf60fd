"""Which of several workers looks at the clock: the one that holds a lock on a file that all of them inherited.

The locks are POSIX record locks: each process has its own on a descriptor that was forked, and the kernel takes them
away from one that dies, however it does. Byte 0 is the lead. A worker that is told to end lets go of it at once, though
it may have minutes of work to finish; so each job has a byte of its own as well, held while a run of it lasts, and the
next leader finds it busy.

The file's first bytes say until when a leader has looked: its successor goes on from there, so that no time is lost
with a worker, and none is kept twice.
"""

from __future__ import annotations

import os
import struct
import tempfile
import time
from typing import IO, Final
from zlib import crc32

try:
    import fcntl
except ImportError:  # no Unix, hence no workers
    fcntl = None  # type: ignore[assignment]

__all__ = ["Lead"]

LOOKED: Final = struct.Struct("dd")  # monotonic, wall


class Lead:
    """Made before the workers are; each of them has it, and asks."""

    def __init__(self) -> None:
        self.origin = time.monotonic()  # where intervals are counted from, in every worker
        self._file = _nameless_file()
        self._held: dict[str, int] = {}  # runs by the job's name
        self._leads = False
        self.since: tuple[float, float] | None = None  # see `take`

    def take(self) -> bool:
        """Whether this process leads, now or already.

        From then on `since` is until when anybody has looked before it, by the two clocks; None if nobody has.
        """
        if not self._leads:
            self._leads = self._lock(0)
            if self._leads:
                self.since = self._last_look()
        return self._leads

    def release(self) -> None:
        """Let another one lead."""
        if self._leads:
            self._leads = False
            self._unlock(0)

    def hold(self, job: str) -> bool:
        """A run of this job begins; False where another process has one."""
        if job not in self._held and not self._lock(_byte(job)):
            return False
        self._held[job] = self._held.get(job, 0) + 1
        return True

    def let_go(self, job: str) -> None:
        """A run of it has ended."""
        self._held[job] -= 1
        if not self._held[job]:
            del self._held[job]
            self._unlock(_byte(job))

    def looked(self, monotonic: float, wall: float) -> None:
        """What was due until then is seen to."""
        os.pwrite(self._file.fileno(), LOOKED.pack(monotonic, wall), 0)

    def _last_look(self) -> tuple[float, float] | None:
        found = os.pread(self._file.fileno(), LOOKED.size, 0)
        if len(found) < LOOKED.size:
            return None
        monotonic, wall = LOOKED.unpack(found)
        return monotonic, wall

    def close(self) -> None:
        """In the process that made it."""
        self._file.close()

    def _lock(self, byte: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError:  # EACCES or EAGAIN: somebody has it
            return False
        return True

    def _unlock(self, byte: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)


def _nameless_file() -> IO[bytes]:
    """In memory where that can be: a server need have no folder that it may write to."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("toolkit-jobs"), "w+b")
    return tempfile.TemporaryFile()


def _byte(job: str) -> int:
    """A job's byte; locks may be beyond a file's end. Two jobs of one byte would only wait for each other."""
    return 1 + crc32(job.encode("utf-8", "surrogatepass"))
