"""A hang fails with the place where it hangs: every async test here is bounded from inside."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING

import pytest

from tests.helpers.peers import missing, required

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PEERS = {
    "test_foreign_auth.py": ["apache2", "curl", "httpx"],
    "test_foreign_servers.py": ["nginx", "aiohttp"],
    "test_foreign_servers_more.py": ["nginx", "aiohttp", "apache2", "node", "uvicorn"],
    "test_foreign_clients.py": ["curl", "httpx", "aiohttp"],
    "test_foreign_proxies.py": ["tinyproxy", "microsocks"],
    "test_static_files.py": ["nginx", "curl"],
    "test_browser.py": ["chromium"],
    "test_browser_openapi.py": ["chromium"],
}
collect_ignore = [] if required() else [name for name, peers in PEERS.items() if missing(peers)]
BOUND = 20.0  # seconds; a slow test says more by the timeout marker


def _bounded(test: Callable[..., Awaitable[None]], seconds: float) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def run(*args: object, **kwargs: object) -> None:
        async with asyncio.timeout(seconds):
            await test(*args, **kwargs)

    return run


def pytest_report_header() -> list[str]:
    """Say aloud what is not collected for want of a peer."""
    return [f"NOT COLLECTED: {name}: {', '.join(missing(PEERS[name]))} missing" for name in collect_ignore]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound every async test of this folder (hypothesis drives its own, which the runner's timeout bounds)."""
    for item in items:
        if not isinstance(item, pytest.Function) or not item.nodeid.startswith("tests/conformance/"):
            continue
        marker = item.get_closest_marker("timeout")
        seconds = float(marker.args[0]) - 5 if marker else BOUND
        if inspect.iscoroutinefunction(item.obj) and not hasattr(item.obj, "hypothesis"):
            item.obj = _bounded(item.obj, seconds)
