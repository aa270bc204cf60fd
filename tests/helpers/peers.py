"""The foreign peers: where they are, and what happens when one is missing.

The suite has no skipped tests: a module whose peer is missing is not collected, with a notice; where
TOOLKIT_REQUIRE_PEERS is set, it is collected and fails.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

__all__ = ["missing", "required"]

PROGRAMS = {
    "apache2": "/usr/sbin/apache2",
    "chromium": "/usr/bin/chromium",
    "curl": "/usr/bin/curl",
    "microsocks": "/usr/bin/microsocks",
    "nginx": "/usr/sbin/nginx",
    "node": "/usr/bin/node",
    "redis-server": "/usr/bin/redis-server",
    "tinyproxy": "/usr/bin/tinyproxy",
}
PACKAGES = ("aiohttp", "httpx", "uvicorn")


def program(name: str) -> str | None:
    """The path of a peer's program."""
    return shutil.which(name) or (PROGRAMS[name] if os.access(PROGRAMS[name], os.X_OK) else None)


def missing(names: list[str]) -> list[str]:
    """Those of the peers that are not installed."""
    return [
        name
        for name in names
        if (importlib.util.find_spec(name) is None if name in PACKAGES else program(name) is None)
    ]


def required() -> bool:
    """Whether a missing peer is a failure."""
    return bool(os.environ.get("TOOLKIT_REQUIRE_PEERS"))
