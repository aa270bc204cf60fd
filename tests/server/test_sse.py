"""Event streams: what is sent, signs of life, and each of the ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import KINDS, PATIENCE, served
from toolkit import App, Deliver, Disconnected, UseError
from toolkit.protocol.events import Event
from toolkit.server.feed import EventFeed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit import Request

LINKS = pytest.mark.parametrize("kind", KINDS)
ASK = b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n"


class Streams:
    """An application with one stream, which sends what `queue` gives."""

    def __init__(self, **options: float | int | None) -> None:
        self.web = App()
        self.queue: asyncio.Queue[object] = asyncio.Queue()
        self.ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.entered = asyncio.Event()
        self.options = options
        self.behind = False  # the handler went on behind the block
        self.web.get("/events")(self.stream)

    async def stream(self, r: Request) -> None:
        try:
            async with r.sse(**self.options) as events:  # type: ignore[arg-type]
                self.entered.set()
                while (item := await self.queue.get()) is not None:
                    await events.send(item)
            self.behind = True
        except BaseException as error:
            self.ended.set_result(error)
            raise
        self.ended.set_result(None)


@LINKS
async def test_events_arrive_when_they_are_sent_and_the_block_s_end_is_the_answer_s(kind: str) -> None:
    app = Streams()
    async with served(app.web, kind) as here, here.session() as http, http.get(f"{here.url}/events") as x:
        events = x.events()
        for item, event in [("a", Event("a")), ({"b": 1}, Event('{"b":1}')), (Event("c", "tick", "7"),) * 2]:
            app.queue.put_nowait(item)
            assert await anext(events) == event
        app.queue.put_nowait(None)
        assert await anext(events, None) is None
        assert x.complete is True


async def test_the_head_leaves_at_once_and_says_what_this_is() -> None:
    app = Streams()
    async with served(app.web) as here, here.session() as http, http.get("/events") as x:
        assert (x.status, x.headers["content-type"]) == (200, "text/event-stream")
        assert x.headers["cache-control"] == "no-cache, no-store"
        assert x.headers["x-accel-buffering"] == "no"
        app.queue.put_nowait(None)


async def test_own_headers_replace_those() -> None:
    web = App()

    @web.get("/events")
    async def handler(r: Request) -> None:
        async with r.sse({"Cache-Control": "no-store", "x-own": "1"}) as events:
            await events.send("x", "tick", id="a", retry=5)
            await events.comment("so far")

    async with served(web) as here, here.session() as http:
        answer = await http.get("/events")
        assert answer.headers.get_all("cache-control") == ["no-store"]
        assert answer.headers["x-own"] == "1"
        assert answer.content == b"event: tick\nid: a\nretry: 5\ndata: x\n\n: so far\n\n"


async def test_the_time_to_wait_before_coming_back_is_said_first() -> None:
    app = Streams(retry=1500)
    async with served(app.web) as here, here.session() as http:
        app.queue.put_nowait(None)
        answer = await http.get("/events")
        assert answer.content == b"retry: 1500\n\n"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (None, 200),
        ("text/event-stream", 200),
        ("text/html, */*;q=0.1", 200),
        ("text/*", 200),
        ("application/json", 406),
        ("text/event-stream;q=0, */*", 406),
    ],
)
async def test_a_client_that_does_not_want_events_is_told_so(accept: str | None, status: int) -> None:
    app = Streams()
    app.queue.put_nowait(None)
    async with served(app.web) as here:
        raw = await here.raw()
        field = b"" if accept is None else f"accept: {accept}\r\n".encode()
        await raw.send(ASK.removesuffix(b"\r\n") + field + b"connection: close\r\n\r\n")
        assert (await raw.rest()).startswith(b"HTTP/1.1 %d " % status)


async def test_head_is_answered_without_waiting_for_an_event() -> None:
    app = Streams()
    async with served(app.web) as here, here.session() as http:
        answer = await http.head("/events")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")


@pytest.mark.parametrize(("field", "last_id"), [("", ""), ("abc", "abc"), ("\u2026", "\u2026"), ("a: b", "a: b")])
async def test_the_last_id_is_what_the_client_repeats_in_utf_8(field: str, last_id: str) -> None:
    web = App()

    @web.get("/events")
    async def handler(r: Request) -> None:
        async with r.sse() as events:
            await events.send(events.last_id)

    async with served(web) as here, here.session() as http:
        headers = {"last-event-id": field.encode()} if field else None
        async with http.get("/events", headers) as x:
            assert [event.data async for event in x.events()] == [last_id]


# -- signs of life ---------------------------------------------------------------------------------------------


@LINKS
async def test_a_silent_stream_says_comments(kind: str) -> None:
    app = Streams(keep_alive=0.01)
    async with served(app.web, kind) as here:
        raw = await here.raw()
        await raw.send(ASK)
        await raw.until(b"\r\n\r\n")
        for _ in range(3):
            assert await raw.until(b":\n\n\r\n") == b"3\r\n:\n\n\r\n"
        app.queue.put_nowait("x")
        assert b"data: x\n\n" in await raw.until(b"data: x\n\n")
        raw.reset()


async def test_one_that_is_asked_for_none_says_none() -> None:
    app = Streams(keep_alive=None)
    async with served(app.web) as here:
        raw = await here.raw()
        await raw.send(ASK)
        await app.entered.wait()
        assert app.web._running is not None
        assert not app.web._running.clock.deadline("events", None)._due
        raw.reset()


async def test_what_is_sent_puts_the_next_sign_off_and_the_end_takes_it_away() -> None:
    app = Streams(keep_alive=100)
    async with served(app.web) as here, here.session() as http:
        async with http.get("/events") as x:
            await app.entered.wait()
            assert app.web._running is not None
            clock = app.web._running.clock
            due = clock.deadline("events", 100.0)._due
            (before,) = due.values()
            clock.time = lambda: before
            app.queue.put_nowait("x")
            await anext(x.events())
            (after,) = due.values()
            assert after == before + 100
            app.queue.put_nowait(None)
        assert not due


# -- the ends --------------------------------------------------------------------------------------------------


@LINKS
async def test_a_handler_ends_when_its_client_leaves(kind: str) -> None:
    app = Streams()
    async with served(app.web, kind) as here:
        raw = await here.raw()
        await raw.send(ASK)
        await app.entered.wait()
        await raw.close()
        async with asyncio.timeout(PATIENCE):
            assert isinstance(await app.ended, (asyncio.CancelledError, Disconnected))
        assert not app.behind
        assert app.web._running is not None
        assert not app.web._running._stopping


async def test_a_client_that_ended_its_side_wants_no_events() -> None:
    app = Streams()
    async with served(app.web, "tcp") as here:
        raw = await here.raw()
        await raw.send(ASK)
        await app.entered.wait()
        await raw.eof()
        assert isinstance(await app.ended, asyncio.CancelledError)


@LINKS
async def test_the_server_s_stop_is_a_clean_end_of_the_block_and_of_the_stream(kind: str) -> None:
    app = Streams()
    async with served(app.web, kind) as here, here.session() as http, http.get(f"{here.url}/events") as x:
        events = x.events()
        app.queue.put_nowait("x")
        assert await anext(events) == Event("x")
        async with asyncio.timeout(PATIENCE):
            stopped = app.web.exit()
            assert await anext(events, None) is None
            await stopped
        assert x.complete is True
        assert await app.ended is None
        assert app.behind


async def test_a_stream_that_begins_while_the_server_stops_ends_at_once() -> None:
    web = App()
    going, behind = asyncio.Event(), asyncio.Event()

    @web.get("/events")
    async def handler(r: Request) -> None:
        going.set()
        await r.stopping()
        async with r.sse():
            await asyncio.Event().wait()
        behind.set()

    async with served(web) as here, here.session() as http, asyncio.timeout(PATIENCE):
        asking = asyncio.ensure_future(_whole(http.get("/events")))
        await going.wait()
        await web.exit()
        assert (await asking) == (200, b"")
        assert behind.is_set()


async def _whole(request: object) -> tuple[int | None, bytes]:
    answer = await request  # type: ignore[misc]
    return answer.status, answer.content


async def test_another_cancellation_is_not_taken_for_the_server_s() -> None:
    web = App()
    seen: list[BaseException] = []

    @web.get("/events")
    async def handler(r: Request) -> None:
        async def stream() -> None:
            async with r.sse():
                await asyncio.Event().wait()

        try:
            async with asyncio.timeout(0):
                await stream()
        except TimeoutError as error:
            seen.append(error)
            raise

    async with served(web) as here, here.session() as http:
        async with http.get("/events") as x:
            with pytest.raises(Disconnected):
                await x.read()
        assert len(seen) == 1


async def test_an_error_in_the_block_breaks_the_stream_off() -> None:
    app = Streams()
    async with served(app.web) as here, here.session() as http:
        async with http.get("/events") as x:
            app.queue.put_nowait(Event("x", "a\nb"))
            with pytest.raises(Disconnected):
                await x.read()
        assert x.complete is False


async def test_a_slow_client_makes_the_sender_wait() -> None:
    app = Streams()
    async with served(app.web) as here:
        raw = await here.raw()
        await raw.send(ASK)
        await app.entered.wait()
        for _ in range(100):
            app.queue.put_nowait("x" * 65536)
        for _ in range(200):
            await asyncio.sleep(0)
        assert 50 < app.queue.qsize() < 100
        raw.reset()


async def test_it_is_entered_once_and_events_are_sent_inside() -> None:
    web = App()
    told: list[str] = []

    @web.get("/events")
    async def handler(r: Request) -> None:
        stream = r.sse()
        with pytest.raises(UseError, match="inside the block") as caught:
            await stream.comment()
        told.append(str(caught.value))
        async with stream:
            with pytest.raises(UseError, match="entered once"):
                await stream.__aenter__()
        with pytest.raises(UseError, match="inside the block"):
            await stream.send("x")

    async with served(web) as here, here.session() as http:
        assert (await http.get("/events")).content == b""
    assert told[0].startswith("GET http://localhost/events: ")


# -- feeds and sources -----------------------------------------------------------------------------------------


async def test_a_feed_is_followed_from_the_last_event_that_was_seen() -> None:
    web = App()
    feed = EventFeed()

    @web.get("/events")
    async def handler(r: Request) -> None:
        async with r.sse() as events:
            await events.follow(feed)

    first = feed.publish("a")
    feed.publish("b")
    async with served(web) as here, here.session() as http, http.get("/events", {"last-event-id": first}) as x:
        events = x.events()
        assert (await anext(events)).data == "b"
        feed.publish("c")
        assert (await anext(events)).data == "c"
        feed.close()
        assert await anext(events, None) is None


async def test_a_source_is_sent_item_by_item() -> None:
    web = App()

    async def source() -> AsyncIterator[object]:
        yield "a"
        yield {"b": 1}
        yield Event("c", "tick")

    @web.get("/events")
    async def handler(r: Request) -> None:
        async with r.sse() as events:
            await events.send_all(source())

    async with served(web) as here, here.session() as http, http.get("/events") as x:
        assert [event.data async for event in x.events()] == ["a", '{"b":1}', "c"]


async def test_a_source_that_is_returned_is_a_stream() -> None:
    web = App()

    async def source() -> AsyncIterator[object]:
        yield "a"
        yield Event("b", "tick", "7")

    @web.get("/returned")
    async def returned(r: Request) -> object:
        return Deliver.sse(source(), {"x-own": "1"}, retry=5)

    @web.get("/plain")
    def plain(r: Request) -> object:
        return Deliver.sse(source())

    @web.get("/awaited")
    async def awaited(r: Request) -> None:
        await Deliver.sse(source())

    async with served(web) as here, here.session() as http:
        answer = await http.get("/returned")
        assert answer.content == b"retry: 5\n\ndata: a\n\nevent: tick\nid: 7\ndata: b\n\n"
        assert (answer.headers["x-own"], answer.headers["content-type"]) == ("1", "text/event-stream")
        for path in ("/plain", "/awaited"):
            assert (await http.get(path)).content == b"data: a\n\nevent: tick\nid: 7\ndata: b\n\n"
        assert (await http.get("/returned", {"accept": "text/html"})).status == 406


@LINKS
async def test_a_returned_source_is_closed_when_its_client_leaves(kind: str) -> None:
    web = App()
    closed = asyncio.Event()

    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
            await asyncio.Event().wait()
        finally:
            closed.set()

    @web.get("/events")
    async def handler(r: Request) -> object:
        return Deliver.sse(source())

    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(ASK)
        await raw.until(b"data: a\n\n")
        await raw.close()
        async with asyncio.timeout(PATIENCE):
            await closed.wait()


async def test_the_server_s_stop_ends_a_returned_source_in_order() -> None:
    web = App()

    async def source() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    @web.get("/events")
    async def handler(r: Request) -> object:
        return Deliver.sse(source())

    async with served(web) as here, here.session() as http, http.get("/events") as x, asyncio.timeout(PATIENCE):
        events = x.events()
        assert await anext(events) == Event("a")
        stopped = web.exit()
        assert await anext(events, None) is None
        assert x.complete is True
        await stopped


def test_what_is_no_source_is_told() -> None:
    with pytest.raises(UseError, match="async iterable"):
        _ = Deliver.sse([1, 2])  # type: ignore[arg-type]


async def test_head_of_delivered_events_is_their_head_and_the_connection_goes_on() -> None:
    web, closed = App(), asyncio.Event()

    async def source() -> AsyncIterator[str]:
        try:
            yield "never sent"
        finally:
            closed.set()

    @web.get("/events")
    async def events(r: Request) -> object:
        return Deliver.sse(source())

    web.get("/next")(lambda r: "next")
    async with served(web, "memory") as here:
        raw = await here.raw()
        await raw.send(ASK.replace(b"GET", b"HEAD") + b"GET /next HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await raw.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"content-type: text/event-stream" in head
        assert (await raw.until(b"next")).startswith(b"HTTP/1.1 200 ")
