"""Contestants as processes: started on their core, spoken to by lines of JSON, ended with the benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.core.machine import cpu_seconds, on_core, resident_bytes
from benchmarks.core.results import ROOT

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.core.environment import Environment

__all__ = ["Child", "Failed", "NotStarted", "Peer"]

START: Final = 40  # seconds until a contestant must be ready: Rust ones load quickly, a cold disk does not
JOB: Final = 300  # and until a job must be done


class Failed(Exception):
    """A contestant did not answer as it should; no figure of such a run means anything."""


class NotStarted(Failed):
    """A contestant did not even start."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A contestant: the name in tables, the program that runs it, and what that needs to be installed."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    path: str = ""  # what is asked of a server, where that differs from the usual


# As `-m` does, with this folder behind what is installed: its `toolkit` is the source, not the product.
RUN_MODULE: Final = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); del sys.argv[0]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


class Child:
    """A running contestant. `core` 0 is the measured one, 1 the load's, None any."""

    def __init__(self, environment: Environment, peer: Peer, core: int | None) -> None:
        self.peer = peer
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        self._received = b""
        command = [environment.python, "-P", "-c", RUN_MODULE, str(ROOT), peer.module, *peer.arguments]
        with on_core(core):
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                start_new_session=True,  # its children end with it: see benchmarks.core.child
            )
        self.pid = self._process.pid
        try:
            facts = self._line(START)
        except Failed as error:
            self.close()
            raise NotStarted(str(error)) from None
        self.port = int(str(facts.get("port", 0)))

    @property
    def url(self) -> str:
        """The server's origin, without a slash behind it."""
        scheme = "https" if "--tls" in self.peer.arguments else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self.pid)

    @property
    def memory(self) -> int:
        """Bytes held now."""
        return resident_bytes(self.pid)

    def do(self, job: str, **details: object) -> dict[str, float]:
        """Have a job done; what came of it. Raises `Failed` with the contestant's own words."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"job": job, **details}).encode() + b"\n")
        told = self._line(JOB)
        if "error" in told:
            raise Failed(f"{self.peer.name}, {job}: {told['error']}")
        return {name: float(str(value)) for name, value in told.items()}

    def _line(self, seconds: float) -> dict[str, object]:
        assert self._process.stdout is not None
        end = time.monotonic() + seconds
        while b"\n" not in self._received:
            if not select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                raise Failed(f"{self.peer.name} said nothing for {seconds:g} s{self._last_words()}")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise Failed(f"{self.peer.name} ended{self._last_words()}")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        try:
            told = json.loads(line)
        except ValueError:
            return self._line(end - time.monotonic())  # a library that greets on standard output
        return told if isinstance(told, dict) else self._line(end - time.monotonic())

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def close(self) -> None:
        """End it; by force when it does not go by itself."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
