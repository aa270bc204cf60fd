"""Figures as one HTML page that needs nothing else: plots inline, no script, nothing from the network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from toolkit.other.bench.chart import document_svg
from toolkit.other.bench.compare import other_settings
from toolkit.other.bench.quantities import amount, size, span
from toolkit.other.bench.report import MEASURED_FROM, notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.other.bench.compare import Difference
    from toolkit.other.bench.figures import Document, LatencyFigures, RunFigures

__all__ = ["page"]

STYLE: Final = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;"
    "margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem;display:block;overflow-x:auto}"
    "th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #8884;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}"
    ".worse{color:#d55e00}.better{color:#009e73}small{opacity:.75}"
)


def page(found: Document, differences: Sequence[Difference] = (), old: Document | None = None) -> str:
    """The whole page; with an older document, its lines in the plots and the table of differences."""
    where = f"{found['started']}, toolkit {found['toolkit']}, Python {found['python']}, {found['platform']}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>toolkit bench</title><style>{STYLE}</style></head><body>",
        f"<h1>toolkit bench</h1><p><small>{escape(where)}</small></p>",
        *_overview(found["runs"]),
        document_svg(found, old),
    ]
    if differences:
        settings = {} if old is None else other_settings(old, found)
        parts += ["<h2>Compared</h2>", *_differences(differences, settings)]
    for run in found["runs"]:
        parts += _run(run)
    return "\n".join([*parts, "</body></html>", ""])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table; its cells are text, not HTML."""
    yield "<table><tr>" + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _overview(runs: Sequence[RunFigures]) -> Iterator[str]:
    heads = ("run", "a second", "received/s", "sent/s", "errors", "50 %", "99 %", "99.99 %", "max")
    rows = []
    for run in runs:
        latency, seconds = run["latency"], run["seconds"] or 1.0
        middle = [span(latency["percentiles"][percentage]) for percentage in ("50", "99", "99.99")]
        moved = [size(run["received"] / seconds), size(run["sent"] / seconds)]
        errors = amount(sum(run["errors"].values()))
        rows.append([run["name"], amount(run["rate"]), *moved, errors, *middle, span(latency["max"])])
    return _table(heads, rows)


def _run(run: RunFigures) -> Iterator[str]:
    yield f"<h2>{escape(run['name'])}</h2>"
    settings = ", ".join(f"{key} {value}" for key, value in run["settings"].items() if value not in (None, False, 0))
    how = f"{run['method']} {run['url']}, {run['mode'].partition(',')[0]} loop"
    yield f"<p>{escape(how)}<br><small>{escape(settings)}</small></p>"
    for note in notes(run):
        yield f"<p><strong>Note:</strong> {escape(note)}</p>"
    for latency in (run["latency"], run["corrected"]):
        if latency is not None:
            yield f"<p>Latency, {MEASURED_FROM[latency['measured_from']]}:</p>"
            yield from _latency(latency)
    counted = [*run["statuses"].items(), *run["errors"].items()]
    if counted:
        yield from _table(("answers by status, errors by kind", "count"), [(kind, amount(n)) for kind, n in counted])


def _latency(latency: LatencyFigures) -> Iterator[str]:
    cells = {"min": latency["min"], **{f"{key} %": value for key, value in latency["percentiles"].items()}}
    cells |= {"max": latency["max"], "mean": round(latency["mean"]), "st. dev.": round(latency["stdev"])}
    return _table(tuple(cells), [[span(value) for value in cells.values()]])


def _differences(differences: Sequence[Difference], settings: Mapping[str, str]) -> Iterator[str]:
    yield "<table><tr><th>figure</th><th>before</th><th>now</th><th>ratio</th><th></th></tr>"
    run = None
    for one in differences:
        if one.run != run:
            run = one.run
            other = f" <small>(not the same load: {escape(settings[run])})</small>" if run in settings else ""
            yield f'<tr><th colspan="5">{escape(run)}{other}</th></tr>'
        yield (
            f"<tr><td>{escape(one.figure)}</td><td>{escape(one.text(one.old))}</td><td>{escape(one.text(one.new))}</td>"
            f'<td>{one.ratio:.2f}</td><td class="{one.direction}">{one.direction}</td></tr>'
        )
    yield "</table>"
