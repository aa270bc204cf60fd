"""Exchange: one request and its response, the same object seen from both ends.

How it works. An exchange holds two messages. The outbound one is a state (`states.py`), a framing and a count of bytes
still owed; the inbound one is an `Inbound` buffer, absent where there is no body. Everything that leaves goes through
a `Wire`, everything that arrives is fed by it. There is no socket, loop or clock here: waiting is the wire's.

A function that moves bytes cannot tell, and need not, whether it holds a request being served or an answer being read:
what differs (whose head is sent when) is in the two subclasses, `Request` and `Response`.
"""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, NoReturn, TypeAlias

from toolkit.errors import (
    BodyNotReplayable,
    Disconnected,
    LocalProtocolError,
    RemoteProtocolError,
    ToolkitError,
    ToolkitTimeout,
    UseError,
    caused,
)
from toolkit.protocol.compiled import mypyc_attr
from toolkit.protocol.framing import CHUNKED, LENGTH, NONE, RAW_BYTES, Framing
from toolkit.protocol.headers import Headers, HeadersLike, encode_fields
from toolkit.protocol.readable import Json, Readable
from toolkit.protocol.relay import relay_exchange, relay_foreign, send_file
from toolkit.protocol.states import ABORTED, BODY, DONE, IDLE, RAW, State
from toolkit.protocol.wire import Moved

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable

    from toolkit.protocol.extra import Extra
    from toolkit.protocol.inbound import Inbound
    from toolkit.protocol.outbound_coding import OutboundCoding
    from toolkit.protocol.wire import Owner, Wire

__all__ = ["Exchange", "Json", "Source"]

Source: TypeAlias = "Exchange | AsyncIterable[bytes] | IO[bytes]"


@mypyc_attr(allow_interpreted_subclasses=True)
class Exchange(Readable):
    """One request and its response, from either end.

    Attributes: `method`, `store` (the application's own dict). The rest are properties; what is known stays known
    after the exchange is over and its connection serves another.
    """

    __slots__ = (
        "__weakref__",
        "_coding",
        "_discard",
        "_error",
        "_extra",
        "_framing",
        "_handling",
        "_left",
        "_out",
        "_promised",
        "_request_headers",
        "_response_headers",
        "_sent",
        "_store",
        "_told",
        "method",
    )

    def __init__(self, wire: Wire | None, method: str, inbound: Inbound | None) -> None:
        self.method = method
        self._wire = wire
        self._in = inbound
        self._out: State = IDLE
        self._framing: Framing = NONE
        self._left = -1  # what a promised length still owes; -1: no promise
        self._promised = -1
        self._handling = 0  # the exception (its id) that was being handled when the exchange began: none of its own
        self._sent = 0
        self._told: tuple[Owner | None, ...] = ()  # the tasks that a failure was raised to
        self._discard = False  # the answer has no body (HEAD, 204, 304): what is written is dropped
        self._error: Exception | None = None  # why the outbound message cannot go on
        self._coding: OutboundCoding | None = None
        self._whole: bytes | None = None
        self._store: dict[str, object] | None = None
        self._extra: Extra | None = None
        self._request_headers: Headers | None = None
        self._response_headers: Headers | None = None

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The absolute URL of the request."""
        raise NotImplementedError

    @property
    def status(self) -> int | None:
        """The answer's status; None before it is known."""
        raise NotImplementedError

    @property
    def http_version(self) -> str:
        """The peer's version, "1.1" or "1.0"; on a client "1.1" before the answer."""
        raise NotImplementedError

    @property
    def request_headers(self) -> Headers:
        """The request's fields, from either end."""
        raise NotImplementedError

    @property
    def response_headers(self) -> Headers:
        """The answer's fields, from either end; empty before they are known."""
        raise NotImplementedError

    @property
    def headers(self) -> Headers:
        """The inbound message's fields. On a client: `UseError` before the head is here."""
        raise NotImplementedError

    @property
    def content_type(self) -> str:
        """The inbound content-type field, "" without one."""
        return self.headers.get("content-type", "")

    @property
    def content_length(self) -> int | None:
        """The inbound content-length field in coded bytes; None without one."""
        value = self.headers.get("content-length")
        return None if value is None else int(value)

    @property
    def received_len(self) -> int:
        """Coded bytes of the inbound body that have arrived."""
        return self._in.received if self._in is not None else 0

    @property
    def trailers(self) -> Headers | None:
        """Fields that came behind the inbound body; None without any, or before its end."""
        fields = self._in.trailers if self._in is not None else None
        return None if fields is None else Headers.from_fields(fields)

    @property
    def complete(self) -> bool | None:
        """True: the inbound message arrived whole. None: it ended with the connection, so nobody can tell."""
        return True if self._in is None else self._in.complete

    @property
    def store(self) -> dict[str, object]:
        """The application's own dict."""
        if self._store is None:
            self._store = {}
        return self._store

    @store.setter
    def store(self, value: dict[str, object]) -> None:
        self._store = value

    # -- the outbound message ----------------------------------------------------------------------------------

    async def prepare(
        self, headers: HeadersLike | None = None, status: int = 200, *, coding: str | None = None
    ) -> None:
        """Send my head; the framing of the body is fixed with it.

        A content-length promises a length; without one the body is chunked (until-close to an HTTP/1.0 peer).
        `coding` ("gzip", "deflate", "br", "zstd", or "auto": the peer's choice by q-values) encodes what `write` is
        given; a content-encoding field without it says that the bytes are coded already.
        Raises `UseError` when the head was sent, `LocalProtocolError` for what may not be sent.
        """
        raise NotImplementedError

    async def head(self) -> None:
        """Wait until the peer's head is known. On a server: returns at once."""
        raise NotImplementedError

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a piece of the body; returns when there is room for more.

        The piece is handed over whole before anything is waited for: concurrent writes are atomic, in call order, and
        a cancelled one has been sent. With a coding, one that is cancelled before its turn is not sent, and one that is
        cancelled while it is being compressed aborts the message. b"" does nothing. Raises `UseError` out of order,
        `LocalProtocolError` for more than was promised (nothing of it is sent), `Disconnected`, `EarlyAnswer`,
        `WriteTimeout`.
        """
        out = self._out
        if out is not BODY and out is not RAW:
            self._cannot_write("write()")
        if type(data) is not bytes:
            data = _as_bytes(data)
        size = len(data)
        if not size:
            return
        if self._discard:
            self._discarded()
            return
        wire = self._wire
        if self._error is not None or wire is None:
            raise self._failure(self._error, "writing")
        if self._coding is not None:
            await self._coding.write(self, data)
            return
        left = self._left
        if left >= 0:
            if size > left:
                self._too_much("write()", size)
            self._left = left - size
        self._sent += size
        wire.send_part(self, data)
        if wire.blocked:
            await self._drain(wire)

    async def write_chunked(self, data: bytes | bytearray | memoryview) -> None:
        """`write`, insisting on chunked framing. Raises `UseError` where the head promised a length."""
        if self._out is IDLE:
            self._cannot_write("write_chunked()")
        if self._out is BODY and self._framing is not CHUNKED and not self._discard:
            raise UseError(self._say(f"write_chunked() on a body framed by {self._framing.name}; use write()"))
        await self.write(data)

    async def eof(self, data: bytes = b"", trailers: HeadersLike | None = None) -> None:
        """End my message cleanly, after `data` if there is any; `trailers` go behind a chunked body.

        After the end `eof()` does nothing and `eof(data)` is a `UseError`. Short of the promised length the message
        is aborted and `LocalProtocolError` raised; on a dead peer, or while another exception is being handled, it is
        aborted and nothing raised.
        """
        out = self._out
        if out is DONE or out is ABORTED:
            if data and out is DONE:
                raise UseError(self._say("eof(data) after the end; the message is complete"))
            return
        if self._unwinding():
            self._abort("an exception is being handled")
            return
        if out is IDLE:
            await self._eof_unprepared(data, trailers)
            return
        fields = encode_fields(trailers)
        if fields and self._framing is not CHUNKED and not self._discard:
            raise UseError(self._say("trailers need chunked framing; prepare without content-length"))
        if data:
            await self.write(data)
        if self._error is not None or self._wire is None:
            self._out = ABORTED
            return
        if self._coding is not None and not self._discard:
            await self._coding.finish(self)
        if self._left > 0 and not self._discard:
            await self._short()
            return
        wire = self._wire
        if self._out is DONE or wire is None:
            return
        self._out = DONE
        wire.send_end(self, fields)
        if wire.blocked and self._wire is wire:
            await self._drain(wire)

    async def abort(self, reason: str = "") -> None:
        """End the exchange so that the peer cannot take it for a clean end. After both ends: does nothing."""
        self._abort(reason or "aborted")

    async def send_file(
        self, file: str | os.PathLike[str] | IO[bytes], offset: int = 0, count: int | None = None
    ) -> Moved:
        """Send a file, or `count` bytes of it from `offset`; by sendfile(2) where the link allows.

        Returns how many bytes went by which method. Raises like `write`; OSError where the file cannot be read.
        """
        return await send_file(self, file, offset, count)

    async def relay(self, source: Source) -> Moved:
        """Send all of `source`: another exchange's inbound body (coded bytes), an async iterable, or a file.

        Bytes go from socket to socket inside the kernel (splice(2)) where both links allow and both lengths are
        known; plain chunks go past the transports as they came, through one buffer. If the source fails, this exchange
        is aborted first and the error raised; if this one fails, the error says so and the source stays its owner's.
        Cancelled: this one is aborted.
        """
        if self._out is not BODY and self._out is not RAW:
            self._cannot_write("relay()")
        if self._discard:
            self._discarded()
            return Moved()
        if isinstance(source, Exchange):
            return await relay_exchange(self, source)
        return await relay_foreign(self, source)

    async def inform(self, status: int, headers: HeadersLike | None = None) -> None:
        """Send an interim answer (1xx, such as 103 Early Hints, RFC 8297) before the final head; a server's call."""
        raise UseError(self._say("inform() sends an interim answer; only the answering end can"))

    async def upgrade(self, headers: HeadersLike | None = None) -> Exchange:
        """Turn the exchange into a raw duplex byte stream with the same verbs (RFC 9110 7.8, 9.3.6).

        `eof` ends my direction alone; where the link cannot (TLS), both: there, let the protocol say who ends last. It
        should say how much comes, too: asyncio's own loop does not tell a cut TLS link from one ended by close_notify.
        """
        raise NotImplementedError

    # -- shared with the subclasses, the relay and the wire ----------------------------------------------------

    def _start_body(self, framing: Framing, length: int) -> None:
        self._out = BODY
        self._framing = framing
        self._left = self._promised = length if framing is LENGTH else -1

    def _switch_raw(self, inbound: Inbound) -> None:
        """Both directions are raw from here on."""
        self._in = inbound
        self._whole = None
        self._out = RAW
        self._framing = RAW_BYTES
        self._left = -1
        self._discard = False
        self._coding = None

    async def _drain(self, wire: Wire) -> None:
        try:
            await wire.drain()
        except (Disconnected, ToolkitTimeout) as error:
            raise caused(self._failure(self._error or error, "writing"), error)
        if self._error is not None:
            raise self._failure(self._error, "writing")

    def _discarded(self) -> None:
        """A body written to an answer that has none."""

    async def _eof_unprepared(self, data: bytes, trailers: HeadersLike | None) -> None:
        raise UseError(self._say("eof() before the head was sent"))

    def _inbound_left(self) -> int:
        """Bytes of an inbound body of known length that the wire has not received; 0 where the length is unknown."""
        return self._wire.inbound_left(self) if self._wire is not None else 0

    def _too_much(self, call: str, size: int) -> NoReturn:
        raise LocalProtocolError(
            self._say(f"{call} of {size} bytes, {self._left} of the promised {self._promised} are left")
        )

    async def _short(self) -> None:
        text = f"eof() {self._left} bytes short of the promised {self._promised}"
        self._abort(text)
        raise LocalProtocolError(self._say(f"{text}; aborted"))

    def _unwinding(self) -> bool:
        """An exception is being handled that was not when the exchange began: whoever ends it now ends it early."""
        error = sys.exc_info()[1]
        return error is not None and id(error) != self._handling

    def _abort(self, reason: str) -> None:
        wire = self._wire
        if self._out is not DONE:
            self._out = ABORTED
        if wire is not None:
            wire.reset(self, reason)

    def _cannot_write(self, call: str) -> NoReturn:
        out = self._out
        if out is IDLE:
            raise UseError(self._say(f"{call} before the head was sent; await prepare(...) first"))
        if self._error is not None:
            raise self._failure(self._error, "writing")
        if out is DONE:
            raise UseError(self._say(f"{call} after the end of the message; nothing may follow eof()"))
        raise Disconnected(self._say(f"{call} after the message was aborted"), self)

    def _lost(self, error: Exception) -> None:
        """The wire's word that nothing more can be sent or received."""
        if self._error is None:
            self._error = error
        if self._in is not None:
            self._in.fail(error)

    def _failure(self, error: Exception | None, phase: str) -> Exception:
        """`error` again, for the person who reads it: method, URL, phase, bytes moved."""
        if self._wire is not None:
            self._told = (*self._told, self._wire.owner())
        if error is None:
            return Disconnected(self._say(f"{phase}: the exchange is over"), self)
        text = self._say(f"{phase}: {error} (received {self._progress()}, sent {self._sent})")
        if isinstance(error, Disconnected):
            fresh: Exception = type(error)(text, self, clean=error.clean)
        elif isinstance(error, RemoteProtocolError):
            fresh = type(error)(text, error.status_hint, fault=error.fault)
            fresh.exchange = self
        elif isinstance(error, ToolkitError) and not isinstance(error, BodyNotReplayable):
            fresh = type(error)(text)
        else:
            return error
        fresh.__cause__ = error.__cause__
        return fresh

    def _progress(self) -> str:
        """Bytes received, and of how many."""
        try:
            length = self.content_length
        except (UseError, ValueError):  # no head yet
            length = None
        return f"{self.received_len} bytes" if length is None else f"{self.received_len} of {length} bytes"

    def _say(self, text: str) -> str:
        return f"{self.method} {self.url}: {text}"


def _as_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """An immutable copy: the transport keeps what it could not send at once, and the caller may change his buffer."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise UseError(f"write() takes bytes, not {type(data).__name__}; encode text first, open files in binary mode")
