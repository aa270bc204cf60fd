"""A certificate for loopback, made for one run, and the contexts of both ends."""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.processes import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.core.environment import Environment

__all__ = ["certificate", "server_context", "trusting_context"]


@contextmanager
def certificate(environment: Environment) -> Iterator[Path]:
    """A folder with `server.pem` and `server.key` (an elliptic curve's), for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="bench-tls-") as folder:
        command = [environment.python, "-m", "trustme", "-q", "-d", folder, "-i", "localhost", "127.0.0.1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"no certificate: {done.stderr.strip()}")
        yield Path(folder)


def server_context(folder: Path | None, ktls: bool = False) -> ssl.SSLContext | None:
    """A server's context with the certificate in a folder; None without one. `ktls`: where a transport can use it."""
    if folder is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if ktls:
        context.options |= 1 << 3  # SSL_OP_ENABLE_KTLS, for which the module has a name since Python 3.12
    return context


def trusting_context() -> ssl.SSLContext:
    """A client's context that takes any certificate: the other end is a program of our own, on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
