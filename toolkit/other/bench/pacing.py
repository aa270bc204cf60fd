"""Schedules: when requests are due. Pure; times are nanoseconds of one monotonic clock.

An open loop is honest only if nobody can stretch it. So a schedule is fixed by its start alone: it does not know when
a request was really sent, nor whether an answer came, and it never leaves one out. What is late stays due.
"""

from __future__ import annotations

import random
from itertools import count, islice, takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NEVER", "constant", "poisson", "schedule"]

NEVER: Final = 2**63 - 1
SECOND: Final = 1_000_000_000


def constant(rate: float, start: int, phase: float = 0.0) -> Iterator[int]:
    """One every 1/`rate` seconds from `start` on, the first after `phase` of a gap.

    Each time is computed from the start, so that no error adds up.
    """
    gap = SECOND / rate
    return (start + round((number + phase) * gap) for number in count())


def poisson(rate: float, start: int, seed: int = 0) -> Iterator[int]:
    """`rate` a second on average, independent of one another: the gaps are exponentially distributed.

    The same seed gives the same gaps.
    """
    draw = random.Random(seed).expovariate
    at = 0.0
    while True:
        at += draw(rate) * SECOND
        yield start + round(at)


def schedule(
    rate: float,
    start: int,
    *,
    until: int = NEVER,
    most: int | None = None,
    phase: float = 0.0,
    seed: int = 0,
    draw: bool = False,
) -> Iterator[int]:
    """The times of a load, before `until` and at most `most` of them; `draw` chooses between the two kinds.

    Processes that share a rate have phases that share a gap, so that all of them together keep a constant gap, too.
    """
    times = poisson(rate, start, seed) if draw else constant(rate, start, phase)
    if until != NEVER:
        times = takewhile(until.__gt__, times)
    return times if most is None else islice(times, most)
