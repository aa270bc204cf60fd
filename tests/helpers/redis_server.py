"""A real Redis server on a Unix socket, for the length of a block."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .peers import program
from .raw import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["redis_server"]


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[str]:
    """Its URL. It keeps nothing on disk, and listens on no port."""
    found = program("redis-server")
    assert found is not None, "redis-server is missing"
    socket = folder / "redis"
    process = await asyncio.create_subprocess_exec(
        *(found, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"),
        *("--dir", str(folder), "--daemonize", "no"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            async for line in process.stdout:
                if b"ready to accept" in line.lower():
                    break
        yield f"unix://{socket}?db=0"
    finally:
        process.terminate()
        await process.communicate()
