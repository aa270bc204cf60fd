"""What a contestant's program does to be measured: say when it is ready, take jobs, end with its parent."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["end_with_parent", "free_port", "jobs", "listening", "ready", "ready_once_listening", "reply", "run_program"]


def ready(**facts: object) -> None:
    """Tell the parent that it can begin: a server says its `port`."""
    reply(facts)


def reply(told: object) -> None:
    """One line of JSON to the parent."""
    print(json.dumps(told), flush=True)


def end_with_parent() -> queue.SimpleQueue[bytes]:
    """Kill this process and all that it started once standard input ends; the lines that come before go to the queue.

    Called before anything else: a contestant never outlives the benchmark, however that ended.
    """
    leads = os.getpgrp() == os.getpid()  # as under a benchmark; started by hand, the group is somebody else's
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def watch() -> None:
        # Not sys.stdin, whose lock would be held for ever in a process that is forked meanwhile.
        with os.fdopen(os.dup(0), "rb", buffering=0) as pipe:
            received = b""
            while data := pipe.read(65536):
                *whole, received = (received + data).split(b"\n")
                for line in whole:
                    lines.put(line)
        if leads:
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    return lines


def jobs() -> Iterator[dict[str, object]]:
    """The parent's jobs, one after another, for as long as it is there."""
    lines = end_with_parent()
    ready()
    while True:
        yield json.loads(lines.get())


def listening(backlog: int = 4096) -> socket.socket:
    """A listening socket on a free port of the loopback interface."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    listener.setblocking(False)
    return listener


def free_port() -> int:
    """A port that nobody listens on, for servers that only take a number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ready_once_listening(port: int, seconds: float = 30) -> None:
    """Tell the parent, from a thread, once somebody accepts on the port; for servers that have no such moment."""

    def watch() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                ready(port=port)
                return

    threading.Thread(target=watch, daemon=True).start()


def run_program(command: list[str], port: int) -> None:
    """Run a server that is not Python's, until it ends; its last words go where those of this process go."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"  # where Debian keeps servers
    ready_once_listening(port)
    sys.exit(
        subprocess.run(command, env={**os.environ, "PATH": path}, check=False, stdin=subprocess.DEVNULL).returncode
    )
