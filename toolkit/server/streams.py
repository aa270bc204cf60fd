"""Bodies that a handler returns by pieces, and who ends them.

A plain generator may block as long as it likes, and the loop must not: each piece is fetched in the loop's thread pool,
in the context of the handler that made the generator, so that the current request is known in it. That costs some 60 us
a piece; an async generator costs none.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Final

from toolkit.protocol.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.protocol.exchange import Source

__all__ = ["Threaded", "close_source", "relay_owned"]

END: Final = object()


class Threaded:
    """A plain iterator as an async one. Pieces come one at a time: the next is asked for when the last one was sent."""

    def __init__(self, source: Iterator[object]) -> None:
        self._source = source
        self._context = contextvars.copy_context()
        self._fetching: asyncio.Future[object] | None = None

    def __aiter__(self) -> Threaded:
        return self

    async def __anext__(self) -> bytes:
        """The next piece; what the iterator raises is raised. Cancelled, the thread goes on to its piece."""
        loop = asyncio.get_running_loop()
        self._fetching = loop.run_in_executor(None, self._context.run, self._next)
        piece = await asyncio.shield(self._fetching)
        if piece is END:
            raise StopAsyncIteration
        return piece  # type: ignore[return-value] # what is no bytes is refused, with its type, by who writes it

    def _next(self) -> object:
        return next(self._source, END)

    async def aclose(self) -> None:
        """End a generator that was not read to its end: its `finally` runs, once the thread has left it."""
        close = getattr(self._source, "close", None)
        if close is None:
            return
        fetching = self._fetching
        if fetching is not None and not fetching.done():
            fetching.add_done_callback(lambda done: (done.cancelled() or done.exception(), close()))
            return
        await asyncio.get_running_loop().run_in_executor(None, self._context.run, close)


async def relay_owned(x: Exchange, source: Source) -> None:
    """Send a source that nobody else holds: whatever happens, it is closed."""
    try:
        await x.relay(source)
    finally:
        await close_source(source)


async def close_source(source: object) -> None:
    """End a generator, close a file; anything else is left alone."""
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
    elif hasattr(source, "read") and not isinstance(source, Exchange):
        source.close()  # type: ignore[attr-defined]
