"""What a person reads at a terminal: heads and JSON, indented and in colours. Pure.

JSON is laid out token by token and not read and written anew: numbers keep the digits that they came with, keys their
order, also those that are there twice. Control characters, which would be commands to the terminal, are written out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Colours", "head_text", "is_binary", "is_json_type", "pretty_json", "printable"]

TOKEN: Final = re.compile(r'[ \t\r\n]*("(?:[^"\\]|\\.)*"|[\[\]{},:]|[^ \t\r\n\[\]{},:"]+)')
UNSHOWN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
IN_STRINGS: Final = re.compile(r"[\x7f-\x9f]")
INDENT: Final = "  "
SNIFFED: Final = 2000  #: bytes looked at for what is no text; curl's number


class Colours:
    """Escape sequences by what they are for; without colours all of them are empty."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def key(self, text: str) -> str:
        """A field's name, a JSON object's key."""
        return self._in("36", text)

    def text(self, text: str) -> str:
        """A JSON string."""
        return self._in("32", text)

    def literal(self, text: str) -> str:
        """A number, true, false, null."""
        return self._in("33", text)

    def status(self, text: str, status: int) -> str:
        """A status line, by the class of its status."""
        return self._in({2: "1;32", 3: "1;33", 4: "1;31", 5: "1;31"}.get(status // 100, "1"), text)

    def faint(self, text: str) -> str:
        """What matters less."""
        return self._in("2", text)


def printable(text: str) -> str:
    """The text without commands to a terminal."""
    return UNSHOWN.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def head_text(line: str, fields: Iterable[tuple[str, str]], status: int, colours: Colours, mark: str = "") -> str:
    """A head as lines of text, each behind `mark`, an empty one at its end; `status` 0: a request's."""
    first = colours.status(printable(line), status) if status else colours._in("1", printable(line))
    lines = [first, *(f"{colours.key(printable(name))}: {printable(value)}" for name, value in fields), ""]
    return "".join(f"{colours.faint(mark)}{one}\n" for one in lines)


def is_binary(start: bytes) -> bool:
    """Whether a body that begins so is none that a terminal should show: there is a NUL in it, as curl has it."""
    return b"\0" in start[:SNIFFED]


def is_json_type(content_type: str) -> bool:
    """`application/json` and its kin that end in `+json`; streams of JSON texts are others."""
    media = content_type.partition(";")[0].strip().lower()
    return media in ("application/json", "text/json") or media.endswith("+json")


def pretty_json(data: bytes, colours: Colours) -> str | None:
    """A JSON text laid out, with a line end behind it; None where it is none."""
    try:
        orjson.loads(data)
        text = data.decode()
    except ValueError:
        return None
    return "".join(_laid_out(TOKEN.findall(text), colours)) + "\n"


def _laid_out(tokens: list[str], colours: Colours) -> Iterator[str]:
    depth = 0
    for at, token in enumerate(tokens):
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        if token in "[{":
            depth += 1
            yield token
            if after not in "]}":
                yield "\n" + INDENT * depth
        elif token in "]}":
            depth -= 1
            if tokens[at - 1] not in "[{":
                yield "\n" + INDENT * depth
            yield token
        elif token == ",":
            yield ",\n" + INDENT * depth
        elif token == ":":
            yield ": "
        elif token[0] == '"':
            shown = IN_STRINGS.sub(lambda found: f"\\u{ord(found[0]):04x}", token)
            yield colours.key(shown) if after == ":" else colours.text(shown)
        else:
            yield colours.literal(token)
