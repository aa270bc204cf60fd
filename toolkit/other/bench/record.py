"""What a run counted. A record is filled by one process; those of several are added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, fields
from typing import Final, TypedDict

from toolkit.other.bench.latencies import Latencies

__all__ = ["Counts", "Packed", "Record", "Timeline"]

MOST_BINS: Final = 600  # of a timeline; more would be finer than a plot shows
WIDTH: Final = 0.1  # seconds; a bin's width to begin with


class Timeline:
    """Answers and errors in bins of equal width. A long run's bins are joined two by two, so that memory is bounded."""

    __slots__ = ("answers", "errors", "width")

    def __init__(self, width: float = WIDTH) -> None:
        self.width = width  #: of a bin, in seconds
        self.answers: list[int] = []
        self.errors: list[int] = []

    def add(self, start: float, end: float, answers: int, errors: int) -> None:
        """So many between these seconds after the beginning, spread evenly over the bins between them."""
        while int(end / self.width) >= MOST_BINS:
            self._coarsen()
        first, last = int(start / self.width), int(end / self.width)
        self._reach(last + 1)
        given = (0, 0)
        for index in range(first, last + 1):
            part = 1.0 if index == last else ((index + 1) * self.width - start) / (end - start)
            so_far = (round(answers * part), round(errors * part))
            self.answers[index] += so_far[0] - given[0]
            self.errors[index] += so_far[1] - given[1]
            given = so_far

    def _reach(self, bins: int) -> None:
        missing = bins - len(self.answers)
        self.answers += [0] * missing
        self.errors += [0] * missing

    def _coarsen(self) -> None:
        self.width *= 2
        self.answers = [sum(self.answers[at : at + 2]) for at in range(0, len(self.answers), 2)]
        self.errors = [sum(self.errors[at : at + 2]) for at in range(0, len(self.errors), 2)]

    def merge(self, other: Timeline) -> None:
        """Add another process's, begun at the same moment. Widths differ by powers of two; the coarser one counts."""
        while self.width < other.width:
            self._coarsen()
        for index, (answers, errors) in enumerate(zip(other.answers, other.errors, strict=True)):
            middle = (index + 0.5) * other.width
            self.add(middle, middle, answers, errors)


@dataclass(slots=True, kw_only=True)
class Counts:
    """The plain numbers of a run."""

    answers: int = 0  #: whole answers; in a duplex load, chunks that came back
    in_time: int = 0  #: those of them that came before the end, not in the grace behind it
    received: int = 0  #: bytes of HTTP
    sent: int = 0  #: bytes of HTTP
    opened: int = 0  #: connections, or streams
    connecting: int = 0  #: ns that opening them took, all together
    slowest_connect: int = 0  #: ns
    paced: int = 0  #: requests sent by the clock, on a connection that was free
    late: int = 0  #: ns by which these left after they were due, all together
    latest: int = 0  #: ns, the most of these
    seconds: float = 0.0  #: measured, without warm-up and grace
    rate: float = 0.0  #: answers in time, a second
    cpu: float = 0.0  #: seconds of processor time, the load generator's own
    busiest: float = 0.0  #: the share of a core that its busiest process took

    def merge(self, other: Counts) -> None:
        """Add what another process counted at the same time."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in GREATEST:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))


GREATEST: Final = ("slowest_connect", "latest", "seconds", "busiest")  # of several processes, the greatest counts
ADDED: Final = tuple(one.name for one in fields(Counts) if one.name not in GREATEST)


class Packed(TypedDict):
    """A record on its way from one process to another, as JSON."""

    histogram: str
    statuses: dict[str, int]
    errors: dict[str, int]
    counts: dict[str, float]
    width: float
    timeline: tuple[list[int], list[int]]


class Record:
    """All that is known of a run: counts, answers by status, errors by kind, latencies, and how it went over time."""

    __slots__ = ("counts", "errors", "latencies", "statuses", "timeline")

    def __init__(self, latencies: Latencies | None = None) -> None:
        self.latencies = Latencies() if latencies is None else latencies
        self._begin()

    def forget(self) -> None:
        """Begin anew. The latencies stay the same object: others hold it."""
        self.latencies.clear()
        self._begin()

    def _begin(self) -> None:
        self.counts = Counts()
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.timeline = Timeline()

    def answered(self, status: int, count: int = 1) -> None:
        """Count whole answers by status; 400 or above is an error, too."""
        self.counts.answers += count
        self.statuses[status] += count
        if status >= 400:
            self.errors[f"status {status}"] += count

    @property
    def failed(self) -> int:
        """Errors of every kind together."""
        return self.errors.total()

    def merge(self, other: Record) -> None:
        """Add what another process counted at the same time."""
        self.latencies.add(other.latencies)
        self.statuses += other.statuses
        self.errors += other.errors
        self.timeline.merge(other.timeline)
        self.counts.merge(other.counts)

    def pack(self) -> Packed:
        """For another process."""
        return {
            "histogram": self.latencies.encode(),
            "statuses": {str(status): number for status, number in self.statuses.items()},
            "errors": dict(self.errors),
            "counts": asdict(self.counts),
            "width": self.timeline.width,
            "timeline": (self.timeline.answers, self.timeline.errors),
        }

    @classmethod
    def unpack(cls, packed: Packed) -> Record:
        """What `pack` gave."""
        record = cls(Latencies.decode(packed["histogram"]))
        record.statuses.update({int(status): number for status, number in packed["statuses"].items()})
        record.errors.update(packed["errors"])
        record.counts = Counts(**packed["counts"])  # type: ignore[arg-type]  # whole numbers come back as such
        record.timeline.width = packed["width"]
        record.timeline.answers, record.timeline.errors = packed["timeline"]
        return record
