"""`scripts/states.py`: the drawing in docs/architecture.md is that of the code, and a stale one is noticed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.protocol.states import TRANSITIONS, Event, State

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "states.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_document_is_up_to_date() -> None:
    done = run("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_document_is_told_and_left_alone_then_drawn_anew(tmp_path: Path) -> None:
    document = tmp_path / "architecture.md"
    stale = TEXT.replace("| **RAW** |", "| **COOKED** |")
    assert stale != TEXT
    document.write_text(stale, encoding="utf-8")
    told = run("--check", document)
    assert told.returncode == 1
    assert "stale" in told.stderr
    assert document.read_text(encoding="utf-8") == stale
    assert run(document).returncode == 0
    assert document.read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize(
    "text", ["", TEXT.replace("<!-- states end -->\n", ""), TEXT + TEXT], ids=["empty", "no end", "twice"]
)
def test_a_document_without_its_marks_is_an_error(tmp_path: Path, text: str) -> None:
    document = tmp_path / "architecture.md"
    document.write_text(text, encoding="utf-8")
    assert run("--check", document).returncode == run(document).returncode == 2
    assert document.read_text(encoding="utf-8") == text


def test_a_missing_document_is_an_error(tmp_path: Path) -> None:
    assert run(tmp_path / "none.md").returncode == 2


def test_the_diagram_has_every_transition_and_no_other() -> None:
    drawn = {
        (State[one], Event[event]): State[other]
        for one, other, events in re.findall(r"^    (\w+) --> (\w+): (.+)$", TEXT, re.MULTILINE)
        for event in events.split(", ")
    }
    assert drawn == TRANSITIONS
    assert re.findall(r"^    \[\*\] --> (\w+)$", TEXT, re.MULTILINE) == ["IDLE"]


def test_the_table_has_every_transition_and_no_other() -> None:
    head = next(line for line in TEXT.splitlines() if line.startswith("| state |"))
    events = [Event[cell.strip()] for cell in head.strip("|").split("|")[1:]]
    assert events == list(Event)
    written = {
        (State[row[0]], event): State[cell.strip()]
        for row in re.findall(r"^\| \*\*([A-Z]+)\*\* \|(.*)\|$", TEXT, re.MULTILINE)
        for event, cell in zip(events, row[1].split("|"), strict=True)
        if cell.strip()
    }
    assert written == TRANSITIONS
