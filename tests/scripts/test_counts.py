"""Each kind of offence that `scripts/counts.py` looks for is caught, and what merely looks like one is not.

The samples are written into a small tree of their own. Words that the script searches text for are assembled here,
lest this file be counted.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).parents[2] / "scripts" / "counts.py"
IGNORE = "# type: " + "ignore"


class Counts(Protocol):
    """The script's part that the tests call."""

    def count(self, root: Path, junit: Sequence[Path] = ()) -> tuple[int, dict[str, list[tuple[str, str]]]]:
        """Return the tests that ran and the offences by kind."""

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Print a report and return the exit code."""


@pytest.fixture(scope="module")
def counts() -> Counts:
    """The script, imported by its path, since scripts/ is no package."""
    spec = importlib.util.spec_from_file_location("counts", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["counts"] = module
    spec.loader.exec_module(module)
    return cast("Counts", module)


def offences(counts: Counts, root: Path, path: str, text: str) -> dict[str, int]:
    """Write one file below `root` and return the counts above zero."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    _, found = counts.count(root)
    return {kind: len(all_of_it) for kind, all_of_it in found.items() if all_of_it}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("skips", "import pytest\n@pytest.mark.skip\ndef test(): ..."),
        ("skips", "import pytest\n@pytest.mark.skipif(True, reason='')\ndef test(): ..."),
        ("skips", "import pytest as p\npytestmark = p.mark.skip"),
        ("skips", "from pytest import mark\n@mark.skip\ndef test(): ..."),
        ("skips", "import pytest\ndef test(): pytest.skip('')"),
        ("skips", "from pytest import skip as leave\ndef test(): leave('')"),
        ("skips", "import pytest\nx = pytest.importorskip('x')"),
        ("skips", "import unittest\n@unittest.skip('')\nclass Test: ..."),
        ("xfails", "import pytest\n@pytest.mark.xfail\ndef test(): ..."),
        ("xfails", "import pytest\ndef test(): pytest.xfail('')"),
        ("xfails", "import pytest\nrows = [pytest.param(1, marks=pytest.mark.xfail)]"),
        ("sleeps in tests", "import asyncio\nasync def test(): await asyncio.sleep(0.1)"),
        ("sleeps in tests", "import asyncio\nasync def test(): await asyncio.sleep(delay=1)"),
        ("sleeps in tests", "import asyncio as aio\nasync def test(): await aio.sleep(x)"),
        ("sleeps in tests", "from asyncio import sleep as nap\nasync def test(): await nap(1)"),
        ("sleeps in tests", "import time\ndef test(): time.sleep(1)"),
        ("sleeps in tests", "def test():\n    from time import sleep\n    sleep(1)"),
        ("sleeps in tests", "import asyncio\nnap = asyncio.sleep"),
        ("retried tests", "import pytest\n@pytest.mark.flaky(reruns=2)\ndef test(): ..."),
        ("retried tests", "import pytest\n@pytest.mark.retry\ndef test(): ..."),
        ("retried tests", "from flaky import flaky\n@flaky\ndef test(): ..."),
        ("type: ignore without a code", f"x = 1  {IGNORE}"),
        ("type: ignore without a code", f"x = 1  {IGNORE}  # noqa: E501"),
        ("type: ignore without a code", "# mypy: " + "ignore-errors"),
    ],
)
def test_an_offence_in_a_test_is_counted(counts: Counts, tmp_path: Path, kind: str, text: str) -> None:
    assert offences(counts, tmp_path, "tests/test_x.py", text) == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio\nasync def test(): await asyncio.sleep(0)",
        "import asyncio\nasync def test(): await asyncio.sleep(0, 'result')",
        "from time import sleep\ndef test(): sleep(0)",
        f"x = 1  {IGNORE}[attr-defined]",
        f"x = '{IGNORE}'",
        "import pytest\n@pytest.mark.slow\ndef test(): ...",
        "skip = flaky = sleep = 1",
        "class Body:\n    def skip(self): ...\nBody().skip()",
    ],
)
def test_what_looks_like_an_offence_is_not_counted(counts: Counts, tmp_path: Path, text: str) -> None:
    assert offences(counts, tmp_path, "tests/test_x.py", text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "from typing import Any\ndef f(a: Any) -> None: ...",
        "from typing import Any\ndef f() -> dict[str, Any]: ...",
        "from typing import Any\nasync def f(*args: Any) -> None: ...",
        "from typing import Any\ndef f(**options: 'Any') -> None: ...",
        "import typing as t\ndef f(*, a: t.Any) -> None: ...",
        "from typing import Any as Whatever\ndef f(a: Whatever) -> None: ...",
        "from typing import Any\nclass A:\n    x: Any",
        "from typing import Any\nclass A:\n    def __init__(self, x: Any) -> None: ...",
        "from typing import Any\nclass A:\n    def __init__(self) -> None:\n        self.x: Any = 1",
        "from typing import Any\nclass A(dict[str, Any]): ...",
        "from typing import Any\nJson = dict[str, Any]",
        "from typing import Any\nx: list[Any] = []",
        "from typing import Any\n_Json = dict[str, Any]\ndef f(a: _Json) -> None: ...",
        "from typing import TYPE_CHECKING, Any\nif TYPE_CHECKING:\n    _A = Any\ndef f(a: _A) -> None: ...",
    ],
)
def test_any_in_a_public_signature_is_counted(counts: Counts, tmp_path: Path, text: str) -> None:
    assert offences(counts, tmp_path, "toolkit/x.py", text) == {"Any in public signatures": 1}


def test_any_behind_an_alias_of_another_module_is_counted(counts: Counts, tmp_path: Path) -> None:
    offences(counts, tmp_path, "toolkit/protocol/types.py", "from typing import Any\n_Json = dict[str, Any]")
    text = "from .protocol.types import _Json\ndef f(a: _Json) -> None: ..."
    assert offences(counts, tmp_path, "toolkit/x.py", text) == {"Any in public signatures": 1}


@pytest.mark.parametrize(
    "text",
    [
        "from typing import Any\ndef _f(a: Any) -> None: ...",
        "from typing import Any\nclass _A:\n    x: Any",
        "from typing import Any\nclass A:\n    def _f(self, x: Any) -> None: ...",
        "from typing import Any\ndef f() -> None:\n    x: Any = 1",
        "from typing import Any\ndef f() -> None:\n    def g(a: Any) -> None: ...",
        "class Any: ...\ndef f(a: Any) -> None: ...",
    ],
)
def test_any_that_no_caller_sees_is_not_counted(counts: Counts, tmp_path: Path, text: str) -> None:
    assert offences(counts, tmp_path, "toolkit/x.py", text) == {}


@pytest.mark.parametrize("path", ["pyproject.toml", "Makefile", ".ci/run"])
def test_retrying_turned_on_by_a_setting_is_counted(counts: Counts, tmp_path: Path, path: str) -> None:
    assert offences(counts, tmp_path, path, "pytest --re" + "runs=3\n") == {"retried tests": 1}


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_x" name="test_a"/>
{more}
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("skipped", "kind"),
    [("pytest.skip", "skips"), ("pytest.xfail", "xfails")],
)
def test_what_a_run_reports_is_counted(counts: Counts, tmp_path: Path, skipped: str, kind: str) -> None:
    case = f'<testcase classname="tests.test_x" name="test_b"><skipped type="{skipped}" message="why"/></testcase>'
    junit = tmp_path / "junit.xml"
    junit.write_text(JUNIT.format(more=case))
    ran, found = counts.count(tmp_path, [junit])
    assert ran == 2
    assert {kind: [tuple(one) for one in all_of_it] for kind, all_of_it in found.items() if all_of_it} == {
        kind: [("tests.test_x::test_b", "why")]
    }


def test_a_real_run_is_understood(counts: Counts, tmp_path: Path) -> None:
    """The junit file that this pytest writes, so that a change of its format cannot turn the count off."""
    mark = "pytest.mark."
    (tmp_path / "test_x.py").write_text(
        f"import pytest\n@{mark}skip\ndef test_a(): ...\n@{mark}xfail\ndef test_b(): assert 0\n"
        "def test_c(): pytest.skip('at run time')\ndef test_d(): ...\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir=.", "-p", "no:cacheprovider"]
    subprocess.run([*command, "--junitxml=junit.xml", "test_x.py"], cwd=tmp_path, check=True, capture_output=True)
    ran, found = counts.count(tmp_path, [tmp_path / "junit.xml"])
    assert ran == 4
    assert {kind: len(all_of_it) for kind, all_of_it in found.items() if all_of_it} == {"skips": 2, "xfails": 1}


@pytest.mark.parametrize("text", [None, "not xml", "<testsuites/>"], ids=["missing", "broken", "empty"])
def test_a_run_that_proves_nothing_is_an_error(
    counts: Counts, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    junit = tmp_path / "junit.xml"
    if text is not None:
        junit.write_text(text)
    assert counts.main(["--root", str(tmp_path), str(junit)]) == 2
    assert str(junit) in capsys.readouterr().err


def test_the_report_names_the_place_and_fails(
    counts: Counts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offences(counts, tmp_path, "tests/test_x.py", "import time\n\ntime.sleep(1)\n")
    assert counts.main(["--root", str(tmp_path)]) == 1
    assert "sleeps in tests: tests/test_x.py:3: time.sleep" in capsys.readouterr().out


def test_nothing_found_is_a_success(counts: Counts, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert counts.main(["--root", str(tmp_path)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 6
    assert all(row.endswith(" 0") for row in rows)
