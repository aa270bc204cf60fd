"""Tickers ring once, not before their time, and not after they were closed."""

from __future__ import annotations

import asyncio
import ctypes
import time

import pytest

from toolkit.other.bench.ticker import LoopTicker, Ticker, TimerTicker, make_ticker

MILLISECOND = 1_000_000
PATIENCE = 10.0


class Bell:
    """Counts rings, and waits for them."""

    def __init__(self) -> None:
        self.rings: list[int] = []
        self.rang = asyncio.Event()

    def ring(self) -> None:
        self.rings.append(time.monotonic_ns())
        self.rang.set()

    async def wait(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.rang.wait()
        self.rang.clear()


@pytest.mark.parametrize("kind", [LoopTicker, TimerTicker])
async def test_it_rings_once_and_not_before_its_time(kind: type[Ticker]) -> None:
    bell = Bell()
    ticker = kind(bell.ring)
    early = MILLISECOND if kind is LoopTicker else 0  # a loop rounds to milliseconds
    for _ in range(3):
        at = time.monotonic_ns() + 2 * MILLISECOND
        ticker.arm(at)
        await bell.wait()
        assert bell.rings.pop() >= at - early
    async with asyncio.timeout(PATIENCE):
        for _ in range(20):
            await asyncio.sleep(0)
    assert bell.rings == []
    ticker.close()


@pytest.mark.parametrize("kind", [LoopTicker, TimerTicker])
async def test_the_last_word_counts(kind: type[Ticker]) -> None:
    bell = Bell()
    ticker = kind(bell.ring)
    ticker.arm(time.monotonic_ns() + 3_600_000 * MILLISECOND)
    ticker.arm(0)  # long past
    await bell.wait()
    assert len(bell.rings) == 1
    ticker.arm(time.monotonic_ns() + MILLISECOND)
    ticker.close()
    ticker.close()
    other = Bell()
    later = kind(other.ring)
    later.arm(time.monotonic_ns() + 3 * MILLISECOND)
    await other.wait()
    assert len(bell.rings) == 1
    later.close()


async def test_without_a_timer_descriptor_the_loop_s_own_timer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_ticker(lambda: None)
    assert isinstance(made, TimerTicker)
    made.close()

    class NoTimers:
        def __init__(self, *_: object, **__: object) -> None: ...

    monkeypatch.setattr(ctypes, "CDLL", NoTimers)
    assert isinstance(make_ticker(lambda: None), LoopTicker)
