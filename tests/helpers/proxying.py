"""An HTTP proxy in this process, over TCP or TLS, that remembers what it was asked; and foreign proxies as programs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import getpass
import re
import socket
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .peers import program
from .raw import PATIENCE

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Coroutine

__all__ = ["HttpProxy", "Links", "accepting", "http_proxy", "microsocks", "tinyproxy"]

Links = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class HttpProxy:
    """Makes tunnels, and asks in others' place, for whoever has the right password."""

    def __init__(self, credentials: tuple[str, str] | None) -> None:
        self._right = None if credentials is None else base64.b64encode(":".join(credentials).encode())
        self.heads: list[bytes] = []  # of all requests to the proxy itself
        self.hosts: dict[str, int] = {}  # names that it knows: the port on 127.0.0.1
        self.url = ""

    @property
    def lines(self) -> list[str]:
        """The first lines of those."""
        return [head.split(b"\r\n")[0].decode() for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if self._right is not None and b"\r\nproxy-authorization: Basic " + self._right not in head:
                page = b"<html><title>x</title><p>Who are you?</p></html>"
                writer.write(b'HTTP/1.1 407 No\r\nproxy-authenticate: Basic realm="p"\r\nconnection: close\r\n')
                writer.write(b"content-length: %d\r\n\r\n" % len(page) + page)
                return
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            if method == "CONNECT":
                await self._tunnel(target, reader, writer)
                return
            length = re.search(rb"\r\ncontent-length: ([0-9]+)", head)
            body = await reader.readexactly(int(length[1])) if length is not None else b""
            writer.write(await self._ask(method, target, head, body))
            await writer.drain()

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up = await self._reach(target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_copy(reader, up[1]), _copy(up[0], writer))
        finally:
            up[1].close()

    async def _ask(self, method: str, target: str, head: bytes, body: bytes) -> bytes:
        """What the origin answers; a connection for each request."""
        authority, _, path = target.removeprefix("http://").partition("/")
        lines = [line for line in head.split(b"\r\n")[1:-2] if not line.startswith(b"proxy-")]
        reader, writer = await self._reach(authority if ":" in authority else f"{authority}:80")
        writer.write(f"{method} /{path} HTTP/1.1\r\nconnection: close\r\n".encode() + b"\r\n".join(lines))
        writer.write(b"\r\n\r\n" + body)
        try:
            return (await reader.read()).replace(b"connection: close\r\n", b"connection: keep-alive\r\n", 1)
        finally:
            writer.close()

    async def _reach(self, authority: str) -> Links:
        host, _, port = authority.rpartition(":")
        if host in self.hosts:
            host, port = "127.0.0.1", str(self.hosts[host])
        return await asyncio.open_connection(host, int(port))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def accepting(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[object, object, None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A listener on loopback whose connections are served so, one task each: its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)


@asynccontextmanager
async def http_proxy(
    credentials: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpProxy]:
    """A proxy on loopback."""
    proxy = HttpProxy(credentials)
    async with accepting(proxy.serve, tls) as port:
        proxy.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
        yield proxy


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def _running(*command: str, port: int) -> AsyncIterator[int]:
    """A program until the block ends, once its port answers."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _answers(port):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def tinyproxy(*lines: str) -> AsyncIterator[str]:
    """tinyproxy with these lines in its configuration: its URL."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="tk-") as folder:
        path = Path(folder) / "conf"
        settings = [f"User {getpass.getuser()}", f"Port {port}", "Listen 127.0.0.1", "Timeout 20", "MaxClients 20"]
        await asyncio.to_thread(path.write_text, "\n".join([*settings, f'LogFile "{folder}/log"', *lines, ""]))
        async with _running(program("tinyproxy") or "tinyproxy", "-d", "-c", str(path), port=port):
            yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def microsocks(*arguments: str) -> AsyncIterator[int]:
    """microsocks with these arguments: its port."""
    port = _free_port()
    command = (program("microsocks") or "microsocks", "-i", "127.0.0.1", "-p", str(port), *arguments)
    async with _running(*command, port=port):
        yield port
