"""Where an answer goes, if not into a file of its own: standard output, or a device, piece by piece as it comes.

At a terminal JSON of modest size is laid out and coloured, and what is no text is not shown. Nothing is held back
otherwise: a piece is written before the next one is read, so that a slow reader slows the server down.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from toolkit.other.cli.channel import Channel
from toolkit.other.cli.pretty import Colours, is_binary, is_json_type, pretty_json
from toolkit.other.cli.statuses import Exit, Stop

if TYPE_CHECKING:
    from toolkit.client.response import Response

__all__ = ["Output", "wants_colours"]

STDOUT: Final = 1
LAID_OUT: Final = 1024 * 1024  #: bytes of JSON that are laid out; more is no reading for a person


def wants_colours(colour: str, descriptor: int) -> bool:
    """Whether to write for a person: on a terminal that knows colours, unless NO_COLOR says no (no-color.org)."""
    if colour != "auto":
        return colour == "always"
    return os.isatty(descriptor) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Output:
    """A descriptor that is written to."""

    def __init__(self, descriptor: int = STDOUT, *, colour: str = "auto", forced: bool = False) -> None:
        """`forced`: its user has named it, so that it gets whatever comes."""
        self._descriptor = descriptor
        self._channel = Channel(f"output {descriptor}")
        self._terminal = os.isatty(descriptor) and not forced
        self.colours = Colours(wants_colours(colour, descriptor))
        self.size = 0

    async def write(self, data: bytes) -> None:
        """All of it. Raises `Stop`: a pipe that nobody reads any longer ends us without a word."""
        try:
            await self._channel.call(lambda: _write(self._descriptor, data))
        except BrokenPipeError:
            raise Stop(Exit.WRITE, "") from None
        except OSError as error:
            raise Stop(Exit.WRITE, f"cannot write the answer: {error.strerror}") from error

    async def body(self, x: Response, *, live: bool) -> None:
        """The answer's body; `live`: it comes while the request is being made, so none of it waits for the rest."""
        if self.colours.on and not live and is_json_type(x.content_type):
            await self._json(x)
            return
        first = True
        async for data in x:
            if first and self._terminal and is_binary(data):
                raise Stop(
                    Exit.WRITE, "the answer is no text, and may confuse a terminal; -o FILE saves it, -o - shows it"
                )
            first = False
            self.size += len(data)
            await self.write(data)

    async def _json(self, x: Response) -> None:
        """Laid out, unless it is too much, or none."""
        held = bytearray()
        async for data in x:
            self.size += len(data)
            held += data
            if len(held) > LAID_OUT:
                await self.write(bytes(held))
                break
        else:
            data = bytes(held)
            shown = pretty_json(data, self.colours) if x.charset == "utf-8" else None
            await self.write(data if shown is None else shown.encode())
            return
        async for data in x:
            self.size += len(data)
            await self.write(data)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
