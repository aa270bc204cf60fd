"""What may be said of a pool of processes, and what may not."""

from __future__ import annotations

import pytest

from toolkit import App, Process, Processes, UseError
from toolkit.server.processes.options import worker_count


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("workers", -1, "a whole number from 0 on"),
        ("workers", True, "a whole number from 0 on"),
        ("queue", 1.5, "a whole number from 0 on"),
        ("recycle_after", 0, "a whole number from 1 on"),
        ("timeout", 0, "seconds above 0, or None"),
        ("start", "1", "seconds above 0, or None"),
        ("timeout", float("nan"), "seconds above 0, or None"),
        ("initializer", "f", "a function without arguments"),
    ],
)
def test_what_means_nothing_is_refused_where_it_is_written(option: str, value: object, expected: str) -> None:
    with pytest.raises(UseError, match=rf"^Processes\({option}={value!r}\): expected {expected}$"):
        Processes(**{option: value})  # type: ignore[arg-type]  # that is the point


def test_each_is_a_pool_of_its_own() -> None:
    assert len({Processes(), Processes()}) == 2


def test_an_application_takes_nothing_else() -> None:
    with pytest.raises(UseError, match=r"App\(processes=4\): expected Processes\(\.\.\.\)"):
        _ = App(processes=4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("workers", "cores", "here", "count"),
    [
        (3, 8, Process(), 3),
        (0, 8, Process(), 8),
        (0, 8, Process("worker", 1, 4), 2),
        (0, 2, Process("worker", 1, 4), 1),
        (3, 2, Process("worker", 1, 4), 3),
    ],
)
def test_a_worker_has_its_share_of_the_cores(workers: int, cores: int, here: Process, count: int) -> None:
    assert worker_count(workers, cores, here) == count


def test_without_a_word_this_process_counts() -> None:
    assert worker_count(0, 5) == 5
