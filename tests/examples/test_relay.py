"""The relay: every byte of the file arrives, and on Linux the kernel moves it."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from examples import relay as program
from examples.relay import MIB, Report, generate, relay
from toolkit import Moved

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = program.__file__
ZERO_COPY = sys.platform == "linux"
BUFFERED = 1 * MIB  # at most so much may have been read before the kernel took over


@pytest.mark.parametrize("size", [0, 1, 1000, 300_000, 5 * MIB, 16 * MIB + 3])
async def test_every_byte_arrives(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    expected = generate(path, size)
    async with asyncio.timeout(30):
        report = await relay(path, expected)
    assert report.ok, report.table()
    assert (report.size, report.sent.total, report.relayed.total) == (size, size, size)
    if ZERO_COPY and size >= BUFFERED:  # less is not worth its set-up
        assert report.sent.sendfile == size, report.table()
        assert report.relayed.splice >= size - BUFFERED, report.table()


async def test_a_wrong_checksum_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    _ = generate(path, 1000)
    async with asyncio.timeout(30):
        report = await relay(path, "0" * 64)
    assert not report.ok
    assert "WRONG" in report.table()


def test_the_program_prints_a_table() -> None:
    run = subprocess.run(
        [sys.executable, PROGRAM, "--size", "4"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    head, _, sent, relayed, _, checksum = run.stdout.splitlines()
    assert head.split() == ["hop", "bytes", "seconds", "MB/s", "moved", "by"]
    assert sent.startswith("file to source")
    assert relayed.startswith("source to target")
    for line in (sent, relayed):
        assert line.split()[3] == f"{4 * MIB:,}"
    if ZERO_COPY:
        assert sent.split()[6] == "sendfile"
        assert relayed.split()[6] == "splice"
    assert checksum.endswith(": the target has the same")


@pytest.mark.parametrize("size", ["0", "-1", "much"])
def test_the_size_is_a_number_above_zero(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--size", size])
    assert "--size" in capsys.readouterr().err


def test_the_file_is_the_same_each_time_and_no_block_twice(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert generate(one, 3 * MIB + 5) == generate(two, 3 * MIB + 5) == hashlib.sha256(one.read_bytes()).hexdigest()
    data = one.read_bytes()
    assert len(data) == 3 * MIB + 5
    assert len({data[at : at + MIB] for at in range(0, len(data), MIB)}) == 4


def test_the_table_names_the_ways_of_moving() -> None:
    sent, relayed = Moved(splice=0, sendfile=2_000_000, copy=0), Moved(splice=1_500_000, sendfile=0, copy=500_000)
    report = Report(2_000_000, "ab" * 32, {"bytes": 2_000_000, "sha256": "ab" * 32}, 0.5, sent, relayed)
    assert report.ok
    assert report.table().splitlines() == [
        "hop                           bytes   seconds      MB/s  moved by",
        "-----------------------------------------------------------------------------",
        "file to source            2,000,000     0.500       4.0  sendfile",
        "source to target          2,000,000     0.500       4.0  splice 1,500,000, copy 500,000",
        "-----------------------------------------------------------------------------",
        "sha256 abababababababab..: the target has the same",
    ]
