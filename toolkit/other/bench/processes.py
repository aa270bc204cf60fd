"""Several processes' runs, at the same time: one interpreter loads one core.

Each process is this module, run by the same interpreter. It takes its options from its standard input (a pickle
behind its length) and then one line for each thing it is to do: "go", or "stop". It answers on its standard output,
in JSON: how far it is, that it is ready, its record, or why there is none. All of them begin each stage together. When
the process that started them is gone, their standard input ends, and so do they.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from toolkit.errors import ConnectError, ToolkitError
from toolkit.other.bench.record import Record
from toolkit.other.bench.run import Progress, Run, Stage
from toolkit.protocol.aio.loop import run

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from toolkit.other.bench.options import Options

__all__ = ["ProcessFailed", "Processes", "make_run", "start_python"]

LENGTH: Final = struct.Struct("!Q")
LINE: Final = 64 * 1024 * 1024  # bytes; a record with its histogram is some tens of kilobytes
ROOT: Final = str(Path(__file__).parents[3])  # what the package is imported from


class ProcessFailed(ToolkitError):
    """One of the processes ended without a record."""


async def start_python(*arguments: str) -> asyncio.subprocess.Process:
    """A process of the same interpreter with the same package, in a session of its own: Ctrl-C is for us alone."""
    path = os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH"))))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )


def make_run(options: Options) -> Run | Processes:
    """In this process, or in as many as the options ask for."""
    return Run(options) if options.processes == 1 else Processes(options)


# -- the one that starts them -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Barrier:
    """Where all processes wait for the last."""

    parties: int
    waiting: int = 0
    passed: asyncio.Event = field(default_factory=asyncio.Event)

    def arrive(self) -> None:
        self.waiting += 1
        if self.waiting == self.parties:
            self.passed.set()


class Processes:
    """A run in several processes; the same face as `Run`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._children: list[asyncio.subprocess.Process] = []
        self._progress: dict[int, Progress] = {}
        self._barriers = {name: _Barrier(options.processes) for name in ("open", "warm")}
        self._stopped = False

    def stop(self) -> None:
        """End the run now, in all processes."""
        self._stopped = True
        for child in self._children:
            self._say(child, b"stop\n")

    def _say(self, child: asyncio.subprocess.Process, line: bytes) -> None:
        assert child.stdin is not None  # our own invariant: it was started with a pipe
        if not child.stdin.is_closing():
            child.stdin.write(line)

    async def go(self, stage: Stage) -> Record:
        """Run to the end. Raises `ConnectError` as `Run.go` does, and `ProcessFailed`."""
        try:
            for index in range(self._options.processes):
                self._children.append(await self._start(index))
            if self._stopped:
                self.stop()
            staging = asyncio.ensure_future(self._stages(stage))
            listening = [
                asyncio.ensure_future(self._listen(index, child, stage)) for index, child in enumerate(self._children)
            ]
            try:
                records = await asyncio.gather(*listening)
            finally:
                for task in (staging, *listening):
                    task.cancel()
                await asyncio.gather(staging, *listening, return_exceptions=True)
        finally:
            await self._end()
        whole = Record()
        for record in records:
            whole.merge(record)
        return whole

    async def _start(self, index: int) -> asyncio.subprocess.Process:
        child = await start_python("-m", "toolkit.other.bench.processes")
        packed = pickle.dumps((self._options, index))
        self._say(child, LENGTH.pack(len(packed)) + packed)
        return child

    async def _stages(self, stage: Stage) -> None:
        for name, barrier in self._barriers.items():
            _ = await barrier.passed.wait()
            await stage.ready(name)
            for child in self._children:
                self._say(child, b"go\n")

    async def _listen(self, index: int, child: asyncio.subprocess.Process, stage: Stage) -> Record:
        assert child.stdout is not None  # our own invariant: it was started with a pipe
        async for line in child.stdout:
            told = orjson.loads(line)
            if "progress" in told:
                self._progress[index] = Progress(*told["progress"])
                if index == 0:
                    stage.tell(self._together())
            elif "ready" in told:
                self._barriers[told["ready"]].arrive()
            elif "record" in told:
                return Record.unpack(told["record"])
            else:
                raise ConnectError(told["error"]) if told["unreachable"] else ProcessFailed(told["error"])
        raise ProcessFailed(f"process {index} ended without a record, with exit status {await child.wait()}")

    def _together(self) -> Progress:
        first = self._progress[0]
        return first._replace(
            answers=sum(one.answers for one in self._progress.values()),
            errors=sum(one.errors for one in self._progress.values()),
        )

    async def _end(self) -> None:
        """Whatever happened: no process is left behind."""
        for child in self._children:
            if child.stdin is not None:
                child.stdin.close()
        for child in self._children:
            try:
                async with asyncio.timeout(self._options.grace + 1):
                    await child.communicate()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.communicate()


# -- one of those that are started ------------------------------------------------------------------------------------


class Child:
    """The other end of the pipes."""

    def __init__(self, stdin: asyncio.StreamReader) -> None:
        self._stdin = stdin
        self._run: Run | None = None
        self._going = asyncio.Event()

    def say(self, **told: object) -> None:
        """One line of JSON."""
        sys.stdout.buffer.write(orjson.dumps(told) + b"\n")
        sys.stdout.buffer.flush()

    async def main(self) -> None:
        """Run, as told."""
        (length,) = LENGTH.unpack(await self._stdin.readexactly(LENGTH.size))
        options, index = pickle.loads(await self._stdin.readexactly(length))
        self._run = Run(options, index)
        listening = asyncio.ensure_future(self._listen(self._run))
        try:
            record = await self._run.go(Stage(tell=self._tell, ready=self._ready))
            self.say(record=record.pack())
        except (ToolkitError, OSError) as error:
            self.say(error=str(error), unreachable=isinstance(error, ConnectError))
        finally:
            listening.cancel()

    async def _listen(self, bench: Run) -> None:
        async for line in self._stdin:
            if line == b"stop\n":
                bench.stop()
            self._going.set()
        bench.stop()  # nobody is there any more
        self._going.set()

    def _tell(self, progress: Progress) -> None:
        self.say(progress=tuple(progress))

    def _ready(self, name: str) -> Awaitable[object]:
        self._going.clear()
        self.say(ready=name)
        return self._going.wait()


async def child_main() -> None:
    """Serve one run over the standard streams."""
    reader = asyncio.StreamReader(limit=LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    await Child(reader).main()


if __name__ == "__main__":
    run(child_main())
