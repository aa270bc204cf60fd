"""A test and a function in another process wait for each other, by two named pipes in a folder."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Gate"]


class Gate:
    """See `samples.hold`. Opening a named pipe waits for the other end."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self._begun, self._go, self._left = folder / "begun", folder / "go", folder / "left"
        for path in (self._begun, self._go, self._left, folder / "closed"):
            os.mkfifo(path)
        self._closed = folder / "closed"

    async def begun(self) -> int:
        """Wait until it is held; its pid."""
        return int(await asyncio.to_thread(self._begun.read_text))

    async def go(self, word: str = "go") -> None:
        """Let it go on."""
        await asyncio.to_thread(self._go.write_text, word)

    async def left(self) -> str:
        """Wait until it was left by an exception; its name."""
        return await asyncio.to_thread(self._left.read_text)

    async def closed(self) -> int:
        """Wait until a stream was closed; the pieces that it had made."""
        return int(await asyncio.to_thread(self._closed.read_text))
