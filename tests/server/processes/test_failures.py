"""Exceptions on their way between processes: what they were, as far as it can be had, and where they came from."""

from __future__ import annotations

import os

import pytest

from toolkit import (
    Abort,
    Exchange,
    LimitExceeded,
    MethodNotAllowed,
    ProcessDied,
    ProcessesBusy,
    ProcessTimeout,
    RemoteProtocolError,
    Unauthorized,
    UseError,
)
from toolkit.server.processes.failures import RemoteError, RemoteTraceback, pack_error, pickled, unpack_error

from .samples import Complicated, NoSuchUser, Unsendable, a_lambda


def sent(error: BaseException) -> Exception:
    """What of it arrives."""
    try:
        raise error
    except BaseException as raised:
        return unpack_error(pack_error(raised))


SAME = [
    KeyError("a"),
    OSError(2, "no file", "name"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ValueError(),
    Abort("", 302, {"location": "/x"}),
    Abort("enough", 429),
    NoSuchUser("nobody"),
    NoSuchUser(),
    MethodNotAllowed(["GET"]),
    Unauthorized(challenge="Basic"),
    Complicated("a", 2),
    UseError("wrong order"),
    RemoteProtocolError("bad", 415, fault="f"),
    LimitExceeded("much", fault="f"),
    ExceptionGroup("several", [ValueError("one")]),
]


@pytest.mark.parametrize("error", SAME, ids=repr)
def test_an_exception_stays_what_it_is(error: Exception) -> None:
    found = sent(error)
    assert type(found) is type(error)
    assert (str(found), repr(found.args)) == (str(error), repr(error.args))
    for name, value in vars(error).items():
        assert getattr(found, name) == value
    if isinstance(error, OSError):
        assert (found.errno, found.filename) == (error.errno, error.filename)  # type: ignore[attr-defined]


def test_its_traceback_comes_along_as_its_cause() -> None:
    cause = sent(ValueError("a")).__cause__
    assert isinstance(cause, RemoteTraceback)
    text = str(cause)
    assert text.startswith(f"in process {os.getpid()}:\nTraceback (most recent call last):\n")
    assert text.endswith("\nValueError: a")
    assert str(RemoteTraceback()) == ""


def test_notes_and_causes_are_in_the_traceback() -> None:
    error = ValueError("a")
    error.add_note("a note")
    error.__cause__ = KeyError("the cause")
    found = sent(error)
    assert "KeyError: 'the cause'" in str(found.__cause__)
    assert found.__notes__ == ["a note"]


def test_what_cannot_be_sent_is_told_in_words() -> None:
    class Local(Exception): ...

    for error, text in [
        (Unsendable(), "tests.server.processes.samples.Unsendable: it has a lock"),
        (Local("x"), f"{__name__}.test_what_cannot_be_sent_is_told_in_words.<locals>.Local: x"),
        (KeyboardInterrupt("x"), "KeyboardInterrupt: x"),
    ]:
        found = sent(error)
        assert type(found) is RemoteError
        assert str(found) == text
        assert isinstance(found.__cause__, RemoteTraceback)


class Changing(Exception):
    """It becomes something else on the way."""

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (3,)


def test_an_exception_that_pickles_as_something_else_is_taken_apart() -> None:
    assert type(sent(Changing("x"))) is Changing


def test_the_copy_that_an_error_names_is_left_behind() -> None:
    error = RemoteProtocolError("bad", 400)
    error.exchange = Exchange(None, "GET", None)
    assert isinstance((found := sent(error)), RemoteProtocolError)
    assert found.exchange is None


@pytest.mark.parametrize(("kind", "status"), [(ProcessDied, 500), (ProcessTimeout, 503), (ProcessesBusy, 503)])
def test_what_a_pool_says_is_for_the_log_and_not_for_the_client(
    kind: type[ProcessDied | ProcessTimeout | ProcessesBusy], status: int
) -> None:
    error = kind("GET /x: pid 7")
    assert (error.status, str(error)) == (status, "GET /x: pid 7")
    assert "7" not in error.message
    assert str(kind()) == error.message


def test_who_is_turned_away_is_told_when_to_come_back() -> None:
    assert ProcessesBusy(retry_after=2.1).headers == {"retry-after": "3"}


def test_what_cannot_be_pickled_is_named() -> None:
    with pytest.raises(UseError, match=r"^what f returned cannot be sent to another process; pickle says: "):
        pickled(a_lambda(), "what f returned")
