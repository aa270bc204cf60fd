"""Plots as SVG, written by hand: a line for each run, axes, a legend. No script, no font, nothing from elsewhere.

Colours come from a palette that can be told apart by colour-blind readers (Okabe and Ito), each line has its own dash
as well, and everything else is drawn in `currentColor`, so that a page can be light or dark.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.other.bench.curve import MARKS, decades, position
from toolkit.other.bench.quantities import amount, span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.other.bench.figures import Document, RunFigures

__all__ = ["Line", "chart", "charts", "document_svg", "nice_ticks"]

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")
DASHES: Final = ("none", "8 3", "2 3", "12 3 2 3", "5 5", "1 2", "8 3 2 3")
WIDTH: Final = 760
HEIGHT: Final = 320
LEFT: Final = 76
RIGHT: Final = 16
TOP: Final = 34
BOTTOM: Final = 44
LEGEND: Final = 18  # a line of it
TICKS: Final = 6  # about so many on a linear axis


class Line(NamedTuple):
    """A name, and points in the units of the axes."""

    name: str
    points: Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """From `low` to `high`, with places that are marked; `log` for a logarithmic one."""

    low: float
    high: float
    marks: Sequence[tuple[float, str]]
    title: str
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def nice_ticks(high: float) -> list[float]:
    """Round numbers from 0 to at least `high`, about six of them."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [step * number for number in range(math.ceil(high / step - 1e-9) + 1)]


def linear(high: float, title: str, text: Callable[[float], str] = amount) -> Axis:
    """From 0 up."""
    ticks = nice_ticks(high)
    return Axis(0.0, ticks[-1], [(tick, text(tick)) for tick in ticks], title)


def logarithmic(low: float, high: float, title: str, text: Callable[[float], str]) -> Axis:
    """Whole decades, marked at 1, 2 and 5 where there are few of them."""
    least = 10.0 ** math.floor(math.log10(max(low, 1.0)))
    most = 10.0 ** math.ceil(math.log10(max(high, least * 10)))
    number = round(math.log10(most / least))
    factors = (1, 2, 5) if number <= 2 else (1,)
    marks = [factor * least * 10.0**decade for decade in range(number) for factor in factors]
    return Axis(least, most, [(mark, text(mark)) for mark in [*marks, most]], title, log=True)


def chart(title: str, across: Axis, up: Axis, lines: Sequence[Line], top: int = 0) -> str:
    """One plot as an SVG group, `top` pixels below the document's edge."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [f'<g transform="translate({LEFT} {top + TOP})">']
    parts.append(f'<text class="title" x="0" y="-14">{escape(title)}</text>')
    for value, text in up.marks:
        y = high * (1 - up.share(value))
        parts.append(f'<path class="grid" d="M0 {y:.1f}H{wide}"/>')
        parts.append(f'<text class="mark" x="-8" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in across.marks:
        x = wide * across.share(value)
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{high}"/>')
        parts.append(f'<text class="mark" x="{x:.1f}" y="{high + 16}" text-anchor="middle">{escape(text)}</text>')
    parts.append(
        f'<text class="mark" x="{wide / 2:.1f}" y="{high + 34}" text-anchor="middle">{escape(across.title)}</text>'
    )
    for number, line in enumerate(lines):
        drawn = " ".join(f"{wide * across.share(x):.1f},{high * (1 - up.share(y)):.1f}" for x, y in line.points)
        parts.append(
            f'<polyline class="line" {_stroke(number)} points="{drawn}"><title>{escape(line.name)}</title></polyline>'
        )
    parts.append("</g>")
    return "\n".join(parts)


def _stroke(number: int) -> str:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
    return f'stroke="{colour}" stroke-dasharray="{dash}"'


def _legend(names: Sequence[str], top: int) -> str:
    parts = []
    for number, name in enumerate(names):
        y = top + LEGEND * number + 12
        parts.append(f'<path class="line" {_stroke(number)} d="M{LEFT} {y - 4}h28"/>')
        parts.append(f'<text class="mark" x="{LEFT + 36}" y="{y}">{escape(name)}</text>')
    return "\n".join(parts)


# -- what is plotted --------------------------------------------------------------------------------------------------


def charts(runs: Sequence[tuple[str, RunFigures]]) -> list[tuple[str, Axis, Axis, list[Line]]]:
    """Latency by percentile, answers over time, and errors over time where there are any."""
    found = []
    curves = [(name, run["latency"]["curve"]) for name, run in runs]
    values = [value for _, curve in curves for _, value in curve if value]
    if values:
        reach = decades(max(run["latency"]["count"] for _, run in runs))
        marks = [(position(mark), f"{mark:g} %") for mark in MARKS if position(mark) <= reach]
        lines = [Line(name, [(position(percentage), value) for percentage, value in curve]) for name, curve in curves]
        across = Axis(0.0, reach, marks, "percentile of the answers")
        found.append(("Latency by percentile", across, logarithmic(min(values), max(values), "latency", span), lines))
    answers = [Line(name, _rates(run, run["timeline"]["answers"])) for name, run in runs]
    errors = [Line(name, _rates(run, run["timeline"]["errors"])) for name, run in runs]
    longest = max((run["seconds"] for _, run in runs), default=0.0)
    for title, lines in (("Answers a second", answers), ("Errors a second", errors)):
        most = max((rate for line in lines for _, rate in line.points), default=0.0)
        if most or lines is answers:
            found.append((title, linear(longest, "seconds", lambda value: f"{value:g}"), linear(most, title), lines))
    return found


def _rates(run: RunFigures, counts: Sequence[int]) -> list[tuple[float, float]]:
    """A point in the middle of each bin. The last bin is as wide as the run reached; a sliver says nothing."""
    width = run["timeline"]["width"]
    bins = [(index * width, min(width, run["seconds"] - index * width), count) for index, count in enumerate(counts)]
    enough = width / 4 if len(bins) > 1 else 0.0
    return [(start + covered / 2, count / covered) for start, covered, count in bins if covered > enough]


def named_runs(found: Document, old: Document | None = None) -> list[tuple[str, RunFigures]]:
    """The runs with their names, and those of an older document behind them."""
    runs = [(run["name"], run) for run in found["runs"]]
    return runs + [(f"{run['name']} (before)", run) for run in (old["runs"] if old is not None else ())]


def document_svg(found: Document, old: Document | None = None) -> str:
    """All plots of a document, below one another, with one legend."""
    runs = named_runs(found, old)
    drawn = charts(runs)
    parts = [chart(*one, top=HEIGHT * number) for number, one in enumerate(drawn)]
    parts.append(_legend([name for name, _ in runs], HEIGHT * len(drawn)))
    height = HEIGHT * len(drawn) + LEGEND * len(runs) + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="toolkit bench">\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n"
    )


STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:currentColor}.title{font-weight:600;font-size:14px}"
    ".mark{fill-opacity:.75}.grid{stroke:currentColor;stroke-opacity:.15;fill:none}"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}"
)
