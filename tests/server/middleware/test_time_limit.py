"""Time limits: a handler that takes too long is answered for, and only that one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, Request, UseError
from toolkit.server.middleware.time_limit import TimeLimit

from .asking import ask

if TYPE_CHECKING:
    from tests.helpers.raw import Raw


async def test_too_long_is_503() -> None:
    web = App()
    cancelled = asyncio.Event()

    async def handler(r: Request) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    web.get("/", middlewares=[TimeLimit(0.01)])(handler)
    answer = await ask(web)
    assert (answer.status, answer.body, answer.get("retry-after")) == (503, b"not done within 0.01 s", None)
    assert cancelled.is_set()


async def test_another_status_and_when_to_come_back() -> None:
    web = App()
    web.get("/", middlewares=[TimeLimit(0.01, 504, retry_after=7)])(lambda r: asyncio.Event().wait())
    answer = await ask(web)
    assert (answer.status, answer.get("retry-after")) == (504, "7")


async def test_in_time_is_as_without() -> None:
    web = App()
    web.get("/", middlewares=[TimeLimit(100)])(lambda r: "x")
    assert (await ask(web)).body == b"x"


async def test_a_handler_s_own_timeout_is_its_own() -> None:
    web = App()

    async def handler(r: Request) -> None:
        raise TimeoutError

    web.get("/", middlewares=[TimeLimit(100)])(handler)
    assert (await ask(web)).status == 500


async def test_an_answer_that_has_begun_is_broken_off() -> None:
    web = App()

    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"begun")
        await asyncio.Event().wait()

    web.get("/", middlewares=[TimeLimit(0.01)])(handler)
    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"begun" in await _all(raw)


async def _all(raw: Raw) -> bytes:
    await raw.gone()
    data = bytes(raw.buffer)
    assert not data.endswith(b"0\r\n\r\n")
    return data


@pytest.mark.parametrize("options", [{"seconds": 0}, {"seconds": -1}, {"seconds": 1, "status": 404}])
def test_limits_that_are_none(options: dict[str, int]) -> None:
    with pytest.raises(UseError, match="TimeLimit"):
        TimeLimit(**options)


def test_text_is_no_number() -> None:
    with pytest.raises(UseError, match="expected "):
        TimeLimit("5s")  # type: ignore[arg-type]  # as a program without types has it
