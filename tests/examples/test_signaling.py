"""The signaling server: it completes every time, and a peer that dies is an error at the other one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pytest

from examples import signaling
from examples.signaling import Pair, Report, Signaling, create_room, self_test
from tests.helpers.cutter import Cutter, Direction, cutter
from toolkit import Abort, App, ConnectError, Session, ToolkitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from toolkit import Request, Response

PATIENCE = 10.0  # seconds for a whole scene
PROMPT = 4.0  # seconds for the news of a death; below the 5 that an unread body is held for, which would hide a silence

Role = Literal["creator", "joiner"]


# ---------------------------------------------------------------------------------------------------------- self-test

COUNTS = {1: 60, 2: 50, 3: 50, 10: 34, 100: 6}  # pairs: runs; 200 runs on each loop


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "runs"), COUNTS.items(), ids=[f"{pairs}-pairs" for pairs in COUNTS])
async def test_every_run_completes(pairs: int, runs: int) -> None:
    for _ in range(runs):
        await passes(pairs, 1000, 2 if pairs == 100 else 10)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pairs", COUNTS)
async def test_200_runs_complete(pairs: int) -> None:
    for _ in range(200):
        await passes(pairs, 10_000, 20)


@pytest.mark.parametrize("payload_size", [1, 1000, 100 * 1024, 1024 * 1024])
async def test_chunks_of_any_size_complete(payload_size: int) -> None:
    await passes(3, payload_size, 5)


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "runs"), COUNTS.items(), ids=[f"{pairs}-pairs" for pairs in COUNTS])
@pytest.mark.usefixtures("busy_machine")
async def test_every_run_completes_under_load(pairs: int, runs: int) -> None:
    for _ in range(runs):
        await passes(pairs, 1000, 2 if pairs == 100 else 10)


async def passes(pairs: int, payload_size: int, chunk_range: int) -> None:
    async with asyncio.timeout(30):
        report = await self_test(pairs, payload_size, chunk_range)
    assert report.ok, report.table()
    assert [pair.bytes for pair in report.pairs] == [payload_size * chunk_range] * pairs
    assert len({pair.room for pair in report.pairs}) == pairs


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Every core is busy, and so is a thread of this process; each ends by itself, should nobody end it."""
    spin = "import time\nend = time.monotonic() + 30\nwhile time.monotonic() < end: pass"
    burners = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    end = time.monotonic() + 30
    idle = threading.Event()

    def burn() -> None:
        while not idle.is_set() and time.monotonic() < end:
            pass

    thread = threading.Thread(target=burn)
    thread.start()
    try:
        yield
    finally:
        idle.set()
        thread.join()
        for burner in burners:
            burner.kill()
            burner.wait()


# ------------------------------------------------------------------------------------------------------- command line

PROGRAM = signaling.__file__


def test_the_program_prints_a_table() -> None:
    sizes = ["--concurrency", "3", "--payload-size", "1000", "--chunk-range", "20"]
    run = subprocess.run(
        [sys.executable, PROGRAM, "--test", *sizes], capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")  # no progress into a pipe
    head, _, *pairs, _, total, verdict = run.stdout.splitlines()
    assert head.split() == ["pair", "room", "bytes", "seconds", "MB/s"]
    assert [line.split()[0] for line in pairs] == ["1", "2", "3"]
    assert [line.split()[2] for line in pairs] == ["20,000"] * 3
    assert total.split()[:2] == ["total", "60,000"]
    assert float(total.split()[2]) > 0
    assert verdict == "pairs 3 x chunks 20 x bytes 1,000: every byte arrived"


def test_progress_is_shown_on_a_terminal() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [
            sys.executable,
            PROGRAM,
            "--test",
            "--concurrency",
            "2",
            "--payload-size",
            "10",
            "--chunk-range",
            "2",
        ]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=30, check=True)
        os.close(theirs)
        shown = terminal.read(4096)
    assert shown == b"1 of 2 pairs\r2 of 2 pairs\r\033[K"
    assert run.stdout.endswith(b"pairs 2 x chunks 2 x bytes 10: every byte arrived\n")


async def test_the_program_serves_until_it_is_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, "--port", str(port), stderr=asyncio.subprocess.PIPE
    )
    assert program.stderr is not None
    async with asyncio.timeout(PATIENCE), Session() as http:
        assert await program.stderr.readline() == b"signaling on http://127.0.0.1:%d, until Ctrl-C\n" % port
        server = f"http://127.0.0.1:{port}"
        while not await listens(http, server):
            pass  # it has said that it will; each try takes the loop's time, not all of the core's
        pair = await create_room(http, server, 1000, 3)
        assert pair.bytes == 3000
        assert not pair.failure
        program.send_signal(signal.SIGINT)
        assert await program.stderr.read() == b""
        assert await program.wait() == 0


async def listens(http: Session, server: str) -> bool:
    """Whether anybody answers there yet."""
    try:
        return (await http.post(f"{server}/app/room/join", body=b"")).status == 403
    except ConnectError:
        return False


def test_a_lost_byte_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def lossy(source: Request, sink: Request) -> None:
        async for chunk in source.pull():
            await sink.write(chunk[:-1] if chunk.startswith(b".") else chunk)

    monkeypatch.setattr(signaling, "stream", lossy)
    assert signaling.main(["--test", "--concurrency", "1", "--payload-size", "10", "--chunk-range", "1"]) == 1
    output = capsys.readouterr().out
    assert "9 of 10 bytes arrived" in output
    assert "1 FAILED" in output


def test_a_failed_pair_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(self: Signaling, r: Request) -> None:
        raise Abort("closed today", 503)

    monkeypatch.setattr(Signaling, "join", refuses)
    report = asyncio.run(self_test(2, 10, 1))
    assert report.failures == 2
    assert report.table().count("503") == 2


def test_the_table_adds_up() -> None:
    pairs = [Pair("a" * 40, 3_000_000, 1.5), Pair("b" * 40, 1_000_000, 0.5, "1000000 of 3000000 bytes arrived")]
    report = Report(pairs, 1_000_000, 3, 2.0)
    assert not report.ok
    assert report.table().splitlines() == [
        " pair  room                    bytes   seconds      MB/s",
        "--------------------------------------------------------",
        "    1  aaaaaaaaaa..        3,000,000     1.500       2.0",
        "    2  bbbbbbbbbb..        1,000,000     0.500       2.0  1000000 of 3000000 bytes arrived",
        "--------------------------------------------------------",
        "total                      4,000,000     2.000       2.0",
        "pairs 2 x chunks 3 x bytes 1,000,000: 1 FAILED",
    ]


@pytest.mark.parametrize("option", ["--concurrency", "--payload-size", "--chunk-range"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_size_is_a_number_above_zero(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        signaling.main(["--test", option, value])
    assert option in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------------- rooms


async def test_the_key_is_the_creators_address_enciphered() -> None:
    async with scene() as here:
        creator = Peer(here.http.post(here.create))
        address = here.server.cipher.decrypt(await creator.key()).decode()
        visit = await here.server.entered("creator")
        assert address == f"{visit.r.ip_host}:{visit.r.ip_port}"
        assert visit.r.ip_host == "127.0.0.1"
        await creator.kill()


async def test_every_room_has_a_key_of_its_own() -> None:
    async with scene() as here:
        keys = set()
        for _ in range(3):
            creator = Peer(here.http.post(here.create))
            keys.add(await creator.key())
            assert set(here.server.rooms) == {await creator.key()}
            await creator.kill()
            await here.server.empty()
        assert len(keys) == 3


@pytest.mark.parametrize(
    ("target", "status"), [("/app/room/join", 403), ("/app/room/join?room=", 403), ("/app/room/join?room=nobody", 404)]
)
async def test_a_room_must_be_named_and_known(target: str, status: int) -> None:
    async with scene() as here:
        answer = await here.http.post(here.url + target, body=b"")
        assert answer.status == status


async def test_a_full_room_is_refused_and_its_pair_undisturbed() -> None:
    async with scene() as here:
        creator, joiner = await here.streaming()
        answer = await here.http.post(here.join(await creator.key()), body=b"")
        assert answer.status == 409
        await finish(creator, joiner)
        await here.server.empty()


async def test_both_ends_may_come_first() -> None:
    """The creator may end its body before the joiner does; each end reaches the other at once."""
    async with scene() as here:
        creator, joiner = await here.streaming()
        await (await creator.x()).eof(b"last")
        assert await joiner.rest() == b"last"
        await (await joiner.x()).write(b"still here")
        assert await creator.next() == b"still here"
        await (await joiner.x()).eof()
        assert await creator.rest() == b""
        await creator.leave()
        await joiner.leave()
        await here.server.empty()


async def test_both_ways_at_once() -> None:
    size, count = 64 * 1024, 64

    async def send(x: Response, byte: bytes) -> None:
        for _ in range(count):
            await x.write(byte * size)
        await x.eof()

    async with scene() as here:
        creator, joiner = await here.streaming()
        async with asyncio.TaskGroup() as tasks:
            _ = tasks.create_task(send(await creator.x(), b"c"))
            _ = tasks.create_task(send(await joiner.x(), b"j"))
            at_creator = tasks.create_task(creator.rest())
            at_joiner = tasks.create_task(joiner.rest())
        assert at_creator.result() == b"j" * size * count
        assert at_joiner.result() == b"c" * size * count


# ------------------------------------------------------------------------------------------------------------- deaths

BEFORE_HEAD = "before the head"  # the handler runs and has not answered
WAITING = "waiting for a peer"  # the creator has its key; a joiner never waits
STREAMING = "streaming"  # each has read a chunk of the other's
AFTER_EOF = "after the joiner's eof"  # the creator has read its whole answer, and is still sending

How = Literal["fin", "reset", "cancel"]
Outcome = Literal["unharmed", "error", "complete", "complete or error"]


@dataclass(frozen=True)
class Death:
    """One stream of one peer is killed in one phase: what the *other* peer must see."""

    phase: str
    role: Role
    stream: Direction
    how: How
    other: Outcome

    def __str__(self) -> str:
        return f"{self.role}-{self.stream}-{self.how}-{self.phase.replace(' ', '-')}"


def deaths() -> Iterator[Death]:
    """Four streams, three ways, four phases; three phases for a joiner, which never waits."""
    # What was complete when it was killed is no loss. These two are all that may end in anything but an error.
    spared: dict[tuple[Role, Direction, How], Outcome] = {
        # A FIN after the whole answer: the client may take it for the end of its upload, or not.
        ("creator", "response", "fin"): "complete or error",
        # The creator's handler has returned: nothing is there to be cancelled.
        ("creator", "response", "cancel"): "complete",
    }
    streams: tuple[Direction, ...] = ("request", "response")
    ways: tuple[How, ...] = ("fin", "reset", "cancel")
    for stream in streams:
        for how in ways:
            for phase in (BEFORE_HEAD, WAITING):
                yield Death(phase, "creator", stream, how, "unharmed")
            yield Death(BEFORE_HEAD, "joiner", stream, how, "unharmed")
            for role in ("creator", "joiner"):
                yield Death(STREAMING, role, stream, how, "error")
                yield Death(AFTER_EOF, role, stream, how, spared.get((role, stream, how), "error"))


DEATHS = list(deaths())


def test_each_stream_dies_in_each_way_in_each_phase() -> None:
    assert len({str(death) for death in DEATHS}) == 2 * 3 * (4 + 3)


@pytest.mark.parametrize("death", [d for d in DEATHS if d.phase == BEFORE_HEAD], ids=str)
async def test_death_before_the_head(death: Death) -> None:
    async with scene() as here, here.victim(death) as victim:
        creator = Peer(here.http.post(here.create)) if death.role == "joiner" else None
        target = here.join(await creator.key()) if creator is not None else here.create
        here.server.held.add(death.role)
        peer = victim.connect(target)
        visit = await here.server.entered(death.role)
        await victim.dies(peer, visit)
        await visit.gone()
        here.server.held.clear()

        if creator is not None:  # its room was not taken: it is still there for another
            assert set(here.server.rooms) == {await creator.key()}
            await here.completes(creator)
        await here.server.empty()
        await here.serves()


@pytest.mark.parametrize("death", [d for d in DEATHS if d.phase == WAITING], ids=str)
async def test_death_of_a_creator_that_waits(death: Death) -> None:
    async with scene() as here, here.victim(death) as victim:
        creator = victim.connect(here.create)
        key = await creator.key()
        visit = await here.server.entered("creator")
        await victim.dies(creator, visit)
        await visit.gone()
        assert here.server.rooms == {}
        answer = await here.http.post(here.join(key), body=b"")
        assert answer.status == 404
        await here.serves()


async def test_a_creator_that_hangs_up_after_a_whole_request_leaves_no_room() -> None:
    async with scene() as here, cutter(here.url) as link:
        # Head and body leave in one piece: once it is answered, the request is complete.
        creator = Peer(here.http.post(here.create.replace(here.url, link.url), body=b"all that there is"))
        _ = await creator.key()
        visit = await here.server.entered("creator")
        assert visit.r.complete
        await link.fin("request")
        await visit.gone()
        await creator.fails()
        await here.server.empty()


@pytest.mark.parametrize("death", [d for d in DEATHS if d.phase == STREAMING], ids=str)
async def test_death_while_streaming(death: Death) -> None:
    async with scene() as here, here.victim(death) as victim:
        creator, joiner = await here.streaming(victim)
        visits = {"creator": await here.server.entered("creator"), "joiner": await here.server.entered("joiner")}
        dying, other = (creator, joiner) if death.role == "creator" else (joiner, creator)
        await victim.dies(dying, visits[death.role])
        async with asyncio.timeout(PROMPT):
            await other.fails()
            for visit in visits.values():
                await visit.gone()
        await here.server.empty()
        await here.serves()


@pytest.mark.parametrize("death", [d for d in DEATHS if d.phase == AFTER_EOF], ids=str)
async def test_death_after_the_joiners_eof(death: Death) -> None:
    async with scene() as here, here.victim(death) as victim:
        creator, joiner = await here.streaming(victim)
        visits = {"creator": await here.server.entered("creator"), "joiner": await here.server.entered("joiner")}
        await (await joiner.x()).eof()
        assert await creator.rest() == b""
        await visits["creator"].gone()

        dying, other = (creator, joiner) if death.role == "creator" else (joiner, creator)
        if death.other == "error":
            await victim.dies(dying, visits[death.role])
            async with asyncio.timeout(PROMPT):
                await (joiner.fails() if other is joiner else creator.is_refused())
        else:
            await victim.strike(dying, visits[death.role])
            await completes_or_fails(creator, joiner, may_fail=death.other == "complete or error")
        await visits["joiner"].gone()
        await here.server.empty()
        await here.serves()


async def completes_or_fails(creator: Peer, joiner: Peer, *, may_fail: bool) -> None:
    """The creator sends its last bytes: the joiner gets all of them in a whole answer, or (if it may) an error."""
    try:
        await (await creator.x()).eof(b"last")
    except ToolkitError:
        assert may_fail
        await creator.kill()
        await joiner.fails()
        return
    try:
        assert await joiner.rest() == b"last"
    except ToolkitError:
        assert may_fail
        await joiner.kill()
    await creator.leave()


# ------------------------------------------------------------------------------------------------------------- actors


@dataclass
class Visit:
    """A handler on its way: where it is, and the task to cancel."""

    r: Request
    task: asyncio.Task[object]
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def gone(self) -> None:
        """The handler has ended, one way or another."""
        await self.left.wait()


class Watched(Signaling):
    """Tells which handlers run; holds them before their first line where a role is in `held`."""

    def __init__(self, web: App) -> None:
        super().__init__(web, bytes(32))
        self.held: set[Role] = set()
        self.visits: dict[Role, asyncio.Queue[Visit]] = {"creator": asyncio.Queue(), "joiner": asyncio.Queue()}
        self.running: set[asyncio.Event] = set()

    async def create(self, r: Request) -> None:
        await self.visit("creator", r, super().create)

    async def join(self, r: Request) -> None:
        await self.visit("joiner", r, super().join)

    async def visit(self, role: Role, r: Request, handle: Callable[[Request], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        visit = Visit(r, task)
        self.visits[role].put_nowait(visit)
        self.running.add(visit.left)
        try:
            if role in self.held:
                await asyncio.Event().wait()  # until it is cancelled
            await handle(r)
        finally:
            visit.left.set()
            self.running.discard(visit.left)

    async def entered(self, role: Role) -> Visit:
        """The next handler of that role that has begun."""
        return await self.visits[role].get()

    async def empty(self) -> None:
        """No handler runs and no room is left."""
        for left in list(self.running):
            await left.wait()
        assert self.rooms == {}


class Peer:
    """A client in a task of its own, so that it can be cancelled; tests read and write through it."""

    def __init__(self, call: Response) -> None:
        self._entered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._body: AsyncIterator[bytes] | None = None
        self.task = asyncio.create_task(self._run(call))

    async def _run(self, call: Response) -> None:
        async with call as x:
            self._entered.set_result(x)
            await self._leave.wait()

    async def x(self) -> Response:
        """The exchange, once its head was sent."""
        return await self._entered

    async def key(self) -> str:
        """The room that the answer's head names."""
        x = await self.x()
        await x.head()
        assert x.status == 200
        return x.headers["room"]

    async def body(self) -> AsyncIterator[bytes]:
        """The one reader of the answer's body."""
        if self._body is None:
            self._body = (await self.x()).pull()
        return self._body

    async def next(self) -> bytes:
        """The next chunk of the answer."""
        return await anext(await self.body())

    async def rest(self) -> bytes:
        """The rest of the answer, which ends as a whole one."""
        rest = b"".join([chunk async for chunk in await self.body()])
        assert (await self.x()).complete is True
        return rest

    async def fails(self) -> None:
        """The answer ends in an error, never in order; then this peer gives up, as a program would."""
        x = await self.x()
        with pytest.raises(ToolkitError):  # noqa: PT012  # any of them is where it may show
            await x.head()
            _ = x.raise_for_status()
            await self.rest()
        assert x.complete is not True or (x.status or 0) >= 400
        await self.kill()

    async def is_refused(self) -> None:
        """What this peer sends ends in an error, though its answer was whole; then it gives up."""
        x = await self.x()
        with pytest.raises(ToolkitError):  # noqa: PT012  # which write it is depends on the buffers in between
            while True:
                await x.write(bytes(64 * 1024))
                await asyncio.sleep(0)
        await self.kill()

    async def leave(self) -> None:
        """End the exchange in order."""
        self._leave.set()
        await self.task

    async def kill(self) -> None:
        """Cancel the task, exchange and all."""
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled()


class Victim:
    """Where the peer that will die connects through, and how it dies."""

    def __init__(self, here: Scene, death: Death, link: Cutter) -> None:
        self.here = here
        self.death = death
        self.link = link

    def connect(self, target: str) -> Peer:
        """The peer that will die, on its way to `target`."""
        return Peer(self.here.http.post(target.replace(self.here.url, self.link.url)))

    async def strike(self, peer: Peer, visit: Visit) -> None:
        """Kill the stream; a cancellation hits the task that writes it: the client's, or the server's handler."""
        if self.death.how == "fin":
            await self.link.fin(self.death.stream)
        elif self.death.how == "reset":
            await self.link.reset(self.death.stream)
        elif self.death.stream == "request":
            await peer.kill()
        else:
            visit.task.cancel()

    async def dies(self, peer: Peer, visit: Visit) -> None:
        """Kill the stream, and let its client find out, unless it was that client that was cancelled."""
        await self.strike(peer, visit)
        if peer.task.done():
            return
        x = await peer.x()
        if x.complete:  # the answer was whole before: only the upload can fail
            await peer.kill()
        else:
            await peer.fails()


class Scene:
    """A server that is watched, and a session to it."""

    def __init__(self, server: Watched, url: str, http: Session) -> None:
        self.server = server
        self.url = url
        self.http = http
        self.create = f"{url}/app/room/create"

    def join(self, key: str) -> str:
        """Where the room is joined; the key needs no escaping."""
        return f"{self.url}/app/room/join?room={key}"

    @asynccontextmanager
    async def victim(self, death: Death) -> AsyncIterator[Victim]:
        """A link that can be cut."""
        async with cutter(self.url) as link:
            yield Victim(self, death, link)

    async def streaming(self, victim: Victim | None = None) -> tuple[Peer, Peer]:
        """A pair in which each has read a chunk of the other's."""

        def connect(role: Role, target: str) -> Peer:
            if victim is not None and victim.death.role == role:
                return victim.connect(target)
            return Peer(self.http.post(target))

        creator = connect("creator", self.create)
        joiner = connect("joiner", self.join(await creator.key()))
        await (await joiner.x()).write(b"from the joiner")
        assert await creator.next() == b"from the joiner"
        await (await creator.x()).write(b"from the creator")
        assert await joiner.next() == b"from the creator"
        return creator, joiner

    async def completes(self, creator: Peer) -> None:
        """A creator that still waits gets a joiner, and both get everything."""
        joiner = Peer(self.http.post(self.join(await creator.key())))
        await (await joiner.x()).write(b"hello")
        assert await creator.next() == b"hello"
        await finish(creator, joiner)

    async def serves(self) -> None:
        """The server is as good as new."""
        pair = await create_room(self.http, self.url, 1000, 3)
        assert pair.bytes == 3000
        assert not pair.failure
        await self.server.empty()


async def finish(creator: Peer, joiner: Peer) -> None:
    """Both end in order and read each other's end."""
    await (await joiner.x()).eof(b"bye")
    assert await creator.rest() == b"bye"
    await (await creator.x()).eof(b"last")
    assert await joiner.rest() == b"last"
    await creator.leave()
    await joiner.leave()


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """A watched server on a free port, and a session, for PATIENCE seconds at most."""
    web = App(port=0)
    server = Watched(web)
    async with asyncio.timeout(PATIENCE), web, Session() as http:
        yield Scene(server, web.server_address, http)
