"""Files of forms: in memory, on disk, saved whole or not at all."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from typing import IO, TYPE_CHECKING

import pytest

from tests.helpers.raw import PATIENCE
from toolkit import Headers, Upload
from toolkit.errors import LimitExceeded, UseError
from toolkit.protocol.aio.uploads import BLOCK, NewFile, off_loop, target_of

if TYPE_CHECKING:
    from pathlib import Path


async def made(data: bytes, memory: int, *, filename: str = "../a b.txt", kind: str | None = None) -> Upload:
    upload = Upload("field", filename, Headers({"content-type": kind}))
    for at in range(0, len(data), 1000):
        await upload._append([data[at : at + 600], data[at + 600 : at + 1000]], memory)
    return upload


@pytest.mark.parametrize(
    ("size", "memory", "in_memory"), [(0, 0, True), (10, 10, True), (11, 10, False), (9999, 5000, False)]
)
async def test_what_is_over_the_limit_goes_to_disk(size: int, memory: int, in_memory: bool) -> None:
    data = os.urandom(size)
    upload = await made(data, memory)
    assert (upload.size, upload.in_memory) == (size, in_memory)
    assert await upload.read() == data
    assert await upload.read(limit=size) == data
    assert b"".join([block async for block in upload]) == data
    assert b"".join([block async for block in upload]) == data  # each iteration begins at the beginning
    with pytest.raises(LimitExceeded, match=f"has {size} bytes, over {size - 1}"):
        await upload.read(limit=size - 1)
    upload.close()
    upload.close()
    with pytest.raises(UseError, match="was closed"):
        await upload.read()


@pytest.mark.parametrize("memory", [0, 1 << 20])
async def test_large_ones_come_in_blocks(memory: int) -> None:
    upload = await made(b"x" * (BLOCK + 1), memory)
    assert [len(block) async for block in upload] == [BLOCK, 1]
    upload.close()


async def test_what_is_known_of_it() -> None:
    upload = await made(b"caf\xe9", 10, kind="text/plain; charset=iso-8859-1")
    assert (upload.name, upload.filename, upload.safe_filename) == ("field", "../a b.txt", "a b.txt")
    assert await upload.text() == "caf\u00e9"
    assert repr(upload) == "<Upload 'field': '../a b.txt', 4 bytes>"
    assert (await made(b"", 10)).content_type == "application/octet-stream"


async def test_the_temporary_file_goes_with_the_last_reference() -> None:
    upload = await made(b"x" * 100, 0)
    file = upload._file
    del upload
    async with asyncio.timeout(PATIENCE):
        while not file.closed:  # a thread may still be on its way out of the last write
            gc.collect()
            await asyncio.sleep(0)


@pytest.mark.parametrize("memory", [0, 1 << 20])
async def test_saving(memory: int, tmp_path: Path) -> None:
    data = os.urandom(3000)
    upload = await made(data, memory)
    target = tmp_path / "there"
    target.write_bytes(b"what was there before")
    assert await upload.save(target) == str(target)
    assert await upload.save(tmp_path) == str(tmp_path / "a b.txt")  # in a folder: under its safe name
    assert (target.read_bytes(), (tmp_path / "a b.txt").read_bytes(), len(os.listdir(tmp_path))) == (data, data, 2)
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask  # as any new file, not as a private temporary one
    with pytest.raises(FileNotFoundError):
        await upload.save(tmp_path / "no" / "such" / "folder")
    assert await upload.read() == data
    upload.close()


async def test_the_disk_is_never_touched_on_the_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Starlette CVE-2025-54121."""
    threads = set[int]()
    to_disk, copy = Upload._to_disk, NewFile.copy

    def noting_to_disk(self: Upload, blocks: list[bytes]) -> None:
        threads.add(threading.get_ident())
        to_disk(self, blocks)

    def noting_copy(self: NewFile, source: IO[bytes]) -> None:
        threads.add(threading.get_ident())
        copy(self, source)

    monkeypatch.setattr(Upload, "_to_disk", noting_to_disk)
    monkeypatch.setattr(NewFile, "copy", noting_copy)
    upload = await made(b"x" * 3000, 10)
    await upload.save(tmp_path / "x")
    upload.close()
    assert threads
    assert threading.get_ident() not in threads


def test_a_new_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    new = NewFile(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
    new.write([b"a", b"b"])
    [temporary] = tmp_path.iterdir()
    assert temporary.name.startswith(".x.")
    new.finish()
    new.discard()  # nothing left to take away
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"ab")]
    broken = NewFile(tmp_path / "y")
    broken.discard()
    broken.write([b"a"])
    broken.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_target_is_the_path_or_a_safe_name_in_the_folder(tmp_path: Path) -> None:
    assert target_of(tmp_path / "x", "../y") == str(tmp_path / "x")
    assert target_of(tmp_path, "../y") == str(tmp_path / "y")
    assert target_of(tmp_path, None) == str(tmp_path / "file")


async def test_cancelled_it_waits_for_its_thread() -> None:
    go, done = threading.Event(), list[str]()

    def work() -> None:
        go.wait(10)
        done.append("thread")

    task = asyncio.ensure_future(off_loop(work))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["thread"]
