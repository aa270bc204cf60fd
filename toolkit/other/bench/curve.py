"""The curve of latency by percentile, as every plot draws it: pure numbers.

The axis of percentiles is logarithmic in what is left up to 100 %: 90, 99, 99.9 and 99.99 % stand at equal distances,
since the rare slow answer is what one wants to see.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MARKS", "decades", "position", "sample"]

#: What the axis is labelled with: percentages.
MARKS: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
MOST_DECADES: Final = 5.0


def position(percentage: float) -> float:
    """Where a percentage stands on the axis: 0 for 0 %, 1 for 90 %, 2 for 99 %."""
    return math.inf if percentage >= 100 else -math.log10(1 - percentage / 100)


def decades(count: int) -> float:
    """How far the axis reaches for so many values: to where a single one would stand, at least to 90 %."""
    return min(MOST_DECADES, max(1.0, math.log10(max(1, count))))


def sample(curve: Sequence[tuple[float, int]], at: float) -> int:
    """The value at a place of the axis: that of the first point which is as far; the last one's beyond it."""
    places = [position(percentage) for percentage, _ in curve]
    return curve[min(bisect_left(places, at), len(curve) - 1)][1]
