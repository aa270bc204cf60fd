"""The programs in a document, and how they are run: blocks of Python, each with what it prints right behind it."""

from __future__ import annotations

import re
import runpy
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Program", "programs", "run_program"]


class Program(NamedTuple):
    """A fenced block of Python, the heading above it, and the text block right behind it: what the program prints."""

    title: str
    source: str
    output: str

    @property
    def name(self) -> str:
        """The file that its first line names, for those that others import; else one that nobody imports."""
        named = re.match(r"# (\w+\.py)\n", self.source)
        return named[1] if named else "program.py"


def programs(text: str) -> list[Program]:
    """All programs of a document."""
    block = re.compile(
        r"^```python\n(?P<source>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.MULTILINE | re.DOTALL
    )
    heading = re.compile(r"^#+ (.+)$", re.MULTILINE)
    found = []
    for one in block.finditer(text):
        titles = heading.findall(re.sub(r"^```.*?^```$", "", text[: one.start()], flags=re.MULTILINE | re.DOTALL))
        found.append(Program(titles[-1] if titles else "", one["source"], one["output"] or ""))
    return found


def run_program(program: Program, among: Sequence[Program], folder: Path) -> None:
    """Run it in a folder, which is on the path, beside those of the same document that have a file's name."""
    named = [one for one in among if one.name != "program.py"]
    for one in [*named, program]:
        (folder / one.name).write_text(one.source, encoding="utf-8")
    try:
        runpy.run_path(str(folder / program.name), run_name="document")
    finally:
        for one in named:
            sys.modules.pop(one.name.removesuffix(".py"), None)
