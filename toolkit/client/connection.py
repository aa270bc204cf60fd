"""The asking end of a connection: lent to one exchange at a time, given back when both messages are done."""

from __future__ import annotations

from ssl import SSLError
from time import monotonic
from typing import TYPE_CHECKING, Final

from toolkit.client.forwarding import Forward, says_keep_alive
from toolkit.client.keeping import idle_seconds, keep_alive_field
from toolkit.client.tls_errors import late_error
from toolkit.errors import Disconnected, EarlyAnswer, RemoteProtocolError
from toolkit.protocol.aio.connection import JOINED, Connection
from toolkit.protocol.aio.link import stirs
from toolkit.protocol.framing import NONE, RAW_BYTES, Framing
from toolkit.protocol.headers import Fields, Headers, find_field
from toolkit.protocol.http1 import ResponseReceiver
from toolkit.protocol.states import ABORTED, BODY, DONE, RAW

if TYPE_CHECKING:
    from toolkit.client.pool import Origin
    from toolkit.client.sending import SentRequest
    from toolkit.client.transport import Transports
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.head import ResponseHead

__all__ = ["ClientConnection"]

FRESH: Final = 0.05  # seconds; what came on a connection that has been idle for less, the loop is about to read


class ClientConnection(Connection):
    """One connection to an origin."""

    __slots__ = (
        "_answers",
        "_asking",
        "_forward",
        "_last",
        "_owner",
        "answered",
        "idle_since",
        "most_uses",
        "origin",
        "patience",
        "retires",
        "used",
    )

    def __init__(self, owner: Transports, origin: Origin) -> None:
        super().__init__(owner.watch)
        self._owner = owner
        self.origin = origin
        self._forward: Forward | None = None  # what a proxy that asks in our place gets instead of a head
        if origin.via is not None and not origin.via.tunnel:
            self._forward = Forward(origin.host, origin.port, origin.via.proxy)
        self.receiver = self._answers = ResponseReceiver(self, owner.watch.limits)
        self._asking: SentRequest | None = None  # who has the wire now: `exchange`, by what it is on this end
        self.used = 0  # exchanges begun
        self.answered = False  # a head of the present answer has come, interim ones included
        self._last = False
        self.idle_since = 0.0  # on the loop's clock, as the next two
        self.retires: float = owner.retirement()  # it is not lent again from here on
        self.patience: float = owner.patience  # how long it may be idle, in seconds
        self.most_uses: int = owner.most_uses

    def begin(self, x: SentRequest, head: bytes, body: bytes, complete: bool) -> None:
        """Lend the connection to this exchange, and send its request's head and, in one write, what is there of a body.

        `complete`: that is all of the request.
        """
        self.exchange = self._asking = x
        self.used += 1
        self.answered = False
        options = x._options
        self._answers.expect(x.method, bool(options) and options.get("upgrade") is not None)
        x._wire = x._connection = self
        if complete:
            x._out = DONE
            x._sent += len(body)
        else:
            x._out = BODY
        if self._forward is not None:
            head = self._forward.dress(head)
        if len(body) <= JOINED:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)

    @property
    def usable(self) -> bool:
        """Still good for an exchange."""
        return self.lost is None and not self.peer_ended and not self._last and not self.transport.is_closing()

    def fit(self, now: float) -> bool:
        """Good for a request at this time: it has not been idle for too long, and nothing has come on it meanwhile.

        The loop tells of that a turn too late if other work kept it busy: a last word of the server, as 408 is, would
        be taken for the answer to what is sent now.
        """
        if not self.usable:
            return False
        idle = now - self.idle_since
        return idle < FRESH or (idle < self.patience and now < self.retires and not stirs(self.transport))

    # -- out ---------------------------------------------------------------------------------------------------

    def send_head(self, x: Exchange, fields: Fields, framing: Framing, length: int) -> None:
        """A request's head is sent when the exchange is entered."""
        raise AssertionError("a request's head goes through begin")

    def send_whole(self, x: Exchange, fields: Fields, body: bytes, lines: bytes | None = None) -> None:
        """Likewise."""
        raise AssertionError("a request goes through begin")

    def send_interim(self, status: int, fields: Fields) -> None:
        """Requests have none."""

    def send_continue(self) -> None:
        """Nobody expects it of a client."""

    def switch(self, x: Exchange) -> bytes:
        """The receiver switched when it saw the answer's head."""
        return b""

    # -- in ----------------------------------------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        """The answer's final head, or 101."""
        x = self._asking
        if x is None:
            return
        self.answered = True
        if self.used == 1:
            self._heed(head)
        if not head.keep_alive or head.framing is RAW_BYTES:
            self._last = True
        x._head = head
        x._answered_at = monotonic()
        if head.coding is not None and x._in is not None:
            x._in.coding = head.coding
        if head.framing is RAW_BYTES:
            x._out = RAW  # the stream begins here, whether or not `upgrade()` has been called
            x._framing = RAW_BYTES
        elif x._out is BODY and head.status >= 300:
            self._stop_upload(x, f"the answer is {head.status}")
        self._wake()
        if head.framing is NONE:
            self.on_end(None, True)

    def on_message(self, head: ResponseHead, body: bytes) -> None:
        """An answer that came in one piece."""
        x = self._asking
        if x is None:
            return
        if x._out is not DONE:  # a request still on its way, which the answer may stop
            self.on_head(head)
            if body:
                self.on_body(body)
            self.on_end(None, True)
            return
        self.answered = True
        if self.used == 1:
            self._heed(head)
        if not head.keep_alive:
            self._last = True
        x._head = head
        x._answered_at = monotonic()
        inbound = x._in
        assert inbound is not None  # a client's exchange always has one
        if head.coding is not None:
            inbound.coding = head.coding
        inbound.fill(body)
        self._wake()
        if x._sent:
            self._see_rest()
        self._cycle_done(x)

    def _heed(self, head: ResponseHead) -> None:
        """What the first answer says of how long the server keeps its connections."""
        value = find_field(head.fields, b"keep-alive")
        if value is not None:
            timeout, most = keep_alive_field(value.decode("latin-1"))
            self.patience = idle_seconds(self.patience, timeout)
            if most is not None:
                self.most_uses = min(self.most_uses, most + 1)
        if self._forward is not None and not says_keep_alive(head.fields):
            self._last = True  # some proxies end every connection and say nothing: a POST would be lost on it

    def on_interim(self, head: ResponseHead) -> None:
        """1xx."""
        x = self._asking
        if x is not None:
            self.answered = True
            x.interim.append((head.status, Headers.from_fields(head.fields)))
            self._wake()

    def on_fault(self, error: RemoteProtocolError) -> None:
        """The server broke the protocol: the connection is of no use, the exchange gets the error."""
        self.fail(error)

    def _stop_upload(self, x: SentRequest, why: str) -> None:
        """The server takes no more of the body: a writer is told, the connection ends with the answer."""
        self._last = True
        x._out = ABORTED
        x._error = EarlyAnswer(f"{why}, before the upload was complete", x)
        self._release_drainers()
        x._upload_stopped()

    def _inbound_done(self, x: Exchange) -> None:
        self.hold(False)
        if x._out is BODY and self._last and self._asking is not None:
            self._stop_upload(self._asking, "the answer is complete and the connection closes")
        if x._out is DONE or x._out is ABORTED:
            if x._sent:
                self._see_rest()
            self._cycle_done(x)

    def _see_rest(self) -> None:
        """An answer to a request that has not left yet: another one would wait behind its rest, if not for ever."""
        if self.transport.get_write_buffer_size():
            self._last = True

    def _cycle_done(self, x: Exchange) -> None:
        x._wire = None
        asking = self._asking
        if asking is not None:
            asking._connection = None
        self.exchange = self._asking = None
        if self.lost is not None:
            return
        if self._last or x._out is not DONE or self.peer_ended or self.blocked or self.used >= self.most_uses:
            self.close()
            return
        if self._answers.next_message():  # bytes behind the answer, of no request: they would poison the next one
            self.fail(RemoteProtocolError("bytes behind the end of an answer", 502))
            return
        if self._paused:
            self._resume()
        now = self.idle_since = self.watch.clock.time()
        if now < self.retires and self.patience > 0.0:
            self._owner.give_back(self)
        else:
            self.close()

    def _on_fin(self) -> None:
        x = self._asking
        if x is None:
            self.close()
        elif x._in is not None and not x._in.ended:
            where = "inside the answer's body" if x._head is not None else "before the answer"
            self.fail(Disconnected(f"the peer ended its side {where}", clean=True))

    def connection_lost(self, exc: Exception | None) -> None:
        """The link is gone; what TLS has to say of it is said in words."""
        if self.lost is None and isinstance(exc, SSLError):
            self.lost = late_error(exc, f"{self.origin.host}:{self.origin.port}")
        super().connection_lost(exc)

    def _on_lost(self) -> None:
        self._owner.gone(self)

    def hold(self, on: bool) -> None:
        """The exchange's user has left while somebody else reads: look after the reader."""
        if on:
            self._owner.hold.start(self)
        else:
            self._owner.hold.stop(self)

    def on_deadline(self, kind: str) -> None:
        """A deadline fell due."""
        if kind == "hold":
            x = self.exchange
            if x is not None and x._in is not None and not x._in.ended:
                if x._in.claimed:
                    self.hold(True)
                else:
                    x._abort("the answer's reader is gone")
            return
        super().on_deadline(kind)
