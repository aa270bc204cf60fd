"""Exceptions on their way from a process to the loop, and what a pool itself has to say.

An exception is pickled as it is where that works. Many do not survive it, since pickle calls the class with `args`, and
not with what the class was called with; those are taken apart, into class, `args` and attributes, and put together
without a call. Where the class itself is not to be had, or an attribute cannot be pickled, a `RemoteError` says what it
was. The traceback goes along as text: the log and the page in development show it.
"""

from __future__ import annotations

import os
import pickle
import traceback
from typing import TYPE_CHECKING, NoReturn

from toolkit.errors import RemoteProtocolError, UseError, caused
from toolkit.server.abort import InternalServerError, ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ProcessDied",
    "ProcessTimeout",
    "ProcessesBusy",
    "RemoteError",
    "RemoteTraceback",
    "pack_error",
    "pickled",
    "unpack_error",
]


class ProcessDied(InternalServerError):
    """500: the process that ran the handler ended meanwhile. `str()` says how; the client is not told."""

    def __init__(self, detail: str = "") -> None:
        super().__init__()
        self.args = (detail or self.message,)


class ProcessTimeout(ServiceUnavailable):
    """503: the handler took longer than `Processes.timeout`, and its process was killed. `str()` says more."""

    def __init__(self, detail: str = "") -> None:
        super().__init__()
        self.args = (detail or self.message,)


class ProcessesBusy(ServiceUnavailable):
    """503: all processes of the pool are busy, and as many requests wait as may. `str()` says more."""

    def __init__(self, detail: str = "", *, retry_after: float = 1) -> None:
        super().__init__(retry_after=retry_after)
        self.args = (detail or self.message,)


class RemoteError(Exception):
    """What was raised in another process and cannot be had here: its class and text, in words."""


class RemoteTraceback(Exception):
    """The cause of an exception that came from another process: its traceback, as text."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def pickled(value: object, what: str) -> bytes:
    """A value in bytes. Raises `UseError` for one that another process cannot be given, beginning with `what`."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # pickle raises what it likes, and calls methods that do
        raise caused(UseError(f"{what} cannot be sent to another process; pickle says: {error}"), error)


def pack_error(error: BaseException) -> bytes:
    """An exception, in a process, as bytes for the loop."""
    trace = error.__traceback__
    own = None if trace is None else trace.tb_next or trace  # what is behind the call; the call itself is ours
    text = "".join(traceback.format_exception(type(error), error, own)).rstrip()
    text = f"in process {os.getpid()}:\n{text}"
    if isinstance(error, RemoteProtocolError):
        error.exchange = None  # the copy that it names is the client's request all the same
    for form in (_whole, _in_parts, _in_words):
        try:
            packed = form(error)
            again: object = pickle.loads(packed)
            if isinstance(again, tuple):
                again = again[0](*again[1:])
            if isinstance(again, BaseException):
                break
        except Exception:  # whatever its methods raise, the next form has fewer of them
            continue
    else:
        packed = _in_words(error)
    return pickle.dumps((packed, text))


def _whole(error: BaseException) -> bytes:
    packed = pickle.dumps(error)
    if type(pickle.loads(packed)) is not type(error):
        _cannot()
    return packed


def _in_parts(error: BaseException) -> bytes:
    return pickle.dumps((_together, type(error), error.args, dict(error.__dict__)))


def _in_words(error: BaseException) -> bytes:
    kind = type(error)
    return pickle.dumps((RemoteError, f"{kind.__module__}.{kind.__qualname__}: {error}"))


def _cannot() -> NoReturn:
    raise TypeError("it became something else on the way")


def _together(kind: type[BaseException], args: tuple[object, ...], state: dict[str, object]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def unpack_error(payload: bytes) -> Exception:
    """The exception, on the loop, with its traceback as the cause."""
    packed, text = pickle.loads(payload)
    try:
        found: object = pickle.loads(packed)
        if isinstance(found, tuple):
            make: Callable[..., object] = found[0]
            found = make(*found[1:])
    except Exception as error:  # its module is not to be had here
        found = RemoteError(f"an exception that cannot be read here: {error}")
    if not isinstance(found, Exception):
        found = RemoteError(f"{type(found).__name__}: {found}")
    return caused(found, RemoteTraceback(text))
