"""Servers without an end: whatever they send for ever, or never, ends in an error, in bounded memory and time."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.helpers.hostile import OK, Hostile, hostile
from toolkit import LimitExceeded, ReadTimeout, Redirects, RemoteProtocolError, Timeouts, TotalTimeout, WriteTimeout
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from tests.helpers.raw import Raw

MIB = 1024 * 1024
START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = START + b"transfer-encoding: chunked\r\n\r\n"
#: How an answer begins, and what then comes again and again.
ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "fields": (START, b"x: y\r\n" * 1000),
    "one field": (START + b"x: ", b"y" * 10_000),
    "reason": (START[:-2], b"y" * 10_000),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "chunk extension": (CHUNKED + b"5;a=", b"b" * 10_000),
    "chunk size": (CHUNKED, b"0" * 10_000),
    "trailers": (CHUNKED + b"0\r\n", b"x: y\r\n" * 1000),
    "one trailer": (CHUNKED + b"0\r\nx: ", b"y" * 10_000),
}


async def for_ever(raw: Raw, start: bytes, again: bytes) -> None:
    """Send it until the client has gone."""
    with contextlib.suppress(OSError):
        await raw.send(start)
        while True:
            await raw.send(again)
            await asyncio.sleep(0)


async def failed(asking: asyncio.Task[bytes]) -> ToolkitError:
    """What it ended with."""
    with pytest.raises(ToolkitError) as caught:
        await asking
    return caught.value


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("what", ENDLESS)
async def test_endless(what: str, kind: str) -> None:
    async with hostile(kind) as here:
        asking, raw = await here.faced()
        tracemalloc.start()
        try:
            sending = asyncio.create_task(for_ever(raw, *ENDLESS[what]))
            error = await failed(asking)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await sending
        assert type(error) in (LimitExceeded, RemoteProtocolError)
        assert peak < 4 * MIB
        await here.shaken_off(raw)
        await here.goes_on()


SILENT = {
    "no head": b"",
    "half a head": START,
    "half a body": START + b"content-length: 9\r\n\r\nhel",
    "a chunk": CHUNKED,
}


@pytest.mark.parametrize("phase", SILENT)
async def test_silence_in_any_phase_is_a_read_timeout(phase: str) -> None:
    async with hostile(timeouts=Timeouts(read=0.05, linger=0.01)) as here:
        asking, raw = await here.faced()
        await raw.send(SILENT[phase])
        assert type(await failed(asking)) is ReadTimeout
        await here.shaken_off(raw)
        await here.goes_on()


@pytest.mark.parametrize(("start", "drop"), [(START + b"x: ", b"y"), (CHUNKED, b"1\r\nx\r\n")], ids=["head", "body"])
async def test_who_sends_drop_by_drop_is_bounded_by_the_total(start: bytes, drop: bytes) -> None:
    async with hostile(timeouts=Timeouts(total=0.1, linger=0.01)) as here:
        asking, raw = await here.faced()
        sending = asyncio.create_task(for_ever(raw, start, drop))
        assert type(await failed(asking)) in (TotalTimeout, LimitExceeded)  # a quick machine fills the head first
        await sending
        await here.shaken_off(raw)
        await here.goes_on()


async def test_who_never_reads_is_a_write_timeout() -> None:
    async with hostile(receive_buffer=4096, timeouts=Timeouts(write=0.1, linger=0.01)) as here:
        asking = here.ask("POST", bytes(32 * MIB))
        raw = await here.peer.accept()
        assert type(await failed(asking)) is WriteTimeout
        raw.reset()
        await here.shaken_off(raw)
        await here.goes_on()


@pytest.mark.parametrize("where", ["/hostile", "/{}"], ids=["a circle", "always another"])
async def test_redirects_without_an_end(where: str) -> None:
    async with hostile(redirects=Redirects(most=5)) as here:
        asking = here.ask()
        raw = await here.peer.accept()
        served = await redirect_for_ever(here, raw, asking, where)
        assert type(await failed(asking)) is RemoteProtocolError
        assert served <= 6


async def redirect_for_ever(here: Hostile, raw: Raw, asking: asyncio.Task[bytes], where: str) -> int:
    """Answers each request by another place; returns how many there were."""
    served = 0
    while True:
        receiving = asyncio.create_task(here.received(raw))
        await asyncio.wait([receiving, asking], return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done():
            receiving.cancel()
            await asyncio.wait([receiving])
            return served
        served += 1
        target = where.format(served).encode()
        await raw.send(b"HTTP/1.1 302 Found\r\nlocation: " + target + b"\r\ncontent-length: 0\r\n\r\n")


async def test_a_flood_of_cookies_is_bounded() -> None:
    async with hostile(cookies=True) as here:
        raw: Raw | None = None
        for number in range(10):
            asking = here.ask()
            raw = raw or await here.peer.accept()
            await here.received(raw)
            flood = b"".join(b"set-cookie: c%d-%d=%s\r\n" % (number, n, b"v" * 500) for n in range(90))
            await raw.send(OK.replace(b"\r\n", b"\r\n" + flood, 1))
            assert await asking == b"ok"
        assert len(here.http.cookies) <= 180
