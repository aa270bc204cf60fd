"""Servers that break off or lie: each way gives one exact error, frees the connection, and harms no other request.

A link is cut in every phase of an answer, in order and not; on a fresh connection, where nothing is repeated, and on a
kept one, where what may be made twice is, as long as no head of an answer has come (RFC 9110 9.2.2, RFC 9112 9.3.1).
What breaks the grammar is a `RemoteProtocolError`, what is over a bound of `Limits` a `LimitExceeded`. The many forms
of each fault are in the rows of `reliability/`; here they meet sockets, TLS, and the pool.
"""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass

import pytest

from tests.helpers.hostile import ENDS, OK, Hostile, end, hostile
from tests.helpers.raw import raw_server
from tests.helpers.tls import client_context
from toolkit import ConnectError, Disconnected, LimitExceeded, RemoteProtocolError, Session
from toolkit.errors import TlsError, ToolkitError

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
CODED = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n"
ZIPPED = gzip.compress(bytes(1000))

#: An answer up to where it is cut off, and whether its final head is here by then.
PHASES: dict[str, tuple[bytes, bool]] = {
    "nothing": (b"", False),
    "half a status line": (b"HTTP/1.1 20", False),
    "behind the status line": (b"HTTP/1.1 200 OK\r\n", False),
    "in a field": (b"HTTP/1.1 200 OK\r\ncontent-le", False),
    "before the empty line": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", False),
    "in the empty line": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r", False),
    "in an interim answer": (b"HTTP/1.1 103 Early Hi", False),
    "behind an interim answer": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", True),
    "behind the head, with a length": (LENGTH, True),
    "in a body of known length": (LENGTH + b"hello", True),
    "behind the head, with chunks": (CHUNKED, True),
    "in a chunk line": (CHUNKED + b"5\r\nhello\r\n1", True),
    "behind a chunk line": (CHUNKED + b"5\r\n", True),
    "in a chunk": (CHUNKED + b"5\r\nhel", True),
    "behind a chunk's data": (CHUNKED + b"5\r\nhello", True),
    "before the last chunk": (CHUNKED + b"5\r\nhello\r\n", True),
    "behind the last chunk's line": (CHUNKED + b"5\r\nhello\r\n0\r\n", True),
    "in a trailer": (CHUNKED + b"0\r\nx-sum: 1", True),
    "behind a trailer": (CHUNKED + b"0\r\nx-sum: 1\r\n", True),
    "in a coded body": (CODED + b"content-length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED[:-9], True),
}
HEADLESS = [name for name, (_, answered) in PHASES.items() if not answered]
AT_ANY_END = pytest.mark.parametrize(("kind", "how"), ENDS, ids=[f"{kind}-{how}" for kind, how in ENDS])


async def failed(asking: asyncio.Task[bytes]) -> ToolkitError:
    """What it ended with."""
    with pytest.raises(ToolkitError) as caught:
        await asking
    return caught.value


# ---- the link is cut


@AT_ANY_END
@pytest.mark.parametrize("phase", PHASES)
async def test_cut_off_in_any_phase(phase: str, kind: str, how: str) -> None:
    async with hostile(kind) as here:
        asking, raw = await here.faced()
        await raw.send(PHASES[phase][0])
        await end(raw, how)
        error = await failed(asking)
        assert type(error) is Disconnected
        assert isinstance(error, ConnectionError)
        if how != "cut":  # asyncio's own loop does not tell that from close_notify
            assert error.clean is (how == "fin")
        assert error.exchange is not None
        await here.shaken_off(raw)
        await here.goes_on()


@AT_ANY_END
@pytest.mark.parametrize("phase", PHASES)
async def test_cut_off_on_a_kept_connection_what_may_be_made_twice_is(phase: str, kind: str, how: str) -> None:
    sent, answered = PHASES[phase]
    async with hostile(kind) as here:
        raw = await here.kept()
        asking = here.ask()
        asked = await here.received(raw)
        await raw.send(sent)
        await end(raw, how)
        if answered:
            assert type(await failed(asking)) is Disconnected
            await here.shaken_off(raw)
        else:
            fresh = await here.peer.accept()
            assert await here.received(fresh) == asked
            await end(fresh, how)  # once: this was no kept connection
            assert type(await failed(asking)) is Disconnected
            await here.shaken_off(fresh)
        await here.goes_on()


@AT_ANY_END
@pytest.mark.parametrize("phase", HEADLESS)
async def test_cut_off_on_a_kept_connection_a_post_is_never_made_twice(phase: str, kind: str, how: str) -> None:
    async with hostile(kind) as here:
        raw = await here.kept()
        asking = here.ask("POST", b"an order")
        await here.received(raw, b"an order")
        await raw.send(PHASES[phase][0])
        await end(raw, how)
        assert type(await failed(asking)) is Disconnected
        await here.shaken_off(raw)
        assert len(here.peer.accepted) == 1
        await here.goes_on()


@AT_ANY_END
async def test_what_came_before_the_cut_is_read_and_then_the_error(kind: str, how: str) -> None:
    async with hostile(kind) as here:
        got = bytearray()

        async def read() -> bytes:
            async with here.http.get(here.peer.url) as x:
                async for part in x:
                    got.extend(part)
            return b""

        asking = asyncio.create_task(read())
        raw = await here.peer.accept()
        await here.received(raw)
        await raw.send(CHUNKED + b"5\r\nhello\r\n")
        await end(raw, how)
        assert type(await failed(asking)) is Disconnected
        assert got == b"hello"
        await here.shaken_off(raw)
        await here.goes_on()


@AT_ANY_END
async def test_a_body_until_the_close_is_never_said_to_be_complete(kind: str, how: str) -> None:
    # RFC 9112 8: uvloop knows a link without close_notify for what it is, asyncio's own loop does not.
    async with hostile(kind) as here:
        complete: bool | None = True

        async def read() -> bytes:
            nonlocal complete
            async with here.http.get(here.peer.url) as x:
                body = await x.read()
                complete = x.complete
            return body

        asking = asyncio.create_task(read())
        raw = await here.peer.accept()
        await here.received(raw)
        await raw.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await end(raw, how)
        if how == "reset":
            assert type(await failed(asking)) is Disconnected
        elif how == "fin" or (await asyncio.gather(asking, return_exceptions=True))[0] == b"hello":
            assert await asking == b"hello"
            assert complete is None
        else:
            assert type(await failed(asking)) is Disconnected
        await here.shaken_off(raw)
        await here.goes_on()


@AT_ANY_END
async def test_cut_off_behind_a_whole_answer_nothing_is_lost(kind: str, how: str) -> None:
    async with hostile(kind) as here:
        asking, raw = await here.faced()
        await raw.send(OK)
        await end(raw, how)
        assert await asking == b"ok"
        await here.shaken_off(raw)
        await here.goes_on()


@AT_ANY_END
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_ended_in_the_instant_in_which_the_next_request_is_written(method: str, kind: str, how: str) -> None:
    # RFC 9112 9.3.1: the loop has not been told of the end yet, and the request goes onto a dead link.
    async with hostile(kind) as here:
        raw = await here.kept()
        await end(raw, how)
        asking = here.ask(method, b"an order" if method == "POST" else None)
        if method == "GET":
            fresh = await here.peer.accept()
            await here.received(fresh)
            await fresh.send(OK)
            assert await asking == b"ok"
        else:  # it was not known, or it was, and another connection was made: in no case is it sent twice
            accepted = asyncio.create_task(here.peer.accept())
            await asyncio.wait([asking, accepted], return_when=asyncio.FIRST_COMPLETED)
            if accepted.done():
                await here.received(accepted.result(), b"an order")
                await accepted.result().send(OK)
                assert await asking == b"ok"
            else:
                assert type(await failed(asking)) is Disconnected
                accepted.cancel()
                await asyncio.wait([accepted])
                await here.goes_on()


# ---- the handshake

GREETINGS: dict[str, bytes] = {
    "nothing": b"",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
    "garbage": b"\xff" * 100,
    "a handshake record cut off": b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + b"x" * 20,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
}


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("greeting", GREETINGS)
async def test_cut_off_in_the_handshake(greeting: str, how: str) -> None:
    async with hostile() as here, Session(tls=client_context()) as http:
        url = here.peer.url.replace("http:", "https:")

        async def ask() -> bytes:
            return (await http.get(url)).content

        for _ in range(2):
            asking = asyncio.create_task(ask())
            raw = await here.peer.accept()
            await raw.receive(5)
            await raw.send(GREETINGS[greeting])
            await end(raw, how)
            error = await failed(asking)
            assert type(error) is TlsError
            assert isinstance(error, OSError)
            assert str(error).startswith(f"cannot connect to {url[8:]}: ")
            assert error.__cause__ is not None
            pool = http.bound().pool
            assert (pool.total, len(http.bound()._open)) == (0, 0)


# ---- lies


@dataclass(frozen=True, slots=True)
class Lie:
    """An answer, and what comes of it: an error of exactly this class, or this body from a connection not used again.

    `ends`: the server then ends its side.
    """

    sent: bytes
    gives: type[ToolkitError] | bytes
    method: str = "GET"
    ends: bool = False


def field(line: bytes) -> bytes:
    """An answer with this field line."""
    return b"HTTP/1.1 200 OK\r\n" + line + b"\r\ncontent-length: 5\r\n\r\nhello"


def length(value: bytes) -> bytes:
    """An answer with this length and five bytes."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: " + value + b"\r\n\r\nhello"


LIES: dict[str, Lie] = {
    # RFC 9112 6.3, 8: lengths
    "a length too long": Lie(length(b"6"), Disconnected, ends=True),
    "a length too short": Lie(length(b"4"), b"hell"),
    "two lengths": Lie(field(b"content-length: 6"), RemoteProtocolError),
    "a list of lengths": Lie(length(b"5, 6"), RemoteProtocolError),
    "a negative length": Lie(length(b"-5"), RemoteProtocolError),
    "a length in hex": Lie(length(b"0x5"), RemoteProtocolError),
    "a length of thousands of digits": Lie(length(b"9" * 5000), RemoteProtocolError),
    "a length and chunks": Lie(field(b"transfer-encoding: chunked"), RemoteProtocolError),
    "no length, and a body": Lie(length(b"0"), b""),
    "a negative chunk": Lie(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", RemoteProtocolError),
    "a chunk too short": Lie(CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", RemoteProtocolError),
    "a chunk too long": Lie(CHUNKED + b"6\r\nhello\r\n0\r\n\r\n", RemoteProtocolError),
    "a chunk of 2^64": Lie(CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n", RemoteProtocolError),
    # RFC 9110 6.4.1: answers without a body
    "204 with a body": Lie(b"HTTP/1.1 204 No Content\r\n\r\nhello", b""),
    "204 with a length and a body": Lie(b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", b""),
    "304 with a body": Lie(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello", b""),
    "HEAD with a body": Lie(length(b"5"), b"", method="HEAD"),
    "HEAD with chunks": Lie(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"", method="HEAD"),
    # RFC 9112 9.2, RFC 9110 15.2: answers to nothing
    "two answers": Lie(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", b"ok"),
    "an answer, then garbage": Lie(OK + b"\x00garbage", b"ok"),
    "an answer, then one byte": Lie(OK + b"H", b"ok"),
    "an answer, then an interim one": Lie(OK + b"HTTP/1.1 103 Early Hints\r\n\r\n", b"ok"),
    "chunks, then garbage": Lie(CHUNKED + b"2\r\nok\r\n0\r\n\r\ngarbage", b"ok"),
    "101 unasked": Lie(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", RemoteProtocolError),
    # RFC 9112 2.2, 5; RFC 9110 5.5: bytes that are not allowed
    "NUL in a value": Lie(field(b"x-a: a\x00b"), RemoteProtocolError),
    "NUL in a name": Lie(field(b"x\x00a: b"), RemoteProtocolError),
    "a bare CR in a value": Lie(field(b"x-a: a\rx-b: b"), RemoteProtocolError),
    "a bare LF between fields": Lie(field(b"x-a: a\nx-b: b"), RemoteProtocolError),
    "a bare LF in a chunk line": Lie(CHUNKED + b"5\nhello\r\n0\r\n\r\n", RemoteProtocolError),
    "a space before the colon": Lie(field(b"x-a : b"), RemoteProtocolError),
    "a name that is none": Lie(field(b": b"), RemoteProtocolError),
    # RFC 9112 2.3, 4: status lines
    "status 99": Lie(b"HTTP/1.1 99 Odd\r\ncontent-length: 0\r\n\r\n", RemoteProtocolError),
    "status 099": Lie(b"HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n", RemoteProtocolError),
    "status 1000": Lie(b"HTTP/1.1 1000 Odd\r\ncontent-length: 0\r\n\r\n", RemoteProtocolError),
    "status abc": Lie(b"HTTP/1.1 abc Odd\r\ncontent-length: 0\r\n\r\n", RemoteProtocolError),
    "status -200": Lie(b"HTTP/1.1 -200 Odd\r\ncontent-length: 0\r\n\r\n", RemoteProtocolError),
    "HTTP/0.9": Lie(b"<html>hello</html>", RemoteProtocolError, ends=True),
    "HTTP/2's preface": Lie(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RemoteProtocolError),
    "HTTP/2's first frame": Lie(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x10\0\0", RemoteProtocolError),
    "HTTP/2 in its status line": Lie(b"HTTP/2 200\r\n\r\n", RemoteProtocolError),
    "HTTP/3 in its status line": Lie(b"HTTP/3.0 200 OK\r\n\r\n", RemoteProtocolError),
    "another protocol": Lie(b"SSH-2.0-OpenSSH_9.2p1\r\n", RemoteProtocolError),
    "a TLS alert in the clear": Lie(b"\x15\x03\x01\x00\x02\x02\x46", RemoteProtocolError),
    "a request": Lie(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", RemoteProtocolError),
    # RFC 9110 8.4: codings
    "a coding that nobody asked for": Lie(field(b"content-encoding: x-rot13"), RemoteProtocolError),
    "no gzip": Lie(field(b"content-encoding: gzip"), RemoteProtocolError),
    # RFC 9112 6.1: transfer codings
    "a transfer coding that nobody asked for": Lie(field(b"transfer-encoding: gzip"), RemoteProtocolError),
    "a chunked body in chunks": Lie(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", RemoteProtocolError
    ),
    "more interim answers than the bound": Lie(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17, LimitExceeded),
    "more fields than the bound": Lie(field(b"x: y\r\n" * 100 + b"x: y"), LimitExceeded),
}
#: The message's end is known: the connection is good for the next request, which must get its own answer.
FRAMED = {"a coding that nobody asked for", "no gzip"}


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("lie", LIES)
async def test_lies(lie: str, kind: str) -> None:
    told = LIES[lie]
    async with hostile(kind) as here:
        asking, raw = await here.faced(told.method)
        await raw.send(told.sent)
        if told.ends:
            await end(raw, "fin")
        if isinstance(told.gives, bytes):
            assert await asking == told.gives
        else:
            error = await failed(asking)
            assert type(error) is told.gives
            assert str(error).startswith(f"{told.method} {here.peer.url}/hostile: "), "it says of which request"
        if lie in FRAMED:
            await still_served(here, raw)
        else:
            await here.shaken_off(raw)
            await here.goes_on()


async def still_served(here: Hostile, raw: object) -> None:
    """By the same connection, or another: never with what was left behind."""
    if here.http.bound().pool.idle:
        assert raw is here.peer.accepted[-1]
        asking = here.ask()
        await here.received(here.peer.accepted[-1])
        await here.peer.accepted[-1].send(OK)
        assert await asking == b"ok"
    else:
        await here.goes_on()


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_what_comes_late_behind_an_answer_poisons_nobody(kind: str) -> None:
    async with hostile(kind) as here:
        raw = await here.kept()
        await raw.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
        await here.shaken_off(raw)
        await here.goes_on()


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_an_answer_before_the_request(kind: str) -> None:
    """The answer to what was asked, if it was by then, or an error; never anybody else's."""
    async with hostile(kind) as here:
        asking = here.ask()
        raw = await here.peer.accept()
        await raw.send(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
        given = (await asyncio.gather(asking, return_exceptions=True))[0]
        assert given == b"ok" or type(given) in (RemoteProtocolError, ConnectError), given
        await here.shaken_off(raw)
        await here.goes_on()


async def test_a_server_that_hangs_up_on_everybody() -> None:
    async with hostile() as here:
        for _ in range(5):
            asking = here.ask()
            (await here.peer.accept()).reset()
            assert type(await failed(asking)) in (Disconnected, ConnectError)
        await here.goes_on()


async def test_nobody_listens_any_more() -> None:
    async with raw_server() as peer:
        url = peer.url
    async with Session() as http:
        with pytest.raises(ConnectError, match="refused"):
            _ = await http.get(url)
        assert http.bound().pool.total == 0
