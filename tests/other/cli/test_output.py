"""Where an answer goes that is shown."""

from __future__ import annotations

import asyncio
import os
import pty
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, Request
from toolkit.other.cli.output import LAID_OUT, Output, wants_colours
from toolkit.other.cli.statuses import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal's two ends: that of who looks at it, and that of the program."""
    looking, program = pty.openpty()
    try:
        yield looking, program
    finally:
        os.close(looking)
        os.close(program)


async def shown(data: bytes, content_type: str, out: Output, *, live: bool = False) -> None:
    web = App(port=0)

    @web.get("/")
    async def answer(r: Request) -> None:
        await r.prepare({"content-type": content_type})
        for at in range(0, len(data), 1000):
            await r.write(data[at : at + 1000])

    async with served(web) as here, here.session() as http, http.get("/") as x:
        await x.head()
        await out.body(x, live=live)


async def piped(data: bytes, content_type: str = "text/plain", *, colour: str = "auto", live: bool = False) -> bytes:
    reading, writing = os.pipe()
    rest = asyncio.ensure_future(asyncio.to_thread(_all, reading))
    try:
        await shown(data, content_type, Output(writing, colour=colour), live=live)
    finally:
        os.close(writing)
    return await rest


def _all(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


@pytest.mark.parametrize("data", [b"", b"text\n", b"\0binary\xff", bytes(3_000_000)])
async def test_a_pipe_gets_what_came(data: bytes) -> None:
    assert await piped(data) == data


async def test_json_in_a_pipe_stays_as_it_is() -> None:
    assert await piped(b'{"a":1}', "application/json") == b'{"a":1}'


async def test_json_is_laid_out_where_that_is_asked_for() -> None:
    shown = await piped(b'{"a":1}', "application/json", colour="always")
    assert shown == b'{\n  \x1b[36m"a"\x1b[0m: \x1b[33m1\x1b[0m\n}\n'


@pytest.mark.parametrize(
    ("data", "content_type", "live"),
    [
        (b'{"a":', "application/json", False),  # none
        (b'{"a":1}\n{"a":2}\n', "application/x-ndjson", False),  # several
        (b'{"a":1}', "application/json", True),  # of which nothing may wait for the rest
        (b'{"a":1}'.decode().encode("utf-16"), "application/json; charset=utf-16", False),
        (b"[" + b"1," * LAID_OUT + b"1]", "application/json", False),  # too much
    ],
)
async def test_what_is_not_laid_out_is_shown_as_it_is(data: bytes, content_type: str, live: bool) -> None:
    assert await piped(data, content_type, colour="always", live=live) == data


async def test_a_terminal_shows_text_and_refuses_what_is_none(terminal: tuple[int, int]) -> None:
    looking, program = terminal
    await shown(b"text\n", "text/plain", Output(program))
    assert os.read(looking, 100) == b"text\r\n"
    with pytest.raises(Stop, match="-o FILE saves it, -o - shows it") as caught:
        await shown(b"PNG\0\1", "image/png", Output(program))
    assert caught.value.status == Exit.WRITE


async def test_a_terminal_that_was_named_gets_whatever_comes(terminal: tuple[int, int]) -> None:
    looking, program = terminal
    await shown(b"\0\1", "image/png", Output(program, forced=True))
    assert os.read(looking, 100) == b"\0\1"


async def test_a_pipe_that_nobody_reads_ends_it_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(Stop) as caught:
        await Output(writing).write(b"x")
    os.close(writing)
    assert (caught.value.status, str(caught.value)) == (Exit.WRITE, "")


async def test_a_device_that_is_full_says_so() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(Stop, match="No space left on device"):
        await Output(descriptor).write(b"x")
    os.close(descriptor)


def test_colours_are_for_terminals_that_know_them(terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    reading, writing = os.pipe()
    assert wants_colours("auto", terminal[1])
    assert not wants_colours("auto", writing)
    assert wants_colours("always", writing)
    assert not wants_colours("never", terminal[1])
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colours("auto", terminal[1])
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colours("auto", terminal[1])
    os.close(reading)
    os.close(writing)
