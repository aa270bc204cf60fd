"""One process's run, from the first connection to the record.

Connections are opened; a warm-up of the same kind follows, comes to rest and is forgotten; then the run is measured.
At its end nothing more is sent, what is under way gets some grace, and what is not answered by then is counted with
the time that it has waited.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.other.bench.duplex import DuplexLoad
from toolkit.other.bench.load import HttpLoad, Load
from toolkit.other.bench.pacing import NEVER, schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit.other.bench.options import Options
    from toolkit.other.bench.record import Record

__all__ = ["Progress", "Run", "Stage"]

TICK: Final = 0.1  # seconds between two looks at the counts; also how late a timeout may be noticed
SECOND: Final = 1_000_000_000


class Progress(NamedTuple):
    """How far a run has come. `stage` is "warm-up" or "measuring"."""

    stage: str
    seconds: float
    answers: int
    errors: int


async def at_once(stage: str) -> None:
    """Go on: there is no other process to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a run calls: `tell` at every tick, and `ready` before the warm-up and before it measures, which returns
    when all processes are as far."""

    tell: Callable[[Progress], object]
    ready: Callable[[str], Awaitable[object]] = at_once


class Run:
    """The part of process number `index`. `stop()` ends it early; its record is none the worse."""

    def __init__(self, options: Options, index: int = 0) -> None:
        self._whole = options
        self._index = index
        self._options = options.share(index)
        self._stopped = asyncio.Event()
        self._load: Load = DuplexLoad(self._options) if options.duplex else HttpLoad(self._options)

    def stop(self) -> None:
        """End the run now."""
        self._stopped.set()

    async def go(self, stage: Stage) -> Record:
        """Run to the end. Raises `ConnectError` when the server cannot be reached at all."""
        load, options = self._load, self._options
        try:
            if not await self._open():
                return load.record
            await stage.ready("open")
            if options.warm_up and not self._stopped.is_set():
                begun = time.monotonic_ns()
                self._begin(begun, options.warm_up, None)
                await self._watch("warm-up", begun, options.warm_up, stage)
                await self._rest()
            await stage.ready("warm")
            load.settle()
            load.record.forget()
            await self._measure(stage)
        finally:
            await load.close()
        return load.record

    async def _open(self) -> bool:
        """Open the connections, unless the run is stopped meanwhile."""
        opening = asyncio.ensure_future(self._load.open())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait([opening, stopped], return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
            return opening.done()
        finally:
            for task in (opening, stopped):
                task.cancel()
            await asyncio.gather(opening, stopped, return_exceptions=True)

    async def _measure(self, stage: Stage) -> None:
        load, options = self._load, self._options
        counts = load.record.counts
        cpu, begun = time.process_time(), time.monotonic_ns()
        self._begin(begun, options.duration, options.requests)
        seconds = await self._watch("measuring", begun, options.duration, stage)
        counts.seconds = seconds
        counts.cpu = time.process_time() - cpu
        counts.busiest = counts.cpu * SECOND / (time.monotonic_ns() - begun)
        load.settle()
        counts.in_time = counts.answers
        counts.rate = counts.in_time / seconds if seconds else 0.0
        await self._rest()
        load.settle()

    def _begin(self, begun: int, duration: float | None, requests: int | None) -> None:
        options, pacer = self._options, self._load.pacer
        if options.rate is None:
            pacer.begin_closed(requests)
            return
        pacer.begin_open(
            schedule(
                options.rate,
                begun,
                until=NEVER if duration is None else begun + int(duration * SECOND),
                phase=self._index / self._whole.processes,
                seed=self._index,
                draw=options.poisson,
                most=requests,
            )
        )

    async def _watch(self, name: str, begun: int, duration: float | None, stage: Stage) -> float:
        """Look at the counts now and then, until the end. Returns the seconds since the beginning."""
        load = self._load
        counted = duration is None or (name == "measuring" and self._options.requests is not None)
        ends = begun + int(duration * SECOND) if duration is not None else None
        alive, answers, errors, told = begun, 0, 0, 0.0
        while True:
            now = time.monotonic_ns()
            left = TICK if ends is None else min(TICK, max(0.0, (ends - now) / SECOND))
            over = await self._wait(left, counted)
            now = time.monotonic_ns()
            load.sweep(now)
            load.settle()
            seconds = (now - begun) / SECOND
            counts, failed = load.record.counts, load.record.failed
            load.record.timeline.add(told, seconds, counts.answers - answers, failed - errors)
            alive = now if load.is_alive or counts.answers != answers else alive
            answers, errors, told = counts.answers, failed, seconds
            stage.tell(Progress(name, seconds, answers, errors))
            if over or (ends is not None and now >= ends) or now - alive > self._options.timeout * SECOND:
                return seconds

    async def _wait(self, seconds: float, counted: bool) -> bool:
        """Wait so long, or until the run is stopped or all that it was to do is done, which is True."""
        events = [self._stopped, self._load.pacer.quiet] if counted else [self._stopped]
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return bool(done)
        finally:
            for one in waiting:
                one.cancel()

    async def _rest(self) -> None:
        """Send no more, and come to rest."""
        load = self._load
        for age, number in load.pacer.end(time.monotonic_ns()).items():
            load.waited("unsent", age, number)
        if not self._stopped.is_set():
            try:
                async with asyncio.timeout(self._options.grace):
                    _ = await load.pacer.quiet.wait()
            except TimeoutError:
                pass
        load.give_up(time.monotonic_ns())
