"""Server-sent events, sent: an answer that stays open, and ends when its client leaves or the server stops.

A silent stream says a comment from time to time: what stands between the two ends cuts connections on which nothing
moves, and a client that is gone without a word is only noticed by writing to it. All streams with the same interval
wait in one queue of the clock, so ten thousand silent ones cost ten thousand dict entries and one timer.

The end of the server is the end of the block, not an error: a client that sees a clean end comes back after a moment,
to whoever serves then, with the id of the last event that it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final

from toolkit.errors import Disconnected, ToolkitError, UseError
from toolkit.protocol.events import EVENT_STREAM, Event, encode_comment, encode_event
from toolkit.protocol.headers import Headers
from toolkit.protocol.negotiate import choose_media_type
from toolkit.server.abort import Abort

if TYPE_CHECKING:
    from types import TracebackType

    from toolkit.protocol.aio.clock import Deadline
    from toolkit.protocol.headers import HeadersLike
    from toolkit.server.feed import EventFeed
    from toolkit.server.request import Request

__all__ = ["KEEP_ALIVE", "EventStream", "send_events"]

KEEP_ALIVE: Final = 15.0  #: seconds; half of what the most impatient proxies in use wait (HAProxy, Heroku: 30 to 55)
COMMENT: Final = encode_comment()
JOINED: Final = 64 * 1024  #: bytes of a feed's events that are sent in one write

# no-store: what was said once is no answer to be given again. The last one is nginx's word for "do not gather it".
FIELDS: Final = {"content-type": EVENT_STREAM, "cache-control": "no-cache, no-store", "x-accel-buffering": "no"}


class EventStream:
    """The events of one answer: `async with r.sse() as events: await events.send("hello")`; see `Request.sse`."""

    __slots__ = ("_beat", "_cancelling", "_deadline", "_headers", "_notice", "_retry", "_stopped", "_task", "request")

    def __init__(
        self,
        request: Request,
        headers: HeadersLike | None = None,
        *,
        keep_alive: float | None = KEEP_ALIVE,
        retry: int | None = None,
    ) -> None:
        self.request = request
        self._headers = headers
        self._retry = retry
        running = request._connection.running
        self._deadline: Deadline = running.clock.deadline("events", keep_alive)
        self._notice: asyncio.Future[None] | None = None  # done when the server begins to stop
        self._task: asyncio.Task[object] | None = None
        self._beat: asyncio.Task[None] | None = None
        self._cancelling = 0
        self._stopped = False  # the block was cancelled, by the server's end

    @property
    def last_id(self) -> str:
        """The id of the last event that this client saw before it came back; "" if it saw none."""
        value = self.request.headers.get("last-event-id", "")
        return value.encode("latin-1").decode(
            "utf-8", "replace"
        )  # the one field whose text is UTF-8 (WHATWG HTML 9.2.3)

    # -- the block ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> EventStream:
        request = self.request
        self._task = asyncio.current_task()
        if self._task is None or self._notice is not None:
            raise UseError(request._say("sse() is entered once, in a task: async with r.sse() as events"))
        await self._prepare()
        if request.method == "HEAD":
            request.auto_head = True
            request._discarded()  # leaves the handler: there will be no event to find out by that nobody wants any
        if request._connection.peer_ended:
            raise Disconnected(request._say("the client has left"), request, clean=True)
        request.on_eof = "cancel"  # nobody half-closes a stream that he wants to see more of
        if self._retry is not None:
            await request.write(encode_event(retry=self._retry))
        self._cancelling = self._task.cancelling()
        self._notice = request._connection.running.stop_notice()
        self._notice.add_done_callback(self._on_stop)
        self._deadline.start(self)
        return self

    async def _prepare(self) -> None:
        if choose_media_type(self.request.headers.get("accept"), (EVENT_STREAM,)) is None:
            raise Abort(f"Not Acceptable: this is a stream of {EVENT_STREAM}", 406)
        headers = Headers(FIELDS)
        for name, value in Headers(self._headers).items():
            headers[name] = value
        await self.request.prepare(headers)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._deadline.stop(self)
        if self._notice is not None:
            self._notice.cancel()
        if self._beat is not None:
            self._beat.cancel()
        task, self._task = self._task, None
        ended = error is None
        if self._stopped and task is not None and task.uncancel() <= self._cancelling:
            ended |= isinstance(error, asyncio.CancelledError)
        if ended:
            self.request._handling = id(error)  # it ends here, so the answer's end is a clean one
            await self.request.eof()
        return ended

    def _on_stop(self, notice: asyncio.Future[None]) -> None:
        if not notice.cancelled() and self._task is not None:
            self._stopped = True
            self._task.cancel()

    # -- events ------------------------------------------------------------------------------------------------

    async def send(
        self, data: object = None, event: str | None = None, *, id: str | int | None = None, retry: int | None = None
    ) -> None:
        """Send an event; returns when there is room for more.

        `data` is text, an `Event`, or anything that JSON can say; None sends no event, only the `id` or `retry`.
        `retry` is the time in ms that the client waits before it comes back. Raises `LocalProtocolError` for an id or
        type that is not one line, otherwise like `write`.
        """
        if isinstance(data, Event):
            event = data.event if event is None else event
            id = (data.id or None) if id is None else id
            data = data.data
        await self._write(encode_event(data, event, id, retry))

    async def comment(self, text: str = "") -> None:
        """Send a comment: no event, but a sign of life. A silent stream does so by itself."""
        await self._write(encode_comment(text))

    async def send_all(self, source: AsyncIterable[object]) -> None:
        """Send every item of `source` as `send` would, each when it comes."""
        async for item in source:
            await self.send(item)

    async def follow(self, feed: EventFeed) -> None:
        """Send what is published, from behind the last event that this client saw, until the feed is closed.

        Whoever comes back too late for some of it, or takes it too slowly, is told so by an event of type
        `feed.missed`.
        """
        place = feed.place_of(self.last_id)
        while True:
            place, block = feed.take(place, JOINED)
            if block:
                await self._write(block)
            elif feed.closed:
                return
            else:
                await feed.published()

    async def _write(self, block: bytes) -> None:
        if self._task is None:
            raise UseError(self.request._say("events are sent inside the block: async with r.sse() as events"))
        self._deadline.start(self)
        await self.request.write(block)

    # -- signs of life -----------------------------------------------------------------------------------------

    def on_deadline(self, kind: str) -> None:
        """Nothing was sent for a while (the clock's call)."""
        self._deadline.start(self)
        connection = self.request._connection
        if not connection.blocked and (
            self._beat is None or self._beat.done()
        ):  # else there is more on its way already
            self._beat = connection.loop.create_task(self._say_something())

    async def _say_something(self) -> None:
        try:
            await self.request.write(COMMENT)
        except ToolkitError:  # the handler is told by its own next call, or cancelled
            return


async def send_events(
    request: Request, source: object, headers: HeadersLike | None, keep_alive: float | None, retry: int | None
) -> None:
    """See `Deliver.sse`."""
    assert isinstance(source, AsyncIterable)
    try:
        stream = EventStream(request, headers, keep_alive=keep_alive, retry=retry)
        if request.method == "HEAD":  # no handler is left that the block could end
            await stream._prepare()
            await request.eof()
            return
        async with stream as events:
            await events.send_all(source)
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
