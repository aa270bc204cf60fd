"""How far a download is: the figures, and a line of them that writes over itself on a terminal.

The line is on standard error, and only where that is a terminal: a log or a pipe gets nothing. It is drawn at most five
times a second. The rate is of the last seconds, so that it tells what the link does now.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Progress", "ProgressBar", "amount", "duration", "progress_line"]

PAUSE: Final = 0.2  #: seconds between two lines
WINDOW: Final = 5.0  #: seconds that the rate is taken from
NARROWEST, WIDEST = 8, 40  #: columns of the bar itself
UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a download stands, in bytes: `done` of `total` (None: unknown) are here, `resumed` of them from before."""

    name: str
    done: int
    total: int | None
    resumed: int


def amount(size: float) -> str:
    """Bytes, by three digits or so."""
    at = 0
    while size >= 1000 and at < len(UNITS) - 1:
        size /= 1024
        at += 1
    return f"{size:.0f} {UNITS[at]}" if at == 0 or size >= 99.95 else f"{size:.1f} {UNITS[at]}"


def duration(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`; days are hours, too."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_line(progress: Progress, rate: float | None, width: int, *, ended: bool = False) -> str:
    """One line of less than `width` columns; `rate` in bytes a second, None: not known yet."""
    done, total = progress.done, progress.total
    speed = "" if rate is None else f"  {amount(rate)}/s"
    if total is None:
        figures = f"{amount(done)}{speed}"
        bar = ""
    else:
        part = min(1.0, done / total) if total else 1.0
        left = ""
        if not ended and rate is not None:
            left = f"  {duration((total - done) / rate)} left" if rate > 0 else "  stalled"
        figures = f"{int(part * 100):3}%  {amount(done)} of {amount(total)}{speed}{left}"
        room = min(WIDEST, width - len(figures) - 24)
        bar = f"[{'#' * int(part * room):.<{room}}] " if room >= NARROWEST else ""
    room = width - len(bar) - len(figures) - 3
    name = "".join(c if c.isprintable() else "?" for c in progress.name)
    if len(name) > room:
        name = name[: room - 1] + "…" if room > 1 else ""
    return f"{name}{'  ' if name else ''}{bar}{figures}"[: width - 1]


class ProgressBar:
    """Tell it the progress; it shows it, if there is a terminal. `ended()` leaves the last line where it is."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        width: int | None = None,
    ) -> None:
        """`stream` None: standard error; `live` None: if it is a terminal; `width` in columns, None: the terminal's."""
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() if live is None else live
        self._clock = clock
        self._width = width
        self._next = 0.0
        self._times: deque[tuple[float, int]] = deque()
        self._began: tuple[float, int] | None = None
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show it, if it is time to."""
        self._last = progress
        if not self._live:
            return
        now = self._clock()
        if self._began is None:
            self._began = (now, progress.resumed)
        if now < self._next:
            return
        self._next = now + PAUSE
        times = self._times
        if times and times[-1][1] > progress.done:
            times.clear()  # it began anew
        times.append((now, progress.done))
        while len(times) > 2 and now - times[0][0] > WINDOW:
            times.popleft()
        seconds = now - times[0][0]
        self._draw(progress, (progress.done - times[0][1]) / seconds if seconds > 0 else None)

    def ended(self) -> None:
        """The last line, with the mean rate, stays."""
        if self._live and self._last is not None and self._began is not None:
            seconds = max(self._clock() - self._began[0], 1e-3)
            self._draw(self._last, max(0, self._last.done - self._began[1]) / seconds, ended=True)
            self._stream.write("\n")
            self._stream.flush()

    def _draw(self, progress: Progress, rate: float | None, *, ended: bool = False) -> None:
        width = shutil.get_terminal_size().columns if self._width is None else self._width
        self._stream.write(f"\r\033[K{progress_line(progress, rate, width, ended=ended)}")
        self._stream.flush()
