"""Links: what each kind can do, who is at the other end, and an end that the peer takes for an error."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.helpers.raw import PATIENCE
from tests.helpers.tls import client_context, server_context
from toolkit.protocol.aio.link import _UVLOOP, KEEPALIVE, caps_of, peer_of, reset_transport, stirs, tune
from toolkit.protocol.aio.memory import memory_pair
from toolkit.protocol.wire import Caps

if TYPE_CHECKING:
    from pathlib import Path

LINUX = sys.platform == "linux"


class Held(asyncio.Protocol):
    """An end that knows when it is over."""

    def __init__(self, made: asyncio.Queue[Held] | None = None) -> None:
        self.made = made
        self.over = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.made is not None:
            self.made.put_nowait(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


class Bare(asyncio.Transport):
    """A transport of some other make."""


@pytest.mark.parametrize(
    ("kind", "caps"),
    [
        ("tcp", Caps(half_close=True, reset=True, zero_copy=LINUX)),
        ("unix", Caps(half_close=True, reset=False, zero_copy=LINUX)),
        ("tls", Caps(half_close=False, reset=True, zero_copy=False)),
        ("tls_unix", Caps(half_close=False, reset=False, zero_copy=False)),
    ],
)
async def test_what_a_socket_can_do(kind: str, caps: Caps, tmp_path: Path) -> None:
    loop, accepted = asyncio.get_running_loop(), asyncio.Queue[Held]()
    tls = kind.startswith("tls")
    inner, outer = (server_context(), client_context()) if tls else (None, None)
    name = "localhost" if tls else None
    async with asyncio.timeout(PATIENCE):
        if kind.endswith("unix"):
            path = str(tmp_path / "s")
            server = await loop.create_unix_server(partial(Held, accepted), path, ssl=inner)
            transport, near = await loop.create_unix_connection(Held, path, ssl=outer, server_hostname=name)
        else:
            server = await loop.create_server(partial(Held, accepted), "127.0.0.1", 0, ssl=inner)
            port = server.sockets[0].getsockname()[1]
            transport, near = await loop.create_connection(Held, "127.0.0.1", port, ssl=outer, server_hostname=name)
            assert peer_of(transport) == ("127.0.0.1", port)
        assert caps_of(transport) == caps
        if kind.endswith("unix"):
            assert peer_of(transport) == ("", 0)
        far = await accepted.get()
        transport.abort()
        for end in (near, far):
            await end.over.wait()
        server.close()


def test_uvloops_transports_are_known_by_name() -> None:
    """Were they called otherwise, what they can do would still be found, at the price of a socket object for each."""
    from uvloop import loop

    assert [getattr(loop, kind).__module__ for kind in _UVLOOP] == ["uvloop.loop"] * len(_UVLOOP)


async def test_what_memory_can_do() -> None:
    near, far = memory_pair(asyncio.Protocol(), asyncio.Protocol())
    assert caps_of(near) == caps_of(far) == Caps(half_close=True, reset=True, zero_copy=False)
    assert peer_of(near) == ("memory", 0)


def test_what_a_stranger_can_do() -> None:
    assert caps_of(Bare()) == Caps(half_close=True, reset=True, zero_copy=False)
    assert peer_of(Bare()) == ("", 0)


@pytest.mark.parametrize("name", [None, "", "/path", (), ("127.0.0.1",)])
def test_a_peer_without_an_address(name: object) -> None:
    assert peer_of(Bare({"peername": name})) == ("", 0)


@pytest.mark.parametrize("name", [("::1", 80, 0, 0), ("::1", 80)])
def test_a_peer_with_one(name: object) -> None:
    assert peer_of(Bare({"peername": name})) == ("::1", 80)


def test_a_tcp_socket_is_tuned() -> None:
    with socket.socket() as sock:
        tune(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for name, value in KEEPALIVE:
            if hasattr(socket, name):
                assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value


def test_any_other_socket_is_left_alone() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        tune(sock)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_a_closed_socket_is_no_error() -> None:
    sock = socket.socket()
    sock.close()
    tune(sock)


async def test_a_reset_is_seen_as_one() -> None:
    """A plain `abort()` shows the peer a clean end when nothing is unread."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
        sock, _ = await loop.sock_accept(listener)
        with sock:
            sock.setblocking(False)
            reset_transport(transport)
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(ConnectionResetError):
                    await loop.sock_recv(sock, 1)


@pytest.mark.parametrize("what", ["bytes", "fin", "reset"])
async def test_what_has_come_is_seen_before_the_loop_reads_it(what: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        transport, held = await loop.create_connection(Held, *listener.getsockname())
        sock, _ = await loop.sock_accept(listener)
        with sock:
            assert not stirs(transport)
            if what == "bytes":
                sock.send(b"x")
            elif what == "fin":
                sock.shutdown(socket.SHUT_WR)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            assert stirs(transport)  # in the same turn of the loop: on the machine itself it is there at once
        transport.abort()
        await held.over.wait()


async def test_a_link_without_a_socket_never_stirs() -> None:
    near, far = memory_pair(Held(), Held())
    far.write(b"x")
    assert not stirs(near)
    near.abort()
    await asyncio.sleep(0)


async def test_a_closed_link_stirs() -> None:
    near, far = socket.socketpair()
    with far:
        transport, held = await asyncio.get_running_loop().create_unix_connection(Held, sock=near)
        transport.abort()
        await held.over.wait()
        assert stirs(transport) or transport.get_extra_info("socket") is None
