"""Functions that processes call in tests: what another process is to find stands in a module, under its name."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from toolkit import Abort, App, Cookie, Deliver, Event, NotFound, Reply, current_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from toolkit import RequestCopy

here = ["main"]  # what an initializer changes


# Functions


def add(a: int, b: int = 0) -> int:
    return a + b


def join(a: str, b: str) -> str:
    return a + b


def pid() -> int:
    return os.getpid()


def place() -> tuple[str, int, int]:
    this = current_process()
    return this.kind, this.number, this.count


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def hold(folder: str) -> str:
    """Say that it has begun, with its pid, and wait for a word."""
    with open(f"{folder}/begun", "w") as begun:
        begun.write(str(os.getpid()))
    with open(f"{folder}/go") as go:
        return go.read()


def hold_and_tell(folder: str) -> str:
    """Likewise; how it was left is told by the name of a file."""
    try:
        return hold(folder)
    except BaseException as error:
        with open(f"{folder}/left", "w") as left:
            left.write(type(error).__name__)
        raise


def leave(code: int) -> None:
    os._exit(code)


def leave_in_order(code: int) -> None:
    sys.exit(code)


def fall(number: int) -> None:
    signal.raise_signal(signal.Signals(number))


def fail(text: str) -> None:
    raise ValueError(text)


def a_lambda() -> object:
    return lambda: None


def generator() -> Iterator[int]:
    yield 1


def begin() -> None:
    """An initializer."""
    here[:] = ["begun in", current_process().kind]


def begun() -> list[str]:
    return here


def hold_at_the_beginning() -> None:
    hold(os.environ["HOLD_AT_THE_BEGINNING"])


def cannot_begin() -> None:
    raise OSError("no model")


class Named:
    @staticmethod
    def double(x: int) -> int:
        return 2 * x

    def method(self) -> None: ...


# Errors


class NoSuchUser(NotFound):
    """Nobody of that name."""


class Complicated(Exception):
    """What pickle cannot make again by itself: it calls the class with `args`."""

    def __init__(self, first: str, second: int) -> None:
        super().__init__(f"{first}, {second} times")
        self.second = second


class Unsendable(Exception):
    def __init__(self) -> None:
        super().__init__("it has a lock")
        self.lock = threading.Lock()


# Handlers


def hello(r: RequestCopy) -> str:
    return f"hello from a process of kind {current_process().kind}"


def known(r: RequestCopy, a: int, rest: str) -> object:
    return {
        "method": r.method,
        "path": r.path,
        "raw_path": r.raw_path,
        "query": r.query,
        "params": r.params(),
        "path_params": r.path_params,
        "given": [a, rest],
        "cookies": r.cookies,
        "x": r.headers.get_all("X-Name"),
        "host": r.host,
        "ip_host": r.ip_host,
        "store": dict(r.store),
        "body": r.body.decode(),
    }


def as_json(r: RequestCopy) -> object:
    return {"json": r.json()}


def as_form(r: RequestCopy) -> object:
    form = r.form()
    return {name: one if isinstance(one, str) else [one.filename, len(one.content)] for name, one in form.pairs}


def cookies(r: RequestCopy) -> object:
    r.set_cookie("a", "1")
    r.add_header("x-added", "yes")
    return Reply("ok", 201, {"x-own": "mine"}, cookies=[Cookie("b", "2")])


def returned(r: RequestCopy, what: str) -> object:
    """What a handler may return, by name."""

    def pieces() -> Iterator[str]:
        yield "a "
        yield "stream"

    async def awaited() -> AsyncIterator[bytes]:
        yield b"an async "
        yield b"stream"

    kinds: dict[str, object] = {
        "text": "text",
        "bytes": b"bytes",
        "dict": {"a": 1},
        "list": [1, 2],
        "none": None,
        "tuple": (202, "accepted", {"x-own": "mine"}),
        "html": Deliver.html("<p>"),
        "redirect": Deliver.redirect("/elsewhere"),
        "stream": pieces(),
        "stream with a status": (203, pieces(), {"content-type": "text/plain"}),
        "deliver stream": Deliver.stream(awaited(), 203, content_type="text/plain"),
        "file": Deliver.file(__file__, inline=True),
        "file with a status": (404, Deliver.file(__file__)),
        "open file": Deliver.stream(open(__file__, "rb")),  # noqa: SIM115 - closed by who sends it
        "set": {1, 2},
        "short tuple": (200, "x", {}, 4),
    }
    return kinds[what]


def raised(r: RequestCopy, what: str) -> object:
    kinds: dict[str, BaseException] = {
        "abort": Abort("enough", 429, {"retry-after": "3"}),
        "redirect": Abort("", 302, {"location": "/x"}),
        "own": NoSuchUser("nobody"),
        "error": KeyError("missing"),
        "complicated": Complicated("twice", 2),
        "unsendable": Unsendable(),
    }
    raise kinds[what]


async def awaited_pieces(r: RequestCopy) -> AsyncIterator[bytes]:
    yield b"made on a loop "
    yield b"of its own"


def events(r: RequestCopy) -> object:
    async def source() -> AsyncIterator[object]:
        yield {"done": 1}
        yield Event("two", "progress", "7")

    return Deliver.sse(source())


def endless_here(r: RequestCopy) -> Iterator[bytes]:
    return endless(r, r.params()["folder"])


def steps_here(r: RequestCopy) -> Iterator[str]:
    return step_by_step(r, r.params()["folder"])


def held_here(r: RequestCopy) -> str:
    return hold(r.params()["folder"])


def endless(r: RequestCopy, folder: str) -> Iterator[bytes]:
    """A stream that notes how many pieces were made, and that it was closed, where a test looks."""
    made = 0
    try:
        while True:
            made += 1
            yield b"x" * 16384
    finally:
        with open(f"{folder}/closed", "w") as closed:
            closed.write(str(made))


def step_by_step(r: RequestCopy, folder: str) -> Iterator[str]:
    yield "first "
    yield hold(folder)


def breaks(r: RequestCopy) -> Iterator[bytes]:
    yield b"some"
    raise ValueError("in the middle")


def dies(r: RequestCopy) -> Iterator[bytes]:
    yield b"some"
    os._exit(4)


def not_bytes(r: RequestCopy) -> Iterator[object]:
    yield 3


def died(r: RequestCopy) -> None:
    os._exit(3)


def place_of(r: RequestCopy) -> str:
    return str(current_process().count)


def counted(r: RequestCopy) -> object:
    return [len(r.body)]


def leave_children(folder: str) -> None:
    """A child that has all of this process's descriptors; it ends when the pipe is closed."""
    if os.fork() == 0:
        try:
            hold(folder)
        finally:
            os._exit(0)
    with open(f"{folder}/left") as told:
        told.read()
    os._exit(3)


def time_out() -> None:
    raise TimeoutError("its own")


def leave_at_the_beginning() -> None:
    os._exit(5)


def hold_on(folder: str) -> None:
    """A function that cannot be told to leave."""
    begun = False
    while True:
        try:
            if not begun:
                with open(f"{folder}/begun", "w") as told:
                    begun = True
                    told.write(str(os.getpid()))
            threading.Event().wait()
        except BaseException:
            continue


# With a cache, which stays on the loop

caching = App()


@caching.cache(60)
def kept(r: RequestCopy) -> dict[str, object]:
    return {"where": current_process().kind, "kept": r.path}
