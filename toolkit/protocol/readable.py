"""The reading half of an exchange: the inbound body by pieces, whole, as text, JSON, XML or lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from toolkit.errors import Disconnected, LimitExceeded, RemoteProtocolError, UseError, caused
from toolkit.protocol.compiled import mypyc_attr
from toolkit.protocol.inbound import Pull, decoding
from toolkit.protocol.lines import decode_text, lines_of
from toolkit.protocol.wire import READY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from toolkit.protocol.decoding import Decoder
    from toolkit.protocol.events import Event
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.inbound import Inbound
    from toolkit.protocol.limits import Limits
    from toolkit.protocol.wire import Wire

__all__ = ["Json", "Readable"]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


@mypyc_attr(allow_interpreted_subclasses=True)
class Readable:
    """What can be done with an inbound body; `Exchange` is one."""

    __slots__ = ("_in", "_whole", "_wire")

    _in: Inbound | None
    _whole: bytes | None
    _wire: Wire | None

    @property
    def content_type(self) -> str:
        """The inbound content-type field, "" without one."""
        raise NotImplementedError

    @property
    def _limits(self) -> Limits:
        """Those of this end."""
        raise NotImplementedError

    def _say(self, text: str) -> str:
        """`text`, with method and URL."""
        raise NotImplementedError

    def _failure(self, error: Exception | None, phase: str) -> Exception:
        """`error` again, with method, URL, phase and bytes moved."""
        raise NotImplementedError

    def pull(self, decode: bool = True, size: int | None = None) -> Pull:
        """Iterate over the inbound body and claim it for the running task.

        `decode=False` gives coded bytes as they came; `size` gives pieces of exactly so many bytes, the last one
        shorter. Raises `Busy` while another living task reads, `UseError` after a whole-body read. While iterating:
        `Disconnected`, `RemoteProtocolError` (coding, framing), `ReadTimeout`. Cancelling a read loses nothing.
        """
        inbound = self._in
        if inbound is not None:
            if inbound.mode == "whole":
                raise UseError(self._say("pull() after the body was read whole; use what read() returned"))
            self._claim(inbound, "pull()")
            decoding(inbound, decode)
        return Pull(self, inbound, decode, size)

    def __aiter__(self) -> Pull:
        return self.pull()

    async def read(self, limit: int | None = None) -> bytes:
        """The whole inbound body, decoded and cached.

        `limit` in bytes, `Limits.read` without one; over it `LimitExceeded`. After streaming began: `UseError`.
        """
        whole = self._take_whole(limit)
        if whole is not None:
            return whole
        inbound = self._in
        assert inbound is not None
        self._claim(inbound, "read()")
        if inbound.mode is not None:
            raise UseError(self._say("read() after streaming began; read whole or iterate, not both"))
        if limit is None:
            limit = self._limits.read
        pull = self.pull()
        inbound.mode = "whole"
        parts: list[bytes] = []
        size = 0
        async for part in pull:
            size += len(part)
            if size > limit:
                await pull.aclose()
                raise self._refused(LimitExceeded(f"the body is over {limit} bytes; read(limit=...) or iterate"))
            parts.append(part)
        self._whole = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._whole

    def _take_whole(self, limit: int | None = None) -> bytes | None:
        """The whole body, cached, where it is read already or all of it is here undecoded; otherwise None."""
        whole = self._whole
        if whole is not None:
            return whole
        inbound = self._in
        if inbound is None:
            self._whole = b""
            return b""
        if not inbound.ended or inbound.error is not None or inbound.mode is not None or inbound.coding:
            return None
        count = inbound.buffered
        if count > (self._limits.read if limit is None else limit):
            return None
        if inbound.owner is not None:
            self._claim(inbound, "read()")
        inbound.mode = "whole"
        chunks = inbound.chunks
        self._whole = whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        inbound.owner = None
        inbound.buffered = 0
        if self._wire is not None:
            self._wire.consumed(self, count)
        return whole

    def _claim(self, inbound: Inbound, call: str) -> None:
        """For the running task. Raises `Busy` while another living task reads."""
        wire = self._wire
        if wire is not None:  # the URL is written out only where it may be needed
            inbound.claim(wire.owner(), call if inbound.owner is None else self._say(call))

    async def text(self, limit: int | None = None) -> str:
        """The whole body as text. Bad bytes become U+FFFD.

        By the charset of its byte order mark, else of its content-type, else UTF-8.
        """
        self._check_charset()
        return decode_text(await self.read(limit), self.content_type)

    async def json(self, limit: int | None = None, *, any_type: bool = False) -> Json:
        """The whole body, parsed. Raises `RemoteProtocolError` (status hint 400) when it is not JSON (RFC 8259).

        On a server a content type that says something else is refused (415) unless `any_type` is true.
        """
        import orjson

        charset = self._expect_type("json", any_type)
        data = await self.read(limit)
        try:
            if charset is not None:
                data = data.decode(charset).encode()
            elif data.startswith(b"\xef\xbb\xbf"):  # RFC 8259 8.1: a mark is not to be sent, and may be passed over
                data = data[3:]
            value: Json = orjson.loads(data)
        except ValueError as error:
            raise caused(self._refused(RemoteProtocolError(f"the body is not JSON: {error}")), None)
        return value

    async def xml(self, limit: int | None = None, *, any_type: bool = False) -> dict[str, Json]:
        """The whole body as xmltodict reads it. Needs the extra `xml`. Raises `RemoteProtocolError` for bad XML.

        On a server a content type that says something else is refused (415) unless `any_type` is true.
        """
        import xmltodict

        self._expect_type("xml", any_type)
        data = await self.read(limit)
        try:
            value: dict[str, Json] = xmltodict.parse(data)
        except (xmltodict.expat.ExpatError, ValueError, LookupError) as error:  # type: ignore[attr-defined]
            raise caused(self._refused(RemoteProtocolError(f"the body is not XML: {error}")), None)
        return value

    def _check_charset(self) -> None:
        """Judge the charset of a body that is to be read as text; an end that asked for it takes what it gets."""

    def _expect_type(self, kind: str, any_type: bool) -> str | None:
        """Judge the content type of a body that is to be read as `kind`; gives its charset where it is not UTF-8."""
        return None

    def lines(self, limit: int | None = None) -> AsyncIterator[str]:
        """The body's lines as they arrive, without their ends (LF or CRLF).

        A line over `limit` characters, `Limits.read` without one, is `LimitExceeded`.
        """
        self._check_charset()
        return lines_of(self, limit)

    def events(self, limit: int | None = None) -> AsyncIterator[Event]:
        """The body's server-sent events as they arrive (text/event-stream, WHATWG HTML 9.2).

        An event over `limit` bytes, 1 MiB without one, is `LimitExceeded`.
        """
        from toolkit.protocol.events import events_of

        return events_of(self, limit)

    def _refused(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """`error`, with this exchange and what it is about."""
        fresh = type(error)(self._say(error.fault), error.status_hint, fault=error.fault)
        fresh.exchange = cast("Exchange", self)
        return fresh

    # -- waiting and decoding ----------------------------------------------------------------------------------

    def _start_decoding(self, inbound: Inbound) -> Decoder | None:
        """The decoder of this body; remembers that there is none for `identity`."""
        from toolkit.protocol.decoding import make_decoder

        limits = self._limits
        inbound.decoder = make_decoder(inbound.coding, step=limits.decode_step, depth=limits.coding_depth)
        if inbound.decoder is None:
            inbound.coding = ""
        return inbound.decoder

    def _receive(self, inbound: Inbound) -> Awaitable[None]:
        """To be awaited: something arrives. The first to wait is who the peer's 100-continue waits for."""
        wire = self._wire
        if wire is None:
            if not inbound.ended:
                inbound.fail(Disconnected("the connection is gone"))
            return READY
        if inbound.expect:
            inbound.expect = False
            wire.send_continue()
        return wire.receive(cast("Exchange", self))

    def _consumed(self, count: int) -> None:
        if self._wire is not None:
            self._wire.consumed(self, count)
