"""Every async test runs on plain asyncio and on uvloop; whatever reaches a loop's exception handler fails the test."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest
import uvloop

from .helpers.tls import authority

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import trustme

_recorded: list[str] = []


def _record(loop: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    details = ", ".join(f"{key}={value!r}" for key, value in context.items() if key != "message")
    _recorded.append(f"{context.get('message')}: {details}")


def _watched(make: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    def factory() -> asyncio.AbstractEventLoop:
        loop = make()
        loop.set_exception_handler(_record)
        return loop

    return factory


_FACTORIES = {"asyncio": _watched(asyncio.SelectorEventLoop), "uvloop": _watched(uvloop.new_event_loop)}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that every async test runs on, by the name in the test's id."""
    return _FACTORIES


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test whose loop was told of an exception that nobody took."""
    _ = yield
    if "_asyncio_loop_factory" in getattr(item, "fixturenames", ()):
        gc.collect(1)  # an exception that nobody retrieved is reported when its task is collected
    if _recorded:
        told = "\n".join(_recorded)
        _recorded.clear()
        pytest.fail(f"the loop's exception handler was called:\n{told}", pytrace=False)


@pytest.fixture
def loop_errors() -> list[str]:
    """What reached the loop's exception handler so far in this test."""
    return _recorded


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """The certificate authority that the served applications' certificates come from."""
    return authority()
