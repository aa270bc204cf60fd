"""Draw the states of a message into docs/architecture.md, from the table that the code declares.

    python scripts/states.py             # draw the diagram and the table anew
    python scripts/states.py --check     # change nothing; exit code 1 where the drawing is stale

The drawing stands between two comments of the document, MARKS below; all the rest is written by hand. Exit code 2: the
document, or one of its marks, is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from toolkit.protocol.states import TRANSITIONS, Event, State  # noqa: E402 - a script finds its package first

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENT = ROOT / "docs" / "architecture.md"
MARKS = ("<!-- states: drawn by scripts/states.py -->\n", "<!-- states end -->\n")


def draw() -> str:
    """The diagram and the table."""
    return f"{diagram()}\n{table()}"


def diagram() -> str:
    """A Mermaid state diagram: one arrow for each pair of states, with all the events that lead along it."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, event), following in TRANSITIONS.items():
        arrows.setdefault((state, following), []).append(event.name)
    start = beginning()
    lines = [f"    [*] --> {start.name}"]
    lines += [f"    {one.name} --> {other.name}: {', '.join(events)}" for (one, other), events in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


def beginning() -> State:
    """Where a message begins: the one state that no other leads to."""
    (start,) = set(State) - {other for (one, _), other in TRANSITIONS.items() if one is not other}
    return start


def table() -> str:
    """A row for each state, a column for each event; an empty cell is a `LocalProtocolError`."""
    lines = [["state", *(event.name for event in Event)], ["---"] * (len(Event) + 1)]
    for state in State:
        followers = (TRANSITIONS.get((state, event)) for event in Event)
        lines.append([f"**{state.name}**", *("" if following is None else following.name for following in followers)])
    return "".join(f"| {' | '.join(cells)} |\n".replace("  ", " ") for cells in lines)


def redrawn(text: str) -> str:
    """The document with a fresh drawing. Raises ValueError where the marks are not there, once and in order."""
    begin, end = MARKS
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"expected {begin.strip()!r} and {end.strip()!r} once each, in this order")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{draw()}\n{end}{tail}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, or check; the exit code."""
    parser = argparse.ArgumentParser(description="Draw the states of a message into the architecture document.")
    parser.add_argument("document", nargs="?", type=Path, default=DOCUMENT)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the drawing is stale")
    options = parser.parse_args(arguments)
    try:
        text = options.document.read_text(encoding="utf-8")
        fresh = redrawn(text)
    except (OSError, ValueError) as error:
        print(f"states: {options.document}: {error}", file=sys.stderr)
        return 2
    if text == fresh:
        return 0
    if options.check:
        print(f"states: {options.document} is stale; run: python scripts/states.py", file=sys.stderr)
        return 1
    options.document.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
