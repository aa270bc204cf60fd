"""Raw byte ends: what a test holds when the peer under test must see exact bytes.

A raw end reads nothing from the link on its own: what was not asked for stays in the kernel (or in the memory
transport), so that a test can be the slow reader of a flow-control check. Every wait is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import sys
import tempfile
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from toolkit import App, Session

from .tls import client_context, server_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = [
    "KINDS",
    "SOCKET_KINDS",
    "Caps",
    "MemoryRaw",
    "Raw",
    "RawServer",
    "SocketRaw",
    "TlsRaw",
    "caps_of",
    "raw_server",
]

KINDS = ("memory", "tcp", "unix", "tls")
SOCKET_KINDS = ("tcp", "unix", "tls")
PATIENCE = 10.0
PIECE = 65536


@dataclass(frozen=True, slots=True)
class Caps:
    """What a kind of link can do."""

    half_close: bool  #: FIN one way while the other way goes on
    reset: bool  #: an end that the peer sees as an error, at any time
    zero_copy: bool  #: splice(2) and sendfile(2) must be taken


def caps_of(kind: str) -> Caps:
    """The capabilities of a kind of link on this system."""
    return Caps(
        half_close=kind != "tls",
        reset=kind != "unix",  # a Unix socket resets only when unread bytes are left behind at close
        zero_copy=kind == "tcp" and sys.platform == "linux",
    )


class Raw(ABC):
    """One end of a link, in bytes."""

    def __init__(self) -> None:
        self.buffer = bytearray()  # received and not yet asked for
        self.ended = False  # the peer's FIN was seen

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Send all of it; returns once the link has taken it."""

    @abstractmethod
    async def _more(self) -> bytes:
        """The next bytes of the link; empty at FIN, ConnectionError on a reset."""

    @abstractmethod
    async def eof(self) -> None:
        """End this direction and keep the other (only with `caps.half_close`)."""

    @abstractmethod
    def reset(self) -> None:
        """End both directions in a way that the peer sees as an error (only with `caps.reset`)."""

    @abstractmethod
    async def close(self) -> None:
        """Close in order; idempotent."""

    async def _fill(self) -> bool:
        if self.ended:
            return False
        async with asyncio.timeout(PATIENCE):
            data = await self._more()
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    async def receive(self, n: int) -> bytes:
        """Exactly `n` bytes."""
        while len(self.buffer) < n:
            if not await self._fill():
                raise EOFError(f"the peer ended after {bytes(self.buffer)!r}; {n} bytes were expected")
        taken = bytes(self.buffer[:n])
        del self.buffer[:n]
        return taken

    async def until(self, marker: bytes) -> bytes:
        """Everything through the first `marker`."""
        start = 0
        while (at := self.buffer.find(marker, start)) < 0:
            start = max(0, len(self.buffer) - len(marker) + 1)
            if not await self._fill():
                raise EOFError(f"the peer ended after {bytes(self.buffer)!r}; {marker!r} was expected")
        return await self.receive(at + len(marker))

    async def rest(self) -> bytes:
        """Everything until the peer's FIN; ConnectionError when it was a reset."""
        while await self._fill():
            pass
        return await self.receive(len(self.buffer))

    async def gone(self) -> bool:
        """Wait for the end of the link; True when it came in order, False when it was a reset."""
        try:
            while await self._fill():
                pass
        except ConnectionError:
            return False
        return True


class SocketRaw(Raw):
    """A TCP or Unix socket."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        sock.setblocking(False)
        self.sock = sock
        self.loop = asyncio.get_running_loop()
        self.closed = False

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.loop.sock_sendall(self.sock, data)

    async def _more(self) -> bytes:
        return await self.loop.sock_recv(self.sock, PIECE)

    async def eof(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        if not self.closed:
            self.closed = True
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.sock.close()


class TlsRaw(SocketRaw):
    """TLS over a socket, pumped by hand, so that close_notify and a bare FIN can be told apart."""

    def __init__(self, sock: socket.socket, *, server_side: bool = False) -> None:
        super().__init__(sock)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if server_side:
            self.tls = server_context().wrap_bio(self.incoming, self.outgoing, server_side=True)
        else:
            self.tls = client_context().wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    async def handshake(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    self.tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self._flush()
                    await self._feed()
                else:
                    await self._flush()
                    return

    async def _flush(self) -> None:
        if data := self.outgoing.read():
            await self.loop.sock_sendall(self.sock, data)

    async def _feed(self) -> None:
        if data := await self.loop.sock_recv(self.sock, PIECE):
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            for start in range(0, len(data), PIECE):
                self.tls.write(data[start : start + PIECE])
                await self._flush()

    async def _more(self) -> bytes:
        while True:
            try:
                return self.tls.read(PIECE)
            except ssl.SSLWantReadError:
                await self._feed()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLEOFError as error:
                raise ConnectionResetError("the TLS stream ended without close_notify") from error

    async def eof(self) -> None:
        raise NotImplementedError("TLS has no half-close here")

    async def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(ssl.SSLError):
                self.tls.unwrap()
            with contextlib.suppress(OSError):
                await self._flush()
            await super().close()


class MemoryRaw(Raw, asyncio.Protocol):
    """One end of a memory link."""

    def __init__(self) -> None:
        super().__init__()
        self.transport: asyncio.Transport | None = None
        self.failed: BaseException | None = None
        self.arrived: list[bytes] = []
        self.at_end = False
        self.changed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.arrived.append(bytes(data))
        self._transport.pause_reading()
        self.changed.set()

    def eof_received(self) -> bool:
        self.at_end = True
        self.changed.set()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self.at_end = True
        self.failed = exc
        self.changed.set()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    @property
    def _transport(self) -> asyncio.Transport:
        if self.transport is None:
            raise RuntimeError("not connected")
        return self.transport

    async def send(self, data: bytes) -> None:
        if self.failed is not None or self._transport.is_closing():
            raise ConnectionResetError("the memory link is closed") from self.failed
        self._transport.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.writable.wait()

    async def _more(self) -> bytes:
        while not self.arrived:
            if self.failed is not None:
                raise ConnectionResetError("the memory link was reset") from self.failed
            if self.at_end:
                return b""
            self.changed.clear()
            if not self._transport.is_closing():
                self._transport.resume_reading()
            await self.changed.wait()
        data = b"".join(self.arrived)
        self.arrived.clear()
        return data

    async def eof(self) -> None:
        self._transport.write_eof()

    def reset(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    async def close(self) -> None:
        self._transport.close()


class RawServer:
    """A server whose connections are raw ends: the peer of a client under test."""

    def __init__(self, kind: str, url: str, path: str | None = None) -> None:
        self.kind = kind
        self.caps = caps_of(kind)
        self.url = url
        self.path = path
        self.accepted: list[Raw] = []
        self.arrived: asyncio.Queue[Raw] = asyncio.Queue()

    def session(self, **options: object) -> Session:
        """A session, not yet entered, that knows how to reach this server."""
        if self.kind == "memory":
            options["app"] = _RawApp(self)
        return make_session(self.kind, path=self.path, **options)

    async def accept(self) -> Raw:
        """The next connection, its TLS handshake done."""
        async with asyncio.timeout(PATIENCE):
            return await self.arrived.get()

    async def listen(self, listener: socket.socket) -> None:
        """Accept in the background: with TLS, the handshake is a part of the client's entering."""
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            raw = TlsRaw(sock, server_side=True) if self.kind == "tls" else SocketRaw(sock)
            self.accepted.append(raw)
            if isinstance(raw, TlsRaw):
                try:
                    await raw.handshake()
                except (OSError, ssl.SSLError):
                    continue
            self.arrived.put_nowait(raw)


class _RawApp(App):
    """What a session in memory talks to: an application whose connections are raw ends."""

    def __init__(self, server: RawServer) -> None:
        super().__init__(port=0)
        self.server = server

    def new_connection(self) -> asyncio.Protocol:  # type: ignore[override]  # a raw end in its place
        raw = MemoryRaw()
        self.server.accepted.append(raw)
        self.server.arrived.put_nowait(raw)
        return raw


def make_session(kind: str, *, path: str | None = None, **options: object) -> Session:
    """A session for a kind of link; the options are a session's own."""
    if kind == "unix":
        options["unix"] = path
    elif kind == "tls":
        options["tls"] = client_context()
    return Session(**options)  # type: ignore[arg-type]  # options are passed through by name


@asynccontextmanager
async def raw_server(kind: str = "tcp", *, receive_buffer: int | None = None) -> AsyncIterator[RawServer]:
    """A raw server on loopback; its connections are reset at the end if they are still open.

    `receive_buffer` bounds what the kernel takes unread (SO_RCVBUF; accepted sockets inherit it).
    """
    if kind == "memory":
        yield RawServer(kind, "http://localhost")
        return
    with tempfile.TemporaryDirectory(prefix="tk-") as folder:
        path: str | None = None
        if kind == "unix":
            path = os.path.join(folder, "s")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            url = "http://localhost"
        else:
            listener = socket.socket(socket.AF_INET)
            if receive_buffer is not None:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            listener.bind(("127.0.0.1", 0))
            scheme = "https" if kind == "tls" else "http"
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        listener.listen(16)
        listener.setblocking(False)
        server = RawServer(kind, url, path)
        listening = asyncio.ensure_future(server.listen(listener))
        try:
            yield server
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            for raw in server.accepted:
                raw.reset()
            listener.close()
