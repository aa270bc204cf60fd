"""What a session may be told about its connections, and what it is told when that is nonsense."""

from __future__ import annotations

import re
from typing import Any

import pytest

from toolkit import Connecting, PoolLimits
from toolkit.errors import UseError


def test_what_stands_without_a_word() -> None:
    limits = PoolLimits()
    assert (limits.connections, limits.per_origin, limits.waiting, limits.uses, limits.age) == (
        100,
        100,
        None,
        None,
        None,
    )
    how = Connecting()
    assert (how.resolver, how.dns_seconds, how.next_address, how.local()) == (
        None,
        10,
        0.25,
        None,
    )  # RFC 8305 5: 250 ms


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"connections": 0}, "PoolLimits(connections=0): expected a whole number from 1 on"),
        ({"connections": None}, "PoolLimits(connections=None): expected a whole number from 1 on"),
        ({"connections": True}, "PoolLimits(connections=True): expected a whole number from 1 on"),
        ({"per_origin": 1.5}, "PoolLimits(per_origin=1.5): expected a whole number from 1 on"),
        ({"per_origin": "2"}, "PoolLimits(per_origin='2'): expected a whole number from 1 on"),
        ({"waiting": -1}, "PoolLimits(waiting=-1): expected a whole number from 0 on"),
        ({"uses": 0}, "PoolLimits(uses=0): expected a whole number from 1 on"),
        ({"age": -1}, "PoolLimits(age=-1): expected seconds from 0 on, or None"),
        ({"age": float("nan")}, "PoolLimits(age=nan): expected seconds from 0 on, or None"),
    ],
)
def test_limits_that_make_no_sense(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UseError, match=f"^{re.escape(why)}$"):
        PoolLimits(**given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"resolver": "8.8.8.8"}, "Connecting(resolver='8.8.8.8'): expected a function of a host and a port"),
        ({"dns_seconds": None}, "Connecting(dns_seconds=None): expected seconds from 0 on"),
        ({"dns_seconds": -1}, "Connecting(dns_seconds=-1): expected seconds from 0 on"),
        ({"next_address": "1"}, "Connecting(next_address='1'): expected seconds from 0 on"),
        ({"dns_names": -1}, "Connecting(dns_names=-1): expected a whole number from 0 on"),
        ({"dns_names": 0.5}, "Connecting(dns_names=0.5): expected a whole number from 0 on"),
        ({"local_addr": "eth0"}, "Connecting(local_addr='eth0'): expected an IP address as text, or (address, port)"),
        ({"local_addr": ("127.0.0.1", "x")}, "expected an IP address as text, or (address, port)"),
        ({"local_addr": ("127.0.0.1",)}, "expected an IP address as text, or (address, port)"),
        ({"local_addr": 127}, "Connecting(local_addr=127): expected an IP address as text, or (address, port)"),
    ],
)
def test_ways_to_connect_that_make_no_sense(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UseError, match=re.escape(why)):
        Connecting(**given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("127.0.0.1", ("127.0.0.1", 0)), (("127.0.0.1", 4000), ("127.0.0.1", 4000)), ("::1", ("::1", 0))],
)
def test_a_local_address_with_and_without_port(given: str | tuple[str, int], expected: tuple[str, int]) -> None:
    assert Connecting(local_addr=given).local() == expected
