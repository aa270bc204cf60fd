"""The build hook: what is hot is compiled to C by mypyc, from the same sources, where that can be done.

    TOOLKIT_COMPILE unset   compile where there is a C compiler; where there is none, say so in a line and go on without
    TOOLKIT_COMPILE=1       compile, or fail
    TOOLKIT_COMPILE=0       do not: the wheel is good for every platform

An editable install is never compiled: a changed source next to its compiled module would not be what runs.
The modules are listed in pyproject.toml; the wheel has both forms of each, and `toolkit.compiled` says which one runs.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "TOOLKIT_COMPILE"
# One series: what it makes of the sources is part of the product, and is tested.
COMPILER = ("mypy==2.4.*", "setuptools>=77")
# All modules are one library, so that their calls of each other are C calls; nothing outside may replace a symbol.
FLAGS = ("-fvisibility=hidden", "-fno-semantic-interposition")
LIBRARY = "toolkit._native"


class NotCompiled(Exception):
    """Why the modules stay interpreted."""


def wish() -> str:
    """What the environment asks for: "1", "0", or "" for what can be had."""
    value = os.environ.get(VARIABLE, "")
    if value not in ("", "0", "1"):
        raise ValueError(f"{VARIABLE}={value!r}: expected 1 (compile or fail), 0 (do not compile), or nothing")
    return value


def obstacle() -> str | None:
    """What is missing here to compile anything; None where it can be tried."""
    if platform.python_implementation() != "CPython":
        return f"{platform.python_implementation()} gains nothing from compiled modules"
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if not command or shutil.which(command[0]) is None:
        return f"there is no C compiler ({command[0] if command else 'CC is not set'})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's header files are not installed"
    return None


def compile_modules(paths: list[str], folder: Path) -> dict[Path, str]:
    """Compile; returns the libraries and their places in the wheel. Raises `NotCompiled`."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    # Types of libraries that are not installed here, and errors in modules that stay as they are, do not matter.
    options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", "--no-error-summary"]
    try:
        extensions = mypycify(
            [*options, *paths],
            opt_level="3",
            debug_level="0",
            target_dir=str(folder / "c"),
            group_name=LIBRARY,
        )
        for extension in extensions:
            kept = [
                flag for flag in extension.extra_compile_args or () if flag != "-Werror"
            ]  # another compiler's opinion
            extension.extra_compile_args = [*kept, *FLAGS] if os.name == "posix" else kept
        command: Any = Distribution({"name": "toolkit", "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "o")
        command.ensure_finalized()
        command.run()
    except SystemExit as error:  # mypyc's way to say that it does not like a source
        raise NotCompiled(f"mypyc: {error.code}") from error
    except Exception as error:
        raise NotCompiled(f"{type(error).__name__}: {error}") from error
    return {Path(output): str(Path(output).relative_to(folder / "lib")) for output in command.get_outputs()}


class CompilingHook(BuildHookInterface[Any]):
    """Found by hatchling in this file."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs: nothing for an interpreted wheel. Libraries that are typed make better code."""
        if wish() == "0" or (wish() == "" and obstacle() is not None):
            return []
        return [*COMPILER, *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is put together: compile into a folder of its own, and add what came of it."""
        asked = wish()
        if version == "editable" or asked == "0":
            return
        missing = obstacle() if asked == "" else None
        if missing is not None:
            self.app.display_warning(f"not compiled: {missing}; toolkit will run interpreted")
            return
        self._folder = Path(tempfile.mkdtemp(prefix="toolkit-build-"))
        try:
            with contextlib.chdir(self.root):
                libraries = compile_modules(list(self.config["compile"]), self._folder)
        except NotCompiled as error:
            if asked == "1":
                raise
            self.app.display_warning(f"not compiled: {error}; toolkit will run interpreted")
            return
        build_data["force_include"].update({str(path): place for path, place in libraries.items()})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Behind the wheel: nothing is left."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
