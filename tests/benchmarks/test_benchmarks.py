"""The benchmarks run, check what they are answered, and print their tables. Figures mean nothing here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.slow


def run(*command: str) -> list[str]:
    """Run a benchmark; the lines that it printed."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / command[0]), *command[1:]], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # progress is for terminals
    return done.stdout.splitlines()


def test_http_json_compares_the_three_servers() -> None:
    lines = run("http_json.py", "--rounds", "1", "--seconds", "0.2", "--connections", "4", "--load", "python")
    rows = {name: figures for name, *figures in (line.split() for line in lines[-3:])}
    assert rows.keys() == {"toolkit", "uvicorn", "aiohttp"}
    assert rows["toolkit"][-2] == "1.00x"
    for figures in rows.values():
        assert int(figures[0].replace(",", "")) > 0


def test_signaling_reports_a_rate() -> None:
    options = ("--rounds", "2", "--concurrency", "1", "--chunk-range", "2", "--payload-size", "1000")
    last = run("signaling.py", *options)[-1]
    assert last.startswith("2 rounds: median ")
    assert " MB/s" in last


def test_signaling_passes_a_failure_on() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "signaling.py"), "--no-such-option"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "the self-test ended with" in done.stderr
