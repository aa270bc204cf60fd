"""The example site, asked by a session; tests/conformance has a browser ask it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from typing import TYPE_CHECKING, cast

import pytest

from tests.helpers.site import Site, fresh_site
from toolkit import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DATA = bytes(range(256)) * 4096
SUM = hashlib.sha256(DATA).hexdigest()
FORM = {"content-type": "multipart/form-data; boundary=line"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return fresh_site(tmp_path, monkeypatch)


@contextlib.asynccontextmanager
async def session(site: Site) -> AsyncIterator[Session]:
    async with asyncio.timeout(10), site.web.lifespan(), Session(app=site.web) as http:
        yield http


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """A form of (name, filename, data), as browsers write it."""
    body = b""
    for name, filename, data in parts:
        named = "" if filename is None else f'; filename="{filename}"\r\ncontent-type: application/octet-stream'
        body += f'--line\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + data + b"\r\n"
    return body + b"--line--\r\n"


async def test_an_upload_is_kept_listed_and_given_back(site: Site) -> None:
    async with session(site) as http:
        body = form(("note", None, b"<b>hello"), ("file", "../one.bin", DATA), ("file", "two.txt", b"two"))
        answer = await http.post("/", FORM, body=body)
        assert (answer.status, answer.headers["location"]) == (303, "/")
        one, two = site.kept.values()
        assert (one["name"], one["note"], one["size"], one["sha256"]) == ("one.bin", "<b>hello", len(DATA), SUM)
        assert (two["name"], two["size"]) == ("two.txt", 3)
        assert sorted(path.name for path in site.uploads.iterdir()) == sorted(site.kept)
        assert await (await http.get("/files")).json() == [one, two]
        page = await (await http.get("/")).text()
        assert SUM in page
        assert "&lt;b&gt;hello" in page
        back = await http.get(f"/files/{one['id']}")
        assert back.content == DATA
        assert back.headers["content-disposition"].startswith('attachment; filename="one.bin"')


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (form(("note", None, b"a note alone")), 400),
        (form(("file", "", b"")), 400),  # a browser's form in which nothing was chosen
        (form(("note", None, b"x" * 1001), ("file", "a", b"a")), 413),
        (b"--line\r\nno form", 400),
    ],
)
async def test_what_is_no_upload_is_refused_and_nothing_is_kept(site: Site, body: bytes, status: int) -> None:
    async with session(site) as http:
        answer = await http.post("/", FORM, body=body)
        assert answer.status == status
        assert site.kept == {}
        assert list(site.uploads.iterdir()) == []


async def test_listeners_hear_of_an_upload_and_who_was_away_hears_later(site: Site) -> None:
    async with session(site) as http:
        async with http.sse("/arrivals") as events:
            waiting = asyncio.ensure_future(anext(aiter(events)))
            while events.response is None:  # noqa: ASYNC110 - it listens then
                await asyncio.sleep(0)
            assert (await http.post("/", FORM, body=form(("file", "first", b"1")))).status == 303
            first = await waiting
        assert (await http.post("/", FORM, body=form(("file", "second", b"2")))).status == 303
        async with http.sse("/arrivals", last_id=first.id) as back:
            second = await anext(aiter(back))
        assert [first.event, second.event] == ["arrival", "arrival"]
        assert [first.json(), second.json()] == list(site.kept.values())


async def test_the_page_finds_its_assets_and_lets_nobody_else_in(site: Site) -> None:
    async with session(site) as http:
        answer = await http.get("/", {"accept-encoding": "gzip"}, decode=False)
        assert answer.headers["content-encoding"] == "gzip"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        page = await (await http.get("/")).text()
        found = dict.fromkeys(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page))
        types = [(await http.get(path)).content_type.partition(";")[0] for path in found]
        assert types == ["image/svg+xml", "text/css", "text/javascript"]
        assert re.search(r"<script(?! src)|<style| style=| on\w+=", page) is None  # which the policy would refuse


async def test_what_is_not_there_is_told_in_the_form_that_was_asked_for(site: Site) -> None:
    async with session(site) as http:
        for path in ("/nowhere/<b>", "/files/none", "/assets/none.css"):
            page = await http.get(path, {"accept": "text/html,*/*;q=0.8"})
            assert (page.status, page.headers["vary"]) == (404, "accept")
            assert "<b>" not in await page.text()
            problem = await http.get(path, {"accept": "application/json"})
            assert problem.status == 404
            assert cast("dict[str, object]", await problem.json())["status"] == 404
