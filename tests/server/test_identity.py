"""Which process this is, and that one which runs handlers serves no program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from toolkit import App, Process, UseError, current_process
from toolkit.server import identity

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def in_a_pool() -> Iterator[None]:
    before = current_process()
    identity.this_is(Process("pool", 2, 3))
    yield
    identity.this_is(before)


def test_the_process_that_was_started_is_the_main_one() -> None:
    assert current_process() == Process("main", 0, 1)
    assert current_process().pid == os.getpid()


@pytest.mark.parametrize(
    ("name", "process"),
    [
        (Process("pool", 3, 12).name, Process("pool", 3, 12)),
        ("MainProcess", Process()),
        ("toolkit-pool-3", Process()),
        ("my-toolkit-pool-3-of-4", Process()),
    ],
)
def test_a_process_of_a_pool_is_known_by_its_name(name: str, process: Process) -> None:
    """It has nothing else yet, while it imports the program."""
    assert identity.of_name(name) == process


@pytest.mark.usefixtures("in_a_pool")
async def test_a_process_of_a_pool_does_not_serve() -> None:
    assert (current_process().kind, current_process().number, current_process().count) == ("pool", 2, 3)
    with pytest.raises(UseError, match=r'^serve\(\) in a process that runs handlers: .* `if __name__ == "__main__":`'):
        await App(port=0).serve()


@pytest.mark.usefixtures("in_a_pool")
@pytest.mark.parametrize("workers", [1, 2])
def test_nor_runs(workers: int) -> None:
    with pytest.raises(UseError, match=r"^run\(\) in a process that runs handlers"):
        App(port=0).run(workers=workers)
