"""The access log: a record for each exchange that has ended, whichever way.

`App(access_log=True)` is all there is to do. A record is made when the answer is out, or broke off, and goes to the
logger `toolkit.access` by way of `logging`; its message is an `AccessEntry`, which becomes text where somebody writes
it, and that is another thread. Without an access log the price is one `is None` at either end of an exchange.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from toolkit.errors import UseError
from toolkit.logs.lines import JsonLines, LineFormat, PlainLines, Shown, escape, paint
from toolkit.logs.outlet import LogOutput, Outlet
from toolkit.protocol.states import DONE, State

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from toolkit.protocol.headers import Fields
    from toolkit.server.connection import ServerConnection
    from toolkit.server.request import Request

__all__ = ["AccessEntry", "AccessLog", "AccessRecorder"]

AccessFormat: TypeAlias = Literal["auto", "common", "combined", "plain", "color", "json"]

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STATUS_COLORS: Final = {1: "cyan", 2: "green", 3: "cyan", 4: "yellow", 5: "red"}
QUOTE: Final = '"'


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLog:
    """What becomes of the access log. `common` and `combined` are the formats that log analysers know.

    Without `file` the records go to whatever handlers the logger `toolkit.access` has, or to standard error if it has
    none. See `LogOutput` for `rotate` and `keep`.
    """

    format: AccessFormat = "auto"  #: "auto": "color" on a terminal, "combined" elsewhere
    file: str | os.PathLike[str] | None = None
    rotate: int | None = None  #: bytes
    keep: int = 5  #: a count
    skip: Callable[[Request], bool] | None = None  #: true for what is not to be logged: health checks, say

    def __post_init__(self) -> None:
        if self.format not in get_args(AccessFormat):
            raise UseError(f"AccessLog(format={self.format!r}): expected one of {', '.join(get_args(AccessFormat))}")


class AccessEntry(Shown):
    """One exchange that has ended. `status` is None where no answer began; `whole` is False where it broke off."""

    __slots__ = (
        "fields",
        "method",
        "peer",
        "received",
        "request_id",
        "seconds",
        "sent",
        "status",
        "target",
        "time",
        "version",
        "whole",
    )

    def __init__(self, peer: str, status: int | None, at: float) -> None:
        self.row = None
        self.peer = peer
        self.status = status
        self.time = at  # seconds since the epoch
        self.method = self.target = self.version = ""
        self.sent = 0  # bytes of the body
        self.received = 0  # likewise
        self.seconds = 0.0  # from the request's head to the end
        self.request_id: str | None = None
        self.fields: Fields = []  # of the request
        self.whole = True

    def field(self, name: bytes) -> str:
        """A request field, as it came; "" without it."""
        return next((value.decode("latin-1") for key, value in self.fields if key.lower() == name), "")

    def __str__(self) -> str:
        return self.combined()

    def common(self) -> str:
        """The Common Log Format."""
        t = time.gmtime(self.time)
        stamp = (
            f"{t.tm_mday:02d}/{MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"
        )
        asked = f"{escape(self.method, QUOTE)} {escape(self.target, QUOTE)} HTTP/{self.version}" if self.method else "-"
        return f'{self.peer or "-"} - - [{stamp}] "{asked}" {self.status or "-"} {self.sent}'

    def combined(self) -> str:
        """The same, with referrer and user agent."""
        named = (escape(self.field(name), QUOTE) or "-" for name in (b"referer", b"user-agent"))
        return self.common() + "".join(f' "{one}"' for one in named)

    def plain(self) -> str:
        asked = f"{escape(self.method)} {escape(self.target)}" if self.method else "-"
        broken = "" if self.whole else " (broken off)"
        return f"{self.peer or '-'} {asked} {self.status or '-'} {self.sent} B {self.seconds * 1000:.1f} ms{broken}"

    def colored(self) -> str:
        status = "-" if self.status is None else paint(str(self.status), STATUS_COLORS.get(self.status // 100))
        asked = f"{escape(self.method)} {escape(self.target)}" if self.method else "-"
        broken = "" if self.whole else paint(" (broken off)", "red")
        rest = paint(f"{self.sent} B {self.seconds * 1000:.1f} ms {self.peer or '-'}", "grey")
        return f"{status} {asked} {rest}{broken}"

    def members(self) -> dict[str, object]:
        return {
            "peer": self.peer,
            "method": self.method,
            "target": self.target,
            "version": self.version,
            "status": self.status,
            "sent": self.sent,
            "received": self.received,
            "seconds": round(self.seconds, 6),
            "whole": self.whole,
            "referer": self.field(b"referer"),
            "user_agent": self.field(b"user-agent"),
        }


class _EntryLines(logging.Formatter):
    """`common` or `combined`, nothing else on the line."""

    def __init__(self, format: str) -> None:
        super().__init__()
        self._combined = format == "combined"

    def format(self, record: logging.LogRecord) -> str:
        """One entry; what else the outlet has to say (lines that were lost) as a comment."""
        entry = record.msg
        if not isinstance(entry, AccessEntry):
            return f"# {escape(record.getMessage())}"
        return entry.combined() if self._combined else entry.common()


def _formatter(format: AccessFormat) -> tuple[logging.Formatter | None, LineFormat]:
    """A formatter, or the name of one that depends on where the lines go."""
    if format in ("common", "combined"):
        return _EntryLines(format), "plain"
    if format == "json":
        return JsonLines(), "json"
    if format == "plain":
        return PlainLines(), "plain"
    return None, "color" if format == "color" else "auto"


class AccessRecorder:
    """Makes the records of one running application."""

    def __init__(self, options: AccessLog) -> None:
        self.now = time.perf_counter  # a loop's own clock stands still while it works, and uvloop's counts in ms
        self._options = options
        self._logger = logging.getLogger("toolkit.access")
        self._outlet: Outlet | None = None
        if options.file is not None or not self._logger.hasHandlers():
            self._outlet = self._own_outlet()
        if self._logger.level == logging.NOTSET:
            self._logger.setLevel(logging.INFO)

    def _own_outlet(self) -> Outlet:
        options = self._options
        format = options.format
        if format == "auto" and options.file is not None:
            format = "combined"
        formatter, name = _formatter(format)
        return Outlet(LogOutput(file=options.file, format=name, rotate=options.rotate, keep=options.keep), formatter)

    def record(self, connection: ServerConnection, r: Request, began: float) -> None:
        """An exchange has ended that `began` then, by `now`."""
        skip = self._options.skip
        if not self._logger.isEnabledFor(logging.INFO) or (skip is not None and skip(r)):
            return
        entry = AccessEntry(r.ip_host, r.status, connection.watch.clock.wall())
        entry.method, entry.target, entry.version = r.method, r.target, r.http_version
        entry.fields = r._head.fields
        entry.sent, entry.received = r._sent, r.received_len
        entry.seconds = self.now() - began
        state: State = r._out
        entry.whole = state is DONE
        entry.request_id = r.request_id
        self._tell(entry)

    def refused(self, connection: ServerConnection, status: int) -> None:
        """Bytes that were no request have been answered."""
        self._tell(AccessEntry(connection.peer[0], status, connection.watch.clock.wall()))

    def _tell(self, entry: AccessEntry) -> None:
        logger = self._logger
        record = logger.makeRecord(logger.name, logging.INFO, "", 0, entry, (), None)
        if entry.request_id is not None:
            record.request_id = entry.request_id
        if self._outlet is None:
            logger.handle(record)
        elif logger.filter(record):
            self._outlet.handle(record)

    def close(self) -> None:
        """Write what waits."""
        if self._outlet is not None:
            self._outlet.close()
