"""A feed: events published once, for any number of streams, the last ones kept for clients that come back.

There is one buffer, bounded in events and in bytes, and no queue per follower: each follower has a place in it. Who
falls behind its beginning has missed something and is told so. Memory does not depend on how many follow, nor on how
slowly.

Ids are `epoch-number`. The epoch is drawn when the feed is made, so an id from before a restart is recognised as one of
another life instead of being taken for a number of this one.
"""

from __future__ import annotations

import asyncio
import secrets

from toolkit.errors import UseError
from toolkit.protocol.events import encode_event

__all__ = ["EventFeed"]


class EventFeed:
    """Events for everyone who follows: `feed.publish(...)` here, `await events.follow(feed)` in handlers.

    `events` (a count) and `size` (bytes) bound what is kept for those who come back; the last one always is. `missed`
    is the type of the event that tells how many were lost (JSON: a number, null where nobody can know); None: no event.

    Belongs to no loop before somebody waits; all calls come from one thread.
    """

    __slots__ = ("_bytes", "_epoch", "_events", "_first", "_kept", "_next", "_size", "_waiters", "closed", "missed")

    def __init__(self, events: int = 1000, size: int = 1024 * 1024, *, missed: str | None = "missed") -> None:
        self._events = events
        self._size = size
        self._epoch = secrets.token_hex(4)
        self._kept: dict[int, bytes] = {}  # by number; in order, without gaps
        self._bytes = 0
        self._first = 1  # the oldest that is kept
        self._next = 1
        self._waiters: dict[asyncio.Future[None], None] = {}
        self.missed = missed
        self.closed = False

    def publish(self, data: object, event: str | None = None) -> str:
        """Give an event to everyone who follows; returns its id. Never waits.

        Raises `LocalProtocolError` for a type that is not one line, `UseError` after `close()`.
        """
        if self.closed:
            raise UseError("publish() on a feed that was closed")
        number = self._next
        name = f"{self._epoch}-{number}"
        block = encode_event(data, event, name)
        self._next = number + 1
        self._kept[number] = block
        self._bytes += len(block)
        while len(self._kept) > 1 and (len(self._kept) > self._events or self._bytes > self._size):
            self._bytes -= len(self._kept.pop(self._first))
            self._first += 1
        self._wake()
        return name

    def close(self) -> None:
        """No more events: followers get what there is, and their `follow` returns."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def published(self) -> None:
        """Wait for the next event, or for the end."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            await waiter
        finally:
            self._waiters.pop(waiter, None)

    # -- places ------------------------------------------------------------------------------------------------

    def place_of(self, last_id: str) -> int:
        """Where one begins who saw `last_id` last: behind it; at what comes, with none; 0: of another life."""
        if not last_id:
            return self._next
        epoch, _, number = last_id.rpartition("-")
        if epoch != self._epoch or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return 0
        return min(int(number) + 1, self._next)

    def take(self, place: int, most: int) -> tuple[int, bytes]:
        """(the next place, the events from `place` on as they are sent): about `most` bytes, or one event."""
        blocks: list[bytes] = []
        if place < self._first:
            if self.missed is not None:
                blocks.append(encode_event(str(self._first - place) if place else "null", self.missed))
            place = self._first
        size = 0
        while place < self._next and size < most:
            block = self._kept[place]
            blocks.append(block)
            size += len(block)
            place += 1
        return place, b"".join(blocks)
