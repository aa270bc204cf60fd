"""Files beneath a directory, opened so that no name leads out of it and nothing but a plain file is ever opened.

How it works. A path is decoded once and cut into names; what is no name is refused before the system is asked: dot
segments, empty ones, NUL and other controls, backslashes, drive letters, an encoded slash. Then the directories are
opened one below the other, each by its name in the one above (openat, O_NOFOLLOW), and what was opened is looked at
by its descriptor: there is no moment between a check and its use in which a name could come to mean something else.
Symbolic links are read and followed here, name by name, so that one that leads out of the directory is noticed where
it does; an absolute one always does. A device, FIFO or socket is not opened at all, since opening one may have effects.

The directory itself is opened anew each time: it may be a link that a deployment turns to the next release.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FileState", "NotBeneath", "folder_beneath", "names_of", "open_beneath", "state_of"]

MOST_LINKS: Final = 40  #: symbolic links on one path, as Linux has it
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO that took the place of a file since it was looked at would let the whole server wait.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_IS_LINK: Final = frozenset([errno.ELOOP, errno.ENOTDIR, errno.EMLINK])  # what O_NOFOLLOW says, by system and flags


class NotBeneath(Exception):
    """There is no such file, or none that may be read. It says why, for logs: the peer is told no more than 404."""


class FileState(NamedTuple):
    """What tells one version of a file from another."""

    device: int
    inode: int
    modified_ns: int  #: nanoseconds since 1970
    changed_ns: int  #: likewise, of its name and permissions, too
    size: int  #: in bytes


def state_of(found: os.stat_result) -> FileState:
    """The state of a file that was looked at."""
    return FileState(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def names_of(path: str, *, encoded: bool = True, dotfiles: bool = False) -> tuple[str, ...] | None:
    """The names that a URL's path consists of; None if it can name no file. A slash at its end is passed over.

    `encoded`: percent-encoded, as it came. With it an encoded slash is an error rather than a slash. Names that begin
    with a dot are none unless `dotfiles`.
    """
    if encoded and "%" in path:
        raw = unquote_to_bytes(path)
        try:
            decoded = raw.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if decoded.count("/") != path.count("/"):
            return None
        path = decoded
    if "\\" in path or (not path.isprintable() and any(c < " " or "\x7f" <= c <= "\x9f" for c in path)):
        return None  # what other systems take for a slash; controls, NUL among them
    names = tuple(path.removeprefix("/").removesuffix("/").split("/"))
    if names == ("",):
        return () if path in ("", "/") else None
    return names if all(_is_name(name, dotfiles) for name in names) else None


def _is_name(name: str, dotfiles: bool) -> bool:
    if name in ("", ".", "..") or (name[0] == "." and not dotfiles):
        return False
    return not (len(name) >= 2 and name[1] == ":" and name[0].isascii() and name[0].isalpha())  # c:


def open_beneath(root: str | os.PathLike[str], names: Sequence[str]) -> tuple[io.FileIO | None, os.stat_result]:
    """Open the file by these names below `root`; for a directory, None in its place.

    Raises `NotBeneath` for whatever is not there, may not be read, lies outside, or is neither file nor directory.
    """
    with _walk(root, names) as walk:
        return walk.to_the_end()


@contextlib.contextmanager
def folder_beneath(root: str | os.PathLike[str], names: Sequence[str]) -> Iterator[int]:
    """The descriptor of a directory below `root`, for the length of the block. Raises `NotBeneath` as above."""
    with _walk(root, names) as walk:
        file, _ = walk.to_the_end()
        if file is not None:
            file.close()
            raise NotBeneath(f"{'/'.join(names)!r} is no directory")
        yield walk.directories[-1]


@contextlib.contextmanager
def _walk(root: str | os.PathLike[str], names: Sequence[str]) -> Iterator[_Walk]:
    walk = _Walk(names)
    try:
        walk.directories.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        yield walk
    except (OSError, ValueError) as error:  # ValueError: what no file system can be asked for
        raise NotBeneath(f"{'/'.join(names)!r}: {error}") from error
    finally:
        for descriptor in walk.directories:
            os.close(descriptor)


class _Walk:
    """One path's way down: the directories that are open, and the names that are still to come."""

    def __init__(self, names: Sequence[str]) -> None:
        self.directories: list[int] = []
        self.pending = list(reversed(names))
        self.links = 0

    def to_the_end(self) -> tuple[io.FileIO | None, os.stat_result]:
        while self.pending:
            name = self.pending.pop()
            if name in ("", "."):
                continue  # out of a link's target; names from outside have none
            if name == "..":
                if len(self.directories) == 1:
                    raise NotBeneath("a symbolic link leads out of the directory")
                os.close(self.directories.pop())
            elif self.pending:
                self.enter(name)
            else:
                found = self.last(name)
                if found is not None:
                    return found
        return None, os.fstat(self.directories[-1])

    def enter(self, name: str) -> None:
        """A directory in between."""
        try:
            self.directories.append(os.open(name, _DIRECTORY, dir_fd=self.directories[-1]))
        except OSError as error:
            if error.errno not in _IS_LINK:
                raise
            self.follow(name)

    def last(self, name: str) -> tuple[io.FileIO | None, os.stat_result] | None:
        """The last name; None if it is a link, whose names are to come now."""
        above = self.directories[-1]
        kind = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
        if stat.S_ISLNK(kind):
            self.follow(name)
            return None
        if stat.S_ISDIR(kind):
            self.enter(name)
            return None, os.fstat(self.directories[-1])
        if not stat.S_ISREG(kind):
            raise NotBeneath(f"{name!r} is neither a file nor a directory")
        file = io.FileIO(os.open(name, _FILE, dir_fd=above), "rb")
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):  # it was one a moment ago
            file.close()
            raise NotBeneath(f"{name!r} is no file any more")
        return file, found

    def follow(self, name: str) -> None:
        """Put the names that a link stands for in its place."""
        target = os.readlink(name, dir_fd=self.directories[-1])
        self.links += 1
        if self.links > MOST_LINKS or target.startswith("/"):
            raise NotBeneath(f"the symbolic link {name!r} leads out of the directory, or in a circle")
        self.pending += reversed(target.split("/"))
