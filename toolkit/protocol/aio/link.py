"""What a link can do, read off its asyncio transport; and the ways to end one."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

from toolkit.protocol.wire import Caps

if TYPE_CHECKING:
    from asyncio import BaseTransport, Transport

__all__ = ["caps_of", "peer_of", "reset_transport", "stirs", "tune"]

_LINUX: Final = sys.platform == "linux"
_TCP: Final = Caps(half_close=True, reset=True, zero_copy=_LINUX)
_UNIX: Final = Caps(half_close=True, reset=False, zero_copy=_LINUX)
_TLS: Final = Caps(half_close=False, reset=True, zero_copy=False)
_TLS_UNIX: Final = Caps(half_close=False, reset=False, zero_copy=False)
_OTHER: Final = Caps(half_close=True, reset=True, zero_copy=False)

# uvloop makes a socket object when it is first asked for one, and keeps it: 72 bytes and 1.4 us of every connection.
_UVLOOP: Final = {"TCPTransport": _TCP, "UnixTransport": _UNIX}

# A peer whose machine or network is gone sends nothing: after a minute of silence the kernel asks, and after four
# unanswered questions, 15 s apart, the connection is reset. Linux's own default is two hours.
KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


def caps_of(transport: BaseTransport) -> Caps:
    """The capabilities of the link below `transport`."""
    declared = getattr(transport, "caps", None)
    if isinstance(declared, Caps):
        return declared
    kind = type(transport)
    if kind.__module__ == "uvloop.loop" and kind.__name__ in _UVLOOP:
        return _UVLOOP[kind.__name__]
    sock = transport.get_extra_info("socket")
    unix = sock is not None and sock.family == getattr(socket, "AF_UNIX", None)
    if transport.get_extra_info("sslcontext") is not None:
        return _TLS_UNIX if unix else _TLS
    if sock is None:
        return _OTHER
    return _UNIX if unix else _TCP


def peer_of(transport: BaseTransport) -> tuple[str, int]:
    """The peer's address and port; ("", 0) where a link has none, or the peer is gone already."""
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple) and len(peer) >= 2:
        return str(peer[0]), int(peer[1])
    return "", 0


def stirs(transport: BaseTransport) -> bool:
    """Bytes or an end have come on this link and the loop has not got round to them; never of one without a socket."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    try:
        if not hasattr(select, "poll"):  # Windows
            return bool(select.select([sock], [], [], 0)[0])
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN | getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(0))
    except (OSError, ValueError):  # it is closed
        return True


def tune(sock: socket.socket) -> None:
    """Options of a TCP socket; a listening socket hands them to those it accepts."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def reset_transport(transport: Transport) -> None:
    """End a link so that the peer sees an error: a plain `abort()` shows a clean FIN where nothing is unread."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
