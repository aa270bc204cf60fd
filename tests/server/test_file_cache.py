"""The cache of files: its budget is kept, and what was not used for longest goes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.file_cache import OVERHEAD, FileCache


def test_what_is_kept_is_found() -> None:
    cache = FileCache[str](10 * OVERHEAD)
    assert cache.put("a", "A", 100)
    assert cache.get("a") == "A"
    assert cache.get("b") is None
    assert cache.used == 100 + OVERHEAD
    cache.drop("a")
    cache.drop("a")
    assert (len(cache), cache.used) == (0, 0)


def test_the_one_not_used_for_longest_goes_first() -> None:
    cache = FileCache[str](3 * OVERHEAD)
    for key in "abc":
        cache.put(key, key, 0)
    cache.touch("a")
    cache.get("b")  # a look alone is no use
    cache.put("d", "d", 0)
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]


def test_what_is_larger_than_all_is_not_kept() -> None:
    cache = FileCache[str](OVERHEAD + 10)
    cache.put("a", "a", 0)
    assert not cache.put("b", "b", 11)
    assert cache.get("a") == "a"
    assert not FileCache[str](0).put("a", "a", 0)


def test_a_new_entry_takes_the_place_of_the_old_one() -> None:
    cache = FileCache[str](2 * OVERHEAD)
    cache.put("a", "old", 500)
    cache.put("a", "new", 100)
    assert (cache.get("a"), cache.used) == ("new", OVERHEAD + 100)
    assert not cache.put("a", "too large", 2 * OVERHEAD)
    assert cache.get("a") is None  # the old one is outdated all the same


def test_an_entry_may_grow() -> None:
    cache = FileCache[str](3 * OVERHEAD)
    entry = "A"
    cache.put("a", entry, 0)
    cache.put("b", "B", 0)
    assert cache.grow("a", entry, OVERHEAD + 1)
    assert cache.get("b") is None  # there was no room for both
    assert cache.used == 2 * OVERHEAD + 1
    assert not cache.grow("a", entry, OVERHEAD)
    assert not cache.grow("b", "B", 1)
    assert cache.used == 2 * OVERHEAD + 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "touch", "drop", "grow", "get"]), st.sampled_from("abcdef"), st.integers(0, 9000)
        )
    )
)
def test_the_budget_is_kept_whatever_happens(steps: list[tuple[str, str, int]]) -> None:
    cache = FileCache[str](30_000)
    for step, key, size in steps:
        if step == "put":
            cache.put(key, key, size)
        elif step == "grow":
            cache.grow(key, key, size)
        else:
            getattr(cache, step)(key)
        assert cache.used <= cache.budget
        assert cache.used == sum(cache._costs.values())
        assert cache._costs.keys() == cache._entries.keys()
