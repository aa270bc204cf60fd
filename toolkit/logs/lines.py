"""A record as a line: plain, in colours, or JSON.

Whatever a peer has a say in is escaped: a log is read on terminals, which obey escape codes (uvicorn CVE-2020-7694),
and line by line, so that a newline in a path would be a line of its own.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING, Final, Literal, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "REQUEST_ID",
    "JsonLines",
    "LineFormat",
    "PlainLines",
    "Shown",
    "escape",
    "formatter_for",
    "paint",
    "wants_color",
]

LineFormat: TypeAlias = Literal["auto", "plain", "color", "json"]

#: The id of the request that is being served, for every line that is logged meanwhile.
REQUEST_ID: ContextVar[str | None] = ContextVar("toolkit_request_id", default=None)

COLORS: Final[Mapping[str, str]] = {
    **{
        name: str(30 + at)
        for at, name in enumerate(("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"))
    },
    "grey": "90",
}
OF_LEVEL: Final = {
    logging.DEBUG: "grey",
    logging.INFO: "green",
    logging.WARNING: "yellow",
    logging.ERROR: "red",
    logging.CRITICAL: "b_red",
}


class Shown:
    """A record's message that knows how it looks: on a terminal, in a file, to a program. `str` of it is for others."""

    __slots__ = ("row",)

    row: int | None  #: of the terminal, where it is to stand there and nowhere else

    def plain(self) -> str:
        """For a file: one line, or lines of which the later ones are indented."""
        raise NotImplementedError

    def colored(self) -> str:
        """For a terminal."""
        return self.plain()

    def members(self) -> dict[str, object]:
        """For a program: members of a JSON object."""
        raise NotImplementedError


def escape(text: str, quote: str = "") -> str:
    """`text` on one line and without control characters, which become `\\xNN` or `\\uNNNN`; so do those of `quote`."""
    if text.isprintable() and "\\" not in text and not (quote and any(one in text for one in quote)):
        return text
    return "".join(one if (one.isprintable() and one not in quote and one != "\\") else _code(one) for one in text)


def _code(character: str) -> str:
    if character == "\\":
        return "\\\\"
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def paint(text: str, color: str | None) -> str:
    """`text` in a colour ("red", "b_red" for bold), None for none."""
    if color is None:
        return text
    bold, _, name = color.rpartition("_")
    return f"\x1b[{'1;' if bold else ''}{COLORS[name]}m{text}\x1b[0m"


def wants_color(stream: IO[str]) -> bool:
    """Whether colours are understood there: a terminal, unless NO_COLOR is set; anything, if FORCE_COLOR is."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def formatter_for(format: LineFormat, stream: IO[str] | None) -> logging.Formatter:
    """The formatter of that name; "auto" is "color" on a terminal and "plain" elsewhere."""
    if format == "json":
        return JsonLines()
    colored = format == "color" or (format == "auto" and stream is not None and wants_color(stream))
    return PlainLines(colored)


class PlainLines(logging.Formatter):
    """`12:00:00 INFO     toolkit.server: message`, and behind it the traceback, indented."""

    def __init__(self, colored: bool = False) -> None:
        super().__init__()
        self.colored = colored

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        level = f"{record.levelname:<8}"
        if self.colored:
            clock, level = paint(clock, "grey"), paint(level, OF_LEVEL.get(record.levelno, "white"))
        message = record.msg
        if isinstance(message, Shown):
            line = f"{clock} {level} {message.colored() if self.colored else message.plain()}"
            if self.colored and message.row is not None:
                line = f"\x1b[{message.row};1H\x1b[2K{line}"
        else:
            line = f"{clock} {level} {record.name}: {escape(record.getMessage())}"
        named = getattr(record, "request_id", None)
        if named is not None:
            line += f" [{escape(str(named))}]"
        return line + self._trace(record)

    def _trace(self, record: logging.LogRecord) -> str:
        lines = _trace_of(record).splitlines()
        return "".join(f"\n    {escape(line)}" for line in lines)


class JsonLines(logging.Formatter):
    """One JSON object on each line: `time` (RFC 3339), `level`, `logger`, `message`, and what else the record knows."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        whole = int(record.created)
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((record.created - whole) * 1000):03d}Z"
        entry: dict[str, object] = {"time": stamp, "level": record.levelname.lower(), "logger": record.name}
        if isinstance(record.msg, Shown):
            entry |= record.msg.members()
        else:
            entry["message"] = record.getMessage()
        named = getattr(record, "request_id", None)
        if named is not None:
            entry["request_id"] = named
        trace = _trace_of(record)
        if trace:
            entry["traceback"] = trace
        return orjson.dumps(entry, default=str).decode()


def _trace_of(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[1] is not None:
        return "".join(traceback.format_exception(record.exc_info[1]))
    return record.exc_text or ""
