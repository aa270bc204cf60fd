"""Where lines go: the terminal or a file, by a thread of its own.

A record is put into a bounded queue and that is all the event loop does; the thread makes a line of it and writes. When
the disk is slower than the program, the queue fills and records are dropped, and the next line that fits says how many:
a server that stands still because its log does is worse than a gap in a log.

A thread does not survive a fork. The first record in a new process finds that out and starts another.
"""

from __future__ import annotations

import atexit
import logging
import logging.handlers
import os
import queue
import sys
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, get_args

from toolkit.errors import UseError
from toolkit.logs.lines import REQUEST_ID, LineFormat, formatter_for

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LogOutput", "Outlet", "log_to"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutput:
    """Where lines go and what they look like.

    A file that is moved away (by logrotate) is opened anew. `rotate` does without such a program, in a single process.
    """

    file: str | os.PathLike[str] | None = None  #: None: standard error
    format: LineFormat = "auto"  #: "auto": colours on a terminal, plain elsewhere; "plain", "color", "json"
    rotate: int | None = None  #: bytes; a file over it is renamed to file.1, that to file.2, ...; None: never
    keep: int = 5  #: how many such files there are, a count
    level: int | str = "INFO"  #: nothing below it is written
    waiting: int = 10_000  #: records that wait for the writer, a count; over it they are dropped, and counted

    def __post_init__(self) -> None:
        if self.format not in get_args(LineFormat):
            raise UseError(f"LogOutput(format={self.format!r}): expected one of {', '.join(get_args(LineFormat))}")
        if isinstance(self.level, str) and self.level not in logging.getLevelNamesMapping():
            raise UseError(f"LogOutput(level={self.level!r}): expected a level of logging, such as 'INFO'")
        if self.rotate is not None and self.file is None:
            raise UseError("LogOutput(rotate=...) without file=: there is nothing to rename")


class Outlet(logging.Handler):
    """A handler that hands records to its thread, which is started by the first of them; `close` ends it."""

    def __init__(self, output: LogOutput, formatter: logging.Formatter | None = None) -> None:
        super().__init__(output.level)
        self._output = output
        self._formatter = formatter
        self._pid = 0
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._dropped = 0
        if output.file is not None:  # now, since later nobody would see that it cannot be written
            with open(output.file, "ab"):
                pass

    def emit(self, record: logging.LogRecord) -> None:
        """Put it into the queue."""
        if self._pid != os.getpid():
            self._start()
        named = REQUEST_ID.get()
        if named is not None:
            record.request_id = named
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def _start(self) -> None:
        self._pid = os.getpid()
        self._queue = queue.Queue(self._output.waiting)
        self._thread = threading.Thread(target=self._write, args=(self._queue,), name="toolkit-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            self._pid = 0
            self._queue.put(None)
            thread.join()
            atexit.unregister(self.close)
        super().close()

    def flush(self) -> None:
        """Wait until everything that was logged so far is written."""
        if self._thread is not None and self._pid == os.getpid():
            self._queue.join()

    # -- the thread --------------------------------------------------------------------------------------------

    def _write(self, records: queue.Queue[logging.LogRecord | None]) -> None:
        handler = self._open()
        while True:
            record = records.get()
            try:
                if record is None:
                    break
                if self._dropped:
                    lost, self._dropped = self._dropped, 0
                    text = f"{lost} lines were lost: they came faster than they could be written"
                    handler.emit(logging.LogRecord("toolkit.logs", logging.WARNING, "", 0, text, None, None))
                handler.emit(record)
            finally:
                records.task_done()
        handler.close()

    def _open(self) -> logging.StreamHandler[IO[str]]:
        output = self._output
        handler: logging.StreamHandler[IO[str]]
        if output.file is None:
            handler = logging.StreamHandler(sys.stderr)
        elif output.rotate is not None:
            handler = logging.handlers.RotatingFileHandler(  # type: ignore[assignment]
                output.file, maxBytes=output.rotate, backupCount=output.keep, encoding="utf-8"
            )
        else:
            handler = logging.handlers.WatchedFileHandler(output.file, encoding="utf-8")  # type: ignore[assignment]
        handler.setFormatter(self._formatter or formatter_for(output.format, handler.stream))
        return handler


class log_to:
    """Write what the toolkit logs (or another `logger`), from now on until `close()` or the end of the block."""

    def __init__(self, output: LogOutput = LogOutput(), *, logger: str = "toolkit") -> None:
        self._logger = logging.getLogger(logger)
        self._outlet = Outlet(output)
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.addHandler(self._outlet)
        self._logger.setLevel(output.level)
        self._logger.propagate = False  # or what the program has set up for all would write it once more

    def flush(self) -> None:
        """Wait until everything that was logged so far is written."""
        self._outlet.flush()

    def close(self) -> None:
        """As it was before; what waits is written."""
        self._logger.removeHandler(self._outlet)
        self._logger.setLevel(self._before[0])
        self._logger.propagate = self._before[1]
        self._outlet.close()

    def __enter__(self) -> log_to:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
