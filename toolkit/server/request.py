"""Request: an exchange seen from the end that answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, NoReturn, SupportsIndex
from urllib.parse import unquote

from toolkit.errors import LocalProtocolError, UseError
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, NONE, Framing, bodyless, split_framing
from toolkit.protocol.headers import Fields, Headers, HeadersLike, encode_fields, find_field, join_fields
from toolkit.protocol.inbound import Inbound
from toolkit.protocol.states import DONE, IDLE
from toolkit.protocol.status import status_line
from toolkit.server.incoming import Incoming

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.head import RequestHead
    from toolkit.protocol.limits import Limits
    from toolkit.server.answers import Answer
    from toolkit.server.app import App
    from toolkit.server.connection import ServerConnection
    from toolkit.server.routing import Route
    from toolkit.server.sse import EventStream

__all__ = ["AnswerComplete", "CancelledBy", "Request"]

CancelledBy = Literal["peer", "timeout", "shutdown"]


class AnswerComplete(Exception):
    """A GET handler serving HEAD wrote its first piece: there is nothing left for it to do. Never seen by users."""


class Request(Incoming):
    """A request being served, and the answer to it; see `Exchange` for the verbs.

    `path_params` are the route's; `cancelled_by` says why the handler was cancelled, None if it was not.
    """

    __slots__ = (
        "_answer_fields",
        "_detached",
        "_peer",
        "_prepared_early",
        "_route",
        "_shields",
        "_status",
        "auto_head",
        "cancelled_by",
        "on_eof",
        "path_params",
        "scheme",
    )

    def __init__(self, connection: ServerConnection, head: RequestHead, inbound: Inbound | None) -> None:
        super().__init__(connection, head.method, inbound)
        self._connection = connection
        self._head = head
        self._peer = connection.peer
        self.scheme = connection.scheme
        self._status: int | None = None
        self._answer_fields: Fields | None = None
        self._prepared_early = False  # the head of a streamed answer went out before the request had ended
        self._detached = False
        self._shields = 0
        self.cancelled_by: CancelledBy | None = None
        self.path_params: dict[str, object] = {}
        self._route: Route | None = None
        self.auto_head = False
        self.on_eof = "answer"

    # -- what is known -----------------------------------------------------------------------------------------

    @property
    def target(self) -> str:
        """The request target as it came (RFC 9112 3.2)."""
        return self._head.target

    @property
    def raw_path(self) -> str:
        """The path as it came, still percent-encoded, without the query."""
        target = self._head.target
        if not target.startswith("/") and "://" in target:
            target = "/" + target.partition("://")[2].partition("?")[0].partition("/")[2]
        return target.partition("?")[0]

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return unquote(self.raw_path)

    @property
    def query(self) -> str:
        """What stands behind the question mark, as it came."""
        return self._head.target.partition("?")[2]

    @property
    def host(self) -> str:
        """Host and port as the request names them (checked to be `uri-host[:port]`); "" in HTTP/1.0 without."""
        if self._extra is not None and self._extra.host is not None:
            return self._extra.host
        host = self._head.host
        return "" if host is None else host.decode("latin-1")

    @property
    def url(self) -> str:
        """The absolute URL, built from scheme, host and target."""
        target = self._head.target
        if not target.startswith("/"):
            return target
        return f"{self.scheme}://{self.host}{target}"

    @property
    def ip_host(self) -> str:
        """The peer's address; "" where the link has none."""
        return self._peer[0]

    @property
    def ip_port(self) -> int:
        """The peer's port; 0 where the link has none."""
        return self._peer[1]

    @property
    def status(self) -> int | None:
        """The answer's status, None before it is sent."""
        return self._status

    @property
    def http_version(self) -> str:
        """The request's version."""
        return f"1.{self._head.minor}"

    @property
    def request_headers(self) -> Headers:
        """The request's fields."""
        if self._request_headers is None:
            self._request_headers = Headers.from_fields(self._head.fields)
        return self._request_headers

    @property
    def headers(self) -> Headers:
        """The inbound fields: the request's."""
        return self.request_headers

    @property
    def response_headers(self) -> Headers:
        """The answer's fields as given, without those of framing; empty before the head is sent."""
        if self._response_headers is None:
            if self._answer_fields is None:
                return Headers()
            self._response_headers = Headers.from_fields(self._answer_fields)
        return self._response_headers

    # -- where it leads ----------------------------------------------------------------------------------------

    @property
    def route(self) -> Route | None:
        """The route that serves this request; None where none does (404, 405, the automatic answer to OPTIONS)."""
        route = self._route
        return None if route is None or route.automatic else route

    @property
    def app(self) -> App:
        """The application that this request is for: of several mounted in one another, the innermost."""
        route = self._route
        app = None if route is None else route.app
        return self._connection.running.app if app is None else app

    @property
    def mount_path(self) -> str:
        """The part of `path` that `app` is mounted at; "" for an application that is not."""
        route = self._route
        if route is None or not route.mount_path:
            return ""
        return unquote("/".join(self.raw_path.split("/")[: route.mount_path.count("/") + 1]))

    def url_for(self, _name: str, /, **values: object) -> str:
        """See `App.url_for`; names are looked up near the present route first, and mounts count."""
        route = self._route
        return self._connection.running.table.url_for(_name, values, "" if route is None else route.namespace)

    @property
    def _limits(self) -> Limits:
        return self._connection.limits

    # -- the answer --------------------------------------------------------------------------------------------

    async def head(self) -> None:
        """The request's head is always known."""

    async def prepare(
        self, headers: HeadersLike | None = None, status: int = 200, *, coding: str | None = None
    ) -> None:
        """See `Exchange.prepare`."""
        wire = self._open("prepare()")
        fields, length, chunked = split_framing(encode_fields(headers))
        self._check_status(status)
        if self._extra is not None:
            fields += self._extra.take()
        if coding is not None and status not in _NO_CONTENT:
            length = self._negotiate(coding, fields, length)
        minor = self._head.minor
        framing: Framing
        if bodyless(self.method, status) or status == 205:
            self._discard = True
            if status == 205:
                length = 0  # RFC 9110 15.3.6: no content, and said so
            framing = NONE if status in (204, 304) else (LENGTH if length is not None else CHUNKED)
        elif length is not None:
            framing = LENGTH
        else:
            framing = CHUNKED if minor else CLOSE
        del chunked  # asked for by name or not: without a length it is what HTTP/1.1 has
        inbound = self._in
        if inbound is not None and not inbound.ended:
            self._prepared_early = True
            if inbound.expect:  # after the final head a 100 would be illegal (RFC 9110 10.1.1)
                inbound.expect = False
                wire.send_continue()
        self._status = status
        self._answer_fields = fields
        self._start_body(framing, -1 if length is None else length)
        wire.send_head(self, fields, framing, -1 if length is None else length)
        if wire.blocked:
            await self._drain(wire)

    def _negotiate(self, coding: str, fields: Fields, length: int | None) -> int | None:
        """Set up the encoder; a coded body's length is not known beforehand."""
        from toolkit.protocol.codings import available_codings
        from toolkit.protocol.negotiate import choose_coding
        from toolkit.protocol.outbound_coding import start_coding

        fields.append((b"vary", b"accept-encoding"))
        chosen: str | None = coding
        if coding == "auto":
            accepted = join_fields(self._head.fields, b"accept-encoding")
            chosen = choose_coding(None if accepted is None else accepted.decode("latin-1"), available_codings())
        elif coding not in available_codings():
            raise UseError(self._say(f"prepare(coding={coding!r}): expected 'auto' or one of {available_codings()}"))
        if chosen is None:
            return length
        fields.append((b"content-encoding", chosen.encode("ascii")))
        if self._wire is not None and self.method != "HEAD":
            compression = self._connection.running.app.compression
            level = None if compression is None else compression.levels.get(chosen)
            self._coding = start_coding(chosen, self._wire, level)
        return None

    def answer(self, status: int, fields: Fields, body: bytes, lines: bytes | None = None) -> None:
        """A whole answer, with its length, in one write. Raises `UseError` after the head was sent.

        `lines`: the fields as they stand on the wire, where they are known to be about nothing but the body.
        """
        if self._out is not IDLE or self._error is not None or self._wire is None:
            self._cannot_answer("answering")
        if lines is None and fields:
            fields, length, _ = split_framing(fields)
            if length is not None and length != len(body) and self.method != "HEAD":
                raise LocalProtocolError(self._say(f"content-length {length} on a body of {len(body)} bytes"))
            if length is not None and self.method == "HEAD" and not body:
                fields = [*fields, (b"content-length", b"%d" % length)]  # GET's: there is nothing to count here
        if status not in _PLAIN:
            self._check_status(status)
            if status == 205:
                body = b""  # RFC 9110 15.3.6
        if self._extra is not None:
            added = self._extra.take()
            if added:
                fields, lines = [*fields, *added], None
        if self._in is not None:
            self._in.expect = False  # a whole answer sends no 100-continue
        self._status = status
        self._answer_fields = fields
        self._out = DONE
        self._connection.send_whole(self, fields, body, lines)

    def _check_status(self, status: int) -> None:
        status_line(status)
        if status < 200:
            raise LocalProtocolError(self._say(f"status {status} is no final one; use inform() or upgrade()"))

    def _open(self, call: str) -> ServerConnection:
        """The wire, if an answer can begin now."""
        if self._out is not IDLE or self._error is not None or self._wire is None:
            self._cannot_answer(call)
        return self._connection

    def _cannot_answer(self, call: str) -> NoReturn:
        if self._error is None and self._out is not IDLE:
            raise UseError(self._say(f"{call} after the answer's head was sent; it is sent once"))
        raise self._failure(self._error, call)

    async def _eof_unprepared(self, data: bytes, trailers: HeadersLike | None) -> None:
        if trailers:
            raise UseError(self._say("eof(trailers=...) before prepare(); trailers need a chunked body"))
        if self._error is not None or self._wire is None:
            return
        self.answer(200, [], data)

    async def inform(self, status: int, headers: HeadersLike | None = None) -> None:
        """See `Exchange.inform`. Nothing is sent to an HTTP/1.0 peer, which would not understand it."""
        wire = self._open("inform()")
        if not 102 <= status < 200:
            raise LocalProtocolError(self._say(f"inform({status}): expected 102 to 199; 100 is sent when you read"))
        fields, length, chunked = split_framing(encode_fields(headers))
        if length is not None or chunked:
            raise LocalProtocolError(self._say(f"inform({status}): an interim answer has no body"))
        if self._head.minor:
            wire.send_interim(status, fields)

    async def upgrade(self, headers: HeadersLike | None = None) -> Exchange:
        """Answer 101 (2xx to CONNECT) and go on with raw bytes both ways.

        Raises `UseError` when the request asked for no upgrade, or its body was not read.
        """
        wire = self._open("upgrade()")
        fields, _, _ = split_framing(encode_fields(headers))
        if self._extra is not None:
            fields += self._extra.take()
        if self._in is not None and not self._in.ended:
            raise UseError(self._say("upgrade() before the request's body was read; await read() first"))
        status = 200
        if self.method != "CONNECT":
            protocol = self._head.upgrade
            if protocol is None:
                raise UseError(self._say("upgrade(): the request asks for none; answer 426 instead"))
            status = 101
            if find_field(fields, b"upgrade") is None:
                fields.append((b"upgrade", protocol.split(b",")[0].strip(b" \t")))
            fields.append((b"connection", b"upgrade"))
        self._status = status
        self._answer_fields = fields
        wire.send_switch(self, fields)
        inbound = Inbound()
        self._switch_raw(inbound)
        early = wire.switch(self)
        if early:
            wire.on_body(early)
        if wire.peer_ended:
            inbound.end(True)
        return self

    def _discarded(self) -> None:
        if self.auto_head:
            raise AnswerComplete

    def _cannot_write(self, call: str) -> NoReturn:
        if self._out is IDLE and self._error is not None:
            raise self._failure(self._error, call)
        super()._cannot_write(call)

    # -- the peer and the server -------------------------------------------------------------------------------

    def shield(self) -> Shield:
        """`async with r.shield():` a cancellation of this handler waits for the end of the block."""
        return Shield(self)

    def detach(self) -> None:
        """Somebody else will read the body: after this handler it is held for `Timeouts.hold`, not thrown away."""
        self._detached = True

    def after(self, _function: Callable[..., object], /, *args: object, **kwargs: object) -> None:
        """Call it once the answer has ended, however it did: `r.after(send_mail, to, subject=subject)`.

        It holds up neither the answer nor the next request, and goes on when the client leaves. A coroutine function
        runs on the loop, a plain one in a thread; its failure is logged with this request; see `App.submit`. From any
        thread. Raises `UseError` for what cannot be called.
        """
        from toolkit.server.jobs.after import after

        after(self, _function, args, kwargs)

    async def disconnected(self) -> None:
        """Returns when the peer has ended its side (FIN) or is gone (reset)."""
        await self._connection.peer_gone(self)

    def sse(
        self, headers: HeadersLike | None = None, *, keep_alive: float | None = 15.0, retry: int | None = None
    ) -> EventStream:
        """Answer with server-sent events: `async with r.sse() as events: await events.send("hello")`.

        The block is the stream: its end is the answer's. It is cancelled when the client leaves, and ends quietly when
        the server stops. While nothing is sent, a comment is, every `keep_alive` seconds (None: never). `retry` is the
        time in ms that the client is to wait before it comes back. Entering it answers 406 where the request does not
        accept text/event-stream.
        """
        from toolkit.server.sse import EventStream

        return EventStream(self, headers, keep_alive=keep_alive, retry=retry)

    async def render(
        self, _template: str, /, status: SupportsIndex = 200, headers: HeadersLike | None = None, **context: object
    ) -> Answer:
        """A template's text as an answer, to be returned: `return await r.render("page.html", user=user)`.

        The content type is by the template's name. Raises `UseError` for a template that is not there.
        """
        from toolkit.server.templates import render  # the compiler takes `/` for nothing, hence the odd name

        return await render(self, _template, status, headers, context)

    async def stream_template(
        self, _template: str, /, status: SupportsIndex = 200, headers: HeadersLike | None = None, **context: object
    ) -> tuple[int, AsyncIterator[bytes], Headers]:
        """The same, but sent while it is made: for pages that are long, or wait for something in between."""
        from toolkit.server.templates import stream

        return await stream(self, _template, status, headers, context)

    async def stopping(self) -> None:
        """Returns when the server begins to stop: time to end a long stream in good order."""
        await self._connection.server_stopping()


class Shield:
    """See `Request.shield`."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    async def __aenter__(self) -> None:
        self._request._shields += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        request = self._request
        request._shields -= 1
        if not request._shields and request._connection.take_deferred(request):
            task = asyncio.current_task()
            if task is not None:
                task.cancel()
            if error is None:
                await asyncio.sleep(0)  # the cancellation is delivered here, not at some later await


_NO_CONTENT = frozenset([204, 205, 304])
_PLAIN = frozenset([200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 500])
