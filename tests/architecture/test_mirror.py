"""Each module has its own tests where one looks for them: `toolkit/x/y.py` has `tests/x/test_y.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .package import REPOSITORY, ROOT, modules

if TYPE_CHECKING:
    from pathlib import Path

#: Module: why it has no test module of its own.
WITHOUT: dict[str, str] = {
    f"{ROOT}._version": "one constant; tests/architecture/test_exports.py reads it",
}


def own_tests(module: str) -> Path:
    """Where the tests of a module belong."""
    path = modules()[module].relative_to(REPOSITORY / ROOT)
    return REPOSITORY / "tests" / path.parent / f"test_{path.name}"


def mirrored() -> list[str]:
    """The modules that hold code of their own: packages' `__init__` files are tested by what they hold."""
    return [module for module, path in modules().items() if path.name != "__init__.py"]


def test_every_module_has_its_tests() -> None:
    missing = [module for module in mirrored() if not own_tests(module).exists() and module not in WITHOUT]
    assert not missing, "\n".join(missing)


def test_every_exception_is_used_and_has_a_reason() -> None:
    needless = [module for module in WITHOUT if module not in mirrored() or own_tests(module).exists()]
    assert not needless, "\n".join(needless)
    assert all(reason.strip() for reason in WITHOUT.values())
