"""Response: an exchange seen from the end that asks.

Nothing is sent until it is awaited (whole answer, read) or entered (streaming), once. Entered, it returns when the
answer's head is here if the request's body is complete or supplied; with an open body it returns when the request's
head is sent, so that its user can write. Redirects and the like happen inside `head()` (`turns.py`) and show only in
`history`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from toolkit.client.answered import AnsweredRequest
from toolkit.errors import (
    Disconnected,
    EarlyAnswer,
    RemoteProtocolError,
    StatusError,
    ToolkitError,
    TotalTimeout,
    UseError,
    caused,
)
from toolkit.protocol.compiled import mypyc_attr
from toolkit.protocol.framing import RAW_BYTES
from toolkit.protocol.headers import Headers, HeadersLike
from toolkit.protocol.limits import FormLimits
from toolkit.protocol.states import ABORTED, BODY, RAW
from toolkit.protocol.status import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Generator
    from types import TracebackType

    from toolkit.client.retries import Try
    from toolkit.protocol.aio.forms import Form, Parts
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.inbound import Inbound, Pull

__all__ = ["Ok", "Response"]


@mypyc_attr(native_class=False)
class Ok(int):
    """True below 400, and callable, as both habits exist: `answer.ok` and `answer.ok()`."""

    def __call__(self) -> bool:
        """The same."""
        return bool(self)


class Response(AnsweredRequest):
    """A request, its answer, and the verbs of `Exchange`; made by a `Session`."""

    __slots__ = ()

    def __repr__(self) -> str:
        state = "not sent" if not self._started else "no answer yet" if self._head is None else str(self.status)
        return f"<Response {self.method} {self.url}: {state}>"

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The URL's path, percent-decoded."""
        return self._place.url.path

    @property
    def raw_path(self) -> str:
        """The URL's path as it is sent."""
        return self._place.url.raw_path

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
    def tries(self) -> list[Try]:
        """The attempts that failed before this one, by the policy in `retries=`."""
        return [] if self._turns is None else self._turns.tries

    @property
    def ok(self) -> Ok:
        """The status is below 400. May be called, too."""
        return Ok(self._head is not None and self._head.status < 400)

    @property
    def http_version(self) -> str:
        """The answer's version."""
        return "1.1" if self._head is None else f"1.{self._head.minor}"

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

    def raise_for_status(self) -> Response:
        """Itself. Raises `StatusError` when the status is 400 or above, `UseError` before there is one."""
        status = self.status
        if status is None:
            raise UseError(self._say("raise_for_status() before the answer; await head() first"))
        if status >= 400:
            error = StatusError(self._say(f"answered {status} {self.reason}"), status, self)
            if self._turns is not None:
                self._turns.tell(error)
            raise error
        return self

    # -- forms --------------------------------------------------------------------------------------------------

    async def form(self, limits: FormLimits | None = None) -> Form:
        """The form that the answer is, urlencoded or multipart; `limits` are those of `FormLimits()` without any."""
        from toolkit.protocol.aio.forms import form_of

        await self.head()
        return await form_of(self, FormLimits() if limits is None else limits)

    def multipart(self, limits: FormLimits | None = None) -> Parts:
        """The answer's parts as they arrive, of any kind of multipart body; its head must be here: `await x.head()`."""
        from toolkit.protocol.aio.forms import Parts

        return Parts(self, FormLimits() if limits is None else limits)

    # -- beginning ---------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[object, None, Response]:
        # A generator, and the plain case written out: this frame alone lies between who awaits and what is awaited.
        if self.timeouts.total is not None:
            return (yield from self._within_total().__await__())
        pending = self._begin(open_body=False)
        try:
            if pending is not None:
                yield from pending.__await__()
            if (
                self._turns is not None
                or self._pump is not None
                or self._head is None
                or self._take_whole(None) is None
            ):
                yield from self._rest().__await__()
        except BaseException:
            self._abort("the request failed")
            raise
        return self

    async def _rest(self) -> None:
        """What there is to wait for behind the request."""
        await self.head()
        await self.read()
        if self._pump is not None:
            await self._pump_done()
        if self._turns is not None and self._turns.refuses(self):
            _ = self.raise_for_status()

    async def _within_total(self) -> Response:
        async with Total(self, self.timeouts.total):
            pending = self._begin(open_body=False)
            try:
                if pending is not None:
                    await pending
                await self._rest()
            except BaseException:
                self._abort("the request failed")
                raise
        return self

    def __aenter__(self) -> Coroutine[object, None, Response]:
        return self._enter() if self.timeouts.total is None else self._enter_within_total()

    async def _enter_within_total(self) -> Response:
        total = Total(self, self.timeouts.total)
        await total.__aenter__()
        try:
            _ = await self._enter()
        except BaseException as error:
            await total.__aexit__(type(error), error, error.__traceback__)
            raise
        self._total = total
        return self

    async def _enter(self) -> Response:
        pending = self._begin(open_body=True)
        try:
            if pending is not None:
                await pending
            if self._out is BODY and self._pump is None:
                return self
            if self._undecided():
                await self.head()
            if self._turns is not None and self._turns.refuses(self):
                await self._raise_status()
        except BaseException:
            self._abort("the request failed")
            raise
        return self

    async def _raise_status(self) -> None:
        """`raise_for_status` for one that was entered: what the answer says is read for the error, if it is short."""
        try:
            _ = await self.read(self._limits.drain)
        except ToolkitError:  # too long, or cut off: the status is what counts
            self._abort("the answer's status is an error")
        _ = self.raise_for_status()

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[object, None, None]:
        return self._leave(error) if self._total is None else self._leave_within(self._total, kind, error, trace)

    async def _leave_within(
        self,
        total: Total,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._leave(error)
        except BaseException as late:
            await total.__aexit__(type(late), late, late.__traceback__)
            raise
        await total.__aexit__(kind, error, trace)

    async def _leave(self, error: BaseException | None) -> None:
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
            if self._wire is not None:
                await self._finish_inbound()
        except BaseException:
            self._stop_pump()
            self._abort("the exchange failed at its end")
            raise

    # -- the answer --------------------------------------------------------------------------------------------

    @property
    def interim_statuses(self) -> list[int]:
        """The 1xx answers so far."""
        return [status for status, _ in self.interim]

    async def head(self) -> None:
        """Wait for the answer's head; redirects are followed here when the request asked for it.

        Raises `Disconnected`, `ReadTimeout`, `RemoteProtocolError`; what the supplied body's source raised;
        `BodyNotReplayable` when an answer wants a body again that is spent.
        """
        self._must_have_begun("head()")
        if self._turns is None:
            await self._wait_head()
        else:
            await self._turns.head(self)

    def _undecided(self) -> bool:
        """The head is not here, or it may not be the last one."""
        turns = self._turns
        return self._head is None if turns is None else not turns.done

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
        if not pump.done():
            pump.cancel()  # it waits for its source; there is nobody left to send to
        await asyncio.wait([pump])
        self._pump = None
        if not pump.cancelled() and (error := pump.exception()) is not None and not isinstance(error, Disconnected):
            raise error

    # -- the end -----------------------------------------------------------------------------------------------

    async def _finish_inbound(self) -> None:
        """After the request's end: wait for the answer's head; read a short rest off, or give the connection up."""
        inbound = self._in
        if inbound is None or self._wire is None:
            return
        if self._out is ABORTED and not isinstance(self._error, EarlyAnswer):
            return  # aborted by its own user
        if self._undecided():
            await self.head()
        if inbound.ended or self._wire is None:
            return
        if inbound.owner is not None and inbound.owner is self._wire.owner():
            inbound.release()
        connection = self._connection
        assert connection is not None  # whose wire this is
        if inbound.claimed:
            connection.hold(True)  # somebody else reads it; the connection goes home when he is done
            return
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

    # -- verbs that differ on this end -------------------------------------------------------------------------

    def pull(self, decode: bool = True, size: int | None = None) -> Pull:
        """See `Exchange.pull`."""
        self._must_have_begun("pull()")
        return super().pull(decode and self._options.get("decode", True), size)

    async def read(self, limit: int | None = None) -> bytes:
        """See `Exchange.read`. With an open body and nothing written, the request is ended empty first."""
        self._must_have_begun("read()")
        if self._out is BODY and self._pump is None and not self._sent and self._whole is None:
            await self.eof()
        if self._undecided():
            await self.head()
        whole = self._take_whole(limit)
        return await super().read(limit) if whole is None else whole

    def _receive(self, inbound: Inbound) -> Awaitable[None]:
        return self.head() if self._undecided() else super()._receive(inbound)

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


class Total:
    """`Timeouts.total` around a whole exchange."""

    __slots__ = ("_seconds", "_timeout", "_x")

    def __init__(self, x: Response, seconds: float | None) -> None:
        self._x = x
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            late = TotalTimeout(self._x._say(f"not complete within {self._seconds} s"))
            if self._x._turns is not None:
                self._x._turns.tell(late)
            raise caused(late, None)
