"""Loops that applications and sessions live on, the current request, and the graceful exit."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.helpers.answers import read_answer
from tests.helpers.raw import SOCKET_KINDS, make_session
from tests.helpers.rules import GET, app_of, raised, whole
from tests.helpers.served import served
from tests.helpers.tls import server_context
from toolkit import (
    App,
    ConnectError,
    Deliver,
    Session,
    UseError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit import Request


# --- loops, and the current request ---


def test_app_and_session_are_made_without_a_loop_and_rebound_when_theirs_is_closed() -> None:
    async def handler(r: Request) -> str:
        return "value"

    web = app_of(handler)
    http = Session(app=web)

    async def ask() -> bytes:
        answer = await http.get("/")
        await http.close()
        return answer.content

    assert asyncio.run(ask()) == b"value"
    assert asyncio.run(ask()) == b"value"


async def test_use_from_another_running_loop_is_a_use_error() -> None:
    async def handler(r: Request) -> str:
        return "value"

    web = app_of(handler)
    seen: list[BaseException | None] = []

    async def elsewhere(http: Session, own: Session) -> None:
        seen.append(await raised(whole(http.get("/"))))
        seen.append(await raised(whole(own.get("/"))))

    async with Session(app=web) as http:
        assert (await http.get("/")).content == b"value"
        own = Session(app=web)  # a session of the other loop, an application of this one
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere(http, own)))
        thread.start()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
        assert [type(error) for error in seen] == [UseError, UseError]
        assert (await http.get("/")).content == b"value"


async def test_deliver_knows_the_current_request_awaited_or_returned() -> None:
    web = App(port=0)

    @web.get("/awaited")
    async def awaited(r: Request) -> None:
        await Deliver.json({"how": "awaited"}, 201, {"x-a": "b"})

    @web.get("/returned")
    async def returned(r: Request) -> object:
        return Deliver.text("returned")

    @web.get("/subtask")
    async def subtask(r: Request) -> None:
        async def inner() -> None:
            await Deliver.html("<p>")

        await asyncio.ensure_future(inner())

    @web.get("/redirect")
    async def redirect(r: Request) -> object:
        return Deliver.redirect("/awaited")

    @web.get("/empty")
    async def empty(r: Request) -> object:
        return Deliver.empty()

    async with Session(app=web) as http:
        answer = await http.get("/awaited")
        assert (answer.status, answer.headers["x-a"], await answer.json()) == (201, "b", {"how": "awaited"})
        assert (await http.get("/returned")).content == b"returned"
        assert (await http.get("/subtask")).content_type.startswith("text/html")
        moved = await http.get("/redirect")
        assert (moved.status, moved.headers["location"], moved.headers["content-length"]) == (302, "/awaited", "0")
        assert (await http.get("/empty")).status == 204
        both = await asyncio.gather(*(http.get(f"/{path}") for path in ("awaited", "returned") * 5))
        assert [answer.status for answer in both] == [201, 200] * 5


async def test_deliver_without_a_request_is_a_use_error() -> None:
    async def deliver() -> None:
        await Deliver.text("to whom?")

    assert isinstance(await raised(deliver()), UseError)


# --- graceful exit ---


@pytest.mark.parametrize("kind", ["tcp", "memory"])
async def test_exit_lets_running_exchanges_end_and_tells_them(kind: str) -> None:
    stopping = asyncio.Event()

    async def handler(r: Request) -> str:
        await r.stopping()
        stopping.set()
        return "ended in order"

    web = app_of(handler)
    async with served(web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        idle = await here.raw()
        await idle.send(b"GET /again HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_answer(idle)).body == b"again"
        leaving = asyncio.ensure_future(_exit(web))
        answer = await read_answer(raw)
        assert stopping.is_set()
        assert answer.body == b"ended in order"
        assert answer.closes
        assert await raw.rest() == b""
        assert await idle.rest() == b"", "an idle connection is closed at once"
        await leaving


async def _exit(web: App) -> None:
    await web.exit()


@pytest.mark.parametrize("kind", SOCKET_KINDS)  # a memory link has no kernel that would take the last answer
async def test_exit_waits_for_exchanges_not_for_peers_that_keep_their_side_open(kind: str) -> None:
    """Idle connections, and one whose last answer is out with nothing unread: none of them holds the exit up."""
    running = asyncio.Event()

    async def handler(r: Request) -> str:
        running.set()
        await r.stopping()
        return "ended in order"

    web = app_of(handler)
    async with served(web, kind) as here:
        idle = [await here.raw() for _ in range(3)]
        for raw in idle:
            await raw.send(b"GET /again HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await read_answer(raw)).body == b"again"
        busy = await here.raw()
        await busy.send(GET)
        await running.wait()
        async with asyncio.timeout(1):  # half of `Timeouts.linger`
            await web.exit()
        assert (await read_answer(busy)).body == b"ended in order"


async def test_exit_cancels_what_outlives_the_grace_time() -> None:
    seen: list[str | None] = []
    hold = asyncio.Event()
    running = asyncio.Event()
    web = App(port=0, timeouts=toolkit.Timeouts(grace=0.02))

    @web.get("/")
    async def handler(r: Request) -> None:
        running.set()
        try:
            await hold.wait()
        finally:
            seen.append(r.cancelled_by)

    async with served(web, "tcp") as here:
        raw = await here.raw()
        await raw.send(GET)
        await running.wait()
        await web.exit()
        assert seen == ["shutdown"]
        await raw.gone()


# --- the application's own listeners ---


def own(kind: str, path: str) -> App:
    """An application that listens by itself."""
    if kind == "unix":
        return App(unix=path)
    return App(port=0, tls=server_context() if kind == "tls" else None)


@pytest.mark.parametrize("kind", SOCKET_KINDS)
async def test_an_application_listens_by_itself_and_can_do_so_again(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    web = own(kind, path)

    @web.get("/")
    async def address(r: Request) -> dict[str, object]:
        return {"host": r.ip_host, "scheme": r.scheme}

    for _ in range(2):
        async with web, make_session(kind, path=path) as http:
            base = "http://localhost" if kind == "unix" else web.server_address
            assert web.server_address.startswith({"unix": "http+unix://", "tls": "https://"}.get(kind, "http://127."))
            answer = await http.get(f"{base}/")
            scheme = "https" if kind == "tls" else "http"
            assert await answer.json() == {"host": "" if kind == "unix" else "127.0.0.1", "scheme": scheme}
        async with make_session(kind, path=path) as http:
            error = await raised(whole(http.get(f"{base}/")))
            assert isinstance(error, ConnectError), error


def test_run_owns_a_loop_and_returns_after_exit() -> None:
    """`web.run()` in a thread of its own, ended from outside by way of a handler."""
    web = App("127.0.0.1", 0)

    @web.get("/exit")
    async def leave(r: Request) -> str:
        leaving.append(asyncio.ensure_future(_exit(web)))
        return "leaving"

    leaving: list[asyncio.Task[None]] = []

    async def ask(url: str) -> bytes:
        async with Session() as http:
            return (await http.get(f"{url}/exit")).content

    thread = threading.Thread(target=web.run)
    thread.start()
    url = ""
    while not url and thread.is_alive():
        try:
            url = web.server_address
        except UseError:  # it does not listen yet
            thread.join(0.01)
    assert asyncio.run(ask(url)) == b"leaving"
    thread.join(10)
    assert not thread.is_alive()
