"""Response: an exchange seen from the end that asks.

Nothing is sent until it is awaited (whole answer, read) or entered (streaming), once. Entered, it returns when the
answer's head is here if the request's body is complete or supplied; with an open body it returns when the request's
head is sent, so that its user can write. Redirects happen inside `head()` and show only in `history`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, cast

from toolkit.client.options import Body, add_missing, make_body
from toolkit.client.redirects import Hop, next_hop
from toolkit.errors import (
    BodyNotReplayable,
    Disconnected,
    EarlyAnswer,
    LocalProtocolError,
    RemoteProtocolError,
    StatusError,
    TotalTimeout,
    UseError,
)
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.framing import CHUNKED, LENGTH, NONE, RAW_BYTES, Framing, split_framing
from toolkit.protocol.headers import Fields, Headers, HeadersLike, encode_fields, find_field, join_fields
from toolkit.protocol.inbound import Inbound, Pull
from toolkit.protocol.states import BODY, DONE, IDLE, RAW
from toolkit.protocol.status import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from yarl import URL

    from toolkit.client.connection import ClientConnection
    from toolkit.client.options import RequestOptions
    from toolkit.client.session import Session
    from toolkit.protocol.exchange import Source
    from toolkit.protocol.head import ResponseHead
    from toolkit.protocol.limits import Limits, Timeouts

__all__ = ["Ok", "Response"]

OPEN_BODIED = frozenset(["POST", "PUT", "PATCH"])
IDEMPOTENT = frozenset(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])  # RFC 9110 9.2.2


class Ok(int):
    """True below 400, and callable, as both habits exist: `answer.ok` and `answer.ok()`."""

    def __call__(self) -> bool:
        """The same."""
        return bool(self)


class Response(Exchange):
    """A request, its answer, and the verbs of `Exchange`; made by a `Session`.

    `interim` lists 1xx answers as (status, headers); `history` the redirecting answers that led here.
    """

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
        "history",
        "interim",
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
        self.history: list[Response] = []
        self.interim: list[tuple[int, Headers]] = []

    def __repr__(self) -> str:
        state = "not sent" if not self._started else "no answer yet" if self._head is None else str(self.status)
        return f"<Response {self.method} {self.url}: {state}>"

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The request's URL; after redirects the last one's."""
        return str(self._url)

    @property
    def path(self) -> str:
        """The URL's path, percent-decoded."""
        return self._url.path

    @property
    def raw_path(self) -> str:
        """The URL's path as it is sent."""
        return self._url.raw_path

    @property
    def target(self) -> str:
        """The request target as it is sent."""
        return self._target or self._url.raw_path_qs

    @property
    def status(self) -> int | None:
        """The answer's status; None before it is here."""
        return None if self._head is None else self._head.status

    @property
    def status_code(self) -> int | None:
        """The same, under its other name."""
        return self.status

    @property
    def reason(self) -> str:
        """The answer's reason phrase, the registered one where the peer sent none."""
        if self._head is None:
            return ""
        return self._head.reason or reason_phrase(self._head.status)

    @property
    def reason_phrase(self) -> str:
        """The same, under its other name."""
        return self.reason

    @property
    def ok(self) -> Ok:
        """The status is below 400. May be called, too."""
        return Ok(self._head is not None and self._head.status < 400)

    @property
    def http_version(self) -> str:
        """The answer's version."""
        return "1.1" if self._head is None else f"1.{self._head.minor}"

    @property
    def request_headers(self) -> Headers:
        """The request's fields, without those of framing."""
        if self._request_headers is None:
            self._request_headers = Headers.from_fields(self._fields)
        return self._request_headers

    @property
    def response_headers(self) -> Headers:
        """The answer's fields; empty before they are here."""
        if self._response_headers is None:
            if self._head is None:
                return Headers()
            self._response_headers = Headers.from_fields(self._head.fields)
        return self._response_headers

    @property
    def headers(self) -> Headers:
        """The inbound fields: the answer's. Raises `UseError` before they are here."""
        if self._head is None:
            raise UseError(self._say("headers before the answer; await head() first"))
        return self.response_headers

    @property
    def content(self) -> bytes:
        """The whole body, once it was read. Raises `UseError` before."""
        if self._whole is None:
            raise UseError(self._say("content before the body was read; await the request, or read()"))
        return self._whole

    @property
    def _limits(self) -> Limits:
        return self._session.limits

    def raise_for_status(self) -> Response:
        """Itself. Raises `StatusError` when the status is 400 or above, `UseError` before there is one."""
        status = self.status
        if status is None:
            raise UseError(self._say("raise_for_status() before the answer; await head() first"))
        if status >= 400:
            raise StatusError(self._say(f"answered {status} {self.reason}"), status, self)
        return self

    # -- beginning ---------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[object, None, Response]:
        return self._whole_answer().__await__()

    async def _whole_answer(self) -> Response:
        async with self._within_total():
            try:
                await self._begin(open_body=False)
                await self.head()
                await self.read()
                if self._pump is not None:
                    await self._pump_done()
            except BaseException:
                self._abort("the request failed")
                raise
        return self

    def _within_total(self) -> _Total:
        return _Total(self)

    async def __aenter__(self) -> Response:
        await self._begin(open_body=True)
        if self._out is BODY and self._pump is None:
            return self
        try:
            await self.head()
        except BaseException:
            self._abort("the request failed")
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stop_pump()
            if self._wire is not None:
                self._abort(f"left by {error!r}")
            return
        try:
            if self._pump is not None:
                await self._pump_done()
            elif self._out is BODY or self._out is RAW:
                await self.eof()
            await self._finish_inbound()
        except BaseException:
            self._stop_pump()
            self._abort("the exchange failed at its end")
            raise

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
        coding = self._options.get("coding")
        if coding is not None and (body is not None or has_open_body):
            length = None
            if find_field(self._fields, b"content-encoding") is None:
                self._fields.append((b"content-encoding", coding.encode("ascii")))
        elif body is not None and length is None and not chunked:
            length = body.length
        framing: Framing = NONE
        if body is not None or has_open_body:
            framing = CHUNKED if length is None else LENGTH
        elif self.method in OPEN_BODIED:
            framing, length = LENGTH, 0
        expects = self._wants_continue and framing is not NONE and length != 0
        if expects and find_field(self._fields, b"expect") is None:
            self._fields.append((b"expect", b"100-continue"))
        whole = b""
        if body is not None and body.data is not None and coding is None and not expects and framing is LENGTH:
            whole = body.data
        self._request_headers = None
        await self._transmit(framing, length, whole, has_open_body or body is not None)
        if self._out is DONE:
            return
        if coding is not None:
            from toolkit.protocol.codings import make_encoder
            from toolkit.protocol.outbound_coding import OutboundCoding

            if self._wire is not None:
                self._coding = OutboundCoding(make_encoder(coding), self._wire.turn())
        if expects:
            await self._wait_continue()
        if body is not None:
            self._pump = asyncio.get_running_loop().create_task(self._pump_body(body))

    async def _transmit(self, framing: Framing, length: int | None, whole: bytes, open_body: bool) -> None:
        url = self._url
        self._target = _authority(url) if self.method == "CONNECT" else url.raw_path_qs
        connection = await self._session.acquire(url, self.timeouts)
        supplied = self._body is not None and self._body.data is not None
        complete = framing is NONE or bool(whole) or (framing is LENGTH and not length and (supplied or not open_body))
        connection.lend(self)
        self._wire = connection
        self._left = self._promised = length or 0 if framing is LENGTH else -1
        self._framing = framing
        try:
            connection.send_request(self, self._target, self._fields, framing, whole)
        except BaseException:
            connection.exchange = None
            self._wire = None
            connection.receiver.expect("", False)
            connection.watch.keep_alive.start(connection)
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
                    if any(status == 100 for status, _ in self.interim):
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
        pump = self._pump
        if pump is not None:
            self._pump = None
            try:
                await pump
            except asyncio.CancelledError:
                pump.cancel()
                raise

    def _stop_pump(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None and not pump.done():
            pump.cancel()
        elif pump is not None and not pump.cancelled():
            pump.exception()  # looked at: the exchange has failed already

    # -- the answer --------------------------------------------------------------------------------------------

    def _on_head(self, head: ResponseHead) -> None:
        """The connection's word: the final head is here."""
        self._head = head
        self._response_headers = None
        inbound = self._in
        if inbound is not None and head.framing is not NONE and head.framing is not RAW_BYTES:
            coding = join_fields(head.fields, b"content-encoding")
            if coding is not None:
                inbound.coding = coding.decode("latin-1")

    def _on_interim(self, status: int, headers: Headers) -> None:
        self.interim.append((status, headers))

    async def head(self) -> None:
        """Wait for the answer's head; redirects are followed here when the request asked for it.

        Raises `Disconnected`, `ReadTimeout`, `RemoteProtocolError`; what the supplied body's source raised;
        `BodyNotReplayable` when a 307 or 308 wants a body again that is spent.
        """
        self._must_have_begun("head()")
        while True:
            await self._wait_head()
            if not self._follow:
                return
            hop = self._next_hop()
            if hop is None:
                return
            await self._hop(hop)

    async def _wait_head(self) -> None:
        inbound = self._in
        assert inbound is not None
        while self._head is None:
            if inbound.error is not None:
                if self._can_retry():
                    await self._retry()
                    continue
                await self._pump_failure()
                raise self._failure(inbound.error, "waiting for the answer")
            wire = self._wire
            if wire is None:
                raise self._failure(self._error, "waiting for the answer")
            await wire.receive(self)

    async def _pump_failure(self) -> None:
        """A source that failed is the reason, the broken exchange its consequence."""
        pump = self._pump
        if pump is None:
            return
        await asyncio.wait([pump])
        self._pump = None
        if not pump.cancelled() and (error := pump.exception()) is not None and not isinstance(error, Disconnected):
            raise error

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
        self._again()
        await self._transmit(NONE, None, b"", False)

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

    # -- redirects ---------------------------------------------------------------------------------------------

    def _next_hop(self) -> Hop | None:
        head = self._head
        assert head is not None
        if not 300 <= head.status < 400:
            return None
        location = find_field(head.fields, b"location")
        where = None if location is None else location.decode("latin-1")
        return next_hop(self.method, self._url, self._fields, head.status, where, len(self.history))

    async def _hop(self, hop: Hop) -> None:
        body = self._body
        sends_body = hop.keeps_body and (body is not None or self._open_bodied())
        if sends_body and (body is None or not body.replayable):
            raise BodyNotReplayable(
                self._say(f"answered {self.status}, which wants the body again; give bytes, a file or a function"), self
            )
        self._stop_pump()
        await self._drop_answer()
        self.history.append(self._snapshot())
        self._again()
        self.method, self._url = hop.method, hop.url
        self._fields = hop.fields
        add_missing(self._fields, [(b"host", _host(hop.url))])
        self._request_headers = None
        if not hop.keeps_body:
            self._body = None
        length = None if self._body is None else self._body.length
        await self._send(length, False, False)

    def _open_bodied(self) -> bool:
        return self._framing is not NONE and not (self._framing is LENGTH and self._body is None and self._left <= 0)

    async def _drop_answer(self) -> None:
        """A redirect's own body is of no interest: read it off if it is short, undecoded, or give up the link."""
        if not await self._drained():
            self._abort("a redirect's body is too long to read off")

    def _snapshot(self) -> Response:
        """The redirecting answer, for `history`."""
        past = Response(self._session, self.method, self._url, self._fields, self._options)
        past._started = True
        past._head = self._head
        past._out = DONE
        past._in = None
        past._whole = b""
        past.interim = self.interim
        self.interim = []
        return past

    # -- the end -----------------------------------------------------------------------------------------------

    async def _finish_inbound(self) -> None:
        """After the request's end: wait for the answer's head; read a short rest off, or give the connection up."""
        inbound = self._in
        if inbound is None or self._wire is None:
            return
        if self._head is None:
            await self.head()
        if inbound.ended or self._wire is None:
            return
        if inbound.owner is not None and inbound.owner is self._wire.owner():
            inbound.release()
        if inbound.claimed:
            return  # somebody else reads it; the connection goes home when he is done
        connection: ClientConnection = self._wire  # type: ignore[assignment]
        if self._framing is RAW_BYTES:
            connection.linger()
        elif not await self._drained():
            self._abort("the answer was not read")

    async def _drained(self) -> bool:
        """Read off what is left of the answer, if it is little and comes soon."""
        inbound, wire = self._in, self._wire
        if inbound is None or wire is None:
            return True
        budget = wire.limits.drain
        if wire.inbound_left(self) > budget:
            return False
        try:
            async with asyncio.timeout(self.timeouts.linger):
                while True:
                    budget -= inbound.buffered
                    if budget < 0:
                        return False
                    wire.consumed(self, inbound.buffered)
                    inbound.chunks.clear()
                    inbound.buffered = 0
                    if inbound.ended:
                        return inbound.error is None
                    await wire.receive(self)
                    if self._wire is None:
                        return True
        except (TimeoutError, Disconnected, RemoteProtocolError):
            return False

    def _abort(self, reason: str) -> None:
        self._stop_pump()
        super()._abort(reason)

    def _must_have_begun(self, call: str) -> None:
        if not self._started:
            raise UseError(self._say(f"{call} before the request was sent; `async with` or await it first"))

    # -- verbs that differ on this end -------------------------------------------------------------------------

    def pull(self, decode: bool = True, size: int | None = None) -> Pull:
        """See `Exchange.pull`."""
        self._must_have_begun("pull()")
        return super().pull(decode and self._decode, size)

    async def read(self, limit: int | None = None) -> bytes:
        """See `Exchange.read`. With an open body and nothing written, the request is ended empty first."""
        self._must_have_begun("read()")
        if self._out is BODY and self._pump is None and not self._sent and self._whole is None:
            await self.eof()
        if self._head is None:
            await self.head()
        return await super().read(limit)

    async def _receive(self, inbound: Inbound) -> None:
        if self._head is None:
            await self.head()
            return
        await super()._receive(inbound)

    async def prepare(
        self, headers: HeadersLike | None = None, status: int = 200, *, coding: str | None = None
    ) -> None:
        """A request's head went when it was entered: does nothing without arguments, `UseError` with any."""
        if headers is not None or status != 200 or coding is not None:
            raise UseError(self._say("prepare() with arguments; a request's head is given to the session's method"))
        self._must_have_begun("prepare()")

    async def upgrade(self, headers: HeadersLike | None = None) -> Exchange:
        """Wait for 101 (2xx to CONNECT) and go on with raw bytes both ways.

        Raises `RemoteProtocolError` when the peer answered otherwise; the answer can still be read.
        """
        if headers is not None:
            raise UseError(self._say("upgrade(headers): the request is sent; give them to the session's method"))
        self._must_have_begun("upgrade()")
        await self.head()
        head = self._head
        if head is None or head.framing is not RAW_BYTES:
            raise RemoteProtocolError(self._say(f"the peer did not upgrade, it answered {self.status}"))
        if self._out is not RAW:
            inbound = self._in
            assert inbound is not None
            self._switch_raw(inbound)  # the same buffer: bytes may have come right behind the head
        return self


class _Total:
    """`Timeouts.total` around a whole exchange; nothing at all where there is none."""

    __slots__ = ("_timeout", "_x")

    def __init__(self, x: Response) -> None:
        self._x = x
        self._timeout = None if x.timeouts.total is None else asyncio.timeout(x.timeouts.total)

    async def __aenter__(self) -> None:
        if self._timeout is not None:
            await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timeout is None:
            return
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise TotalTimeout(self._x._say(f"not complete within {self._x.timeouts.total} s")) from None


def _authority(url: URL) -> str:
    host = url.raw_host or ""
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


def _host(url: URL) -> bytes:
    """The host field: the port only where it is not the scheme's own (RFC 9110 7.2)."""
    host = url.raw_host or "localhost"
    if ":" in host:
        host = f"[{host}]"
    if url.port is not None and not url.is_default_port():
        host = f"{host}:{url.port}"
    return host.encode("ascii")
