"""TLS links read into one room; connections see bytes as they do over TCP."""

from __future__ import annotations

import asyncio
import hashlib

from toolkit import App, Exchange, Request
from toolkit.protocol.aio.connection import Connection
from toolkit.protocol.aio.tls import SIZE, Room, TlsLink

from ...helpers.served import served

PATTERN = bytes(range(251)) * 8192  # 2 MB, no two records alike


def test_the_room_is_made_when_it_is_asked_for() -> None:
    """An application without TLS has none."""
    room = Room()
    assert room._view is None
    assert room.view() is room.view()
    assert len(room.view()) == SIZE


async def test_bytes_of_many_connections_do_not_mix() -> None:
    """The room is filled and emptied in one call."""
    web = App(port=0)

    @web.post("/digest")
    async def digest(r: Request) -> str:
        found = hashlib.sha256()
        async for chunk in r:
            found.update(chunk)
            await asyncio.sleep(0)  # others read meanwhile
        return found.hexdigest()

    async with served(web, "tls") as place, place.session() as http:
        bodies = [bytes([n]) + PATTERN for n in range(6)]
        answers = await asyncio.gather(*(http.post(f"{place.url}/digest", body=body) for body in bodies))
        assert [await answer.text() for answer in answers] == [hashlib.sha256(body).hexdigest() for body in bodies]


async def test_what_was_read_stays_what_it_was() -> None:
    """A connection gets a copy: what is kept does not change with the next bytes."""
    web = App(port=0)

    @web.post("/back")
    async def back(r: Request) -> bytes:
        kept = [chunk async for chunk in r]
        return b"".join(kept)

    async with served(web, "tls") as place, place.session() as http:
        answer = await http.post(f"{place.url}/back", body=PATTERN)
        assert await answer.read() == PATTERN


async def test_both_ends_have_such_links() -> None:
    """The transport's protocol is one that gives room (asyncio.BufferedProtocol)."""
    web = App(port=0)
    seen: list[asyncio.BaseProtocol] = []

    def look(x: Exchange) -> None:
        wire = x._wire
        assert isinstance(wire, Connection)
        seen.append(wire.transport.get_protocol())

    @web.post("/")
    async def kind(r: Request) -> str:
        look(r)
        return ""

    async with served(web, "tls") as place, place.session() as http, http.post(f"{place.url}/") as x:
        look(x)
        await x.eof()
    assert [type(one) for one in seen] == [TlsLink, TlsLink]
