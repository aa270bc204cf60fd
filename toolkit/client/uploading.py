"""Sending a supplied body of whatever kind behind its request's head, with word of how far it has come.

Without `progress` a body goes the shortest way there is (a file by sendfile(2), another exchange by splice(2)). With
it, it goes in steps, and after each the callable is told: bytes of the body as it was given, that is before a content
coding, which the transport has taken. At most `Limits.write_mark` of them are still on their way to the kernel.
"""

from __future__ import annotations

import asyncio
import io
import os
from typing import IO, TYPE_CHECKING, Final, cast

from toolkit.client.multipart import Multipart, Part
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.multipart_writing import CRLF
from toolkit.protocol.relay import descriptor_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from toolkit.client.options import Body
    from toolkit.protocol.exchange import Source

__all__ = ["upload"]

STEP: Final = 256 * 1024  # bytes between two words of progress, of what could go at once
JOINED: Final = 64 * 1024  # bytes of small parts that are put into one write


class Meter:
    """How much of a body was sent."""

    __slots__ = ("_call", "_total", "sent")

    def __init__(self, call: Callable[[int, int | None], object], total: int | None) -> None:
        self._call = call
        self._total = total
        self.sent = 0

    def add(self, count: int) -> None:
        """So many bytes more."""
        self.sent += count
        self._call(self.sent, self._total)


async def upload(x: Exchange, body: Body) -> None:
    """Send all of the body, but not its end. Raises what `write` raises, what its source raises, and `progress`."""
    meter = None if body.progress is None else Meter(body.progress, body.length)
    if isinstance(body.source, Multipart):
        await _send_parts(x, body.source, meter)
    else:
        content = body.data if body.data is not None else body.source
        await _send(x, content, body.length, body.start, body.replayable, meter)


async def _send_parts(x: Exchange, form: Multipart, meter: Meter | None) -> None:
    before = b""  # small things wait for the next large one
    for part in form.parts:
        if isinstance(part.content, bytes) and len(part.content) <= JOINED:
            before += part.head + part.content + CRLF
            if len(before) > JOINED:
                await _write(x, before, meter)
                before = b""
            continue
        await _write(x, before + part.head, meter)
        await _send_part(x, part, meter)
        before = CRLF
    await _write(x, before + form.end, meter)


async def _send_part(x: Exchange, part: Part, meter: Meter | None) -> None:
    await _send(x, part.content, part.length, part.start, part.replayable, meter)


async def _send(
    x: Exchange, content: object, length: int | None, start: int, replayable: bool, meter: Meter | None
) -> None:
    """One content, whatever it is."""
    if not isinstance(content, Exchange) and callable(content) and not hasattr(content, "__aiter__"):
        content = content()
    if isinstance(content, bytes):
        await _write(x, content, meter)
    elif isinstance(content, os.PathLike):
        with open(content, "rb") as opened:  # noqa: ASYNC230 - opening does not read; blocks are read off the loop
            await _send_file(x, opened, 0, length, meter)
    elif hasattr(content, "read") and not isinstance(content, Exchange):
        file = cast("IO[bytes]", content)
        if descriptor_of(file) is not None:
            await _send_file(x, file, start if replayable else file.tell(), length, meter)
            return
        await _relay(x, _blocks(file, start if replayable else None), meter)
    else:
        await _relay(x, cast("Source", content), meter)


async def _write(x: Exchange, data: bytes, meter: Meter | None) -> None:
    if meter is None:
        await x.write(data)
        return
    for at in range(0, len(data), STEP):
        piece = data[at : at + STEP]
        await x.write(piece)
        meter.add(len(piece))


async def _send_file(x: Exchange, file: IO[bytes], start: int, length: int | None, meter: Meter | None) -> None:
    """Exactly what was announced: a file that grows meanwhile is sent as long as it was."""
    if meter is None or length is None:
        _ = await x.send_file(file, start, length)
        return
    for at in range(0, length, STEP):
        count = min(STEP, length - at)
        _ = await x.send_file(file, start + at, count)
        meter.add(count)


async def _relay(x: Exchange, source: Source, meter: Meter | None) -> None:
    if meter is None:
        _ = await x.relay(source)
        return
    pieces = source.pull(decode=False) if isinstance(source, Exchange) else cast("AsyncIterable[bytes | str]", source)
    _ = await x.relay(_metered(pieces, meter))


async def _metered(pieces: AsyncIterable[bytes | str], meter: Meter) -> AsyncIterator[bytes]:
    async for piece in pieces:
        data = piece.encode() if isinstance(piece, str) else piece
        yield data
        meter.add(len(data))  # it is resumed when there is room for more


async def _blocks(file: IO[bytes], start: int | None) -> AsyncIterator[bytes]:
    """A file that has to be read to be sent (gzip, a pipe), off the loop; BytesIO, which never waits, on it.

    `start` is where to begin in one that can seek; it may then be read from there again, so that a reader who is
    cancelled waits for the read that is under way.
    """
    if start is not None:
        file.seek(start)
    while data := file.read(STEP) if isinstance(file, io.BytesIO) else await _read(file, start is not None):
        yield data


async def _read(file: IO[bytes], again: bool) -> bytes:
    reading = asyncio.ensure_future(asyncio.to_thread(file.read, STEP))
    try:
        return await (asyncio.shield(reading) if again else reading)
    except asyncio.CancelledError:
        if again:
            await asyncio.wait([reading])
        raise
