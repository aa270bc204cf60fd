"""Answers in files: renamed into place, shared by processes, bounded; what is no entry of ours is nothing."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from toolkit import FolderCache
from toolkit.errors import UseError
from toolkit.server.cache.folder import ABANDONED, USED, _name
from toolkit.server.cache.keys import Key

from .clock import Clock, entry

if TYPE_CHECKING:
    from pathlib import Path

A = Key("/a", "GET")


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def sizes(folder: Path) -> list[int]:
    return [one.stat().st_size for one in folder.iterdir()]


async def test_a_restart_is_survived(tmp_path: Path) -> None:
    clock = Clock()
    await FolderCache(tmp_path, clock=clock).put(A, entry(clock, b"kept"))
    found = await FolderCache(tmp_path, clock=clock).get(A)
    assert found is not None
    assert (found.body, found.fields) == (b"kept", [(b"content-type", b"text/plain")])
    assert await FolderCache(tmp_path, clock=clock).get(Key("/b", "GET")) is None


async def test_a_file_is_this_users_alone(tmp_path: Path) -> None:
    clock = Clock()
    store = FolderCache(tmp_path / "made" / "here", clock=clock)
    await store.put(A, entry(clock))
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert [stat.S_IMODE(one.stat().st_mode) for one in store.directory.iterdir()] == [0o600]


async def test_it_ends_with_its_time(tmp_path: Path) -> None:
    clock = Clock()
    store = FolderCache(tmp_path, clock=clock)
    await store.put(A, entry(clock, seconds=10))
    clock.now += 10
    assert await store.get(A) is None


@pytest.mark.parametrize("content", [b"", b"toolkit answer 1 ", b"\x80\x04cos\nsystem\n", b"x" * 10_000])
async def test_a_file_with_something_else_in_it_is_a_miss(tmp_path: Path, content: bytes) -> None:
    clock = Clock()
    store = FolderCache(tmp_path, clock=clock)
    (tmp_path / _name(A)).write_bytes(content)
    assert await store.get(A) is None
    await store.put(A, entry(clock))
    assert await store.get(A) is not None


async def test_a_torn_file_is_a_miss(tmp_path: Path) -> None:
    clock = Clock()
    store = FolderCache(tmp_path, clock=clock)
    await store.put(A, entry(clock, b"x" * 1000))
    place = tmp_path / _name(A)
    place.write_bytes(place.read_bytes()[:-1])
    assert await store.get(A) is None


async def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    store = FolderCache(tmp_path, entries=1, clock=clock)
    for number in range(3):
        await store.put(Key(f"/{number}", ""), entry(clock))
    await store.clear()
    assert names(tmp_path) == ["folder", "notes.txt"]


async def test_a_path_is_forgotten_with_all_that_is_kept_of_it(tmp_path: Path) -> None:
    clock = Clock()
    store = FolderCache(tmp_path, clock=clock)
    for rest in ("1", "2"):
        await store.put(Key("/a", rest), entry(clock))
    await store.put(Key("/b", "1"), entry(clock))
    await store.forget("/a")
    assert names(tmp_path) == [_name(Key("/b", "1"))]


async def test_number_and_bytes_are_bounded_and_the_last_used_stay(tmp_path: Path) -> None:
    clock = Clock()
    store = FolderCache(tmp_path, entries=8, clock=clock)
    for number in range(8):
        await store.put(Key(f"/{number}", ""), entry(clock, seconds=10_000))
        clock.now += 1
    clock.now += USED + 1
    assert await store.get(Key("/0", "")) is not None  # used: it is not the first to go
    for number in range(8, 30):
        clock.now += 1
        await store.put(Key(f"/{number}", ""), entry(clock, seconds=10_000))
        assert len(names(tmp_path)) <= 9
        if number == 9:
            assert await store.get(Key("/0", "")) is not None
            assert await store.get(Key("/1", "")) is None
    small = FolderCache(tmp_path, size=4000, clock=clock)
    for number in range(40, 60):
        await small.put(Key(f"/{number}", ""), entry(clock, b"x" * 500, seconds=10_000))
        assert sum(sizes(tmp_path)) <= 4500
    await small.put(A, entry(clock, b"x" * 4000))
    assert await small.get(A) is None


async def test_what_is_over_its_time_is_swept_and_the_rest_of_a_process_that_died(tmp_path: Path) -> None:
    clock = Clock()
    abandoned = tmp_path / f".{'0' * 32}.unfinished"
    abandoned.write_bytes(b"half of")
    clock.now = abandoned.stat().st_ctime + ABANDONED - 1
    await FolderCache(tmp_path, clock=clock).put(A, entry(clock, seconds=1))
    assert abandoned.exists()
    clock.now += 2
    await FolderCache(tmp_path, clock=clock).put(Key("/b", ""), entry(clock))
    assert names(tmp_path) == [_name(Key("/b", ""))]


async def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    clock = Clock()
    store = FolderCache(tmp_path, clock=clock)
    (tmp_path / _name(A)).mkdir()
    with pytest.raises(OSError, match=r"\.answer"):
        await store.put(A, entry(clock))
    assert names(tmp_path) == [_name(A)]


def test_a_directory_for_everybody_is_refused(tmp_path: Path) -> None:
    """Who may write there could choose what visitors see."""
    tmp_path.chmod(0o777)
    with pytest.raises(UseError, match="everybody may write"):
        FolderCache(tmp_path)


async def test_a_directory_that_was_cleaned_away_is_made_again(tmp_path: Path) -> None:
    clock = Clock()
    store = FolderCache(tmp_path / "cache", clock=clock)
    store.directory.rmdir()
    assert await store.get(A) is None
    await store.put(A, entry(clock))
    assert await store.get(A) is not None


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file", "file/below"):
        with pytest.raises(UseError, match="expected a directory"):
            FolderCache(tmp_path / name)


WRITER = """
import asyncio, sys
from toolkit import FolderCache
from toolkit.server.cache.entry import Entry
from toolkit.server.cache.keys import Key

async def main():
    store = FolderCache(sys.argv[1], entries=16)
    for turn in range(150):
        key = Key(f"/{turn % 20}", "")
        body = bytes([65 + turn % 26]) * 20000
        now = store.clock()
        await store.put(key, Entry(200, [], body, now, now + 60, now + 60))
        found = await store.get(Key(f"/{(turn * 7) % 20}", ""))
        assert found is None or len(set(found.body)) == 1 and len(found.body) == 20000

asyncio.run(main())
"""


@pytest.mark.slow
async def test_processes_share_a_folder(tmp_path: Path) -> None:
    """Three write, read and sweep at once: nobody fails, nobody reads half of an answer, and the bound holds."""
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(tmp_path), stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        _, told = await process.communicate()
        assert (process.returncode, told) == (0, b"")
    assert len(os.listdir(tmp_path)) <= 16 + 3 * 2


async def test_there_is_nothing_to_forget_in_a_folder_that_was_cleaned_away(tmp_path: Path) -> None:
    store = FolderCache(tmp_path / "answers", clock=Clock())
    store.directory.rmdir()
    await store.forget("/a")
    await store.clear()
