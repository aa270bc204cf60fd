"""Files as answers: which bytes of one a request gets, with which status and fields (RFC 9110 13, 14, 15.3.7).

How it works. A `Representation` is one form of a file as it would be sent: its fields, its validators, and its bytes in
memory or a way to open it. `outcome` holds a request's conditions against it: the whole, a part, several parts, 304;
412 and 416 are raised. What is in memory goes out as any other answer does. What is not becomes `FileParts`, sent by
sendfile(2) where the link allows.

The head promises a length and an entity tag, so what follows must be that version of the file. Before the last bytes
leave, the file is looked at once more: if it was written to meanwhile, the answer is broken off where it is. It is
never filled up, and a mixture of two versions is never complete.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.errors import UseError
from toolkit.protocol.conditional import Conditions, evaluate, range_applies, read_conditions
from toolkit.protocol.dates import format_http_date
from toolkit.protocol.disposition import content_disposition
from toolkit.protocol.headers import HeadersLike, encode_fields
from toolkit.protocol.media_types import media_type_of
from toolkit.protocol.ranges import ByteRanges, Span, content_range, parse_range, unsatisfied_range
from toolkit.protocol.status import reason_phrase
from toolkit.server.abort import Abort
from toolkit.server.beneath import FileState, NotBeneath, names_of, open_beneath, state_of

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncIterator, Callable, Sequence

    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.fields import Fields
    from toolkit.server.request import Request

__all__ = [
    "FileParts",
    "FileSpec",
    "Outcome",
    "Representation",
    "conditional_outcome",
    "entity_tag",
    "file_outcome",
    "outcome",
    "read_whole",
    "validators_of",
]

log = logging.getLogger("toolkit.server")

#: Up to here a file is read at once, on the loop: a thread's turn costs 60 us, 64 KiB that the system has in memory 10.
SMALL: Final = 64 * 1024
BLOCK: Final = 256 * 1024  #: read at a time, off the loop, where sendfile cannot be used
TAIL: Final = 16 * 1024  #: of a part, read and sent after the last look at the file
ATTEMPTS: Final = 5  #: to read a small file between two writes to it
KEPT: Final = frozenset([b"etag", b"last-modified", b"cache-control", b"vary", b"expires", b"content-location"])


def entity_tag(state: FileState, form: str = "") -> str:
    """A strong entity tag: another inode, size or time of modification is another version. `form`: of this coding."""
    return f'"{state.modified_ns:x}-{state.size:x}-{state.inode:x}{"-" if form else ""}{form}"'


def validators_of(etag: str, modified: int) -> Fields:
    """The fields that tell a version from another."""
    return [(b"etag", etag.encode("ascii")), (b"last-modified", format_http_date(modified).encode("ascii"))]


class Representation:
    """One form of a file, ready to be sent: `fields` without any of framing; `body`, or `open` for what is too large.

    `modified` in seconds since 1970. Neither body nor open: its bytes are still to be made.
    """

    __slots__ = ("body", "etag", "fields", "modified", "open", "size")

    def __init__(
        self,
        fields: Fields,
        etag: str,
        modified: int,
        size: int,
        *,
        body: bytes | None = None,
        open: Callable[[], tuple[io.FileIO, FileState]] | None = None,
    ) -> None:
        self.fields = fields
        self.etag = etag
        self.modified = modified
        self.size = size
        self.body = body
        self.open = open


class Outcome(NamedTuple):
    """An answer: what is in memory, or parts of a file, with a content-length among the fields."""

    status: int
    fields: Fields
    body: bytes | FileParts


def outcome(method: str, one: Representation, conditions: Conditions | None, status: int = 200) -> Outcome:
    """What a GET or HEAD gets of a representation. Raises `Abort` for 412 and 416, `NotBeneath` if it is gone.

    Under another status than 200 the file is what is said, and not what was asked for: always whole.
    """
    if conditions is not None and status == 200:
        decided = conditional_outcome(method, one, conditions)
        if decided is not None:
            return decided
    if one.body is not None:
        return Outcome(status, one.fields, one.body)
    fields = [*one.fields, (b"content-length", b"%d" % one.size)]
    if method == "HEAD":
        return Outcome(status, fields, b"")
    return Outcome(status, fields, _opened(one, [Span(0, one.size)] if one.size else []))


def conditional_outcome(method: str, one: Representation, conditions: Conditions) -> Outcome | None:
    """304 or a part; None for the whole."""
    verdict = evaluate(method, conditions, one.etag, one.modified)
    if verdict == 304:
        return Outcome(304, [pair for pair in one.fields if pair[0] in KEPT], b"")
    if verdict == 412:
        raise Abort(reason_phrase(412), 412)
    if conditions.range is None or method != "GET":
        return None
    if not range_applies(conditions, one.etag, one.modified, time.time()):
        return None
    spans = parse_range(conditions.range, one.size)
    return None if spans is None else _partial(one, spans)


def _partial(one: Representation, spans: Sequence[Span]) -> Outcome:
    if not spans:
        raise Abort(reason_phrase(416), 416, {"content-range": unsatisfied_range(one.size).decode()})
    if len(spans) == 1:
        span = spans[0]
        fields = [*one.fields, (b"content-range", content_range(span, one.size))]
        if one.body is not None:
            return Outcome(206, fields, one.body[span.start : span.stop])
        return Outcome(206, [*fields, (b"content-length", b"%d" % span.size)], _opened(one, spans))
    kind = next((value for name, value in one.fields if name == b"content-type"), b"")
    several = ByteRanges(spans, one.size, kind, secrets.token_hex(16).encode())
    fields = [(b"content-type", several.content_type), *(pair for pair in one.fields if pair[0] != b"content-type")]
    if one.body is not None:
        return Outcome(206, fields, several.join(one.body))
    return Outcome(206, [*fields, (b"content-length", b"%d" % several.length)], _opened(one, several.pieces))


def _opened(one: Representation, pieces: Sequence[bytes | Span]) -> FileParts:
    if one.open is None:
        raise UseError("a representation with neither a body nor a file; make its bytes first")
    file, state = one.open()
    return FileParts(file, state, pieces)


class FileParts:
    """Parts of an open file, and bytes between them; closes the file when it was sent, or is given up."""

    __slots__ = ("_file", "_pieces", "_state", "block")

    def __init__(self, file: io.FileIO, state: FileState, pieces: Sequence[bytes | Span]) -> None:
        self._file = file
        self._state = state
        self.block: int | None = None  # bytes at a time where the link cannot send files by itself; None: as it comes
        self._pieces = list(pieces)
        if self._pieces and isinstance(last := self._pieces[-1], Span) and last.size > TAIL:
            self._pieces[-1:] = [Span(last.start, last.stop - TAIL), Span(last.stop - TAIL, last.stop)]

    def __del__(self) -> None:
        self._file.close()

    async def send_to(self, x: Exchange) -> None:
        """Send it all as the body of `x`, whose head promised its length. Raises as `write` does."""
        try:
            for number, piece in enumerate(self._pieces, 1):
                last = number == len(self._pieces)
                if isinstance(piece, Span) and not last:
                    try:
                        await self._send_span(x, piece)
                    except UseError:  # it is shorter than it was
                        if self._is_unchanged():
                            raise
                        await self._break_off(x)
                        return
                    continue
                data = piece if isinstance(piece, bytes) else os.pread(self._file.fileno(), piece.size, piece.start)
                if last and not self._is_unchanged():
                    await self._break_off(x)
                    return
                await x.write(data)
        finally:
            self._file.close()

    async def _send_span(self, x: Exchange, span: Span) -> None:
        step = span.size
        if self.block is not None and (x._wire is None or not x._wire.caps.zero_copy):
            step = self.block
        for at in range(span.start, span.stop, step):
            await x.send_file(self._file, at, min(step, span.stop - at))

    async def _break_off(self, x: Exchange) -> None:
        log.warning("%s: the file changed while it was being sent; the answer is broken off", ascii(x.url[:200]))
        await x.abort("the file changed while it was being sent")

    def _is_unchanged(self) -> bool:
        """Whether the bytes are still those that the head was about; a new name or new permissions change none."""
        now = state_of(os.fstat(self._file.fileno()))
        return (now.modified_ns, now.size) == (self._state.modified_ns, self._state.size)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The same as bytes, for who wants to make something else of them. Raises OSError if the file changed."""
        loop = asyncio.get_running_loop()
        try:
            for piece in self._pieces:
                if isinstance(piece, bytes):
                    yield piece
                    continue
                for at in range(piece.start, piece.stop, BLOCK):
                    count = min(BLOCK, piece.stop - at)
                    data = await loop.run_in_executor(None, os.pread, self._file.fileno(), count, at)
                    if not self._is_unchanged():
                        raise OSError("the file changed while it was being read")
                    yield data
        finally:
            self._file.close()

    def close(self) -> None:
        """Give it up, unread."""
        self._file.close()

    async def aclose(self) -> None:
        """The same, by the name that it has for a generator."""
        self.close()


def read_whole(file: io.FileIO) -> tuple[bytes, FileState]:
    """All of a small file, in one version. Raises `NotBeneath` where somebody writes to it all the time."""
    before = state_of(os.fstat(file.fileno()))
    for _ in range(ATTEMPTS):
        data = os.pread(file.fileno(), before.size, 0)
        after = state_of(os.fstat(file.fileno()))
        if len(data) == before.size and (before.modified_ns, before.size) == (after.modified_ns, after.size):
            return data, after
        before = after
    raise NotBeneath(f"{file.name!r} is being written to")


# --- a handler's own file ---


class FileSpec(NamedTuple):
    """What `Deliver.file` was given; see there."""

    path: str | os.PathLike[str]
    root: str | os.PathLike[str] | None
    filename: str | None
    inline: bool
    content_type: str | None
    headers: HeadersLike | None
    status: int


def file_outcome(request: Request, spec: FileSpec) -> Outcome:
    """Answer a request with a file. Raises `Abort` for 404, 412 and 416."""
    method = request.method
    # What a POST gives back is not what its conditions are about.
    conditions = read_conditions(request._head.fields) if method in ("GET", "HEAD") else None
    try:
        file, state = _open_given(spec)
        body = None
        if state.size <= SMALL:
            with file:
                body, state = read_whole(file)
    except (NotBeneath, OSError, ValueError) as error:
        log.debug("no file to deliver: %s", error)
        raise Abort(reason_phrase(404), 404) from error
    done: Outcome | None = None
    try:
        one = Representation(
            _own_fields(spec, state),
            entity_tag(state),
            state.modified_ns // 10**9,
            state.size,
            body=body,
            open=lambda: (file, state),
        )
        done = outcome(method, one, conditions, spec.status)
    finally:
        if done is None or not isinstance(done.body, FileParts):
            file.close()
    return done


def _open_given(spec: FileSpec) -> tuple[io.FileIO, FileState]:
    path = os.fspath(spec.path)
    if spec.root is not None:
        names = names_of(f"/{path}", encoded=False, dotfiles=True)
        if names is None:
            raise NotBeneath(f"{path!r} names nothing below {os.fspath(spec.root)!r}")
        file, found = open_beneath(spec.root, names)
    else:
        folder, name = os.path.split(os.path.realpath(path))
        file, found = open_beneath(folder, (name,))
    if file is None:
        raise NotBeneath(f"{path!r} is a directory")
    return file, state_of(found)


def _own_fields(spec: FileSpec, state: FileState) -> Fields:
    fields = [(key.lower(), value) for key, value in encode_fields(spec.headers)]
    given = {key for key, _ in fields}
    named = spec.filename if spec.filename is not None else os.path.basename(os.fspath(spec.path))
    if b"content-type" not in given:
        fields += encode_fields({"content-type": spec.content_type or media_type_of(named)})
    if b"content-disposition" not in given and spec.filename is not None:
        fields += encode_fields({"content-disposition": content_disposition(named, inline=spec.inline)})
    if spec.status == 200:
        fields += validators_of(entity_tag(state), state.modified_ns // 10**9)
        fields.append((b"accept-ranges", b"bytes"))
    return fields
