"""Which form runs: all of the compiled modules are, or none is."""

from __future__ import annotations

import importlib

import pytest

from toolkit.protocol.compiled import compiled, mypyc_attr

from ..architecture.compilation import compiled_modules
from ..architecture.package import modules


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_runs_in_the_form_that_is_told(module: str) -> None:
    file = importlib.import_module(module).__file__
    assert file is not None
    assert file.endswith(".py") is not (compiled and module in compiled_modules())


def test_a_word_to_the_compiler_changes_nothing() -> None:
    @mypyc_attr(native_class=False)
    class Plain:
        pass

    assert Plain().__dict__ == {}
