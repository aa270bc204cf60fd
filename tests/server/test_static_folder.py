"""What a path stands for, and how long that is believed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from toolkit import StaticOptions
from toolkit.server.file_cache import OVERHEAD
from toolkit.server.static_folder import CHOICES, Entry, Folder

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.server.files import Representation


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def folder_of(root: Path, time: Time, options: StaticOptions = StaticOptions(), page_dir: str | None = None) -> Folder:
    folder = Folder(str(root), options, page_dir, options.index, [])
    folder.now = time
    return folder


def found(folder: Folder, path: str) -> Representation:
    entry = folder.find(path, encoded=True)
    assert entry is not None
    assert entry.identity is not None
    return entry.identity


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that ask the file system."""
    calls: list[str] = []
    for name in ("open", "stat"):
        really = getattr(os, name)

        def call(*args: object, really: object = really, name: str = name, **more: object) -> object:
            calls.append(name)
            assert callable(really)
            return really(*args, **more)

        monkeypatch.setattr(os, name, call)
    return calls


def test_for_a_second_nothing_is_asked(tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    folder = folder_of(tmp_path, time)
    first = found(folder, "/a.txt")
    calls = counted(monkeypatch)
    time.now += 0.99
    assert found(folder, "/a.txt") is first
    assert calls == []
    time.now += 0.01
    assert found(folder, "/a.txt") is first
    assert set(calls) == {"stat"}  # it was looked at, and nothing was opened


@pytest.mark.parametrize("change", ["content", "replaced", "gone", "permissions", "touched"])
def test_after_a_second_changes_are_seen(tmp_path: Path, time: Time, change: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one")
    folder = folder_of(tmp_path, time)
    first = found(folder, "/a.txt")
    if change == "content":
        path.write_bytes(b"two, longer")
    elif change == "replaced":
        (tmp_path / "new").write_bytes(b"two")
        os.utime(tmp_path / "new", ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        os.replace(tmp_path / "new", path)
    elif change == "gone":
        path.unlink()
    elif change == "permissions":
        path.chmod(0o600)
    else:
        os.utime(path, (1, 1))
    time.now += 0.5
    assert found(folder, "/a.txt") is first
    time.now += 0.5
    if change == "gone":
        assert folder.find("/a.txt", encoded=True) is None
        assert len(folder.cache) == 0
        return
    second = found(folder, "/a.txt")
    assert second is not first
    assert second.body == path.read_bytes()
    assert (second.etag == first.etag) is (change == "permissions")


def test_a_sibling_that_comes_or_goes_is_seen(tmp_path: Path, time: Time) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    folder = folder_of(tmp_path, time)
    assert folder.find("/a.png", encoded=True).coded == {}  # type: ignore[union-attr]
    (tmp_path / "a.png.gz").write_bytes(b"gz")
    time.now += 1
    assert folder.find("/a.png", encoded=True).coded.keys() == {"gzip"}  # type: ignore[union-attr]
    (tmp_path / "a.png.gz").write_bytes(b"other")
    time.now += 1
    assert folder.find("/a.png", encoded=True).coded["gzip"].body == b"other"  # type: ignore[union-attr]
    (tmp_path / "a.png.gz").unlink()
    time.now += 1
    assert folder.find("/a.png", encoded=True).coded == {}  # type: ignore[union-attr]


def test_a_file_that_comes_before_it_is_seen(tmp_path: Path, time: Time) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "a.txt").write_bytes(b"page")
    folder = folder_of(tmp_path, time, page_dir="page")
    assert found(folder, "/a.txt").body == b"page"
    (tmp_path / "a.txt").write_bytes(b"above")
    assert found(folder, "/a.txt").body == b"page"
    time.now += 1
    assert found(folder, "/a.txt").body == b"above"


def test_a_path_is_kept_under_one_name(tmp_path: Path, time: Time) -> None:
    (tmp_path / "abc.txt").write_bytes(b"one")
    folder = folder_of(tmp_path, time)
    first = found(folder, "/abc.txt")
    for path in ("/%61bc.txt", "/a%62c.txt", "/abc%2Etxt", "/%61%62%63.txt"):
        assert found(folder, path) is first
    assert len(folder.cache) == 1


def test_an_encoded_name_is_not_mistaken_for_one_that_looks_so(tmp_path: Path, time: Time) -> None:
    (tmp_path / "a b").write_bytes(b"space")
    (tmp_path / "a%20b").write_bytes(b"literal")
    folder = folder_of(tmp_path, time)
    for _ in range(2):
        assert found(folder, "/a%2520b").body == b"literal"
        assert found(folder, "/a%20b").body == b"space"
        assert folder.find("/a%20b", encoded=False).identity.body == b"literal"  # type: ignore[union-attr]


def test_what_is_small_is_in_memory_and_what_is_large_is_opened(tmp_path: Path, time: Time) -> None:
    options = StaticOptions(cached_file=10)
    (tmp_path / "small").write_bytes(b"x" * 10)
    (tmp_path / "large").write_bytes(b"x" * 11)
    folder = folder_of(tmp_path, time, options)
    assert found(folder, "/small").body == b"x" * 10
    large = found(folder, "/large")
    assert large.body is None
    assert large.open is not None
    file, state = large.open()
    with file:
        assert file.readall() == b"x" * 11
    assert state.size == 11


def test_a_large_file_that_was_replaced_is_not_opened(tmp_path: Path, time: Time) -> None:
    """Its validators are the old one's."""
    folder = folder_of(tmp_path, time, StaticOptions(cached_file=0))
    (tmp_path / "large").write_bytes(b"old")
    large = found(folder, "/large")
    (tmp_path / "large").write_bytes(b"newer")
    assert large.open is not None
    with pytest.raises(Exception, match="another file than it was"):
        large.open()


def test_memory_is_bounded(tmp_path: Path, time: Time) -> None:
    options = StaticOptions(cache_size=3 * (OVERHEAD + 1000))
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(b"x" * 1000)
    folder = folder_of(tmp_path, time, options)
    for number in range(10):
        found(folder, f"/{number}.png")
    assert len(folder.cache) == 3
    assert folder.cache.used <= options.cache_size


def test_without_memory_every_file_is_opened(tmp_path: Path, time: Time) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    folder = folder_of(tmp_path, time, StaticOptions(cache_size=0))
    assert found(folder, "/a.txt") is not found(folder, "/a.txt")
    assert len(folder.cache) == 0


def test_folders_are_not_kept(tmp_path: Path, time: Time) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.html").write_bytes(b"index")
    folder = folder_of(tmp_path, time)
    entry = folder.find("/docs", encoded=True)
    assert entry is not None
    assert entry.folder == ("docs",)
    assert len(folder.cache) == 0
    (tmp_path / "docs" / "index.html").unlink()
    assert folder.find("/docs", encoded=True) is None


def test_an_entry_remembers_a_bounded_number_of_choices(tmp_path: Path, time: Time) -> None:
    """Anybody may send any Accept-Encoding."""
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    entry: Entry | None = folder_of(tmp_path, time).find("/a.txt", encoded=True)
    assert entry is not None
    for number in range(1000):
        assert entry.choose(b"gzip, x%d" % number, False) == "gzip"
    assert len(entry.choices) <= CHOICES


def test_a_file_that_never_rests_is_not_served(tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"x")
    really = os.pread

    def pread(fd: int, count: int, offset: int) -> bytes:
        with path.open("ab") as file:
            file.write(b"x")
        return really(fd, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    assert folder_of(tmp_path, time).find("/log.txt", encoded=True) is None
