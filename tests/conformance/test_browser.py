"""Chromium loads the example site: its assets, a form with files, a feed that is cut off; and pages of two origins."""

from __future__ import annotations

import hashlib
import html
import logging
import re
from typing import TYPE_CHECKING

import pytest

from tests.helpers.browser import add_probe, document, seen
from tests.helpers.served import served
from tests.helpers.site import Site, fresh_site
from toolkit import CORS, AccessLog, App, Deliver
from toolkit.server.access_log import AccessEntry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from toolkit import Request
    from toolkit.server.handlers import Coroutine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(40)]

MIB = 1024 * 1024


def pattern(size: int) -> bytes:
    """The bytes that `bytes(size)` makes in a page."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


MAKE = """
const bytes = size => Uint8Array.from({length: size}, (_, at) => at % 251)
"""
# Waits for what the page's own script does to its document; the script itself is left alone.
WAIT = """
const until = found => new Promise(done => {
  const look = () => { const value = found(); if (value) { watch.disconnect(); done(value) } }
  const watch = new MutationObserver(look)
  watch.observe(document.body, {subtree: true, childList: true, characterData: true})
  look()
})
const state = text => until(() => document.querySelector("#state").textContent === text)
const row = name => until(() => {
  const row = [...document.querySelectorAll("#files tr")].find(row => row.textContent.includes(name))
  return row && [...row.cells].map(cell => cell.textContent)
})
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return fresh_site(tmp_path, monkeypatch)


@pytest.fixture
def entries(site: Site) -> Iterator[list[AccessEntry]]:
    """The site's access log."""
    found: list[AccessEntry] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert isinstance(record.msg, AccessEntry)
            found.append(record.msg)

    logger = logging.getLogger("toolkit.access")
    keep = Keep()
    logger.addHandler(keep)
    site.web.access_log = AccessLog()
    yield found
    logger.removeHandler(keep)


def lines(entries: list[AccessEntry]) -> set[str]:
    return {f"{one.method} {one.target} {one.status}" for one in entries}


# --- the page, its assets, its feed ---

WATCH = f"""
{MAKE}{WAIT}
async function give(name, size) {{
  const form = new FormData()
  form.append("note", "by fetch")
  form.append("file", new File([bytes(size)], name))
  const answer = await fetch("/", {{method: "POST", body: form}})
  return [answer.status, answer.redirected, new URL(answer.url).pathname]
}}
await state("live")
const image = document.querySelector("header img")
await image.decode()
const given = [await give("first.bin", 300000)]
const rows = [await row("first.bin")]
await fetch("/cut", {{method: "POST"}})
await state("cut off, and will be back")
given.push(await give("second.bin", 7))
rows.push(await row("second.bin"))
await state("live")
const again = await fetch("/assets/site.css", {{cache: "no-cache"}})
const sizes = {{}}
for (const one of performance.getEntriesByType("resource"))
  sizes[new URL(one.name).pathname] = one.encodedBodySize < one.decodedBodySize
return {{
  given, rows, again: again.status, coded: ["/assets/site.css", "/assets/site.js"].map(path => sizes[path]),
  styled: getComputedStyle(document.querySelector("header")).display, image: image.naturalWidth,
}}
"""


async def test_a_page_with_its_assets_and_a_feed_that_is_cut_off(
    site: Site, entries: list[AccessEntry], tmp_path: Path
) -> None:
    listeners: list[Request] = []
    add_probe(site.web, WATCH)

    @site.web.middleware
    async def remember(handler: Coroutine, r: Request) -> object:
        if r.path == "/arrivals":
            listeners.append(r)
        return await handler(r)

    @site.web.post("/cut")
    async def cut(r: Request) -> None:
        await listeners[-1].abort("cut off by the test")

    async with served(site.web, "tcp") as here:
        page = await document(f"{here.url}/?probe", tmp_path / "browser")
    told = seen(page)
    assert (told["styled"], told["image"]) == ("flex", 40)
    assert told["coded"] == [True, True], "the browser took the assets compressed"
    assert told["given"] == [[200, True, "/"]] * 2, "303 leads to the page"
    expected = [
        [name, "by fetch", str(size), hashlib.sha256(pattern(size)).hexdigest()]
        for name, size in (("first.bin", 300000), ("second.bin", 7))
    ]
    assert told["rows"] == expected
    assert [[one["name"], one["note"], str(one["size"]), one["sha256"]] for one in site.kept.values()] == expected

    # It came back by itself, and said what it had seen last (WHATWG HTML 9.2.3); the server took it from there.
    first, second = listeners
    assert first.headers.get("last-event-id") is None
    assert second.headers["last-event-id"].endswith("-1")
    assert next(one.whole for one in entries if one.target == "/arrivals") is False
    assert {"GET /assets/site.css 200", "GET /assets/logo.svg 200", "GET /assets/site.css 304"} <= lines(entries)
    assert not [line for line in lines(entries) if line.endswith((" 404", " 500"))]


# --- the form ---


def submit(size: int) -> str:
    return f"""
{MAKE}
const form = document.querySelector("form"), chosen = new DataTransfer()
chosen.items.add(new File([bytes({size})], "na\\u00efve <b>\\u{{1f375}}.bin"))
chosen.items.add(new File(["two"], "two.txt", {{type: "text/plain"}}))
form.elements.file.files = chosen.files
form.elements.note.value = '<b>a "note"</b> & more'
form.requestSubmit()
"""


async def test_a_form_with_files_is_submitted(site: Site, entries: list[AccessEntry], tmp_path: Path) -> None:
    add_probe(site.web, submit(3_000_000))
    async with served(site.web, "tcp") as here:
        page = await document(f"{here.url}/?probe", tmp_path / "browser")
    sums = [hashlib.sha256(data).hexdigest() for data in (pattern(3_000_000), b"two")]
    rows = re.findall(r'<tr id="([^"]+)">\s*<td><a href="/files/\1">(.*?)</a>\s*</td>(.*?)</tr>', page, re.DOTALL)
    cells = [[name, *re.findall(r"<td>(?:<code>)?(.*?)<", rest)] for _, name, rest in rows]
    note = html.escape('<b>a "note"</b> & more', quote=False)
    assert cells == [
        ["naïve _b_\N{TEACUP WITHOUT HANDLE}.bin", note, "3000000", sums[0]],  # the name is the safe one
        ["two.txt", note, "3", sums[1]],
    ]
    assert [hashlib.sha256((site.uploads / id).read_bytes()).hexdigest() for id, _, _ in rows] == sums
    assert {"POST / 303", "GET / 200"} <= lines(entries)


async def test_a_file_that_is_too_large_is_refused_and_the_browser_shows_why(site: Site, tmp_path: Path) -> None:
    """The answer comes while the browser still sends, and must not be lost by the end of the connection."""
    add_probe(site.web, submit(40 * MIB))
    async with served(site.web, "tcp") as here:
        page = await document(f"{here.url}/?probe", tmp_path / "browser")
    assert "413 Content Too Large" in page
    assert f"is over {32 * MIB} bytes" in page
    assert site.kept == {}
    assert list(site.uploads.iterdir()) == []


async def test_a_page_that_is_not_there(site: Site, tmp_path: Path) -> None:
    async with served(site.web, "tcp") as here:
        page = await document(f"{here.url}/no<b>where", tmp_path / "browser")
    assert re.search(r"There is nothing at <code>/no\S+where</code>", page) is not None
    assert "<b>" not in page


# --- other origins ---

ASK = """
const ask = async (url, options) => {
  try {
    const answer = await fetch(url, options)
    return [answer.status, await answer.json(), answer.headers.get("x-shown"), answer.headers.get("x-hidden")]
  } catch (error) {
    return error.name
  }
}
const change = {method: "PUT", body: '"body"', headers: {"content-type": "application/json", "x-own": "1"}}
const [open, shut] = %s
return {
  read: await ask(open + "/json"),
  changed: await ask(open + "/json", change),
  deleted: await ask(open + "/json", {method: "DELETE"}),
  signed: await ask(open + "/cookie", {credentials: "include"}),
  known: await ask(open + "/cookie", {credentials: "include"}),
  missing: await ask(open + "/nowhere", {headers: {accept: "application/json"}}),
  "read there": await ask(shut + "/json"),
  "changed there": await ask(shut + "/json", change),
}
"""


def other_origin(origin: str) -> tuple[App, list[str]]:
    """An application that pages of `origin` may use, and the requests that came to its handlers."""
    web = App(middlewares=[CORS(origins=[origin], methods=["GET", "PUT"], expose=["x-shown"], credentials=True)])
    reached: list[str] = []

    @web.route("/json", methods=["GET", "PUT", "DELETE"])
    async def json(r: Request) -> object:
        reached.append(r.method)
        body = await r.text() if r.method == "PUT" else ""
        return 200, {"got": body}, {"x-shown": "yes", "x-hidden": "yes"}

    @web.get("/cookie")
    def cookie(r: Request) -> dict[str, object]:
        r.set_cookie("name", "ada")
        return {"name": r.cookies.get("name")}

    return web, reached


async def test_pages_of_other_origins_read_what_they_may_and_nothing_else(tmp_path: Path) -> None:
    """CORS, by the browser that enforces it (WHATWG Fetch 3.3)."""
    web = App()

    @web.get("/")
    def page(r: Request) -> object:
        return Deliver.html("<!doctype html><title>origins</title><body></body>")

    async with served(web, "tcp") as here:
        open_web, reached_open = other_origin(here.url)
        shut_web, reached_shut = other_origin("http://elsewhere.example")
        async with served(open_web, "tcp") as open_here, served(shut_web, "tcp") as shut_here:
            add_probe(web, ASK % f'["{open_here.url}", "{shut_here.url}"]')
            told = seen(await document(f"{here.url}/?probe", tmp_path / "browser"))
    missing = told.pop("missing")
    assert isinstance(missing, list)
    assert missing[0] == 404, "errors may be read, too"
    assert told == {
        "read": [200, {"got": ""}, "yes", None],
        "changed": [200, {"got": '"body"'}, "yes", None],
        "deleted": "TypeError",
        "signed": [200, {"name": None}, None, None],
        "known": [200, {"name": "ada"}, None, None],
        "read there": "TypeError",
        "changed there": "TypeError",
    }
    assert reached_open == ["GET", "PUT"], "DELETE was refused by its preflight"
    assert reached_shut == ["GET"], "what needs no asking is sent, and its answer withheld; the rest is never sent"
