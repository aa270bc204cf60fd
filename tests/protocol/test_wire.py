"""The wire's interface: both of its implementations have all of it, under the same signatures."""

from __future__ import annotations

import ast
import inspect

import pytest

from toolkit.client.connection import ClientConnection
from toolkit.protocol.wire import READY, Caps, Moved, Wire
from toolkit.server.connection import ServerConnection

from ..architecture.package import REPOSITORY
from ..helpers.fakewire import FakeWire

VERBS = [name for name in vars(Wire) if not name.startswith("_") and callable(getattr(Wire, name))]


def parameters(owner: type, verb: str) -> list[str]:
    """As the source states them: of a compiled coroutine function that is all there is."""
    owner = next(kind for kind in owner.__mro__ if verb in vars(kind))
    source = (REPOSITORY / f"{owner.__module__.replace('.', '/')}.py").read_text()
    kind = next(
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == owner.__name__
    )
    functions = [node for node in kind.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return next([argument.arg for argument in node.args.args] for node in functions if node.name == verb)


@pytest.mark.parametrize("kind", [ServerConnection, ClientConnection, FakeWire])
@pytest.mark.parametrize("verb", VERBS)
def test_a_wire_has_every_verb(kind: type, verb: str) -> None:
    """mypy checks the types; this, that none is left to a subclass that does not exist."""
    assert parameters(kind, verb) == parameters(Wire, verb)
    assert inspect.iscoroutinefunction(getattr(kind, verb)) == inspect.iscoroutinefunction(getattr(Wire, verb))


def test_the_coroutines_are_those_that_wait() -> None:
    waiting = {verb for verb in VERBS if inspect.iscoroutinefunction(getattr(Wire, verb))}
    assert waiting == {"drain", "forward", "offload", "send_file", "splice"}
    assert inspect.signature(Wire.receive).return_annotation == "Awaitable[None]"  # one that others wait in


def test_ready_waits_for_nothing() -> None:
    with pytest.raises(StopIteration):
        next(READY.__await__())


def test_bytes_moved_add_up() -> None:
    assert Moved() == (0, 0, 0)
    assert Moved().total == 0
    assert Moved(splice=1, sendfile=20, copy=300).total == 321


def test_capabilities_are_named() -> None:
    caps = Caps(half_close=True, reset=False, zero_copy=False)
    assert (caps.half_close, caps.reset, caps.zero_copy) == caps == (True, False, False)
