"""Plots: horizontal bars, as a small SVG file of our own making."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.core.results import Spread

__all__ = ["Bar", "bars"]

WIDTH: Final = 760
LABELS: Final = 190  # where bars begin
ROOM: Final = 110  # right of the longest bar, for its figure
ROW: Final = 20
OURS: Final = "#1f6feb"
THEIRS: Final = "#9aa4b2"
INK: Final = "#57606a"  # readable on a white page and on a dark one


class Bar(NamedTuple):
    """One contestant's figure."""

    label: str
    value: Spread
    ours: bool


def bars(title: str, groups: Mapping[str, Sequence[Bar]], digits: int = 0) -> str:
    """A plot with one group of bars for each key; a thin line marks the spread. All groups share one scale."""
    longest = max((bar.value.high for group in groups.values() for bar in group), default=0.0) or 1.0
    scale = (WIDTH - LABELS - ROOM) / longest
    y = 30
    drawn = [f'<text x="0" y="16" font-size="14" font-weight="bold">{escape(title)}</text>']
    for name, group in groups.items():
        drawn.append(f'<text x="0" y="{y + 14}" font-weight="bold">{escape(name)}</text>')
        y += ROW
        for bar in group:
            drawn += _bar(bar, y, scale, digits)
            y += ROW
        y += ROW // 2
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    style = f'font-family="sans-serif" font-size="12" fill="{INK}"'
    return "\n".join([f'<svg {frame} {style} role="img" aria-label={quoteattr(title)}>', *drawn, "</svg>", ""])


def _bar(bar: Bar, y: int, scale: float, digits: int) -> list[str]:
    length, low, high = (figure * scale for figure in bar.value)
    middle = y + ROW / 2
    return [
        f'<text x="{LABELS - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{LABELS}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" rx="2" '
        f'fill="{OURS if bar.ours else THEIRS}"/>',
        f'<line x1="{LABELS + low:.1f}" x2="{LABELS + high:.1f}" y1="{middle}" y2="{middle}" stroke="{INK}"/>',
        f'<text x="{LABELS + max(length, high) + 6:.1f}" y="{y + 14}">{bar.value.middle:,.{digits}f}</text>',
    ]
