"""The build hook: what a wheel holds, and what happens where nothing can be compiled. No build here compiles.

That the list in pyproject.toml does compile is shown by the suite itself, which `make test` runs once more in an
environment where this package is installed with TOOLKIT_COMPILE=1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from .compilation import compiled_modules
from .package import REPOSITORY, modules

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
NO_COMPILER = {"CC": "/nowhere/cc"}


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel into the folder by the backend's own call, as pip does."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "TOOLKIT_COMPILE")}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return subprocess.run(
        command, cwd=REPOSITORY, env={**kept, **environment}, capture_output=True, text=True, check=False
    )


def contents(folder: Path) -> tuple[str, set[str]]:
    """The wheel's name, and what of the package is in it."""
    (wheel,) = folder.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        return wheel.name, {name for name in archive.namelist() if name.startswith("toolkit/")}


def sources() -> set[str]:
    """Modules, and what goes with them."""
    pages = (REPOSITORY / "toolkit" / "server" / "openapi").glob("page.*")
    others = {"toolkit/py.typed", *(str(path.relative_to(REPOSITORY)) for path in pages)}
    return {str(path.relative_to(REPOSITORY)) for path in modules().values()} | others


def test_a_wheel_that_is_not_to_be_compiled_is_good_for_every_platform(tmp_path: Path) -> None:
    done = build(tmp_path, TOOLKIT_COMPILE="0")
    assert (done.returncode, done.stderr) == (0, "")
    name, files = contents(tmp_path)
    assert name.endswith("-py3-none-any.whl")
    assert files == sources()


def test_without_a_compiler_one_line_says_so_and_the_wheel_is_interpreted(tmp_path: Path) -> None:
    done = build(tmp_path, **NO_COMPILER)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "toolkit is not compiled and will run interpreted: there is no C compiler (/nowhere/cc)"
    ]
    name, files = contents(tmp_path)
    assert name.endswith("-py3-none-any.whl")
    assert files == sources()


def test_without_a_compiler_a_demand_to_compile_fails(tmp_path: Path) -> None:
    done = build(tmp_path, TOOLKIT_COMPILE="1", **NO_COMPILER)
    assert done.returncode != 0
    assert "there is no C compiler" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_any_other_wish_is_refused(tmp_path: Path) -> None:
    done = build(tmp_path, TOOLKIT_COMPILE="yes")
    assert done.returncode != 0
    assert "TOOLKIT_COMPILE='yes': expected 1" in done.stderr


def test_only_a_build_that_may_compile_needs_a_compiler_s_packages() -> None:
    program = "from hatchling.build import get_requires_for_build_wheel as get; print(*get(), sep='\\n')"

    def required(**environment: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split("\n")[:-1]

    assert not [name for name in required(TOOLKIT_COMPILE="0") if name.startswith(("mypy", "setuptools"))]
    assert [name for name in required(TOOLKIT_COMPILE="1") if name.startswith("mypy==")]


def test_an_editable_install_is_not_compiled(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("build_wheel", "build_editable"), str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "TOOLKIT_COMPILE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path)[1] == set()


@pytest.mark.parametrize("module", compiled_modules())
def test_what_is_compiled_is_there(module: str) -> None:
    assert module in modules()
