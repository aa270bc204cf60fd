"""How long an idle connection is good for, by the server's word and ours."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.keeping import idle_seconds, keep_alive_field


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        # RFC 2068 19.7.1.1: Keep-Alive: 1#keepalive-param
        ("timeout=5", (5, None)),
        ("timeout=5, max=100", (5, 100)),
        ("max=100,timeout=5", (5, 100)),
        ("Timeout=5, MAX=100", (5, 100)),
        (" timeout = 5 ", (5, None)),
        ("timeout=0", (0, None)),
        ("max=0", (None, 0)),
        ("timeout=5, timeout=7", (5, None)),  # the first word counts
        ("timeout=x, timeout=7", (7, None)),
        ("", (None, None)),
        ("timeout", (None, None)),
        ("timeout=", (None, None)),
        ("timeout=-1", (None, None)),
        ("timeout=1.5", (None, None)),
        ("timeout=\u0665", (None, None)),  # a digit, but not of ASCII
        ("timeout=9999999999", (None, None)),
        ("timeout=5; max=3", (None, None)),
        ("idle=5, seconds=3", (None, None)),
    ],
)
def test_the_field(field: str, expected: tuple[int | None, int | None]) -> None:
    assert keep_alive_field(field) == expected


@given(st.text())
def test_no_field_raises(field: str) -> None:
    for number in keep_alive_field(field):
        assert number is None or 0 <= number < 10**9


@pytest.mark.parametrize(
    ("own", "timeout", "expected"),
    [
        (75, None, 75),
        (None, None, math.inf),
        (75, 5, 4),  # Node's default: a second before its end
        (None, 5, 4),
        (75, 1, 0.5),
        (75, 2, 1),
        (75, 0, 0),
        (3, 5, 3),
        (75, 10_000, 75),
    ],
)
def test_the_shorter_of_both_counts_and_the_servers_less_a_margin(
    own: float | None, timeout: int | None, expected: float
) -> None:
    assert idle_seconds(own, timeout) == expected
