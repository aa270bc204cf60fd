"""All benchmarks run once, briefly, beside the peers that the tests have anyway; then the page is written."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from benchmarks.core.results import ROOT, Result
from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.core.bench import Row

pytestmark = pytest.mark.slow

BRIEFLY = ("--here", "--load", "python", "--rounds", "1", "--seconds", "0.05", "--size", "1", "--connections", "20")
PEERS = ("aiohttp", "raw protocol", "splice loop", "floor")


class Ran(NamedTuple):
    """One run of all."""

    printed: str
    results: Path
    page: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run all of them in one process, whose output is no terminal."""
    folder = tmp_path_factory.mktemp("benchmarks")
    page = folder / "page.md"
    where = ("--results", str(folder), "--page", str(page))
    surroundings = {name: value for name, value in os.environ.items() if name != "TOOLKIT_REQUIRE_PEERS"}
    command = [sys.executable, "-m", "benchmarks", *BRIEFLY, *where, "--peers", *PEERS]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")  # progress is for terminals
    return Ran(done.stdout, folder / "{}.{}".format(*sys.version_info[:2]), page)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.timeout(120)
def test_it_measures_ours(ran: Ran, row: Row) -> None:
    result = Result.load(ran.results / f"{row.name}.json")
    assert result.program == row.name
    assert result.comparisons
    for comparison in result.comparisons:
        assert comparison.samples
        for figures in comparison.samples.values():
            assert len(figures) == 1
            assert figures[0].keys() <= {quantity.name for quantity in comparison.quantities}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_its_targets_name_what_it_measures(ran: Ran, row: Row) -> None:
    """A target that is misspelt would never be met, and nobody would know why."""
    comparisons = Result.load(ran.results / f"{row.name}.json").comparisons
    measured = {(one.title, quantity.name) for one in comparisons for quantity in one.quantities}
    assert [target.text for target in row.targets if (target.comparison, target.quantity) not in measured] == []


def test_it_prints_tables_and_targets(ran: Ran) -> None:
    for row in ROWS:
        assert f"{row.title}; Python {sys.version_info[0]}." in ran.printed
        for target in row.targets:
            assert f"\n{target.text}: " in ran.printed


def test_the_page_has_every_row(ran: Ran) -> None:
    text = ran.page.read_text()
    for row in ROWS:
        assert f"\n## {row.title}\n" in text
        assert (ran.page.with_suffix("") / f"{row.name}-1.svg").exists()
