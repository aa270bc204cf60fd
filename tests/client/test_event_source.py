"""Event sources: reconnecting by the rules of WHATWG HTML 9.2.3, and every way to an end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import Asked, read_request
from tests.helpers.raw import PATIENCE, Raw, raw_server
from tests.helpers.served import served
from toolkit import (
    Abort,
    App,
    ConnectError,
    Deliver,
    Disconnected,
    LimitExceeded,
    RemoteProtocolError,
    Session,
    StatusError,
    UseError,
)
from toolkit.client.event_source import LONGEST_BACKOFF, EventSource, reconnect_delay
from toolkit.protocol.events import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Request

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"  # until the connection ends
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b"
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"


def source(http: Session, url: str = "/events", **options: object) -> EventSource:
    """One that comes back at once."""
    events = http.sse(url, retry=0, **options)  # type: ignore[arg-type]
    events.longest_wait = 0
    return events


async def answered(raw: Raw, *pieces: bytes) -> Asked:
    """Read a request on a raw end, answer it, end the connection; what was asked."""
    request = await read_request(raw)
    for piece in pieces:
        await raw.send(piece)
    await raw.close()
    return request


async def test_events_come_over_as_many_connections_as_it_takes() -> None:
    asked: list[Asked] = []
    async with raw_server("tcp") as peer, peer.session() as http:
        events = aiter(source(http, f"{peer.url}/events"))

        async def serve() -> None:
            for number in range(3):
                raw = await peer.accept()
                asked.append(await answered(raw, STREAM, b"id: %d\ndata: x%d\n\ndata: cut off" % (number, number)))
            await answered(await peer.accept(), GONE)

        serving = asyncio.ensure_future(serve())
        async with asyncio.timeout(PATIENCE):
            assert [event async for event in events] == [Event(f"x{n}", id=str(n)) for n in range(3)]
        await serving
    assert [request.get("last-event-id") for request in asked] == [None, "0", "1"]
    assert {request.get("accept") for request in asked} == {"text/event-stream"}


async def test_the_last_id_is_repeated_in_utf_8() -> None:
    web = App()
    asked: list[str | None] = []
    answers = [(b"id: \xe2\x80\xa6\ndata: x\n\n"), (b"id\ndata: y\n\n"), (b"id: \x01\ndata: z\n\n")]

    @web.get("/events")
    async def handler(r: Request) -> object:
        asked.append(r.headers.get("last-event-id"))
        if not answers:
            return None
        return 200, answers.pop(0), {"content-type": "text/event-stream"}

    async with served(web) as here, here.session() as http, asyncio.timeout(PATIENCE):
        assert [event.data async for event in source(http, last_id="before")] == ["x", "y", "z"]
    assert asked == ["before", "\u2026".encode().decode("latin-1"), None, None]


async def test_it_asks_for_events_and_own_headers_go_with_it() -> None:
    web = App()
    asked: list[dict[str, str]] = []

    @web.get("/events")
    def handler(r: Request) -> None:
        asked.append(dict(r.headers.items()))

    async with served(web) as here, here.session() as http:
        events = http.sse("/events", {"authorization": "x", "cache-control": "no-cache"}, params={"a": "b"})
        assert [event async for event in events] == []
    assert asked[0]["accept"] == "text/event-stream"
    assert asked[0]["authorization"] == "x"
    assert asked[0]["cache-control"] == "no-cache"


async def test_a_redirect_is_followed_each_time() -> None:
    web = App()
    paths: list[str] = []

    @web.get("/events")
    def old(r: Request) -> object:
        paths.append(r.path)
        return Deliver.redirect("/new", 301)

    @web.get("/new")
    def new(r: Request) -> object:
        paths.append(r.path)
        return (200, b"data: x\n\n", {"content-type": "text/event-stream"}) if len(paths) == 2 else None

    async with served(web) as here, here.session() as http:
        assert [event.data async for event in source(http)] == ["x"]
    assert paths == ["/events", "/new"] * 2


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream;charset=utf-8", True),
        ("text/event-stream; charset=latin-1", True),  # 9.2.5: always UTF-8
        ("text/plain", False),
        ("text/event-stream-x", False),
        (None, False),
    ],
)
async def test_only_a_stream_of_events_is_one(content_type: str | None, accepted: bool) -> None:
    web = App()
    answers = [b"data: \xe2\x80\xa6\n\n"]

    @web.get("/events")
    async def handler(r: Request) -> None:
        if not answers:
            await r.prepare({}, 204)
            return
        await r.prepare({"content-type": content_type})
        await r.write(answers.pop())

    async with served(web) as here, here.session() as http:
        if accepted:
            assert [event.data async for event in source(http)] == ["\u2026"]
        else:
            with pytest.raises(RemoteProtocolError, match=r"answered .*, not text/event-stream"):
                await anext(aiter(source(http)))


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_an_error_is_an_error_and_not_asked_for_again(status: int) -> None:
    web = App()

    @web.get("/events")
    def handler(r: Request) -> None:
        raise Abort("no", status)

    async with served(web) as here, here.session() as http:
        with pytest.raises(StatusError, match=f"answered {status}") as caught:
            await anext(aiter(source(http)))
        assert caught.value.status == status


async def test_nor_is_a_status_that_means_something_else() -> None:
    web = App()

    @web.get("/events")
    def handler(r: Request) -> object:
        return 202, "later"

    async with served(web) as here, here.session() as http:
        with pytest.raises(RemoteProtocolError, match="answered 202 Accepted"):
            await anext(aiter(source(http)))


async def test_retry_is_the_server_s_to_say() -> None:
    web = App()

    @web.get("/events")
    async def handler(r: Request) -> object:
        if not r.headers.get("last-event-id"):
            return 200, b"retry: 7\nid: 1\n\n", {"content-type": "text/event-stream"}
        return None

    async with served(web) as here, here.session() as http:
        events = source(http)
        assert [event async for event in events] == []
        assert (events.retry, events.last_id) == (7, "1")


async def test_failures_are_borne_and_said(caplog: pytest.LogCaptureFixture) -> None:
    async with raw_server("tcp") as peer, peer.session() as http:
        asking = asyncio.ensure_future(_all(source(http, f"{peer.url}/events")))
        for _ in range(2):
            await answered(await peer.accept(), b"HTTP/1.1 200 OK\r\ncontent-len")
        await answered(await peer.accept(), WHOLE % (9, b"data: x\n\n"))
        await answered(await peer.accept(), GONE)
        async with asyncio.timeout(PATIENCE):
            assert await asking == [Event("x")]
    told = [record for record in caplog.records if record.name == "toolkit.client"]
    assert [record.levelno for record in told] == [logging.WARNING] * 2
    assert all("tried again" in record.getMessage() for record in told)


async def _all(events: EventSource) -> list[Event]:
    return [event async for event in events]


async def test_but_not_more_than_asked_for() -> None:
    async with raw_server("tcp") as peer, peer.session() as http:
        asking = asyncio.ensure_future(_all(source(http, f"{peer.url}/events", attempts=2)))
        for answer in (b"", b"", WHOLE % (100, b"data: x"), b"", b""):  # behind a stream that began the count does, too
            await answered(await peer.accept(), answer)
        with pytest.raises(Disconnected):
            await asking


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    async with raw_server("tcp") as peer:
        url = f"{peer.url}/events"
    async with Session() as http:
        with pytest.raises(ConnectError):
            await anext(aiter(source(http, url, attempts=0)))


async def test_a_bound_on_events() -> None:
    web = App()

    @web.get("/events")
    def handler(r: Request) -> object:
        return 200, b"data: x\n\ndata: " + b"x" * 100, {"content-type": "text/event-stream"}

    async with served(web) as here, here.session() as http:
        events = source(http)
        events.limit = 50
        iterator = aiter(events)
        assert await anext(iterator) == Event("x")
        with pytest.raises(LimitExceeded, match="GET http://localhost/events: an event over 50 bytes"):
            await anext(iterator)


# -- ends ------------------------------------------------------------------------------------------------------


def endless() -> tuple[App, asyncio.Future[None]]:
    """An application whose stream goes on until its client leaves, and when it has."""
    web = App()
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @web.get("/events")
    async def handler(r: Request) -> None:
        try:
            async with r.sse() as events:
                await events.send("x")
                await asyncio.Event().wait()
        finally:
            left.set_result(None)

    return web, left


async def test_leaving_the_block_gives_the_connection_up() -> None:
    web, left = endless()
    async with served(web) as here, here.session() as http, asyncio.timeout(PATIENCE):
        async with http.sse("/events") as events:
            async for event in events:
                assert event == Event("x")
                assert events.response is not None
                break
        await left


async def test_so_does_leaving_the_loop() -> None:
    web, left = endless()
    async with served(web) as here, here.session() as http, asyncio.timeout(PATIENCE):
        async for _ in http.sse("/events"):
            break
        await left


async def test_closing_ends_an_iteration_that_waits_for_an_event() -> None:
    web, left = endless()
    async with served(web) as here, here.session() as http, asyncio.timeout(PATIENCE):
        events = http.sse("/events")
        iterator = aiter(events)
        await anext(iterator)
        waiting = asyncio.ensure_future(_next(iterator))
        await asyncio.sleep(0)
        await events.close()
        assert await waiting is None
        await left


async def _next(iterator: AsyncIterator[Event]) -> Event | None:
    return await anext(iterator, None)


async def test_closing_ends_one_that_waits_to_come_back() -> None:
    web = App()

    @web.get("/events")
    def handler(r: Request) -> object:
        return 200, b"data: x\n\n", {"content-type": "text/event-stream"}

    async with served(web) as here, here.session() as http, asyncio.timeout(PATIENCE):
        events = http.sse("/events", retry=10**9)
        iterator = aiter(events)
        await anext(iterator)
        waiting = asyncio.ensure_future(_next(iterator))
        for _ in range(100):
            await asyncio.sleep(0)  # in memory everything happens within a few turns
        assert events.response is None
        await events.close()
        assert await waiting is None
        assert [event async for event in _closed(http)] == []


def _closed(http: Session) -> EventSource:
    events = http.sse("/events")
    events._closing.set()
    return events


async def test_a_session_that_is_closed_is_not_opened_again() -> None:
    web, left = endless()
    async with served(web) as here, asyncio.timeout(PATIENCE):
        http = here.session()
        iterator = aiter(source(http))
        await anext(iterator)
        waiting = asyncio.ensure_future(_next(iterator))
        await asyncio.sleep(0)
        await http.close()
        with pytest.raises(Disconnected):
            await waiting
        await left
        await http.close()


async def test_it_is_iterated_once() -> None:
    async with Session() as http:
        events = http.sse("http://localhost/events")
        aiter(events)
        with pytest.raises(UseError, match="iterated once"):
            aiter(events)


@pytest.mark.parametrize(
    ("retry", "failures", "spread", "seconds"),
    [
        (3000, 0, 1.0, 3.0),
        (0, 0, 1.0, 0.0),
        (3000, 1, 0.0, 3.0),
        (3000, 1, 1.0, 4.5),
        (3000, 2, 0.0, 6.0),
        (3000, 3, 0.5, 15.0),
        (3000, 9, 0.0, LONGEST_BACKOFF),
        (3000, 10**6, 1.0, LONGEST_BACKOFF),
        (0, 1, 0.0, 0.5),
        (0, 4, 0.0, 4.0),
        (100_000, 5, 1.0, 100.0),
    ],
)
def test_the_wait_grows_with_failures_and_is_never_less_than_the_server_s(
    retry: int, failures: int, spread: float, seconds: float
) -> None:
    assert reconnect_delay(retry, failures, spread) == seconds
