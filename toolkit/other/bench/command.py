"""The subcommand: arguments in, a run or the self-test, reports out."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from toolkit.errors import ToolkitError
from toolkit.other.bench.arguments import Command, parse
from toolkit.other.bench.builtin import builtin_server, self_test
from toolkit.other.bench.chart import document_svg
from toolkit.other.bench.compare import Difference, compare, comparison, other_settings, worse_than
from toolkit.other.bench.figures import Document, RunFigures, as_json, document, figures, read_document
from toolkit.other.bench.options import Options, tls_context
from toolkit.other.bench.page import page
from toolkit.other.bench.processes import make_run
from toolkit.other.bench.progress import ProgressLine
from toolkit.other.bench.report import Style, overview, report
from toolkit.other.bench.run import Run, Stage
from toolkit.protocol.aio.loop import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.other.bench.processes import Processes

__all__ = ["FAILED", "INTERRUPTED", "WORSE", "main"]

FAILED: Final = 1
WRONG: Final = 2
WORSE: Final = 3
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count


class Bench:
    """One call of the command: the runs it makes, and what stops them."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._running: Run | Processes | None = None
        self.interrupted = False
        self.runs: list[RunFigures] = []
        self.error: ToolkitError | None = None

    def interrupt(self) -> None:
        """SIGINT: end early. A second one ends at once."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        if self._running is not None:
            self._running.stop()

    async def all(self) -> None:
        """Every run that the command asks for. An error is kept, beside the runs before it."""
        with self._interruptible():
            try:
                await self._all()
            except ToolkitError as error:
                self.error = error

    async def _all(self) -> None:
        command = self._command
        if not command.on_self and command.options is not None:
            await self._one(command.options)
            return
        async with builtin_server() as base:
            if command.options is not None:
                await self._one(replace(command.options, url=base + command.options.target.path))
                return
            scenarios = self_test(base, command.common)
            options = next(scenarios)
            with contextlib.suppress(StopIteration):
                while not self.interrupted:
                    options = scenarios.send(await self._one(options))

    async def _one(self, options: Options) -> RunFigures:
        line = ProgressLine(sys.stderr, options)
        self._running = bench = make_run(options)
        if self.interrupted:
            bench.stop()
        try:
            record = await bench.go(Stage(tell=line.tell))
        finally:
            self._running = None
            line.clear()
        found = figures(options, record, interrupted=self.interrupted)
        self.runs.append(found)
        return found

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        here = threading.current_thread() is threading.main_thread() and sys.platform != "win32"
        if here:
            loop.add_signal_handler(signal.SIGINT, self.interrupt)
        try:
            yield
        finally:
            if here:
                loop.remove_signal_handler(signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """`toolkit bench`. Returns the exit status; raises SystemExit for wrong arguments and for --help."""
    command = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        old = None if command.compare is None else read_document(command.compare)
        if command.options is not None:
            tls_context(command.options)  # a file of authorities that is none is an argument that is wrong
    except (ToolkitError, OSError) as error:
        return _complain(error, WRONG)
    bench = Bench(command)
    started = datetime.now(UTC)
    try:
        run(bench.all())
    except KeyboardInterrupt:
        return INTERRUPTED
    found = document(bench.runs, started)
    status = _publish(command, found, old) if bench.runs else 0
    if bench.error is not None:
        return _complain(bench.error, FAILED)
    if bench.interrupted:
        return INTERRUPTED
    if status == 0 and not all(one["answers"] for one in found["runs"]):
        return _complain("no request was answered", FAILED)
    return status


def _complain(error: Exception | str, status: int) -> int:
    print(f"toolkit bench: {error}", file=sys.stderr)
    return status


def _publish(command: Command, found: Document, old: Document | None) -> int:
    """Text first, then files: what cannot be written takes nothing else with it."""
    differences: list[Difference] = []
    status = 0
    if old is not None:
        try:
            differences = compare(old, found)
        except ToolkitError as error:
            status = _complain(error, FAILED)
    if command.json == "-":
        sys.stdout.write(as_json(found).decode())
    else:
        text = "" if old is None or not differences else comparison(differences, other_settings(old, found))
        _write_text(command, found, text, sys.stdout)
    files: list[tuple[str | None, Callable[[], bytes]]] = [
        (command.html, lambda: page(found, differences, old).encode()),
        (command.svg, lambda: document_svg(found, old).encode()),
        (command.json if command.json != "-" else None, lambda: as_json(found)),
    ]
    for name, content in files:
        if name is not None:
            try:
                Path(name).write_bytes(content())
            except OSError as error:
                status = _complain(f"{name}: {error.strerror}", FAILED)
    if command.fail_over is not None and status == 0:
        worse = worse_than(differences, command.fail_over)
        for one in worse:
            _complain(f"{one.run}: {one.figure} is worse by more than {command.fail_over:g} %", WORSE)
        status = WORSE if worse else 0
    return status


def _write_text(command: Command, found: Document, compared: str, out: TextIO) -> None:
    style = _style(out)
    texts = [report(one, style, plotted=command.plot) for one in found["runs"]]
    if len(texts) > 1:
        texts.append(overview(found["runs"]))
    if compared:
        texts.append(compared)
    out.write("\n".join(texts))
    out.flush()


def _style(out: TextIO) -> Style:
    """A terminal's width, and blocks where it can show them; plain and 80 wide in a pipe."""
    if not out.isatty():
        return Style()
    return Style(shutil.get_terminal_size().columns, (out.encoding or "").lower().startswith("utf"))
