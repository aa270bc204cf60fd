"""How a link is made: which addresses are tried, from where, and what one reads when none of them answers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import read_request
from tests.helpers.raw import PATIENCE, RawServer, raw_server
from tests.helpers.served import served
from tests.helpers.tls import client_context, server_context
from toolkit import App, Connecting, Request, Session, Timeouts
from toolkit.errors import ConnectError, ConnectTimeout, Disconnected, ResolveError
from toolkit.protocol.aio.tls import TlsLink

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
NEXT = 0.01  # seconds until the next address; the machine itself is nearer


class Names:
    """A resolver with a table, which counts."""

    def __init__(self, **table: list[str]) -> None:
        self.table = {name.replace("_", "."): addresses for name, addresses in table.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str] | None:
        self.asked.append(host)
        return self.table.get(host)


@contextlib.contextmanager
def silent(host: str, port: int = 0) -> Iterator[int]:
    """An address whose handshakes the kernel does not answer, as a full queue has them wait: its port."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(2):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(listener.getsockname())
        yield listener.getsockname()[1]


def hello() -> App:
    web = App(port=0)

    @web.get("/")
    def peer(r: Request) -> str:
        return r.ip_host

    return web


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


async def ask(http: Session, url: str) -> str:
    answer = await http.get(url)
    return await answer.text()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


# Which address


async def test_a_refused_address_makes_way_for_the_next() -> None:
    async with served(hello(), "tcp") as here:
        names = Names(a_test=["127.0.0.9", "127.0.0.8", "127.0.0.1"])
        async with Session(connecting=Connecting(resolver=names, next_address=3600)) as http:
            assert await ask(http, f"http://a.test:{port_of(here.url)}/") == "127.0.0.1"


async def test_a_silent_address_is_overtaken() -> None:
    # RFC 8305 5
    async with asyncio.timeout(PATIENCE), served(hello(), "tcp") as here:
        port = port_of(here.url)
        with silent("127.0.0.9", port):
            names = Names(a_test=["127.0.0.9", "127.0.0.1"])
            before = descriptors()
            async with Session(connecting=Connecting(resolver=names, next_address=NEXT)) as http:
                assert await ask(http, f"http://a.test:{port}/") == "127.0.0.1"
                assert len(descriptors() - before) == 2  # our end and the server's; the loser's socket is closed


async def test_the_family_that_answered_is_tried_first_the_next_time() -> None:
    async with served(hello(), "tcp") as here:
        port = port_of(here.url)
        names = Names(a_test=["::1", "127.0.0.1"])
        async with Session(connecting=Connecting(resolver=names)) as http:
            assert await ask(http, f"http://a.test:{port}/") == "127.0.0.1"
            dialer = http.bound()._dialer
            assert [str(one) for one in await dialer.lookups.find("a.test", port)] == ["127.0.0.1", "::1"]
    assert names.asked == ["a.test"]


async def test_a_name_is_asked_for_again_when_none_of_its_addresses_connects() -> None:
    async with served(hello(), "tcp") as here:
        port = port_of(here.url)
        names = Names(a_test=["127.0.0.9"])
        async with Session(connecting=Connecting(resolver=names, dns_seconds=3600)) as http:
            for _ in range(2):
                with pytest.raises(ConnectError):
                    await ask(http, f"http://a.test:{port}/")
            names.table["a.test"] = ["127.0.0.1"]
            assert await ask(http, f"http://a.test:{port}/") == "127.0.0.1"
    assert names.asked == ["a.test"] * 3


async def test_many_connections_ask_for_a_name_once() -> None:
    web = hello()
    names = Names(a_test=["127.0.0.1"])
    async with served(web, "tcp") as here, Session(connecting=Connecting(resolver=names)) as http:
        url = f"http://a.test:{port_of(here.url)}/"
        assert await asyncio.gather(*[ask(http, url) for _ in range(10)]) == ["127.0.0.1"] * 10
    assert names.asked == ["a.test"]


async def test_a_resolver_may_refuse_addresses() -> None:
    def outside_only(host: str, port: int) -> None:
        raise PermissionError(f"{host} is inside")

    async with served(hello(), "tcp") as here, Session(connecting=Connecting(resolver=outside_only)) as http:
        with pytest.raises(ConnectError, match=r"cannot connect to 127\.0\.0\.1:\d+: 127\.0\.0\.1 is inside"):
            await ask(http, here.url + "/")


# From where


async def test_the_local_address() -> None:
    async with served(hello(), "tcp") as here:
        for local in ("127.0.0.7", ("127.0.0.7", 0)):
            async with Session(connecting=Connecting(local_addr=local)) as http:
                assert await ask(http, here.url + "/") == "127.0.0.7"


async def test_only_addresses_of_its_family_are_tried() -> None:
    async with served(hello(), "tcp") as here:
        port = port_of(here.url)
        names = Names(a_test=["::1", "127.0.0.1"], b_test=["::1"])
        async with Session(connecting=Connecting(resolver=names, local_addr="127.0.0.7", next_address=3600)) as http:
            assert await ask(http, f"http://a.test:{port}/") == "127.0.0.7"
            with pytest.raises(
                ConnectError, match=r"from local_addr 127\.0\.0\.7 none of its addresses can be reached: ::1"
            ):
                await ask(http, f"http://b.test:{port}/")


async def test_a_local_address_that_is_not_ours() -> None:
    async with served(hello(), "tcp") as here, Session(connecting=Connecting(local_addr="192.0.2.1")) as http:
        with pytest.raises(ConnectError, match=os.strerror(errno.EADDRNOTAVAIL)):
            await ask(http, here.url + "/")


# What one reads


async def test_every_address_that_was_tried_is_named() -> None:
    async with raw_server() as peer:
        port = port_of(peer.url)
    names = Names(a_test=["127.0.0.1", "127.0.0.9"])
    async with Session(connecting=Connecting(resolver=names)) as http:
        refused = os.strerror(errno.ECONNREFUSED)
        words = f"cannot connect to a.test:{port}: 127.0.0.1: {refused}; 127.0.0.9: {refused}"
        with pytest.raises(ConnectError, match=f"^{re.escape(words)}$") as caught:
            await ask(http, f"http://a.test:{port}/")
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_timeout_names_the_phase_and_the_addresses() -> None:
    with silent("127.0.0.9") as port:
        names = Names(a_test=["127.0.0.9", "127.0.0.8"], b_test=["127.0.0.9"])
        how = Connecting(resolver=names, next_address=0.001)
        async with Session(connecting=how, timeouts=Timeouts(connect=0.05)) as http:
            refused = os.strerror(errno.ECONNREFUSED)
            words = f"no connection to a.test:{port} within 0.05 s, while connecting to "
            told = f"{words}127.0.0.9 (no answer), 127.0.0.8 ({refused})"
            with pytest.raises(ConnectTimeout, match=f"^{re.escape(told)}$"):
                await ask(http, f"http://a.test:{port}/")
            with pytest.raises(ConnectTimeout, match=r"within 0\.05 s, while connecting$"):
                await ask(http, f"http://127.0.0.9:{port}/")


async def test_a_timeout_while_the_name_is_looked_up() -> None:
    async def forever(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with Session(connecting=Connecting(resolver=forever), timeouts=Timeouts(connect=0.01)) as http:
        with pytest.raises(ConnectTimeout, match=r"a\.test:80 within 0\.01 s, while its addresses were looked up$"):
            await ask(http, "http://a.test/")


async def test_a_timeout_that_is_not_ours_is_not_told_as_ours() -> None:
    def slow(host: str, port: int) -> list[str]:
        raise TimeoutError("the directory does not answer")

    async with Session(connecting=Connecting(resolver=slow)) as http:
        with pytest.raises(ConnectError, match=r"^cannot connect to a\.test:80: the directory does not answer$"):
            await ask(http, "http://a.test/")


async def test_a_timeout_during_the_handshake() -> None:
    async with raw_server("tcp") as peer, Session(timeouts=Timeouts(connect=0.5)) as http:
        with pytest.raises(ConnectTimeout, match=r"within 0\.5 s, during the TLS handshake$"):
            await ask(http, peer.url.replace("http:", "https:"))


async def test_a_name_without_an_address() -> None:
    async with Session() as http:
        with pytest.raises(
            ResolveError, match=r"^cannot connect to nobody\.invalid:80: no address was found"
        ) as caught:
            await ask(http, "http://nobody.invalid/")
        assert isinstance(caught.value, ConnectError)
        assert isinstance(caught.value.__cause__, socket.gaierror)


async def test_a_server_that_does_not_speak_tls() -> None:
    async with raw_server("tcp") as peer, Session() as http:
        asking = asyncio.ensure_future(ask(http, peer.url.replace("http:", "https:")))
        raw = await peer.accept()
        await raw.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ConnectError, match=r"cannot connect to 127\.0\.0\.1:\d+: no TLS with it: "):
            await asking


async def test_a_host_that_no_certificate_can_name() -> None:
    names = Names(**{"_a_test": ["127.0.0.1"]})
    async with raw_server("tls") as peer, Session(connecting=Connecting(resolver=names)) as http:
        with pytest.raises(ConnectError, match=r"^cannot connect to \.a\.test: no certificate can name this host"):
            await ask(http, f"https://.a.test:{port_of(peer.url)}/")


async def test_a_session_that_is_closed_meanwhile() -> None:
    asked = asyncio.Event()

    async def forever(host: str, port: int) -> list[str]:
        asked.set()
        await asyncio.Event().wait()
        return []

    http = Session(connecting=Connecting(resolver=forever))
    asking = asyncio.ensure_future(ask(http, "http://a.test/"))
    await asked.wait()
    await http.close()
    with pytest.raises(Disconnected, match="the session was closed before the request was sent"):
        await asking


# Cancelled on the way


async def connected(peer: RawServer) -> None:
    """Answer whoever still asks."""
    raw = await peer.accept()
    await read_request(raw)
    await raw.send(OK)


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
async def test_cancelled_in_any_turn_of_connecting_it_leaves_no_socket(kind: str) -> None:
    web = hello()
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(served(web, kind))
        http = await stack.enter_async_context(here.session())
        before = len(descriptors())
        for turn in range(25):
            asking = asyncio.ensure_future(ask(http, f"{here.url}/"))
            for _ in range(turn):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            await http.close()
            await only(before)


async def only(number: int) -> None:
    """Wait until so many descriptors are open; both ends have to see each other off, through the kernel."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        while len(descriptors()) != number:
            near, far = socket.socketpair()
            with near, far:
                near.setblocking(False)
                far.setblocking(False)
                arriving = asyncio.ensure_future(loop.sock_recv(far, 1))
                await asyncio.sleep(0)  # it waits by now, and is told in a later turn
                await loop.sock_sendall(near, b"x")
                await arriving


async def test_tls_over_the_socket_that_won() -> None:
    web = hello()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: TlsLink(web.new_connection()), "127.0.0.1", 0, ssl=server_context())
    port = listener.sockets[0].getsockname()[1]
    names = Names(localhost=["127.0.0.9", "127.0.0.1"])
    async with Session(connecting=Connecting(resolver=names), tls=client_context()) as http:
        assert await ask(http, f"https://localhost:{port}/") == "127.0.0.1"
    listener.close()
    await web.exit()
