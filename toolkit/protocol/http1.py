"""The receiving half of HTTP/1.1, for both roles: bytes cut anywhere in, calls on a sink out. No I/O.

How it works. The receiver is always in one of seven states. In HEAD it gathers bytes until CRLFCRLF, within limits, and
hands one complete block to the head parser. The head's framing chooses the next state: LENGTH and CHUNKED count or
decode, CLOSE and RAW pass everything on. At the end of a message it is HELD: later bytes belong to the next message
and wait, until the connection has finished the present exchange in both directions and calls `next_message()`. So a
pipelined request cannot be served early or out of order. After a fault it is DEAD: nothing behind it is ever read as
a message (waitress CVE-2024-49768).

There are no event objects: a request without a body costs one call, `on_head`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from toolkit.errors import LimitExceeded, RemoteProtocolError, caused
from toolkit.protocol.chunked import ChunkedDecoder
from toolkit.protocol.compiled import mypyc_attr
from toolkit.protocol.framing import CHUNKED, LENGTH, NONE, RAW_BYTES, Framing
from toolkit.protocol.head import (
    IMPOSSIBLE,
    MALFORMED,
    MALFORMED_RESPONSE,
    START,
    RequestHead,
    RequestHeadParser,
    ResponseHead,
    ResponseHeadParser,
)

if TYPE_CHECKING:
    from toolkit.protocol.headers import Fields
    from toolkit.protocol.limits import Limits

__all__ = ["Receiver", "RequestReceiver", "RequestSink", "ResponseReceiver", "ResponseSink", "Sink"]

SMALL: Final = 4 * 1024  # most segments with a head
MESSAGES_A_TURN: Final = 32  # heads taken from one segment before other connections get their turn


class Sink(Protocol):
    """What a receiver calls; a connection implements it."""

    def on_body(self, data: bytes) -> None:
        """Payload, framing removed; never empty."""

    def on_end(self, trailers: Fields | None, complete: bool | None) -> None:
        """The body is over; `complete` is None where only the end of the connection says so."""

    def on_fault(self, error: RemoteProtocolError) -> None:
        """The peer broke the protocol; the receiver is dead."""

    def on_held(self, size: int) -> None:
        """`size` bytes of later messages are waiting."""


class RequestSink(Sink, Protocol):
    """The answering end's."""

    def on_head(self, head: RequestHead) -> None:
        """A head. With `framing is NONE` it is the whole message: no `on_end` follows."""


class ResponseSink(Sink, Protocol):
    """The asking end's."""

    def on_head(self, head: ResponseHead) -> None:
        """A final head, or 101. With `framing is NONE` it is the whole message: no `on_end` follows."""

    def on_message(self, head: ResponseHead, body: bytes) -> None:
        """A final head with the whole of its body, in one piece: `on_head`, `on_body` and `on_end` in one call."""

    def on_interim(self, head: ResponseHead) -> None:
        """A 1xx head."""


class _State(IntEnum):
    HEAD = 0
    LENGTH = 1
    CHUNKED = 2
    PASS = 3  # CLOSE and RAW
    HELD = 4
    DEAD = 5
    UNASKED = 6  # a client's, while no request is under way


_HEAD: Final = _State.HEAD
_LENGTH: Final = _State.LENGTH
_CHUNKED: Final = _State.CHUNKED
_PASS: Final = _State.PASS
_HELD: Final = _State.HELD
_DEAD: Final = _State.DEAD
_UNASKED: Final = _State.UNASKED


def head_end(data: bytes) -> int:
    """Where the head that begins here is over, behind its CRLFCRLF; -1 if that has not come."""
    if len(data) <= SMALL:  # a copy is cheaper than how `find` looks at its arguments: 400 instructions less
        head, end, _ = data.partition(b"\r\n\r\n")
        return len(head) + 4 if end else -1
    at = data.find(b"\r\n\r\n")
    return at + 4 if at >= 0 else -1


@mypyc_attr(allow_interpreted_subclasses=True)
class Receiver:
    """The states and the bodies; subclasses read the head of their side."""

    __slots__ = (
        "_chunked",
        "_framing",
        "_left",
        "_state",
        "_turn",
        "held",
        "limits",
        "partial",
        "running",
        "sink",
    )

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self.sink = sink
        self.limits = limits
        self._state = _HEAD
        self._framing: Framing = NONE
        self._left = 0
        self._chunked: ChunkedDecoder | None = None
        self.partial: bytearray | None = None  # of a head, when not all of it has come
        self.held = b""  # bytes of later messages
        self._turn = 0
        self.running = False  # inside `receive`

    # -- what the connection asks ------------------------------------------------------------------------------

    @property
    def in_head(self) -> bool:
        """Part of a head has come."""
        return self.partial is not None

    @property
    def between_messages(self) -> bool:
        """Waiting for a head of which no byte has come."""
        return self._state is _HEAD and self.partial is None

    @property
    def left(self) -> int:
        """What a body of known length still lacks; 0 otherwise."""
        return self._left if self._state is _LENGTH else 0

    @property
    def passing(self) -> bool:
        """The body ends with the connection: whatever comes is its payload."""
        return self._state is _PASS

    @property
    def decoder(self) -> ChunkedDecoder | None:
        """That of the chunked body which is arriving."""
        return self._chunked if self._state is _CHUNKED else None

    @property
    def in_chunk(self) -> int:
        """What the chunk at hand still lacks; 0 where chunks must be seen, as their sum has a limit."""
        decoder = self.decoder
        return 0 if decoder is None or self.limits.body is not None else decoder.left_of_chunk

    # -- bytes in ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes from the link, as they came. Never raises for what a peer sent: that is `sink.on_fault`."""
        self._turn = 0
        self.running = True
        try:
            while data:
                state = self._state
                if state is _HELD or (state is _HEAD and self.held):
                    self._hold(data)
                    return
                if state is _HEAD:
                    data = self._receive_head(data)
                elif state is _LENGTH:
                    data = self._receive_counted(data)
                elif state is _CHUNKED:
                    data = self._receive_chunked(data)
                elif state is _PASS:
                    self.sink.on_body(data)
                    return
                elif state is _UNASKED:  # a byte of it kept would become the head of the next answer (RFC 9112 9.2)
                    raise RemoteProtocolError("bytes that no request asked for", 502)
                else:
                    return
        except RemoteProtocolError as error:
            self.stop()
            self.sink.on_fault(error)
        finally:
            self.running = False

    def receive_eof(self) -> None:
        """The peer ended its side. The end of an until-close body; otherwise the connection decides."""
        if self._state is _PASS:
            raw = self._framing is RAW_BYTES
            self._state = _HELD
            self.sink.on_end(None, True if raw else None)

    def next_message(self) -> bool:
        """The present exchange is over: read the next head. True if bytes for it wait; `resume()` feeds them."""
        if self._state is _HELD:
            self._state = _HEAD
        return bool(self.held)

    def resume(self) -> None:
        """Go on with the bytes that were held."""
        data, self.held = self.held, b""
        self.receive(data)

    def switch(self) -> bytes:
        """Raw bytes from here on. Returns those that came already."""
        self._state = _PASS
        self._framing = RAW_BYTES
        data, self.held = self.held, b""
        return data

    def skip(self, count: int) -> None:
        """`count` bytes of a known length were moved past us, from socket to socket."""
        self._left -= count
        if not self._left:
            self._end(None, True)

    def stop(self) -> None:
        """Nothing that still comes is of interest."""
        self._state = _DEAD
        self.held = b""
        self.partial = None

    def _hold(self, data: bytes) -> None:
        self.held = self.held + data if self.held else data
        self.sink.on_held(len(self.held))

    # -- heads -------------------------------------------------------------------------------------------------

    def _receive_head(self, data: bytes) -> bytes:
        if self.partial is not None:
            block, rest = self._continue_head(data)
        else:
            while data.startswith(b"\r\n"):  # RFC 9112 2.2: empty lines before a start line are ignored
                data = data[2:]
            end = head_end(data)
            if end < 0:
                if data:
                    self.partial = bytearray()
                    self._continue_head(data)
                return b""
            block, rest = (data, b"") if end == len(data) else (data[:end], data[end:])
        if block is None:
            return b""
        if len(block) > self.limits.head:
            raise self._first_fault(block) or self._oversize(block)
        self._turn += 1
        if self._turn > MESSAGES_A_TURN:
            self.held = block + rest
            self.sink.on_held(len(self.held))
            return b""
        return self._take_head(block, rest)

    def _continue_head(self, data: bytes) -> tuple[bytes | None, bytes]:
        """Add to a head that comes in parts, each byte looked at once."""
        partial = self.partial
        assert partial is not None  # our own invariant: both callers have just set or tested it
        before = len(partial)
        partial += data
        while partial.startswith(b"\r\n"):
            del partial[:2]
            data = data[2 - before :] if before < 2 else data
            before = max(0, before - 2)
        if not partial:
            self.partial = None
            return None, b""
        end = partial.find(b"\r\n\r\n", max(0, before - 3))
        if end >= 0:
            end += 4
            block = bytes(partial[:end])
            rest = data[end - before :]
            self.partial = None
            return block, rest
        # A head that can never become valid is refused now: its sender may be waiting for our answer.
        if IMPOSSIBLE.search(partial, max(0, before - 1), self.limits.head + 1) is not None:
            raise self._malformed()
        if len(partial) > self.limits.head:
            raise self._first_fault(bytes(partial)) or self._oversize(partial)
        self._check_start(partial, before)
        return None, b""

    def _malformed(self) -> RemoteProtocolError:
        raise NotImplementedError

    def _first_fault(self, block: bytes) -> RemoteProtocolError | None:
        """What would have been said first had the block come byte by byte: a fault must not depend on the cuts."""
        size = self.limits.head + 1
        if len(block) < size:
            return None
        return self._malformed() if IMPOSSIBLE.search(block, 0, size) is not None else self._oversize(block)

    def _oversize(self, block: bytes | bytearray) -> LimitExceeded:
        raise NotImplementedError

    def _check_start(self, partial: bytearray, before: int) -> None:
        raise NotImplementedError

    def _take_head(self, block: bytes, rest: bytes) -> bytes:
        """One head, with what came behind it; returns what is left of that."""
        raise NotImplementedError

    def _begin_body(self, head: RequestHead | ResponseHead) -> None:
        """The state behind this head; set before the sink is told, who may already ask for it."""
        framing = self._framing = head.framing
        if framing is NONE:
            self._state = _HELD
        elif framing is LENGTH:
            if self.limits.body is not None and head.length > self.limits.body:
                raise LimitExceeded(f"a body of {head.length} bytes, the limit is {self.limits.body}")
            self._left = head.length
            self._state = _LENGTH
        elif framing is CHUNKED:
            self._chunked = ChunkedDecoder(self.limits)
            self._left = 0
            self._state = _CHUNKED
        else:
            self._state = _PASS

    # -- bodies ------------------------------------------------------------------------------------------------

    def _receive_counted(self, data: bytes) -> bytes:
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            self.sink.on_body(data)
            return b""
        rest = b""
        if len(data) > left:
            data, rest = data[:left], data[left:]
        self._left = 0
        self._state = _HELD  # before the sink is told: it may ask for the next message
        self.sink.on_body(data)
        self.sink.on_end(None, True)
        return rest

    def _receive_chunked(self, data: bytes) -> bytes:
        chunked = self._chunked
        assert chunked is not None  # our own invariant: set together with the state
        payload, rest = chunked.decode(data)
        if payload:
            self._left += len(payload)  # counts up here: a chunked body shows its length only as it comes
            if self.limits.body is not None and self._left > self.limits.body:
                raise LimitExceeded(f"a body over {self.limits.body} bytes")
            self.sink.on_body(payload)
        if chunked.done and self._state is _CHUNKED:
            self._chunked = None
            self._end(chunked.trailers or None, True)
        return rest

    def _end(self, trailers: Fields | None, complete: bool | None) -> None:
        self._state = _HELD
        self.sink.on_end(trailers, complete)


class RequestReceiver(Receiver):
    """The server's: requests. Connections with the same limits share a parser."""

    __slots__ = ("_heads", "_parser")

    def __init__(self, sink: RequestSink, limits: Limits, parser: RequestHeadParser | None = None) -> None:
        super().__init__(sink, limits)
        self._heads = sink
        self._parser = RequestHeadParser(limits) if parser is None else parser

    def _malformed(self) -> RemoteProtocolError:
        return RemoteProtocolError(MALFORMED)

    def _oversize(self, block: bytes | bytearray) -> LimitExceeded:
        line = block.find(b"\r\n", 0, self.limits.head + 1)  # of what had come when the limit was passed
        if line < 0 or line > self.limits.target + 64:
            return LimitExceeded(f"the request target is over {self.limits.target} bytes", 414)
        return LimitExceeded(f"the request head is over {self.limits.head} bytes", 431)

    def _check_start(self, partial: bytearray, before: int) -> None:
        """A first line that no HTTP peer sends (a TLS hello on a plain port, say) is refused without waiting."""
        line = partial.find(b"\r\n")
        if line < 0 and len(partial) > self.limits.target + 64:
            raise self._first_fault(bytes(partial)) or self._oversize(partial)
        end = len(partial) if line < 0 else line + 2
        if end > before and START.fullmatch(partial, 0, end) is None:  # while it comes, and once when it is there
            raise self._malformed()

    def _first_fault(self, block: bytes) -> RemoteProtocolError | None:
        size = self.limits.target + 65
        line = block.find(b"\r\n", 0, size)
        if line >= 0 and START.fullmatch(block, 0, line + 2) is None:
            return self._malformed()
        if len(block) >= size and line < 0:
            if IMPOSSIBLE.search(block, 0, size) is not None or START.fullmatch(block, 0, size) is None:
                return self._malformed()
            return self._oversize(block)
        return super()._first_fault(block)

    def _take_head(self, block: bytes, rest: bytes) -> bytes:
        try:
            head = self._parser.parse(block)
        except RemoteProtocolError as error:
            raise caused(self._first_fault(block) or error, None)
        if head.framing is NONE:
            self._state = _HELD  # first: what the sink does on a head may already ask for the next message
            self._heads.on_head(head)
            return rest
        self._begin_body(head)
        self._heads.on_head(head)
        return rest


class ResponseReceiver(Receiver):
    """The client's: responses, each to the request announced by `expect`."""

    __slots__ = ("_heads", "_interim", "_method", "_parser", "_upgrade")

    def __init__(self, sink: ResponseSink, limits: Limits) -> None:
        super().__init__(sink, limits)
        self._heads = sink
        self._parser = ResponseHeadParser(limits)
        self._state = _UNASKED
        self._method = ""
        self._upgrade = False
        self._interim = 0

    def expect(self, method: str, upgrade: bool) -> None:
        """The next response answers `method`; `upgrade`: 101 was asked for."""
        if self._state is _UNASKED:
            self._state = _HEAD
        self._method = method
        self._upgrade = upgrade
        self._interim = 0

    @property
    def between_messages(self) -> bool:
        """No request is under way."""
        return self._state is _UNASKED

    def next_message(self) -> bool:
        """The present exchange is over. True if bytes have come that no request asked for."""
        if self._state is _HELD:
            self._state = _UNASKED
        return bool(self.held)

    def _malformed(self) -> RemoteProtocolError:
        return RemoteProtocolError(MALFORMED_RESPONSE, 502)

    def _first_fault(self, block: bytes) -> RemoteProtocolError | None:
        return super()._first_fault(block) if block.startswith(b"HTTP/") else self._malformed()

    def _oversize(self, block: bytes | bytearray) -> LimitExceeded:
        return LimitExceeded(f"the response head is over {self.limits.head} bytes", 502)

    def _check_start(self, partial: bytearray, before: int) -> None:
        if partial[:5] != b"HTTP/"[: len(partial)] and partial != b"\r":
            raise self._malformed()

    def _take_head(self, block: bytes, rest: bytes) -> bytes:
        try:
            head = self._parser.parse(block, self._method)
        except RemoteProtocolError as error:
            raise caused(self._first_fault(block) or error, None)
        status = head.status
        if status < 200 and status != 101:
            self._interim += 1
            if self._interim > self.limits.interim:
                raise LimitExceeded(f"more than {self.limits.interim} interim answers (1xx)", 502)
            self._heads.on_interim(head)
            return rest
        if status == 101 and not self._upgrade:
            raise RemoteProtocolError("101 Switching Protocols without having been asked", 502)
        length = head.length
        if head.framing is LENGTH and length <= len(rest) and (self.limits.body is None or length <= self.limits.body):
            self._state = _HELD  # first: what the sink does may already ask for the next message
            self._heads.on_message(head, rest[:length])
            return rest[length:]
        self._begin_body(head)
        self._heads.on_head(head)
        return rest
