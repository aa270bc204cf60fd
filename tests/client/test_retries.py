"""Whether a request is made again, and when: tables, properties, and whole exchanges with a clock of ours."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.answers import read_request
from tests.helpers.raw import raw_server
from toolkit import App, Request, Session
from toolkit.client.heads import IDEMPOTENT
from toolkit.client.retries import PASSING, Budget, Retries, RetryClock, Try, retry_after
from toolkit.errors import (
    CertificateError,
    ConnectError,
    ConnectTimeout,
    Disconnected,
    EarlyAnswer,
    PoolTimeout,
    ReadTimeout,
    RemoteProtocolError,
    StatusError,
    TlsError,
    TotalTimeout,
    UseError,
    WriteTimeout,
)
from toolkit.protocol.limits import Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from toolkit import Response

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110 5.6.7
SECONDS = st.floats(0, 1e6)


class Waits:
    """A clock on which waiting takes no time."""

    def __init__(self, draws: Sequence[float] = (1.0,)) -> None:
        self.waited: list[float] = []
        self._draws = list(draws)

    def clock(self) -> RetryClock:
        return RetryClock(lambda: NOW, self._draw, self._sleep)

    def _draw(self) -> float:
        return self._draws.pop(0) if len(self._draws) > 1 else self._draws[0]

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


# What is tried again


@pytest.mark.parametrize(
    ("method", "status", "again"),
    [
        ("GET", 408, True),  # RFC 9110 15.5.9: "the client MAY repeat the request"
        ("GET", 429, True),  # RFC 6585 4
        ("GET", 502, True),
        ("GET", 503, True),  # 15.6.4: a temporary overload
        ("GET", 504, True),
        ("HEAD", 503, True),
        ("PUT", 503, True),  # 9.2.2: idempotent
        ("DELETE", 503, True),
        ("OPTIONS", 503, True),
        ("POST", 503, False),  # 9.2.2: "SHOULD NOT automatically retry a request with a non-idempotent method"
        ("PATCH", 503, False),  # RFC 5789 2
        ("CONNECT", 503, False),
        ("PURGE", 503, False),  # nobody knows
        ("GET", 200, False),
        ("GET", 304, False),
        ("GET", 400, False),
        ("GET", 401, False),
        ("GET", 404, False),
        ("GET", 500, False),
        ("GET", 501, False),
        ("GET", 505, False),
    ],
)
def test_statuses_that_are_tried_again(method: str, status: int, again: bool) -> None:
    assert Retries().wants_status(method, status) is again


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectError("x"), True),
        (ConnectTimeout("x"), True),
        (Disconnected("x"), True),
        (ReadTimeout("x"), True),
        (WriteTimeout("x"), True),
        (EarlyAnswer("x"), False),  # there is an answer
        (PoolTimeout("x"), False),  # more of the same
        (TlsError("x"), False),  # likewise
        (CertificateError("x", host="a.test", reason="expired"), False),
        (TotalTimeout("x"), False),  # that was the caller's bound
        (RemoteProtocolError("x"), False),  # it will say the same again
        (ValueError("x"), False),
    ],
)
def test_errors_that_are_tried_again(error: Exception, again: bool) -> None:
    assert Retries().wants_error("GET", error) is again
    assert not Retries().wants_error("POST", error)


def test_whoever_names_more_gets_it() -> None:
    policy = Retries(methods=[*IDEMPOTENT, "POST"], statuses=[*PASSING, 500], errors=(RemoteProtocolError,))
    assert policy.wants_status("POST", 500)
    assert policy.wants_error("POST", RemoteProtocolError("x"))
    assert not policy.wants_error("GET", ReadTimeout("x"))
    assert Retries(errors=(TlsError,)).wants_error("GET", TlsError("x"))


def test_a_method_in_small_letters_is_none() -> None:
    with pytest.raises(UseError, match="'post' is no method, 'POST' is"):
        Retries(methods=["GET", "post"])


# When


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        # RFC 9110 10.2.3
        ("120", 120),
        ("0", 0),
        (" 7 ", 7),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30),
        ("Sun Nov  6 08:50:07 1994", 30),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),  # it has passed
        ("9" * 400, 1e10),
        ("-1", None),
        ("1.5", None),
        ("+1", None),
        ("\u0663", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=40), st.floats(0, 1e10))
def test_any_retry_after_is_a_time_to_come_or_none(value: str, now: float) -> None:
    seconds = retry_after(value, now)
    assert seconds is None or seconds >= 0


@given(
    attempts=st.integers(1, 20),
    attempt=st.integers(1, 30),
    draw=st.floats(0, 1),
    backoff=SECONDS,
    most=SECONDS,
    jitter=st.floats(0, 1),
    asked=st.none() | SECONDS,
)
def test_a_wait_has_its_bounds(
    attempts: int, attempt: int, draw: float, backoff: float, most: float, jitter: float, asked: float | None
) -> None:
    policy = Retries(attempts=attempts, backoff=backoff, most_wait=most, jitter=jitter)
    wait = policy.wait(attempt, draw, asked)
    if attempt >= attempts or (asked is not None and asked > most):
        assert wait is None
        return
    assert wait is not None
    own = wait - (asked or 0)
    grown = min(most, backoff * 2.0 ** (attempt - 1))
    assert grown * (1 - jitter) - 1e-6 <= own <= grown + 1e-6
    assert wait >= (asked or 0)  # "the minimum time": never before it is over


@given(st.integers(1, 1000), SECONDS, SECONDS)
def test_the_bound_of_a_wait_never_shrinks(attempt: int, backoff: float, most: float) -> None:
    policy = Retries(backoff=backoff, most_wait=most)
    assert policy.grown(attempt) <= policy.grown(attempt + 1) <= most


def test_full_jitter_draws_from_nothing_to_the_bound() -> None:
    policy = Retries(attempts=9, backoff=1)
    assert [policy.wait(attempt, 0.5) for attempt in (1, 2, 3, 4)] == [0.5, 1, 2, 4]
    assert [policy.wait(3, draw) for draw in (0, 0.25, 1)] == [0, 1, 4]
    assert Retries(attempts=9, backoff=1, jitter=0).wait(3, 0) == 4


def test_retry_after_may_be_left_alone() -> None:
    assert Retries(respect_retry_after=False).wait(1, 1, 1e6) == 0.2


# The budget


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1), st.integers(1, 20))
def test_retries_stay_within_their_part_of_the_requests(events: list[bool], share: float, reserve: int) -> None:
    budget = Budget(share, reserve)
    requests = retries = 0
    for retried in events:
        if not retried:
            budget.request()
            requests += 1
        elif budget.take():
            retries += 1
        assert retries <= reserve + share * requests + 1e-6


@given(st.integers(0, 1000))
def test_a_quiet_time_saves_up_no_more_than_the_reserve(requests: int) -> None:
    policy = Retries(budget=0.5, reserve=4)
    for _ in range(requests):
        policy.request()
    assert [policy.pay() for _ in range(5)] == [True] * 4 + [False]


def test_a_policy_has_one_budget_and_two_have_two() -> None:
    one, other = Retries(reserve=1), Retries(reserve=1)
    assert one == other
    assert (one.pay(), one.pay(), other.pay()) == (True, False, True)
    assert all(Retries(budget=None).pay() for _ in range(100))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"attempts": 0}, "attempts=0): expected a whole number from 1 on"),
        ({"attempts": True}, "attempts=True"),
        ({"attempts": 2.5}, "attempts=2.5"),
        ({"reserve": 0}, "reserve=0"),
        ({"backoff": -1}, "backoff=-1): expected a number from 0 on"),
        ({"backoff": float("nan")}, "backoff=nan"),
        ({"backoff": None}, "backoff=None"),
        ({"most_wait": "1"}, "most_wait='1'"),
        ({"jitter": 1.5}, "jitter=1.5): expected 0 to 1"),
        ({"budget": -0.1}, "budget=-0.1"),
        ({"methods": "POST"}, "expected several, such as ['POST']"),
        ({"errors": (ValueError, "x")}, "expected a tuple of classes of exceptions"),
    ],
)
def test_what_makes_no_policy_is_a_use_error(options: dict[str, object], expected: str) -> None:
    with pytest.raises(UseError) as caught:
        Retries(**options)  # type: ignore[arg-type]  # the mistakes themselves
    assert expected in str(caught.value)


def test_one_kind_of_error_need_not_be_a_tuple() -> None:
    assert Retries(errors=ValueError).errors == (ValueError,)  # type: ignore[arg-type]  # as `except` takes it


# Over whole exchanges


def failing(*answers: object) -> tuple[App, list[str]]:
    """An application that gives these answers in turn, and what it was asked."""
    web, asked, left = App(port=0), [], list(answers)

    @web.route("/x", methods=("GET", "HEAD", "POST", "PUT"))
    async def x(r: Request) -> object:
        asked.append(f"{r.method} {await r.text()}".strip())
        return left.pop(0) if len(left) > 1 else left[0]

    @web.get("/moved")
    async def moved(r: Request) -> object:
        asked.append("moved")
        return 302, "", {"location": "/x"}

    return web, asked


BUSY = (503, "busy")


async def test_it_is_made_again_until_it_works() -> None:
    web, asked = failing(BUSY, BUSY, "fine")
    waits = Waits([0.5])
    async with Session(app=web, retries=Retries(backoff=1, clock=waits.clock())) as http:
        answer = await http.get("/x")
        assert (answer.status, await answer.text(), answer.history) == (200, "fine", [])
        assert (asked, waits.waited) == (["GET"] * 3, [0.5, 1])
        assert [(one.status, one.waited) for one in answer.tries] == [(503, 0.5), (503, 1)]
        assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"


async def test_the_last_answer_is_the_callers() -> None:
    web, asked = failing(BUSY)
    async with Session(app=web, retries=Retries(clock=Waits().clock())) as http:
        answer = await http.get("/x")
        assert (answer.status, await answer.text(), len(asked)) == (503, "busy", 3)
        with pytest.raises(StatusError) as caught:
            _ = answer.raise_for_status()
        assert caught.value.__notes__ == [
            "attempt 1 before it: answered 503; waited 0.2 s",
            "attempt 2 before it: answered 503; waited 0.4 s",
        ]
        await answer.head()
        assert len(asked) == 3


@pytest.mark.parametrize("policy", [None, Retries()])
async def test_without_a_policy_it_is_made_once(policy: Retries | None) -> None:
    web, asked = failing(BUSY)
    async with Session(app=web, retries=policy) as http:
        answer = await http.get("/x", retries=None)
        assert (answer.status, answer.tries, len(asked)) == (503, [], 1)


async def test_a_post_is_made_again_only_when_asked() -> None:
    web, asked = failing(BUSY)
    waits = Waits()
    async with Session(app=web, retries=Retries(clock=waits.clock())) as http:
        assert (await http.post("/x", json=1)).status == 503
        assert asked == ["POST 1"]
        also = Retries(methods=["POST"], clock=waits.clock())
        assert (await http.post("/x", json=1, retries=also)).status == 503
        assert asked == ["POST 1"] * 4


@pytest.mark.parametrize("asks", ["2", "Sun, 06 Nov 1994 08:49:39 GMT"])
async def test_retry_after_is_waited_for(asks: str) -> None:
    web, _ = failing((429, "", {"retry-after": asks}), "fine")
    waits = Waits([0])
    async with Session(app=web, retries=Retries(clock=waits.clock())) as http:
        assert (await http.get("/x")).status == 200
        assert waits.waited == [2]


async def test_a_server_that_asks_for_too_long_is_not_waited_for() -> None:
    web, asked = failing((503, "", {"retry-after": "31"}))
    async with Session(app=web, retries=Retries(clock=Waits().clock())) as http:
        assert (await http.get("/x")).status == 503
        assert len(asked) == 1


async def test_what_the_total_time_does_not_allow_is_not_waited_for() -> None:
    web, asked = failing((503, "", {"retry-after": "20"}))
    async with Session(app=web, retries=Retries(clock=Waits().clock()), timeouts=Timeouts(total=10)) as http:
        assert (await http.get("/x")).status == 503
        assert len(asked) == 1


async def test_a_budget_that_is_spent_ends_it() -> None:
    web, asked = failing(BUSY)
    policy = Retries(budget=0, reserve=3, clock=Waits().clock())
    async with Session(app=web, retries=policy) as http:
        for _ in range(4):
            assert (await http.get("/x")).status == 503
        assert len(asked) == 4 + 3


async def test_a_redirects_target_has_its_own_attempts() -> None:
    web, asked = failing(BUSY, BUSY, "fine")
    async with Session(app=web, retries=Retries(clock=Waits().clock())) as http:
        answer = await http.get("/moved", follow_redirects=True)
        assert (answer.status, [past.status for past in answer.history]) == (200, [302])
        assert asked == ["moved", "GET", "GET", "GET"]


# Bodies


@pytest.mark.parametrize("source", ["bytes", "file", "function"])
async def test_a_body_that_can_be_sent_again_is(source: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"

    web, asked = failing(BUSY, "fine")
    body = {"bytes": b"abc", "file": io.BytesIO(b"abc"), "function": parts}[source]
    async with Session(app=web, retries=Retries(clock=Waits().clock())) as http:
        assert (await http.put("/x", body=body)).status == 200  # type: ignore[arg-type]  # a union of three
        assert asked == ["PUT abc"] * 2


async def test_a_body_that_was_begun_is_not_tried_again() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"abc"

    web, asked = failing(BUSY)
    async with Session(app=web, retries=Retries(clock=Waits().clock())) as http:
        assert (await http.put("/x", body=parts())).status == 503
        async with http.put("/x") as x:
            await x.eof(b"open")
            await x.head()
            assert x.status == 503
        assert asked == ["PUT abc", "PUT open"]


# Errors before an answer


async def test_a_link_that_breaks_before_the_answer_is_made_again() -> None:
    async with raw_server() as peer, peer.session(retries=Retries(clock=Waits().clock())) as http:
        asking = asyncio.ensure_future(asked_of(http, peer.url))
        for _ in range(2):
            raw = await peer.accept()
            await read_request(raw)
            raw.reset()
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        status, tries = await asking
        assert status == 200
        assert [type(one.error) for one in tries] == [Disconnected, Disconnected]


async def asked_of(http: Session, url: str) -> tuple[int | None, list[Try]]:
    answer = await http.get(url)
    return answer.status, answer.tries


async def enter(request: Response) -> None:
    async with request as x:
        await x.head()


async def test_the_last_error_tells_of_the_others() -> None:
    async with raw_server() as peer, peer.session(retries=Retries(clock=Waits().clock())) as http:
        url = peer.url
        asking = asyncio.ensure_future(asked_of(http, url))
        for _ in range(3):
            raw = await peer.accept()
            await read_request(raw)
            raw.reset()
        with pytest.raises(Disconnected, match=r"^GET .*: waiting for the answer") as caught:
            await asking
        first, second = caught.value.__notes__
        assert first.startswith("attempt 1 before it: Disconnected: GET http")
        assert second.endswith("; waited 0.4 s")


@pytest.mark.parametrize("entered", [False, True])
async def test_no_connection_is_tried_again(entered: bool) -> None:
    waits = Waits()
    async with raw_server("tcp") as peer:
        url = peer.url
    async with Session(retries=Retries(methods=["GET", "POST"], clock=waits.clock())) as http:
        asking = enter(http.post(url)) if entered else asked_of(http, url)
        with pytest.raises(ConnectError) as caught:
            await asking
        assert len(caught.value.__notes__) == 2
        assert waits.waited == [0.2, 0.4]
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


async def test_what_fails_for_good_fails_at_once() -> None:
    async with raw_server() as peer, peer.session(retries=Retries(clock=Waits().clock())) as http:
        asking = asyncio.ensure_future(asked_of(http, peer.url))
        raw = await peer.accept()
        await read_request(raw)
        await raw.send(b"nonsense\r\n\r\n")
        with pytest.raises(RemoteProtocolError):
            await asking
        assert len(peer.accepted) == 1


async def test_a_source_that_fails_is_not_asked_again() -> None:
    web, asked = failing("fine")

    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        raise Disconnected("the source's own")

    async with Session(app=web, retries=Retries(clock=Waits().clock())) as http:
        with pytest.raises(Disconnected):
            _ = await http.put("/x", body=parts())
        assert asked == []


async def test_the_wait_can_be_cancelled() -> None:
    waiting = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    web, asked = failing(BUSY)
    async with Session(app=web, retries=Retries(clock=RetryClock(sleep=sleep))) as http:
        asking = asyncio.ensure_future(asked_of(http, "/x"))
        await waiting.wait()
        assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"  # nothing is held meanwhile
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert len(asked) == 1


async def test_an_end_by_total_time_tells_what_was_tried_before() -> None:
    gone = asyncio.Event()
    web, answers = App(port=0), [BUSY]

    @web.get("/x")
    async def x(r: Request) -> object:
        if answers:
            return answers.pop()
        await gone.wait()
        return None

    async with Session(app=web, retries=Retries(clock=Waits().clock()), timeouts=Timeouts(total=0.5)) as http:
        with pytest.raises(TotalTimeout) as caught:
            _ = await http.get("/x")
        gone.set()
        assert caught.value.__notes__ == ["attempt 1 before it: answered 503; waited 0.2 s"]
