"""The programs in the pages run and print what the pages say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.programs import Program, programs, run_program

PAGES = {
    page.name: programs(page.read_text(encoding="utf-8")) for page in (Path(__file__).parents[2] / "docs").glob("*.md")
}
ALL = [(name, one) for name, page in sorted(PAGES.items()) for one in page]


@pytest.mark.parametrize(("page", "program"), [pytest.param(*one, id=f"{one[0]}-{one[1].title}") for one in ALL])
def test_a_program_prints_what_its_page_says(
    page: str, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    run_program(program, PAGES[page], tmp_path)
    assert capsys.readouterr().out == program.output
