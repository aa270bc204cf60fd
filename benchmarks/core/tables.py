"""Tables: as text for a terminal, as Markdown for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.core.results import spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.core.results import Comparison, Quantity, Spread, Target, Verdict

__all__ = ["Table", "comparison_table", "ratio", "told", "verdict"]


@dataclass(frozen=True, slots=True)
class Table:
    """A head and rows of cells; the first column is text, the others are figures."""

    head: list[str]
    rows: list[list[str]]

    def text(self) -> str:
        """Columns as wide as they need to be, figures to the right."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        """The same as GitHub renders it."""
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        return "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
            for line in [self.head, rule, *self.rows]
        )


def told(value: Spread, digits: int) -> str:
    """A median, and in brackets its lowest and highest where they differ."""
    middle, low, high = (f"{figure:,.{digits}f}" for figure in value)
    return middle if low == high else f"{middle} ({low} - {high})"


def ratio(value: Spread) -> str:
    """A ratio with two digits, and its spread."""
    return told(value, 2)


def comparison_table(comparison: Comparison) -> Table:
    """A row for each contestant; for each quantity its figure, then the ratios: ours divided by this row's.

    With a base there is one ratio: this row's divided by the base's.
    """
    head = [""]
    for quantity in comparison.quantities:
        head.append(quantity.name)
        head += [f"{name} / it" for name in comparison.subjects]
        if comparison.base is not None:
            head.append(f"x {comparison.base}")
    rows = [
        [name, *(cell for quantity in comparison.quantities for cell in _cells(comparison, name, quantity))]
        for name in comparison.samples
    ]
    return Table(head, rows)


def _cells(comparison: Comparison, name: str, quantity: Quantity) -> Iterator[str]:
    values = comparison.values(name, quantity.name)
    yield told(spread(values), quantity.digits) if values else "-"
    pairs = [(ours, name) for ours in comparison.subjects]
    if comparison.base is not None:
        pairs = [(name, comparison.base)]
    for one, other in pairs:
        ratios = comparison.ratios(one, other, quantity.name) if one != other else []
        yield ratio(spread(ratios)) if ratios else "-"


def verdict(target: Target, found: Verdict) -> str:
    """What came of a target, in a few words."""
    if found.value is None:
        return "not measured"
    outcome = "met" if found.met else "**not met**"
    if not found.peer:
        return f"{told(found.value, 1)}: {outcome}"
    return f"{ratio(found.value)} x {found.peer}: {outcome}"
