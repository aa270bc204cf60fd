"""Blocking calls beside a loop."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from toolkit.other.cli.channel import Channel


async def test_what_it_returns_and_raises() -> None:
    channel = Channel("test")
    assert await channel.call(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await channel.call(lambda: 1 // 0)
    assert await channel.call(lambda: "after") == "after"


async def test_the_loop_goes_on_while_it_blocks_and_the_order_is_kept() -> None:
    channel = Channel("test")
    goes_on = threading.Event()
    done: list[int] = []

    def one() -> None:
        goes_on.wait(10)
        done.append(1)

    def two() -> None:
        done.append(2)

    first = asyncio.ensure_future(channel.call(one))
    second = asyncio.ensure_future(channel.call(two))
    await asyncio.sleep(0)
    assert done == []
    goes_on.set()
    await asyncio.gather(first, second)
    assert done == [1, 2]


async def test_a_call_that_is_cancelled_ends_unheard() -> None:
    channel = Channel("test")
    begun, goes_on = threading.Event(), threading.Event()

    def blocking() -> None:
        begun.set()
        goes_on.wait(10)
        raise ValueError

    call = asyncio.ensure_future(channel.call(blocking))
    await asyncio.to_thread(begun.wait, 10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    goes_on.set()
    assert await channel.call(lambda: 1) == 1


def test_a_call_that_outlives_its_loop_ends_in_silence() -> None:
    reading, writing = os.pipe()
    channel = Channel("test")
    ended = threading.Event()

    def blocking() -> bytes:
        try:
            return os.read(reading, 1)
        finally:
            ended.set()

    async def leave() -> None:
        async with asyncio.timeout(0):
            await channel.call(blocking)

    with pytest.raises(TimeoutError):
        asyncio.run(leave())
    os.write(writing, b"x")
    assert ended.wait(10)
    os.close(reading)
    os.close(writing)
