"""Rate limits: so many in so much time, bounded memory, and what the refused are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import App, UseError
from toolkit.server.middleware.proxy_headers import ProxyHeaders
from toolkit.server.middleware.rate_limit import Allowance, RateLimit, Rates

from .asking import ask


class Time:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_then_one_each_step() -> None:
    rates = Rates(4, 8.0, 10)
    asked = [rates.ask("a", 0.0) for _ in range(5)]
    assert asked == [
        Allowance(True, 3, 0.0, 2.0),
        Allowance(True, 2, 0.0, 4.0),
        Allowance(True, 1, 0.0, 6.0),
        Allowance(True, 0, 0.0, 8.0),
        Allowance(False, 0, 2.0, 8.0),
    ]
    assert rates.ask("a", 1.0) == Allowance(False, 0, 1.0, 7.0)
    assert rates.ask("a", 2.0) == Allowance(True, 0, 0.0, 8.0)
    assert rates.ask("a", 100.0) == Allowance(True, 3, 0.0, 2.0)


def test_keys_do_not_share() -> None:
    rates = Rates(1, 1.0, 10)
    assert [rates.ask(key, 0.0).granted for key in ("a", "a", "b", None)] == [True, False, True, True]


@given(st.lists(st.floats(0, 50), max_size=200).map(sorted), st.integers(1, 20), st.floats(0.5, 30))
def test_in_no_period_are_twice_as_many_granted(times: list[float], limit: int, seconds: float) -> None:
    """What GCRA promises: `limit` at once, and `limit` in each period that follows."""
    rates = Rates(limit, seconds, 10)
    granted = [now for now in times if rates.ask("a", now).granted]
    for at, first in enumerate(granted):
        within = [now for now in granted[at:] if now - first < seconds * 0.999]
        assert len(within) <= 2 * limit


def test_memory_is_bounded_and_the_longest_unheard_of_are_forgotten() -> None:
    rates = Rates(1, 100.0, 10)
    for key in range(1000):
        rates.ask(key, key / 1000)
    assert len(rates) == 10
    assert not rates.ask(999, 1.0).granted
    assert rates.ask(0, 1.0).granted


async def test_more_are_answered_429_with_when_to_come_back() -> None:
    clock = Time()
    web = App()
    web.get("/", middlewares=[RateLimit(2, 10.0, clock=clock)])(lambda r: "x")
    told = [await ask(web) for _ in range(3)]
    assert [answer.status for answer in told] == [200, 200, 429]
    assert [answer.get("ratelimit") for answer in told] == [
        '"default";r=1;t=5',
        '"default";r=0;t=10',
        '"default";r=0;t=10',
    ]
    assert {answer.get("ratelimit-policy") for answer in told} == {'"default";q=2;w=10'}
    assert [answer.get("retry-after") for answer in told] == [None, None, "5"]
    clock.now += 5
    assert (await ask(web)).status == 200


async def test_the_fields_may_be_left_out_and_requests_may_not_count() -> None:
    web = App()
    web.get("/", middlewares=[RateLimit(1, name=None, key=lambda r: r.headers.get("x-user"))])(lambda r: "x")
    answers = [await ask(web, *fields) for fields in [(), (), ("x-user: a",), ("x-user: a",), ("x-user: b",)]]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 200]
    assert {answer.get("ratelimit") for answer in answers} == {None}


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),  # one client has all of a /64
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
async def test_whose_requests_they_are(one: str, other: str, shared: bool) -> None:
    web = App()
    web.get("/", middlewares=[ProxyHeaders(["memory"]), RateLimit(1)])(lambda r: "x")
    first, second = [await ask(web, f"x-forwarded-for: {address}") for address in (one, other)]
    assert first.status == 200
    assert second.status == (429 if shared else 200)


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1, "seconds": 0}, {"limit": 1, "most": 0}])
def test_numbers_are_above_zero(options: dict[str, int]) -> None:
    with pytest.raises(UseError, match="above 0"):
        RateLimit(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "\u00e9", "a\nb"])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(UseError, match="printable"):
        RateLimit(1, name=name)


def test_text_is_no_number() -> None:
    with pytest.raises(UseError, match="expected "):
        RateLimit("10/minute")  # type: ignore[arg-type]  # as a program without types has it
