"""Two documents side by side: each figure as a ratio, and whether that is better or worse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.errors import ToolkitError
from toolkit.other.bench.quantities import amount, size, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from toolkit.other.bench.figures import Document, RunFigures

__all__ = ["Difference", "NothingInCommon", "compare", "comparison", "other_settings", "worse_than"]

SLIGHT: Final = 0.02  # of the older figure; two runs of the same thing differ by as much


class NothingInCommon(ToolkitError):
    """No run of one document has a counterpart in the other."""


class Difference(NamedTuple):
    """One figure in both documents. `judged`: `--fail-over` looks at it (the far tail is decided by a few requests)."""

    run: str
    figure: str
    old: float
    new: float
    more_is_better: bool
    judged: bool
    text: Callable[[float], str]

    @property
    def ratio(self) -> float:
        """New over old."""
        if self.old:
            return self.new / self.old
        return math.inf if self.new else 1.0

    @property
    def worse_by(self) -> float:
        """By how much of the old figure the new one is worse; negative where it is better."""
        if not self.old:
            return 0.0 if not self.new else -math.inf if self.more_is_better else math.inf
        change = self.ratio - 1
        return -change if self.more_is_better else change

    @property
    def direction(self) -> str:
        """In a word."""
        if abs(self.worse_by) <= SLIGHT:
            return "same"
        return "worse" if self.worse_by > 0 else "better"


def _share(value: float) -> str:
    return f"{value:.3%}"


def _differences(old: RunFigures, new: RunFigures) -> Iterator[Difference]:
    def one(
        figure: str, was: float, now: float, text: Callable[[float], str], *, more: bool = False, judged: bool = True
    ) -> Difference:
        return Difference(new["name"], figure, was, now, more, judged, text)

    yield one("requests/s", old["rate"], new["rate"], amount, more=True)
    for figure, key in (("received/s", "received"), ("sent/s", "sent")):
        yield one(figure, _by_second(old, key), _by_second(new, key), size, more=True, judged=False)
    was, now = old["latency"], new["latency"]
    yield one("mean", was["mean"], now["mean"], span, judged=False)
    for percentage in new["latency"]["percentiles"]:
        if percentage in was["percentiles"]:
            before, after = was["percentiles"][percentage], now["percentiles"][percentage]
            yield one(f"{percentage} %", before, after, span, judged=float(percentage) <= 99)
    yield one("max", was["max"], now["max"], span, judged=False)
    yield one("errors", _errors(old), _errors(new), _share)


def _by_second(found: RunFigures, key: str) -> float:
    number = found["received"] if key == "received" else found["sent"]
    return number / found["seconds"] if found["seconds"] else 0.0


def _errors(found: RunFigures) -> float:
    """Errors for each answer or error."""
    errors = sum(found["errors"].values())
    return errors / max(1, found["answers"] + errors)


def compare(old: Document, new: Document) -> list[Difference]:
    """Every figure of the runs with the same name, or of the only run on each side. Raises `NothingInCommon`."""
    pairs = _pairs(old, new)
    if not pairs:
        names = ", ".join(found["name"] for found in old["runs"]) or "no runs"
        raise NothingInCommon(
            f"nothing to compare with: the older document has {names}; expected a run of the same name"
        )
    return [difference for pair in pairs for difference in _differences(*pair)]


def _pairs(old: Document, new: Document) -> list[tuple[RunFigures, RunFigures]]:
    if len(old["runs"]) == len(new["runs"]) == 1:
        return [(old["runs"][0], new["runs"][0])]
    before = {found["name"]: found for found in old["runs"]}
    return [(before[found["name"]], found) for found in new["runs"] if found["name"] in before]


def other_settings(old: Document, new: Document) -> dict[str, str]:
    """By the runs' names, what was asked for in another way: their figures are answers to other questions."""
    found = {}
    for before, now in _pairs(old, new):
        was, asked = before["settings"], now["settings"]
        changed = [f"{key} {was.get(key)} -> {asked[key]}" for key in asked if asked[key] != was.get(key)]
        if before["mode"] != now["mode"]:
            changed.insert(0, f"{before['mode']} -> {now['mode']}")
        if changed:
            found[now["name"]] = ", ".join(changed)
    return found


def worse_than(differences: list[Difference], percent: float) -> list[Difference]:
    """Those judged figures that are worse by more than so many percent."""
    return [one for one in differences if one.judged and one.worse_by * 100 > percent]


def comparison(differences: list[Difference], settings: Mapping[str, str]) -> str:
    """As a table, with what `other_settings` found, and a line break at its end."""
    lines = []
    run = None
    for one in differences:
        if one.run != run:
            run = one.run
            lines += ["", f"{run}, compared"]
            if run in settings:
                lines.append(f"  note: not the same load: {settings[run]}")
            lines.append(f"  {'':<11}{'before':>12}{'now':>12}{'ratio':>9}")
        star = "" if one.judged else "  (not judged)"
        ratio = f"{one.ratio:.2f}x" if math.isfinite(one.ratio) else "new"
        lines.append(
            f"  {one.figure:<11}{one.text(one.old):>12}{one.text(one.new):>12}{ratio:>9}  {one.direction}{star}"
        )
    return "\n".join([*lines[1:], ""])
