"""A site to ask, in a thread of its own: the command has a loop for itself. Modules whose peers are missing."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.helpers.peers import missing, required
from tests.helpers.served import served
from toolkit import App, Deliver, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = {"test_against_curl.py": ["nginx", "curl"]}
collect_ignore = [] if required() else [name for name, peers in PEERS.items() if missing(peers)]


def pytest_report_header() -> list[str]:
    """Say aloud what is not collected for want of a peer."""
    return [f"NOT COLLECTED: {name}: {', '.join(missing(PEERS[name]))} missing" for name in collect_ignore]


class Site(NamedTuple):
    """Where it is: over TCP, over TLS, and the path of its Unix socket."""

    url: str
    tls: str
    path: str


def application() -> App:
    """What is asked."""
    web = App("127.0.0.1", 0)

    @web.route("/show", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
    async def show(r: Request) -> object:
        fields = {name.lower(): value for name, value in r.headers.items()}
        return {"method": r.method, "target": r.target, "fields": fields, "body": (await r.read()).decode("latin-1")}

    @web.post("/form")
    async def form(r: Request) -> object:
        sent = await r.form()
        files = [
            [name, one.filename, one.content_type, (await one.read()).decode()]
            for name, one in sent.items()
            if not isinstance(one, str)
        ]
        return {"fields": [pair for pair in sent.items() if isinstance(pair[1], str)], "files": files}

    @web.route("/echo", methods=["POST", "PUT"])
    async def echo(r: Request) -> None:
        await r.prepare({"content-type": "text/plain"})
        async for part in r:
            await r.write(part)

    @web.get("/status/{code}")
    async def status(r: Request, code: str) -> object:
        return int(code), f"it is {code}\n"

    @web.get("/binary")
    async def binary(r: Request) -> object:
        return b"\x89PNG\r\n\0\1\2"

    @web.get("/named")
    async def named(r: Request) -> object:
        return Deliver.text("named\n", headers={"content-disposition": 'attachment; filename="../its-name.txt"'})

    @web.get("/from/{times:int}")
    async def redirect(r: Request, times: int) -> object:
        return Deliver.redirect(f"/from/{times - 1}" if times else "/status/200")

    @web.get("/circle")
    async def circle(r: Request) -> object:
        return Deliver.redirect("/circle")

    logins(web)
    faults(web)
    return web


def logins(web: App) -> None:
    """Who asks, and what is known of him."""

    @web.get("/set/{name}/{value}")
    async def set_cookie(r: Request, name: str, value: str) -> str:
        r.set_cookie(name, value, path="/")
        return "set\n"

    @web.get("/private")
    async def private(r: Request) -> object:
        given = r.headers.get("authorization", "")
        if not given.startswith("Digest"):
            challenge = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
            return 401, "who?\n", {"www-authenticate": challenge}
        return f"{given.split('username=')[1].split(',')[0]}\n"


def faults(web: App) -> None:
    """What goes wrong."""

    @web.get("/cut")
    async def cut(r: Request) -> None:
        await r.prepare({"content-length": 100, "etag": '"1"'})
        await r.write(b"x" * 10)
        await r.abort("on purpose")

    @web.get("/corrupt")
    async def corrupt(r: Request) -> None:
        await r.prepare({"content-length": 20, "content-encoding": "gzip"})
        await r.write(b"this is no gzip data")

    @web.get("/nothing")
    async def nothing(r: Request) -> None:
        await r.abort("on purpose")

    @web.get("/never")
    async def never(r: Request) -> None:
        await r.disconnected()


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """The site, until the last test of this folder is done."""
    ready, ends = threading.Event(), threading.Event()
    found: list[Site] = []

    async def serve() -> None:
        async with (
            served(application(), "tcp") as tcp,
            served(application(), "tls") as tls,
            served(application(), "unix") as unix,
        ):
            found.append(Site(tcp.url, tls.url, unix.path or ""))
            ready.set()
            await asyncio.to_thread(ends.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site")
    thread.start()
    assert ready.wait(20)
    try:
        yield found[0]
    finally:
        ends.set()
        thread.join()
