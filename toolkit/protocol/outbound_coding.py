"""Content coding of what is sent: between `write` and the wire, one compression stream per message.

The stream is flushed when its writer waits for something else: a chunk of a slow stream reaches the peer now, while a
fast writer's chunks are compressed together. Large blocks are compressed off the event loop, one at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from toolkit.protocol.codings import Encoder
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.wire import Wire

__all__ = ["OutboundCoding", "check_coding", "start_coding"]

# gzip level 6 does about 40 MB/s on one core: 64 KiB hold the loop for 1.6 ms, a hand-over to a thread costs 0.1 ms.
OFFLOAD: Final = 64 * 1024


def check_coding(coding: object) -> str:
    """The same. Raises `UseError` for one not there; to be asked before the head that names it is sent."""
    from toolkit.protocol.codings import available_codings

    if not isinstance(coding, str) or coding not in available_codings():
        raise UseError(f"coding={coding!r}: expected one of {', '.join(available_codings())}")
    return coding


def start_coding(coding: str, wire: Wire, level: int | None = None) -> OutboundCoding:
    """The coding of one message on this wire, `level` as in `make_encoder`. Raises `UseError` for one not there."""
    from toolkit.protocol.codings import make_encoder

    _ = check_coding(coding)
    return OutboundCoding(make_encoder(coding, level), wire.turn())


class OutboundCoding:
    """The encoder of one message and the order of those who write to it."""

    __slots__ = ("_encoder", "_flush_due", "_turn", "_working")

    def __init__(self, encoder: Encoder, turn: AbstractAsyncContextManager[object]) -> None:
        self._encoder = encoder
        self._turn = turn
        self._flush_due = False
        self._working = False

    async def write(self, x: Exchange, data: bytes) -> None:
        """Encode and send; writers take turns in call order."""
        async with self._turn:
            wire = x._wire
            if wire is None:
                raise x._failure(x._error, "writing")
            self._working = True
            try:
                if len(data) > OFFLOAD:
                    coded = await wire.offload(self._encoder.encode, data)
                else:
                    coded = self._encoder.encode(data)
            except BaseException:
                # Cancelled: the thread goes on with the encoder, and what it makes is lost.
                x._abort("a write was cancelled while its data were being coded")
                raise
            finally:
                self._working = False
            if not self._flush_due:
                self._flush_due = True
                wire.later(lambda: self._flush(x))
            self._send(x, coded)
            if wire.blocked:
                await x._drain(wire)

    async def finish(self, x: Exchange) -> None:
        """The end of the coded stream."""
        async with self._turn:
            self._flush_due = False
            self._send(x, self._encoder.finish())
            x._coding = None

    def _flush(self, x: Exchange) -> None:
        due, self._flush_due = self._flush_due, False
        # At work in a thread: the write that waits for it asks for a flush of its own.
        if due and not self._working and x._coding is self:
            self._send(x, self._encoder.flush())

    def _send(self, x: Exchange, coded: bytes) -> None:
        wire = x._wire
        if coded and wire is not None and x._error is None:
            x._sent += len(coded)
            wire.send_part(x, coded)
