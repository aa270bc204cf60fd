"""THE transition table: the life of one message, the same for the one being sent and the one being received.

An exchange is two of these machines side by side, one a direction; neither knows whether it runs in a server or in a
client, and they meet only in the connection, which starts the next exchange when both are at rest.

    IDLE     no final head yet; interim heads (1xx) may pass
    BODY     the head is known, the body is not over
    RAW      the link's bytes themselves, after Upgrade or CONNECT
    DONE     a clean end
    ABORTED  an end in error; nothing can follow it

The table is the specification and the tests' oracle. The code that runs per request compares these integers directly
(a table look-up per write is measurable, see design notes in docs/architecture.md, whose diagram is drawn from here).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from toolkit.errors import LocalProtocolError, caused

__all__ = ["ABORTED", "BODY", "DONE", "IDLE", "RAW", "TRANSITIONS", "Event", "State", "step"]


class State(IntEnum):
    """Where a message stands; the name says what may happen next."""

    IDLE = 0
    BODY = 1
    RAW = 2
    DONE = 3
    ABORTED = 4


class Event(IntEnum):
    """What happens to a message."""

    INTERIM = 0  #: a 1xx head
    HEAD = 1  #: the final head, a body follows
    WHOLE = 2  #: head and body in one
    DATA = 3  #: a piece of the body
    END = 4  #: the clean end
    SWITCH = 5  #: 101, or 2xx to CONNECT: raw bytes from here on
    ABORT = 6  #: an end in error


# Bound once: a member looked up through its class costs 40 ns on CPython 3.11, a global 5.
IDLE: Final = State.IDLE
BODY: Final = State.BODY
RAW: Final = State.RAW
DONE: Final = State.DONE
ABORTED: Final = State.ABORTED

TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (IDLE, Event.INTERIM): IDLE,
    (IDLE, Event.HEAD): BODY,
    (IDLE, Event.WHOLE): DONE,
    (IDLE, Event.SWITCH): RAW,
    (IDLE, Event.ABORT): ABORTED,
    (BODY, Event.DATA): BODY,
    (BODY, Event.END): DONE,
    (BODY, Event.ABORT): ABORTED,
    (RAW, Event.DATA): RAW,
    (RAW, Event.END): DONE,
    (RAW, Event.ABORT): ABORTED,
    (DONE, Event.END): DONE,  # ending twice is harmless: `async with` and an explicit eof() meet here
    (DONE, Event.SWITCH): RAW,  # a request that asked for the upgrade had ended
    (DONE, Event.ABORT): DONE,  # what was said cannot be taken back
    (ABORTED, Event.END): ABORTED,
    (ABORTED, Event.ABORT): ABORTED,
}


def step(state: State, event: Event) -> State:
    """The next state. Raises `LocalProtocolError`, and changes nothing, where the table has no entry."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        allowed = ", ".join(e.name for (s, e) in TRANSITIONS if s is state)
        raise caused(LocalProtocolError(f"{event.name} in state {state.name}: expected one of {allowed}"), None)
