"""A signaling server: two peers meet in a room and stream to each other, both ways at once, over plain HTTP/1.1.

    python examples/signaling.py                 # serve on 127.0.0.1:3002
    python examples/signaling.py --test          # measure itself: 10 pairs, 100 chunks of 100 KiB each

    creator                             server                              joiner
       POST /app/room/create ──────────▶
       ◀────────── 200, "room: KEY"
                                           ◀────────── POST /app/room/join?room=KEY
                                                        200 ──────────▶
       ◀══════════════════════ the body of the joiner's request ══════════════════════
       ═══════════════════════ the body of the creator's request ═════════════════════▶

Both answers begin while both requests are still open, and each answer carries the body of the *other* request. Either
peer may end its body before the other does: its partner sees that end at once, and goes on sending. A peer that dies
is never an end: its partner gets an error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import orjson

from toolkit import Abort, App, PoolLimits, Session, run
from toolkit.other.cipher import Cipher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit import Request

MB = 1_000_000  # bytes


# ---------------------------------------------------------------------------------------------------- the server


class Room:
    """A creator, and the joiner that it waits for."""

    __slots__ = ("creator", "joiner")

    def __init__(self, creator: Request) -> None:
        self.creator = creator
        self.joiner: asyncio.Future[Request] = asyncio.get_running_loop().create_future()


class Signaling:
    """The table of rooms, and the two routes to them on `web`.

    A room's key is its creator's address, enciphered: nobody can guess it, and this server can still tell whose it is.
    `secret` is a password, or 32 random bytes; without one, keys differ from start to start.
    """

    def __init__(self, web: App, secret: str | bytes | None = None) -> None:
        self.cipher = Cipher(secret or secrets.token_bytes(32))
        self.rooms: dict[str, Room] = {}
        # A peer that hangs up is gone, though its request may have been complete: nobody shall wait for it.
        web.post("/app/room/create", on_eof="cancel")(self.create)
        web.post("/app/room/join", on_eof="cancel")(self.join)

    async def create(self, r: Request) -> None:
        """Open a room; answer with its key at once, and with the joiner's bytes when there is a joiner."""
        key = self.cipher.encrypt(f"{r.ip_host}:{r.ip_port}".encode())
        room = self.rooms[key] = Room(r)
        try:
            await r.prepare({"content-type": r.content_type or None, "room": key})
            await stream(await room.joiner, r)
        finally:
            del self.rooms[key]

    async def join(self, r: Request) -> None:
        """Enter a room; answer with the creator's bytes."""
        key = r.params().get("room")
        if not key:
            raise Abort("the parameter room is required", 403)
        room = self.rooms.get(key)
        if room is None:
            raise Abort("no such room", 404)
        if room.joiner.done():
            raise Abort("the room is full", 409)
        room.joiner.set_result(r)
        await r.prepare({"content-type": r.content_type or None, "room": key})
        await stream(room.creator, r)


async def stream(source: Request, sink: Request) -> None:
    """Answer one request with the body of the other, as it arrives.

    The body of `source` may outlive its own handler: it waits for its reader, which is here.
    """
    try:
        if "content-encoding" in source.headers:  # the answer's head is out, and said nothing of a coding
            await sink.relay(source.pull())
        else:
            await sink.relay(source)
    except BaseException:
        # An exception that leaves a handler breaks off that handler's own answer. The partner may have had its whole
        # answer by now, and would go on sending to nobody: so it is told as well.
        await source.abort("the other peer of the room is gone")
        raise


# ------------------------------------------------------------------------------------------- the two peers, as clients


@dataclass(frozen=True, slots=True)
class Pair:
    """What one creator received from its joiner, and whether all of it came."""

    room: str
    bytes: int
    seconds: float
    failure: str = ""  # empty: nothing failed

    @property
    def rate(self) -> float:
        """Megabytes per second."""
        return self.bytes / MB / self.seconds if self.seconds else 0.0


async def create_room(http: Session, server: str, payload_size: int, chunk_range: int) -> Pair:
    """Create a room, send a joiner there, receive its stream to the end; then send it the statistics of that."""
    async with asyncio.TaskGroup() as tasks, http.post(f"{server}/app/room/create") as x:
        await x.head()
        room = x.raise_for_status().headers["room"]
        joiner = tasks.create_task(join_room(http, server, room, b"." * payload_size, chunk_range))

        started = perf_counter()
        received = 0
        async for chunk in x:
            received += len(chunk)
        seconds = perf_counter() - started
        statistics = {"room": room, "bytes": received, "seconds": seconds}

        await x.eof(orjson.dumps(statistics))  # this request's body begins after its answer has ended
        told = await joiner

    failure = ""
    if received != payload_size * chunk_range:
        failure = f"{received} of {payload_size * chunk_range} bytes arrived"
    elif told != statistics:
        failure = f"the joiner was told {told!r}"
    return Pair(room, received, seconds, failure)


async def join_room(http: Session, server: str, room: str, payload: bytes, chunk_range: int) -> object:
    """Join a room and stream to its creator; the JSON that the creator sends back."""
    async with http.post(f"{server}/app/room/join", params={"room": room}) as x:
        for _ in range(chunk_range):
            await x.write(payload)
        await x.eof()
        await x.head()
        return await x.raise_for_status().json()


# ------------------------------------------------------------------------------------------------- the self-test


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of the self-test."""

    pairs: list[Pair]
    payload_size: int
    chunk_range: int
    seconds: float  # from the first pair's start to the last pair's end

    @property
    def bytes(self) -> int:
        """Of all pairs together."""
        return sum(pair.bytes for pair in self.pairs)

    @property
    def failures(self) -> int:
        """How many pairs failed."""
        return sum(bool(pair.failure) for pair in self.pairs)

    @property
    def ok(self) -> bool:
        """Every byte of every pair arrived, and every joiner was told so."""
        return not self.failures

    def table(self) -> str:
        """A line for each pair, one for all of them, and a sentence on what was measured."""
        lines = [f"{'pair':>5}  {'room':<14}{'bytes':>15}{'seconds':>10}{'MB/s':>10}"]
        lines.append("-" * len(lines[0]))
        for number, pair in enumerate(self.pairs, 1):
            room = f"{pair.room[:10]}.." if pair.room else "-"
            line = f"{number:>5}  {room:<14}{pair.bytes:>15,}{pair.seconds:>10.3f}{pair.rate:>10.1f}"
            lines.append(f"{line}  {pair.failure}".rstrip())
        rate = self.bytes / MB / self.seconds
        lines.append("-" * len(lines[0]))
        lines.append(f"{'total':>5}  {'':<14}{self.bytes:>15,}{self.seconds:>10.3f}{rate:>10.1f}")
        verdict = "every byte arrived" if self.ok else f"{self.failures} FAILED"
        lines.append(f"pairs {len(self.pairs)} x chunks {self.chunk_range} x bytes {self.payload_size:,}: {verdict}")
        return "\n".join(lines)


async def self_test(
    concurrency: int = 10,
    payload_size: int = 100 * 1024,
    chunk_range: int = 100,
    *,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Serve on a free loopback port and let `concurrency` pairs stream through it at once, all in this process.

    `progress` is told how many pairs are done. A pair that fails is in the report; nothing is raised for it.
    """
    web = App(port=0)
    Signaling(web)
    done = 0

    async def one_pair(http: Session) -> Pair:
        nonlocal done
        started = perf_counter()
        try:
            pair = await create_room(http, web.server_address, payload_size, chunk_range)
        except Exception as error:
            pair = Pair("", 0, perf_counter() - started, "; ".join(reasons(error)))
        done += 1
        if progress is not None:
            progress(done)
        return pair

    connections = 2 * concurrency  # a creator waits for its joiner: a smaller pool would wait for ever
    async with web, Session(pool=PoolLimits(connections=connections, per_origin=connections)) as http:
        started = perf_counter()
        pairs = await asyncio.gather(*(one_pair(http) for _ in range(concurrency)))
        return Report(pairs, payload_size, chunk_range, perf_counter() - started)


def reasons(error: Exception) -> list[str]:
    """The errors in a group of them, in words."""
    if isinstance(error, ExceptionGroup):
        return [line for one in error.exceptions for line in reasons(one)]
    return [f"{type(error).__name__}: {error}"]


# ---------------------------------------------------------------------------------------------- the command line


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(description="A signaling server, and its own performance test.")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (%(default)s)")
    parser.add_argument("--port", type=int, default=3002, help="port to serve on (%(default)s)")
    parser.add_argument("--test", action="store_true", help="do not serve: run the self-test and print its table")
    for name, default, meaning in (
        ("--concurrency", 10, "pairs at once"),
        ("--payload-size", 100 * 1024, "bytes of a chunk"),
        ("--chunk-range", 100, "chunks of a pair"),
    ):
        parser.add_argument(name, type=positive, default=default, metavar="N", help=f"{meaning} ({default})")
    return parser.parse_args(argv)


def positive(text: str) -> int:
    """A whole number above zero."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number above zero, got {text!r}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted, or test; the exit code."""
    args = arguments(argv)
    if not args.test:
        web = App(args.host, args.port)
        Signaling(web, os.environ.get("SIGNALING_SECRET"))
        print(f"signaling on http://{args.host}:{args.port}, until Ctrl-C", file=sys.stderr)
        web.run()
        return 0

    def progress(done: int) -> None:
        end = "\r" if done < args.concurrency else "\r\033[K"
        print(f"{done} of {args.concurrency} pairs", end=end, file=sys.stderr, flush=True)

    shown = progress if sys.stderr.isatty() else None
    report = run(self_test(args.concurrency, args.payload_size, args.chunk_range, progress=shown))
    print(report.table())
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
