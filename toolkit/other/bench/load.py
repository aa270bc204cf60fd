"""The connections of a request load: the part that has to be fast.

The usual answer costs one Python frame, `Connection.data_received`: it is there in whole, it begins with the bytes of
a head that is known (see `answers`), its latency is one addition into an array, and the next request is written. The
clock is read once for each answer: the end of an answer is the beginning of the next request of a closed loop, so
that what this process itself takes to get it out is in the figure, not beside it. Everything else (an answer in
parts, an error, the end of the connection) takes a longer way.

A request ends in exactly one of these ways: answered; failed, by kind; or handed back, where the server answered with
`connection: close` while further requests were under way (RFC 9112 9.6 lets a client send these again).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Final, cast

from toolkit.errors import ConnectError
from toolkit.other.bench.answers import NOTHING, AnswerReader, Heads
from toolkit.other.bench.latencies import SHIFT
from toolkit.other.bench.options import Options, request_bytes, tls_context
from toolkit.other.bench.pacer import Pacer, clock
from toolkit.other.bench.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Connection", "HttpLoad", "Load", "Pipelined"]

FIRST_PAUSE: Final = 0.05  # seconds before a connection that failed is tried again, doubled each time
LONGEST_PAUSE: Final = 1.0
AT_ONCE: Final = 100  # connections being opened; more would overflow the queue of a listening socket (somaxconn 128)


class Load:
    """What loads have in common: the record, the pacer, and the count of what went wrong."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.record = Record()
        self.pacer = Pacer(self.record)
        self.running = True  #: what ends is opened again

    async def open(self) -> None:
        """Open every connection. Raises `ConnectError` when the first one cannot be opened."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every connection."""
        raise NotImplementedError

    def sweep(self, now: int) -> None:
        """End what has been under way for longer than the timeout."""
        raise NotImplementedError

    def give_up(self, now: int) -> None:
        """End all that is still under way."""
        raise NotImplementedError

    def settle(self) -> None:
        """Bring the record up to date."""

    @property
    def is_alive(self) -> bool:
        """Whether there is any connection now."""
        raise NotImplementedError

    def failed(self, kind: str, count: int = 1) -> None:
        """So many requests failed."""
        self.record.errors[kind] += count

    def waited(self, kind: str, age: int, count: int = 1) -> None:
        """So many requests failed for having waited too long. Their age is a latency: it would have been longer."""
        self.record.errors[kind] += count
        self.record.latencies.late(age, count)


class Connection(asyncio.Protocol):
    """One connection with one request under way. It is its own slot."""

    __slots__ = (
        "_gone",
        "_heads",
        "_known",
        "_load",
        "_marked",
        "_marked_at",
        "_now",
        "_pacer",
        "_reader",
        "_request",
        "_sent",
        "_slots",
        "_transport",
        "_write",
        "busy",
    )

    def __init__(self, load: HttpLoad) -> None:
        self._load = load
        self._pacer = load.pacer
        self._heads = load.heads
        self._request = load.request
        self._slots = load.record.latencies.slots
        self._reader = AnswerReader(self, load.heads)
        self._known = NOTHING
        self._sent = 0
        self._now = 0
        self._marked = self._marked_at = 0
        self._gone = False  # the pacer knows it no more
        self.busy = 0  #: requests under way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The link is there; the load joins it to the pacer."""
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write

    @property
    def places(self) -> int:
        """How many requests can be under way."""
        return 1

    def send(self, due: int) -> None:
        """Send the request that was due at this time."""
        self._known = self._heads.latest
        self._sent = due
        self.busy = 1
        self._write(self._request)

    def data_received(self, data: bytes) -> None:
        """Answers, or parts of them."""
        now = clock()
        known = self._known
        if len(data) == known.total and data.startswith(known.prefix):
            known.count += 1
            try:
                self._slots[(now - self._sent) >> SHIFT] += 1
            except IndexError:
                self._load.record.latencies.late(now - self._sent)
            pacer = self._pacer
            if pacer.budget:
                pacer.budget -= 1
                self._sent = now
                self._write(self._request)
            else:
                self._known = NOTHING
                self.busy = 0
                pacer.free(self, now)
        else:
            self._receive(data, now, self.busy)

    def _receive(self, data: bytes, now: int, expected: int) -> None:
        """The longer way, while the answers to so many requests can be in the data."""
        if self._gone:
            return
        self._now = now
        self._known = NOTHING
        self._load.record.counts.received += len(data)
        self._reader.feed(data, expected)
        if self._reader.busy:
            self._known = NOTHING  # the next bytes are no beginning

    # -- what the reader calls ---------------------------------------------------------------------------------

    def on_answer(self, status: int, keep_alive: bool, same: bool) -> None:
        """A whole answer."""
        record = self._load.record
        record.latencies.record(self._now - self._taken())
        record.answered(status)
        if not same:
            record.errors["wrong body"] += 1
        if keep_alive and self._heads.keep_alive:
            self._pacer.free(self, self._now)
        else:
            for due in self._under_way():
                if not self._pacer.hand_back(due):
                    self._load.failed("unfinished")
            self._leave(1 + self.busy)
            self._transport.close()

    def _taken(self) -> int:
        """The time of the request that this answer is to."""
        self.busy = 0
        return self._sent

    def on_fault(self, kind: str) -> None:
        """What came is no answer; the requests under way have failed, and the connection is of no more use."""
        self._load.failed(kind, self.busy or 1)
        self._leave(self.busy)
        self._transport.abort()

    # -- ends --------------------------------------------------------------------------------------------------

    def _leave(self, busy: int) -> None:
        """No further request goes this way, and nothing that still comes counts."""
        self._gone = True
        self._known = NOTHING
        self._reader.stop()
        self._pacer.leave(self, busy)
        self._load.gone(self)

    def _under_way(self) -> Sequence[int]:
        """The times of the requests under way."""
        return (self._sent,) if self.busy else ()

    def sweep(self, now: int, timeout: int) -> None:
        """Fail if the next answer has been waited for longer than `timeout` ns."""
        under_way = self._under_way()
        if not under_way:
            return
        if self._marked != under_way[0]:
            self._marked, self._marked_at = under_way[0], now  # seen for the first time
        elif now - self._marked_at > timeout:
            self.give_up("timeout", now)

    def give_up(self, kind: str, now: int) -> None:
        """End it; what is under way has failed, and its age counts as a latency."""
        if not self._gone:
            for sent in self._under_way():
                self._load.waited(kind, now - sent)
            self._leave(self.busy)
        self._transport.abort()

    def eof_received(self) -> bool:
        """The server has ended its side, which may be the end of an answer's body."""
        self._now = clock()
        if not self._gone:
            self._reader.eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The link has ended."""
        if self._gone:
            return
        if self.busy:
            cut = "cut short" if self._reader.busy else "closed"
            self._load.failed(cut if exc is None else failure(exc), self.busy)
        self._leave(self.busy)


class Pipelined(Connection):
    """One connection with several requests under way; as many slots of the pacer."""

    __slots__ = ("_batch", "_inside", "_places", "_times")

    def __init__(self, load: HttpLoad) -> None:
        super().__init__(load)
        self._places = load.options.pipeline
        self._times: deque[int] = deque()
        self._batch = 0  # requests to be written when the segment at hand is done with
        self._inside = False

    @property
    def places(self) -> int:
        return self._places

    def send(self, due: int) -> None:
        self._times.append(due)
        self.busy += 1
        self._batch += 1
        if not self._inside:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, 0
        if batch and not self._gone:
            self._write(self._request * batch)

    def data_received(self, data: bytes) -> None:
        """The usual answers in a row, then whatever else there is."""
        now = clock()
        self._inside = True
        known, pos, count = self._heads.latest, 0, 0
        if not self._reader.busy:
            prefix, total, slots, times = known.prefix, known.total, self._slots, self._times
            while times and total <= len(data) - pos and data.startswith(prefix, pos):
                age = now - times.popleft()
                try:
                    slots[age >> SHIFT] += 1
                except IndexError:
                    self._load.record.latencies.late(age)
                pos += total
                count += 1
        known.count += count
        expected = self.busy = len(self._times)
        self._go_on(count, now)
        if pos < len(data):
            self._receive(data[pos:] if pos else data, now, expected)
        self._inside = False
        self._flush()

    def _go_on(self, count: int, now: int) -> None:
        """So many answers are there; what a closed loop sends for them is one addition, not a call for each."""
        pacer = self._pacer
        number = min(count, pacer.budget)
        if number:
            pacer.budget -= number
            self._times.extend(repeat(now, number))
            self.busy += number
            self._batch += number
        for _ in range(count - number):
            pacer.free(self, now)

    def _taken(self) -> int:
        self.busy -= 1
        return self._times.popleft()

    def _under_way(self) -> Sequence[int]:
        return self._times


def failure(error: BaseException) -> str:
    """The kind of an error, in a word or two."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, TimeoutError):
        return "connect timeout"
    return "reset" if isinstance(error, ConnectionError) else "network"


class HttpLoad(Load):
    """Requests over connections."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.request = request_bytes(options)
        self.heads = Heads(options.method, options.check, options.keep_alive)
        self.connections: set[Connection] = set()
        self._kind = Pipelined if options.pipeline > 1 else Connection
        self._tls = tls_context(options)
        self._address = (options.target.host, options.target.port)
        self._reopening: set[asyncio.Task[None]] = set()

    @property
    def is_alive(self) -> bool:
        return bool(self.connections)

    async def open(self) -> None:
        where = self.options.unix or f"{self.options.target.host}:{self.options.target.port}"
        try:
            await self._connect()
        except TimeoutError:
            raise ConnectError(f"no connection to {where} within {self.options.timeout:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise ConnectError(
                f"{where}: its certificate is not to be trusted: {error.verify_message} (see --ca and --insecure)"
            ) from error
        except OSError as error:
            raise ConnectError(f"cannot connect to {where}: {error}") from error
        missing = self.options.connections - 1
        while missing > 0:
            await asyncio.gather(*(self._reopen() for _ in range(min(missing, AT_ONCE))))
            missing -= AT_ONCE

    async def _connect(self) -> None:
        """One more connection, joined to the pacer."""
        begun = clock()
        loop, options = asyncio.get_running_loop(), self.options
        name = None if self._tls is None else options.target.host
        connection = self._kind(self)
        async with asyncio.timeout(options.timeout):
            if options.unix is not None:
                transport, _ = await loop.create_unix_connection(
                    lambda: connection, options.unix, ssl=self._tls, server_hostname=name
                )
            else:
                transport, _ = await loop.create_connection(
                    lambda: connection, *self._address, ssl=self._tls, server_hostname=name
                )
                self._resolved(transport.get_extra_info("peername"))
        now = clock()
        counts = self.record.counts
        counts.opened += 1
        counts.connecting += now - begun
        counts.slowest_connect = max(counts.slowest_connect, now - begun)
        if transport.is_closing():
            raise ConnectionResetError("the connection ended as soon as it was made")
        self.connections.add(connection)
        for _ in range(connection.places):
            # Where each request has a connection of its own, making it is part of the request.
            self.pacer.join(connection, now if options.keep_alive else begun)

    def _resolved(self, peer: tuple[str, int] | tuple[str, int, int, int]) -> None:
        """Look the name up once: the run loads one server, and not the resolver. A scoped address stays a name."""
        if len(peer) == 2 or not peer[3]:
            self._address = (peer[0], peer[1])

    def gone(self, connection: Connection) -> None:
        """A connection has ended; another takes its place."""
        if connection in self.connections:
            self.connections.remove(connection)
            if self.running:
                task = asyncio.get_running_loop().create_task(self._reopen())
                self._reopening.add(task)
                task.add_done_callback(self._reopening.discard)

    async def _reopen(self) -> None:
        """Open one more, trying again and again."""
        pause = 0.0
        while self.running:
            try:
                return await self._connect()
            except OSError as error:  # TimeoutError and ssl.SSLError are such, too
                self.failed(failure(error))
            await asyncio.sleep(pause)
            pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)

    def sweep(self, now: int) -> None:
        timeout = int(self.options.timeout * 1e9)
        for connection in list(self.connections):
            connection.sweep(now, timeout)

    def give_up(self, now: int) -> None:
        for connection in list(self.connections):
            if connection.busy:
                connection.give_up("unfinished", now)

    def settle(self) -> None:
        statuses, size = self.heads.take()
        for status, number in statuses.items():
            self.record.answered(status, number)
        counts = self.record.counts
        counts.received += size
        counts.sent = counts.answers * len(self.request)

    async def close(self) -> None:
        self.running = False
        for task in self._reopening:
            task.cancel()
        await asyncio.gather(*self._reopening, return_exceptions=True)
        for connection in list(self.connections):
            connection.give_up("unfinished", clock())
        self.pacer.close()
        await asyncio.sleep(0)  # transports report their end in a later turn of the loop
