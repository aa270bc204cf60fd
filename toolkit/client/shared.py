"""The session of those who have none: one for the program, with connections of its own on each event loop.

They are made when a loop first asks for one, and end with the loop, while it can still see to it. So `toolkit.get(url)`
needs nothing opened before it or closed behind it, keeps connections alive from call to call, and works on any number
of loops, one after the other or in threads side by side.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from toolkit.client.session import Session
from toolkit.protocol.aio.loop import at_loop_end

if TYPE_CHECKING:
    from toolkit.client.transport import Transports

__all__ = ["SharedSession"]


class SharedSession(Session):
    """A session that belongs to every loop that uses it."""

    def __init__(self) -> None:
        super().__init__()
        self._loops: dict[asyncio.AbstractEventLoop, tuple[Transports, object]] = {}

    def __repr__(self) -> str:
        return f"<SharedSession {[transports.pool for transports, _ in self._loops.values()]!r}>"

    def bound(self) -> Transports:
        """The running loop's connections."""
        loop = asyncio.get_running_loop()
        held = self._loops.get(loop)
        return self._begin(loop) if held is None else held[0]

    def _begin(self, loop: asyncio.AbstractEventLoop) -> Transports:
        for old in list(self._loops):
            if old.is_closed():  # without having told anybody: `loop.close()` alone does that
                self._loops.pop(old, None)
        transports = self._new_transports(loop)
        self._loops[loop] = (transports, at_loop_end(self.close))
        return transports

    async def close(self) -> None:
        """End the connections of the running loop."""
        held = self._loops.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held[0].close()
