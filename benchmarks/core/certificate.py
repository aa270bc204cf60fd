"""A certificate for loopback, made for one run."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.processes import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.core.environment import Environment

__all__ = ["certificate"]


@contextmanager
def certificate(environment: Environment) -> Iterator[Path]:
    """A folder with `server.pem` and `server.key` (an elliptic curve's), for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="bench-tls-") as folder:
        command = [environment.python, "-m", "trustme", "-q", "-d", folder, "-i", "localhost", "127.0.0.1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"no certificate: {done.stderr.strip()}")
        yield Path(folder)
