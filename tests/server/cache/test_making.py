"""What a handler answered, seen from beside it; and the copy of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App, Deliver, Request
from toolkit.server.added import extra_of
from toolkit.server.cache.entry import Entry
from toolkit.server.cache.making import Made, Tee, entry_of, make, with_vary
from toolkit.server.cache.rules import CacheRule, Keeping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.server.handlers import Handler


async def made_of(handler: Handler) -> Made:
    """What is seen of a handler, in the middle of a request to which somebody else has added a field."""
    web, found = App(port=0), list[Made]()

    @web.get("/")
    async def around(r: Request) -> object:
        r.add_header("x-others", "1")
        assert r.cookies == {}
        cookies = extra_of(r).cookies
        found.append(await make(handler, r, {}))
        assert extra_of(r).cookies is not None or cookies is None
        return found[0].value

    async with served(web) as here, here.session() as http:
        _ = await http.get(here.url)
    return found[0]


async def test_a_value_is_an_answer() -> None:
    def handler(r: Request) -> object:
        r.add_header("x-mine", "1")
        return 201, "text"

    made = await made_of(handler)
    assert made.answer is made.value
    assert made.answer is not None
    assert (made.answer.status, made.is_sent, made.read_cookies) == (201, False, False)
    assert (made.added, made.others) == ([(b"x-mine", b"1")], [(b"x-others", b"1")])


async def test_an_answer_that_was_awaited() -> None:
    async def handler(r: Request) -> None:
        await Deliver.json([1])

    made = await made_of(handler)
    assert made.is_sent
    assert made.answer is not None
    assert (made.value, made.answer.status) == (None, 200)


async def test_what_is_sent_by_pieces_is_no_answer() -> None:
    async def handler(r: Request) -> None:
        await r.prepare()
        await r.write(b"x")

    made = await made_of(handler)
    assert (made.answer, made.is_sent) == (None, True)


async def test_whether_cookies_were_read() -> None:
    """By this handler, whoever had read them before."""
    made = await made_of(lambda r: str(r.cookies))
    assert made.read_cookies


def test_what_an_answer_depends_on_is_said_once() -> None:
    assert with_vary([], ["a", "b"]) == [(b"vary", b"a, b")]
    assert with_vary([(b"Vary", b"A")], ["a"]) == [(b"Vary", b"A")]
    assert with_vary([(b"vary", b"a")], ["a", "b"]) == [(b"vary", b"a"), (b"vary", b"b")]


async def test_an_entry_has_the_age_that_the_answer_had() -> None:
    made = await made_of(lambda r: (200, "x", {"age": "10"}))
    kept = await entry_of(CacheRule(vary=["a"]), made, b"x", Keeping(50, 5, 10), 1000)
    assert isinstance(kept, Entry)
    assert (kept.born, kept.fresh_until, kept.keep_until, kept.vary) == (990, 1050, 1055, ())
    names = [name for name, _ in kept.fields]
    assert names == [b"content-type", b"date", b"etag", b"vary"]


class Pieces:
    """A stream that tells when it is closed."""

    def __init__(self, *pieces: object) -> None:
        self.pieces = list(pieces)
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece  # type: ignore[misc]

    async def aclose(self) -> None:
        self.closed = True


async def through(pieces: Pieces, largest: int = 100) -> tuple[list[object], list[bytes]]:
    """What came out of a tee, and the copies that were made."""
    copies: list[bytes] = []

    async def done(copy: bytes) -> None:
        copies.append(copy)

    tee, came = Tee(pieces, largest, done), list[object]()
    try:
        async for piece in tee:
            came.append(piece)
    except ValueError:
        came.append("failed")
    await tee.aclose()
    assert pieces.closed
    return came, copies


@pytest.mark.parametrize(
    ("pieces", "copies"),
    [
        ([b"a", b"", bytearray(b"b"), memoryview(b"c"), "d\u00fc"], [b"abcd\xc3\xbc"]),
        ([], [b""]),
        ([b"x" * 100], [b"x" * 100]),
        ([b"x" * 101], []),
        ([b"x" * 60, b"x" * 60], []),
        ([b"a", 5, b"b"], []),
        ([b"a", ValueError()], []),
    ],
)
async def test_a_copy_is_made_of_what_ends_well(pieces: list[object], copies: list[bytes]) -> None:
    came, made = await through(Pieces(*pieces))
    assert made == copies
    assert came == [("failed" if isinstance(piece, ValueError) else piece) for piece in pieces]


async def test_a_stream_that_is_left_in_the_middle_is_not_kept() -> None:
    copies: list[bytes] = []

    async def done(copy: bytes) -> None:
        copies.append(copy)

    pieces = Pieces(b"a", b"b")
    tee = Tee(pieces, 100, done)
    assert await anext(tee) == b"a"
    await tee.aclose()
    assert (pieces.closed, copies) == (True, [])


async def test_a_stream_that_is_left_closes_what_it_was_read_from() -> None:
    """A source may make its iterator anew for each reader; what is open is the iterator."""
    closed = list[str]()

    class Source:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                yield b"1"
                yield b"2"
            finally:
                closed.append("yes")

    async def keep(body: bytes) -> None:
        raise AssertionError(body)

    tee = Tee(Source(), 100, keep)
    assert await anext(tee) == b"1"
    await tee.aclose()
    assert closed == ["yes"]
