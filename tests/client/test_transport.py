"""The pool's decisions carried out: nothing is lost or counted twice, wherever a request is cancelled."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.raw import PATIENCE, raw_server
from tests.helpers.served import served
from tests.helpers.tls import client_context, server_context
from toolkit import App, Request, Session, Timeouts
from toolkit.errors import ConnectError, ConnectTimeout, PoolTimeout
from toolkit.protocol.aio.tls import TlsLink

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def turns(number: int) -> None:
    """So many turns of the loop."""
    for _ in range(number):
        await asyncio.sleep(0)


class Gate:
    """An application whose `/meet/{n}` answers when `n` requests are in it at the same time: so many connections."""

    def __init__(self) -> None:
        self.web = App(port=0)
        self.present = 0
        self.met = asyncio.Event()
        self.web.get("/meet/{number}")(self.meet)
        self.web.get("/quick")(self.quick)
        self.web.get("/stream")(self.stream)
        self.web.get("/wait")(self.wait)
        self.web.post("/echo")(self.echo)

    async def meet(self, r: Request, number: str) -> str:
        self.present += 1
        if self.present == int(number):
            self.met.set()
        await self.met.wait()
        return "met"

    async def quick(self, r: Request) -> str:
        return "quick"

    async def stream(self, r: Request) -> None:
        await r.prepare({})
        for _ in range(3):
            await r.write(b"part")
            await asyncio.sleep(0)

    async def wait(self, r: Request) -> None:
        await r.disconnected()

    async def echo(self, r: Request) -> None:
        await r.prepare({})
        async for part in r:
            await r.write(part)


async def quick(http: Session, origin: str) -> None:
    _ = await http.get(f"{origin}/quick")


async def entered(http: Session, origin: str) -> None:
    async with http.get(f"{origin}/stream") as x:
        async for _ in x:
            await asyncio.sleep(0)


async def left_unread(http: Session, origin: str) -> None:
    async with http.get(f"{origin}/stream"):
        pass


async def upload(http: Session, origin: str) -> None:
    async with http.post(f"{origin}/echo") as x:
        await x.write(b"part")
        await asyncio.sleep(0)
        await x.eof()
        assert await x.read() == b"part"


async def aborted(http: Session, origin: str) -> None:
    async with http.post(f"{origin}/echo") as x:
        await x.write(b"part")
        await x.abort("enough")


async def forever(http: Session, origin: str) -> None:
    _ = await http.get(f"{origin}/wait")


WAYS: tuple[Callable[[Session, str], Awaitable[None]], ...] = (quick, entered, left_unread, upload, aborted, forever)
ONE = ("http://a.test",)
THREE = ("http://a.test", "http://b.test", "http://c.test")

# Which way, to which origin, begun in which turn of the loop, cancelled how many turns later.
requests = st.lists(
    st.tuples(st.integers(0, len(WAYS) - 1), st.integers(0, 2), st.integers(0, 6), st.integers(0, 30)),
    min_size=1,
    max_size=10,
)


async def play(http: Session, plan: list[tuple[int, int, int, int]], origins: tuple[str, ...]) -> None:
    """Begin and cancel as planned, and see everybody off."""

    async def one(way: int, origin: int, begin: int) -> None:
        await turns(begin)
        await WAYS[way](http, origins[origin % len(origins)])

    running = [(asyncio.ensure_future(one(way, origin, begin)), begin + after) for way, origin, begin, after in plan]
    for turn in range(38):
        for task, at in running:
            if turn == at:
                task.cancel()
        await asyncio.sleep(0)
    done = await asyncio.gather(*[task for task, _ in running], return_exceptions=True)
    assert all(one is None or isinstance(one, asyncio.CancelledError) for one in done), done


@pytest.mark.parametrize("origins", [ONE, THREE], ids=["one_origin", "three_origins"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=requests, most=st.integers(1, 3))
async def test_requests_cancelled_anywhere_give_the_whole_pool_back(
    origins: tuple[str, ...], plan: list[tuple[int, int, int, int]], most: int
) -> None:
    gate = Gate()
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, max_connections=most) as http:
        await play(http, plan, origins)
        await turns(20)  # links report their end in a later turn
        # Nobody stands in line, and what is open is idle: no connection is lost, and none counted twice.
        words = repr(http)
        if "not used" not in words:
            count = int(words.split("Pool ")[1].split(" ")[0])
            assert words == f"<Session <Pool {count} of {most} open, {count} idle, 0 waiting>>"
            assert count <= most
        # So many requests can be answered at one time as there ever could; and one more would have had to wait.
        meeting = [asyncio.ensure_future(ask(http, f"{origins[0]}/meet/{most}")) for _ in range(most)]
        assert await asyncio.gather(*meeting) == [b"met"] * most
        assert repr(http).startswith(f"<Session <Pool {most} of {most} open, ")
    await gate.web.exit()


async def ask(http: Session, url: str) -> bytes:
    answer = await http.get(url)
    return answer.content


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12))
async def test_nobody_is_given_more_than_the_caps(plan: list[tuple[int, int]]) -> None:
    """As many requests as one likes, never more than two connections, never more than one to an origin."""
    web, present, most_seen = App(port=0), [0], [0]

    @web.get("/")
    async def count(r: Request) -> str:
        present[0] += 1
        most_seen[0] = max(most_seen[0], present[0])
        await asyncio.sleep(0)
        present[0] -= 1
        return r.host

    async def one(http: Session, begin: int, origin: int) -> None:
        await turns(begin)
        assert await ask(http, THREE[origin] + "/") == THREE[origin][7:].encode()

    async with asyncio.timeout(PATIENCE), Session(app=web, max_connections=2, max_per_origin=1) as http:
        await asyncio.gather(*[one(http, begin, origin) for begin, origin in plan])
    assert most_seen[0] <= 2
    await web.exit()


async def test_an_evicted_connection_is_counted_once() -> None:
    """The pool makes room by closing an idle connection of another origin; its end is no second one."""
    web = Gate().web
    async with Session(app=web, max_connections=1) as http:
        for origin in (*THREE, *THREE):
            assert await ask(http, f"{origin}/quick") == b"quick"
            await turns(5)
            assert repr(http) == "<Session <Pool 1 of 1 open, 1 idle, 0 waiting>>"


async def test_waiters_are_served_in_order() -> None:
    gate, order = Gate(), list[int]()

    async def one(number: int, http: Session) -> None:
        assert await ask(http, "/quick") == b"quick"
        order.append(number)

    async with asyncio.timeout(PATIENCE), Session(app=gate.web, max_connections=1) as http:
        await asyncio.gather(*[one(number, http) for number in range(8)])
    assert order == list(range(8))


async def test_a_waiter_is_told_how_long_it_stood_and_why() -> None:
    gate = Gate()
    async with Session(app=gate.web, max_connections=1, timeouts=Timeouts(pool=0.01)) as http:
        holding = asyncio.ensure_future(ask(http, "/wait"))
        await turns(3)
        with pytest.raises(PoolTimeout, match=r"no free connection to localhost:80 within 0\.01 s .*1 of 1 open"):
            await ask(http, "/quick")
        assert repr(http) == "<Session <Pool 1 of 1 open, 0 idle, 0 waiting>>"
        holding.cancel()
        await asyncio.wait([holding])
        assert await ask(http, "/quick") == b"quick"


async def test_a_waiter_cancelled_in_the_turn_of_its_grant_passes_it_on() -> None:
    gate = Gate()
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, max_connections=1) as http:
        for turn in range(25):  # one of these is the turn
            first = asyncio.ensure_future(ask(http, "/quick"))
            second = asyncio.ensure_future(ask(http, "/quick"))
            third = asyncio.ensure_future(ask(http, "/quick"))
            await turns(turn)
            second.cancel()
            assert list(await asyncio.gather(first, third)) == [b"quick", b"quick"]
            await asyncio.wait([second])
            await turns(5)
            assert repr(http).endswith("idle, 0 waiting>>")


# Links that cannot be made


async def test_nobody_listens() -> None:
    async with raw_server() as peer:
        url = peer.url
    async with Session() as http:
        with pytest.raises(ConnectError, match=r"^cannot connect to 127\.0\.0\.1:\d+: ") as caught:
            await ask(http, url)
        assert isinstance(caught.value.__cause__, OSError)
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


async def test_no_such_unix_socket() -> None:
    async with Session(unix="/nowhere/at/all") as http:
        with pytest.raises(ConnectError, match="cannot connect to /nowhere/at/all: "):
            await ask(http, "/")


async def test_a_failed_one_makes_room_for_who_waits() -> None:
    gate = Gate()
    async with raw_server() as peer:
        gone = peer.url
    async with served(gate.web, "tcp") as here, here.session(max_connections=1) as http:
        failing = asyncio.ensure_future(ask(http, gone))
        waiting = asyncio.ensure_future(ask(http, f"{here.url}/quick"))
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectError):
                await failing
            assert await waiting == b"quick"


async def test_a_handshake_that_does_not_come_is_a_connect_timeout() -> None:
    async with raw_server("tcp") as peer, Session(timeouts=Timeouts(connect=0.01)) as http:
        with pytest.raises(ConnectTimeout, match=r"no connection to 127\.0\.0\.1:\d+ within 0\.01 s"):
            await ask(http, peer.url.replace("http:", "https:"))
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


async def test_a_certificate_from_nowhere_is_not_trusted() -> None:
    async with raw_server("tls") as peer:
        for session in (Session(), Session(tls=ssl.create_default_context())):
            async with session as http:
                with pytest.raises(ConnectError, match="its certificate is not to be trusted: "):
                    await ask(http, peer.url)


async def test_a_certificate_for_another_name_is_not_trusted() -> None:
    web = Gate().web
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="tk-") as folder:
        path = f"{folder}/s"
        listener = await loop.create_unix_server(lambda: TlsLink(web.new_connection()), path, ssl=server_context())
        async with Session(unix=path, tls=client_context()) as http:
            assert await ask(http, "https://localhost/quick") == b"quick"
            with pytest.raises(ConnectError, match="its certificate is not to be trusted: "):
                await ask(http, "https://other.test/quick")
        listener.close()
        await web.exit()


async def test_a_grant_that_nobody_takes_closes_what_it_evicted() -> None:
    gate = Gate()
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, max_connections=1) as http:
        for turn in range(25):  # one of these is the turn
            first = asyncio.ensure_future(ask(http, f"{THREE[0]}/quick"))
            await asyncio.sleep(0)
            second = asyncio.ensure_future(ask(http, f"{THREE[1]}/quick"))
            await turns(turn)
            second.cancel()
            await asyncio.wait([first, second])
            await turns(5)
            assert repr(http).endswith("idle, 0 waiting>>")
        assert await ask(http, f"{THREE[2]}/quick") == b"quick"
        await turns(5)
        assert repr(http) == "<Session <Pool 1 of 1 open, 1 idle, 0 waiting>>"


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
async def test_a_session_that_is_closed_has_no_connection_left(kind: str) -> None:
    """A loop that ends in the middle of TLS's goodbye breaks off with an error of its own."""
    web = App(port=0)

    @web.get("/")
    async def answer(r: Request) -> str:
        return "x"

    async with served(web, kind) as here:
        http = here.session()
        _ = await http.get(f"{here.url}/")
        transports = http.bound()
        assert len(transports._open) == 1
        await http.close()
        assert not transports._open


async def test_a_peer_that_never_says_goodbye_is_not_waited_for_without_end() -> None:
    async with raw_server("tls") as peer, peer.session(timeouts=Timeouts(linger=0.01)) as http:
        asking = asyncio.ensure_future(_asked(http, peer.url))
        raw = await peer.accept()
        await raw.until(b"\r\n\r\n")
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await asking
        async with asyncio.timeout(PATIENCE):
            await http.close()


async def _asked(http: Session, url: str) -> None:
    _ = await http.get(f"{url}/")
