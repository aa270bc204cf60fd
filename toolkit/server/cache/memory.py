"""MemoryCache: answers kept in this process, the ones not used for longest going first.

An entry's cost is that of its body, its fields and its coded forms, and what Python needs for it; the costs are added
up and never exceed the budget. What is over its time goes when it is met, or when it is the oldest: nothing is swept.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final

from toolkit.server.cache.store import CacheStore, check_bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key

__all__ = ["MemoryCache"]

MIB: Final = 1024 * 1024
OVERHEAD: Final = (
    2048  #: bytes of an entry besides its body and the text of its fields and key. Measured: 1.4 to 1.7 KB
)


class MemoryCache(CacheStore):
    """At most `entries` answers, of at most `size` bytes together, for `seconds` if nobody says for how long.

    Of this process: each worker process has its own. `clock` gives seconds since 1970.
    """

    waits = False

    def __init__(
        self,
        seconds: float = 300.0,
        *,
        entries: int = 10_000,
        size: int = 64 * MIB,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(seconds, clock=clock)
        check_bound("MemoryCache(entries", entries)
        check_bound("MemoryCache(size", size)
        self.entries = entries
        self.size = size
        self.used = 0  #: bytes
        self._kept: OrderedDict[Key, tuple[Entry, int]] = OrderedDict()  # the one used last is last
        self._paths: dict[str, set[Key]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def look(self, key: Key) -> Entry | None:
        """The entry, which has now been used."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0].is_over(self.clock()):
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found[0]

    async def get(self, key: Key) -> Entry | None:
        """The same."""
        return self.look(key)

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep it, unless it is larger than all that may be kept; others may have to go."""
        self._drop(key)
        cost = OVERHEAD + entry.size + len(key.path) + len(key.rest)
        if cost > self.size:
            return
        while self.used + cost > self.size or len(self._kept) >= self.entries:
            self._drop(next(iter(self._kept)))
        self._kept[key] = entry, cost
        self._paths.setdefault(key.path, set()).add(key)
        self.used += cost
        entry.coded.room = partial(self._grow, key, entry)

    async def forget(self, path: str) -> None:
        """Drop all queries and variants of a path."""
        for key in list(self._paths.get(path, ())):
            self._drop(key)

    async def clear(self) -> None:
        """Drop everything."""
        self._kept.clear()
        self._paths.clear()
        self.used = 0

    def _grow(self, key: Key, entry: Entry, size: int) -> bool:
        """The entry has so many bytes more: whether there is room for them, and it is still here."""
        found = self._kept.get(key)
        if found is None or found[0] is not entry or found[1] + size > self.size:
            return False
        self._kept.move_to_end(key)  # or it might have to make room for itself
        while self.used + size > self.size:
            self._drop(next(iter(self._kept)))
        self._kept[key] = entry, found[1] + size
        self.used += size
        return True

    def _drop(self, key: Key) -> None:
        found = self._kept.pop(key, None)
        if found is None:
            return
        self.used -= found[1]
        keys = self._paths[key.path]
        keys.discard(key)
        if not keys:
            del self._paths[key.path]
