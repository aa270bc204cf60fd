"""The live line: how far a run is, on a terminal's standard error; silent in a pipe."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Final

from toolkit.other.bench.quantities import amount

if TYPE_CHECKING:
    from toolkit.other.bench.options import Options
    from toolkit.other.bench.run import Progress

__all__ = ["ProgressLine"]

PAUSE: Final = 0.2  # seconds between two lines: often enough to look alive, too seldom to disturb
BAR: Final = 20  # characters


class ProgressLine:
    """Writes over itself."""

    def __init__(self, stream: IO[str], options: Options) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._options = options
        self._next = 0.0
        self._last = (0.0, 0)

    def tell(self, progress: Progress) -> None:
        """Show it, if it is time to."""
        if not self._live or (now := time.monotonic()) < self._next:
            return
        self._next = now + PAUSE
        self._stream.write(f"\r\033[K{self.line(progress)}")
        self._stream.flush()

    def line(self, progress: Progress) -> str:
        """What is shown."""
        seconds, answers = self._last
        if progress.seconds <= seconds or progress.answers < answers:
            seconds, answers = 0.0, 0  # another stage
        self._last = (progress.seconds, progress.answers)
        rate = (progress.answers - answers) / max(1e-9, progress.seconds - seconds)
        errors = f", {amount(progress.errors)} errors" if progress.errors else ""
        return f"{self._options.label[:30]}: {progress.stage} {self._bar(progress)} {amount(rate)}/s{errors}"

    def _bar(self, progress: Progress) -> str:
        options = self._options
        if progress.stage == "warm-up":
            part = progress.seconds / options.warm_up
        else:
            by_time = progress.seconds / options.duration if options.duration else 0.0
            by_count = progress.answers / options.requests if options.requests else 0.0
            part = max(by_time, by_count)
        filled = round(min(1.0, part) * BAR)
        return f"[{'#' * filled}{'.' * (BAR - filled)}] {progress.seconds:.1f} s,"

    def clear(self) -> None:
        """Leave nothing behind."""
        if self._live:
            self._stream.write("\r\033[K")
            self._stream.flush()
