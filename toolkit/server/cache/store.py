"""CacheStore: where kept answers are. In this process, in files, on another server, or wherever a subclass puts them.

A store that has to wait may fail: it raises, and whoever asked runs the handler. It holds nothing of an event loop when
it is made, since applications are made before there is one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key

__all__ = ["CacheStore", "check_bound"]


def check_bound(name: str, value: object, least: float = 1) -> None:
    """Raises `UseError` for what is no number, or below `least`; `name` as its user writes it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:
        raise UseError(f"{name}={value!r}): expected a number, {least:g} or more")


class CacheStore:
    """A place for entries; `seconds` is how long an answer is kept if nobody says for how long, `clock` the time.

    A subclass has `get`, `put`, `forget` and `clear`, and `close` where there is something to be closed. Entries may
    vanish at any time; after `Entry.keep_until` they must not be given out.
    """

    waits = True  #: False: all that there is, `look` finds at once

    def __init__(self, seconds: float = 300.0, *, clock: Callable[[], float] = time.time) -> None:
        check_bound(f"{type(self).__name__}(seconds", seconds, 0.001)
        self.seconds = seconds
        self.clock = clock  # seconds since 1970: what is kept may be read by another process, after a restart

    def look(self, key: Key) -> Entry | None:
        """What is at hand without waiting."""
        return None

    async def get(self, key: Key) -> Entry | None:
        """The entry at this key."""
        raise NotImplementedError

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep an entry, in the place of one that is there."""
        raise NotImplementedError

    async def forget(self, path: str) -> None:
        """Drop whatever is kept of a path, which is spelt as in keys."""
        raise NotImplementedError

    async def clear(self) -> None:
        """Drop everything."""
        raise NotImplementedError

    async def close(self) -> None:
        """Give back what was opened; the next use opens it again."""
