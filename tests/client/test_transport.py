"""The pool's decisions carried out: nothing is lost or counted twice, wherever a request is cancelled."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.answers import read_request
from tests.helpers.raw import PATIENCE, Raw, RawServer, SocketRaw, raw_server
from tests.helpers.served import served
from tests.helpers.tls import client_context, server_context
from toolkit import App, Connecting, PoolLimits, Request, Session, Timeouts
from toolkit.errors import ConnectError, ConnectTimeout, Disconnected, PoolFull, PoolTimeout
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
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, pool=PoolLimits(connections=most)) as http:
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


@settings(max_examples=25, deadline=None)
@given(plan=requests, most=st.integers(1, 3))
async def test_over_sockets_and_through_names_likewise(plan: list[tuple[int, int, int, int]], most: int) -> None:
    """Connecting takes its time here, with a race between two addresses in it; links end when the kernel says so."""
    gate = Gate()
    how = Connecting(resolver=lambda host, port: ["127.0.0.9", "127.0.0.1"], dns_seconds=0)
    async with asyncio.timeout(PATIENCE), served(gate.web, "tcp") as here:
        port = here.url.rpartition(":")[2]
        origins = tuple(f"{origin}:{port}" for origin in THREE)
        async with Session(connecting=how, pool=PoolLimits(connections=most)) as http:
            await play(http, plan, origins)
            pool = http.bound().pool
            while pool.total != sum(map(len, pool.idle.values())):
                await ask(http, f"{origins[0]}/quick")  # which turns the loop
                assert pool.total <= most
            assert pool.waiting == []
            meeting = [asyncio.ensure_future(ask(http, f"{origins[0]}/meet/{most}")) for _ in range(most)]
            assert await asyncio.gather(*meeting) == [b"met"] * most


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

    async with asyncio.timeout(PATIENCE), Session(app=web, pool=PoolLimits(connections=2, per_origin=1)) as http:
        await asyncio.gather(*[one(http, begin, origin) for begin, origin in plan])
    assert most_seen[0] <= 2
    await web.exit()


async def test_an_evicted_connection_is_counted_once() -> None:
    """The pool makes room by closing an idle connection of another origin; its end is no second one."""
    web = Gate().web
    async with Session(app=web, pool=PoolLimits(connections=1)) as http:
        for origin in (*THREE, *THREE):
            assert await ask(http, f"{origin}/quick") == b"quick"
            await turns(5)
            assert repr(http) == "<Session <Pool 1 of 1 open, 1 idle, 0 waiting>>"


async def test_waiters_are_served_in_order() -> None:
    gate, order = Gate(), list[int]()

    async def one(number: int, http: Session) -> None:
        assert await ask(http, "/quick") == b"quick"
        order.append(number)

    async with asyncio.timeout(PATIENCE), Session(app=gate.web, pool=PoolLimits(connections=1)) as http:
        await asyncio.gather(*[one(number, http) for number in range(8)])
    assert order == list(range(8))


async def test_a_waiter_is_told_how_long_it_stood_and_why() -> None:
    gate = Gate()
    async with Session(app=gate.web, pool=PoolLimits(connections=1), timeouts=Timeouts(pool=0.01)) as http:
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
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, pool=PoolLimits(connections=1)) as http:
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


@pytest.mark.parametrize("cancelled", [False, True], ids=["taken", "declined"])
async def test_a_connection_that_ends_on_its_way_to_who_waits_leaves_him_its_place(cancelled: bool) -> None:
    """It is granted, and is lost before the one in line has been woken: its place is free once, not twice."""
    gate = Gate()
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, pool=PoolLimits(connections=1)) as http:
        assert await ask(http, "/quick") == b"quick"
        transports = http.bound()
        (origin,) = transports.pool.idle
        lent = await transports.acquire(origin, http.timeouts)
        waiting = [asyncio.ensure_future(ask(http, "/quick")) for _ in range(3)]
        await turns(3)
        assert transports.pool.waiting_count == 3
        transports.give_back(lent)
        lent.transport.abort()
        lent.connection_lost(ConnectionResetError("by the peer"))
        if cancelled:
            waiting.pop(0).cancel()
        assert (transports.pool.total, transports.pool.waiting_count) == (1, 2)
        assert await asyncio.gather(*waiting) == [b"quick"] * len(waiting)
        await turns(5)
        pool = transports.pool
        assert pool.total == sum(map(len, pool.idle.values())) == len(transports._open) == 1
        assert not transports._handed


async def test_a_line_that_is_full_takes_nobody_more() -> None:
    gate = Gate()
    limits = PoolLimits(connections=2, per_origin=1, waiting=1)
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, pool=limits) as http:
        holding = asyncio.ensure_future(ask(http, "/wait"))
        await turns(3)
        waiting = asyncio.ensure_future(ask(http, "/quick"))
        await turns(3)
        words = (
            "no free connection to localhost:80, and no place in line for one "
            "(all 1 to this origin are in use; <Pool 1 of 2 open, 0 idle, 1 waiting>)"
        )
        with pytest.raises(PoolFull, match=f"^{re.escape(words)}$"):
            await ask(http, "/quick")
        assert await ask(http, f"{THREE[0]}/quick") == b"quick"  # who need not wait needs no place
        holding.cancel()
        assert await waiting == b"quick"
        assert await ask(http, "/quick") == b"quick"


async def test_a_timeout_in_the_line_tells_which_bound_it_was() -> None:
    gate = Gate()
    timeouts = Timeouts(pool=0.01)
    for limits, why in (
        (PoolLimits(per_origin=1), "all 1 to this origin are in use"),
        (PoolLimits(connections=1), "all 1 of the session are in use, 0 of them to this origin"),
    ):
        async with Session(app=gate.web, pool=limits, timeouts=timeouts) as http:
            holding = asyncio.ensure_future(ask(http, f"{THREE[0]}/wait"))
            await turns(3)
            where = 0 if limits.per_origin == 1 else 1
            with pytest.raises(PoolTimeout, match=rf"within 0\.01 s \({why}; <Pool 1 of"):
                await ask(http, f"{THREE[where]}/quick")
            holding.cancel()
            await asyncio.wait([holding])


async def test_closing_tells_those_in_line() -> None:
    gate = Gate()
    http = Session(app=gate.web, pool=PoolLimits(connections=1))
    running = [asyncio.ensure_future(ask(http, "/wait")) for _ in range(4)]
    await turns(5)
    await http.close()
    told = await asyncio.gather(*running, return_exceptions=True)
    assert "the session was closed" in str(told[0])
    assert [str(error) for error in told[1:]] == ["the session was closed before the request was sent"] * 3
    assert all(isinstance(error, Disconnected) for error in told)
    assert await ask(http, "/quick") == b"quick"  # it can be used again
    await http.close()
    await gate.web.exit()


async def test_ten_thousand_in_line_may_be_cancelled_at_once() -> None:
    gate = Gate()
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, pool=PoolLimits(connections=1)) as http:
        running = [asyncio.ensure_future(ask(http, "/quick")) for _ in range(10_000)]
        await turns(3)
        for one in running:
            one.cancel()
        await asyncio.wait(running)
        await turns(5)
        assert repr(http).endswith(" 0 waiting>>")
        assert await ask(http, "/quick") == b"quick"


# How long a connection is used


async def test_a_connection_ends_after_so_many_uses() -> None:
    async with served(Gate().web, "tcp") as here, here.session(pool=PoolLimits(uses=3)) as http:
        for number in range(7):
            assert await ask(http, f"{here.url}/quick") == b"quick"
            assert len(http.bound().pool.idle) == (0 if number in {2, 5} else 1)


async def test_no_time_to_be_idle_is_a_connection_for_each_request() -> None:
    async with raw_server() as peer, peer.session(timeouts=Timeouts(keep_alive=0)) as http:
        for number in range(3):
            raw = await answered(http, peer, number)
            assert await raw.rest() == b""


async def test_a_connection_is_not_lent_beyond_its_age() -> None:
    async with raw_server() as peer, peer.session(pool=PoolLimits(age=0)) as http:
        for number in range(3):
            await answered(http, peer, number)  # each on a connection of its own
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


async def test_an_idle_connection_that_has_come_to_its_age_is_closed() -> None:
    async with raw_server() as peer, peer.session(pool=PoolLimits(age=0.05)) as http:
        raw = await answered(http, peer, 0)
        assert await raw.rest() == b""
        assert repr(http) == "<Session <Pool 0 of 100 open, 0 idle, 0 waiting>>"


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        ("timeout=1", False),  # our end comes before theirs, and so the test's clock need not wait for it
        ("timeout=0", False),
        ("timeout=60, max=0", False),
        ("timeout=60, max=5", True),
        ("nonsense", True),
    ],
)
async def test_the_servers_word_on_idle_connections_is_heeded(field: str, kept: bool) -> None:
    # RFC 2068 19.7.1
    async with asyncio.timeout(PATIENCE), raw_server() as peer, peer.session() as http:
        raw = await answered(http, peer, 0, b"keep-alive: %b\r\n" % field.encode())
        if kept:
            asking = asyncio.ensure_future(ask(http, peer.url))
            await read_request(raw)
            await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            assert await asking == b""
        else:
            assert await raw.rest() == b""
        assert len(peer.accepted) == 1


async def test_the_earliest_of_many_ends_first() -> None:
    """Connections with ends of their own, begun in any order: each is closed when its time has come."""
    async with asyncio.timeout(PATIENCE), raw_server() as peer, peer.session() as http:
        late = await answered(http, peer, 0, b"keep-alive: timeout=60\r\n", hold=True)
        soon = await answered(
            http, peer, 1, b"keep-alive: timeout=1\r\n", url=peer.url.replace("127.0.0.1", "localhost")
        )
        assert await soon.rest() == b""
        assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"
        asking = asyncio.ensure_future(ask(http, peer.url))
        await read_request(late)
        await late.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        assert await asking == b""


async def answered(
    http: Session, peer: RawServer, number: int, fields: bytes = b"", hold: bool = False, url: str | None = None
) -> Raw:
    """One request on a new connection, the peer's `number`th, answered with these fields."""
    asking = asyncio.ensure_future(ask(http, url or peer.url))
    raw = await peer.accept()
    assert len(peer.accepted) == number + 1
    await read_request(raw)
    await raw.send(b"HTTP/1.1 200 OK\r\n%bcontent-length: 0\r\n\r\n" % fields)
    assert await asking == b""
    return raw


# What came while nobody looked


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("came", [b"", b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 4\r\n\r\nevil", b"\0"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_what_came_on_an_idle_connection_is_seen_before_it_is_lent(method: str, came: bytes, kind: str) -> None:
    """The loop has not read it: the program was busy. A POST could not be sent again, and 408 is no answer to it."""
    async with asyncio.timeout(PATIENCE), raw_server(kind) as peer, peer.session() as http:
        raw = await answered(http, peer, 0)
        (connection,) = next(iter(http.bound().pool.idle.values()))
        connection.idle_since -= 1  # seconds: as if the program had been busy for so long
        if came:
            assert isinstance(raw, SocketRaw)
            raw.sock.send(came)  # no turn of the loop is in between
        else:
            assert isinstance(raw, SocketRaw)
            raw.sock.shutdown(socket.SHUT_WR)
        asking = asyncio.ensure_future(whole(http, method, peer.url))
        again = await peer.accept()
        assert (await read_request(again)).method == method
        await again.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        assert await asking == b"ok"
        assert await raw.gone() in {True, False}
        assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"


async def whole(http: Session, method: str, url: str) -> bytes:
    answer = await http.request(method, url)
    return answer.content


async def test_an_idle_connection_on_which_nothing_came_is_lent_again() -> None:
    async with raw_server() as peer, peer.session() as http:
        raw = await answered(http, peer, 0)
        (connection,) = next(iter(http.bound().pool.idle.values()))
        connection.idle_since -= 1
        asking = asyncio.ensure_future(ask(http, peer.url))
        await read_request(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        assert await asking == b""


async def test_one_that_is_idle_for_too_long_is_not_lent_even_if_the_loop_was_too_busy_to_end_it() -> None:
    async with raw_server() as peer, peer.session(timeouts=Timeouts(keep_alive=60)) as http:
        await answered(http, peer, 0)
        (connection,) = next(iter(http.bound().pool.idle.values()))
        connection.idle_since -= 61
        await answered(http, peer, 1)


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
    async with served(gate.web, "tcp") as here, here.session(pool=PoolLimits(connections=1)) as http:
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
    async with asyncio.timeout(PATIENCE), Session(app=gate.web, pool=PoolLimits(connections=1)) as http:
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
    async with raw_server("tls") as peer, peer.session() as http:
        asking = asyncio.ensure_future(_asked(http, peer.url))
        raw = await peer.accept()
        await raw.until(b"\r\n\r\n")
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await asking
        transports = http.bound()
        async with asyncio.timeout(PATIENCE):
            await http.close()
        assert not transports._open, "its link is given up"


async def _asked(http: Session, url: str) -> None:
    _ = await http.get(f"{url}/")
