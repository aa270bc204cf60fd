"""Wire: the one small interface an exchange talks to. HTTP/1.1 today; an HTTP/2 stream can be one tomorrow.

An exchange knows heads, bodies and ends. How they become bytes on a link, when the link is full, and what a credit is,
is the wire's business. What arrives goes the other way, into the exchange's `Inbound`: the wire feeds it.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.framing import Framing
    from toolkit.protocol.headers import Fields
    from toolkit.protocol.limits import Limits
    from toolkit.protocol.readable import Readable

__all__ = ["READY", "Caps", "Moved", "Owner", "Wire"]


class Caps(NamedTuple):
    """What a link can do."""

    half_close: bool  #: end one direction and keep the other (no TLS can)
    reset: bool  #: end so that the peer sees an error (TCP's RST)
    zero_copy: bool  #: move bytes from socket to socket, or from file to socket, inside the kernel


class Moved(NamedTuple):
    """Bytes moved, by method."""

    splice: int = 0
    sendfile: int = 0
    copy: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.splice + self.sendfile + self.copy


class Ready:
    """An awaitable with nothing to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


READY: Final = Ready()


class Owner(Protocol):
    """Who reads a body: an asyncio task, or what stands for one in a test."""

    def done(self) -> bool:
        """Gone, and its claim with it."""


class Wire(Protocol):
    """One exchange's view of the link. No method blocks; the coroutines wait, and so does what `receive` gives."""

    blocked: bool  #: more than `Limits.write_mark` bytes are waiting for the kernel
    limits: Limits

    @property
    def caps(self) -> Caps:
        """What the link below can do."""

    def send_interim(self, status: int, fields: Fields) -> None:
        """A 1xx head."""

    def send_head(self, x: Exchange, fields: Fields, framing: Framing, length: int) -> None:
        """The final head of what `x` sends; fields of framing are the wire's own."""

    def send_whole(self, x: Exchange, fields: Fields, body: bytes, lines: bytes | None = None) -> None:
        """Head, body and end in one write. `lines`: the fields once more, as they stand on the wire."""

    def send_part(self, x: Exchange, data: bytes) -> None:
        """A piece of the body, never empty."""

    def send_end(self, x: Exchange, trailers: Fields) -> None:
        """The clean end."""

    def send_continue(self) -> None:
        """100 Continue, once: somebody is about to read."""

    def switch(self, x: Exchange) -> bytes:
        """Raw bytes from here on, both ways; returns those that have come already."""

    def consumed(self, x: Readable, count: int) -> None:
        """`count` bytes have left the inbound buffer: credit for the sender."""

    def inbound_left(self, x: Exchange) -> int:
        """Bytes of a body of known length that have not been received; 0 where the length is unknown."""

    def in_chunk(self, x: Exchange) -> int:
        """What the chunk that is arriving still lacks, if the wire can pass it on by `forward`; 0 otherwise."""

    def reset(self, x: Exchange, reason: str) -> None:
        """End the exchange so that the peer cannot take it for a clean end."""

    def owner(self) -> Owner | None:
        """Who is running now."""

    def turn(self) -> AbstractAsyncContextManager[object]:
        """A lock whose waiters go in order."""

    def later(self, call: Callable[[], None]) -> None:
        """Call once the running code waits for something."""

    async def drain(self) -> None:
        """Wait until `blocked` is False. Raises `Disconnected`, `WriteTimeout`."""

    def receive(self, x: Exchange) -> Awaitable[None]:
        """To be awaited at once: over when something has arrived for `x` or the link has ended. It tells nothing more:
        whoever waits looks again.
        """

    async def offload(self, call: Callable[[bytes], bytes], data: bytes) -> bytes:
        """`call(data)` off the event loop."""

    async def send_file(self, x: Exchange, file: IO[bytes], offset: int, count: int) -> int:
        """Send `count` bytes of the file by sendfile(2); returns how many went that way."""

    async def forward(self, x: Exchange, source: Exchange) -> int:
        """Send on `source`'s chunks as they come, until one is not plain; returns how many bytes of payload went."""

    async def splice(self, x: Exchange, source: Exchange) -> int:
        """Move the rest of `source`'s inbound body to `x` by splice(2); returns how many bytes went that way."""
