"""Where contestants run: a virtual environment of their own, and the programs that Debian has."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.core.progress import progress
from benchmarks.core.results import ROOT

__all__ = ["Environment", "EnvironmentFailed", "here", "normal", "prepare"]

REQUIREMENTS: Final = ROOT / "benchmarks" / "requirements.txt"
#: The programs that are peers or tools, and the Debian package of each.
PROGRAMS: Final = {"wrk": "wrk", "nginx": "nginx-light", "haproxy": "haproxy"}

ASK: Final = """
import importlib.metadata, json, pathlib, platform, sysconfig
found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions() if one.metadata["Name"]}
compiled = len(list(pathlib.Path("toolkit").rglob("*" + sysconfig.get_config_var("EXT_SUFFIX"))))
found["toolkit"] = f"compiled ({compiled} modules)" if compiled else "interpreted"
print(json.dumps([platform.python_version(), found]))
"""


class EnvironmentFailed(Exception):
    """No interpreter, or this package itself does not install."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter, and the distributions in it by their normal names; `toolkit` tells in which form ours runs."""

    python: str
    version: str
    distributions: dict[str, str]
    failed: dict[str, str] = field(default_factory=dict)  # requirement: why it did not install

    def version_of(self, name: str) -> str | None:
        """The version of a distribution or a program; None where it is not there."""
        if name not in PROGRAMS:
            return self.distributions.get(normal(name))
        path = program(name)
        if path is None:
            return None
        # nginx and haproxy want -v, wrk knows no such option and tells its version with its usage.
        done = subprocess.run([path, "-v"], capture_output=True, text=True, check=False, timeout=20)
        found = re.search(r"\d+(\.\d+)+", done.stderr + done.stdout)
        return found[0] if found else "unknown"

    def how_to_get(self, name: str) -> str:
        """One line for whoever misses a peer."""
        if name in PROGRAMS:
            return f"apt install {PROGRAMS[name]}"
        why = self.failed.get(normal(name))
        return f"pip could not install it: {why}" if why else f"pip install {name}"


def normal(name: str) -> str:
    """A distribution's name as all spellings of it agree (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def program(name: str) -> str | None:
    """The path of a program; Debian keeps servers in a directory that is on root's path only."""
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def here() -> Environment:
    """The interpreter that runs this, with what is installed in it."""
    return _ask(sys.executable, {})


def prepare(wanted: str | None = None) -> Environment:
    """The benchmarks' own environment for an interpreter (`3.13`, a path; None: this one), made where it is missing.

    Raises `EnvironmentFailed` when there is no such interpreter, or this package does not install into it. A peer that
    does not install is remembered with the reason, and left out.
    """
    base = _interpreter(wanted)
    version, prefix = _run([base, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"]).split()
    folder = ROOT / ".cache" / f"bench-venv-{version}"
    python, stamp = str(folder / "bin" / "python"), folder / "installed.json"
    recipe = prefix + REQUIREMENTS.read_text() + (ROOT / "pyproject.toml").read_text()
    told = json.loads(stamp.read_text()) if stamp.exists() else {}
    if told.get("recipe") != recipe:
        progress(f"making {folder.name}")
        # By our own pip: the interpreter may come without one, as Debian's does.
        _run([base, "-m", "venv", "--clear", "--without-pip", str(folder)])
        install = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "-qq", "install"]
        _run([*install, "-e", f"{ROOT}[all]"])
        told = {"recipe": recipe, "failed": _install_peers(install)}
        stamp.write_text(json.dumps(told))
        progress("")
    return _ask(python, told["failed"])


def _install_peers(install: list[str]) -> dict[str, str]:
    failed = {}
    for line in REQUIREMENTS.read_text().splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement:
            progress(f"installing {requirement}")
            done = subprocess.run([*install, requirement], capture_output=True, text=True, check=False)
            if done.returncode:
                errors = [one for one in done.stderr.splitlines() if "rror" in one] or ["no reason given"]
                failed[normal(re.split(r"[<>=!~ \[]", requirement)[0])] = errors[-1].strip()
    return failed


def _ask(python: str, failed: dict[str, str]) -> Environment:
    version, found = json.loads(_run([python, "-c", ASK]))
    return Environment(python, version, {normal(name): which for name, which in found.items()}, failed)


def _interpreter(wanted: str | None) -> str:
    if wanted is None:
        return sys.executable
    if os.sep in wanted:
        return wanted
    # Asked of the interpreter itself, since a shim of that name may answer for a version that is not there.
    candidates = [
        f"python{wanted}",
        *map(str, sorted(Path.home().glob(f".pyenv/versions/{wanted}*/bin/python{wanted}"))),
    ]
    for candidate in candidates:
        try:
            if _run([candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip() == wanted:
                return candidate
        except EnvironmentFailed:
            continue
    raise EnvironmentFailed(f"no Python {wanted} found; --python takes a path as well")


def _run(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        details = getattr(error, "stderr", None) or str(error)
        raise EnvironmentFailed(f"{' '.join(command[:5])}: {details.strip().splitlines()[-1]}") from error
