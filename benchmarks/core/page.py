"""The page: what was measured and kept, as Markdown with plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.core.results import is_ours, spread
from benchmarks.core.svg import Bar, bars
from benchmarks.core.tables import Table, comparison_table, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.core.bench import Row
    from benchmarks.core.results import Comparison, Result

__all__ = ["write"]

INTRODUCTION: Final = """\
# Benchmarks

Written by `make bench`; `python -m benchmarks.report` writes it anew from what was measured so far. Do not edit it.

What is compared was measured in one run: the contestants took turns, every other round backwards, the one that is
measured on one core and its load on the other. Figures are medians of the rounds, with the lowest and the highest in
brackets. A ratio is formed within each round; the table shows the median of those ratios and their spread. CPU time is
the process's own, as the kernel counts it, with all its threads and children. Our application is the default one:
limits and timeouts are on, and every answer is made anew. All answers were checked.
"""


def write(rows: Sequence[Row], kept: Mapping[str, Mapping[str, Result]], page: Path) -> None:
    """Write the page, and its plots into the folder of the same name beside it."""
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    measured = [row for row in rows if any(row.name in results for results in kept.values())]
    parts = [INTRODUCTION, *_machine(kept), *_targets(measured, kept)]
    for row in measured:
        parts += _section(row, {python: found[row.name] for python, found in kept.items() if row.name in found}, folder)
    page.write_text("\n".join(part.rstrip() + "\n" for part in parts), encoding="utf-8")


def _machine(kept: Mapping[str, Mapping[str, Result]]) -> Iterator[str]:
    results = [result for found in kept.values() for result in found.values()]
    if not results:
        yield "Nothing has been measured yet."
        return
    newest = max(results, key=lambda one: one.day)
    facts = {"day": newest.day, **newest.machine, "rounds": ", ".join(sorted({str(one.rounds) for one in results}))}
    yield Table(["machine", ""], [[name, fact] for name, fact in facts.items()]).markdown()
    names = sorted({name for one in results for name in one.versions}, key=str.lower)
    told = [
        [
            name,
            *(
                ", ".join(sorted({one.versions[name] for one in found.values() if name in one.versions})) or "-"
                for found in kept.values()
            ),
        ]
        for name in names
    ]
    full = [", ".join(sorted({one.python for one in found.values()})) for found in kept.values()]
    yield Table(["version of", *(f"Python {python}" for python in kept)], [["Python", *full], *told]).markdown()


def _targets(rows: Sequence[Row], kept: Mapping[str, Mapping[str, Result]]) -> Iterator[str]:
    yield "## Targets"
    lines = []
    for row in rows:
        for target in row.targets:
            cells = [
                verdict(target, target.judge(found[row.name].comparisons)) if row.name in found else "not measured"
                for found in kept.values()
            ]
            lines.append([f"[{row.title}](#{anchor(row.title)}), {target.text}", *cells])
    yield Table(["target", *(f"Python {python}" for python in kept)], lines).markdown()


def anchor(title: str) -> str:
    """Where GitHub puts a heading."""
    kept = (letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return "".join(kept).replace(" ", "-")


def _section(row: Row, results: Mapping[str, Result], folder: Path) -> Iterator[str]:
    yield f"## {row.title}"
    yield row.about
    yield f"Run it alone: `python -m benchmarks.{row.name}`."
    titles = list(dict.fromkeys(one.title for result in results.values() for one in result.comparisons))
    for number, title in enumerate(titles, 1):
        found = {python: one for python, result in results.items() for one in result.comparisons if one.title == title}
        path = folder / f"{row.name}-{number}.svg"
        path.write_text(plot(title, found), encoding="utf-8")
        yield f"### {title[0].upper()}{title[1:]}"
        yield f"![{title}]({folder.name}/{path.name})"
        for python, comparison in found.items():
            yield f"Python {python}:"
            yield comparison_table(comparison).markdown()
    notes = {line: None for result in results.values() for line in result.notes}
    if notes:
        yield "\n".join(f"- {line}" for line in notes)


def plot(title: str, found: Mapping[str, Comparison]) -> str:
    """The first quantity of a comparison, for each version of Python."""
    quantity = next(iter(found.values())).quantities[0]
    groups = {
        f"Python {python}": [
            Bar(name, spread(values), comparison.base is not None or is_ours(name))
            for name in comparison.samples
            if (values := comparison.values(name, quantity.name))
        ]
        for python, comparison in found.items()
    }
    return bars(f"{title}: {quantity.name}, {quantity.better} is better", groups, quantity.digits)
