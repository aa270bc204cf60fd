"""The tree of errors: each documented, each with its builtin base, and words that a person can use."""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

import pytest

import toolkit
from toolkit import errors
from toolkit.errors import (
    BodyNotReplayable,
    Busy,
    CertificateError,
    ConnectError,
    ConnectTimeout,
    Disconnected,
    EarlyAnswer,
    LimitExceeded,
    LocalProtocolError,
    NetworkError,
    PoolFull,
    PoolTimeout,
    ProtocolError,
    ProxyError,
    ReadTimeout,
    RemoteProtocolError,
    ResolveError,
    StatusError,
    TlsError,
    ToolkitError,
    ToolkitTimeout,
    TotalTimeout,
    UseError,
    WriteTimeout,
)
from toolkit.server.abort import Abort

from .helpers.fakewire import End, FakeWire

if TYPE_CHECKING:
    from collections.abc import Iterator


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    """The class and all of its subclasses in this package; the extras have some of their own, if they are loaded."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("toolkit.") and not child.__module__.startswith("toolkit.other."):
            yield from below(child)


TREE = list(dict.fromkeys(below(ToolkitError)))

# Written out once more: an error's place is part of the public face.
BASES: dict[type[Exception], tuple[type[Exception], ...]] = {
    ToolkitError: (Exception,),
    UseError: (ToolkitError, RuntimeError),
    Busy: (UseError,),
    ProtocolError: (ToolkitError,),
    LocalProtocolError: (ProtocolError,),
    RemoteProtocolError: (ProtocolError,),
    LimitExceeded: (RemoteProtocolError,),
    Disconnected: (ToolkitError, ConnectionError),
    EarlyAnswer: (Disconnected,),
    ToolkitTimeout: (ToolkitError, TimeoutError),
    ConnectTimeout: (ToolkitTimeout,),
    PoolTimeout: (ToolkitTimeout,),
    ReadTimeout: (ToolkitTimeout,),
    WriteTimeout: (ToolkitTimeout,),
    TotalTimeout: (ToolkitTimeout,),
    NetworkError: (ToolkitError, OSError),
    ConnectError: (NetworkError,),
    ResolveError: (ConnectError,),
    ProxyError: (ConnectError,),
    TlsError: (ConnectError,),
    CertificateError: (TlsError,),
    PoolFull: (ToolkitError,),
    BodyNotReplayable: (ToolkitError,),
    StatusError: (ToolkitError,),
}


def made(kind: type[Exception], message: str) -> Exception:
    """One of its kind; three take more than words."""
    x = End(FakeWire())
    if kind is BodyNotReplayable:
        return BodyNotReplayable(message, x)
    if kind is CertificateError:
        return CertificateError(message, host="a.test", reason="expired")
    if kind is StatusError:
        return StatusError(message, 404, x)
    return kind(message)


def test_the_tree_is_this_one() -> None:
    assert {kind: kind.__bases__ for kind in TREE} == BASES
    assert sorted(kind.__name__ for kind in TREE) == errors.__all__


@pytest.mark.parametrize("kind", TREE)
def test_each_has_its_words(kind: type[Exception]) -> None:
    doc = kind.__dict__.get("__doc__")
    assert doc, "a docstring of its own"
    assert doc.strip().splitlines()[0].endswith((".", ":", ";", ",")) or len(doc.strip().splitlines()) > 1
    error = made(kind, "GET http://a/: reading the body: the words")
    assert str(error) == "GET http://a/: reading the body: the words"
    assert isinstance(error, ToolkitError)


@pytest.mark.parametrize("kind", TREE)
def test_no_name_speaks_of_a_role(kind: type[Exception]) -> None:
    assert not re.match(r"(Client|Server|Request|Response|Http)", kind.__name__)
    assert not hasattr(builtins, kind.__name__), "would hide a builtin where it is imported"


@pytest.mark.parametrize("kind", TREE)
def test_each_is_on_the_public_face(kind: type[Exception]) -> None:
    assert getattr(toolkit, kind.__name__) is kind
    assert kind.__name__ in toolkit.__all__


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"[├└│─ ]+([A-Z]\w+(?:, [A-Z]\w+)*)", (errors.__doc__ or "").partition("Blame")[0])
    names = {name for line in drawn for name in line.split(", ")} & {kind.__name__ for kind in TREE} | {"ToolkitError"}
    assert names == {kind.__name__ for kind in TREE}


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (UseError, RuntimeError),
        (Disconnected, ConnectionError),
        (Disconnected, OSError),
        (ReadTimeout, TimeoutError),
        (ConnectTimeout, OSError),
        (ConnectError, OSError),
    ],
)
def test_code_that_knows_only_builtins_catches_them(kind: type[Exception], builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="words"):
        raise made(kind, "words")


def test_what_they_carry() -> None:
    x = End(FakeWire())
    assert RemoteProtocolError("m").status_hint == 400
    assert RemoteProtocolError("m", 505).status_hint == 505
    assert LimitExceeded("m").status_hint == 413
    assert LimitExceeded("m", 431).status_hint == 431
    assert (Disconnected("m").exchange, Disconnected("m").clean) == (None, False)
    assert (EarlyAnswer("m", x, clean=True).exchange, EarlyAnswer("m", x, clean=True).clean) == (x, True)
    assert BodyNotReplayable("m", x).answer is x
    status = StatusError("m", 404, x)
    assert (status.status, status.answer) == (404, x)


def test_control_flow_stands_outside() -> None:
    assert not issubclass(Abort, ToolkitError)
    assert issubclass(Abort, Exception)
    assert toolkit.Abort is Abort
