"""A cache of files bounded in bytes: what was not used for longest goes first.

How it works. A dict keeps its order, so the end that is used last is its end. An entry says what it costs; the costs
are added up and never exceed the budget. What is used is not moved at each use, which would cost more than the look-up,
but when its owner says `touch`: once a second at most, as files are looked at anew.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

__all__ = ["FileCache"]

T = TypeVar("T")

OVERHEAD: Final = 6 * 1024  #: bytes of an entry besides its bodies. Measured: 2.8 KB, 5.9 where it has three codings


class FileCache(Generic[T]):
    """Entries by key; `budget` in bytes, 0 for none at all."""

    __slots__ = ("_costs", "_entries", "budget", "used")

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = 0
        self._entries: dict[str, T] = {}
        self._costs: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> T | None:
        """The entry, which keeps its place."""
        return self._entries.get(key)

    def touch(self, key: str) -> None:
        """It was used: now it goes last."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry

    def put(self, key: str, entry: T, size: int) -> bool:
        """Keep an entry whose bodies have `size` bytes; whether there is room for it. Others may have to go."""
        self.drop(key)
        cost = size + OVERHEAD
        if cost > self.budget:
            return False
        self._make_room(cost)
        self._entries[key] = entry
        self._costs[key] = cost
        self.used += cost
        return True

    def grow(self, key: str, entry: T, size: int) -> bool:
        """The entry has `size` bytes more. False if there is no room for them, or it is not there any more."""
        if self._entries.get(key) is not entry or self._costs[key] + size > self.budget:
            return False
        self.touch(key)
        self._make_room(size, spare=key)
        self._costs[key] += size
        self.used += size
        return True

    def drop(self, key: str) -> None:
        """Forget an entry, if it is there."""
        if key in self._entries:
            del self._entries[key]
            self.used -= self._costs.pop(key)

    def _make_room(self, size: int, spare: str | None = None) -> None:
        while self.used + size > self.budget:
            oldest = next(iter(self._entries))
            assert oldest != spare  # our own invariant: it was touched, and fits by itself
            self.drop(oldest)
