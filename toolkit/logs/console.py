"""`log`: a console for programs, in colours, that may be awaited.

A call writes at once, as far as its caller is concerned: the line is on its way to the terminal when it returns, and a
coroutine may await the call as well, which gives other tasks their turn. It is a logger of the standard library,
`toolkit.log`; a program that gives that one a handler gets its records there.
"""

from __future__ import annotations

import asyncio
import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from toolkit.logs.lines import OF_LEVEL, Shown, escape, paint
from toolkit.logs.outlet import LogOutput, Outlet

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Console", "log"]

ROW: Final = re.compile(r"<line_(\d{1,4})>")


class Written:
    """What a call gives: nothing, to be awaited or not."""

    __slots__ = ()

    def __await__(self) -> Generator[object, None, None]:
        return asyncio.sleep(0).__await__()


class Say(Protocol):
    """`log.info("label", "a line", "another line")`."""

    def __call__(self, label: object = "", *lines: object) -> Written:
        """Write `label`, and below it the lines."""


class Message(Shown):
    """What was said."""

    __slots__ = ("color", "label", "lines")

    def __init__(self, label: str, lines: tuple[str, ...], color: str | None, row: int | None) -> None:
        self.label = label
        self.lines = lines
        self.color = color
        self.row = row

    def __str__(self) -> str:
        return "\n".join([self.label, *self.lines])

    def plain(self) -> str:
        return "\n    ".join(escape(line) for text in (self.label, *self.lines) for line in text.split("\n"))

    def colored(self) -> str:
        first, *rest = (escape(line) for text in (self.label, *self.lines) for line in text.split("\n"))
        return "\n    ".join([paint(first, self.color), *rest])

    def members(self) -> dict[str, object]:
        return {"message": self.label, "lines": list(self.lines)} if self.lines else {"message": self.label}


class _Verb:
    """A method of `Console`: a level and a colour."""

    __slots__ = ("color", "level")

    def __init__(self, level: int, color: str | None = None) -> None:
        self.level = level
        self.color = OF_LEVEL[level] if color is None else color

    def __get__(self, console: Console, owner: type[Console]) -> Say:
        return partial(console.say, self.level, self.color)


class Console:
    """Levels (`debug` to `critical`) and colours (`red`, `b_red` for bold, ...), each called with a label and lines.

    A first argument `<line_7>` puts the line into row 7 of the terminal, in place of what stands there: for progress
    that is to be seen at one place. Elsewhere it is left out.
    """

    debug = _Verb(logging.DEBUG)
    info = _Verb(logging.INFO)
    warning = _Verb(logging.WARNING)
    error = _Verb(logging.ERROR)
    critical = _Verb(logging.CRITICAL)
    red, b_red = _Verb(logging.INFO, "red"), _Verb(logging.INFO, "b_red")
    green, b_green = _Verb(logging.INFO, "green"), _Verb(logging.INFO, "b_green")
    yellow, b_yellow = _Verb(logging.INFO, "yellow"), _Verb(logging.INFO, "b_yellow")
    blue, b_blue = _Verb(logging.INFO, "blue"), _Verb(logging.INFO, "b_blue")
    magenta, b_magenta = _Verb(logging.INFO, "magenta"), _Verb(logging.INFO, "b_magenta")
    cyan, b_cyan = _Verb(logging.INFO, "cyan"), _Verb(logging.INFO, "b_cyan")
    white, b_white = _Verb(logging.INFO, "white"), _Verb(logging.INFO, "b_white")
    grey, b_grey = _Verb(logging.INFO, "grey"), _Verb(logging.INFO, "b_grey")

    def __init__(self, name: str = "toolkit.log", output: LogOutput | None = None) -> None:
        self.logger = logging.getLogger(name)
        self._outlet = None if output is None else Outlet(output)
        if self.logger.level == logging.NOTSET:
            self.logger.setLevel(logging.INFO)

    @property
    def level(self) -> int:
        """Nothing below it is written (INFO, until it is set)."""
        return self.logger.level

    @level.setter
    def level(self, level: int | str) -> None:
        self.logger.setLevel(level)

    def __call__(self, label: object = "", *lines: object) -> Written:
        return self.say(logging.INFO, None, label, *lines)

    def say(self, level: int, color: str | None, label: object = "", *lines: object) -> Written:
        """Write at a level, in a colour."""
        logger = self.logger
        if logger.isEnabledFor(level):
            row = None
            if isinstance(label, str) and (found := ROW.fullmatch(label)) is not None:
                row, label, lines = int(found[1]), lines[0] if lines else "", lines[1:]
            message = Message(str(label), tuple(map(str, lines)), color, row)
            record = logger.makeRecord(logger.name, level, "", 0, message, (), None)
            if self._outlet is None and not logger.hasHandlers():
                self._outlet = Outlet(LogOutput(level="DEBUG"))  # the logger's own level is what counts
            if self._outlet is None:
                logger.handle(record)
            else:
                self._outlet.handle(record)
        return Written()

    def flush(self) -> None:
        """Wait until everything is written."""
        if self._outlet is not None:
            self._outlet.flush()


#: The console that programs share.
log: Final = Console()
