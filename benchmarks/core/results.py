"""What a benchmark found: figures of each round, the ratios between them, and whether a target is met.

Rounds go through the contestants in turns, so that what disturbs the machine for a while disturbs all of them. A ratio
is therefore formed within each round, and the median of those ratios counts; their lowest and highest are its spread.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "RESULTS",
    "ROOT",
    "Comparison",
    "Figures",
    "Quantity",
    "Result",
    "Spread",
    "Target",
    "Verdict",
    "is_ours",
    "spread",
]

ROOT: Final = Path(__file__).resolve().parents[2]  # of the repository
RESULTS: Final = ROOT / ".cache" / "benchmarks"

Figures = dict[str, float]  # of one contestant in one round, by the quantity's name


def is_ours(contestant: str) -> bool:
    """Whether a contestant is this package, in one form or another."""
    return contestant.startswith("toolkit")


class Spread(NamedTuple):
    """The median of some figures, the lowest and the highest."""

    middle: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError when there are no values."""
    if not values:
        raise ValueError("no values")
    return Spread(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that is measured. `name` includes the unit; `digits` are shown behind the point."""

    name: str
    better: Literal["more", "less"]
    digits: int = 0


@dataclass(slots=True)
class Comparison:
    """The rounds of several contestants. `samples` holds one `Figures` a round for each of them.

    With a `base`, every contestant is compared with that one (how cost grows); without, each of ours with every other.
    """

    title: str
    quantities: list[Quantity]
    base: str | None = None
    samples: dict[str, list[Figures]] = field(default_factory=dict)

    def values(self, contestant: str, quantity: str) -> list[float]:
        """A contestant's figures, round by round; none where it has no such quantity."""
        return [figures[quantity] for figures in self.samples.get(contestant, []) if quantity in figures]

    def ratios(self, one: str, other: str, quantity: str) -> list[float]:
        """`one` divided by `other`, round by round, for the rounds that have both."""
        pairs = zip(self.samples.get(one, []), self.samples.get(other, []), strict=False)
        return [
            first[quantity] / second[quantity] for first, second in pairs if quantity in first and second.get(quantity)
        ]

    @property
    def subjects(self) -> list[str]:
        """The contestants that stand above the line in ratios; with a `base` it is each row's own."""
        return [] if self.base is not None else [name for name in self.samples if is_ours(name)]


class Verdict(NamedTuple):
    """A target held against what was measured; no `value` where something that it needs was not measured."""

    value: Spread | None
    peer: str  # the one that is hardest to reach; empty for an absolute target
    met: bool


@dataclass(frozen=True, slots=True)
class Target:
    """`ours` shall reach `bound` times each of `peers`; without peers, `bound` itself.

    At least that for a quantity of which more is better, at most that for one of which less is.
    """

    text: str
    comparison: str
    quantity: str
    ours: str
    peers: tuple[str, ...]
    bound: float

    def judge(self, comparisons: Iterable[Comparison]) -> Verdict:
        """Hold the medians against the bound; the peer with the worst ratio decides."""
        found = next((one for one in comparisons if one.title == self.comparison), None)
        if found is None:
            return Verdict(None, "", False)
        more = next(one.better for one in found.quantities if one.name == self.quantity) == "more"
        if self.peers:
            by_peer = {peer: found.ratios(self.ours, peer, self.quantity) for peer in self.peers}
        else:
            by_peer = {"": found.values(self.ours, self.quantity)}
        spreads = {peer: spread(values) for peer, values in by_peer.items() if values}
        if not spreads:
            return Verdict(None, "", False)
        worst = min if more else max
        peer = worst(spreads, key=lambda name: spreads[name].middle)
        middle = spreads[peer].middle
        return Verdict(spreads[peer], peer, middle >= self.bound if more else middle <= self.bound)


@dataclass(slots=True)
class Result:
    """One run of one program."""

    program: str
    python: str  # the full version
    day: str
    rounds: int
    machine: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def save(self, folder: Path) -> Path:
        """Keep the result as JSON, in place of an earlier one for the same minor version of Python."""
        path = folder / ".".join(self.python.split(".")[:2]) / f"{self.program}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Result:
        """Read what `save` wrote."""
        told = json.loads(path.read_text(encoding="utf-8"))
        told["comparisons"] = [
            Comparison(**{**one, "quantities": [Quantity(**quantity) for quantity in one["quantities"]]})
            for one in told["comparisons"]
        ]
        return cls(**told)


def kept(folder: Path) -> Mapping[str, dict[str, Result]]:
    """All results that were saved: by the version of Python, then by program."""
    found: dict[str, dict[str, Result]] = {}
    for path in sorted(folder.glob("*/*.json"), key=lambda one: (version_order(one.parent.name), one.stem)):
        found.setdefault(path.parent.name, {})[path.stem] = Result.load(path)
    return found


def version_order(version: str) -> tuple[int, ...]:
    """3.9 before 3.13."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
