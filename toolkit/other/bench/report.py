"""Figures as text: for a terminal, with a plot in it, or for a pipe, in plain ASCII."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.other.bench.curve import MARKS, decades, position, sample
from toolkit.other.bench.quantities import amount, size, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.other.bench.figures import LatencyFigures, RunFigures

__all__ = ["Style", "notes", "overview", "plot", "report"]

BLOCKS: Final = " ▁▂▃▄▅▆▇█"
HEIGHT: Final = 8  # rows of a plot
LABEL: Final = 11  # columns left of it
NARROWEST: Final = 40
WIDEST: Final = 100
SATURATED: Final = 0.9  # of a core; a closed loop above it shows the load generator's limit, perhaps
LATE: Final = 0.1  # of the median: what the load generator may add of its own before a note says so

MEASURED_FROM: Final = {
    "due": "from when each request was due (corrected for coordinated omission)",
    "sent": "from when each request was sent (service time, not corrected for coordinated omission)",
    "corrected": "service time with HDR's correction for coordinated omission",
}


class Style(NamedTuple):
    """What the reader's end can show. `blocks`: characters beyond ASCII."""

    width: int = 80
    blocks: bool = False


def report(found: RunFigures, style: Style, *, plotted: bool = True) -> str:
    """One run, with a line break at its end."""
    return "\n".join([*_lines(found, style if plotted else None), ""])


def _lines(found: RunFigures, style: Style | None) -> Iterator[str]:
    target = f"{found['method']} {found['url']}"
    yield found["name"] if target in found["name"] else f"{found['name']}: {target}"
    yield _how(found)
    yield ""
    yield from _rates(found)
    for latency in (found["latency"], found["corrected"]):
        if latency is not None and latency["count"]:
            yield ""
            yield from _latency(latency)
            if style is not None:
                yield ""
                yield from plot(latency, style)
    told = notes(found)
    if told:
        yield ""
        yield from (f"  note: {one}" for one in told)


def _how(found: RunFigures) -> str:
    settings = found["settings"]
    parts = [f"{found['mode'].partition(',')[0]} loop"]
    if settings["rate"] is not None:
        parts[0] += f" at {amount(settings['rate'])}/s" + (" (Poisson)" if settings["poisson"] else "")
    parts.append(_plural(settings["connections"], "stream" if settings["chunk"] else "connection"))
    if settings["chunk"]:
        parts.append(f"chunks of {amount(settings['chunk'])} B")
    if (settings["pipeline"] or 1) > 1:
        parts.append(f"{settings['pipeline']} in a pipeline")
    if not settings["keep_alive"]:
        parts.append("a connection for each request")
    parts.append(_plural(settings["processes"], "process", "processes"))
    parts.append(f"{found['seconds']:.2f} s after {settings['warm_up']:g} s of warm-up")
    return ", ".join(parts)


def _plural(number: float | None, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def _rates(found: RunFigures) -> Iterator[str]:
    seconds = found["seconds"] or math.inf
    kind = "chunks/s" if found["settings"]["chunk"] else "requests/s"
    yield (
        f"  {kind:<11}{amount(found['rate']):>14}"
        f"   received {size(found['received'] / seconds)}/s, sent {size(found['sent'] / seconds)}/s"
    )
    statuses = ", ".join(f"{status}: {amount(number)}" for status, number in found["statuses"].items())
    yield f"  {'answers':<11}{amount(found['answers']):>14}   {statuses}".rstrip()
    errors = ", ".join(f"{kind}: {amount(number)}" for kind, number in found["errors"].items())
    yield f"  {'errors':<11}{amount(sum(found['errors'].values())):>14}   {errors}".rstrip()


def _latency(latency: LatencyFigures) -> Iterator[str]:
    yield f"  latency, {MEASURED_FROM[latency['measured_from']]}"
    cells = [("min", latency["min"])]
    cells += [(f"{percentage} %", value) for percentage, value in latency["percentiles"].items()]
    cells += [("max", latency["max"])]
    yield "  " + " ".join(f"{name:>9}" for name, _ in cells)
    yield "  " + " ".join(f"{span(value):>9}" for _, value in cells)
    yield f"  mean {span(latency['mean'])}, standard deviation {span(latency['stdev'])}"


def notes(found: RunFigures) -> list[str]:
    """What one should know before believing the figures."""
    told = []
    generator, latency = found["generator"], found["latency"]
    median = latency["percentiles"]["50"]
    if found["interrupted"]:
        told.append("the run was interrupted; these are the figures up to then")
    if latency["measured_from"] == "sent":
        if generator["busiest_core"] >= SATURATED:
            share = f"{generator['busiest_core']:.0%}"
            told.append(f"the load generator used {share} of a core: the server may be able to do more (--processes)")
    else:
        unsent = found["errors"].get("unsent", 0)
        if unsent:
            told.append(f"the server did not keep up: {amount(unsent)} requests were due and found no free connection")
        if generator["late_mean"] > LATE * median:
            late = span(generator["late_mean"])
            told.append(f"the load generator itself sent requests late, by {late} on average; that is in the latencies")
    return told


def overview(runs: Sequence[RunFigures]) -> str:
    """One line for each run, with a line break at the end."""
    wide = max([len(run["name"]) for run in runs], default=0)
    lines = [
        f"{'':<{wide}}  {'a second':>10}  {'received/s':>10}  {'sent/s':>10}  {'50 %':>8}  {'99 %':>8}  {'errors':>8}"
    ]
    for run in runs:
        seconds, percentiles = run["seconds"] or math.inf, run["latency"]["percentiles"]
        moved = f"{size(run['received'] / seconds):>10}  {size(run['sent'] / seconds):>10}"
        waited = f"{span(percentiles['50']):>8}  {span(percentiles['99']):>8}"
        errors = amount(sum(run["errors"].values()))
        lines.append(f"{run['name']:<{wide}}  {amount(run['rate']):>10}  {moved}  {waited}  {errors:>8}")
    return "\n".join([*lines, ""])


# -- the plot ---------------------------------------------------------------------------------------------------------


def plot(latency: LatencyFigures, style: Style) -> list[str]:
    """Latency by percentile: bars on two logarithmic axes, as wide as the reader's end allows."""
    columns = min(max(style.width, NARROWEST), WIDEST) - LABEL - 3
    reach = decades(latency["count"])
    values = [sample(latency["curve"], reach * (column + 0.5) / columns) for column in range(columns)]
    low, high = _bounds(min(values), max(values))
    levels = [math.log(max(value, low) / low) / math.log(high / low) * HEIGHT for value in values]
    rows = []
    for row in reversed(range(HEIGHT)):
        top = low * (high / low) ** ((row + 1) / HEIGHT)
        label = span(top) if row % 2 else ""
        rows.append(
            f"  {label:>{LABEL - 2}} |" + "".join(_cell(level - row, style.blocks) for level in levels).rstrip()
        )
    rows.append(f"  {span(low):>{LABEL - 2}} +" + "-" * columns)
    rows.append(" " * (LABEL + 2) + _scale(columns, reach))
    return rows


def _bounds(least: int, most: int) -> tuple[float, float]:
    """Of the axis of values: a little more than they need, and never nothing."""
    low = max(1.0, least * 0.8)
    return low, max(most * 1.0, low * 2)


def _cell(level: float, blocks: bool) -> str:
    if blocks:
        return BLOCKS[max(0, min(8, round(level * 8)))]
    return "#" if level >= 0.5 else " "


def _scale(columns: int, reach: float) -> str:
    line = [" "] * columns
    for mark in MARKS:
        text = f"{mark:g}%"
        at = round(position(mark) / reach * columns)
        if (
            position(mark) <= reach
            and at + len(text) <= columns
            and set(line[max(0, at - 1) : at + len(text)]) <= {" "}
        ):
            line[at : at + len(text)] = text
    return "".join(line).rstrip()
