"""The histogram: how long answers took, in bounded memory and at a few dozen nanoseconds for each.

`HdrHistogram.record_value` is Python and costs about a microsecond, a fifth of what a whole request costs here. So
the usual case is one addition into an array of slots, 64 ns wide, that reaches to 16.8 ms; what took longer, and is
therefore rarer, goes into the HDR histogram at once. When figures are wanted the slots are poured into it, each as
often as it counted, at its middle. The result is exact to three digits from 64 us up and to 32 ns below.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hdrh.histogram import HdrHistogram
    from hdrh.iterators import HdrIterationValue

__all__ = ["SHIFT", "Latencies", "MissingLibrary", "Summary"]

SHIFT: Final = 6  # a slot is 2**6 ns wide
SLOTS: Final = 1 << 18  # 2 MiB of counters
BLOCK: Final = 1 << 10  # slots that are looked at together when most are empty
NOTHING: Final = bytes(8 * BLOCK)
HIGHEST: Final = 3_600_000_000_000  # ns; an hour, and what took longer counts as an hour
MOST_ADDED: Final = 1_000_000  # by a correction; more would take longer than most runs
DIGITS: Final = 3  # of every value, significant
STEPS: Final = 5  # points of the curve for each halving of what is left up to 100 %


class MissingLibrary(ToolkitError, ImportError):
    """An optional library is not installed; the message says how to get it."""


class Summary(NamedTuple):
    """Of all values together, in nanoseconds."""

    least: int
    mean: float
    deviation: float
    most: int


def new_histogram() -> HdrHistogram:
    """From 1 ns to an hour, three digits. Raises `MissingLibrary`."""
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError:
        raise MissingLibrary(
            "toolkit bench needs the package hdrhistogram; install it by: pip install 'streaming-toolkit[bench]'"
        ) from None
    return HdrHistogram(1, HIGHEST, DIGITS)


class Latencies:
    """Values in nanoseconds. `slots` is for the one place that cannot afford a call: `slots[value >> SHIFT] += 1`,
    and `late(value)` where that is an IndexError."""

    __slots__ = ("_histogram", "slots")

    def __init__(self) -> None:
        self.slots = array("Q", bytes(8 * SLOTS))
        self._histogram = new_histogram()

    def record(self, value: int) -> None:
        """One value."""
        try:
            self.slots[value >> SHIFT] += 1
        except IndexError:
            self.late(value)

    def late(self, value: int, count: int = 1) -> None:
        """A value, `count` times, straight into the histogram."""
        self._histogram.record_value(min(max(value, 1), HIGHEST), count)

    def clear(self) -> None:
        """Forget all of them. The slots stay the same object: others hold it."""
        self._empty()
        self._histogram = new_histogram()

    def _poured(self) -> HdrHistogram:
        histogram, counted = self._histogram, self.slots.tobytes()
        for start in range(0, SLOTS, BLOCK):
            if counted[8 * start : 8 * (start + BLOCK)] == NOTHING:
                continue
            for index, count in enumerate(self.slots[start : start + BLOCK], start):
                if count:
                    histogram.record_value((index << SHIFT) + (1 << SHIFT >> 1), count)
        self._empty()
        return histogram

    def _empty(self) -> None:
        self.slots[:] = array("Q", bytes(8 * SLOTS))

    def __len__(self) -> int:
        """How many values there are."""
        return int(self._poured().get_total_count())

    def add(self, other: Latencies) -> None:
        """All values of another one, too."""
        self._poured().add(other._poured())

    def corrected(self, interval: int) -> Latencies:
        """As if requests had been due every `interval` ns: HDR's correction for coordinated omission.

        Behind every value above the interval, those are added that would have been waiting: one interval less, two
        intervals less, and so on, as long as an interval is left. Where that would be over a million additions, some
        are made in one step.
        """
        wanted = Latencies()
        seen = [(item.value_iterated_to, item.count_at_value_iterated_to) for item in self._recorded()]
        stride = 1 + sum(value // interval for value, _ in seen) // MOST_ADDED
        for value, count in seen:
            wanted.late(value, count)
            for missing in range(value - interval, interval - 1, -interval * stride):
                wanted.late(missing, count * min(stride, missing // interval))
        return wanted

    def _recorded(self) -> Iterator[HdrIterationValue]:
        """The values that occurred, with their counts. HDR's iterators stumble over an empty histogram."""
        histogram = self._poured()
        return histogram.get_recorded_iterator() if histogram.get_total_count() else iter(())

    # -- figures -----------------------------------------------------------------------------------------------

    def percentiles(self, wanted: Sequence[float]) -> dict[float, int]:
        """The value that so many percent of all values do not exceed, for each percentage; 0 without any values."""
        found = self._poured().get_percentile_to_value_dict(list(wanted))
        return {one: int(found.get(one, 0)) for one in wanted}

    def summary(self) -> Summary:
        """Least, mean, standard deviation, greatest; all 0 without any values."""
        histogram = self._poured()
        if not histogram.get_total_count():
            return Summary(0, 0.0, 0.0, 0)
        return Summary(
            int(histogram.get_min_value()),
            float(histogram.get_mean_value()),
            float(histogram.get_stddev()),
            int(histogram.get_max_value()),
        )

    def curve(self) -> list[tuple[float, int]]:
        """Percentages from 0 to 100 and the value at each, ever closer together towards 100."""
        if not len(self):
            return []
        return [
            (float(item.percentile_level_iterated_to), int(item.value_iterated_to))
            for item in self._poured().get_percentile_iterator(STEPS)
        ]

    def encode(self) -> str:
        """HDR's own format (V2, compressed, base64), which other tools read."""
        return bytes(self._poured().encode()).decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Latencies:
        """What `encode` gave."""
        found = cls()
        found._histogram.decode_and_add(text)
        return found
