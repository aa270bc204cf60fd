"""Joining two exchanges both ways, whichever ends they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.wire import Moved

__all__ = ["pair"]


async def pair(a: Exchange, b: Exchange) -> tuple[Moved, Moved]:
    """Relay `a`'s inbound body to `b` and `b`'s to `a` until both have ended.

    An end passes on alone: the other direction goes on. An error in either direction aborts both exchanges and is
    raised. Both heads must have been sent. Returns what moved (a to b, b to a).
    """

    async def one_way(source: Exchange, sink: Exchange) -> Moved:
        moved = await sink.relay(source)
        await sink.eof()
        return moved

    try:
        async with asyncio.TaskGroup() as group:
            there = group.create_task(one_way(a, b))
            back = group.create_task(one_way(b, a))
    except BaseExceptionGroup as failures:
        await a.abort("the pair failed")
        await b.abort("the pair failed")
        raise failures.exceptions[0] from None
    except BaseException:
        await a.abort("the pair was cancelled")
        await b.abort("the pair was cancelled")
        raise
    return there.result(), back.result()
