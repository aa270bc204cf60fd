"""A chat over one feed of events."""

from __future__ import annotations

import asyncio
import re
from typing import cast

import pytest

from examples.chat import PAGE, web
from toolkit import Event, Session


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "access_log", None)


async def test_everybody_hears_what_is_said_and_who_was_away_hears_it_later() -> None:
    async with asyncio.timeout(10), Session(app=web) as http:
        assert (await http.get("/")).content == PAGE.encode()
        async with http.sse("/said") as one, http.sse("/said") as other:
            first, second = aiter(one), aiter(other)
            waiting = [asyncio.ensure_future(_next(first)), asyncio.ensure_future(_next(second))]
            while one.response is None or other.response is None:  # noqa: ASYNC110 - both are listening then
                await asyncio.sleep(0)
            assert (await http.post("/said", body="hello <b>")).status == 204
            heard = await asyncio.gather(*waiting)
        assert [cast("dict[str, str]", event.json())["text"] for event in heard] == ["hello <b>"] * 2
        assert (await http.post("/said", body="later")).status == 204
        async with http.sse("/said", last_id=heard[0].id) as back:
            assert (await anext(aiter(back))).json() == {"text": "later"}


async def _next(events: object) -> Event:
    return await anext(events)  # type: ignore[call-overload,no-any-return]


async def test_nobody_says_too_much() -> None:
    async with asyncio.timeout(10), Session(app=web) as http:
        assert (await http.post("/said", body="x" * 2001)).status == 413


def test_what_is_said_is_text_to_the_page() -> None:
    assert "textContent" in PAGE
    assert re.search("innerHTML|document.write", PAGE) is None
