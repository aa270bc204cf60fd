"""What all stores have in common."""

from __future__ import annotations

import pytest

from toolkit import CacheStore, FolderCache, MemoryCache, RedisCache
from toolkit.errors import UseError
from toolkit.server.cache.keys import Key


@pytest.mark.parametrize("seconds", [0, -1, "60", None, True, float("nan")])
def test_a_time_is_a_number_above_zero(seconds: float) -> None:
    with pytest.raises(UseError, match=r"MemoryCache\(seconds="):
        MemoryCache(seconds)


async def test_a_subclass_says_how() -> None:
    store, key = CacheStore(), Key("/", "")
    assert store.waits
    assert store.look(key) is None
    for call in (store.get(key), store.forget("/"), store.clear()):
        with pytest.raises(NotImplementedError):
            await call
    await store.close()


@pytest.mark.parametrize("make", [lambda: MemoryCache(entries=0), lambda: MemoryCache(size=0)])
def test_a_bound_is_at_least_one(make: object) -> None:
    assert callable(make)
    with pytest.raises(UseError, match="1 or more"):
        make()


def test_the_names_of_all_of_them() -> None:
    assert {one.__name__ for one in CacheStore.__subclasses__()} >= {"MemoryCache", "FolderCache", "RedisCache"}
    assert issubclass(FolderCache, CacheStore)
    assert issubclass(RedisCache, CacheStore)
