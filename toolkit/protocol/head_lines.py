"""The lines of a head that llhttp has taken, and what is cut from them.

llhttp is asked for its verdict alone: no callback is given to it. In a block that it has taken, every line between the
first and the empty one is `token ":" value` and ends in CRLF, so that splitting finds exactly the fields that it would
have told of (a test compares them). A callback costs 1,350 instructions a field, and a browser sends eleven; a line
that is passed over here costs 250, and fields that nobody asks for are never cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from toolkit.protocol.fields import Fields

__all__ = ["DECISIVE", "DECISIVE_ANSWERED", "LINE_END", "cut_fields", "value_of"]

COLON: Final = 0x3A
SPACE: Final = 0x20
CR: Final = 0x0D
# What a head's lines are split by. Each keeps its CR; the last two are CR and nothing. To look for one byte takes a
# fifth of the time for two, and llhttp has seen to it that they come together.
LINE_END: Final = b"\n"
OPTIONAL_SPACE: Final = b" \t\r"


def colons_of(names: bytes) -> list[tuple[int, ...]]:
    """For each first byte of a line the places where its colon stands, if the name is one of these."""
    places: list[tuple[int, ...]] = [()] * 256
    for name in names.split():
        for first in (name[0], name.upper()[0]):
            places[first] = (*places[first], len(name))
    return places


# The fields that decide something below; everything else is carried, not looked at. A first letter and the place of a
# colon rule out nearly all others, without a slice or a search.
DECISIVE: Final = colons_of(b"host content-length transfer-encoding connection proxy-connection expect upgrade")
DECISIVE_ANSWERED: Final = colons_of(b"content-length content-encoding connection transfer-encoding")


def cut_fields(block: bytes) -> Fields:
    """The fields of a head that llhttp has taken."""
    fields: Fields = []
    for line in block.split(LINE_END)[1:-2]:
        name, _, value = line.partition(b":")
        fields.append((name, value.strip(OPTIONAL_SPACE)))
    return fields


def value_of(line: bytes, at: int) -> bytes:
    """The value behind the colon at `at`, without the white space around it and the CR."""
    if len(line) > at + 3 and line[at + 1] == SPACE and line[at + 2] > SPACE and line[-2] > SPACE:
        return line[at + 2 : -1]  # as nearly everybody writes it
    return line[at + 1 :].strip(OPTIONAL_SPACE)
