"""Reloading, for real: the process that watches files, and the program that it runs in another one.

`web.run(reload=True)` is met twice. The first process binds the address, watches files, and starts the same command
line once more; what it decides, and when, is `reload.py`. The second process meets the same line, finds the listening
sockets that were left to it, and serves on them. A fork would not do: it has the old modules.

The sockets stay open in the first process, so that nobody is refused while one process follows another. Their numbers
come in an environment variable, with the process that they are meant for: programs that this one starts itself inherit
the variable, and must not take it for theirs.

Signals. The new process is started with SIGINT blocked: a terminal's Ctrl-C goes to the whole group, and in the middle
of an import it would end in a traceback. The first process passes it on as SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError
from toolkit.protocol.aio.loop import loop_factory
from toolkit.server.listening import Shares, address_of
from toolkit.server.reload import End, Kill, Launch, Reload, Reloader, counts, unreadable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from toolkit.server.app import App
    from toolkit.server.reload import Command

__all__ = ["run_reloading"]

log = logging.getLogger("toolkit.server")

VARIABLE: Final = "TOOLKIT_RELOADING"  # "parent's pid:leash:socket,socket"
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run_reloading(
    app: App, reload: bool | Reload, host: str, port: int, unix: str | None, tls: ssl.SSLContext | None
) -> None:
    """Serve `app` in another process, which is replaced when a file changes, until SIGINT, SIGTERM or `exit()`.

    In that other process: serve. Raises `NetworkError` when the address cannot be had, and `UseError` where it cannot
    be done.
    """
    left = os.environ.pop(VARIABLE, "").split(":")
    if left[0] == str(os.getppid()):
        _serve(app, tls, int(left[1]), [int(number) for number in left[2].split(",")])
        return
    if reload is not True and not isinstance(reload, Reload):
        raise UseError(f"run(reload={reload!r}): expected True or Reload(...)")
    _check()
    options = Reload() if reload is True else reload
    watched = options.watched(sys.argv[0])
    shares = Shares(1, host, port, unix)
    try:
        address = address_of(shares.of(0)[0], secure=tls is not None)
        log.info("listening on %s, and watching %s in %s", address, ", ".join(options.patterns), ", ".join(watched))
        with _Processes(Reloader(app.timeouts.grace), shares.of(0)) as processes, _Watch(watched, options) as watch:
            processes.run(watch)
    finally:
        shares.close()


def _check() -> None:
    if sys.platform == "win32":
        raise UseError("run(reload=True) leaves its sockets to another process, which this platform cannot")
    if threading.current_thread() is not threading.main_thread():
        raise UseError("run(reload=True) outside the main thread, which is the one that gets signals")
    try:
        import watchfiles  # noqa: F401
    except ImportError as error:
        raise UseError(
            "run(reload=True) needs the package watchfiles: pip install 'streaming-toolkit[reload]'"
        ) from error


# -- the program -----------------------------------------------------------------------------------------------------


def _serve(app: App, tls: ssl.SSLContext | None, leash: int, sockets: list[int]) -> None:
    """The other process: what `run` does, on sockets that are there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process says when; here the loop takes it over
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    app._inherited = [socket.socket(fileno=number) for number in sockets]
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve_on_leash(app, tls, leash))
    finally:
        app._inherited = None
        os.close(leash)


async def _serve_on_leash(app: App, tls: ssl.SSLContext | None, leash: int) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.remove_reader(leash)
        app._on_signal()

    loop.add_reader(leash, end)  # the first process is gone, however it went
    try:
        await app._serve_until_signal(None, None, None, tls)
    finally:
        loop.remove_reader(leash)


# -- the process that watches ----------------------------------------------------------------------------------------


class _Stop(threading.Event):
    """What ends a watch; it is asked for the first time when the watch is at it."""

    def __init__(self) -> None:
        super().__init__()
        self.at_it = threading.Event()

    def is_set(self) -> bool:
        self.at_it.set()
        return super().is_set()


class _Watch:
    """A thread that waits for changes; `fileno` can be read when there are some."""

    def __init__(self, paths: list[str], options: Reload) -> None:
        self._paths = paths
        self._options = options
        self._stop = _Stop()
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._thread = threading.Thread(target=self._watch, name="toolkit-reload", daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        self._stop.at_it.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._reading)
        os.close(self._writing)

    def fileno(self) -> int:
        """For a selector."""
        return self._reading

    def take(self) -> set[str]:
        """The paths that changed since."""
        while _read(self._reading):
            pass
        with self._lock:
            changed, self._changed = self._changed, set()
        return changed

    def _watch(self) -> None:
        import watchfiles

        ignored = watchfiles.DefaultFilter()

        def wanted(change: watchfiles.Change, path: str) -> bool:
            return counts(path, self._options.patterns) and ignored(change, path)

        try:
            for changes in watchfiles.watch(*self._paths, watch_filter=wanted, stop_event=self._stop):
                with self._lock:
                    self._changed.update(path for _, path in changes)
                os.write(self._writing, b"c")
        except Exception:
            log.exception("watching files failed; nothing is reloaded any more")
        finally:
            self._stop.at_it.set()


class _Processes:
    """The hands of a reloader: it starts the program, passes signals on, and waits for its ends."""

    def __init__(self, reloader: Reloader, sockets: list[socket.socket]) -> None:
        self._reloader = reloader
        self._sockets = sockets
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._unreadable: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()  # a byte for each signal
        self._leash, self._held = os.pipe()  # ends when this process does
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def __enter__(self) -> _Processes:
        numbers = (signal.SIGCHLD, *SIGNALS)
        self._before = {number: signal.signal(number, _noted) or signal.SIG_DFL for number in numbers}
        self._before_wake = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._before_wake)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._selector.close()
        for pipe in (self._woken, self._wake, self._leash, self._held):
            os.close(pipe)

    def run(self, watch: _Watch) -> None:
        """Until the reloader has nothing left to do."""
        reloader = self._reloader
        self._selector.register(watch, selectors.EVENT_READ)
        self._do([Launch()])
        while not reloader.over:
            at = reloader.next_at()
            self._selector.select(None if at is None else max(0.0, at - time.monotonic()))
            for number in _read(self._woken) or b"":
                if number in SIGNALS:
                    self._do(reloader.stop(time.monotonic()))
            changed = watch.take()
            if changed:
                self._on_change(changed)
            for pid in reloader.pids:
                code = self._processes[pid].poll()
                if code is not None:
                    del self._processes[pid]
                    self._do(reloader.ended(pid, code))
            self._do(reloader.tick(time.monotonic()))

    def _on_change(self, changed: set[str]) -> None:
        """Start anew, unless some source cannot be read: that is no program yet."""
        found = unreadable(changed | self._unreadable)
        self._unreadable = set(found)
        if found:
            log.error("not reloaded:\n%s", "\n".join(found.values()))
            return
        log.warning("reloading: %s", ", ".join(sorted(map(_short, changed))))
        self._do(self._reloader.changed(time.monotonic()))

    def _do(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case Launch():
                    self._launch()
                case End(pid):
                    self._processes[pid].terminate()
                case Kill(pid):
                    self._processes[pid].kill()

    def _launch(self) -> None:
        numbers = [self._leash, *(sock.fileno() for sock in self._sockets)]
        left = f"{os.getpid()}:{self._leash}:{','.join(map(str, numbers[1:]))}"
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]], pass_fds=numbers, env={**os.environ, VARIABLE: left}
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._processes[process.pid] = process
        self._reloader.started(process.pid)


def _short(path: str) -> str:
    short = os.path.relpath(path)
    return path if short.startswith("..") else short


def _read(pipe: int) -> bytes | None:
    """What there is; None where there is nothing."""
    try:
        return os.read(pipe, 4096)
    except BlockingIOError:
        return None


def _noted(number: int, frame: object) -> None:
    """The wake-up pipe has it."""
