"""The process's side of the socket: calls come, answers go, one after the other.

The functions run in the main thread, where signals and most libraries want to be. Another one reads, so that whatever
the loop says is known at once: that room was made in a stream's window, that nobody wants the rest, or, by the end of
the socket, that the server is gone. Then a function that still runs is left by a SystemExit, so that what it opened is
closed; one that stays all the same is cut off.

SIGINT, SIGHUP and SIGTERM often go to all processes of a group, and what they mean is the server's to decide: while it
completes what runs, this process is needed. It ends by the end of its socket.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.errors import UseError, caused
from toolkit.server.handlers import described
from toolkit.server.processes.copies import Copied, RequestCopy
from toolkit.server.processes.failures import pack_error, pickled
from toolkit.server.processes.frames import Frame, FrameReader, Kind, frame
from toolkit.server.processes.references import Reference, find
from toolkit.server.processes.values import StreamHead, ValueHead, pack_answer

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from toolkit.protocol.limits import FormLimits, Limits

__all__ = ["WINDOW", "Call", "Line", "Setup", "answer", "main"]

WINDOW: Final = 64 * 1024  #: bytes that a stream may be ahead of its reader, and one piece more
RECEIVE: Final = 256 * 1024  #: bytes asked of the socket at a time
GRACE: Final = 2.0  #: seconds for a function to end, once the server is gone
JOINED: Final = 64 * 1024  #: bytes up to which frames are put together rather than sent one by one


class Setup(NamedTuple):
    """What a process is told at its beginning."""

    references: tuple[Reference, ...]  #: what it will be asked to call, to be found before anybody does
    initializer: Reference | None
    limits: Limits
    forms: FormLimits


class Call(NamedTuple):
    """What is to be called: a handler with a request, or any function with arguments."""

    reference: Reference
    request: Copied | None
    args: tuple[object, ...]
    kwargs: dict[str, object]


def main(sock: socket.socket, setup: Setup) -> None:
    """The whole life of a process of a pool, once the program has been imported."""
    with contextlib.suppress(Exception):  # where there is no stderr, or something else in its place
        faulthandler.enable()  # a fault in C is told with the lines that led to it
    line = Line(sock, _cut_off)
    line.take_signals()
    threading.Thread(target=line.listen, name="toolkit-pool", daemon=True).start()
    line.busy = True
    try:
        for reference in setup.references:
            _found(reference)
        if setup.initializer is not None:
            _found(setup.initializer)()
    except Exception as error:
        line.say((Kind.FAILED, pack_error(error)))
        return
    line.busy = False
    line.say((Kind.READY, b""))
    while (order := line.calls.get()) is not None:
        line.busy = True
        answer(line, setup, *order)
        line.busy, order = False, None  # which may be large, and is over


def _cut_off() -> None:
    """The end of a process that does not want to."""
    threading.Event().wait(GRACE)
    os._exit(1)


def _found(reference: Reference) -> Callable[..., object]:
    try:
        found = find(reference)
    except (ImportError, AttributeError) as error:
        hint = ""
        if reference.module == "__main__":
            hint = '; what stands below `if __name__ == "__main__":` is not there when the program is imported'
        raise caused(UseError(f"{reference} cannot be found in another process: {error}{hint}"), error)
    found = getattr(found, "uncached", found)  # the cache before it is the loop's
    if not callable(found):
        raise UseError(f"{reference} is no function in another process, but {found!r}")
    return found


class Line:
    """The socket, with what was heard on it."""

    def __init__(self, sock: socket.socket, cut_off: Callable[[], object]) -> None:
        self.busy = False
        self.calls: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()
        self._sock = sock
        self._cut_off = cut_off
        self._reader = FrameReader()
        self._call = b""
        self._ended = False
        self._changed = threading.Condition()
        self._ahead = 0  # bytes of a stream that were sent, and not yet taken
        self._unwanted = False  # nobody wants the rest of the stream
        self._main = threading.get_ident()

    def take_signals(self) -> None:
        """See the module. A handler that does nothing, unlike SIG_IGN, is no heirloom of programs started from here."""
        for name in ("SIGINT", "SIGHUP", "SIGTERM"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._ended and self.busy:
            raise SystemExit(0)

    # -- the thread that reads ---------------------------------------------------------------------------------

    def listen(self) -> None:
        """Read until the end, and see to it that it is the end of the process."""
        with contextlib.suppress(OSError):
            while self._read(self._sock.recv(RECEIVE)):
                pass
        with self._changed:
            self._ended = self._unwanted = True
            self._changed.notify()
        self.calls.put(None)
        if self.busy and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._main, signal.SIGTERM)
        self._cut_off()

    def _read(self, data: bytes) -> bool:
        """What was received, empty at the end. Nothing of it is held on to while the next is waited for."""
        for one in self._reader.feed(data):
            if one.kind is Kind.CALL:
                self._call = one.payload
            elif one.kind is Kind.BODY:
                with self._changed:
                    self._ahead, self._unwanted = 0, False
                self.calls.put((self._call, one.payload))
                self._call = b""
            else:
                self._heard(one)
        return bool(data)

    def _heard(self, one: Frame) -> None:
        with self._changed:
            if one.kind is Kind.MORE:
                self._ahead -= int.from_bytes(one.payload, "big")
            else:
                self._unwanted = True
            self._changed.notify()

    # -- the main thread ---------------------------------------------------------------------------------------

    def say(self, *parts: tuple[Kind, bytes | bytearray | memoryview]) -> None:
        """Send these frames. Nobody there any more: the thread that reads knows it, too."""
        with contextlib.suppress(OSError):
            if sum(len(payload) for _, payload in parts) <= JOINED:
                self._sock.sendall(b"".join(frame(kind, payload) for kind, payload in parts))
                return
            for kind, payload in parts:
                self._sock.sendall(frame(kind, payload))

    def piece(self, kind: Kind, payload: bytes) -> bool:
        """Send a piece of a stream, and wait until there is room for another; False: nobody wants it."""
        self.say((kind, payload))
        with self._changed:
            self._ahead += Frame(kind, payload).cost
            while self._ahead > WINDOW and not self._unwanted:
                self._changed.wait()
            return not self._unwanted


def answer(line: Line, setup: Setup, order: bytes, body: bytes) -> None:
    """Call what is to be called, and send what comes of it."""
    try:
        call: Call = pickle.loads(order)
        function = _found(call.reference)
        if call.request is None:
            result = pickled(function(*call.args, **call.kwargs), f"what {described(function)} returned")
            line.say((Kind.HEAD, pickle.dumps(ValueHead())), (Kind.PIECE, result), (Kind.END, b""))
            return
        r = RequestCopy(call.request, body, setup.limits, setup.forms)
        head, content = pack_answer(function(r, **r.path_params), r._take_added())
        told = pickled(head, f"the head of what {described(function)} answered")
        if isinstance(head, StreamHead):
            line.say((Kind.HEAD, told))
            _send_pieces(line, content, described(function), Kind.PIECE if head.events is None else Kind.ITEM)
            line.say((Kind.END, b""))
        else:
            assert isinstance(content, bytes)
            line.say((Kind.HEAD, told), (Kind.PIECE, content), (Kind.END, b""))
    except Exception as error:
        line.say((Kind.ERROR, pack_error(error)))


def _send_pieces(line: Line, source: object, name: str, kind: Kind) -> None:
    """A stream, as long as somebody wants it. Its `finally` runs here, whatever happens."""
    assert isinstance(source, Iterator)
    try:
        for piece in source:
            payload = pickled(piece, f"what {name} yielded") if kind is Kind.ITEM else _as_bytes(piece, name)
            if not line.piece(kind, payload):
                return
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


def _as_bytes(piece: object, name: str) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise UseError(f"{name} yielded {type(piece).__name__}: expected bytes or text")
