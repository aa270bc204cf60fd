"""The loop that programs run on."""

from __future__ import annotations

import asyncio

import uvloop

import toolkit
from toolkit.protocol.aio.loop import loop_factory, run


def test_run_returns_the_result_and_runs_on_uvloop_where_it_is_installed() -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(main()).startswith("uvloop")


def test_the_factory_makes_a_new_loop_each_time() -> None:
    factory = loop_factory()
    assert factory is not None
    first, second = factory(), factory()
    try:
        assert isinstance(first, uvloop.Loop)
        assert first is not second
    finally:
        first.close()
        second.close()


def test_run_is_part_of_the_public_face() -> None:
    assert toolkit.run is run
