"""Server-sent events, received: one iterator over as many connections as it takes (WHATWG HTML 9.2.3).

A connection that ends, in order or not, is made again after the reconnection time, with the id of the last event seen.
Failures in a row make the wait longer. What ends the iterator: 204, the server's word that there is no more; `close()`;
and an answer that is no stream of events, which is an error, since asking again would not change it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Final, cast

from toolkit.client.url import shown_url
from toolkit.errors import (
    Disconnected,
    LimitExceeded,
    NetworkError,
    RemoteProtocolError,
    StatusError,
    ToolkitTimeout,
    UseError,
)
from toolkit.protocol.events import EVENT_SIZE, EVENT_STREAM, Event, EventParser
from toolkit.protocol.fields import FORBIDDEN_IN_VALUE
from toolkit.protocol.headers import Headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from toolkit.client.options import RequestOptions
    from toolkit.client.response import Response
    from toolkit.client.session import Session
    from toolkit.protocol.headers import HeadersLike

__all__ = ["EventSource", "reconnect_delay"]

log = logging.getLogger("toolkit.client")

SHORTEST_BACKOFF: Final = 0.5  #: seconds; the first wait after a failure, where the reconnection time is shorter
LONGEST_BACKOFF: Final = 60.0  #: seconds; a server that was away for an hour is found again within a minute
TRANSIENT: Final = (Disconnected, NetworkError, ToolkitTimeout)


def reconnect_delay(retry: int, failures: int, spread: float, longest: float = LONGEST_BACKOFF) -> float:
    """Seconds to wait before the next connection; `retry` in ms, `failures` in a row so far.

    Never less than the reconnection time. `spread`, from 0 to 1, adds up to half, or all the clients of a server that
    was restarted would come back at the same moment.
    """
    base = retry / 1000
    if not failures:
        return base
    grown = max(base, SHORTEST_BACKOFF) * 2.0 ** min(failures - 1, 16)
    return max(base, min(longest, grown * (1 + spread / 2)))


class EventSource:
    """The events of one URL; made by `Session.sse`, iterated once. `last_id` and `retry` (ms) tell where it stands.

    Iterating raises `StatusError` or `RemoteProtocolError` for an answer that is no stream of events, `LimitExceeded`
    for an event over `limit` bytes, and after `attempts` failures in a row the last one's error. Leaving the loop early
    gives the connection up; `async with http.sse(url) as events` says at which moment.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        headers: HeadersLike | None,
        options: RequestOptions,
        *,
        last_id: str = "",
        retry: int = 3000,
        attempts: int | None = None,
    ) -> None:
        self.url = url
        self.last_id = last_id
        self.retry = retry
        self.limit = EVENT_SIZE
        self.longest_wait = LONGEST_BACKOFF
        self._session = session
        self._headers = headers
        self._options = cast("RequestOptions", {"follow_redirects": True, **options})
        self._attempts = attempts
        self._iterated = False
        self._closing = asyncio.Event()
        self._response: Response | None = None
        self._accepted = False  # the present connection is a stream of events

    @property
    def response(self) -> Response | None:
        """The present connection's exchange; None between two connections."""
        return self._response

    async def __aenter__(self) -> EventSource:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """No more events: the connection is given up, and the iteration ends."""
        self._closing.set()
        if self._response is not None:
            await self._response.abort("the event source was closed")

    def __aiter__(self) -> AsyncIterator[Event]:
        if self._iterated:
            raise UseError(
                f"http.sse({shown_url(self.url)!r}) is iterated once; call sse() again, with last_id={self.last_id!r}"
            )
        self._iterated = True
        return self._events()

    async def _events(self) -> AsyncIterator[Event]:
        failures = 0
        while not self._closing.is_set():
            self._accepted = False
            transports = self._session.bound()
            parser = EventParser(self.limit, self.last_id)
            try:
                async with self._ask() as x:
                    self._response = x
                    if not self._is_stream(x):
                        return
                    async for data in x:
                        for event in _parse(x, parser, data):
                            self.last_id = event.id
                            yield event
                        self._learn(parser)
            except TRANSIENT as error:
                if self._session.bound() is not transports:
                    raise  # it was closed, and would be opened again
                failures = self._failed(error, 0 if self._accepted else failures)
            else:
                failures = 0
            finally:
                self._response = None
                self._learn(parser)
            await self._wait(reconnect_delay(self.retry, failures, random.random(), self.longest_wait))

    def _ask(self) -> Response:
        headers = Headers({"accept": EVENT_STREAM, "cache-control": "no-store"})
        for name, value in Headers(self._headers).items():
            headers[name] = value
        last_id = self.last_id.encode()  # UTF-8, whatever other fields are (9.2.3)
        if last_id and FORBIDDEN_IN_VALUE.search(last_id) is None:
            headers["last-event-id"] = last_id
        return self._session.get(self.url, headers, **self._options)

    def _is_stream(self, x: Response) -> bool:
        """Whether to go on with this answer; raises what it is instead."""
        status = x.status
        if status == 204:
            return False
        if status is not None and status >= 400:
            raise StatusError(x._say(f"answered {status} {x.reason}, not a stream of events"), status, x)
        if status != 200:
            raise RemoteProtocolError(x._say(f"answered {status} {x.reason}, not a stream of events"))
        if x.content_type.partition(";")[0].strip().lower() != EVENT_STREAM:
            raise RemoteProtocolError(x._say(f"answered {x.content_type or 'no content type'!r}, not {EVENT_STREAM}"))
        self._accepted = True
        return True

    def _learn(self, parser: EventParser) -> None:
        """What the stream told beside its events."""
        self.last_id = parser.last_id
        if parser.retry is not None:
            self.retry = parser.retry

    def _failed(self, error: Exception, failures: int) -> int:
        """One more failure; raises it where it was one too many."""
        if self._closing.is_set():
            return failures
        failures += 1
        if self._attempts is not None and failures > self._attempts:
            raise error
        log.warning("%s; it is tried again", error)
        return failures

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


def _parse(x: Response, parser: EventParser, data: bytes) -> Iterator[Event]:
    try:
        yield from parser.feed(data)
    except LimitExceeded as error:
        raise x._refused(error) from None
