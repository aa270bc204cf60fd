"""Drives one row of a vector table through four handlers and three deliveries, and judges what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from toolkit import App, Limits, Request, Timeouts

from ...helpers.served import served
from .answers import Answer, parse_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...helpers.served import Served

__all__ = [
    "AFTER",
    "DELIVERIES",
    "MODES",
    "POISON",
    "Accept",
    "Call",
    "Either",
    "Expectation",
    "Hang",
    "Outcome",
    "Recorder",
    "Reject",
    "RejectBody",
    "Row",
    "cut",
    "exchange",
    "mutate",
    "row_id",
    "run_row",
]

MODES = ("reads", "ignores", "early", "streams")
DELIVERIES = ("whole", "bytewise", "random")
PATIENCE = 4.0  # in memory everything is there at once: what takes longer is a hang

#: Behind every refused message stands a request that nobody may see served.
POISON = b"GET /poison HTTP/1.1\r\nHost: h\r\n\r\n"
#: Behind every good message stands one that must be served, and that ends the connection.
AFTER = b"GET /after HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

REFUSALS = frozenset({*range(400, 418), 421, 422, 426, 431, 501, 505})


@dataclass(slots=True)
class Call:
    """What one call of a handler was given and what became of it."""

    method: str
    target: str
    path: str
    host: str
    scheme: str
    ip_host: str
    headers: list[tuple[str, str]]
    body: bytes | None = None  # None: it was never read to its end
    trailers: list[tuple[str, str]] = field(default_factory=list)
    error: BaseException | None = None

    def get(self, name: str) -> str | None:
        """The first value of a field; None when absent."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Recorder:
    """An application with one kind of handler behind every path; it notes whatever reaches it."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.calls: list[Call] = []
        self.reached: list[str] = []  # targets, also those without a route

    def app(self, limits: Limits | None = None, timeouts: Timeouts | None = None) -> App:
        """The application; every path of the tables is routed for any method."""
        web = App(port=0, limits=limits or Limits(), timeouts=timeouts or Timeouts())

        async def before_middleware(r: Request) -> None:
            self.reached.append(r.target)

        web.add_route(before_middleware)
        for path in ("/", "/p", "/after", "/poison"):
            web.add_route(path, self.handle)
        return web

    async def handle(self, r: Request) -> bytes | None:
        """The handler of all paths."""
        call = Call(r.method, r.target, r.path, r.host, r.scheme, r.ip_host, list(r.request_headers.items()))
        self.calls.append(call)
        try:
            return await HANDLERS[self.mode](r, call)
        except BaseException as error:
            call.error = error
            raise

    def copy(self) -> Recorder:
        """The same notes in a recorder of their own; a handler still at work goes on writing into its call."""
        other = Recorder(self.mode)
        other.calls, other.reached = self.calls, self.reached
        return other

    @property
    def poisoned(self) -> bool:
        """Whether anything behind the message under test was served."""
        return any("poison" in target or "after" in target for target in self.reached) or any(
            "poison" in call.target or "after" in call.target for call in self.calls
        )


async def _reads(r: Request, call: Call) -> bytes:
    call.body = await r.read()
    _note_trailers(r, call)
    return call.body


async def _ignores(r: Request, call: Call) -> bytes:
    return b"ignored"


async def _early(r: Request, call: Call) -> None:
    await r.prepare({"content-length": "5"}, 200)
    await r.write(b"early")
    await r.eof()
    call.body = await r.read()
    _note_trailers(r, call)


async def _streams(r: Request, call: Call) -> None:
    await r.prepare({"content-type": "application/octet-stream"}, 200)
    body = bytearray()
    async for chunk in r:
        body += chunk
        await r.write(chunk)
    call.body = bytes(body)
    _note_trailers(r, call)


HANDLERS = {"reads": _reads, "ignores": _ignores, "early": _early, "streams": _streams}


def _note_trailers(r: Request, call: Call) -> None:
    if r.trailers is not None:
        call.trailers = list(r.trailers.items())


# ---- deliveries


def cut(data: bytes, delivery: str, seed: int = 0) -> list[bytes]:
    """`data` in pieces; long data is never cut so fine that the run takes minutes."""
    if delivery == "whole":
        return [data]
    if delivery == "bytewise":
        step = 1 if len(data) <= 1500 else 1 + len(data) // 400
        return [data[at : at + step] for at in range(0, len(data), step)]
    rng = Random(f"{seed}/{len(data)}")
    points = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randint(1, 12)))
    return [data[a:b] for a, b in zip([0, *points], [*points, len(data)], strict=True) if a < b]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a connection gave back until its end."""

    data: bytes
    clean: bool  # FIN; False: a reset


class Hang(AssertionError):
    """Neither an answer nor an end."""


async def exchange(here: Served, pieces: Iterable[bytes], *, eof: bool = False) -> Outcome:
    """Send the pieces one by one over a new connection, and read until the server ends it."""
    raw = await here.raw()
    try:
        async with asyncio.timeout(PATIENCE):
            try:
                for piece in pieces:
                    await raw.send(piece)
                    await asyncio.sleep(0)  # so that the pieces arrive apart
                if eof:
                    await raw.eof()
            except ConnectionError:
                pass  # refused before all of it was sent: what counts is what came back
            try:
                return Outcome(await raw.rest(), True)
            except ConnectionError:
                return Outcome(bytes(raw.buffer), False)
    except TimeoutError:
        raise Hang(f"no end of the connection; received so far: {bytes(raw.buffer)!r}") from None
    finally:
        await raw.close()


# ---- expectations


@dataclass(frozen=True, slots=True)
class Trial:
    """One row in one mode and one delivery, after the fact."""

    mode: str
    calls: list[Call]
    reached: list[str]
    outcome: Outcome
    answers: list[Answer]
    cut_short: bool  # the client ended inside its message, so that nobody needs to be told what was wrong


class Expectation:
    """What must come of a message."""

    tail: bytes = POISON

    def judge(self, trial: Trial) -> None:
        """AssertionError when the outcome is not allowed."""
        raise NotImplementedError


@dataclass(frozen=True)
class Accept(Expectation):
    """Every request of the row is answered with `status`, its body is seen whole, and what follows is served.

    `keeps` is False where the message itself asks for the end of the connection. `check` looks at the first call.
    """

    bodies: tuple[bytes, ...]
    keeps: bool = True
    status: int = 200
    check: Callable[[Call], bool] | None = None
    tail: bytes = AFTER

    def judge(self, trial: Trial) -> None:
        expected = [*self.bodies, b""] if self.keeps else list(self.bodies)
        assert len(trial.answers) == len(expected), [answer.undated for answer in trial.answers]
        assert len(trial.calls) == len(expected), trial.calls
        assert ("/after" in trial.reached) is self.keeps, trial.reached
        for call, answer, body in zip(trial.calls, trial.answers, expected, strict=True):
            assert answer.status == self.status
            assert answer.complete
            head = call.method == "HEAD"
            given = {"ignores": b"ignored", "early": b"early"}.get(trial.mode, body)
            assert answer.body == (b"" if head else given)
            if trial.mode != "ignores":
                assert call.error is None, call.error
                assert call.body == body
        if self.check is not None:
            assert self.check(trial.calls[0]), trial.calls[0]


@dataclass(frozen=True)
class Reject(Expectation):
    """No handler sees the request: one answer of `statuses` that announces the close, or just the close; then the end.

    `after` are the bodies of good requests before it, each of which is answered first.
    """

    statuses: frozenset[int]
    after: int = 0
    tail: bytes = POISON

    def judge(self, trial: Trial) -> None:
        assert not any("poison" in target or "after" in target for target in trial.reached), trial.reached
        assert len(trial.calls) == len(trial.reached) == self.after, trial.calls
        first, rest = trial.answers[: self.after], trial.answers[self.after :]
        assert [answer.status for answer in first] == [200] * self.after
        assert len(rest) == 1 or (not rest and self.statuses == REFUSALS), [answer.undated for answer in rest]
        for answer in rest:
            assert answer.status in self.statuses
            assert answer.complete
            assert answer.closes, "a refusal must announce the close"


@dataclass(frozen=True)
class RejectBody(Expectation):
    """The head may be seen, its body never as a whole one; nothing behind it is served; the connection ends.

    One request has one answer at most, and what a streaming handler sent cannot be taken for a whole answer.
    """

    statuses: frozenset[int] = REFUSALS
    tail: bytes = POISON

    def judge(self, trial: Trial) -> None:
        assert not any("poison" in target or "after" in target for target in trial.reached), trial.reached
        assert len(trial.calls) <= 1
        assert len(trial.answers) <= 1, [answer.undated for answer in trial.answers]
        for call in trial.calls:
            assert call.body is None, f"taken for a whole body: {call.body!r}"
            if trial.mode != "ignores":
                assert call.error is not None, "the handler was not told"
        for answer in trial.answers:
            if answer.status >= 300:
                assert answer.status in self.statuses
                assert answer.complete
                assert answer.closes, "a refusal must announce the close"
            else:
                assert trial.mode != "reads", f"a broken body was answered with {answer.status}"
                assert answer.complete == (trial.mode != "streams"), "a cut answer looks whole"
        if trial.mode == "reads" and not trial.cut_short:
            assert trial.answers, "a malformed body is answered, not only cut"


@dataclass(frozen=True)
class Either(Expectation):
    """The RFC leaves the choice, but only between these two."""

    accept: Accept
    reject: Reject | RejectBody
    tail: bytes = AFTER

    def judge(self, trial: Trial) -> None:
        accepted = "/after" in trial.reached or (
            not self.accept.keeps and bool(trial.answers) and trial.answers[0].status < 300
        )
        (self.accept if accepted else self.reject).judge(trial)


@dataclass(frozen=True, slots=True)
class Row:
    """One vector: the number of its class, a short name, the bytes, and what must come of them.

    `tail`: a further request is put behind it. `eof`: the client half-closes after the bytes.
    """

    number: int
    name: str
    data: bytes
    expect: Expectation
    limits: Limits | None = None
    tail: bool = True
    eof: bool = False
    modes: tuple[str, ...] = MODES


def row_id(section: str, row: Row) -> str:
    """`3a-07-hex-content-length`."""
    return f"{section}-{row.number:02}-{row.name}"


async def run_row(row: Row) -> None:
    """All modes and deliveries of a row; the failures are reported together, each with its bytes out."""
    failures: list[str] = []
    for mode in row.modes:
        seen: dict[str, object] = {}
        for delivery, recorder, outcome in await _try(row, mode):
            try:
                seen[delivery] = _verdict(row, recorder, outcome)
            except AssertionError as error:
                failures.append(f"{mode}, {delivery}: {error}\n    out: {outcome.data[:800]!r} clean={outcome.clean}")
        if len({repr(value) for value in seen.values()}) > 1:
            lines = "\n".join(f"    {delivery}: {value}" for delivery, value in seen.items())
            failures.append(f"{mode}: the delivery changes the outcome:\n{lines}")
    assert not failures, "\n" + "\n".join(failures) + f"\n  in: {row.data[:600]!r}"


async def _try(row: Row, mode: str) -> list[tuple[str, Recorder, Outcome]]:
    """One application takes the deliveries in turn; they are judged when its last handler has ended."""
    data = row.data + (row.expect.tail if row.tail else b"")
    recorder = Recorder(mode)
    tried: list[tuple[str, Recorder, Outcome]] = []
    async with served(recorder.app(row.limits)) as here:
        for delivery in DELIVERIES:
            recorder.calls, recorder.reached = [], []
            try:
                outcome = await exchange(here, cut(data, delivery, row.number), eof=row.eof)
            except Hang as error:  # one is enough: each costs seconds
                raise AssertionError(f"{mode}, {delivery}: {error}\n  in: {row.data[:600]!r}") from None
            tried.append((delivery, recorder.copy(), outcome))
    return tried


def _verdict(row: Row, recorder: Recorder, outcome: Outcome) -> object:
    """What must be the same for all deliveries; AssertionError when the outcome is not allowed at all."""
    methods = tuple(call.method for call in recorder.calls)
    answers = parse_answers(outcome.data, clean=outcome.clean, methods=methods)
    row.expect.judge(Trial(recorder.mode, recorder.calls, recorder.reached, outcome, answers, cut_short=row.eof))
    fault = row.expect.reject if isinstance(row.expect, Either) and "/after" not in recorder.reached else row.expect
    if isinstance(fault, RejectBody):
        return None  # whether the head was answered before the fault was seen is a matter of timing
    return [answer.undated for answer in answers], outcome.clean


# ---- mutations

#: The Garden's meaningful bytes and header insertions (tools/mutations.py), and the digits' neighbours.
TOKENS = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b":",
    b"\t",
    b" ",
    b"\r\n ",
    b"\r\n\r\n",
    b"0",
    b"-",
    b"+",
    b"x",
    b"_",
    b";",
    b",",
    b"\xff",
    b"\x85",
    b"\xa0",
    b"Content-Length: 0\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b": x\r\n",
    b"Host: i\r\n",
    b"Connection: close\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"Upgrade: x\r\nConnection: upgrade\r\n",
    POISON,
]


def mutate(rng: Random, data: bytes) -> bytes:
    """One small change: a byte or a token put in, taken out, replaced, repeated, or a field line put first."""
    at = rng.randrange(len(data) + 1)
    kind = rng.randrange(8)
    if kind == 0:
        return data[:at] + data[at + 1 :]
    if kind == 1:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + rng.choice(TOKENS) + data[at:]
    if kind == 3:
        return data[:at] + rng.choice(TOKENS) + data[at + 1 :]
    if kind == 4:
        end = min(len(data), at + rng.randrange(20))
        return data[:at] + data[end:]
    if kind == 5:
        end = min(len(data), at + rng.randrange(20))
        return data[:end] + data[at:end] + data[end:]
    if kind == 6:  # a field line in front of the others
        lines = data.split(b"\r\n", 1)
        return (b"\r\n" + rng.choice(TOKENS)).join(lines)
    return data[:at] + data[at : at + 1].swapcase() + data[at + 1 :]
