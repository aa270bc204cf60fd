"""The unfinished file of a download: what it leaves, what it refuses, and who may write it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from toolkit.client.part_file import PartFile, check_target, part_of
from toolkit.client.resuming import Mark
from toolkit.protocol.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

MARK = Mark("source", '"a"', 100)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_it_gets_its_name_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a"
    part = PartFile(target)
    part.start(0, MARK)
    await part.write(b"abc")
    await part.flush()
    assert names(tmp_path) == ["a.toolkit-part", "a.toolkit-part.json"]
    await part.finish(overwrite=False, fsync=True)
    assert names(tmp_path) == ["a"]
    assert target.read_bytes() == b"abc"


async def test_what_is_kept_is_there_for_the_next_one(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a")
    part.start(0, MARK)
    await part.write(b"abc")
    await part.leave(keep=True)
    again = PartFile(tmp_path / "a")
    assert (again.size, again.mark) == (3, MARK)
    again.start(3, again.mark)
    await again.write(b"def")
    await again.finish(overwrite=False, fsync=False)
    assert (tmp_path / "a").read_bytes() == b"abcdef"


@pytest.mark.parametrize(("keep", "mark"), [(False, MARK), (True, None)])
async def test_what_cannot_be_gone_on_with_is_not_kept(keep: bool, mark: Mark | None, tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a")
    part.start(0, mark)
    await part.write(b"abc")
    await part.leave(keep=keep)
    assert names(tmp_path) == []


async def test_beginning_anew_leaves_no_mark_beside_other_bytes(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a")
    part.start(0, MARK)
    await part.write(b"abc")
    await part.flush()
    part.start(0, None)
    assert names(tmp_path) == ["a.toolkit-part"]
    assert part_of(tmp_path / "a").stat().st_size == 0
    await part.leave(keep=True)


async def test_one_writer_at_a_time(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a")
    with pytest.raises(BlockingIOError, match="another download is writing it"):
        PartFile(tmp_path / "a")
    await part.leave(keep=False)
    await PartFile(tmp_path / "a").leave(keep=False)


async def test_a_part_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    part_of(tmp_path / "a").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"a\.toolkit-part"):
        PartFile(tmp_path / "a")
    assert (tmp_path / "other").read_bytes() == b"precious"


async def test_a_name_that_came_up_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a")
    part.start(0, MARK)
    await part.write(b"abc")
    (tmp_path / "a").write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="overwrite=True replaces it"):
        await part.finish(overwrite=False, fsync=False)
    assert (tmp_path / "a").read_bytes() == b"precious"
    await part.finish(overwrite=True, fsync=False)
    assert (tmp_path / "a").read_bytes() == b"abc"


async def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    part = PartFile(tmp_path / "a")
    await part.write(b"abc")
    await part.finish(overwrite=False, fsync=False)
    assert (tmp_path / "a").read_bytes() == b"abc"
    part = PartFile(tmp_path / "a")
    with pytest.raises(FileExistsError):
        await part.finish(overwrite=False, fsync=False)
    await part.leave(keep=False)


async def test_a_full_disk_says_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = PartFile(tmp_path / "a")
    part.start(0, MARK)
    await part.write(b"abc")
    await part.flush()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        await part.write(b"def")
        with pytest.raises(OSError, match="No space left on device after 3 bytes") as caught:
            await part.flush()
    assert (caught.value.errno, caught.value.filename) == (28, str(part.path))
    await part.leave(keep=True)
    assert part_of(tmp_path / "a").read_bytes() == b"abc"


async def test_a_write_that_is_cancelled_is_written_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = PartFile(tmp_path / "a")
    part.start(0, MARK)
    begun, goes_on = threading.Event(), threading.Event()
    write = os.write

    def slow(file: int, data: memoryview) -> int:
        begun.set()
        assert goes_on.wait(10)
        return write(file, data)

    monkeypatch.setattr(os, "write", slow)
    await part.write(b"abc")
    flushing = asyncio.ensure_future(part.flush())
    await asyncio.to_thread(begun.wait, 10)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    monkeypatch.setattr(os, "write", write)
    leaving = asyncio.ensure_future(part.leave(keep=True))
    goes_on.set()
    await leaving
    assert part_of(tmp_path / "a").read_bytes() == b"abc"


async def test_digests_of_what_is_there(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a")
    part.start(0, None)
    await part.write(b"abcdef")
    await part.flush()
    assert await part.matches(Digest("sha256", hashlib.sha256(b"abcdef").digest()))
    assert await part.matches(Digest("sha512", hashlib.sha512(b"def").digest()), 3)
    assert not await part.matches(Digest("sha256", hashlib.sha256(b"abc").digest()))
    await part.leave(keep=False)


def test_where_nothing_could_be_saved(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    check_target(tmp_path / "new", overwrite=False)
    check_target(tmp_path / "there", overwrite=True)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        check_target(tmp_path / "there", overwrite=False)
    with pytest.raises(IsADirectoryError):
        check_target(tmp_path, overwrite=True)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        check_target(tmp_path / "no" / "a", overwrite=True)
    with pytest.raises(NotADirectoryError):
        check_target(tmp_path / "there" / "a", overwrite=True)
    with pytest.raises(OSError, match="a device or a pipe"):
        check_target(tmp_path / "pipe", overwrite=True)


async def test_what_fails_behind_the_rename_leaves_other_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor's number is free by then, and the next file's."""

    def refused(folder: Path) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr("toolkit.client.part_file._sync_folder", refused)
    part = PartFile(tmp_path / "a")
    part.start(0, MARK)
    await part.write(b"abc")
    with pytest.raises(OSError, match="no"):
        await part.finish(overwrite=True, fsync=True)
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)
    await part.leave(keep=False)
    os.close(other)  # it was not closed already
    assert names(tmp_path) == ["a", "other"]
