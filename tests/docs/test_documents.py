"""What the documents point at is there: files, links, functions, dependencies."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from toolkit import FormLimits
from toolkit.server.abort import NAMED

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = [document.parent / link for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text)]
    paths = [ROOT / path for path in re.findall(r"`((?:toolkit|tests|scripts|examples|docs)/[\w/.]*)`", text)]
    assert [path for path in links + paths if not path.exists()] == []


def test_functions_are_where_the_document_says() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`(toolkit/[\w/]+\.py)` \(?`(\w+)`", text)
    assert len(named) > 8
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path, _ in named}
    assert [(path, name) for path, name in named if not re.search(rf"(def|class) {name}\b", sources[path])] == []


def test_every_module_of_the_package_has_its_layer() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "toolkit").rglob("*.py")} - {"toolkit"}
    assert [name for name in sorted(packages) if f"`{name}`" not in text] == []


def test_every_example_is_listed() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = [path.name for path in (ROOT / "examples").glob("*.py") if path.name != "__init__.py"]
    assert [name for name in examples if f"(examples/{name})" not in text] == []


def test_every_dependency_has_its_reason_and_no_other_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    needed = {re.match(r"[\w-]+(\[\w+\])?", one)[0] for one in wanted}  # type: ignore[index]
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    assert told == {one for one in needed if not one.startswith("streaming-toolkit")}


def test_the_limits_of_forms_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "forms.md").read_text(encoding="utf-8")
    units = {"": 1, "KiB": 1024, "MiB": 1024**2}
    rows = re.findall(r"^\| `(\w+)` \| (\d+) ?(\w*) \|", text, re.MULTILINE)
    assert [(name, int(number) * units[unit]) for name, number, unit in rows] == [
        (field.name, field.default) for field in fields(FormLimits)
    ]


def test_every_named_error_is_in_its_page() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)` (\d{3})", text))
    assert told == {(kind.__name__, str(status)) for status, kind in NAMED.items()}
