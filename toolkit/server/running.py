"""A running application: one event loop's listeners, connections, clock, and its end.

The graceful end: tell long streams (`r.stopping()`), stop accepting, end connections that have been idle for a moment
(a request may be on its way on the others: they may say it, and are answered with `connection: close`), let running
exchanges finish within `Timeouts.grace`, cancel what is left, close.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import sys
from typing import TYPE_CHECKING, Final

from toolkit.errors import NetworkError, RemoteProtocolError, caused
from toolkit.protocol.aio.clock import Clock
from toolkit.protocol.aio.tls import TlsLink
from toolkit.protocol.aio.watch import Watch
from toolkit.protocol.head import RequestHeadParser, serialize_fields
from toolkit.protocol.status import reason_phrase, status_line
from toolkit.server.abort import UnsupportedMediaType, named_abort
from toolkit.server.answers import TEXT
from toolkit.server.compression import compressed
from toolkit.server.connection import ServerConnection
from toolkit.server.dispatch import call_inline, fail, run
from toolkit.server.listening import BACKLOG, address_of, bind_found, bind_unix, unlink
from toolkit.server.routing import NO_PARAMETERS

if TYPE_CHECKING:
    import ssl

    from toolkit.server.access_log import AccessRecorder
    from toolkit.server.answers import Answer, Streamed
    from toolkit.server.app import App
    from toolkit.server.request import Request

__all__ = ["Running"]

log = logging.getLogger("toolkit.server")

# Seconds, a round trip: a client that has just been answered, or let in, may have sent a request that is on its way.
LAST_CALL: Final = 0.1


class ServerWatch(Watch):
    """On this end a reader has no deadline of its own: clients may think until the exchange is `idle`."""

    __slots__ = ()

    def __init__(self, clock: Clock, app: App) -> None:
        super().__init__(clock, app.limits, app.timeouts)
        self.read = clock.deadline("read", None)
        self.deadlines = [self.write, self.linger, self.keep_alive]


class Running:
    """An application on one event loop."""

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.loop = loop
        self.clock = Clock(loop)
        self.clock.common = app.common
        self.watch = ServerWatch(self.clock, app)
        timeouts = app.timeouts
        self.head = self.clock.deadline("head", timeouts.head)
        self.slow_body = self.clock.deadline("slow_body", timeouts.slow_body)
        self.after = self.clock.deadline("after", timeouts.hold)
        self.idle = self.clock.deadline("idle", timeouts.idle)
        self.watch.deadlines += [self.head, self.slow_body, self.after, self.idle]
        self.connections: set[ServerConnection] = set()
        self.servers: list[asyncio.Server] = []
        self.address = ""
        self.is_stopping = False
        # Bytes of a returned body, from which on it may be compressed.
        self.compressed_from = sys.maxsize if app.compression is None else app.compression.minimum
        self.last_call = LAST_CALL
        self.admits = True  # also while stopping, for a moment: who came just before it is still heard
        self._stopping: dict[asyncio.Future[None], None] = {}  # a dict: the streams of ten thousand clients leave it
        self._settled: asyncio.Future[None] | None = None
        self._unsettled: ServerConnection | None = None  # what `_settled` waits for: one of them
        self._unix_path: str | None = None
        self._secure = False
        self.table = app.table
        self.access: AccessRecorder | None = None
        if app.access_log is not None:
            from toolkit.server.access_log import AccessRecorder  # with the files and threads of `logging`

            self.access = AccessRecorder(app.access_log)
        self.parser = RequestHeadParser(app.limits)  # of all connections: it holds nothing between two heads

    # -- listening ---------------------------------------------------------------------------------------------

    async def listen(
        self,
        host: str,
        port: int,
        unix: str | None,
        tls: ssl.SSLContext | None,
        inherited: list[socket.socket] | None = None,
    ) -> None:
        """Bind and accept; `inherited` sockets are bound already. Raises `NetworkError` if an address cannot be had."""
        try:
            if inherited is not None:
                sockets = inherited
            elif unix is not None:
                sockets = [bind_unix(unix)]
                self._unix_path = unix
            else:
                loop = self.loop
                found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
                sockets = bind_found(found, port)
            for sock in sockets:
                self.servers.append(await self._accept_from(sock, tls))
        except OSError as error:
            where = unix if unix is not None else f"{host}:{port}"
            raise caused(NetworkError(f"cannot listen on {where}: {error}"), error)
        self._secure = tls is not None
        self.address = address_of(sockets[0], secure=self._secure)
        if inherited is None:  # else the supervisor has said so, once for all
            log.info("listening on %s", self.address)

    async def _accept_from(self, sock: socket.socket, tls: ssl.SSLContext | None) -> asyncio.Server:
        # A peer that does not answer close_notify is a peer that lingers; asyncio would wait for it for 30 s.
        patience = None if tls is None else self.app.timeouts.linger
        handshake = None if tls is None else self.app.timeouts.head
        accept = self._accept if tls is None else self._accept_tls
        if sock.family == getattr(socket, "AF_UNIX", None):
            create = self.loop.create_unix_server
            if sys.version_info >= (3, 13):  # its name is ours to take away: other processes may accept from it
                create = functools.partial(create, cleanup_socket=False)
            return await create(
                accept,
                sock=sock,
                ssl=tls,
                backlog=BACKLOG,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=patience,
            )
        return await self.loop.create_server(
            accept,
            sock=sock,
            ssl=tls,
            backlog=BACKLOG,
            ssl_handshake_timeout=handshake,
            ssl_shutdown_timeout=patience,
        )

    def _accept(self) -> ServerConnection:
        return ServerConnection(self)

    def _accept_tls(self) -> TlsLink:
        return TlsLink(ServerConnection(self))

    # -- requests ----------------------------------------------------------------------------------------------

    def dispatch(self, connection: ServerConnection, request: Request) -> None:
        """Find the handler and start it."""
        app = self.app
        head = request._head
        target = head.target
        path = target if "?" not in target and target[0] == "/" else request.raw_path
        try:
            found, parameters, resource = self.table.find(head.method, path)
            if found is None or found.automatic:
                route, parameters = self.table.stand_in(head.method, path, found, resource)
            else:
                route = found
        except Exception as error:  # a converter's fault
            fail(connection, request, error)
            return
        request._route = route
        inbound = request._in
        if inbound is not None:
            if inbound.coding and not app.accepts_coding(inbound.coding):
                fail(connection, request, UnsupportedMediaType("", app.coding_hint))
                return
            if not inbound.ended:
                connection.watch_body(request)
        if parameters:
            request.path_params = parameters
        if head.method == "HEAD" and "HEAD" not in route.methods:
            request.auto_head = True
        if route.on_eof == "cancel":
            request.on_eof = "cancel"
        chain = route.chain
        if chain is not None:
            connection.task = self.loop.create_task(run(connection, request, chain, NO_PARAMETERS))
        elif route.refusal is not None:
            status, headers = route.refusal
            fail(connection, request, named_abort(status, "", headers))
        elif route.coroutine is not None:
            connection.task = self.loop.create_task(run(connection, request, route.coroutine, parameters))
        else:
            call_inline(connection, request, route.handler, parameters)

    def compressed(self, request: Request, answer: Answer) -> Answer | Streamed:
        """A large answer as it is to be sent."""
        return compressed(request, answer)

    def refuse(self, connection: ServerConnection, error: RemoteProtocolError) -> None:
        """Answer bytes that are no request. Its text names what was wrong, never more than was sent."""
        if connection.lost is not None or connection.transport.is_closing():
            return
        status = error.status_hint
        body = f"{reason_phrase(status)}: {error}".encode("ascii", "backslashreplace")
        fields = [TEXT.pair, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        head = status_line(status) + serialize_fields(fields) + self.clock.date_line()
        connection.transport.write(head + b"\r\n" + body)
        if self.access is not None:
            self.access.refused(connection, status)

    # -- the end -----------------------------------------------------------------------------------------------

    async def stopping(self) -> None:
        """Wait for the beginning of the end."""
        await self.stop_notice()

    def stop_notice(self) -> asyncio.Future[None]:
        """Done when the end begins; to be cancelled by who no longer wants to know."""
        future: asyncio.Future[None] = self.loop.create_future()
        if self.is_stopping:
            future.set_result(None)
        else:
            self._stopping[future] = None
            future.add_done_callback(self._noticed)
        return future

    def _noticed(self, future: asyncio.Future[None]) -> None:
        self._stopping.pop(future, None)

    def settled(self) -> None:
        """A connection ended, or has nothing left to say; `stop` waits for the last of them."""
        waiter = self._settled
        if waiter is None or waiter.done():
            return
        # The one found unsettled last is asked first: of ten thousand connections that end, each would ask all.
        last = self._unsettled
        if last is None or last not in self.connections or last.is_settled:
            self._unsettled = last = next((c for c in self.connections if not c.is_settled), None)
            if last is None:
                waiter.set_result(None)

    async def stop(self) -> None:
        """The graceful end; see above. Takes at most `Timeouts.grace`, and a little more for the cancelled."""
        self.is_stopping = True
        for future in list(self._stopping):
            if not future.done():
                future.set_result(None)
        now = self.loop.time()
        for connection in list(self.connections):
            connection.begin_stop(now - self.last_call)
        if self.servers:
            await self._stop_accepting()
        last_call = self.loop.call_later(self.last_call, self._end_idle)
        if not await self._all_settled(self.app.timeouts.grace):
            self._end_idle()
            for connection in list(self.connections):
                connection.end_now()
            await self._all_settled(1)
        last_call.cancel()
        self.admits = False
        await self._end_links()
        self.clock.close()
        if self.access is not None:
            await self.loop.run_in_executor(None, self.access.close)  # it waits for a disk
        if self._unix_path is not None:
            unlink(self._unix_path)

    async def _stop_accepting(self) -> None:
        """Let in who came before: accepted links become connections some turns later, over TLS some round trips."""
        try:
            await self._turns()
            for server in self.servers:
                for sock in getattr(server, "sockets", ()):  # a tuple by asyncio's word, a list by uvloop's
                    self.loop.remove_reader(sock.fileno())
            await self._turns()  # asyncio drops links that it has not set up when their server is closed
        finally:
            for server in self.servers:
                server.close()
        await self._turns()  # uvloop accepts until here
        if self._secure:
            await asyncio.sleep(self.last_call)

    def _end_idle(self) -> None:
        """Nobody said anything in time."""
        self.admits = False
        for connection in list(self.connections):
            connection.begin_stop()

    async def _end_links(self) -> None:
        """What lingers has said everything; its peer had its time."""
        for connection in list(self.connections):
            connection.transport.close()
        if self.connections:
            await self._turns()
        for connection in list(self.connections):
            connection.transport.abort()
        if self.connections:
            await self._turns()

    async def _turns(self) -> None:
        """Transports report their beginning and their end in a later turn of the loop."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def _all_settled(self, seconds: float | None) -> bool:
        """Wait until no connection has anything left to say; False after `seconds`."""
        if all(connection.is_settled for connection in self.connections):
            return True
        self._settled = self.loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._settled
        except TimeoutError:
            return False
        return True
