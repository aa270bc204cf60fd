"""The answering end's writing half: heads, whole answers, interim answers, and what they say of the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolkit.protocol.aio.connection import Connection
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, NONE, Framing
from toolkit.protocol.head import connection_options, serialize_fields
from toolkit.protocol.headers import find_field
from toolkit.protocol.status import STATUS_LINES, status_line
from toolkit.server.request import Request

if TYPE_CHECKING:
    from toolkit.protocol.aio.watch import Watch
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.headers import Fields
    from toolkit.protocol.inbound import Inbound

__all__ = ["AnsweringConnection"]

BODYLESS: Final = frozenset([204, 304])
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class AnsweringConnection(Connection):
    """The wire's sending verbs, for answers."""

    __slots__ = ("_last", "_timed")

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self._last = False  # no further request on this connection
        self._timed = False  # deadlines of the present exchange run: something of it is streamed

    def _watch_idle(self, x: Exchange) -> None:
        """From now on bytes must move."""
        raise NotImplementedError

    def send_interim(self, status: int, fields: Fields) -> None:
        """A 1xx head."""
        self.transport.write(status_line(status) + serialize_fields(fields) + b"\r\n")

    def send_continue(self) -> None:
        """Somebody is about to read: the client may send (RFC 9110 10.1.1). Not once its bytes are coming."""
        x = self.exchange
        if x is not None and x._in is not None and not x._in.received and not x._in.ended and self.lost is None:
            self.transport.write(CONTINUE)

    def send_head(self, x: Exchange, fields: Fields, framing: Framing, length: int) -> None:
        """The head of a streamed answer."""
        assert isinstance(x, Request)
        if framing is CHUNKED and x._head.minor:
            line = b"transfer-encoding: chunked\r\n"
        elif framing is LENGTH or (framing is NONE and length >= 0 and x._status == 304):
            line = b"content-length: %d\r\n" % length
        else:
            line = b""
        if framing is CLOSE:
            self._last = True
        if not self._timed:
            self._watch_idle(x)
        self.transport.write(self._head(x, fields, None, line))

    def send_whole(self, x: Exchange, fields: Fields, body: bytes, lines: bytes | None = None) -> None:
        """Head and body in one write."""
        assert isinstance(x, Request)
        inbound = x._in
        if inbound is not None and not inbound.ended:
            self._announce_end(x, inbound)
        status = x._status
        size: bytes = b"content-length: %d\r\n" % len(body)
        if status in BODYLESS or x.method == "HEAD":
            if status == 204 or (not body and (status == 304 or find_field(fields, b"content-length") is not None)):
                size = b""
            body = b""
        x._sent += len(body)
        self.transport.write(self._head(x, fields, lines, size, body))
        if inbound is None or inbound.ended:
            self._cycle_done(x)

    def _announce_end(self, x: Request, inbound: Inbound) -> None:
        """What will not be read cannot be kept either: decided here, so that the answer can say so."""
        unasked = x._head.expect and not inbound.received
        self._last |= unasked or (x._head.framing is LENGTH and self.receiver.left > self.limits.drain)

    def _head(self, x: Request, fields: Fields, lines: bytes | None, framing: bytes, body: bytes = b"") -> bytes:
        """The head's bytes, and behind them those of a body that is at hand."""
        status = x._status
        assert status is not None
        date = self.watch.clock.date_line()
        if lines is None:
            fields, date = self._own_words(fields, date)
            lines = serialize_fields(fields)
        if self._last:
            connection = b"connection: close\r\n\r\n"
        elif x._head.minor == 0:
            connection = b"connection: keep-alive\r\n\r\n"
        else:
            connection = b"\r\n"
        return b"".join((STATUS_LINES.get(status) or status_line(status), lines, framing, date, connection, body))

    def _own_words(self, fields: Fields, date: bytes) -> tuple[Fields, bytes]:
        """What the application said about date, connection and the fields common to all answers counts."""
        kept: Fields = []
        common = self.watch.clock.common
        replaced = False
        for name, value in fields:
            key = name.lower()
            if key == b"connection":
                options = connection_options([value])
                if b"close" in options:
                    self._last = True
                options -= {b"close", b"keep-alive"}
                if options:
                    kept.append((name, b", ".join(sorted(options))))
                continue
            if key == b"date" or key in common:
                replaced = True
            kept.append((name, value))
        if replaced:
            given = {name.lower() for name, _ in kept}
            first = b"" if b"date" in given else date[: date.index(b"\n") + 1]
            date = b"".join((first, *(line for name, line in common.items() if name not in given)))
        return kept, date

    def send_switch(self, x: Request, fields: Fields) -> None:
        """101, or 2xx to CONNECT; raw bytes follow."""
        self._last = True
        status = x._status
        assert status is not None
        self.transport.write(status_line(status) + serialize_fields(fields) + b"\r\n")

    def switch(self, x: Exchange) -> bytes:
        """Raw from here on."""
        data = self.receiver.switch()
        self._resume()
        return data
