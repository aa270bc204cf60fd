"""Each module imports alone: no order of imports has to be known, and no optional library has to be there.

One interpreter that has loaded nothing of the package forks once per module, which is a fresh interpreter for the
package at a fraction of the price.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .package import REPOSITORY, modules

#: What an import of the package must do without: the extras, and uvloop, which not every platform has.
OPTIONAL = ("brotlicffi", "zstandard", "xmltodict", "cryptography", "hdrh", "jinja2", "uvloop")

PROGRAM = """
import importlib, json, os, sys, traceback, warnings

modules, optional = json.loads(sys.argv[1])
for name in optional:
    sys.modules[name] = None  # an import of it raises ImportError
warnings.simplefilter("error")
failed = {}
for module in modules:
    assert not any(name.split(".")[0] == "toolkit" for name in sys.modules)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told = ""
        try:
            importlib.import_module(module)
        except BaseException:
            told = traceback.format_exc()
        os.write(writer, told.encode()[-4096:])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if told or status:
        failed[module] = told or f"ended with status {status}"
print(json.dumps(failed))
"""


def import_each(names: list[str], optional: tuple[str, ...] = OPTIONAL) -> dict[str, str]:
    """Import each module in a fresh interpreter; the traceback of each that fails."""
    command = [sys.executable, "-c", PROGRAM, json.dumps([names, optional])]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    failed: dict[str, str] = json.loads(done.stdout)
    return failed


@pytest.mark.slow
def test_each_module_imports_alone() -> None:
    failed = import_each(list(modules()))
    assert failed == {}, "\n".join(failed.values())


def test_a_module_that_does_not_is_noticed() -> None:
    failed = import_each(["json", "no_such_module", "uvloop", "antigravity.x"])
    assert failed.keys() == {"no_such_module", "uvloop", "antigravity.x"}
