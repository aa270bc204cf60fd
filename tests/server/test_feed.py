"""Feeds: what is kept, where a follower begins, and that nothing is kept for those who left."""

from __future__ import annotations

import asyncio

import pytest

from toolkit.errors import LocalProtocolError, UseError
from toolkit.protocol.events import Event, EventParser
from toolkit.server.feed import EventFeed

ALL = 1 << 20


def events(block: bytes) -> list[tuple[str, str]]:
    return [(event.event, event.data) for event in EventParser().feed(block)]


def test_ids_are_in_order_and_of_one_life() -> None:
    one, other = EventFeed(), EventFeed()
    first, second = one.publish("a"), one.publish("b")
    assert first.rpartition("-")[2] == "1"
    assert second.rpartition("-")[2] == "2"
    assert first.rpartition("-")[0] == second.rpartition("-")[0] != other.publish("a").rpartition("-")[0]


def test_what_is_published_is_an_event_with_its_id() -> None:
    feed = EventFeed()
    name = feed.publish({"a": 1}, "news")
    _, block = feed.take(1, ALL)
    assert list(EventParser().feed(block)) == [Event('{"a":1}', "news", name)]


def test_a_new_follower_sees_what_comes() -> None:
    feed = EventFeed()
    feed.publish("before")
    place = feed.place_of("")
    assert feed.take(place, ALL) == (place, b"")
    feed.publish("after")
    assert events(feed.take(place, ALL)[1]) == [("message", "after")]


def test_one_who_comes_back_sees_what_was_missed() -> None:
    feed = EventFeed()
    seen = feed.publish("a")
    feed.publish("b")
    feed.publish("c")
    assert events(feed.take(feed.place_of(seen), ALL)[1]) == [("message", "b"), ("message", "c")]


def test_one_who_comes_back_too_late_is_told_how_much_was_lost() -> None:
    feed = EventFeed(events=2)
    seen = feed.publish("a")
    for text in "bcde":
        feed.publish(text)
    assert events(feed.take(feed.place_of(seen), ALL)[1]) == [("missed", "2"), ("message", "d"), ("message", "e")]


def test_one_of_another_life_is_told_that_nobody_knows() -> None:
    feed = EventFeed(missed="gap")
    feed.publish("a")
    for strange in ("0badcafe-1", "x", "1", f"{feed.publish('b')}0x", "-", "0badcafe-" + "9" * 10_000):
        assert events(feed.take(feed.place_of(strange), ALL)[1])[0] == ("gap", "null")


def test_a_gap_may_be_silent() -> None:
    feed = EventFeed(events=1, missed=None)
    seen = feed.publish("a")
    feed.publish("b")
    feed.publish("c")
    assert events(feed.take(feed.place_of(seen), ALL)[1]) == [("message", "c")]


def test_an_id_from_the_future_is_the_present() -> None:
    feed = EventFeed()
    name = feed.publish("a")
    place = feed.place_of(f"{name}000")
    assert feed.take(place, ALL) == (place, b"")


def test_bytes_are_bounded_and_the_last_event_is_kept() -> None:
    feed = EventFeed(size=200)
    for _ in range(1000):
        feed.publish("x" * 50)
    assert feed._bytes <= 200
    feed.publish("y" * 1000)
    assert len(feed._kept) == 1
    assert events(feed.take(feed.place_of(f"{feed._epoch}-1000"), ALL)[1]) == [("message", "y" * 1000)]


def test_events_are_taken_in_pieces_but_one_at_least() -> None:
    feed = EventFeed()
    for text in "abc":
        feed.publish(text)
    place, block = feed.take(1, 1)
    assert events(block) == [("message", "a")]
    place, block = feed.take(place, ALL)
    assert events(block) == [("message", "b"), ("message", "c")]
    assert feed.take(place, ALL) == (4, b"")


async def test_followers_are_woken_and_those_who_left_are_forgotten() -> None:
    feed = EventFeed()
    waiting = [asyncio.create_task(feed.published()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert len(feed._waiters) == 2
    feed.publish("x")
    await asyncio.gather(*waiting[1:])
    assert not feed._waiters


async def test_a_closed_feed_wakes_its_followers_and_takes_nothing() -> None:
    feed = EventFeed()
    waiting = asyncio.create_task(feed.published())
    await asyncio.sleep(0)
    feed.close()
    await waiting
    assert feed.closed
    with pytest.raises(UseError, match="closed"):
        feed.publish("x")


def test_what_cannot_be_sent_is_not_published() -> None:
    feed = EventFeed()
    with pytest.raises(LocalProtocolError):
        feed.publish("x", "a\nb")
    assert feed.publish("x").endswith("-1")
