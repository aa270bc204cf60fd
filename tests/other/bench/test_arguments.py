"""The command line: every option arrives, and every mistake is one line that says what was expected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolkit.other.bench.arguments import parse, parser
from toolkit.other.bench.builtin import SECONDS, WARM_UP, Common
from toolkit.other.bench.options import Options

if TYPE_CHECKING:
    from toolkit.other.bench.arguments import Command

URL = "http://127.0.0.1:8000/"
DOCUMENT = (Path(__file__).parents[3] / "docs" / "bench.md").read_text(encoding="utf-8")


def parsed(*arguments: str) -> Options:
    """The options of these arguments."""
    options = parse(arguments).options
    assert options is not None
    return options


def test_the_defaults_are_those_of_the_options() -> None:
    assert parsed(URL) == Options(url=URL)


def test_every_option_arrives(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"from a file")
    words = (
        f"{URL} -c 8 -p 2 --pipeline 3 -r 1_000 --poisson -d 500ms -n 70 -w 0 --timeout 2 --grace 3s -X PUT"
        f" --body-file {body} --check --unix /x --insecure"
    )
    assert parsed(*words.split(), "-H", "A: b: c", "-H", "d:e") == Options(
        url=URL,
        connections=8,
        processes=2,
        pipeline=3,
        rate=1000.0,
        poisson=True,
        duration=0.5,
        requests=70,
        warm_up=0.0,
        timeout=2.0,
        grace=3.0,
        method="PUT",
        body=b"from a file",
        check=True,
        unix="/x",
        insecure=True,
        headers=(("A", "b: c"), ("d", "e")),
    )
    assert parsed(URL, "--ca", "x", "--no-keep-alive", "--expected-interval", "2ms") == Options(
        url=URL, ca="x", keep_alive=False, expected_interval=0.002
    )


@pytest.mark.parametrize(
    ("arguments", "method", "body"),
    [
        ((), "GET", b""),
        (("--body", "x"), "POST", b"x"),
        (("--body", ""), "POST", b""),
        (("--body", "ü", "-X", "PUT"), "PUT", "ü".encode()),
        (("-X", "HEAD"), "HEAD", b""),
        (("--duplex", "--chunk", "16k"), "POST", b""),
    ],
)
def test_a_body_makes_it_a_post(arguments: tuple[str, ...], method: str, body: bytes) -> None:
    options = parsed(URL, *arguments)
    assert (options.method, options.body) == (method, body)


def test_a_number_of_requests_needs_no_time() -> None:
    options = parsed(URL, "-n", "100")
    assert (options.requests, options.duration, options.warm_up) == (100, None, 0.0)
    options = parsed(URL, "-n", "100", "-d", "5", "-w", "2")
    assert (options.duration, options.warm_up) == (5.0, 2.0)


# -- the built-in server ------------------------------------------------------------------------------------------


def test_the_self_test_needs_nothing_else() -> None:
    command = parse(["--self"])
    assert command.options is None
    assert command.on_self
    assert command.common == Common(duration=SECONDS, warm_up=WARM_UP)
    command = parse(["--self", "-d", "1", "-w", "0", "-p", "2", "-c", "9", "--timeout", "3"])
    assert command.common == Common(duration=1.0, warm_up=0.0, processes=2, connections=9, timeout=3.0)


@pytest.mark.parametrize(
    ("arguments", "path", "name"),
    [
        ("--self /json", "/json", "GET /json"),
        ("--self /bytes/5 -X HEAD", "/bytes/5", "HEAD /bytes/5"),
        ("--self --duplex", "/echo", "POST /echo"),
        ("--self /echo --duplex", "/echo", "POST /echo"),
    ],
)
def test_a_path_of_the_built_in_server(arguments: str, path: str, name: str) -> None:
    command = parse(arguments.split())
    assert command.options is not None
    assert (command.on_self, command.options.target.path, command.options.name) == (True, path, name)


# -- what comes out -----------------------------------------------------------------------------------------------


def test_what_comes_out(tmp_path: Path) -> None:
    def outputs(command: Command) -> tuple[object, ...]:
        return (command.json, command.html, command.svg, command.compare, command.fail_over, command.plot)

    assert outputs(parse([URL])) == (None, None, None, None, None, True)
    files = [str(tmp_path / name) for name in ("a.html", "b.svg")]
    words = [
        URL,
        "--json",
        "-",
        "--html",
        files[0],
        "--svg",
        files[1],
        "--compare",
        "old",
        "--fail-over",
        "5",
        "--no-plot",
    ]
    assert outputs(parse(words)) == ("-", *files, "old", 5.0, False)


# -- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "expected a URL"),
        ("ftp://x/", "expected http://HOST"),
        ("--self http://x/", "expected one of its paths, /json"),
        ("--self --rate 5", "--self with --rate: expected a path"),
        ("--self --pipeline 5", "--self with --pipeline: expected a path"),
        ("--self --insecure", "--self with --insecure: expected a path"),
        (f"{URL} -c 0", "--connections 0: expected a whole number from 1"),
        (f"{URL} -c many", "'many': expected a whole number"),
        (f"{URL} -r fast", "'fast': expected a number"),
        (f"{URL} -d soon", "'soon': expected a duration such as 10"),
        (f"{URL} --duplex --chunk big", "'big': expected a size such as 100"),
        (f"{URL} -H nothing", "'nothing': expected 'name: value'"),
        (f"{URL} --body x --body-file y", "expected one of them"),
        (f"{URL} --body-file /no/such/file", "expected a file to read"),
        (f"{URL} --fail-over 5", "expected an older document"),
        (f"{URL} --json /no/such/folder/x", "expected a file that can be written"),
        (f"{URL} --no-such-option", "unrecognized arguments: --no-such-option"),
        (f"{URL} --poisson", "expected a rate"),
    ],
)
def test_a_mistake_is_one_line_and_2(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments.split())
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert re.fullmatch(r"toolkit bench: .*\(try --help\)\n", told.err)


def test_help_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    assert "exit status: 0" in capsys.readouterr().out


def test_the_document_has_every_option_and_no_other() -> None:
    options = {one for action in parser()._actions for one in action.option_strings if one.startswith("--")}
    told = set(re.findall(r"`(?:-\w, )?(--[a-z-]+)", DOCUMENT))
    assert told == options - {"--help"}
