"""Moving whole bodies: `relay` and `send_file`, zero copy where the wires can, counted by method.

Bytes that were received before zero copy begins go first, by copy; then the kernel moves the rest from descriptor to
descriptor; the framing bounds the count, so that the connection behind is good for another exchange.
"""

from __future__ import annotations

import io
import os
from typing import IO, TYPE_CHECKING, Final, cast

from toolkit.errors import UseError, caused
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH
from toolkit.protocol.states import BODY, RAW
from toolkit.protocol.wire import Moved

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from toolkit.protocol.exchange import Exchange

__all__ = ["relay_exchange", "relay_foreign", "send_file"]

# Below this the set-up of zero copy (two dup, two epoll registrations) costs more than the copy it saves.
ZERO_COPY_FROM: Final = 64 * 1024
FORWARD_FROM: Final = 16 * 1024  # of a chunk that is arriving: likewise, for chunks that are sent on as they are
FILE_BLOCK: Final = 256 * 1024


async def relay_foreign(x: Exchange, source: AsyncIterable[bytes] | IO[bytes]) -> Moved:
    """See `Exchange.relay`: a source that is no exchange."""
    if hasattr(source, "read"):
        return await _relay_file(x, cast("IO[bytes]", source))
    if hasattr(source, "__aiter__"):
        return await _relay_iterable(x, source)
    raise UseError(x._say(f"relay({type(source).__name__}): expected an exchange, an async iterable or a binary file"))


async def relay_exchange(x: Exchange, source: Exchange) -> Moved:
    """See `Exchange.relay`: from one exchange to another."""
    spliced = copied = 0
    pull = source.pull(decode=False)
    try:
        await source.head()
        while True:
            if _can_pass(x, source):
                try:
                    past = await _past(x, source)
                    spliced += past.splice
                    copied += past.copy
                except Exception as error:  # a failing source ends either; only the sink raises
                    raise caused(SinkFailed(error), error)
            try:
                data = await pull.__anext__()
            except StopAsyncIteration:
                return Moved(splice=spliced, copy=copied)
            await _pass_on(x, data)
            copied += len(data)
    except BaseException as error:
        if not isinstance(error, SinkFailed):
            x._abort(f"the source of relay() failed: {error!r}")
            raise
        await pull.aclose()  # the source stays its owner's, at the position reached
        raise caused(error.error, error.error.__cause__)


class SinkFailed(Exception):
    """Tells a failing sink from a failing source inside one loop; never leaves this module."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


async def _pass_on(x: Exchange, data: bytes) -> None:
    try:
        await x.write(data)
    except Exception as error:
        raise caused(SinkFailed(error), error)


async def _past(x: Exchange, source: Exchange) -> Moved:
    """What goes past both exchanges."""
    wire = x._wire
    if wire is None:
        return Moved()
    if x._framing is CHUNKED:
        return Moved(copy=await wire.forward(x, source))
    return Moved(splice=await wire.splice(x, source))


def _can_pass(x: Exchange, source: Exchange) -> bool:
    """Bytes may go past the exchanges: two links that can, nothing buffered, nothing decoded, enough to be worth it."""
    inbound, sink, origin = source._in, x._wire, source._wire
    if sink is None or origin is None or inbound is None:
        return False
    if not (sink.caps.zero_copy and origin.caps.zero_copy and x._coding is None and x._error is None):
        return False
    if inbound.chunks or inbound.rest or inbound.ended or inbound.expect:  # the first read sends 100 Continue
        return False
    if x._framing is CHUNKED:
        return origin.in_chunk(source) >= FORWARD_FROM
    if x._framing is not LENGTH and x._framing is not CLOSE:
        return False
    left = _inbound_left(source)
    return left >= ZERO_COPY_FROM and (x._left < 0 or x._left >= left)


def _inbound_left(source: Exchange) -> int:
    """Bytes of a known-length body that have not been received; 0 where the length is unknown."""
    return source._inbound_left()


async def _relay_iterable(x: Exchange, source: AsyncIterable[bytes | str]) -> Moved:
    copied = 0
    iterator = source.__aiter__()
    try:
        async for piece in iterator:
            data = piece.encode() if isinstance(piece, str) else piece
            await _pass_on(x, data)
            copied += len(data)
    except SinkFailed as failed:  # the source is its owner's: not closed, not read on
        raise caused(failed.error, failed.error.__cause__)
    except BaseException as error:
        x._abort(f"the source of relay() failed: {error!r}")
        raise
    return Moved(copy=copied)


async def _relay_file(x: Exchange, file: IO[bytes]) -> Moved:
    if descriptor_of(file) is not None:
        return await send_file(x, file, file.tell())
    copied = 0
    try:
        while data := await _read_block(x, file):
            await _pass_on(x, data)
            copied += len(data)
    except SinkFailed as failed:
        raise caused(failed.error, failed.error.__cause__)
    except BaseException as error:
        x._abort(f"the source of relay() failed: {error!r}")
        raise
    return Moved(copy=copied)


async def _read_block(x: Exchange, file: IO[bytes]) -> bytes:
    wire = x._wire
    if wire is None:
        raise SinkFailed(x._failure(x._error, "sending a file"))
    if isinstance(file, io.BytesIO):  # nothing there to wait for
        return file.read(FILE_BLOCK)
    return await wire.offload(lambda _: file.read(FILE_BLOCK), b"")


def descriptor_of(file: IO[bytes]) -> int | None:
    """The descriptor whose bytes are the file's bytes; None for a pipe, and for what wraps a file (gzip, bz2, zip)."""
    inner = getattr(file, "file", file)  # tempfile's wrappers
    raw = getattr(inner, "raw", inner)  # a buffered file
    if not isinstance(raw, io.FileIO) or not raw.seekable():
        return None
    return raw.fileno()


async def send_file(
    x: Exchange, file: str | os.PathLike[str] | IO[bytes], offset: int = 0, count: int | None = None
) -> Moved:
    """See `Exchange.send_file`."""
    if x._out is not BODY and x._out is not RAW:
        x._cannot_write("send_file()")
    if x._discard:
        x._discarded()
        return Moved()
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as opened:  # noqa: ASYNC230 - opening does not read; blocks are read off the loop
            return await send_file(x, opened, offset, count)
    descriptor = descriptor_of(file)
    if descriptor is None:
        raise UseError(x._say(f"send_file({file!r}): expected a path or a plain file; relay() takes any other"))
    available = os.fstat(descriptor).st_size - offset
    if count is None:
        count = max(0, available)
    elif count > available:
        raise UseError(x._say(f"send_file(count={count}): the file has {max(0, available)} bytes from {offset}"))
    if x._left >= 0 and count > x._left:
        x._too_much("send_file()", count)
    sent = 0
    wire = x._wire
    if wire is not None and wire.caps.zero_copy and x._framing is not None and _plain(x) and count >= ZERO_COPY_FROM:
        sent = await wire.send_file(x, file, offset, count)
    copied = await _copy_file(x, file, offset + sent, count - sent)
    return Moved(sendfile=sent, copy=copied)


def _plain(x: Exchange) -> bool:
    """Bytes go to the socket as they are: no chunk framing, no coding."""
    return x._coding is None and x._error is None and (x._framing in (LENGTH, CLOSE) or x._out is RAW)


async def _copy_file(x: Exchange, file: IO[bytes], offset: int, count: int) -> int:
    """By read and write, the reads off the loop: a disk may be slow.

    What is small is read at once, as sendfile(2) reads it for larger files: a thread's turn costs 60 us, 10 KiB that
    the system has in memory 3.
    """
    fd = file.fileno()
    copied = 0
    while copied < count:
        wire = x._wire
        if wire is None:
            raise x._failure(x._error, "sending a file")
        at, size = offset + copied, min(FILE_BLOCK, count - copied)
        try:
            if size < ZERO_COPY_FROM:
                data = os.pread(fd, size, at)
            else:
                data = await wire.offload(lambda _, at=at, size=size: os.pread(fd, size, at), b"")  # type: ignore[misc]
        except BaseException:
            x._abort("the file could not be read")
            raise
        if not data:
            x._abort("the file became shorter")
            raise UseError(x._say(f"send_file(): the file ended {count - copied} bytes early"))
        await x.write(data)
        copied += len(data)
    return copied
