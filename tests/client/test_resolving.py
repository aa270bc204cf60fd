"""Hosts' addresses: asked for once, remembered, and by whom."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING

import pytest

from toolkit import Connecting
from toolkit.client.resolving import Lookups, literal
from toolkit.errors import Disconnected, ResolveError, UseError

if TYPE_CHECKING:
    from toolkit.client.session_options import Resolver


def lookups(resolver: Resolver | None = None, seconds: float = 10) -> Lookups:
    return Lookups(asyncio.get_running_loop(), Connecting(resolver=resolver, dns_seconds=seconds))


async def told(these: Lookups, host: str, port: int = 80) -> list[str]:
    return [str(address) for address in await these.find(host, port)]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", (socket.AF_INET, ("127.0.0.1", 80))),
        ("::1", (socket.AF_INET6, ("::1", 80, 0, 0))),
        ("localhost", None),
        ("a.test", None),
        ("256.0.0.1", None),
        ("", None),
        ("x" * 300, None),
    ],
)
def test_what_is_an_address_already(host: str, expected: object) -> None:
    if host:
        assert literal(host, 80) == expected


async def test_the_system_knows_the_machine_itself() -> None:
    these = lookups()
    assert set(await told(these, "localhost")) <= {"127.0.0.1", "::1"}
    assert len(these.cache) == 1
    assert await told(these, "127.0.0.1") == ["127.0.0.1"]
    assert len(these.cache) == 1  # nothing to remember


async def test_a_name_without_an_address() -> None:
    # RFC 6761 6.4: nobody has a name below .invalid
    these = lookups()
    with pytest.raises(ResolveError, match="no address was found for this name") as caught:
        await these.find("nobody.invalid", 80)
    assert isinstance(caught.value.__cause__, socket.gaierror)
    assert len(these.cache) == 0


async def test_a_name_that_is_none() -> None:
    with pytest.raises(ResolveError):
        await lookups().find("x" * 300, 80)


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
async def test_a_resolver_of_ones_own(kind: str) -> None:
    asked: list[tuple[str, int]] = []

    def plain(host: str, port: int) -> list[str] | None:
        asked.append((host, port))
        return ["127.0.0.2", "::1"] if host == "a.test" else None

    async def waits(host: str, port: int) -> list[str] | None:
        await asyncio.sleep(0)
        return plain(host, port)

    these = lookups(plain if kind == "function" else waits)
    assert await told(these, "a.test", 8080) == ["127.0.0.2", "::1"]
    assert await told(these, "a.test", 8080) == ["127.0.0.2", "::1"]
    assert await told(these, "127.0.0.3") == ["127.0.0.3"]  # left to the system
    assert asked == [("a.test", 8080), ("127.0.0.3", 80)]  # remembered; and asked for addresses, too


@pytest.mark.parametrize("found", ["127.0.0.1", ["a.test"], [1], {"a": 1}, 5, [("127.0.0.1", 80)]])
async def test_a_resolver_that_returns_no_addresses(found: object) -> None:
    with pytest.raises(UseError, match=re.escape(f"the resolver returned {found!r} for a.test: expected a list of")):
        await lookups(lambda host, port: found).find("a.test", 80)  # type: ignore[arg-type,return-value]  # the mistake


async def test_a_resolver_that_finds_none() -> None:
    with pytest.raises(ResolveError, match="has no address"):
        await lookups(lambda host, port: []).find("a.test", 80)


async def test_what_a_resolver_raises_is_raised_and_not_remembered() -> None:
    errors = [PermissionError("not there"), None]

    def guard(host: str, port: int) -> list[str]:
        error = errors.pop(0)
        if error is not None:
            raise error
        return ["127.0.0.1"]

    these = lookups(guard)
    with pytest.raises(PermissionError, match="not there"):
        await these.find("10.0.0.1", 80)
    assert await told(these, "10.0.0.1") == ["127.0.0.1"]


class Slow:
    """A resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return ["127.0.0.1"]


async def test_a_name_that_is_being_asked_for_is_not_asked_for_again() -> None:
    slow = Slow()
    these = lookups(slow, seconds=0)
    waiting = [asyncio.ensure_future(told(these, "a.test")) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    waiting[0].cancel()  # he who asked first: the others still get it
    slow.answer.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert done[1:] == [["127.0.0.1"]] * 4
    assert slow.asked == 1
    assert await told(these, "a.test") == ["127.0.0.1"]
    assert slow.asked == 2  # nothing is kept for 0 s


async def test_an_error_that_nobody_waits_for_any_more_is_nobodys() -> None:
    slow = Slow()
    slow.error = OSError("too late")
    these = lookups(slow)
    asking = asyncio.ensure_future(told(these, "a.test"))
    for _ in range(3):
        await asyncio.sleep(0)
    asking.cancel()
    slow.answer.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert asking.cancelled()  # and the loop was told of no exception, which the tests' own rules check


async def test_closing_stops_what_is_being_asked_for() -> None:
    these = lookups(Slow())
    asking = asyncio.ensure_future(told(these, "a.test"))
    for _ in range(3):
        await asyncio.sleep(0)
    these.close()
    with pytest.raises(Disconnected, match="the session was closed"):  # he was not cancelled himself
        await asking
