"""A large body through any path grows the process by megabytes, however slow one side is (rule 10)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1024 * 1024
SIZE = 256  # MiB
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("path", ["echo", "upload", "download", "relay", "relay-length"])
def test_256_mib_cost_less_than_32(path: str, loop: str) -> None:
    command = [sys.executable, "-m", "tests.helpers.bound", path, loop, str(SIZE)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    told = json.loads(result.stdout)
    assert told["bytes"] == SIZE * MIB
    assert told["growth"] < 32 * MIB, f"grew by {told['growth'] / MIB:.1f} MiB"
