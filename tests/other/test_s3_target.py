"""What `S3` signs is what `Session` sends: the request target on the wire, byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import served
from toolkit import App
from toolkit.other.s3 import S3

if TYPE_CHECKING:
    from toolkit import Request

KEYS = [
    "plain",
    "a b",
    "a/../b//c/./",
    "..",
    "../x",
    "*'()!~$&+,;=:@",
    "%41%2F%2f",
    "ü\U0001f600",
    "a?b#c",
    "[x]|^`{}<>\\",
]


def recording(seen: list[str]) -> App:
    web = App()

    @web.add_route
    async def handle_all_middleware(r: Request) -> str:
        seen.append(f"{r.method} http://{r.headers['host']}{r.target}")
        return ""

    return web


@pytest.mark.parametrize("key", KEYS)
async def test_the_target_is_sent_as_it_was_signed(key: str) -> None:
    seen: list[str] = []
    async with asyncio.timeout(10), served(recording(seen), "tcp") as here, here.session() as http:
        s3 = S3("bucket", "auto", "key", "secret", here.url)
        put = s3.authorize(key, {"content-length": 0})
        got = s3.authorize(key, method="GET", params={key: key, "list-type": 2})
        assert (await http(**put)).ok
        assert (await http(**got)).ok
        assert seen == [f"PUT {put['url']}", f"GET {got['url']}"]
