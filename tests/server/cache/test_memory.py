"""Answers in memory: bounded in number and bytes, the ones not used for longest go first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.aio.loop import run
from toolkit.server.cache.keys import Key
from toolkit.server.cache.memory import OVERHEAD, MemoryCache

from .clock import Clock, entry

A, B, C = Key("/a", ""), Key("/b", ""), Key("/c", "")


async def test_what_is_kept_is_found() -> None:
    clock = Clock()
    store, kept = MemoryCache(clock=clock), entry(clock)
    await store.put(A, kept)
    assert store.look(A) is kept
    assert await store.get(A) is kept
    assert store.look(B) is None
    assert not store.waits


async def test_it_goes_when_its_time_is_over() -> None:
    clock = Clock()
    store = MemoryCache(clock=clock)
    await store.put(A, entry(clock, seconds=10, stale=5))
    clock.now += 14.9
    assert store.look(A) is not None
    clock.now += 0.1
    assert store.look(A) is None
    assert (len(store), store.used) == (0, 0)


async def test_the_one_not_used_for_longest_goes_first() -> None:
    clock = Clock()
    store = MemoryCache(entries=2, clock=clock)
    await store.put(A, entry(clock))
    await store.put(B, entry(clock))
    store.look(A)
    await store.put(C, entry(clock))
    assert [key for key in (A, B, C) if store.look(key)] == [A, C]


async def test_bytes_are_bounded() -> None:
    clock = Clock()
    store = MemoryCache(size=3 * (OVERHEAD + 1000), clock=clock)
    for number in range(10):
        await store.put(Key(f"/{number}", ""), entry(clock, b"x" * 900))
    assert len(store) == 3
    assert store.used <= store.size
    await store.put(A, entry(clock, b"x" * store.size))
    assert store.look(A) is None
    assert len(store) == 3


async def test_forms_that_compression_made_count() -> None:
    clock = Clock()
    store, kept = MemoryCache(size=2 * (OVERHEAD + 1000), clock=clock), entry(clock, b"x" * 500)
    await store.put(B, entry(clock))
    await store.put(A, kept)
    before = store.used
    kept.coded.put("gzip", None, b"y" * 300)
    assert store.used == before + 300
    assert kept.coded.get("gzip", None) == b"y" * 300
    kept.coded.put("br", None, b"y" * 2000)  # there is room for it if the other entry goes
    assert (store.look(B), store.used <= store.size) == (None, True)
    kept.coded.put("zstd", None, b"y" * 5000)
    assert kept.coded.get("zstd", None) is None
    await store.forget("/a")
    kept.coded.put("zstd", None, b"y")
    assert (kept.coded.get("zstd", None), store.used) == (None, 0)


async def test_a_path_is_forgotten_with_all_that_is_kept_of_it() -> None:
    clock = Clock()
    store = MemoryCache(clock=clock)
    for rest in ("1", "2"):
        await store.put(Key("/a", rest), entry(clock))
    await store.put(B, entry(clock))
    await store.forget("/a")
    await store.forget("/a")
    assert (len(store), store.look(B) is not None) == (1, True)
    await store.clear()
    assert (len(store), store.used) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xy"), st.integers(0, 3000))))
def test_whatever_comes_the_bounds_hold_and_the_sums_are_right(steps: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    store = MemoryCache(entries=4, size=4 * OVERHEAD, clock=clock)

    async def go() -> None:
        for path, rest, size in steps:
            if size % 7 == 0:
                await store.forget(f"/{path}")
            else:
                await store.put(Key(f"/{path}", rest), entry(clock, b"x" * size))
            assert store.used <= store.size
            assert len(store) <= 4
        await store.clear()
        assert store.used == 0

    run(go())
