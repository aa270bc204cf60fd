"""The loop that programs run on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

import toolkit
from toolkit.errors import UseError
from toolkit.protocol.aio.loop import at_loop_end, loop_factory, run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


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


def test_run_takes_whatever_can_be_awaited() -> None:
    class Awaited:
        def __await__(self) -> Generator[object, None, int]:
            yield from asyncio.sleep(0).__await__()
            return 7

    assert run(Awaited()) == 7


@pytest.mark.parametrize(
    ("given", "why"), [(5, r"run\(5\): expected a coroutine"), (asyncio.to_thread, r"that can be awaited; call it$")]
)
def test_run_says_what_it_takes(given: object, why: str) -> None:
    with pytest.raises(UseError, match=why):
        run(given)  # type: ignore[arg-type]  # the mistake itself


@pytest.mark.parametrize("factory", [None, loop_factory()], ids=["asyncio", "uvloop"])
def test_the_loops_end_is_told_while_it_can_still_run_something(
    factory: Callable[[], asyncio.AbstractEventLoop] | None,
) -> None:
    told: list[str] = []
    kept: list[object] = []

    async def close() -> None:
        told.append("begun")
        await asyncio.sleep(0)
        told.append("done")

    async def main() -> None:
        kept.append(at_loop_end(close))
        await asyncio.sleep(0)
        told.append("main")

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
        assert told == ["main"]
    assert told == ["main", "begun", "done"]


def test_run_is_part_of_the_public_face() -> None:
    assert toolkit.run is run
