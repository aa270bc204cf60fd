"""The public face: each listed name is there, and `import toolkit` loads only what is asked for."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

import toolkit

from .package import REPOSITORY, ROOT, modules

#: Optional libraries, foreign peers of the tests, and what is heavy and not needed to begin with.
NOT_LOADED = (
    "aiohttp",
    "brotlicffi",
    "cryptography",
    "docstring_parser",
    "hdrh",
    "httpx",
    "hypothesis",
    "jinja2",
    "multipart",
    "publicsuffixlist",
    "pytest",
    "python_socks",
    "redis",
    "uvicorn",
    "uvloop",
    "xmltodict",
    "zstandard",
)


def loaded_by(statement: str) -> set[str]:
    """The top-level names of the modules that a fresh interpreter holds after the statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(names)


@pytest.mark.parametrize("name", toolkit.__all__)
def test_every_listed_name_is_there(name: str) -> None:
    assert getattr(toolkit, name) is not None


def test_the_list_is_sorted_and_without_repeats() -> None:
    names = list(toolkit.__all__)
    assert names == sorted(set(names))


def test_dir_shows_the_list() -> None:
    assert set(toolkit.__all__) <= set(dir(toolkit))


def test_a_name_that_is_not_listed_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(toolkit, "no_such_name")  # noqa: B009 - mypy would refuse the attribute, which is what is tested


def test_every_error_is_public() -> None:
    errors = importlib.import_module(f"{ROOT}.errors")
    assert set(errors.__all__) <= set(toolkit.__all__)


def test_the_version_is_the_package_s() -> None:
    assert toolkit.__version__ == importlib.import_module(f"{ROOT}._version").__version__


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_has_what_it_lists(module: str) -> None:
    loaded = importlib.import_module(module)
    missing = [name for name in getattr(loaded, "__all__", ()) if not hasattr(loaded, name)]
    assert missing == []


def test_import_is_lazy() -> None:
    """A program that wants one name pays for that one."""
    loaded = loaded_by("import toolkit")
    assert {name.split(".")[0] for name in loaded}.isdisjoint(NOT_LOADED)
    inner = {name for name in loaded if name.startswith(f"{ROOT}.")}
    assert inner <= {f"{ROOT}._version"}


def test_one_end_does_not_load_the_other() -> None:
    assert not any(name.startswith(f"{ROOT}.client") for name in loaded_by("from toolkit import App"))
    assert not any(name.startswith(f"{ROOT}.server") for name in loaded_by("from toolkit import Session"))


def test_an_application_loads_what_it_logs_with_when_it_does() -> None:
    loaded = loaded_by("from toolkit import App\nApp(headers={'x-a': '1'})")
    assert loaded.isdisjoint(
        {"toolkit.logs.outlet", "toolkit.server.templates", "toolkit.server.sse", "logging.handlers"}
    )


@pytest.mark.parametrize("name", ["App", "Session"])
def test_an_end_loads_no_optional_library(name: str) -> None:
    loaded = {name.split(".")[0] for name in loaded_by(f"from toolkit import {name}")}
    assert loaded.isdisjoint(set(NOT_LOADED) - {"uvloop"})
