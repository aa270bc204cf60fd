"""Listening sockets: bound where the first failure can be told clearly, and shared out among worker processes.

How workers share a port. On Linux each gets a socket of its own on the same port (SO_REUSEPORT), and the kernel spreads
connections over these by their addresses. One socket for all is no choice there: whoever wakes first takes everything
that waits (of 64 connections in a burst one of two workers got 60 in the median, and got 36 with a socket each). All
of them stay open in the process that made them, so a queue outlives the worker that it belongs to: a socket that is
closed resets what nobody had accepted, which is how servers lose connections at a reload.

SO_REUSEPORT alone would let a second server start on the same port in silence. So the first socket listens without it,
and is opened for others afterwards. Elsewhere, and for Unix sockets, all workers accept from the same socket.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from typing import TYPE_CHECKING, Final

from toolkit.errors import NetworkError
from toolkit.protocol.aio.link import tune

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BACKLOG", "Shares", "address_of", "bind_found", "bind_unix", "unlink"]

# asyncio's own default of 100 loses connections in a burst; the kernel caps it at somaxconn.
BACKLOG: Final = 4096

# Elsewhere the option exists without spreading anything (macOS: the last socket gets all).
_SPREADS: Final = sys.platform == "linux" and hasattr(socket, "SO_REUSEPORT")

Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


def bind_found(found: Iterable[tuple[int, int, int, str, Address]], port: int) -> list[socket.socket]:
    """A socket for each address that `getaddrinfo` found; all on the first one's port where `port` is 0."""
    sockets: list[socket.socket] = []
    try:
        for family, kind, proto, _, address in dict.fromkeys(found):
            number = sockets[0].getsockname()[1] if port == 0 and sockets else address[1]
            sockets.append(_bind(family, kind, proto, (address[0], number, *address[2:])))
    except OSError:
        _close(sockets)
        raise
    return sockets


def _bind(family: int, kind: int, proto: int, address: tuple[object, ...], *, shared: bool = False) -> socket.socket:
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        tune(sock)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def bind_unix(path: str) -> socket.socket:
    """A Unix socket; one that an earlier server left at `path` is replaced."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        if not path.startswith("\0"):
            try:
                if stat.S_ISSOCK(os.stat(path).st_mode):
                    os.unlink(path)
            except FileNotFoundError:
                pass
        sock.bind(path)
    except OSError:
        sock.close()
        raise
    return sock


def unlink(path: str) -> None:
    """Take a Unix socket's name away; it may be gone already."""
    try:
        os.unlink(path)
    except (FileNotFoundError, ValueError):  # ValueError: an abstract name, which goes with its socket
        pass


def address_of(sock: socket.socket, *, secure: bool) -> str:
    """Where a client reaches this socket, `scheme://host:port` or `scheme+unix://path`."""
    scheme = "https" if secure else "http"
    name = sock.getsockname()
    if sock.family == getattr(socket, "AF_UNIX", None):
        return f"{scheme}+unix://{os.fsdecode(name).replace('/', '%2F')}"
    return f"{scheme}://{_dialable(name[0])}:{name[1]}"


def _dialable(host: str) -> str:
    """An address to listen on, as one to connect to."""
    if host in ("", "0.0.0.0"):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


class Shares:
    """The listening sockets of `count` workers: `of(n)` are those of worker `n`, counted from 0.

    Raises `NetworkError` when the address cannot be had.
    """

    def __init__(self, count: int, host: str, port: int, unix: str | None) -> None:
        self._unix: str | None = None
        self._sockets: list[socket.socket] = []
        self._shares: list[list[socket.socket]] = [[] for _ in range(count)]
        try:
            if unix is not None:
                self._sockets.append(bind_unix(unix))
                self._unix = unix
            else:
                found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
                self._sockets += bind_found(found, port)
            for sock in list(self._sockets):
                sock.listen(BACKLOG)  # alone: what somebody else listens on is refused here
                self._share(sock)
        except OSError as error:
            self.close()
            raise NetworkError(f"cannot listen on {unix if unix is not None else f'{host}:{port}'}: {error}") from error

    def _share(self, sock: socket.socket) -> None:
        spread = _SPREADS and self._unix is None
        if spread:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        for share in self._shares:
            if spread and share is not self._shares[0]:
                sock = _bind(sock.family, sock.type, sock.proto, sock.getsockname(), shared=True)
                self._sockets.append(sock)
                sock.listen(BACKLOG)
            share.append(sock)

    def of(self, worker: int) -> list[socket.socket]:
        """The sockets that worker `worker` accepts from."""
        return self._shares[worker]

    def keep(self, worker: int) -> None:
        """In a worker: close what belongs to the others alone."""
        own = self._shares[worker]
        _close(sock for sock in self._sockets if sock not in own)

    def close(self) -> None:
        """In the process that made them: nobody is let in any more, once the workers have closed theirs."""
        _close(self._sockets)
        if self._unix is not None:
            unlink(self._unix)
            self._unix = None


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
