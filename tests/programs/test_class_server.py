"""A site of files, a class of handlers with its hooks, and a function beside them: the first program of a user.

What is told here of single rules is tested elsewhere; this is the program as a whole, as somebody would write it.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_answer
from tests.helpers.served import KINDS, PATIENCE, served
from toolkit import Abort, App, Deliver, Request, Session, StaticServer

from .asked import asked, told

if TYPE_CHECKING:
    from pathlib import Path


def quick_start(folder: Path) -> App:
    """The program. The folder holds `page/index.html`, `page/about.html` and `app.js`."""
    (folder / "page").mkdir()
    (folder / "page" / "index.html").write_text("<h1>home")
    (folder / "page" / "about.html").write_text("<h1>about")
    (folder / "app.js").write_text("let x = 1\n")

    web = App("127.0.0.1", 0)
    web.attach(StaticServer("/", folder, 1024 * 100, "page", "index.html"))

    @web.attach
    class Server:
        async def before_middleware(self, r: Request) -> None:
            r.store = {"data": await r.body_or_params()}

        async def _redirect(self, r: Request) -> None:
            raise Abort("", 302, {"location": "/api/ip"})

        async def handle_all_middleware(self, r: Request) -> None:
            raise Abort("Not Found", 404)

        async def _api_ip(self, r: Request) -> None:
            await Deliver.json({"ip": f"{r.ip_host}:{r.ip_port}"})

        async def _api_data(self, r: Request) -> None:
            await Deliver.json(r.store["data"])

        async def _new_route(self, r: Request) -> None:
            await Deliver.text("This is /new/route")

    @web.add_route
    async def a_name_that_is_not_the_path(r: Request, route: str = "/fp") -> None:
        await Deliver.text("Hello from a function")

    return web


@pytest.mark.parametrize("kind", KINDS)
async def test_the_quick_start(kind: str, tmp_path: Path) -> None:
    web = quick_start(tmp_path)
    answers = await told(
        web, "/", "/about", "/app.js", "/fp", "/new/route", "/new/route/", "/nothing", "/Server", kind=kind
    )
    assert answers == [
        (200, "<h1>home"),
        (200, "<h1>about"),
        (200, "let x = 1\n"),
        (200, "Hello from a function"),
        (200, "This is /new/route"),
        (200, "This is /new/route"),
        (404, "Not Found"),
        (404, "Not Found"),
    ]


async def test_one_request_has_one_answer_although_two_hooks_stand_for_all(tmp_path: Path) -> None:
    """A page that was found is followed by no 404 on its connection: the next answer is the next request's."""
    async with served(quick_start(tmp_path), "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_answer(raw)).body == b"<h1>home"
        await raw.send(b"GET /fp HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.status, answer.body) == (200, b"Hello from a function")
        assert await raw.rest() == b""


async def test_a_redirect_without_a_body_says_so_and_leads_to_the_address(tmp_path: Path) -> None:
    """Its length is 0, so that a client that keeps its connection waits for nothing."""
    async with served(quick_start(tmp_path), "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET /redirect HTTP/1.1\r\nhost: x\r\n\r\nGET /fp HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = await read_answer(raw)
        assert (answer.status, answer.get("location"), answer.get("content-length")) == (302, "/api/ip", "0")
        assert (await read_answer(raw)).status == 200
        async with here.session() as http:
            for path in ("/redirect", "/api/ip", "/api/ip/"):
                found = await (await http.get(here.url + path, follow_redirects=True)).json()
                assert isinstance(found, dict)
                assert str(found["ip"]).startswith("127.0.0.1:")


async def test_the_hook_ahead_has_the_data_of_every_request(tmp_path: Path) -> None:
    """The query of a GET, the body of a POST; also where no route is, and 400 where it is no JSON."""
    web = quick_start(tmp_path)
    assert (await asked(web, "GET", "/api/data?a=b%20c&d=e&d=f")).content == b'{"a":"b c","d":"f"}'
    sent = {"content-type": "application/json"}
    assert (await asked(web, "POST", "/api/data", sent, b'{"a": [1]}')).content == b'{"a":[1]}'
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await asked(web, "POST", "/api/data", form, b"a=b+c")).content == b'{"a":"b c"}'
    assert (await asked(web, "POST", "/nowhere", sent, b"{bad}")).status == 400
    assert (await asked(web, "POST", "/nowhere", sent, b"{}")).status == 404


async def test_a_name_that_a_request_does_not_have_is_an_error() -> None:
    """What was misspelt fails where it stands, and what is the application's own is in `r.store`."""
    web, raised = App(port=0), list[str]()

    @web.get("/")
    async def handler(r: Request) -> str:
        try:
            _ = r.no_such_thing  # type: ignore[attr-defined]
        except AttributeError as error:
            raised.append(str(error))
        return "x"

    assert await told(web, "/") == [(200, "x")]
    assert raised
    assert "no_such_thing" in raised[0]


PROGRAM = """
import asyncio
from toolkit import App

web = App(port=0)

@web.attach
class Server:
    async def _(self, r):
        return "hello"

async def tell():
    print((await web).server_address, flush=True)

@web.on_start
async def begin():
    global telling
    telling = asyncio.create_task(tell())

@web.on_exit
def end():
    print("closed", flush=True)

with web:
    web.runner()
print("over", flush=True)
"""


async def test_the_program_runs_until_it_is_interrupted() -> None:
    """`with web: web.runner()` ends in order at Ctrl-C, with its hooks run once, and returns."""
    async with asyncio.timeout(PATIENCE):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, stdout=subprocess.PIPE)
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        async with Session() as http:
            assert await (await http.get(address)).text() == "hello"
        process.send_signal(signal.SIGINT)
        assert await process.stdout.read() == b"closed\nover\n"
        assert await process.wait() == 0
