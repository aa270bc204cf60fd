"""FolderCache: answers kept in files, one for each, which restarts survive and worker processes share.

How it works. A file's name is a digest of the path and one of the rest of the key, so that all files of a path are
known by how their names begin. An entry is written under another name and renamed, so nobody ever reads half of one,
and who comes later replaces it. A file says itself until when it is good: by its time of change, for those who sweep,
and in its content, for those who read. Its time of access is when it was used last, noted once a minute at most.

Nobody counts for all processes. Each one knows what it found when it last swept and what it has written since: once
that is more than may be kept, or more than an eighth of it was written, it sweeps. What is over its time goes, then
what was not used for longest, down to seven eighths. So a folder holds at most an eighth more than it should for each
process that writes to it. Only files that look like ours are ever counted or removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.errors import UseError
from toolkit.server.cache.entry import pack, unpack
from toolkit.server.cache.store import CacheStore, check_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.server.cache.entry import Entry
    from toolkit.server.cache.keys import Key

__all__ = ["FolderCache"]

MIB: Final = 1024 * 1024
USED: Final = 60.0  #: seconds; how exactly it is known when a file was used last
ABANDONED: Final = 3600.0  #: seconds, after which a file that was never renamed is the rest of a process that died
OURS: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}\.answer")
UNFINISHED: Final = re.compile(r"\.[0-9a-f]{32}\.unfinished")


class _Found(NamedTuple):
    """A file of ours, as it was found."""

    used: float
    keep_until: float
    size: int
    name: str


class FolderCache(CacheStore):
    """Answers in the files of `directory`, which is made if it is not there, readable for this user alone.

    At most `entries` of them, of at most `size` bytes together, an eighth more for each process that writes; for
    `seconds` if nobody says for how long. The folder is best one of its own; other files in it are left alone. `clock`
    gives seconds since 1970. Raises `UseError` where `directory` is something else than one, or open to
    everybody's writing.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        seconds: float = 300.0,
        *,
        entries: int = 10_000,
        size: int = 256 * MIB,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(seconds, clock=clock)
        check_bound("FolderCache(entries", entries)
        check_bound("FolderCache(size", size)
        self.directory = Path(directory).absolute()
        self.entries = entries
        self.size = size
        self._known: tuple[int, int] | None = None  # files and bytes at the last sweep
        self._written = (0, 0)  # since then
        try:
            self._make_directory()
        except (FileExistsError, NotADirectoryError):
            raise UseError(f"FolderCache({str(directory)!r}): expected a directory, and this is none") from None
        if self.directory.stat().st_mode & stat.S_IWOTH:
            why = "everybody may write to it, and so choose what your visitors see; make a directory of its own"
            raise UseError(f"FolderCache({str(directory)!r}): {why}")

    async def get(self, key: Key) -> Entry | None:
        """The entry in the key's file; what is there and is none is as good as nothing. Raises `OSError`."""
        return await asyncio.to_thread(self._read, key)

    async def put(self, key: Key, entry: Entry) -> None:
        """Write the key's file anew. Raises `OSError`."""
        await asyncio.to_thread(self._write, key, entry)

    async def forget(self, path: str) -> None:
        """Remove the files of a path. Raises `OSError`."""
        await asyncio.to_thread(self._remove, _digest(path))

    async def clear(self) -> None:
        """Remove all files that are ours. Raises `OSError`."""
        await asyncio.to_thread(self._remove, "")

    def _make_directory(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    # -- in a thread -------------------------------------------------------------------------------------------

    def _read(self, key: Key) -> Entry | None:
        place = self.directory / _name(key)
        try:
            with open(place, "rb") as file:
                state = os.fstat(file.fileno())
                entry = unpack(key, file.read(self.size + 1))  # one that grew is not worth the memory
        except FileNotFoundError:
            return None
        now = self.clock()
        if entry is None or entry.is_over(now):
            return None
        if now - state.st_atime > USED:
            with contextlib.suppress(FileNotFoundError):
                os.utime(place, (now, state.st_mtime))
        return entry

    def _write(self, key: Key, entry: Entry) -> None:
        data = pack(key, entry)
        if len(data) > self.size:
            return
        self._make_directory()  # it may have been cleaned away
        unfinished = self.directory / f".{secrets.token_hex(16)}.unfinished"
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            os.utime(unfinished, (self.clock(), entry.keep_until))
            os.replace(unfinished, self.directory / _name(key))
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
        files, size = self._written
        self._written = files + 1, size + len(data)
        if self._is_due():
            self._sweep()

    def _is_due(self) -> bool:
        if self._known is None:
            return True
        (files, size), (more, bigger) = self._known, self._written
        too_many = files + more > self.entries or more * 8 > self.entries
        return too_many or size + bigger > self.size or bigger * 8 > self.size

    def _sweep(self) -> None:
        """Remove what is over its time; then, if it is too much, what was not used for longest."""
        now, alive = self.clock(), []
        self._written = 0, 0
        for found in self._look_over(now):
            if found.keep_until <= now:
                self._unlink(found.name)
            else:
                alive.append(found)
        files, size = len(alive), sum(found.size for found in alive)
        if files > self.entries or size > self.size:
            alive.sort()
            for found in alive:
                if files <= self.entries - self.entries // 8 and size <= self.size - self.size // 8:
                    break
                self._unlink(found.name)
                files, size = files - 1, size - found.size
        self._known = files, size

    def _look_over(self, now: float) -> Iterator[_Found]:
        with os.scandir(self.directory) as found:
            for one in found:
                ours = OURS.fullmatch(one.name) is not None
                if not ours and UNFINISHED.fullmatch(one.name) is None:
                    continue
                try:
                    state = one.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # another process was quicker
                if ours:
                    yield _Found(state.st_atime, state.st_mtime, state.st_size, one.name)
                elif now - state.st_ctime > ABANDONED:
                    self._unlink(one.name)

    def _remove(self, beginning: str) -> None:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:  # it was cleaned away, with all that was in it
            return
        for name in names:
            if name.startswith(beginning) and OURS.fullmatch(name) is not None:
                self._unlink(name)

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.directory / name)


def _name(key: Key) -> str:
    return f"{_digest(key.path)}-{_digest(key.rest)}.answer"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
