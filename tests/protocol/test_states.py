"""The transition table: every state with every event, and exchanges that are held against it."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import TYPE_CHECKING, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from toolkit.errors import Disconnected, LocalProtocolError, ToolkitError, UseError
from toolkit.protocol.compiled import compiled
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, NONE
from toolkit.protocol.head import RequestHead
from toolkit.protocol.states import ABORTED, BODY, DONE, IDLE, RAW, TRANSITIONS, Event, State, step
from toolkit.server.request import Request

from ..helpers.coded import few
from ..helpers.fakewire import End, FakeWire, Running, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.framing import Framing
    from toolkit.server.connection import ServerConnection

# Written out by hand, and once more than necessary: a change of the table must be meant.
TABLE: Final = """
          INTERIM  HEAD  WHOLE  DATA  END      SWITCH  ABORT
IDLE      IDLE     BODY  DONE   -     -        RAW     ABORTED
BODY      -        -     -      BODY  DONE     -       ABORTED
RAW       -        -     -      RAW   DONE     -       ABORTED
DONE      -        -     -      -     DONE     RAW     DONE
ABORTED   -        -     -      -     ABORTED  -       ABORTED
"""


def expected() -> dict[tuple[State, Event], State | None]:
    """The table above."""
    names, *rows = [line.split() for line in TABLE.strip().splitlines()]
    return {
        (State[row[0]], Event[name]): None if cell == "-" else State[cell]
        for row in rows
        for name, cell in zip(names, row[1:], strict=True)
    }


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_state_with_every_event(state: State, event: Event) -> None:
    after = expected()[state, event]
    if after is not None:
        assert step(state, event) is after
        return
    with pytest.raises(LocalProtocolError, match=f"{event.name} in state {state.name}: expected one of") as raised:
        step(state, event)
    for allowed in Event:
        named = allowed.name in str(raised.value).partition("expected one of ")[2].split(", ")
        assert named == ((state, allowed) in TRANSITIONS)


def test_the_table_has_nothing_else() -> None:
    assert {key: state for key, state in expected().items() if state is not None} == TRANSITIONS


def test_every_state_can_be_reached_and_an_end_is_one() -> None:
    assert {IDLE, *TRANSITIONS.values()} == set(State)
    for state, event in TRANSITIONS:
        if state is ABORTED:
            assert TRANSITIONS[state, event] is ABORTED
        if state is DONE:
            assert TRANSITIONS[state, event] in (DONE, RAW)


# Exchanges against the table

Call = tuple[str, "Callable[[Exchange], Coroutine[object, object, object]]"]

CALLS: Final[list[Call]] = [
    ("prepare chunked", lambda x: x.prepare()),
    ("prepare 3", lambda x: x.prepare({"content-length": 3})),
    ("prepare 0", lambda x: x.prepare({"content-length": 0})),
    ("prepare 204", lambda x: x.prepare(None, 204)),
    ("prepare nonsense", lambda x: x.prepare({"a b": "c"})),
    ("write", lambda x: x.write(b"ab")),
    ("write nothing", lambda x: x.write(b"")),
    ("write_chunked", lambda x: x.write_chunked(b"ab")),
    ("eof", lambda x: x.eof()),
    ("eof data", lambda x: x.eof(b"c")),
    ("eof trailers", lambda x: x.eof(trailers={"t": "1"})),
    ("abort", lambda x: x.abort("told to")),
    ("relay", lambda x: x.relay(Pieces())),
    ("inform", lambda x: x.inform(103)),
    ("upgrade", lambda x: x.upgrade()),
]
NAMES: Final = dict(CALLS)


class Pieces:
    """An iterable of two pieces."""

    def __init__(self) -> None:
        self._left = 2

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return b"r"


def plain(method: str) -> tuple[FakeWire, Exchange]:
    wire = FakeWire()
    return wire, End(wire, method)


def until_close(method: str) -> tuple[FakeWire, Exchange]:
    wire = FakeWire()
    return wire, End(wire, method, unframed=CLOSE)


def served(method: str) -> tuple[FakeWire, Exchange]:
    """The server's own exchange; of its connection it knows the wire and little else."""
    wire = FakeWire()
    block = method.encode() + b" / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\n"
    head = RequestHead(method, "/", 1, block, NONE, 0, True, False, b"raw", b"test")
    x = Request(cast("ServerConnection", wire), head, None)
    wire.exchange = x
    return wire, x


MAKERS: Final = {"plain": plain, "until-close": until_close}
if not compiled:  # a compiled request takes the connection that it names, and nothing that stands for one
    MAKERS["served"] = served


def attempt(x: Exchange, call: Callable[[Exchange], Coroutine[object, object, object]]) -> Exception | None:
    """The call's error; anything but the toolkit's own is a fault."""
    try:
        run(call(x))
    except ToolkitError as error:
        return error
    return None


def check(wire: FakeWire, x: Exchange) -> None:
    """The exchange is where the table says that what it sent has led."""
    assert x._out is wire.state
    if wire.state is DONE and x._framing is LENGTH and not x._discard:
        heads = [event for event in wire.sent if event[0] == "head"]
        if heads:
            sent = sum(len(cast("bytes", event[1])) for event in wire.sent if event[0] == "part")
            assert sent == heads[0][3], "declared length is law"


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_sequence_of_three_calls_stays_in_the_table(maker: str, method: str) -> None:
    for sequence in product(CALLS, repeat=3):
        wire, x = MAKERS[maker](method)
        for name, call in sequence:
            before, sent = wire.state, len(wire.sent)
            error = attempt(x, call)
            check(wire, x)
            if isinstance(error, (UseError, LocalProtocolError)) and wire.state is before:
                if name == "relay":
                    continue  # goes piece by piece: those that fitted were sent
                assert len(wire.sent) == sent, f"{name} was refused and yet sent something: {sequence}"


class AnExchange(RuleBasedStateMachine):
    """Any calls in any order, with a wire that may be lost at any time."""

    @initialize(maker=st.sampled_from(sorted(MAKERS)), method=st.sampled_from(["GET", "POST", "HEAD"]))
    def begin(self, maker: str, method: str) -> None:
        self.wire, self.x = MAKERS[maker](method)
        self.gone = False

    @rule(name=st.sampled_from(sorted(NAMES)))
    def call(self, name: str) -> None:
        sent = len(self.wire.sent)
        error = attempt(self.x, NAMES[name])
        if self.gone:
            new = [event[0] for event in self.wire.sent[sent:]]
            assert set(new) <= {"reset"}, f"{name} sent {new} on a lost wire"
            if name in ("write", "write_chunked", "relay") and not self.x._discard:
                assert error is not None, f"{name} on a lost wire was taken for sent"

    @rule()
    def lose(self) -> None:
        self.gone = True
        self.wire.lose(Disconnected("the peer is gone"), self.x)

    @invariant()
    def in_the_table(self) -> None:
        if not self.gone:
            check(self.wire, self.x)


TestAnExchange = AnExchange.TestCase
TestAnExchange.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)


# Scripts with the state after each call

FRAMINGS: Final[list[tuple[Framing, dict[str, str]]]] = [
    (CHUNKED, {}),
    (CLOSE, {}),
    (LENGTH, {"content-length": "4"}),
    (LENGTH, {"Content-Length": "4"}),
]


@pytest.mark.parametrize(("framing", "headers"), FRAMINGS)
def test_a_message_from_beginning_to_end(framing: Framing, headers: dict[str, str]) -> None:
    wire = FakeWire()
    x = End(wire, "GET", unframed=framing)
    steps: list[tuple[Awaitable[None], State]] = [
        (x.prepare(headers), BODY),
        (x.write(b"ab"), BODY),
        (x.write(b""), BODY),
        (x.write(b"cd"), BODY),
        (x.eof(), DONE),
        (x.eof(), DONE),
        (x.abort(), DONE),
    ]
    for call, state in steps:
        run(cast("Coroutine[object, object, None]", call))
        assert (x._out, wire.state) == (state, state)
    assert [event[0] for event in wire.sent] == ["head", "part", "part", "end", "reset"]


@few
@given(st.integers(1, 20), st.lists(st.integers(1, 8), max_size=6))
def test_declared_length_is_law(promised: int, sizes: list[int]) -> None:
    """Too many bytes raise before any is sent, too few abort; never truncated, never padded."""
    wire = FakeWire()
    x = End(wire, "GET")
    run(x.prepare({"content-length": promised}))
    left = promised
    for size in sizes:
        parts = len([event for event in wire.sent if event[0] == "part"])
        error = attempt(x, lambda x, size=size: x.write(b"x" * size))  # type: ignore[misc]
        assert (error is None) == (size <= left)
        if error is None:
            left -= size
        else:
            assert isinstance(error, LocalProtocolError)
            assert f"{left} of the promised {promised} are left" in str(error)
            assert len([event for event in wire.sent if event[0] == "part"]) == parts
    error = attempt(x, lambda x: x.eof())
    assert wire.output.endswith(b"\r\n\r\n" + b"x" * (promised - left))
    if left:
        assert isinstance(error, LocalProtocolError)
        assert f"eof() {left} bytes short of the promised {promised}" in str(error)
        assert (wire.state, wire.sent[-1][0]) == (ABORTED, "reset")
    else:
        assert error is None
        assert (wire.state, wire.sent[-1][0]) == (DONE, "end")


def test_eof_while_an_exception_is_handled_aborts_and_is_silent() -> None:
    wire = FakeWire()
    x = End(wire, "GET")
    run(x.prepare())
    try:
        raise KeyError("of the program")
    except KeyError:
        run(x.eof(b"never sent"))
    assert (x._out, wire.state) == (ABORTED, ABORTED)
    assert [event[0] for event in wire.sent] == ["head", "reset"]


def test_raw_is_left_by_its_own_end_alone() -> None:
    wire = FakeWire()
    x = End(wire, "GET")
    stream = run(x.upgrade())
    assert (stream._out, wire.state) == (RAW, RAW)
    run(stream.write(b"raw"))
    with pytest.raises(UseError, match="trailers need chunked framing"):
        run(stream.eof(trailers={"a": "b"}))
    run(stream.eof())
    assert (stream._out, wire.state) == (DONE, DONE)
    with pytest.raises(UseError, match="after the end"):
        run(stream.write(b"more"))


def test_a_cancelled_call_leaves_the_table_alone() -> None:
    wire = FakeWire()
    x = End(wire, "GET")
    run(x.prepare())
    wire.blocked = True
    writing = Running(x.write(b"sent before anything is waited for"))
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        writing.result()
    assert wire.sent[-1] == ("part", b"sent before anything is waited for")
    wire.blocked = False
    run(x.eof())
    assert (x._out, wire.state) == (DONE, DONE)
