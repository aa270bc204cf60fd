"""Another compression for some routes than the application's: more, less, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.server.answers import Answer, Streamed, encode_returned
from toolkit.server.compression import Compression, code_stream, compressed

if TYPE_CHECKING:
    from toolkit.server.handlers import Coroutine
    from toolkit.server.request import Request

__all__ = ["Compressed"]


@dataclass(frozen=True, slots=True)
class Compressed:
    """Returned bodies are compressed as `options` say, whatever the application's say; None: not at all.

    `Compressed(Compression(with_credentials=True))` is for answers to requests with cookies in which nothing is secret.
    `streams`: returned async iterables, too, whatever their length; each piece is flushed when the next is waited for.
    """

    options: Compression | None = Compression()
    streams: bool = False

    async def __call__(self, handler: Coroutine, r: Request) -> object:
        """Wait for the answer, and settle how it is sent."""
        value = await handler(r)
        if r.status is not None:
            return value
        answer = encode_returned(value, r)
        options = self.options
        if isinstance(answer, Streamed):
            if self.streams and options is not None:
                code_stream(r, answer, options)
            return answer
        if answer.final:
            return answer
        if options is not None:
            answer = compressed(r, answer, options)
            if isinstance(answer, Streamed):
                return answer
        settled = Answer(answer.status, answer.fields, answer.body)  # a new one: the other may be returned each time
        settled.final = True
        return settled
