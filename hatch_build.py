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
LIBRARY = "toolkit._native"
FLAGS = ("-fvisibility=hidden", "-fno-semantic-interposition")
# Types of libraries that are not installed here, and errors in modules that stay as they are, do not matter.
OPTIONS = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")

# Faults of the compiler's own runtime, mended in a copy of it: file, what it says, what it should.
MENDED = (
    # An exception is handed on to what is awaited by a call of three arguments, and Python 3.12 and later warn of that.
    (
        "misc_ops.c",
        "PyObject_CallFunctionObjArgs(_m, type, value, traceback, NULL)",
        "PyObject_CallFunctionObjArgs(_m, value, NULL)",
    ),
    # A slice of bytes that ends before it begins is a SystemError.
    (
        "bytes_ops.c",
        "Py_ssize_t slice_len = endn - startn;",
        "Py_ssize_t slice_len = endn > startn ? endn - startn : 0;",
    ),
)


class NotCompiledError(Exception):
    """Why the modules stay interpreted."""


def wish() -> str:
    """What the environment asks for: "1", "0", or "" for what can be had. Raises ValueError for anything else."""
    value = os.environ.get(VARIABLE, "")
    if value not in ("", "0", "1"):
        raise ValueError(f"{VARIABLE}={value!r}: expected 1 (compile or fail), 0 (do not compile), or nothing")
    return value


def obstacle() -> str | None:
    """What is missing here to compile anything; None where it can be tried."""
    if platform.python_implementation() != "CPython":
        return f"{platform.python_implementation()} gains nothing by it"
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if not command or shutil.which(command[0]) is None:
        return f"there is no C compiler ({command[0] if command else 'CC is not set'})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's header files are not installed"
    return None


def mend(runtime: Path, folder: Path) -> Path:
    """Copies of the runtime's files with a fault in them, without it; a folder that comes first among the includes."""
    folder.mkdir()
    for name, wrong, right in MENDED:
        text = (runtime / name).read_text(encoding="utf-8")
        if text.count(wrong) != 1:
            raise NotCompiledError(f"mypyc's {name} is another one than this build knows")
        (folder / name).write_text(text.replace(wrong, right), encoding="utf-8")
    return folder


def compile_modules(root: str, paths: list[str], folder: Path) -> dict[str, str]:
    """Compile into `folder`; returns each library and its place in the wheel. Raises `NotCompiledError`."""
    try:
        from mypyc.build import include_dir, mypycify
        from setuptools import Distribution

        with contextlib.chdir(root):
            extensions = mypycify(
                [*OPTIONS, *paths], opt_level="3", debug_level="0", target_dir=str(folder / "c"), group_name=LIBRARY
            )
            mended = mend(Path(include_dir()), folder / "mended")
            for extension in extensions:
                extension.include_dirs.insert(0, str(mended))
                if os.name == "posix":
                    kept = [flag for flag in extension.extra_compile_args if flag != "-Werror"]  # newer compilers warn
                    extension.extra_compile_args = [*kept, *FLAGS]
            command: Any = Distribution({"name": "toolkit", "ext_modules": extensions}).get_command_obj("build_ext")
            command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "o")
            command.parallel = os.cpu_count()
            command.ensure_finalized()
            command.run()
    except NotCompiledError:
        raise
    except SystemExit as error:  # mypy's way to say that it does not like a source
        raise NotCompiledError(f"mypyc: {error.code}") from error
    except Exception as error:
        raise NotCompiledError(f"{type(error).__name__}: {error}") from error
    return {output: str(Path(output).relative_to(folder / "lib")) for output in command.get_outputs()}


class CompilingHook(BuildHookInterface[Any]):
    """Found by hatchling in this file."""

    PLUGIN_NAME = "custom"
    folder: Path | None = None

    def dependencies(self) -> list[str]:
        """What the build needs: nothing for an interpreted wheel. Libraries that are typed make better code."""
        if wish() == "0" or (wish() == "" and obstacle() is not None):
            return []
        return [*COMPILER, *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is put together: compile into a folder of its own, and add what came of it."""
        asked = wish()
        if asked == "0" or version == "editable":
            return
        try:
            missing = obstacle()
            if missing is not None:
                raise NotCompiledError(missing)
            self.folder = Path(tempfile.mkdtemp(prefix="toolkit-build-"))
            libraries = compile_modules(self.root, list(self.config["compile"]), self.folder)
        except NotCompiledError as error:
            if asked == "1":
                raise
            self.app.display_warning(f"toolkit is not compiled and will run interpreted: {error}")
            return
        build_data["force_include"].update(libraries)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Behind the wheel: nothing is left."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
