"""The unfinished file of a download: beside its target, under a name of its own, until it is whole.

How it works. `name.toolkit-part` holds the bytes, `name.toolkit-part.json` what they are of (a `Mark`); both are beside
the target, so that the last step is a rename within one file system: whoever opens the target sees the old file or the
whole new one. The name is one that no other program gives to its parts, which would be overwritten here. One writer at
a time: a part is locked (flock), and left alone where the lock is another's.

Writes go to a thread, half a MiB at a time: a disk that stalls, as disks do when the kernel's dirty pages run over,
then stalls this download alone and not the loop with everything on it. A write that is cancelled runs to its end, so
what the file holds is always a beginning of the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import stat
import sys
from typing import TYPE_CHECKING, Final

from toolkit.client.resuming import Mark, read_mark, write_mark

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.protocol.digests import Digest

if sys.platform != "win32":
    import fcntl

__all__ = ["PartFile", "check_target", "part_of"]

SUFFIX: Final = ".toolkit-part"
BATCH: Final = 512 * 1024  #: bytes of one write: a thread's 50 µs are nothing beside it, and memory stays small
SIDECAR: Final = 4096  #: bytes of a mark that are read
PIECE: Final = 1024 * 1024


def part_of(target: Path) -> Path:
    """Where the bytes are until they are all here."""
    return target.with_name(f"{target.name}{SUFFIX}")


def check_target(target: Path, overwrite: bool) -> None:
    """Raise `OSError` for a place where nothing could be saved in the end: before anything is asked for."""
    parent = target.parent
    if not parent.is_dir():
        what = errno.ENOTDIR if parent.exists() else errno.ENOENT
        raise OSError(what, f"save(): there is no folder {str(parent)!r} to save into; make it first", str(target))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "save(): it is a folder", str(target))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "save(): it is a device or a pipe, not a file; write to it yourself", str(target))
    if not overwrite:
        raise _exists(target)


def _exists(target: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "save(): it is there already; overwrite=True replaces it", str(target))


class PartFile:
    """A download's bytes so far: `size` of them, of what `mark` says; None: of nothing that could be gone on with."""

    def __init__(self, target: Path) -> None:
        """Open and lock it. Raises `OSError`, `BlockingIOError` where another program is writing it."""
        self.target = target
        self.path = part_of(target)
        self._sidecar = target.with_name(f"{target.name}{SUFFIX}.json")
        self._file = self._open()
        self._pieces: list[bytes] = []
        self._held = 0
        self._job: asyncio.Future[None] | None = None
        self.size = os.fstat(self._file).st_size
        self.mark = self._read_mark() if self.size else None

    def _open(self) -> int:
        """The part, locked, and still under its name: who finished between the two has renamed it."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        while True:
            file = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o666)
            try:
                if sys.platform != "win32":
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), os.stat(self.path, follow_symlinks=False)):
                    return file
            except FileNotFoundError:
                pass
            except BlockingIOError as error:
                os.close(file)
                raise BlockingIOError(error.errno, "save(): another download is writing it", str(self.path)) from None
            os.close(file)

    def _read_mark(self) -> Mark | None:
        try:
            with open(self._sidecar, "rb") as file:
                return read_mark(file.read(SIDECAR))
        except OSError:
            return None

    def start(self, at: int, mark: Mark | None) -> None:
        """From here on bytes go to `at`; what was there is cut off. `mark` is kept beside them."""
        self._pieces.clear()
        self._held = 0
        if at == 0:  # in this order: a mark never stands beside bytes of another version
            self._sidecar.unlink(missing_ok=True)
            self.mark = None
        os.ftruncate(self._file, at)
        os.lseek(self._file, at, os.SEEK_SET)
        self.size = at
        if mark is not None and mark != self.mark:
            self._sidecar.write_bytes(write_mark(mark))
        self.mark = mark

    async def write(self, data: bytes) -> None:
        """Put `data` behind the rest. Raises `OSError`, saying how far it came."""
        self._pieces.append(data)
        self._held += len(data)
        self.size += len(data)
        if self._held >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._pieces:
            pieces, self._pieces, self._held = self._pieces, [], 0
            self._job = asyncio.get_running_loop().run_in_executor(None, self._write, pieces)
            await asyncio.shield(self._job)

    def _write(self, pieces: list[bytes]) -> None:
        try:
            for piece in pieces:
                left = memoryview(piece)
                while left:
                    left = left[os.write(self._file, left) :]
        except OSError as error:
            written = os.lseek(self._file, 0, os.SEEK_CUR)
            text = f"save(): {error.strerror or error} after {written} bytes"
            raise OSError(error.errno, text, str(self.path)) from error

    async def matches(self, digest: Digest, start: int = 0) -> bool:
        """Whether the bytes from `start` hash to this (RFC 9530)."""
        return await asyncio.to_thread(self._hash, digest.algorithm, start) == digest.value

    def _hash(self, algorithm: str, start: int) -> bytes:
        state = hashlib.new(algorithm)
        while piece := os.pread(self._file, PIECE, start):
            state.update(piece)
            start += len(piece)
        return state.digest()

    async def finish(self, *, overwrite: bool, fsync: bool) -> None:
        """Give it its name. Raises `FileExistsError` where there is one by now and `overwrite` is false."""
        await self.flush()
        if fsync:
            await asyncio.to_thread(os.fsync, self._file)
        self._rename(overwrite)
        self._sidecar.unlink(missing_ok=True)
        self._close()
        if fsync and sys.platform != "win32":
            await asyncio.to_thread(_sync_folder, self.target.parent)

    def _rename(self, overwrite: bool) -> None:
        if overwrite:
            os.replace(self.path, self.target)
            return
        try:
            os.link(self.path, self.target, follow_symlinks=False)  # unlike a rename it replaces nothing
        except FileExistsError:
            raise _exists(self.target) from None
        except OSError:  # a file system without links
            if self.target.exists():
                raise _exists(self.target) from None
            os.rename(self.path, self.target)
            return
        os.unlink(self.path)

    async def leave(self, *, keep: bool) -> None:
        """The download is not complete: keep what is here for another time, or nothing."""
        if self._file < 0:
            return  # it has its name already: what failed came behind that
        job = self._job
        if job is not None and not job.done():
            await asyncio.wait([job])
        with contextlib.suppress(OSError):
            if keep and self.mark is not None and self._pieces:
                self._write(self._pieces)
            if not keep or self.mark is None or not os.fstat(self._file).st_size:
                self._sidecar.unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        """Once: its number may be another file's a moment later."""
        file, self._file = self._file, -1
        os.close(file)


def _sync_folder(folder: Path) -> None:
    """The name is on the disk only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
