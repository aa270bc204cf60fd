"""The machine's own clocks."""

from __future__ import annotations

import asyncio
import time

from tests.helpers.served import PATIENCE
from toolkit.server.jobs.clock import LoopClock


async def test_the_machines_clocks_and_the_loops_timers() -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop)
    assert clock.monotonic() <= time.monotonic()
    assert clock.wall() <= time.time()
    fired = asyncio.Event()
    called_off = clock.call_later(0, lambda: loop_errors.append("called off, and called"))
    loop_errors: list[str] = []
    called_off.cancel()
    clock.call_later(0, fired.set)
    async with asyncio.timeout(PATIENCE):
        await fired.wait()
    assert loop_errors == []
