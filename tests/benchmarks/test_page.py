"""Tables, plots and the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from benchmarks import report
from benchmarks.core.bench import Row
from benchmarks.core.page import anchor, write
from benchmarks.core.results import Comparison, Quantity, Result, Spread, Target, kept
from benchmarks.core.svg import Bar, bars
from benchmarks.core.tables import Table, comparison_table, told, verdict

if TYPE_CHECKING:
    from pathlib import Path

RATE = Quantity("requests/s", "more")
SVG = "{http://www.w3.org/2000/svg}"


def compared(base: str | None = None) -> Comparison:
    """Two contestants in two rounds."""
    samples = {"toolkit": [{"requests/s": 2000.0}, {"requests/s": 2200.0}], "peer": [{"requests/s": 1000.0}] * 2}
    return Comparison("a load", [RATE], base, samples)


def test_a_table_as_text_has_its_figures_to_the_right() -> None:
    table = Table(["", "requests/s"], [["toolkit", "1,000"], ["a peer", "9"]])
    assert table.text().splitlines() == ["         requests/s", "toolkit       1,000", "a peer            9"]


def test_a_table_as_markdown_keeps_its_columns() -> None:
    assert Table(["a|b", "x"], [["c", "1"]]).markdown().splitlines() == ["| a\\|b | x |", "| --- | ---: |", "| c | 1 |"]


def test_figures_show_their_spread_where_there_is_one() -> None:
    assert told(Spread(1234.5, 1000, 2000), 1) == "1,234.5 (1,000.0 - 2,000.0)"
    assert told(Spread(1.234, 1.231, 1.234), 2) == "1.23"


def test_each_contestant_has_its_figure_and_our_ratio_to_it() -> None:
    table = comparison_table(compared())
    assert table.head == ["", "requests/s", "toolkit / it"]
    assert table.rows == [
        ["toolkit", "2,100 (2,000 - 2,200)", "-"],
        ["peer", "1,000", "2.10 (2.00 - 2.20)"],
    ]


def test_with_a_base_each_contestant_is_held_against_it() -> None:
    table = comparison_table(compared("peer"))
    assert table.head == ["", "requests/s", "x peer"]
    assert [row[2] for row in table.rows] == ["2.10 (2.00 - 2.20)", "-"]


def test_a_quantity_that_was_not_measured_is_a_dash() -> None:
    found = compared()
    found.samples["peer"] = [{}, {}]
    assert comparison_table(found).rows[1] == ["peer", "-", "-"]


@pytest.mark.parametrize(
    ("peers", "bound", "said"),
    [
        (("peer",), 2.0, "2.10 (2.00 - 2.20) x peer: met"),
        (("peer",), 3.0, "2.10 (2.00 - 2.20) x peer: **not met**"),
        (("stranger",), 1.0, "not measured"),
        ((), 2000.0, "2,100.0 (2,000.0 - 2,200.0): met"),
    ],
)
def test_a_verdict_says_what_was_reached(peers: tuple[str, ...], bound: float, said: str) -> None:
    target = Target("", "a load", "requests/s", "toolkit", peers, bound)
    assert verdict(target, target.judge([compared()])) == said


def test_a_plot_is_well_formed_and_to_scale() -> None:
    groups = {"Python <3>": [Bar("ours & theirs", Spread(50, 40, 60), True), Bar("peer", Spread(100, 100, 100), False)]}
    root = ET.fromstring(bars('a "load" < b', groups))
    assert root.tag == f"{SVG}svg"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts == ['a "load" < b', "Python <3>", "ours & theirs", "50", "peer", "100"]
    ours, theirs = (float(bar.attrib["width"]) for bar in root.iter(f"{SVG}rect"))
    assert theirs == pytest.approx(2 * ours, abs=0.1)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(0 < float(text.attrib["x"]) < width or text.attrib["x"] == "0" for text in root.iter(f"{SVG}text"))
    assert all(0 < float(text.attrib["y"]) < height for text in root.iter(f"{SVG}text"))


def test_a_plot_of_nothing_is_well_formed() -> None:
    assert ET.fromstring(bars("nothing", {})).tag == f"{SVG}svg"
    assert ET.fromstring(bars("zeros", {"": [Bar("zero", Spread(0, 0, 0), True)]})).tag == f"{SVG}svg"


def test_the_page_shows_what_was_kept_for_each_python(tmp_path: Path) -> None:
    target = Target("at least 2 x peer", "a load", "requests/s", "toolkit", ("peer",), 2.0)
    row = Row("row", "Rows & columns", "About it.", (target,), lambda bench: None)
    unmeasured = Row("other", "Another row", "", (), lambda bench: None)
    for python in ("3.11.7", "3.13.0"):
        machine = {"CPU": "a processor"}
        Result("row", python, "2026-01-02", 2, machine, {"peer": "1.5"}, ["a note"], [compared()]).save(tmp_path)
    page = tmp_path / "pages" / "page.md"
    write([row, unmeasured], kept(tmp_path), page)

    text = page.read_text()
    assert "Another row" not in text
    assert "| version of | Python 3.11 | Python 3.13 |" in text
    assert "| peer | 1.5 | 1.5 |" in text
    assert text.count("2.10 (2.00 - 2.20) x peer: met") == 2
    assert text.count("| peer | 1,000 | 2.10 (2.00 - 2.20) |") == 2
    assert text.count("- a note") == 1
    assert f"](#{anchor('Rows & columns')})" in text
    links = re.findall(r"\]\((?!#)([^)]+)\)", text)
    assert links == ["page/row-1.svg"]
    groups = ET.parse(page.parent / links[0]).getroot().iter(f"{SVG}text")
    assert {"Python 3.11", "Python 3.13"} <= {one.text for one in groups}


def test_plots_of_an_earlier_page_go(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.with_suffix("").mkdir()
    (page.with_suffix("") / "old-1.svg").write_text("")
    write([], {}, page)
    assert list(page.with_suffix("").iterdir()) == []
    assert "Nothing has been measured yet." in page.read_text()


def test_headings_are_found_where_they_are_put() -> None:
    assert anchor("A client's small GET, 64 at once") == "a-clients-small-get-64-at-once"


def test_a_report_of_nothing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["--results", str(tmp_path), "--page", str(tmp_path / "page.md")]) == 1
    assert "nothing was measured yet" in capsys.readouterr().err
