"""A running application: its addresses, and its graceful end."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

import pytest

from tests.helpers.served import KINDS, PATIENCE, Raw, served
from toolkit import App, Request, Session, Timeouts
from toolkit.errors import Disconnected, NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.running import Running


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_the_address_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for port 0 is told which; at the level INFO, so that a program without logging stays silent."""
    caplog.set_level(logging.INFO, "toolkit.server")
    async with App(port=0) as web:
        assert [record.getMessage() for record in caplog.records] == [f"listening on {web.server_address}"]


HOSTS = ["127.0.0.1", "localhost", *(["::1"] if has_ipv6() else [])]


@pytest.mark.parametrize("host", HOSTS)
async def test_the_address_can_be_dialled(host: str) -> None:
    web = App(host, port=0)
    web.get("/")(lambda r: "x")
    async with web, Session() as http:
        assert (await http.get(web.server_address)).content == b"x"


async def test_every_address_of_a_host_has_the_same_port() -> None:
    web = App("localhost", port=0)
    web.get("/")(lambda r: "x")
    async with web, Session() as http:
        port = web.server_address.rsplit(":", 1)[1]
        for host in HOSTS:
            shown = f"[{host}]" if ":" in host else host
            addresses = {info[4][0] for info in await asyncio.get_running_loop().getaddrinfo("localhost", int(port))}
            if host in addresses or host == "localhost":
                assert (await http.get(f"http://{shown}:{port}/")).content == b"x"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
async def test_an_address_that_cannot_be_had(host: str) -> None:
    with pytest.raises(NetworkError, match=f"cannot listen on {host}:0: "):
        await App(host, port=0).serve()


async def test_a_unix_path_that_cannot_be_had() -> None:
    with pytest.raises(NetworkError, match="cannot listen on /no/such/folder/s: "):
        await App(unix="/no/such/folder/s").serve()


# The graceful end


class Held:
    """A handler that stays until it is let go, and what became of it."""

    def __init__(self, grace: float = 10) -> None:
        self.web = App(port=0, timeouts=Timeouts(grace=grace, linger=0.01))
        self.begun, self.go, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.request: Request | None = None
        self.web.get("/hold")(self.hold)
        self.web.get("/stream")(self.stream)
        self.web.get("/until_stopping")(self.until_stopping)
        self.web.get("/quick")(lambda r: "quick")

    @property
    def running(self) -> Running:
        """While it is served."""
        assert self.web._running is not None
        return self.web._running

    async def hold(self, r: Request) -> str:
        self.request = r
        self.begun.set()
        try:
            await self.go.wait()
        finally:
            self.over.set()
        return "held"

    async def stream(self, r: Request) -> None:
        await r.prepare({})
        await r.write(b"begun")
        await self.hold(r)

    async def until_stopping(self, r: Request) -> None:
        await r.prepare({})
        self.begun.set()
        await r.stopping()
        await r.stopping()  # it stays so
        await r.write(b"a good end")


async def ask(http: Session, url: str) -> bytes:
    answer = await http.get(url)
    return answer.content


@pytest.mark.parametrize("kind", KINDS)
async def test_running_exchanges_finish(kind: str) -> None:
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, kind) as here, here.session() as http:
        asking = asyncio.ensure_future(ask(http, f"{here.url}/hold"))
        await held.begun.wait()
        ending = asyncio.ensure_future(held.web.exit())
        await asyncio.sleep(0)
        assert not ending.done()
        held.go.set()
        assert await asking == b"held"
        await ending
        assert held.request is not None
        assert held.request.cancelled_by is None


@pytest.mark.parametrize("kind", KINDS)
async def test_long_streams_are_told(kind: str) -> None:
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, kind) as here, here.session() as http:
        asking = asyncio.ensure_future(ask(http, f"{here.url}/until_stopping"))
        await held.begun.wait()
        await held.web.exit()
        assert await asking == b"a good end"


@pytest.mark.parametrize("kind", KINDS)
async def test_what_outlives_the_grace_is_cancelled(kind: str) -> None:
    held = Held(grace=0.01)
    async with asyncio.timeout(PATIENCE), served(held.web, kind) as here, here.session() as http:
        asking = asyncio.ensure_future(ask(http, f"{here.url}/stream"))
        await held.begun.wait()
        await held.web.exit()
        assert held.over.is_set()
        assert held.request is not None
        assert held.request.cancelled_by == "shutdown"
        with pytest.raises(Disconnected):
            await asking


async def test_before_the_head_the_cancelled_is_a_503() -> None:
    held = Held(grace=0.01)
    async with asyncio.timeout(PATIENCE), served(held.web) as here, here.session() as http:
        asking = asyncio.ensure_future(http.request("GET", "/hold").__aenter__())
        await held.begun.wait()
        await held.web.exit()
        x = await asking
        assert (x.status, x.headers["connection"]) == (503, "close")
        assert await x.text() == "Service Unavailable"


@pytest.mark.parametrize("kind", KINDS)
async def test_idle_connections_end_without_waiting_for_the_grace(kind: str) -> None:
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, kind) as here:
        fresh, used = await here.raw(), await here.raw()
        await used.send(b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n")
        await used.until(b"quick")

        async def leave(raw: Raw) -> bool:
            in_order = await raw.gone()
            await raw.close()  # TLS waits for our word
            return in_order

        ending = asyncio.ensure_future(held.web.exit())
        assert list(await asyncio.gather(leave(fresh), leave(used))) == [True, True]
        assert used.buffer == b""
        await ending


async def turns_until(true: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("not within a thousand turns")


def asked(url: str, path: bytes = b"/quick") -> socket.socket:
    """A connection with a request on it, made without giving the server a turn."""
    sock = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    sock.sendall(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path)
    sock.setblocking(False)
    return sock


async def rest_of(sock: socket.socket) -> bytes:
    """All that still comes, until a clean end."""
    seen, loop = b"", asyncio.get_running_loop()
    with sock:
        while data := await loop.sock_recv(sock, 65536):
            seen += data
    return seen


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 6])
async def test_who_came_before_the_end_is_answered(turns: int) -> None:
    """Waiting to be accepted, accepted, or just made a connection: at a reload, losing one is losing a request."""
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, "tcp") as here:
        socks = [asked(here.url) for _ in range(2)]
        for _ in range(turns):
            await asyncio.sleep(0)
        ending = held.web.exit()
        for seen in await asyncio.gather(*map(rest_of, socks)):
            assert seen.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\nconnection: close\r\n" in seen or turns
            assert seen.endswith(b"quick")
        await ending


@pytest.mark.parametrize("used", [False, True])
async def test_a_request_that_is_on_its_way_is_answered(used: bool) -> None:
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, "tcp") as here:
        raw = await here.raw()
        if used:
            await raw.send(b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n")
            await raw.until(b"quick")
        app = held.web._running
        assert app is not None
        await turns_until(lambda: bool(app.connections))
        ending = asyncio.ensure_future(held.web.exit())
        await turns_until(lambda: not any(server.is_serving() for server in app.servers))
        await raw.send(b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n" * 2)
        seen = await raw.rest()
        assert seen.count(b"HTTP/1.1 200 OK\r\n") == 1, "one more, and it is said to be the last"
        assert b"\r\nconnection: close\r\n" in seen
        await ending


async def test_who_has_been_idle_for_longer_ends_at_once() -> None:
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n")
        await raw.until(b"quick")
        run = held.running
        run.last_call = PATIENCE * 10
        (connection,) = run.connections
        run.watch.keep_alive._due[connection] -= run.last_call * 2  # since long ago
        await held.web.exit()
        assert await raw.gone()


async def test_the_last_call_is_no_longer_than_the_grace() -> None:
    held = Held(grace=0.01)
    async with asyncio.timeout(PATIENCE), served(held.web, "tcp") as here:
        held.running.last_call = 3600
        raw = await here.raw()
        await raw.send(b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n")
        await raw.until(b"quick")
        await held.web.exit()
        assert await raw.gone()


async def test_no_further_request_on_a_connection_that_runs() -> None:
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, "tcp") as here:
        raw = await here.raw()
        await raw.send(b"GET /hold HTTP/1.1\r\nhost: a\r\n\r\nGET /quick HTTP/1.1\r\nhost: a\r\n\r\n")
        await held.begun.wait()
        ending = held.web.exit()
        held.go.set()
        seen = await raw.rest()
        assert b"connection: close\r\n" in seen
        assert seen.endswith(b"held")
        await ending


async def test_nobody_is_let_in_any_more() -> None:
    held = Held()
    async with asyncio.timeout(PATIENCE), served(held.web, "tcp") as here, here.session() as http:
        asking = asyncio.ensure_future(ask(http, f"{here.url}/hold"))
        await held.begun.wait()
        ending = asyncio.ensure_future(held.web.exit())
        app = held.web._running
        assert app is not None
        await turns_until(lambda: not any(server.is_serving() for server in app.servers))
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", int(here.url.rsplit(":", 1)[1]))
        held.go.set()
        assert await asking == b"held"
        await ending


async def test_a_handler_may_end_the_application() -> None:
    web = App(port=0)

    @web.get("/")
    async def leave(r: Request) -> str:
        _ = web.exit()
        return "left"

    async with asyncio.timeout(PATIENCE):
        serving = asyncio.ensure_future(web.serve())
        _ = await web.started()
        async with Session() as http:
            assert await ask(http, web.server_address) == b"left"
        await serving


@pytest.mark.parametrize("where", ["before", "after"])
async def test_stopping_is_told_to_who_waits_and_to_who_comes_late(where: str) -> None:
    web, begun, told = App(port=0), asyncio.Event(), list[str]()

    @web.get("/")
    async def handler(r: Request) -> str:
        begun.set()
        if where == "after":
            await r.stopping()
        await r.stopping()
        told.append(where)
        return "x"

    async with asyncio.timeout(PATIENCE), served(web) as here, here.session() as http:
        asking = asyncio.ensure_future(ask(http, "/"))
        await begun.wait()
        await web.exit()
        assert await asking == b"x"
    assert told == [where]
