"""The asking half of an exchange: how a request gets onto a connection, and its body behind it.

A body that is at hand leaves with the head in one write; one that must be read from somewhere is pumped by a task of
its own, so that the answer can come while it goes; an open one is its user's to write.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, cast

from toolkit.client.options import Body, add_missing, make_body
from toolkit.errors import Disconnected, EarlyAnswer, LocalProtocolError, UseError
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.framing import CHUNKED, LENGTH, NONE, Framing, split_framing
from toolkit.protocol.headers import Fields, Headers, encode_fields, find_field
from toolkit.protocol.inbound import Inbound
from toolkit.protocol.outbound_coding import start_coding
from toolkit.protocol.states import BODY, DONE, IDLE

if TYPE_CHECKING:
    from yarl import URL

    from toolkit.client.connection import ClientConnection
    from toolkit.client.options import RequestOptions
    from toolkit.client.response import Response
    from toolkit.client.session import Session
    from toolkit.protocol.aio.clock import Deadline
    from toolkit.protocol.exchange import Source
    from toolkit.protocol.head import ResponseHead
    from toolkit.protocol.limits import Limits, Timeouts

__all__ = ["SentRequest", "host_field"]

OPEN_BODIED = frozenset(["POST", "PUT", "PATCH"])
IDEMPOTENT = frozenset(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])  # RFC 9110 9.2.2


class SentRequest(Exchange):
    """A request on its way; `Response` is one whose answer can be read."""

    __slots__ = (
        "_body",
        "_decode",
        "_fields",
        "_follow",
        "_head",
        "_options",
        "_pump",
        "_session",
        "_started",
        "_target",
        "_upgrade",
        "_url",
        "_wants_continue",
        "deadlines",
        "timeouts",
    )

    def __init__(self, session: Session, method: str, url: URL, fields: Fields, options: RequestOptions) -> None:
        super().__init__(None, method, Inbound())
        self._session = session
        self._url = url
        self._target = ""
        self._fields = fields
        self._options = options
        self._body: Body | None = None
        self._head: ResponseHead | None = None
        self._started = False
        self._pump: asyncio.Task[None] | None = None
        self._decode = options.get("decode", True)
        self._follow = options.get("follow_redirects", False)
        self._upgrade = options.get("upgrade")
        self._wants_continue = options.get("expect_continue", False)
        self.timeouts: Timeouts = options.get("timeouts") or session.timeouts
        self.deadlines: dict[str, Deadline] = {}  # of durations that are not the session's

    @property
    def url(self) -> str:
        """The request's URL; after redirects the last one's."""
        return str(self._url)

    def _say(self, text: str) -> str:
        url = self._url
        shown = url if url.raw_password is None else url.with_password("***")  # messages end up in logs
        return f"{self.method} {shown}: {text}"

    @property
    def target(self) -> str:
        """The request target as it is sent."""
        return self._target or self._url.raw_path_qs

    @property
    def request_headers(self) -> Headers:
        """The request's fields, without those of framing."""
        if self._request_headers is None:
            self._request_headers = Headers.from_fields(self._fields)
        return self._request_headers

    @property
    def _limits(self) -> Limits:
        return self._session.limits

    @property
    def interim_statuses(self) -> list[int]:
        """The 1xx answers so far."""
        raise NotImplementedError

    # -- beginning ---------------------------------------------------------------------------------------------

    def _must_have_begun(self, call: str) -> None:
        if not self._started:
            raise UseError(self._say(f"{call} before the request was sent; `async with` or await it first"))

    async def _begin(self, *, open_body: bool) -> None:
        if self._started:
            raise UseError(self._say("awaited or entered twice; a request is sent once"))
        self._started = True
        error = sys.exc_info()[1]
        self._handling = 0 if error is None else id(error)  # a request made in an `except` block ends cleanly, too
        session = self._session
        self._body = make_body(self._options)
        fields, length, chunked = split_framing(self._fields)
        self._fields = fields
        session.add_defaults(self, fields)
        if self._body is not None:
            add_missing(fields, self._body.fields)
            if length is not None and self._body.length is not None and length != self._body.length:
                raise LocalProtocolError(
                    self._say(f"content-length {length}, but the body has {self._body.length} bytes")
                )
        if self._upgrade is not None:
            fields += encode_fields([("connection", "upgrade"), ("upgrade", self._upgrade)])
        has_open_body = open_body and self._body is None and self.method in OPEN_BODIED and self._upgrade is None
        if not has_open_body and self._body is None and length and self.method != "CONNECT":
            has_open_body = open_body
        await self._send(length, chunked, has_open_body)

    async def _send(self, length: int | None, chunked: bool, has_open_body: bool) -> None:
        """Get a connection, send the head, and a body that is at hand; start the pump of one that is not."""
        body = self._body
        coding = self._options.get("coding") if body is not None or has_open_body else None
        if coding is not None:
            length = None
            if find_field(self._fields, b"content-encoding") is None:
                self._fields.append((b"content-encoding", coding.encode("ascii")))
        elif body is not None and length is None and not chunked:
            length = body.length
        framing, length = self._frame(length, has_open_body)
        expects = self._wants_continue and framing is not NONE and length != 0
        if expects and find_field(self._fields, b"expect") is None:
            self._fields.append((b"expect", b"100-continue"))
        at_hand = coding is None and not expects and framing is LENGTH
        self._request_headers = None
        await self._transmit(
            framing, length, (body.data or b"") if body is not None and at_hand else b"", has_open_body
        )
        if self._out is DONE:
            return
        if coding is not None and self._wire is not None:
            self._coding = start_coding(coding, self._wire)
        if expects:
            await self._wait_continue()
        if body is not None:
            self._pump = asyncio.get_running_loop().create_task(self._pump_body(body))

    def _frame(self, length: int | None, has_open_body: bool) -> tuple[Framing, int | None]:
        """The framing of the request's body (RFC 9112 6.1): a request that could have one and has none says so."""
        if self._body is not None or has_open_body:
            return (CHUNKED, None) if length is None else (LENGTH, length)
        return (LENGTH, 0) if self.method in OPEN_BODIED else (NONE, None)

    async def _transmit(self, framing: Framing, length: int | None, whole: bytes, has_open_body: bool) -> None:
        url = self._url
        self._target = _authority(url) if self.method == "CONNECT" else url.raw_path_qs
        connection = await self._session.acquire(url, self.timeouts)
        empty = framing is LENGTH and not length and not has_open_body
        complete = framing is NONE or bool(whole) or (empty and (self._body is None or self._body.data is not None))
        connection.lend(cast("Response", self))
        self._wire = connection
        self._left = self._promised = length or 0 if framing is LENGTH else -1
        self._framing = framing
        try:
            connection.send_request(cast("Response", self), self._target, self._fields, framing, whole)
        except BaseException:
            self._wire = None
            connection.take_back()
            self._session.give_back(connection)
            raise
        if complete:
            self._out = DONE
            self._sent += len(whole)
            self._left = -1
        else:
            self._out = BODY

    async def _wait_continue(self) -> None:
        """Until 100, a final answer, or `Timeouts.expect` (RFC 9110 10.1.1)."""
        inbound = self._in
        assert inbound is not None
        try:
            async with asyncio.timeout(self.timeouts.expect):
                while self._head is None and self._wire is not None and not inbound.ended:
                    if 100 in self.interim_statuses:
                        return
                    await self._wire.receive(self)
        except TimeoutError:
            return

    async def _pump_body(self, body: Body) -> None:
        """Send a supplied body. An early answer ends it silently; a failing source has aborted the exchange."""
        source = body.source
        try:
            if body.data is not None:
                await self.write(body.data)
            elif source is not None:
                if not isinstance(source, Exchange) and callable(source) and not hasattr(source, "__aiter__"):
                    source = source()
                if hasattr(source, "seek") and body.replayable and not isinstance(source, Exchange):
                    source.seek(body.start)
                await self.relay(cast("Source", source))
            await self.eof()
        except EarlyAnswer:
            return

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

    # -- again --------------------------------------------------------------------------------------------------

    def _can_retry(self) -> bool:
        """A kept connection that died before a byte of the answer: the request was not taken (RFC 9112 9.3.1)."""
        connection: ClientConnection | None = self._wire  # type: ignore[assignment]
        return (
            connection is not None
            and connection.used > 1
            and not connection.answered
            and self.method in IDEMPOTENT
            and self._out is DONE
            and self._body is None
            and isinstance(connection.lost, Disconnected)
        )

    async def _retry(self) -> None:
        framing = self._framing
        self._again()
        await self._transmit(framing, 0 if framing is LENGTH else None, b"", False)

    def _again(self) -> None:
        """Back to the state before anything was sent; readers keep their iterator."""
        inbound = self._in
        assert inbound is not None
        inbound.__init__()  # type: ignore[misc]
        self._head = None
        self._response_headers = None
        self._error = None
        self._out = IDLE
        self._wire = None
        self._coding = None

    def _abort(self, reason: str) -> None:
        if self._pump is not None and asyncio.current_task() is not self._pump:
            self._stop_pump()
        elif isinstance(self._error, EarlyAnswer) and self._pump is not None:
            return  # the pump's own end: the answer is still to be read
        super()._abort(reason)


def _authority(url: URL) -> str:
    host = url.raw_host or ""
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


def host_field(url: URL) -> bytes:
    """The host field: the port only where it is not the scheme's own (RFC 9110 7.2)."""
    host = url.raw_host or "localhost"
    if ":" in host:
        host = f"[{host}]"
    if url.port is not None and not url.is_default_port():
        host = f"{host}:{url.port}"
    return host.encode("ascii")
