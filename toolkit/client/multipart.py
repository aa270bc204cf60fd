"""Forms with files, sent: what `files=` may hold, and the body that is made of it (RFC 7578).

Nothing is read before it is sent, nor held in memory: a file goes from the disk to the socket (by sendfile(2) where the
link allows), an async iterable as it comes. The length is known where every part's is, and is then promised; the body
can be sent again where every part's content can be had again.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from toolkit.errors import UseError, caused
from toolkit.protocol.media_types import media_type_of
from toolkit.protocol.multipart_writing import CRLF, closing, new_boundary, part_head
from toolkit.protocol.relay import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Content", "FileSpec", "Files", "Multipart", "Part", "make_multipart"]

Content: TypeAlias = "os.PathLike[str] | bytes | IO[bytes] | AsyncIterable[bytes] | Callable[[], AsyncIterable[bytes]]"
#: The content alone; or with a file name, a content type.
FileSpec: TypeAlias = "Content | tuple[str | None, Content | str] | tuple[str | None, Content | str, str | None]"
Files: TypeAlias = "Mapping[str, FileSpec | Sequence[FileSpec]] | Sequence[tuple[str, FileSpec]]"


HELD: Final = 64 * 1024  #: bytes of a form without files on disk that are joined to one piece


class Part(NamedTuple):
    """One part: the bytes before its content, and the content."""

    head: bytes
    content: Content
    length: int | None  #: of the content, in bytes; None where unknown
    replayable: bool
    start: int = 0  #: where a file stood


class Multipart:
    """A multipart body; `parts` are sent in order."""

    __slots__ = ("boundary", "end", "length", "parts", "replayable")

    def __init__(self, boundary: str, parts: list[Part]) -> None:
        self.boundary = boundary
        self.parts = parts
        self.end = closing(boundary)
        self.replayable = all(part.replayable for part in parts)
        self.length: int | None = len(self.end)
        for part in parts:
            if part.length is None:
                self.length = None
                return
            self.length += len(part.head) + part.length + len(CRLF)

    def whole(self) -> bytes | None:
        """All of it where that is little and at hand, to go with the request's head in one write."""
        if self.length is None or self.length > HELD:
            return None
        pieces = []
        for part in self.parts:
            if not isinstance(part.content, bytes):
                return None
            pieces += [part.head, part.content, CRLF]
        return b"".join([*pieces, self.end])

    @property
    def content_type(self) -> str:
        """The field that says what it is."""
        return f"multipart/form-data; boundary={self.boundary}"


def make_multipart(fields: Iterable[tuple[str, str]], files: object) -> Multipart:
    """The body of a form with these fields, and these `Files` behind them.

    Raises `UseError` for what is no file, `OSError` for a path that cannot be looked at.
    """
    boundary = new_boundary()
    parts = []
    for name, value in fields:
        text = value.encode("utf-8", "replace")
        parts.append(Part(part_head(boundary, name), text, len(text), True))
    parts += [_part(boundary, name, spec) for name, spec in _specs(files)]
    return Multipart(boundary, parts)


def _specs(files: object) -> list[tuple[str, object]]:
    """Names and files, in order; a list under a name repeats it."""
    if isinstance(files, Mapping):
        pairs = [
            (name, one) for name, value in files.items() for one in (value if isinstance(value, list) else [value])
        ]
    elif isinstance(files, (list, tuple)):
        pairs = list(files)
    else:
        raise UseError(f"files={type(files).__name__}: expected a mapping, or a list of (name, file)")
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise UseError(f"files: {pair!r}: expected a pair of a name and a file")
    return pairs


def _part(boundary: str, name: str, spec: object) -> Part:
    filename: object = None
    content_type: object = None
    content, named = spec, False
    if isinstance(spec, tuple):
        if not 2 <= len(spec) <= 3:
            raise UseError(f"files: {name!r} has a tuple of {len(spec)}; expected (filename, content[, content type])")
        filename, content, content_type = (*spec, None)[:3]
        named = True
        if isinstance(content, str):
            content = content.encode()
    if not (filename is None or isinstance(filename, str)) or not (
        content_type is None or isinstance(content_type, str)
    ):
        raise UseError(f"files: {name!r} has a file name or content type that is no str; expected (filename, content)")
    if filename is None and not named:
        filename = _name_of(content) or name
    if content_type is None and filename is not None:
        content_type = media_type_of(filename, charset="")  # a text's charset is not known from its name
    head = part_head(boundary, name, filename, content_type)
    return _with_content(name, head, content)


def _name_of(content: object) -> str | None:
    """A file's own name, without its folder."""
    path = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    if not isinstance(path, (str, os.PathLike)):
        return None
    return os.path.basename(os.fspath(path)) or None


def _with_content(name: str, head: bytes, content: object) -> Part:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return Part(head, bytes(content), len(content), True)
    if isinstance(content, os.PathLike):
        return Part(head, content, _size_of(name, content), True)
    if isinstance(content, io.TextIOBase):
        raise UseError(f"files: {name!r} is a file opened as text; open it with mode 'rb'")
    if hasattr(content, "read"):
        return _file_part(head, cast("IO[bytes]", content))
    if hasattr(content, "__aiter__"):
        return Part(head, content, None, False)
    if callable(content):
        return Part(head, content, None, True)
    hint = f"; Path({content!r}) is a file, {content!r}.encode() its content" if isinstance(content, str) else ""
    raise UseError(
        f"files: {name!r} is {type(content).__name__}: expected a Path, bytes, a binary file, an async iterable or a "
        f"function that returns one, or (filename, one of these){hint}"
    )


def _size_of(name: str, path: os.PathLike[str]) -> int:
    try:
        with open(path, "rb") as file:  # a folder, or what may not be read, fails here and not half-way
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise caused(type(error)(error.errno, f"files: {name!r}: {error.strerror}", os.fspath(path)), error)


def _file_part(head: bytes, file: IO[bytes]) -> Part:
    length, start, replayable = measured(file)
    return Part(head, file, length, replayable, start)


def measured(file: IO[bytes]) -> tuple[int | None, int, bool]:
    """What is left of a file in bytes (None where unknown), where it stands, and whether one can go back there."""
    length: int | None = None
    descriptor = descriptor_of(file)
    try:
        start = file.tell()
        if descriptor is not None:
            length = max(0, os.fstat(descriptor).st_size - start)
        elif isinstance(file, io.BytesIO):
            length = max(0, len(file.getbuffer()) - start)
        return length, start, file.seekable()
    except (OSError, ValueError, AttributeError):  # a pipe, a socket file: its end is found by reading it
        return None, 0, False
