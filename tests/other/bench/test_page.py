"""The page: self-contained, with all figures, and with nothing of a name's that could be taken for HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from toolkit.other.bench.compare import compare
from toolkit.other.bench.page import page

from .samples import OPTIONS, run_document, run_figures

VOID = {"meta", "br"}


class Strict(HTMLParser):
    """Collects text, and insists that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> str:
    parser = Strict()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return "\n".join(parser.texts)


def test_the_page_has_the_figures_and_the_plots() -> None:
    html = page(run_document(run_figures(errors=4), run_figures(replace(OPTIONS, name="<b>other</b>", rate=9.0))))
    text = read(html)
    assert "<b>other</b>" in text  # as text
    assert "<b>other" not in html
    for words in (
        "a run",
        "2,500",
        "timeout",
        "99.99 %",
        "Latency by percentile",
        "Errors a second",
        "coordinated omission",
    ):
        assert words in text
    assert html.startswith("<!doctype html>")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = page(run_document())
    assert re.findall(r"(?:href|src=|url\(|@import|<script|<link)", html) == []


def test_a_correction_is_on_the_page() -> None:
    assert "HDR's correction" in read(page(run_document(run_figures(replace(OPTIONS, expected_interval=0.001)))))


def test_differences_are_on_the_page() -> None:
    old, new = run_document(), run_document(run_figures(slower=2.0))
    html = page(new, compare(old, new), old)
    text = read(html)
    assert 'class="worse"' in html
    assert "Compared" in text
    assert "a run (before)" in text
    assert "not the same load" not in text
    assert "Compared" not in read(page(new))
    new = run_document(run_figures(replace(OPTIONS, connections=8)))
    assert "connections 64 -> 8" in read(page(new, compare(old, new), old))


def test_notes_are_on_the_page() -> None:
    assert "the run was interrupted" in read(page(run_document(run_figures(interrupted=True))))
