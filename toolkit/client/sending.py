"""The asking half of an exchange: how a request gets onto a connection, and its body behind it.

A body that is at hand leaves with the head in one write; one that must be read from somewhere is pumped by a task of
its own, so that the answer can come while it goes; an open one is its user's to write. Where a connection is idle and
nothing has to be read or waited for, all of it happens inside one call that is no coroutine.
"""

from __future__ import annotations

import asyncio
import sys
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from toolkit.client.heads import IDEMPOTENT, Block, Place, fields_of, request_head
from toolkit.client.options import Body, checked_coding, checked_timeouts, make_body, takes_turns
from toolkit.client.turns import Turns, make_turns
from toolkit.client.uploading import upload
from toolkit.errors import Disconnected, EarlyAnswer, LocalProtocolError, UseError
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.framing import CHUNKED, LENGTH, NONE, split_framing
from toolkit.protocol.headers import Fields, Headers, encode_fields, find_field
from toolkit.protocol.inbound import Inbound
from toolkit.protocol.outbound_coding import start_coding
from toolkit.protocol.states import BODY, DONE, IDLE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from toolkit.client.connection import ClientConnection
    from toolkit.client.options import RequestOptions
    from toolkit.client.response import Response, Total
    from toolkit.client.session import Session
    from toolkit.protocol.aio.clock import Deadline
    from toolkit.protocol.head import ResponseHead
    from toolkit.protocol.limits import Limits, Timeouts

__all__ = ["SentRequest"]

OPEN_BODIED: Final = frozenset(["POST", "PUT", "PATCH"])


class SentRequest(Exchange):
    """A request on its way; `Response` is one whose answer can be read.

    `interim` lists 1xx answers as (status, headers); `history` the answers that led to another request, in order.
    """

    __slots__ = (
        "_answered_at",
        "_begun_at",
        "_body",
        "_connection",
        "_deadlines",
        "_fields",
        "_head",
        "_options",
        "_place",
        "_pump",
        "_sent_head",
        "_session",
        "_started",
        "_total",
        "_turns",
        "history",
        "interim",
        "timeouts",
    )

    def __init__(self, session: Session, method: str, place: Place, fields: Fields, options: RequestOptions) -> None:
        Exchange.__init__(self, None, method, Inbound())
        self._session = session
        self._place = place
        self._fields = fields  # the caller's own
        self._options = options
        self._body: Body | None = None
        self._connection: ClientConnection | None = None  # that it has, by what it is on this end
        self._sent_head = b""
        self._head: ResponseHead | None = None
        self._started = False
        self._begun_at = self._answered_at = 0.0  # by the monotonic clock, in seconds
        self._pump: asyncio.Task[None] | None = None
        self._total: Total | None = None
        self._turns: Turns | None = None  # what follows an answer; None: nothing
        self.timeouts: Timeouts = session.timeouts
        if options:
            own = options.get("timeouts")
            if own is not None:
                self.timeouts = checked_timeouts(own)
        if (options and takes_turns(options)) or session.policies is not None or place.login is not None:
            self._turns = make_turns(session.policies, options, place.login, fields)
        self._deadlines: dict[str, Deadline] | None = None  # of durations that are not the session's
        self.history: list[Response] = []
        self.interim: list[tuple[int, Headers]] = []

    @property
    def url(self) -> str:
        """The request's URL; after redirects the last one's."""
        return str(self._place.url)

    def _say(self, text: str) -> str:
        return f"{self.method} {self._place.url.with_fragment(None)}: {text}"

    @property
    def target(self) -> str:
        """The request target as it is sent."""
        return self._place.target(self.method)

    @property
    def request_headers(self) -> Headers:
        """The request's fields, without those of framing; before it is sent only the caller's own."""
        if not self._sent_head:
            return Headers.from_fields(self._fields)
        if self._request_headers is None:
            self._request_headers = Headers.from_fields(fields_of(self._sent_head))
        return self._request_headers

    @property
    def _limits(self) -> Limits:
        return self._session.limits

    # -- beginning ---------------------------------------------------------------------------------------------

    def _must_have_begun(self, call: str) -> None:
        if not self._started:
            raise UseError(self._say(f"{call} before the request was sent; `async with` or await it first"))

    def _begin(self, open_body: bool) -> Awaitable[None] | None:
        """Send the request, once. Returns what to wait for then: a connection, or the answer, if it can come already.

        Only for one that gives the exchange up when he is cancelled.
        """
        if self._started:
            raise UseError(self._say("awaited or entered twice; a request is sent once"))
        self._started = True
        self._begun_at = monotonic()
        error = sys.exception()
        if error is not None:
            self._handling = id(error)  # a request made in an `except` block ends cleanly, too
        options = self._options
        if options:
            self._body = make_body(options)
        if self._turns is not None:
            return self._turns.begin(cast("Response", self), open_body)
        session = self._session
        block = session.defaults.block(session.headers, not options or options.get("decode", True))
        return self._start(self._fields, block, open_body)

    def _start(self, own: Fields, block: Block, open_body: bool) -> Awaitable[None] | None:
        """Send a request with these fields: what `_begin` returns."""
        options, body = self._options, self._body
        length, chunked = None, False
        if own:
            own, length, chunked = split_framing(own)
        if body is not None and length is not None and body.length is not None and length != body.length:
            raise LocalProtocolError(self._say(f"content-length {length}, but the body has {body.length} bytes"))
        upgrade = options.get("upgrade") if options else None
        if upgrade is not None and find_field(own, b"upgrade") is None:
            own = [*own, *encode_fields([("connection", "upgrade"), ("upgrade", upgrade)])]
        if body is not None:
            return self._send_body(own, block, length, chunked=chunked)
        if open_body and self._may_have_open_body(length, upgrade):
            return self._send_body(own, block, length, chunked=chunked)
        return self._send_bare(own, block)

    def _may_have_open_body(self, length: int | None, upgrade: str | None) -> bool:
        if upgrade is None and self.method in OPEN_BODIED:
            return True
        return bool(length) and self.method != "CONNECT"

    def _send_bare(self, own: Fields, block: Block) -> Awaitable[None] | None:
        """No body. A request that could have one says so (RFC 9110 8.6)."""
        if self.method in OPEN_BODIED:
            self._framing, last = LENGTH, b"content-length: 0\r\n"
        else:
            self._framing, last = NONE, b""
        self._sent_head = request_head(self._place, self.method, own, block, [], last)
        return self._send(b"", True, None, False)

    def _send_body(
        self, own: Fields, block: Block, length: int | None = None, *, chunked: bool = False
    ) -> Awaitable[None] | None:
        """A supplied body, or an open one where there is none (RFC 9112 6.1)."""
        body, options = self._body, self._options
        more = [] if body is None else body.fields
        coding = checked_coding(options) if options else None
        if coding is not None:
            length = None
            more = [*more, (b"content-encoding", coding.encode("ascii"))]
        elif body is not None and length is None and not chunked:
            length = body.length
        if length is None:
            self._framing, last = CHUNKED, b"transfer-encoding: chunked\r\n"
        else:
            self._framing, last = LENGTH, b"content-length: %d\r\n" % length
        expects = bool(options) and options.get("expect_continue", False) and length != 0
        if expects:
            more = [*more, (b"expect", b"100-continue")]
        self._sent_head = request_head(self._place, self.method, own, block, more, last)
        if body is not None and body.data is not None and length is not None and not expects and body.progress is None:
            return self._send(body.data, True, None, False)
        self._left = self._promised = -1 if length is None else length
        return self._send(b"", False, coding, expects)

    def _send(self, whole: bytes, complete: bool, coding: str | None, expects: bool) -> Awaitable[None] | None:
        """On an idle connection at once; otherwise the coroutine that gets one."""
        connection = self._session.bound().ready(self._place.origin)
        if connection is None:
            return self._send_later(whole, complete, coding, expects)
        connection.begin(self, self._sent_head, whole, complete)
        if complete:
            return connection.receive(self)
        if coding is None and self._body is None and not expects:
            return None
        return self._send_rest(coding, expects)

    async def _send_later(self, whole: bytes, complete: bool, coding: str | None, expects: bool) -> None:
        connection = await self._session.bound().acquire(self._place.origin, self.timeouts)
        connection.begin(self, self._sent_head, whole, complete)
        if not complete:
            await self._send_rest(coding, expects)

    async def _send_rest(self, coding: str | None, expects: bool) -> None:
        """What comes behind the head: the pump of a supplied body."""
        if coding is not None and self._wire is not None:
            self._coding = start_coding(coding, self._wire)
        if expects:
            await self._wait_continue()
        if self._body is not None and self._out is BODY:  # otherwise the answer is here, and wants none of it
            self._pump = asyncio.get_running_loop().create_task(self._pump_body(self._body))

    async def _wait_continue(self) -> None:
        """Until 100, a final answer, or `Timeouts.expect` (RFC 9110 10.1.1)."""
        inbound = self._in
        assert inbound is not None
        try:
            async with asyncio.timeout(self.timeouts.expect):
                while self._head is None and self._wire is not None and not inbound.ended:
                    if any(status == 100 for status, _ in self.interim):
                        return
                    await self._wire.receive(self)
        except TimeoutError:
            return

    async def _pump_body(self, body: Body) -> None:
        """Send a supplied body. An early answer ends it silently; a failing source has aborted the exchange."""
        body.begun = True
        try:
            await upload(self, body)
            await self.eof()
        except EarlyAnswer:
            return
        except BaseException:
            self._abort("the body could not be sent")  # or who waits for the answer would not hear of it
            raise

    async def _pump_done(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            try:
                await pump
            except asyncio.CancelledError:
                if not (pump.cancelled() and isinstance(self._error, EarlyAnswer)):
                    pump.cancel()
                    raise

    def _upload_stopped(self) -> None:
        """An early answer: a source that is waited for is not waited for any longer."""
        if self._pump is not None:
            self._pump.cancel()

    def _stop_pump(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None and not pump.done():
            pump.cancel()
        elif pump is not None and not pump.cancelled():
            pump.exception()  # looked at: the exchange has failed already

    async def _end_pump(self) -> None:
        """Stop it, and wait until it has let go of its source: another one may begin there."""
        pump = self._pump
        self._stop_pump()
        if pump is not None:
            await asyncio.wait([pump])

    # -- again --------------------------------------------------------------------------------------------------

    def _can_retry(self) -> bool:
        """A kept connection that died before the answer's head was whole: it may have idled too long (RFC 9112 9.3).

        Only for methods that may be repeated in any case (RFC 9110 9.2.2), without a body or with one that is at hand.
        """
        connection = self._connection
        return (
            self._wire is not None
            and connection is not None
            and connection.used > 1
            and not connection.answered
            and self.method in IDEMPOTENT
            and self._out is DONE
            and (self._body is None or (self._body.data is not None and self._pump is None))
            and isinstance(connection.lost, Disconnected)
        )

    async def _retry(self) -> None:
        self._again()
        connection = await self._session.bound().acquire(self._place.origin, self.timeouts)
        body = self._body
        connection.begin(self, self._sent_head, b"" if body is None or body.data is None else body.data, True)

    def _again(self) -> None:
        """Back to the state before anything was sent; readers keep their iterator."""
        inbound = self._in
        assert inbound is not None
        inbound.__init__()  # type: ignore[misc]
        self._head = None
        self._whole = None
        self._response_headers = None
        self._error = None
        self._out = IDLE
        self._left = self._promised = -1
        self._sent = 0
        self._wire = None
        self._coding = None

    def _abort(self, reason: str) -> None:
        if self._pump is not None and asyncio.current_task() is not self._pump:
            self._stop_pump()
        elif isinstance(self._error, EarlyAnswer) and self._pump is not None:
            return  # the pump's own end: the answer is still to be read
        super()._abort(reason)
