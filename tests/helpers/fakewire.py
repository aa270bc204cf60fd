"""A fake wire: it records both directions and frames what is sent as HTTP/1.1 does. No link, no event loop.

Coroutines are moved by hand: `run` for one that must not wait, `Running` for one that may. The transition table is
built in: a wire that is told what the table does not have in its present state fails the test at once.
"""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING, Generic, Literal, TypeVar

from toolkit.errors import Disconnected, UseError
from toolkit.protocol.chunked import chunk, last_chunk
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, NONE, RAW_BYTES, Framing, bodyless, split_framing
from toolkit.protocol.head import RequestHead, serialize_fields, serialize_request
from toolkit.protocol.headers import Fields, Headers, HeadersLike, encode_fields
from toolkit.protocol.inbound import Inbound
from toolkit.protocol.limits import Limits
from toolkit.protocol.states import IDLE, TRANSITIONS, Event, State
from toolkit.protocol.status import status_line
from toolkit.protocol.wire import Caps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from toolkit.protocol.head import ResponseHead
    from toolkit.protocol.http1 import Receiver
    from toolkit.protocol.readable import Readable

__all__ = ["End", "FakeOwner", "FakeWire", "Heard", "Pause", "Recorder", "Running", "Side", "events_of", "run"]

T = TypeVar("T")
Side = Literal["asking", "answering"]
Heard = tuple[object, ...]
PLAIN = Caps(half_close=True, reset=True, zero_copy=False)


class Pause:
    """Awaited: gives the turn back to whoever moves the coroutine."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Running(Generic[T]):
    """A coroutine moved by hand; it has run to its first wait when this is made."""

    def __init__(self, coroutine: Coroutine[object, object, T]) -> None:
        self._coroutine = coroutine
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.done = False
        self.step()

    def step(self, error: BaseException | None = None) -> bool:
        """Go on to the next wait, or with `error` from the present one. Returns whether it has ended."""
        if not self.done:
            try:
                if error is None:
                    self._coroutine.send(None)
                else:
                    self._coroutine.throw(error)
            except StopIteration as stop:
                self._result.append(stop.value)
                self.done = True
            except BaseException as raised:
                self._error = raised
                self.done = True
        return self.done

    def cancel(self) -> None:
        """As a task's cancellation arrives."""
        self.step(asyncio.CancelledError())

    def result(self) -> T:
        """What it returned; raises what it raised."""
        assert self.done, "the coroutine is waiting"
        if self._error is not None:
            raise self._error
        return self._result[0]


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine that has nothing to wait for."""
    running = Running(coroutine)
    if not running.done:
        coroutine.close()
        raise AssertionError("the coroutine waits for something that this test does not bring")
    return running.result()


class FakeOwner:
    """What stands for a task."""

    def __init__(self) -> None:
        self.over = False

    def done(self) -> bool:
        return self.over


class Turn:
    """A lock whose waiters go in order."""

    def __init__(self) -> None:
        self._queue: list[object] = []

    async def __aenter__(self) -> None:
        ticket = object()
        self._queue.append(ticket)
        while self._queue[0] is not ticket:
            await Pause()

    async def __aexit__(self, *error: object) -> None:
        del self._queue[0]


class FakeWire:
    """A `Wire` that keeps everything it is told in `sent`, frames it into `output`, and is fed by the test."""

    def __init__(
        self,
        side: Side = "answering",
        *,
        limits: Limits = Limits(),
        caps: Caps = PLAIN,
    ) -> None:
        self.side = side
        self.limits = limits
        self.blocked = False
        self.state: State = IDLE
        self.sent: list[Heard] = []
        self.received: list[Heard] = []  # the other direction: what came, and what was taken of it
        self.output = bytearray()
        self.lost: Exception | None = None
        self.running: FakeOwner | None = FakeOwner()
        self.due: list[Callable[[], None]] = []
        self.offloaded = 0
        self.left = 0  # what `inbound_left` says
        self.early = b""  # what `switch` gives
        self.exchange: Exchange | None = None
        self._caps = caps
        self._arrivals = 0
        # What a server's request asks of its connection besides.
        self.peer = ("192.0.2.1", 49152)
        self.scheme = "http"
        self.peer_ended = False

    @property
    def caps(self) -> Caps:
        return self._caps

    # -- what the exchange sends -------------------------------------------------------------------------------

    def _step(self, event: Event) -> None:
        after = TRANSITIONS.get((self.state, event))
        assert after is not None, f"the exchange left the table: {event.name} in {self.state.name}; sent {self.sent}"
        self.state = after

    def _put(self, data: bytes) -> None:
        self.output += data

    def _end_output(self) -> None:
        """The end of our direction of the link."""

    def start_line(self, x: Exchange) -> bytes:
        if self.side == "asking":
            return serialize_request(x.method, "/", [(b"host", b"test")]).removesuffix(b"\r\n")
        assert x.status is not None
        return status_line(x.status)

    def send_interim(self, status: int, fields: Fields) -> None:
        self._step(Event.INTERIM)
        self.sent.append(("interim", status, fields))
        self._put(status_line(status) + serialize_fields(fields) + b"\r\n")

    def send_head(self, x: Exchange, fields: Fields, framing: Framing, length: int) -> None:
        self._step(Event.HEAD)
        self.sent.append(("head", fields, framing, length))
        line = b""
        if framing is CHUNKED:
            line = b"transfer-encoding: chunked\r\n"
        elif framing is LENGTH:
            line = b"content-length: %d\r\n" % length
        self._put(self.start_line(x) + serialize_fields(fields) + line + b"\r\n")

    def send_whole(self, x: Exchange, fields: Fields, body: bytes, lines: bytes | None = None) -> None:
        self._step(Event.WHOLE)
        self.sent.append(("whole", fields, body))
        self._put(self.start_line(x) + serialize_fields(fields) + b"content-length: %d\r\n\r\n" % len(body) + body)

    def send_part(self, x: Exchange, data: bytes) -> None:
        self._step(Event.DATA)
        assert type(data) is bytes, "a part must be immutable: the transport keeps what it could not send"
        assert data, "a part is never empty"
        self.sent.append(("part", data))
        self._put(chunk(data) if x._framing is CHUNKED else data)

    def send_end(self, x: Exchange, trailers: Fields) -> None:
        self._step(Event.END)
        self.sent.append(("end", trailers))
        if x._framing is CHUNKED and not x._discard:
            self._put(last_chunk(trailers))
        elif x._framing is CLOSE or x._framing is RAW_BYTES:
            self._end_output()

    def send_continue(self) -> None:
        self.sent.append(("continue",))

    def send_switch(self, x: Exchange, fields: Fields) -> None:
        self._step(Event.SWITCH)
        self.sent.append(("switch", fields))
        self._put(self.start_line(x) + serialize_fields(fields) + b"\r\n")

    def switch(self, x: Exchange) -> bytes:
        early, self.early = self.early, b""
        return early

    def reset(self, x: Exchange, reason: str) -> None:
        self._step(Event.ABORT)
        self.sent.append(("reset", reason))
        self.lose(Disconnected(reason), x)

    # -- what the exchange asks --------------------------------------------------------------------------------

    def consumed(self, x: Readable, count: int) -> None:
        self.received.append(("consumed", count))

    def inbound_left(self, x: Exchange) -> int:
        return self.left

    def owner(self) -> FakeOwner | None:
        return self.running

    def turn(self) -> Turn:
        return Turn()

    def later(self, call: Callable[[], None]) -> None:
        self.due.append(call)

    def run_due(self) -> None:
        """The running code waits for something."""
        due, self.due = self.due, []
        for call in due:
            call()

    async def drain(self) -> None:
        while self.blocked and self.lost is None:
            await Pause()
        if self.lost is not None:
            raise self.lost

    def receive(self, x: Exchange) -> Awaitable[None]:
        return self._arrival()

    async def _arrival(self) -> None:
        before = self._arrivals
        while self._arrivals == before and self.lost is None:
            await Pause()

    async def offload(self, call: Callable[[bytes], bytes], data: bytes) -> bytes:
        self.offloaded += 1
        await Pause()
        return call(data)

    async def send_file(self, x: Exchange, file: IO[bytes], offset: int, count: int) -> int:
        raise AssertionError("no zero copy was announced")

    def in_chunk(self, x: Exchange) -> int:
        return 0

    async def forward(self, x: Exchange, source: Exchange) -> int:
        raise AssertionError("this link has no descriptors")

    async def splice(self, x: Exchange, source: Exchange) -> int:
        raise AssertionError("no zero copy was announced")

    # -- what arrives ------------------------------------------------------------------------------------------

    def _inbound(self) -> Inbound:
        assert self.exchange is not None
        assert self.exchange._in is not None
        return self.exchange._in

    def on_head(self, head: RequestHead | ResponseHead) -> None:
        self.received.append(("head", head))
        self._arrivals += 1

    def on_message(self, head: ResponseHead, body: bytes) -> None:
        self.on_head(head)
        if body:
            self.on_body(body)
        self.on_end(None, True)

    def on_interim(self, head: ResponseHead) -> None:
        self.received.append(("interim", head.status))
        self._arrivals += 1

    def on_body(self, data: bytes) -> None:
        self.received.append(("body", data))
        self._inbound().feed(data)
        self._arrivals += 1

    def on_end(self, trailers: Fields | None, complete: bool | None) -> None:
        self.received.append(("end", trailers, complete))
        self._inbound().end(complete, trailers)
        self._arrivals += 1

    def on_fault(self, error: Exception) -> None:
        self.received.append(("fault", type(error), str(error)))
        self._inbound().fail(error)
        self._arrivals += 1

    def on_held(self, size: int) -> None:
        self.received.append(("held", size))

    def lose(self, error: Exception, x: Exchange | None = None) -> None:
        """The link ends."""
        self.lost = error
        x = x or self.exchange
        if x is not None:
            x._lost(error)


class End(Exchange):
    """The plainest exchange there is: either side, its head sent by `prepare`. `unframed` frames without a length."""

    __slots__ = ("_fields", "_status", "fake", "peer_head", "unframed")

    def __init__(self, wire: FakeWire, method: str = "POST", *, unframed: Framing = CHUNKED) -> None:
        super().__init__(wire, method, Inbound())
        wire.exchange = self
        self.fake = wire
        self.unframed = unframed
        self.peer_head: RequestHead | ResponseHead | None = None
        self._fields: Fields = []
        self._status: int | None = None

    @property
    def url(self) -> str:
        return "http://test/"

    @property
    def status(self) -> int | None:
        return self._status

    @property
    def http_version(self) -> str:
        return "1.1"

    @property
    def headers(self) -> Headers:
        return Headers() if self.peer_head is None else Headers.from_fields(self.peer_head.fields)

    @property
    def request_headers(self) -> Headers:
        return Headers.from_fields(self._fields) if self.fake.side == "asking" else self.headers

    @property
    def response_headers(self) -> Headers:
        return self.headers if self.fake.side == "asking" else Headers.from_fields(self._fields)

    @property
    def _limits(self) -> Limits:
        return self.fake.limits

    @property
    def inbound(self) -> Inbound:
        """The buffer; never absent here."""
        assert self._in is not None
        return self._in

    def _open(self, call: str) -> None:
        if self._error is not None:
            raise self._failure(self._error, call)
        if self._out is not IDLE:
            raise UseError(self._say(f"{call} after the head was sent; it is sent once"))

    async def prepare(
        self, headers: HeadersLike | None = None, status: int = 200, *, coding: str | None = None
    ) -> None:
        self._open("prepare()")
        fields, length, _ = split_framing(encode_fields(headers))
        framing = self.unframed if length is None else LENGTH
        if self.fake.side == "answering":
            self._status = status
            if bodyless(self.method, status):
                self._discard = True
                framing = NONE
        self._fields = fields
        if coding is not None:
            from toolkit.protocol.outbound_coding import start_coding

            self._coding = start_coding(coding, self.fake)
        self._start_body(framing, -1 if length is None else length)
        self.fake.send_head(self, fields, framing, -1 if length is None else length)
        if self.fake.blocked:
            await self._drain(self.fake)

    async def head(self) -> None:
        while self.peer_head is None and self.fake.side == "asking" and self.fake.lost is None:
            await self.fake.receive(self)

    async def upgrade(self, headers: HeadersLike | None = None) -> Exchange:
        self._open("upgrade()")
        self._status = 101
        self.fake.send_switch(self, encode_fields(headers))
        self._switch_raw(Inbound())
        if early := self.fake.switch(self):
            self.fake.on_body(early)
        return self


class Recorder:
    """A receiver's sink that writes down what it is told; pieces of one body are joined, as cuts must not show."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.heard: list[Heard] = []
        self.held = 0
        self.receiver: Receiver | None = None
        self._at_once = at_once  # each message is answered the moment it is over

    @property
    def targets(self) -> list[str]:
        """Of the requests whose heads were heard."""
        return [event[1].target for event in self.heard if isinstance(event[1], RequestHead)]

    def on_head(self, head: RequestHead | ResponseHead) -> None:
        self.heard.append(("head", head))
        if head.framing is NONE:
            self._over()

    def on_message(self, head: ResponseHead, body: bytes) -> None:
        self.on_head(head)
        if body:
            self.on_body(body)
        self.on_end(None, True)

    def on_interim(self, head: ResponseHead) -> None:
        self.heard.append(("interim", head))

    def on_body(self, data: bytes) -> None:
        assert type(data) is bytes
        assert data, "a piece of a body is never empty"
        if self.heard and self.heard[-1][0] == "body":
            so_far = self.heard.pop()[1]
            assert isinstance(so_far, bytes)
            data = so_far + data
        self.heard.append(("body", data))

    def on_end(self, trailers: Fields | None, complete: bool | None) -> None:
        self.heard.append(("end", trailers, complete))
        self._over()

    def on_fault(self, error: Exception) -> None:
        self.heard.append(("fault", type(error), str(error), getattr(error, "status_hint", None)))

    def on_held(self, size: int) -> None:
        self.held = size

    def _over(self) -> None:
        if self._at_once:
            assert self.receiver is not None
            self.receiver.next_message()


def events_of(receiver: Receiver, sink: Recorder, pieces: list[bytes]) -> list[Heard]:
    """Feed the pieces, then let every message that waits in; what the sink heard."""
    sink.receiver = receiver
    for piece in pieces:
        receiver.receive(piece)
    while receiver.next_message():
        receiver.resume()
    return sink.heard
