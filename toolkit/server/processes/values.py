"""Answers on their way from a process to the loop.

What a handler returns becomes bytes in its own process, so that a large JSON text costs the loop nothing. A file is
named, and the loop sends it. What comes by pieces is sent by pieces.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from toolkit.errors import UseError
from toolkit.protocol.aio.loop import loop_factory
from toolkit.protocol.headers import encode_fields
from toolkit.server.answers import (
    Answer,
    Events,
    FileAnswer,
    LateAnswer,
    StreamAnswer,
    Streamed,
    encode_returned,
    restated,
)
from toolkit.server.streams import Threaded

if TYPE_CHECKING:
    from toolkit.protocol.fields import Fields
    from toolkit.server.files import FileSpec
    from toolkit.server.processes.copies import Added

__all__ = ["FileHead", "Head", "StreamHead", "ValueHead", "WholeHead", "answer_of", "pack_answer"]

BLOCK: Final = 64 * 1024  #: bytes of a file that a handler opened, sent as a piece
END: Final = object()


class WholeHead(NamedTuple):
    """A whole answer; its body is a piece."""

    status: int
    fields: Fields
    final: bool
    added: Added


class FileHead(NamedTuple):
    """A file that the loop is to send."""

    spec: FileSpec
    added: Added


class StreamHead(NamedTuple):
    """A body by pieces. With `events`, (keep-alive, retry): of server-sent events, an item each."""

    status: int
    fields: Fields | None
    events: tuple[float | None, int | None] | None
    added: Added


class ValueHead(NamedTuple):
    """What a function returned to who called it, pickled as a piece."""


Head: TypeAlias = WholeHead | FileHead | StreamHead | ValueHead


def pack_answer(value: object, added: Added) -> tuple[Head, bytes | Iterator[object]]:
    """What a handler returned: the head, and the whole body or its pieces. Raises as `encode_returned` does."""
    if isinstance(value, tuple) and len(value) in (2, 3) and isinstance(value[1], LateAnswer):
        if not isinstance(value[0], int):
            encode_returned(value)  # which says what it should be
        value = restated(value[1], value[0], value[2] if len(value) == 3 else None)
    if isinstance(value, FileAnswer):
        return FileHead(value.spec, added), b""
    if isinstance(value, StreamAnswer):
        value = value.stream
    if isinstance(value, LateAnswer):
        raise UseError(f"a handler in another process returned {type(value).__name__}: it can be made only on the loop")
    answer = encode_returned(value)
    if isinstance(answer, Answer):
        return WholeHead(answer.status, answer.fields, answer.final, added), answer.body
    events = (answer.keep_alive, answer.retry) if isinstance(answer, Events) else None
    fields = None if answer.headers is None else encode_fields(answer.headers)
    return StreamHead(answer.status, fields, events, added), _pieces_of(answer.source)


def _pieces_of(source: object) -> Iterator[object]:
    """A stream's source, whatever it is, as a plain iterator that closes it."""
    if isinstance(source, Threaded):
        return source._source
    if isinstance(source, AsyncIterable):
        return _awaited(source)
    return _blocks(source)


def _awaited(source: AsyncIterable[object]) -> Iterator[object]:
    """The items of an async iterable, on a loop that runs while somebody wants one."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        iterator = aiter(source)
        try:
            while (item := runner.run(_next(iterator))) is not END:
                yield item
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                runner.run(close())


async def _next(iterator: AsyncIterator[object]) -> object:
    return await anext(iterator, END)


def _blocks(file: object) -> Iterator[object]:
    """The content of a file from where it stands."""
    try:
        while block := file.read(BLOCK):  # type: ignore[attr-defined]  # that it has it makes it a file
            yield block
    finally:
        file.close()  # type: ignore[attr-defined]  # likewise


def answer_of(head: Head, body: bytes, pieces: AsyncIterable[object] | None) -> Answer | Streamed:
    """The answer that was told, on the loop."""
    if isinstance(head, FileHead):
        return FileAnswer(head.spec)
    if isinstance(head, WholeHead):
        answer = Answer(head.status, head.fields, body)
        answer.final = head.final
        return answer
    assert isinstance(head, StreamHead)
    assert pieces is not None
    headers = None if head.fields is None else _as_text(head.fields)
    if head.events is not None:
        return Events(headers, pieces, *head.events)
    return Streamed(head.status, headers, cast("AsyncIterable[bytes]", pieces))


def _as_text(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def load_head(payload: bytes) -> Head:
    """A head as it was sent."""
    head: Head = pickle.loads(payload)
    return head
