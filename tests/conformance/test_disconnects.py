"""Peers that leave: what a handler, a reader and a writer learn of it, and that nothing half-sent looks whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering, chunk, read_answer, read_head
from tests.helpers.raw import SOCKET_KINDS, Raw, caps_of, raw_server
from tests.helpers.served import KINDS, served
from toolkit import App, Disconnected, Limits, RemoteProtocolError, Timeouts, ToolkitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from toolkit import Request

LINKS = pytest.mark.parametrize("kind", KINDS)
SOCKETS = pytest.mark.parametrize("kind", SOCKET_KINDS)
RESETTING = pytest.mark.parametrize("kind", [kind for kind in KINDS if caps_of(kind).reset])
HALF_CLOSING = pytest.mark.parametrize("kind", [kind for kind in KINDS if caps_of(kind).half_close])
POST = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LEAVING = [(kind, way) for kind in KINDS for way in ("fin", "reset")]
LEAVES = pytest.mark.parametrize(("kind", "way"), LEAVING, ids=["-".join(pair) for pair in LEAVING])
END = b"0\r\n\r\n"


async def leave(raw: Raw, kind: str, way: str) -> None:
    """End the peer's side: FIN alone where the link has a half-close, else all of it; or a reset.

    A Unix socket's reset is its close with bytes left unread; where nothing is unread it is a plain close.
    """
    if way == "reset" and caps_of(kind).reset:
        raw.reset()
    elif way == "fin" and caps_of(kind).half_close:
        await raw.eof()
    else:
        await raw.close()


class Watched:
    """An application with one handler, and what became of it."""

    def __init__(self, body: Callable[[Request, Watched], Awaitable[object]], **options: object) -> None:
        on_eof = options.pop("on_eof", "answer")
        self.web = App(port=0, **options)  # type: ignore[arg-type]  # options are passed through by name
        self.running = asyncio.Event()
        self.over = asyncio.Event()
        self.hold = asyncio.Event()
        self.received = asyncio.Event()
        self.request: Request | None = None
        self.raised: BaseException | None = None

        async def handler(r: Request) -> object:
            self.request = r
            self.running.set()
            try:
                return await body(r, self)
            except BaseException as error:
                self.raised = error
                raise
            finally:
                self.over.set()

        self.web.route("/", methods=("GET", "POST"), on_eof=on_eof)(handler)  # type: ignore[call-overload]  # by name


async def waits(r: Request, it: Watched) -> object:
    await it.hold.wait()
    return "waited"


async def reads(r: Request, it: Watched) -> object:
    async for _ in r:
        it.received.set()
    return "read"


async def until_it_waits_for_more(it: Watched) -> None:
    """The handler took what there was and waits in its `pull` (between two, it could as well be cancelled)."""
    await it.received.wait()
    for _ in range(10):
        await asyncio.sleep(0)


async def writes(r: Request, it: Watched) -> object:
    await r.prepare()
    while True:
        await r.write(bytes(65536))


# --- a handler that waits ---


@RESETTING
async def test_a_reset_cancels_a_waiting_handler(kind: str) -> None:
    it = Watched(waits)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        raw.reset()
        await it.over.wait()
        assert isinstance(it.raised, asyncio.CancelledError)
        assert it.request is not None
        assert it.request.cancelled_by == "peer"


@RESETTING
async def test_a_reset_cancels_a_handler_that_waits_with_its_request_body_open(kind: str) -> None:
    it = Watched(waits)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(POST + chunk(b"part"))
        await it.running.wait()
        raw.reset()
        await it.over.wait()
        assert isinstance(it.raised, asyncio.CancelledError)
        assert it.request is not None
        assert it.request.cancelled_by == "peer"


@HALF_CLOSING
async def test_a_fin_after_a_complete_request_still_gets_its_answer(kind: str) -> None:
    it = Watched(waits)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        await raw.eof()
        assert it.request is not None
        await it.request.disconnected()  # fires on either; the handler runs on
        assert not it.over.is_set()
        it.hold.set()
        assert (await read_answer(raw)).body == b"waited"
        assert it.request.cancelled_by is None


@LINKS
async def test_on_eof_cancel_cancels_at_the_fin(kind: str) -> None:
    it = Watched(waits, on_eof="cancel")
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        await leave(raw, kind, "fin")
        await it.over.wait()
        assert isinstance(it.raised, asyncio.CancelledError)
        assert it.request is not None
        assert it.request.cancelled_by == "peer"


async def test_on_eof_may_be_said_of_the_whole_application() -> None:
    it = Watched(waits)
    web = App(port=0, on_eof="cancel")
    done = asyncio.Event()
    started = asyncio.Event()

    @web.get("/")
    async def handler(r: Request) -> None:
        started.set()
        try:
            await it.hold.wait()
        finally:
            done.set()

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(GET)
        await started.wait()
        await raw.eof()
        await done.wait()


async def test_tls_ending_ends_the_exchange() -> None:
    """TLS has no half-close here: its end is the end of both directions, and the handler is told."""
    it = Watched(waits)
    async with served(it.web, "tls") as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        await raw.close()
        await it.over.wait()
        assert isinstance(it.raised, asyncio.CancelledError)
        assert it.request is not None
        assert it.request.cancelled_by == "peer"


@LEAVES
async def test_disconnected_fires_on_either(kind: str, way: str) -> None:
    async def body(r: Request, it: Watched) -> object:
        async with r.shield():
            await r.disconnected()
            it.hold.set()
        return "told"

    it = Watched(body)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        await leave(raw, kind, way)
        await it.hold.wait()
        await it.over.wait()


@RESETTING
async def test_a_shield_defers_the_cancellation_to_its_end(kind: str) -> None:
    cleaned: list[str] = []

    async def body(r: Request, it: Watched) -> object:
        async with r.shield():
            await r.disconnected()
            for _ in range(5):
                await asyncio.sleep(0)
            cleaned.append("clean-up ran to its end")
        await it.hold.wait()
        cleaned.append("never")
        return None

    it = Watched(body)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        raw.reset()
        await it.over.wait()
        assert cleaned == ["clean-up ran to its end"]
        assert isinstance(it.raised, asyncio.CancelledError)
        assert it.request is not None
        assert it.request.cancelled_by == "peer"


@RESETTING
async def test_a_handler_is_cancelled_once(kind: str) -> None:
    """What it awaits in its clean-up is not cancelled again."""
    cleaned: list[str] = []

    async def body(r: Request, it: Watched) -> object:
        try:
            await it.hold.wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            cleaned.append("clean-up ran to its end")
        return None

    it = Watched(body)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        raw.reset()
        await it.over.wait()
        assert cleaned == ["clean-up ran to its end"]


async def test_a_handler_whose_answer_is_whole_is_not_cancelled() -> None:
    """Rule 17: only while its outbound is unfinished."""
    finished = asyncio.Event()

    async def body(r: Request, it: Watched) -> object:
        await r.eof(b"whole")
        await it.hold.wait()
        finished.set()
        return None

    it = Watched(body)
    async with served(it.web) as here:
        raw = await here.raw()
        await raw.send(GET)
        assert (await read_answer(raw)).body == b"whole"
        raw.reset()
        for _ in range(20):
            await asyncio.sleep(0)
        it.hold.set()
        await finished.wait()
        await it.over.wait()
        assert it.request is not None
        assert it.request.cancelled_by is None


# --- a handler that reads ---


@LEAVES
@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_a_reading_handler_gets_disconnected_at_once(kind: str, way: str, framing: str) -> None:
    it = Watched(reads)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        if framing == "chunked":
            await raw.send(POST + chunk(b"part"))
        else:
            await raw.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\npart")
        await until_it_waits_for_more(it)
        await leave(raw, kind, way)
        await it.over.wait()
        assert isinstance(it.raised, Disconnected)
        assert it.request is not None
        assert it.raised.exchange is it.request
        assert it.request.complete is False
        if way == "fin" and caps_of(kind).half_close:
            assert it.raised.clean is True
        elif way == "reset" and caps_of(kind).reset:
            assert it.raised.clean is False
        assert "POST" in str(it.raised)


# --- a handler whose reading is paused ---


@LEAVES
async def test_a_handler_whose_reading_is_paused_learns_of_it_at_the_next_write_or_read(kind: str, way: str) -> None:
    """With its mark full nothing is read any more, and the kernel shows a reset only to a write (rule 16)."""
    seen: list[str] = []

    async def body(r: Request, it: Watched) -> object:
        await r.prepare()
        try:
            await it.hold.wait()  # nothing is read; more than the mark arrives
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        try:
            if way == "reset":
                while True:
                    await r.write(bytes(65536))
            async for _ in r.pull():
                pass
        except Disconnected:
            seen.append("disconnected")
        return None

    it = Watched(body, limits=Limits(read_mark=4096))
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(POST)
        await read_head(raw)
        for _ in range(8):
            await raw.send(chunk(bytes(4096)))
        await leave(raw, kind, way)
        for _ in range(50):
            await asyncio.sleep(0)
        it.hold.set()
        await it.over.wait()
        assert seen in (["cancelled"], ["disconnected"])
        if seen == ["cancelled"]:
            assert it.request is not None
            assert it.request.cancelled_by == "peer"


# --- a handler that writes ---


@RESETTING
async def test_a_writing_handler_gets_disconnected_at_a_reset(kind: str) -> None:
    it = Watched(writes)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await read_head(raw)
        await raw.receive(65536)
        raw.reset()
        await it.over.wait()
        assert isinstance(it.raised, Disconnected)
        assert it.raised.clean is False
        assert it.request is not None
        assert it.raised.exchange is it.request


@SOCKETS
async def test_a_writing_handler_gets_disconnected_when_the_peer_closes(kind: str) -> None:
    """Closed with bytes unread: the kernel makes a reset of it, on Unix sockets too."""
    it = Watched(writes)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await read_head(raw)
        await raw.close()
        await it.over.wait()
        assert isinstance(it.raised, Disconnected)


@HALF_CLOSING
async def test_a_fin_does_not_disturb_a_writing_handler(kind: str) -> None:
    async def body(r: Request, it: Watched) -> object:
        await r.prepare()
        for _ in range(64):
            await r.write(bytes(65536))
        return None

    it = Watched(body)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(GET)
        await it.running.wait()
        await raw.eof()
        assert len((await read_answer(raw)).body) == 64 * 65536
        await it.over.wait()
        assert it.raised is None


@RESETTING
async def test_every_write_and_read_after_the_disconnect_raises_too(kind: str) -> None:
    seen: list[str] = []

    async def body(r: Request, it: Watched) -> object:
        async with r.shield():
            await r.prepare()
            await r.disconnected()
            for _ in range(3):
                try:
                    for _ in range(64):
                        await r.write(bytes(65536))
                except Disconnected:
                    seen.append("write")
                try:
                    async for _ in r:
                        pass
                except Disconnected:
                    seen.append("pull")
            await r.eof()  # on a dead peer: aborts and returns
            seen.append("eof")
        return None

    it = Watched(body)
    async with served(it.web, kind) as here:
        raw = await here.raw()
        await raw.send(POST + chunk(b"x"))
        await read_head(raw)
        raw.reset()
        await it.over.wait()
        assert seen == ["write", "pull"] * 3 + ["eof"]


# --- one peer's death in another's handler ---


@LEAVES
async def test_peer_as_death_is_an_error_in_handler_bs_pull(kind: str, way: str) -> None:
    web = App(port=0)
    first: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
    told: asyncio.Future[BaseException | str] = asyncio.get_running_loop().create_future()
    pulling = asyncio.Event()

    @web.post("/a")
    async def a(r: Request) -> None:
        first.set_result(r)
        await r.prepare()
        await asyncio.wait([told])

    @web.get("/b")
    async def b(r: Request) -> None:
        await r.prepare()
        try:
            async for part in (await first).pull():
                pulling.set()
                await r.write(part)
        except BaseException as error:
            told.set_result(error)
            raise
        told.set_result("a clean end")

    async with served(web, kind) as here:
        raw_a, raw_b = await here.raw(), await here.raw()
        await raw_a.send(POST.replace(b"/ ", b"/a ", 1) + chunk(b"part"))
        await raw_b.send(b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n")
        await pulling.wait()
        await leave(raw_a, kind, way)
        error = await told
        assert isinstance(error, Disconnected), error
        assert error.exchange is first.result()
        try:
            rest = await raw_b.rest()
        except ConnectionError:
            return
        assert not rest.endswith(END), "B's half answer looks whole"


# --- nothing half-sent looks whole ---

FRAMINGS = ["chunked", "length", "until-close"]


def half_sent(framing: str, how: str) -> App:
    """A handler that sends half a body and then raises, or aborts, or promises more than it sends."""
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> None:
        await r.prepare({"content-length": "100"} if framing == "length" else None)
        await r.write(b"half")
        if how == "raise":
            raise ValueError("the handler failed")
        if how == "abort":
            await r.abort("on purpose")

    return web


@LINKS
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("how", ["raise", "abort"])
async def test_half_an_answer_never_looks_whole(kind: str, framing: str, how: str) -> None:
    async with served(half_sent(framing, how), kind) as here:
        raw = await here.raw()
        version = b"1.0" if framing == "until-close" else b"1.1"
        await raw.send(b"GET / HTTP/%b\r\nhost: x\r\n\r\n" % version)
        if framing == "until-close":  # the FIN would be the end mark: only a reset says otherwise
            if kind == "unix":
                return  # a Unix socket cannot be reset by its sender; chunked and length stop short there too
            with pytest.raises(ConnectionError):
                await raw.rest()
            return
        try:
            rest = await raw.rest()
        except ConnectionError:
            return
        head, _, body = rest.partition(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0]
        assert not body.endswith(END)
        assert len(body) < 100


@LINKS
@pytest.mark.parametrize("framing", ["chunked", "length"])
@pytest.mark.parametrize("how", ["raise", "abort"])
async def test_half_an_answer_is_an_error_at_our_client(kind: str, framing: str, how: str) -> None:
    async with served(half_sent(framing, how), kind) as here, here.session() as http:
        x = http.get(f"{here.url}/")
        with pytest.raises((Disconnected, RemoteProtocolError)):
            async with x:
                await x.read()
        assert x.complete is False
        with pytest.raises((Disconnected, RemoteProtocolError)):
            _ = await http.get(f"{here.url}/")


@LINKS
@pytest.mark.parametrize("way", ["fin", "reset"])
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_server_that_dies_in_its_answer_is_an_error_at_our_client(kind: str, way: str, framing: str) -> None:
    heads = {"chunked": b"transfer-encoding: chunked\r\n", "length": b"content-length: 100\r\n", "until-close": b""}
    async with raw_server(kind) as peer, peer.session() as http:
        part = b"4\r\nha" if framing == "chunked" else b"ha"
        sent = b"HTTP/1.1 200 OK\r\n" + heads[framing] + b"\r\n" + part
        async with answering(peer, http.get(f"{peer.url}/path"), sent) as (x, raw, _):
            body = x.pull()
            assert await anext(body) == b"ha"
            if way == "reset" and peer.caps.reset:
                raw.reset()
            else:
                await raw.close()
            if framing == "until-close" and not (way == "reset" and peer.caps.reset):
                assert [part async for part in body] == []
                assert x.complete is None
                return
            with pytest.raises((Disconnected, RemoteProtocolError)) as caught:
                await anext(body)
            assert "/path" in str(caught.value)
        assert x.complete is False
        assert x.status == 200, "what is known stays known"


@LINKS
@pytest.mark.parametrize("framing", ["chunked", "length"])
async def test_a_client_block_that_raises_is_an_error_at_the_handler(kind: str, framing: str) -> None:
    it = Watched(reads)
    headers = {"content-length": "100"} if framing == "length" else None
    async with served(it.web, kind) as here, here.session() as http:

        async def ask() -> None:
            async with http.post(f"{here.url}/", headers) as x:
                await x.write(b"half")
                await until_it_waits_for_more(it)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await ask()
        await it.over.wait()
        assert isinstance(it.raised, Disconnected)


@LINKS
async def test_a_client_that_aborts_is_an_error_at_the_handler(kind: str) -> None:
    it = Watched(reads)
    async with served(it.web, kind) as here, here.session() as http:
        async with http.post(f"{here.url}/") as x:
            await x.write(b"half")
            await until_it_waits_for_more(it)
            await x.abort("enough")
            await it.over.wait()
        assert isinstance(it.raised, Disconnected)


@LINKS
async def test_a_client_task_that_is_cancelled_is_an_error_at_the_handler(kind: str) -> None:
    it = Watched(reads)
    async with served(it.web, kind) as here, here.session() as http:

        async def ask() -> None:
            async with http.post(f"{here.url}/") as x:
                await x.write(b"half")
                await x.read()

        asking = asyncio.ensure_future(ask())
        await until_it_waits_for_more(it)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await it.over.wait()
        assert isinstance(it.raised, Disconnected)


@LINKS
async def test_an_iterable_that_fails_never_looks_like_a_whole_upload(kind: str) -> None:
    it = Watched(reads)

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        await until_it_waits_for_more(it)
        raise ZeroDivisionError

    async with served(it.web, kind) as here, here.session() as http:
        with pytest.raises(ZeroDivisionError):
            _ = await http.post(f"{here.url}/", body=body())
        await it.over.wait()
        assert isinstance(it.raised, Disconnected)


@LINKS
async def test_a_server_gone_before_its_answer_is_an_error(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http:

        async def ask() -> None:
            async with http.post(f"{peer.url}/path") as x:
                await x.write(b"part")
                await x.head()

        asking = asyncio.ensure_future(ask())
        raw = await peer.accept()
        await raw.until(b"part\r\n")
        await raw.close()
        with pytest.raises((Disconnected, RemoteProtocolError)) as caught:
            await asking
        assert "POST" in str(caught.value)


@LINKS
async def test_a_blocked_client_write_ends_when_the_server_dies(kind: str) -> None:
    async with raw_server(kind) as peer, peer.session() as http:

        async def ask() -> None:
            async with http.post(f"{peer.url}/") as x:
                while True:
                    await x.write(bytes(65536))

        asking = asyncio.ensure_future(ask())
        raw = await peer.accept()
        await raw.until(b"\r\n\r\n")
        await raw.receive(65536)
        if peer.caps.reset:
            raw.reset()
        else:
            await raw.close()
        with pytest.raises(ToolkitError) as caught:
            await asking
        assert isinstance(caught.value, Disconnected)


@LINKS
async def test_a_stale_pooled_connection_is_never_the_callers_problem(kind: str) -> None:
    """The server closed the idle connection: the next request takes another one."""
    web = App(port=0, timeouts=Timeouts(keep_alive=0.02))

    @web.get("/")
    async def value(r: Request) -> str:
        return "value"

    async with served(web, kind) as here, here.session() as http:
        assert (await http.get(f"{here.url}/")).content == b"value"
        raw = await here.raw()
        await raw.send(GET)
        await read_answer(raw)
        assert await raw.rest() == b"", "idle connections are closed"
        assert (await http.get(f"{here.url}/")).content == b"value"
