"""Two exchanges back to back: what one wire frames, the other end's receiver reads, cut as the test likes.

The same body of test code runs in both directions: `Pair.ends(direction)` gives the sender and the reader of a
message, and neither end knows which it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toolkit.protocol.framing import CHUNKED, NONE, RAW_BYTES, Framing
from toolkit.protocol.http1 import Receiver, RequestReceiver, ResponseReceiver
from toolkit.protocol.limits import Limits
from toolkit.protocol.states import Event

from .fakewire import End, FakeWire, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.protocol.head import RequestHead, ResponseHead

    from .fakewire import Side

__all__ = ["DIRECTIONS", "Direction", "Pair", "bytewise", "whole"]

Direction = Literal["request", "response"]
DIRECTIONS: tuple[Direction, Direction] = ("request", "response")


def whole(data: bytes) -> list[bytes]:
    """Uncut."""
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    """One byte at a time."""
    return [data[i : i + 1] for i in range(len(data))]


class JoinedWire(FakeWire):
    """A fake wire whose output arrives at the other one's receiver."""

    def __init__(self, side: Side, cut: Callable[[bytes], list[bytes]], limits: Limits) -> None:
        super().__init__(side, limits=limits)
        self.receiver: Receiver = (ResponseReceiver if side == "asking" else RequestReceiver)(self, limits)
        self.other: JoinedWire | None = None
        self._cut = cut

    def _put(self, data: bytes) -> None:
        super()._put(data)
        assert self.other is not None
        for piece in self._cut(data):
            self.other.receiver.receive(piece)

    def _end_output(self) -> None:
        assert self.other is not None
        self.other.receiver.receive_eof()

    def on_head(self, head: RequestHead | ResponseHead) -> None:
        super().on_head(head)
        end = self.exchange
        assert isinstance(end, End)
        end.peer_head = head
        if head.framing is NONE:
            end.inbound.end(True)

    def inbound_left(self, x: object) -> int:
        return self.receiver.left


class Pair:
    """An asking end and an answering end, joined."""

    def __init__(
        self,
        cut: Callable[[bytes], list[bytes]] = whole,
        *,
        method: str = "POST",
        limits: Limits = Limits(),
        unframed: Framing = CHUNKED,
    ) -> None:
        there, here = JoinedWire("asking", cut, limits), JoinedWire("answering", cut, limits)
        there.other, here.other = here, there
        self.asking = End(there, method, unframed=unframed)
        self.answering = End(here, method, unframed=unframed)
        receiver = there.receiver
        assert isinstance(receiver, ResponseReceiver)
        receiver.expect(method, False)

    def ends(self, direction: Direction) -> tuple[End, End]:
        """Who sends the message and who reads it; for a response, a request without a body has gone before."""
        if direction == "request":
            return self.asking, self.answering
        unframed, self.asking.unframed = self.asking.unframed, NONE
        run(self.asking.prepare())
        run(self.asking.eof())
        self.asking.unframed = unframed
        return self.answering, self.asking

    def to_raw(self) -> None:
        """Upgrade: raw bytes both ways from here on."""
        self.asking.unframed = NONE
        wire = self.asking.fake
        assert isinstance(wire, JoinedWire)
        assert isinstance(wire.receiver, ResponseReceiver)
        wire.receiver.expect(self.asking.method, True)
        run(self.asking.prepare({"connection": "upgrade", "upgrade": "raw"}))
        run(self.asking.eof())
        other = wire.other
        assert other is not None
        assert other.receiver.switch() == b""
        run(self.answering.upgrade({"connection": "upgrade", "upgrade": "raw"}))
        assert self.asking.peer_head is not None
        assert self.asking.peer_head.framing is RAW_BYTES
        wire._step(Event.SWITCH)
        self.asking._switch_raw(self.asking.inbound)
