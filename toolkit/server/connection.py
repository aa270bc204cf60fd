"""The answering end of a connection: requests in, one at a time; answers out; and what becomes of an unread body.

Between two exchanges a connection waits under one deadline (`head` after accept and inside a head, `keep_alive`
otherwise). While an exchange runs, later bytes are held by the receiver; `_cycle_done` lets the next head in when both
messages are done. After a handler returned with input still to come, the body is in one of these hands:

    claimed     another task reads it: the connection waits for that reader
    held        the answer was streamed, or `detach` was called: buffered up to its mark, and if it ends within it the
                connection goes on; else somebody must claim it within `Timeouts.hold`
    drained     a whole answer: up to `Limits.drain` bytes are thrown away to keep the connection
    lingering   more than that: the connection ends, in a way that lets the peer read the answer (RFC 9112 9.6)
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from toolkit.errors import Disconnected, ReadTimeout, RemoteProtocolError
from toolkit.protocol.aio.link import peer_of
from toolkit.protocol.framing import LENGTH, NONE
from toolkit.protocol.headers import join_fields
from toolkit.protocol.http1 import RequestReceiver
from toolkit.protocol.inbound import Inbound
from toolkit.protocol.states import DONE, IDLE
from toolkit.server.answering import AnsweringConnection
from toolkit.server.request import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from toolkit.protocol.aio.clock import Deadline
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.head import RequestHead
    from toolkit.server.request import CancelledBy
    from toolkit.server.running import Running

__all__ = ["ServerConnection"]


class ServerConnection(AnsweringConnection):
    """One client's connection."""

    __slots__ = (
        "_after",
        "_began",
        "_cut_short",
        "_deferred",
        "_gone_waiters",
        "_last_received",
        "_next_due",
        "_unlogged",
        "_waiting",
        "peer",
        "running",
        "scheme",
        "task",
    )

    def __init__(self, running: Running) -> None:
        super().__init__(running.watch)
        self.running: Running = running
        self.receiver = RequestReceiver(self, running.watch.limits, running.parser)
        self.task: asyncio.Task[object] | None = None  # the running handler's
        self._after: str | None = None  # "held" or "drained": what becomes of the body its handler left
        self._cut_short = False  # it lingers over input that nobody reads: closing now would destroy the answer
        self._next_due = False  # the next request waits for the present answer to leave
        self._deferred: CancelledBy | None = None
        self._gone_waiters: list[asyncio.Future[None]] | None = None
        self._last_received = 0
        self._waiting: Deadline | None = None  # the deadline between two exchanges
        self._unlogged: Request | None = None  # the exchange that the access log has not seen; None without a log
        self._began = 0.0  # when that one's head was here

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted: the first head is due."""
        super().connection_made(transport)
        self.peer = peer_of(transport)
        self.scheme = "https" if transport.get_extra_info("sslcontext") is not None else "http"
        if self.running.is_stopping:
            if not self.running.admits:  # accepted, or its handshake done, too late
                self.transport.abort()
                return
            self._last = True
        self.running.connections.add(self)
        self._await_head(self.running.head)

    def _await_head(self, deadline: Deadline) -> None:
        if self._waiting is not None and self._waiting is not deadline:
            self._waiting.stop(self)
        self._waiting = deadline
        deadline.start(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self.receiver.receive(data)
        if self.exchange is None:
            self._rest()

    # -- the receiver's sink -----------------------------------------------------------------------------------

    def on_head(self, head: RequestHead) -> None:
        """A request begins."""
        waiting = self._waiting
        if waiting is not None:
            waiting.stop(self)
            self._waiting = None
        inbound = None
        if head.framing is not NONE:
            inbound = Inbound()
            inbound.expect = head.expect
            coding = join_fields(head.fields, b"content-encoding")
            if coding is not None:
                inbound.coding = coding.decode("latin-1")
        if not head.keep_alive:
            self._last = True
        self._after = None
        request = Request(self, head, inbound)
        self.exchange = request
        access = self.running.access
        if access is not None:
            self._unlogged, self._began = request, access.now()
        self.running.dispatch(self, request)

    def on_body(self, data: bytes) -> None:
        """The body of the request; of one that nobody wants, thrown away within its budget."""
        if self._after == "drained":
            x = self.exchange
            if x is not None and x._in is not None:
                x._in.received += len(data)
                self._last_received += len(data)
                if self._last_received > self.limits.drain:
                    self._leave()
            return
        super().on_body(data)

    def on_fault(self, error: RemoteProtocolError) -> None:
        """Bytes that HTTP does not allow: in a body its reader is told; in a head it is answered here."""
        self._last = True
        x = self.exchange
        if x is None:
            self.running.refuse(self, error)
            self._cut_short = True
            self.linger()
            return
        if x._in is not None:
            x._in.fail(error)
        self._wake()
        if x._out is DONE:
            self._leave()

    def on_held(self, size: int) -> None:
        """Requests behind the present one; with none present, the turn was used up."""
        if self.exchange is None:
            self.loop.call_soon(self._take_next)
        else:
            super().on_held(size)

    # -- the end of an exchange --------------------------------------------------------------------------------

    def _cycle_done(self, x: Exchange) -> None:
        x._wire = None
        self.exchange = None
        self._after = None
        if self._timed:
            self._stop_timing()
        if self._unlogged is not None:
            self._log()
        if self.lost is not None:
            return
        self.receiver.limits = self.limits
        if self._last:
            self._last_close()
        elif self.blocked:
            self._next_due = True  # one answer at a time in the buffer, however many requests were pipelined
        else:
            self._next()

    def _log(self) -> None:
        """An exchange has ended, one way or another: a line in the access log."""
        access, x = self.running.access, self._unlogged
        self._unlogged = None
        if access is not None and x is not None:
            access.record(self, x, self._began)

    def _next(self) -> None:
        self._next_due = False
        receiver = self.receiver
        held = receiver.next_message()
        if receiver.running:  # called from inside `receive`, which goes on by itself with what it has
            return
        if held:
            self._take_next()
        else:
            self._rest()

    def _take_next(self) -> None:
        """Go on with the requests that were held."""
        x = self.exchange
        if x is None and self.lost is None and not self._lingering:
            self.receiver.resume()
            x = self.exchange
            if x is None:
                self._rest()
                return
            if self._paused and len(self.receiver.held) < self.limits.pipelined:
                self.consumed(x, 0)
            if self.peer_ended:
                self._on_fin()  # it came while this request was held

    def _rest(self) -> None:
        """Between two requests, when everything that came has been looked at."""
        receiver = self.receiver
        if self._lingering or self._next_due or self.lost is not None or receiver.held:
            return
        if self.peer_ended:
            self.close()
            return
        if self._paused:
            self._resume()
        if receiver.partial is not None:
            if self._waiting is not self.running.head:
                self._await_head(self.running.head)
        elif self._waiting is None:
            self._await_head(self.watch.keep_alive)

    def resume_writing(self) -> None:
        """The buffer is below its mark."""
        super().resume_writing()
        if self.running.is_stopping:
            self.running.settled()
        if self._next_due and self.exchange is None and self.lost is None:
            self._next()

    def _last_close(self) -> None:
        """Everything was said. What the client may still be sending must not reset the answer."""
        if self.peer_ended or not (self.caps.half_close or self.receiver.held):
            self.receiver.stop()
            self.close()
        else:
            self.linger()

    def handler_done(self, x: Request) -> None:
        """The handler returned and its answer is out: what becomes of a body that is still to come?"""
        inbound = x._in
        if x is not self.exchange or inbound is None or inbound.ended or self.lost is not None:
            return
        owner = inbound.owner
        if owner is not None and owner is asyncio.current_task():
            inbound.release()
        if x._prepared_early or x._detached or inbound.claimed:
            self._after = "held"
            self.running.after.start(self)
        elif self._last and (x._head.framing is not LENGTH or self.receiver.left):
            self._leave()
        else:
            self._after = "drained"
            self._last_received = inbound.buffered
            inbound.chunks.clear()
            inbound.buffered = 0
            self._resume()
            self.running.after.start(self)

    def receive(self, x: Exchange) -> Awaitable[None]:
        """A reader, perhaps of a body that is held: it goes on."""
        if self._paused and x is self.exchange:
            self.consumed(x, 0)
        return super().receive(x)

    def _leave(self) -> None:
        """End the connection though the body is not: nobody reads it."""
        x = self.exchange
        self._last = True
        if x is not None:
            if x._in is not None:
                x._in.fail(Disconnected("the body was left unread and the connection closed", x))
            x._wire = None
            self.exchange = None
        if self._unlogged is not None:
            self._log()
        self._stop_timing()
        self._wake()
        self._cut_short = True
        self.linger()

    # -- clients that leave ------------------------------------------------------------------------------------

    def _on_fin(self) -> None:
        x = self.exchange
        self._tell_gone()
        if self._lingering:
            self.close()
        elif x is None:
            if not self.receiver.held and not self._next_due:
                self.close()
        elif x._in is not None and not x._in.ended:
            error = Disconnected("the peer ended its side inside the request's body", clean=True)
            x._in.fail(error)
            self._cancel_handler(x, "peer")
            self._wake()
            self._last = True
            if x._out is DONE:
                self.exchange = None
                x._wire = None
                self.close()
        elif isinstance(x, Request) and x.on_eof == "cancel":
            self._cancel_handler(x, "peer")

    def _on_lost(self) -> None:
        if self._unlogged is not None:
            self._log()
        self.running.connections.discard(self)
        self.running.settled()
        self._tell_gone()

    def _inbound_failed(self, x: Exchange) -> None:
        self._cancel_handler(x, "peer")

    def _cancel_handler(self, x: Exchange, by: CancelledBy) -> None:
        """Once, and only while its answer is unfinished.

        Not in this turn: a task that was just made has not begun, and would never know; and whoever waits for this
        very link is told by an error, which needs no cancellation behind it.
        """
        task = self.task
        if task is not None and isinstance(x, Request):
            # Two turns: those who wait may be woken after this call, and run in the next.
            self.loop.call_soon(self.loop.call_soon, self._cancel_unless_told, x, task, by)

    def _cancel_unless_told(self, x: Request, task: asyncio.Task[object], by: CancelledBy) -> None:
        if task.done() or task is not self.task or x._out is DONE or (by != "shutdown" and task in x._told):
            return
        if x.cancelled_by is not None or self._deferred is not None:
            return
        if x._shields:
            self._deferred = by
            return
        x.cancelled_by = by
        task.cancel()

    def take_deferred(self, x: Request) -> bool:
        """The last shield is off: whether a cancellation had waited for that."""
        by, self._deferred = self._deferred, None
        if by is None:
            return False
        x.cancelled_by = by
        return True

    async def peer_gone(self, x: Request) -> None:
        """Wait for a FIN or the end of the link."""
        if self.peer_ended or self.lost is not None or x is not self.exchange:
            return
        if self._gone_waiters is None:
            self._gone_waiters = []
        waiters = self._gone_waiters
        future = self.loop.create_future()
        waiters.append(future)
        try:
            await future
        finally:
            waiters.remove(future)

    def _tell_gone(self) -> None:
        for future in self._gone_waiters or ():
            if not future.done():
                future.set_result(None)

    async def server_stopping(self) -> None:
        """Wait for the server's stop."""
        await self.running.stopping()

    # -- time --------------------------------------------------------------------------------------------------

    def on_deadline(self, kind: str) -> None:
        """A deadline fell due."""
        if kind == "head":
            self._waiting = None
            if self.receiver.in_head:
                self.running.refuse(self, RemoteProtocolError("the request's head took too long", 408))
                self._last = True
                self.linger()
            else:
                self.close()
        elif kind == "keep_alive":
            self._waiting = None
            if self.exchange is None:
                self.close()
        elif kind == "after":
            self._nobody_read()
        elif kind == "slow_body":
            self._check_rate()
        elif kind == "idle":
            self._check_idle()
        else:
            super().on_deadline(kind)

    def _nobody_read(self) -> None:
        """The time for a left body is up, unless a reader came."""
        x = self.exchange
        inbound = None if x is None else x._in
        if x is None or inbound is None:
            return
        if self._after == "held" and inbound.claimed:
            self.running.after.start(self)
        else:
            self._leave()

    def watch_body(self, x: Request) -> None:
        """The body is on its way: it must come at `Timeouts.min_rate`, until the answer's head is sent."""
        self._last_received = 0
        self.running.slow_body.start(self)
        self._watch_idle(x)

    def _watch_idle(self, x: Exchange) -> None:
        self._timed = True
        self._progress = self._moved(x)
        self.running.idle.start(self)

    def _stop_timing(self) -> None:
        self._timed = False
        for deadline in (self.running.idle, self.running.slow_body, self.running.after):
            deadline.stop(self)

    def _check_rate(self) -> None:
        """Until the answer's head is sent; after it a peer may be silent as long as it likes (`idle`)."""
        x = self.exchange
        inbound = None if x is None else x._in
        seconds = self.running.slow_body.seconds
        if x is None or inbound is None or inbound.ended or x._out is not IDLE or seconds is None:
            return
        came = inbound.received - self._last_received
        self._last_received = inbound.received
        unwanted = self._paused and not self.splicing  # a splice reads past a paused transport
        if came >= self.watch.timeouts.min_rate * seconds or unwanted or inbound.expect:
            self.running.slow_body.start(self)
            return
        error = ReadTimeout(f"the request's body came at {came / seconds:.0f} bytes a second")
        inbound.fail(error)
        self._last = True
        self._cancel_handler(x, "timeout")
        self._wake()

    def _check_idle(self) -> None:
        """Looked at once in `Timeouts.idle`, so that a byte costs nothing: it ends one to two times that after it."""
        x = self.exchange
        if x is None:
            return
        moved = self._moved(x)
        if moved != self._progress:
            self._progress = moved
            self.running.idle.start(self)
            return
        self._cancel_handler(x, "timeout")
        self.fail(ReadTimeout(f"no byte moved for {self.running.idle.seconds} s"))

    # -- stopping ----------------------------------------------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        """Ending, with everything said that there was to say."""
        transport = self.transport
        ending = transport.is_closing() or (self._lingering and not self._cut_short)
        return ending and not transport.get_write_buffer_size()

    def linger(self) -> None:
        """See `Connection.linger`; at the server's end it waits for what is still to be sent, not for the peer."""
        super().linger()
        self._tell_settled()

    def close(self) -> None:
        """See `Connection.close`."""
        super().close()
        self._tell_settled()

    def _tell_settled(self) -> None:
        if self.running.is_stopping:
            if not self.transport.is_closing():
                self.transport.set_write_buffer_limits(0, 0)  # `resume_writing` when the last byte is out
            self.running.settled()

    def begin_stop(self, since: float = math.inf) -> None:
        """No further request than one; a connection that has been idle `since` then ends now."""
        self._last = True
        if self._lingering or self.transport.is_closing():
            self._tell_settled()
        x = self.exchange
        if x is None:
            waiting = self._waiting
            recent = waiting is not None and waiting.began(self) > since
            if not (self.receiver.in_head or self._lingering or recent):
                self.close()
        elif self._after is not None and x._in is not None and not x._in.claimed:
            self._leave()

    def end_now(self) -> None:
        """The grace is over."""
        x = self.exchange
        if x is not None:
            self._cancel_handler(x, "shutdown")
