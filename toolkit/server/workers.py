"""Worker processes: several of them serve one application on one address, watched over by the process that began.

The supervisor binds the listening sockets, so that an address that cannot be had is one error and port 0 one port; it
forks the workers, passes signals on, and replaces what ends. What it decides, and when, is `supervision.py`; this file
carries it out. It has no event loop and no thread, and it never touches a connection.

Why fork. An `App` holds functions of `__main__`, closures and TLS contexts, none of which can be pickled for a fresh
interpreter; a fork has them all. A fork is sound as long as no event loop runs and no other thread holds a lock: here
nothing has begun yet, and the supervisor begins nothing. So that a worker is as good as a process of its own, it closes
what it inherited, gives signals back their meaning, and ends by `_exit`: the `finally` blocks and `atexit` functions
on its way out belong to the supervisor.

Signals. Ctrl-C goes to every process of the terminal's group, so workers take no notice of SIGINT and SIGHUP: they end
when the supervisor says so (SIGTERM), or when it is gone, which they see as the end of a pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import selectors
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn

from toolkit.errors import ToolkitError, UseError
from toolkit.protocol.aio.loop import loop_factory
from toolkit.server.identity import Process, this_is
from toolkit.server.jobs.lead import Lead
from toolkit.server.listening import Shares, address_of
from toolkit.server.supervision import Command, Kill, Refuse, Start, Supervisor, Tell

if TYPE_CHECKING:
    import ssl

    from toolkit.server.app import App

__all__ = ["run_workers", "usable_cores"]

log = logging.getLogger("toolkit.server")

# What a worker says to the supervisor, a byte each.
SERVES: Final = b"s"
LEAVES: Final = b"l"

SIGNALS: Final = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def usable_cores(quota: str = "/sys/fs/cgroup/cpu.max") -> int:
    """How many cores this process may use: those it may run on, or fewer where its control group has a quota."""
    count: int | None
    if sys.version_info >= (3, 13):
        count = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count()
    count = count or 1
    try:
        with open(quota, encoding="ascii") as file:
            micros, period = file.read().split()
        return max(1, min(count, math.ceil(int(micros) / int(period))))
    except (OSError, ValueError):  # no control groups, or "max": no quota
        return count


def run_workers(app: App, workers: int, host: str, port: int, unix: str | None, tls: ssl.SSLContext | None) -> None:
    """Serve `app` by `workers` processes (0: one for each usable core) until SIGINT, SIGTERM or `exit()`.

    Raises `NetworkError` when the address cannot be had, `UseError` where processes cannot be forked from, and
    `ToolkitError` when workers end before they serve.
    """
    _check(workers)
    count = workers or usable_cores()
    shares = Shares(count, host, port, unix)
    app._lead = lead = Lead()
    try:
        address = address_of(shares.of(0)[0], secure=tls is not None)
        log.info("listening on %s with %d workers, supervisor pid %d", address, count, os.getpid())
        supervisor = Supervisor(count, app.timeouts.grace)
        with _Processes(app, tls, shares, supervisor) as processes:
            processes.run()
    finally:
        shares.close()
        app._lead = None
        lead.close()
    if supervisor.failure is not None:
        raise ToolkitError(f"the workers cannot serve: {supervisor.failure}")


def _check(workers: int) -> None:
    if not isinstance(workers, int) or workers < 0:
        raise UseError(f"run(workers={workers!r}): expected a number of processes, or 0 for one on each usable core")
    if not hasattr(os, "fork"):
        raise UseError(f"run(workers={workers}) forks, which this platform cannot; run one process for each port")
    if threading.current_thread() is not threading.main_thread():
        raise UseError(f"run(workers={workers}) outside the main thread, which is the one that gets signals")
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        names = ", ".join(others)
        log.warning(
            "forking beside other threads (%s): they do not run in workers, and locks they hold stay held", names
        )


class _Processes:
    """The hands of a supervisor: forks, signals, and the pipes between it and its workers."""

    def __init__(self, app: App, tls: ssl.SSLContext | None, shares: Shares, supervisor: Supervisor) -> None:
        self._app = app
        self._tls = tls
        self._shares = shares
        self._supervisor = supervisor
        self._selector = selectors.DefaultSelector()
        self._voices: dict[int, int] = {}  # pid: the pipe that this worker speaks through
        self._woken, self._wake = os.pipe()  # a byte for each signal
        self._leash, self._held = os.pipe()  # ends when this process does
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def __enter__(self) -> _Processes:
        self._before = {number: signal.signal(number, _noted) or signal.SIG_DFL for number in SIGNALS}
        self._before_wake = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._before_wake)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._close()

    def _close(self) -> None:
        self._selector.close()
        for pipe in (*self._voices.values(), self._woken, self._wake, self._held, self._leash):
            os.close(pipe)
        self._voices.clear()

    def run(self) -> None:
        """Until the supervisor has nothing left to do."""
        supervisor = self._supervisor
        self._do(supervisor.begin())
        while not supervisor.over:
            at = supervisor.next_at()
            self._selector.select(None if at is None else max(0.0, at - time.monotonic()))
            for number in _read(self._woken) or b"":
                if number == signal.SIGHUP:
                    self._do(supervisor.renew(time.monotonic()))
                elif number != signal.SIGCHLD:
                    self._do(supervisor.stop(time.monotonic()))
            for pid in list(self._voices):
                self._hear(pid)
            for pid in supervisor.pids():
                self._reap(pid)
            self._do(supervisor.tick(time.monotonic()))

    def _do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Start(slot):
                    if not self._supervisor.is_stopping:
                        self._start(slot)
                case Tell(pid):
                    _send(pid, signal.SIGTERM)
                case Kill(pid):
                    _send(pid, signal.SIGKILL)
                case Refuse():
                    self._shares.close()

    # -- workers, seen from the supervisor ---------------------------------------------------------------------

    def _hear(self, pid: int) -> None:
        """What the worker said since."""
        pipe = self._voices.get(pid)
        said = None if pipe is None else _read(pipe)
        if pipe is None or said is None:
            return
        if not said:
            self._selector.unregister(pipe)
            os.close(self._voices.pop(pid))
        if SERVES in said:
            self._do(self._supervisor.serves(pid, time.monotonic()))
        if LEAVES in said:
            self._do(self._supervisor.leaves(pid, time.monotonic()))

    def _reap(self, pid: int) -> None:
        """Look whether it has ended."""
        code: int | None = None
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # somebody else waited for it
            pass
        else:
            if not ended:
                return
            code = os.waitstatus_to_exitcode(status)
        self._hear(pid)  # its last words
        pipe = self._voices.pop(pid, None)
        if pipe is not None:  # open still: its own children have it
            self._selector.unregister(pipe)
            os.close(pipe)
        self._do(self._supervisor.ended(pid, code, time.monotonic()))

    def _start(self, slot: int) -> None:
        _flush()  # or the worker would write what is buffered once more
        hearing, saying = os.pipe()
        os.set_blocking(hearing, False)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a signal meets the handlers that it is meant for
        try:
            pid = os.fork()
            if pid == 0:
                self._become_worker(slot, hearing, saying, mask)
        except OSError as error:
            os.close(hearing)
            self._do(self._supervisor.not_started(slot, error, time.monotonic()))
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(saying)
        self._voices[pid] = hearing
        self._selector.register(hearing, selectors.EVENT_READ)
        self._do(self._supervisor.started(slot, pid, time.monotonic()))

    # -- a worker, seen from itself ----------------------------------------------------------------------------

    def _become_worker(self, slot: int, hearing: int, saying: int, mask: set[int]) -> NoReturn:
        code = 1
        this_is(Process("worker", slot + 1, self._supervisor.count))
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, self._before[signal.SIGCHLD])
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until its loop runs
            leash = os.dup(self._leash)
            os.close(hearing)
            self._close()
            self._shares.keep(slot)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._app._inherited = self._shares.of(slot)
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(_work(self._app, self._tls, leash, saying))
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            log.critical("worker %d (pid %d) failed", slot + 1, os.getpid(), exc_info=True)
        finally:
            _flush()
            os._exit(code)


async def _work(app: App, tls: ssl.SSLContext | None, leash: int, saying: int) -> None:
    """Serve until the supervisor says so, or is gone, or the application ends itself."""
    loop = asyncio.get_running_loop()
    serving = loop.create_task(app.serve(tls=tls))
    told = False

    def end() -> None:
        nonlocal told
        if not told:  # a second cancellation would cut the graceful end short
            told = True
            loop.remove_reader(leash)
            serving.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_reader(leash, end)
    telling = loop.create_task(_tell(app, saying))
    try:
        await serving
    except asyncio.CancelledError:
        if not told:
            raise
    finally:
        telling.cancel()
    if not told:
        _say(saying, LEAVES)


async def _tell(app: App, saying: int) -> None:
    _ = await app.started()
    _say(saying, SERVES)


def _flush() -> None:
    """Whoever read what is printed may have left: no reason for a server to end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # somebody else waited for it


def _say(pipe: int, word: bytes) -> None:
    try:
        os.write(pipe, word)
    except BrokenPipeError:
        pass  # the supervisor is gone, which the leash tells, too


def _read(pipe: int) -> bytes | None:
    """What there is; b"" at its end, None where there is nothing yet."""
    try:
        return os.read(pipe, 4096)
    except BlockingIOError:
        return None


def _noted(number: int, frame: object) -> None:
    """The wake-up pipe has it. In a worker: the supervisor will say what it means."""
