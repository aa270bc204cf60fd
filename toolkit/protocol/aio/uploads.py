"""Files of forms: in memory while they are small, in temporary files otherwise, and saved under a name.

Whatever touches a disk runs in the loop's thread pool (Starlette CVE-2025-54121), and a cancelled call waits for its
thread: a file must not be closed under one that writes into it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import secrets
import shutil
import tempfile
from typing import IO, TYPE_CHECKING, Final, TypeVar

from toolkit.errors import LimitExceeded, UseError
from toolkit.protocol.forms import safe_filename
from toolkit.protocol.lines import charset_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.protocol.headers import Headers

__all__ = ["BLOCK", "NewFile", "Upload", "off_loop", "target_of"]

T = TypeVar("T")

BLOCK: Final = 256 * 1024  #: bytes that are read or written at a time: a thread's turn costs 60 us


async def off_loop(call: Callable[[], T]) -> T:
    """Run `call` in the loop's thread pool; cancelled, wait for it all the same."""
    future = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
        raise


class NewFile:
    """A file that appears under its name when it is complete, and not at all if it never is."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        folder, name = os.path.split(self.path)
        self._temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}")
        self._file: IO[bytes] | None = None

    def write(self, blocks: list[bytes]) -> None:
        """Append; the file is made at the first call, with the rights that a new file has here."""
        if self._file is None:
            fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
            self._file = os.fdopen(fd, "wb", buffering=0)
        for block in blocks:
            view = memoryview(block)
            while view:
                view = view[self._file.write(view) :]

    def copy(self, source: IO[bytes]) -> None:
        """All of another file."""
        self.write([])
        assert self._file is not None
        source.seek(0)
        shutil.copyfileobj(source, self._file, BLOCK)

    def finish(self) -> None:
        """Under its name, in place of whatever was there."""
        self.write([])
        assert self._file is not None
        self._file.close()
        os.replace(self._temporary, self.path)

    def discard(self) -> None:
        """Nothing of it stays."""
        if self._file is not None:
            self._file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)


def target_of(path: str | os.PathLike[str], filename: str | None) -> str:
    """Where to save: a path, or in a folder that exists a safe form of the peer's own name."""
    path = os.fspath(path)
    return os.path.join(path, safe_filename(filename)) if os.path.isdir(path) else path


class Upload:
    """A file of a form: in memory if it is small, in a temporary file without a name otherwise.

    `name` is the field's, `filename` what the peer calls the file (not to be trusted: `safe_filename` is a name that it
    can be stored under), `size` in bytes. The temporary file goes with the last reference, or at `close()`.
    """

    def __init__(self, name: str, filename: str, headers: Headers) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers
        self.size = 0
        self._file: IO[bytes] = io.BytesIO()

    def __repr__(self) -> str:
        return f"<Upload {self.name!r}: {self.filename!r}, {self.size} bytes>"

    def __del__(self) -> None:
        self.close()

    @property
    def content_type(self) -> str:
        """What the peer says that it is; application/octet-stream where it says nothing."""
        return self.headers.get("content-type", "application/octet-stream")

    @property
    def safe_filename(self) -> str:
        """See `toolkit.protocol.forms.safe_filename`."""
        return safe_filename(self.filename)

    @property
    def in_memory(self) -> bool:
        """No disk is involved."""
        return isinstance(self._file, io.BytesIO)

    @property
    def content(self) -> bytes:
        """All of it, at once. For functions that do not wait: on a loop `read()` leaves others their turn meanwhile."""
        return _read_at(self._open_file(), 0, -1)

    async def _append(self, blocks: list[bytes], memory: int) -> None:
        size = sum(map(len, blocks))
        self.size += size
        if self.in_memory and self.size <= memory:
            self._file.write(b"".join(blocks))
            return
        await off_loop(lambda: self._to_disk(blocks))

    def _to_disk(self, blocks: list[bytes]) -> None:
        held = self._file
        if isinstance(held, io.BytesIO):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            self._file.write(held.getbuffer())
        for block in blocks:
            self._file.write(block)

    async def read(self, limit: int | None = None) -> bytes:
        """All of it. Over `limit` bytes: `LimitExceeded`; a large file is better iterated over, or saved."""
        if limit is not None and self.size > limit:
            raise LimitExceeded(f"the file {self.filename!r} has {self.size} bytes, over {limit}")
        file = self._open_file()
        return file.getvalue() if isinstance(file, io.BytesIO) else await off_loop(lambda: _read_at(file, 0, -1))

    async def text(self, limit: int | None = None) -> str:
        """All of it as text, by the charset of its content type; bytes that are not of it become U+FFFD."""
        return (await self.read(limit)).decode(charset_of(self.content_type), "replace")

    def __aiter__(self) -> UploadReader:
        return UploadReader(self)

    async def save(self, path: str | os.PathLike[str]) -> str:
        """Copy it to `path` (in a folder: under `safe_filename`), which is returned. Raises OSError.

        The file appears there when it is complete, in place of one that was there before.
        """
        source = self._open_file()

        def copy() -> str:
            new = NewFile(target_of(path, self.filename))
            try:
                new.copy(source)
                new.finish()
            finally:
                new.discard()
            return new.path

        return await off_loop(copy)

    def _open_file(self) -> IO[bytes]:
        if self._file.closed:
            raise UseError(f"the file {self.filename!r} of the form was closed")
        return self._file

    def close(self) -> None:
        """Give memory and disk back."""
        self._file.close()


def _read_at(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


class UploadReader:
    """An iterator over a file; not an async generator: leaving it half-way is free."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._at = 0

    def __aiter__(self) -> UploadReader:
        return self

    async def __anext__(self) -> bytes:
        """The next block."""
        file, at = self._upload._open_file(), self._at
        data = file.getvalue()[at : at + BLOCK] if isinstance(file, io.BytesIO) else await off_loop(_reading(file, at))
        if not data:
            raise StopAsyncIteration
        self._at += len(data)
        return data


def _reading(file: IO[bytes], at: int) -> Callable[[], bytes]:
    return lambda: _read_at(file, at, BLOCK)
