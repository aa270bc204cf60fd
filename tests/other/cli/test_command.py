"""The command as a process: both ways at once, signals, pipes and terminals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from toolkit.other.cli.arguments import parse
from toolkit.other.cli.command import main, make_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Site

ROOT = Path(__file__).parents[3]
PATIENCE = 20.0


@contextmanager
def process(*words: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """`toolkit ...`, killed if it is still there at the end."""
    pipes: dict[str, object] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **options,
    }
    with subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "toolkit", *words], cwd=ROOT, **pipes
    ) as running:  # type: ignore[call-overload]
        try:
            yield running
        finally:
            running.kill()


def end(running: subprocess.Popen[bytes], data: bytes | None = None) -> tuple[int, bytes, bytes]:
    out, err = running.communicate(data, timeout=PATIENCE)
    return running.returncode, out, err


def status_of(running: subprocess.Popen[bytes]) -> int:
    """Its exit status; one that does not end is made to say where it is."""
    try:
        return running.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGABRT)
        assert running.stderr is not None, "it does not end"
        pytest.fail(f"it does not end: {running.stderr.read().decode()}")


def streams(running: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert running.stdin is not None
    assert running.stdout is not None
    return running.stdin, running.stdout


def test_it_answers_while_it_is_asked(site: Site) -> None:
    """Each line comes back before the next one is given: neither direction waits for the other's end."""
    with process("post", f"{site.url}/echo", "-T", "-") as running:
        into, out = streams(running)
        for line in (b"one\n", b"two\n", b"three\n"):
            into.write(line)
            into.flush()
            assert out.readline() == line
        assert end(running) == (0, b"", b"")


def test_much_both_ways_at_once(site: Site) -> None:
    data = os.urandom(1_000_000) * 8
    with process("post", f"{site.url}/echo", "-T", "-") as running:
        assert end(running, data) == (0, data, b"")


def test_a_file_as_standard_input_has_a_length(site: Site, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with open(tmp_path / "f", "rb") as file, process("put", f"{site.url}/show", "-T", "-", stdin=file) as running:
        status, out, _ = end(running)
    assert status == 0
    assert b'"content-length":"7"' in out


def test_ctrl_c_is_130(site: Site) -> None:
    with process("post", f"{site.url}/echo", "-T", "-") as running:
        into, out = streams(running)
        into.write(b"x\n")
        into.flush()
        assert out.readline() == b"x\n"
        running.send_signal(signal.SIGINT)
        assert status_of(running) == 130


def test_a_reader_that_leaves_ends_it_without_a_word(site: Site) -> None:
    with process("post", f"{site.url}/echo", "-T", "-") as running:
        into, out = streams(running)
        into.write(b"x\n")
        into.flush()
        assert out.readline() == b"x\n"
        out.close()
        into.write(b"y\n")
        into.flush()
        assert status_of(running) == 23
        assert running.stderr is not None
        assert running.stderr.read() == b""


@contextmanager
def at_a_terminal(*words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    looking, program = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    try:
        with process(*words, stdin=program, stdout=program, stderr=program, env=environment) as running:
            os.close(program)
            yield running, looking
    finally:
        os.close(looking)


def all_of(looking: int) -> bytes:
    found = b""
    while True:
        try:
            data = os.read(looking, 65536)
        except OSError:  # EIO: the program has left the terminal
            return found
        if not data:
            return found
        found += data


def test_a_terminal_gets_json_laid_out_and_in_colours(site: Site) -> None:
    with at_a_terminal("get", "-i", f"{site.url}/show") as (running, looking):
        shown = all_of(looking)
        assert status_of(running) == 0
    assert b"\x1b[1;32mHTTP/1.1 200 OK\x1b[0m\r\n" in shown
    assert b'{\r\n  \x1b[36m"method"\x1b[0m: \x1b[32m"GET"\x1b[0m,\r\n' in shown


def test_a_terminal_is_not_shown_what_is_no_text(site: Site) -> None:
    with at_a_terminal("get", f"{site.url}/binary") as (running, looking):
        shown = all_of(looking)
        assert status_of(running) == 23
    assert b"PNG" not in shown
    assert b"-o FILE saves it" in shown


def test_a_terminal_shows_a_bar_and_a_pipe_none(site: Site, tmp_path: Path) -> None:
    words = ("get", f"{site.url}/status/200", "-o", f"{tmp_path}/a")
    with at_a_terminal(*words) as (running, looking):
        assert b"100%  10 B of 10 B" in all_of(looking)
        assert status_of(running) == 0
    with process(*words) as running:
        assert end(running) == (0, b"", b"")


def test_lines_typed_at_a_terminal_go_at_once(site: Site) -> None:
    with at_a_terminal("post", f"{site.url}/echo", "-T", "-") as (running, looking):
        os.write(looking, b"typed\n")
        shown = b""
        while shown.count(b"typed") < 2:  # the terminal's own echo, and the server's
            shown += os.read(looking, 100)
        os.write(looking, b"\x04")
        assert status_of(running) == 0


def test_a_password_is_not_asked_for_without_a_terminal(site: Site) -> None:
    with process("get", "-u", "me", f"{site.url}/show") as running:
        status, _, err = end(running, b"")
    assert (status, err) == (2, b"toolkit get: -u me: expected USER:PASSWORD; there is no terminal to ask at\n")


# In this process


def test_help_has_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["POST", "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: toolkit post [options] URL ...")
    assert "exit status, by curl's numbers" in out


def test_silence_of_a_server_has_no_limit_of_its_own() -> None:
    """Whoever waits at a terminal has Ctrl-C, and scripts have --max-time."""
    session = make_session(parse(["GET", "http://a.test/", "--connect-timeout", "3"]))
    assert (session.timeouts.connect, session.timeouts.read, session.timeouts.write) == (3, None, None)
