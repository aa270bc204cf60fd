"""Conditional answers: the verdict on what a handler returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit import App, Conditional, Deliver, Request
from toolkit.server.middleware.conditional import OFFLOAD

from .around import around, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT = "hello"
CONDITIONAL = Conditional()
AT = "Sun, 06 Nov 1994 08:49:37 GMT"


def returning(value: object, one: Conditional = CONDITIONAL, method: str = "GET") -> App:
    web = App(port=0)
    web.route("/", methods=(method,))(around(lambda r: value, one))
    return web


async def test_a_body_has_a_tag_of_its_own() -> None:
    first, again, other = [await ask(returning(value)) for value in (TEXT, TEXT, "other")]
    assert first.get("etag") == again.get("etag") != other.get("etag")
    assert str(first.get("etag")).startswith('"')
    assert (await ask(returning({"a": 1}))).get("etag") == (await ask(returning({"a": 1}))).get("etag")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_has_it_gets_no_body(method: str) -> None:
    """RFC 9110 13.1.2, 15.4.5"""
    tag = (await ask(returning(TEXT))).get("etag")
    value = (200, TEXT, {"cache-control": "no-cache", "x-other": "1", "vary": "accept"})
    for field in (f"if-none-match: {tag}", f"if-none-match: W/{tag}", f'if-none-match: "x", {tag}', "if-none-match: *"):
        got = await ask(returning(value), field, method=method)
        assert (got.status, got.body) == (304, b"")
        assert got.get("etag") == tag
        assert got.get("cache-control") == "no-cache"
        assert got.get("vary") == "accept"
        assert got.get("x-other") is None
        assert got.get("content-type") is None
    got = await ask(returning(TEXT), 'if-none-match: "x"', method=method)
    assert got.status == 200


@pytest.mark.parametrize(
    ("fields", "weak", "vary"),
    [
        (("accept-encoding: gzip",), True, "accept-encoding"),
        (("accept-encoding: identity",), False, "accept-encoding"),
        ((), False, "accept-encoding"),
        (("accept-encoding: gzip", "cookie: a=b"), False, None),
    ],
)
async def test_the_304_of_what_is_compressed_has_the_tag_and_the_vary_of_its_200(
    fields: tuple[str, ...], weak: bool, vary: str | None
) -> None:
    """RFC 9110 15.4.5: or no cache could tell which of its answers it is about"""
    web = returning(TEXT * 200)
    whole = await ask(web, *fields)
    tag = str(whole.get("etag"))
    assert (tag.startswith("W/"), whole.get("vary")) == (weak, vary)
    for sent in (tag, tag.removeprefix("W/")):
        got = await ask(web, *fields, f"if-none-match: {sent}")
        assert (got.status, got.get("etag"), got.get("vary")) == (304, tag, vary)
    assert (await ask(returning((200, TEXT * 200, {"content-type": "image/png"})), "if-none-match: *")).get(
        "vary"
    ) is None


async def test_a_tag_that_the_handler_gave_counts() -> None:
    web = returning((200, TEXT, {"ETag": 'W/"v1"'}))
    assert (await ask(web)).get("etag") == 'W/"v1"'
    assert (await ask(web, 'if-none-match: "v1"')).status == 304
    assert (await ask(web, 'if-match: "v1"')).status == 412


async def test_so_does_its_date() -> None:
    web = returning((200, TEXT, {"last-modified": AT}), Conditional(hashed=False))
    assert (await ask(web)).get("etag") is None
    assert (await ask(web, f"if-modified-since: {AT}")).status == 304
    assert (await ask(web, "if-modified-since: Sun, 06 Nov 1994 08:49:36 GMT")).status == 200
    assert (await ask(web, "if-unmodified-since: Sun, 06 Nov 1994 08:49:36 GMT")).status == 412


async def test_what_is_no_200_and_what_changes_something_is_not_conditional() -> None:
    """RFC 9110 13.2.1; a POST is done when its answer is known."""
    for value in ((404, "no"), (201, "made"), None):
        got = await ask(returning(value), "if-none-match: *")
        assert got.status in (404, 201, 204)
        assert got.get("etag") is None
    got = await ask(returning(TEXT, method="POST"), "if-none-match: *", method="POST")
    assert (got.status, got.get("etag") is not None) == (200, False)


async def test_streams_and_answers_on_their_way_pass() -> None:
    web = App(port=0)

    async def parts() -> AsyncIterator[bytes]:
        yield b"part"

    async def sent(r: Request) -> None:
        await Deliver.text("sent")

    web.get("/stream")(around(lambda r: parts(), Conditional()))
    web.get("/sent")(around(sent, Conditional()))
    assert (await ask(web, "if-none-match: *", path="/stream")).body == b"part"
    assert (await ask(web, "if-none-match: *", path="/sent")).body == b"sent"


async def test_an_empty_body_has_no_tag() -> None:
    assert (await ask(returning(""))).get("etag") is None


async def test_a_large_body_is_hashed_in_a_thread() -> None:
    text = "x" * (OFFLOAD + 1)
    tag = (await ask(returning(text))).get("etag")
    assert (await ask(returning(text), f"if-none-match: {tag}")).status == 304


async def test_a_compressed_body_has_a_weak_tag_that_still_matches() -> None:
    text = "again and " * 200
    strong = (await ask(returning(text))).get("etag")
    coded = await ask(returning(text), "accept-encoding: gzip")
    assert coded.get("content-encoding") == "gzip"
    assert coded.get("etag") == f"W/{strong}"
    assert (await ask(returning(text), "accept-encoding: gzip", f"if-none-match: W/{strong}")).status == 304
