"""Forms and cookies as others make them: curl, httpx and aiohttp send, and read what we set."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest

from tests.helpers.peers import program
from tests.helpers.served import served
from toolkit import App, CookieSessions, Request, Upload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

DATA = random.Random(11).randbytes(3_000_000)
SUM = hashlib.sha256(DATA).hexdigest()
NAME = 'a "b" \u00e9;.bin'
FIELD = "caf\u00e9 & more\r\nof it"


async def seen(r: Request) -> object:
    """What came, as JSON."""
    form = await r.form()
    shown = []
    for name, value in form.pairs:
        if isinstance(value, Upload):
            data = await value.read()
            shown.append([name, value.filename, value.content_type, len(data), hashlib.sha256(data).hexdigest()])
        else:
            shown.append([name, value])
    return shown


async def streamed(r: Request) -> object:
    """The same by parts."""
    shown = []
    async for part in r.multipart():
        sha, size = hashlib.sha256(), 0
        async for data in part:
            sha.update(data)
            size += len(data)
        shown.append(
            [part.name, part.filename, part.content_type, size, sha.hexdigest()] if part.filename else [part.name]
        )
    return shown


def application() -> App:
    web = App(port=0)
    web.post("/form")(seen)
    web.post("/parts")(streamed)
    return web


FORM = [["text", FIELD], ["file", NAME, "application/x-data", len(DATA), SUM]]


async def by_httpx(url: str, folder: Path) -> list[object]:
    async with httpx.AsyncClient() as http:
        files = {"file": (NAME, DATA, "application/x-data")}
        whole = (await http.post(f"{url}/form", data={"text": FIELD}, files=files, timeout=30)).json()
        parts = (await http.post(f"{url}/parts", data={"text": FIELD}, files=files, timeout=30)).json()
        plain = (await http.post(f"{url}/form", data={"text": FIELD, "empty": ""})).json()
    return [whole, parts, plain]


async def by_aiohttp(url: str, folder: Path) -> list[object]:
    def form() -> aiohttp.FormData:
        data = aiohttp.FormData(quote_fields=False)
        data.add_field("text", FIELD)
        data.add_field("file", io.BytesIO(DATA), filename=NAME.replace('"', "%22"), content_type="application/x-data")
        return data

    found: list[object] = []
    async with aiohttp.ClientSession() as http:
        for path in ("form", "parts"):
            async with http.post(f"{url}/{path}", data=form()) as answer:
                found.append(await answer.json())
        async with http.post(f"{url}/form", data={"text": FIELD, "empty": ""}) as answer:
            found.append(await answer.json())
    return found


async def by_curl(url: str, folder: Path) -> list[object]:
    path = folder / "data"
    path.write_bytes(DATA)
    text = folder / "text"
    text.write_text(FIELD, encoding="utf-8", newline="")
    name = NAME.replace('"', '\\"')
    form = ["-F", f"text=<{text}", "-F", f'file=@{path};filename="{name}";type=application/x-data']
    binary = program("curl")
    assert binary is not None, "curl is not installed"
    found: list[object] = []
    for arguments in (
        [*form, f"{url}/form"],
        [*form, f"{url}/parts"],
        ["--data-urlencode", f"text@{text}", "-d", "empty=", f"{url}/form"],
    ):
        process = await asyncio.create_subprocess_exec(
            binary, "-sS", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err
        found.append(httpx.Response(200, content=out).json())
    return found


@pytest.mark.parametrize("client", [by_httpx, by_aiohttp, by_curl])
async def test_forms_of_others(client: Callable[[str, Path], Awaitable[list[object]]], tmp_path: Path) -> None:
    async with served(application(), "tcp") as here:
        whole, parts, plain = await client(here.url, tmp_path)
    assert whole == FORM
    assert parts == [["text"], FORM[1]]
    assert plain == [["text", FIELD], ["empty", ""]]


async def test_a_session_in_the_cookie_jars_of_others() -> None:
    web = App(port=0, middlewares=[CookieSessions("a secret of 16 b")])

    @web.get("/")
    async def count(r: Request) -> object:
        r.session["count"] = int(str(r.session.get("count", 0))) + 1
        if r.session["count"] == 3:
            r.delete_cookie("other")
        else:
            r.set_cookie("other", "x", max_age=60, httponly=True)
        return [r.session["count"], r.cookies.get("other")]

    async with served(web, "tcp") as here, httpx.AsyncClient() as http:
        found = [(await http.get(f"{here.url}/")).json() for _ in range(4)]
        assert found == [[1, None], [2, "x"], [3, "x"], [4, None]]
    async with served(web, "tcp") as here, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        found = []
        for _ in range(4):
            async with session.get(f"{here.url}/") as answer:
                found.append(await answer.json())
        assert found == [[1, None], [2, "x"], [3, "x"], [4, None]]
