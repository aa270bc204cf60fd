"""A run: contestants started, taken in turns for some rounds, their figures kept.

A program is a `Row`: a name, what it measures, its targets, and a function that is handed a `Bench`.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.core.machine import describe
from benchmarks.core.processes import Child, Failed, NotStarted, Peer
from benchmarks.core.progress import progress
from benchmarks.core.results import RESULTS, Comparison, Figures, Quantity, Result, Target, is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.core.environment import Environment

__all__ = ["Bench", "Options", "Row"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 1  # of load, for each contestant in each round; other durations go by it
    size: int = 1024 * MIB  # of large bodies, in bytes
    connections: int = 10_000  # where there are many
    wrk: bool = True  # load by wrk where it is installed
    only: tuple[str, ...] = ()  # contestants; empty: all
    require_peers: bool = False  # a peer that is missing is an error
    results: Path = RESULTS  # where figures are kept

    @classmethod
    def quick(cls) -> Options:
        """Few and short rounds: whether it works, and roughly where it stands."""
        return cls(rounds=2, seconds=0.5, size=256 * MIB, connections=1000)


@dataclass(frozen=True, slots=True)
class Row:
    """One program. `about` says what is done, in the page's words; `measure` does it."""

    name: str
    title: str
    about: str
    targets: tuple[Target, ...]
    measure: Callable[[Bench], None]


@dataclass(slots=True)
class Bench:
    """What a row measures with."""

    row: str
    environment: Environment
    options: Options = field(default_factory=Options)
    result: Result = field(init=False)

    def __post_init__(self) -> None:
        self.result = Result(
            self.row,
            self.environment.version,
            datetime.now(UTC).strftime("%Y-%m-%d"),
            self.options.rounds,
            describe(),
            {"toolkit": self.environment.distributions["toolkit"]},
        )

    def note(self, line: str) -> None:
        """Something that readers of the figures have to know."""
        if line not in self.result.notes:
            self.result.notes.append(line)

    def has(self, peer: Peer) -> bool:
        """Whether a peer is wanted, and all that it needs is installed."""
        if self.options.only and peer.name not in self.options.only and not is_ours(peer.name):
            return False
        return self.has_all(peer.name, peer.needs)

    def has_all(self, name: str, needs: Sequence[str]) -> bool:
        """Whether what a peer needs is installed; where not, it is left out with a note.

        Raises `Failed` instead when peers are required.
        """
        for one in needs:
            version = self.environment.version_of(one)
            if version is None:
                self._leave_out(name, self.environment.how_to_get(one))
                return False
            self.result.versions[one] = version
        return True

    def _leave_out(self, name: str, reason: str) -> None:
        start = f"{name} is left out: "
        if self.options.require_peers:
            raise Failed(start + reason)
        if not any(line.startswith(start) for line in self.result.notes):
            self.note(start + reason)

    @contextmanager
    def start(self, peers: Sequence[Peer], core: int | None = 0) -> Iterator[dict[str, Child]]:
        """Run those of the peers that are there, by name. One of ours that does not start is an error."""
        with ExitStack() as stack:
            running = {}
            for peer in peers:
                if not self.has(peer):
                    continue
                progress(f"{self.row}: starting {peer.name}")
                try:
                    running[peer.name] = stack.enter_context(Child(self.environment, peer, core))
                except NotStarted as error:
                    if is_ours(peer.name):
                        raise
                    self._leave_out(peer.name, str(error))
            yield running

    @contextmanager
    def one(self, peer: Peer, core: int | None = 1) -> Iterator[Child]:
        """Run a program that the benchmark cannot do without: the other end of what is measured."""
        with Child(self.environment, peer, core) as child:
            yield child

    def compare(
        self,
        title: str,
        quantities: Sequence[Quantity],
        contestants: Mapping[str, Callable[[], Figures]],
        base: str | None = None,
    ) -> Comparison:
        """Take the contestants in turns, every other round backwards; the first round only warms up.

        Raises `Failed` when there are none.
        """
        if not contestants:
            raise Failed(f"{title}: nobody is left to be measured")
        comparison = Comparison(title, list(quantities), base, {name: [] for name in contestants})
        for number in range(self.options.rounds + 1):
            order = list(contestants.items())
            for name, turn in order if number % 2 else reversed(order):
                which = f"round {number} of {self.options.rounds}" if number else "warming up"
                progress(f"{self.row}, {title}: {which}: {name}")
                figures = turn()
                if number:
                    comparison.samples[name].append(figures)
        progress("")
        self.result.comparisons.append(comparison)
        return comparison

    def collect(
        self, title: str, quantities: Sequence[Quantity], one_round: Callable[[], Mapping[str, Figures]]
    ) -> Comparison:
        """Rounds in which all contestants are measured together."""
        comparison = Comparison(title, list(quantities))
        for number in range(1, self.options.rounds + 1):
            progress(f"{self.row}, {title}: round {number} of {self.options.rounds}")
            for name, figures in one_round().items():
                comparison.samples.setdefault(name, []).append(figures)
        progress("")
        self.result.comparisons.append(comparison)
        return comparison


def required() -> bool:
    """Whether the environment insists on every peer."""
    return bool(os.environ.get("TOOLKIT_REQUIRE_PEERS"))
