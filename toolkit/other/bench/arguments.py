"""The command line's words for a run. Whatever is wrong is told in one line that says what was expected."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from toolkit.other.bench.builtin import ROUTES, SECONDS, WARM_UP, Common
from toolkit.other.bench.options import BadOption, Options
from toolkit.other.bench.quantities import read_seconds, read_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Command", "parse"]

T = TypeVar("T")

DESCRIPTION: Final = """\
Load an HTTP server and show how it answers. Without --rate, every connection sends its next request when the answer
is there (closed loop: how much can it do?). With --rate, requests are due by the clock, whatever became of those
before (open loop: how long do its users wait?); latencies then count from when a request was due.
"""
EPILOG: Final = """\
exit status: 0 the run is complete; 1 the server could not be reached, no request was answered, or a file could not be
written; 2 wrong arguments; 3 a figure is worse than --fail-over allows; 130 interrupted (what there was is shown).
docs/bench.md explains the figures.
"""
BODIED: Final = "POST"  # what a body makes of a request whose method is not given


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the command line asks for. `options` is None for the self-test; `path` stands for `--self PATH`."""

    options: Options | None
    common: Common
    on_self: bool
    json: str | None
    html: str | None
    svg: str | None
    compare: str | None
    fail_over: float | None
    plot: bool


class Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was expected, and exit with 2."""
        self.exit(2, f"{self.prog}: {message} (try --help)\n")


def _of(read: Callable[[str], T], name: str) -> Callable[[str], T]:
    """A type for argparse whose own words reach the user."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    convert.__name__ = name
    return convert


def _whole(text: str) -> int:
    try:
        return int(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise ValueError(f"{text!r}: expected a whole number") from None


def _number(text: str) -> float:
    try:
        return float(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise ValueError(f"{text!r}: expected a number") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"{text!r}: expected 'name: value'")
    return name.strip(), value.strip()


whole, number, header = _of(_whole, "whole"), _of(_number, "number"), _of(_header, "header")
seconds, size = _of(read_seconds, "seconds"), _of(read_size, "size")


def parser(prog: str = "toolkit bench") -> Parser:
    """Every option with its default."""
    made = Parser(
        prog=prog, description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("url", nargs="?", metavar="URL", help=f"what to load; with --self a path: {ROUTES}")
    made.add_argument(
        "--self", dest="on_self", action="store_true", help="load the built-in server; without a path, test oneself"
    )
    _add_load(made.add_argument_group("the load"))
    _add_request(made.add_argument_group("the request"))
    _add_output(made.add_argument_group("what comes out"))
    return made


def _add_load(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-c", "--connections", type=whole, metavar="N", help="at a time, in all processes (64)")
    group.add_argument("-p", "--processes", type=whole, default=1, metavar="N", help="each loads one core (1)")
    group.add_argument("--pipeline", type=whole, default=1, metavar="N", help="requests under way on a connection (1)")
    group.add_argument("-r", "--rate", type=number, metavar="N", help="open loop: so many requests a second")
    group.add_argument("--poisson", action="store_true", help="with --rate: at random intervals, as users come")
    group.add_argument("-d", "--duration", type=seconds, metavar="TIME", help="10s, 500ms, 2m (10s; --self: 2s each)")
    group.add_argument("-n", "--requests", type=whole, metavar="N", help="end after so many")
    group.add_argument("-w", "--warm-up", type=seconds, metavar="TIME", help="not measured (1s; --self: 0.3s; -n: 0)")
    group.add_argument("--timeout", type=seconds, default=10.0, metavar="TIME", help="for an answer (10s)")
    group.add_argument(
        "--grace", type=seconds, default=1.0, metavar="TIME", help="for what is under way at the end (1s)"
    )
    group.add_argument("--no-keep-alive", action="store_true", help="a new connection for each request")
    group.add_argument("--duplex", action="store_true", help="chunks there and back on open requests to an echo")
    group.add_argument("--chunk", type=size, default=64, metavar="SIZE", help="of --duplex: 64, 16k, 1m (64)")
    group.add_argument(
        "--expected-interval",
        type=seconds,
        metavar="TIME",
        help="closed loop: also show HDR's correction for requests due at this interval",
    )


def _add_request(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-X", "--method", metavar="NAME", help="GET; POST with a body or --duplex")
    group.add_argument("-H", "--header", action="append", type=header, default=[], metavar="'NAME: VALUE'")
    group.add_argument("-b", "--body", metavar="TEXT", help="sent with each request")
    group.add_argument("--body-file", metavar="FILE", help="the same, from a file")
    group.add_argument("--check", action="store_true", help="every body must equal the first one")
    group.add_argument("--insecure", action="store_true", help="https: take any certificate")
    group.add_argument("--ca", metavar="FILE", help="https: trust these authorities (PEM) and no others")
    group.add_argument("--unix", metavar="PATH", help="connect to this socket; the URL gives host and path")


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for standard output, alone")
    group.add_argument("--html", metavar="FILE", help="write a page with plots")
    group.add_argument("--svg", metavar="FILE", help="write the plots")
    group.add_argument("--compare", metavar="OLD.json", help="show every figure beside that of an older --json")
    group.add_argument(
        "--fail-over", type=number, metavar="PERCENT", help="with --compare: exit with 3 if worse by more"
    )
    group.add_argument("--no-plot", action="store_true", help="no plot in the text")


def parse(arguments: Sequence[str]) -> Command:
    """What is asked for. Raises SystemExit, after one line on standard error; 0 after --help, else 2."""
    made = parser()
    given = made.parse_args(arguments)
    try:
        return _command(given)
    except BadOption as error:
        made.error(str(error))


def _command(given: argparse.Namespace) -> Command:
    if given.fail_over is not None and given.compare is None:
        raise BadOption("--fail-over without --compare: expected an older document to compare with")
    for name in (given.json, given.html, given.svg):
        if name not in (None, "-") and not Path(name).parent.is_dir():
            raise BadOption(f"{name}: no such folder; expected a file that can be written")
    common = Common(
        duration=SECONDS if given.duration is None else given.duration,
        warm_up=WARM_UP if given.warm_up is None else given.warm_up,
        processes=given.processes,
        connections=given.connections,
        timeout=given.timeout,
    )
    return Command(
        options=_options(given),
        common=common,
        on_self=given.on_self,
        json=given.json,
        html=given.html,
        svg=given.svg,
        compare=given.compare,
        fail_over=given.fail_over,
        plot=not given.no_plot,
    )


def _options(given: argparse.Namespace) -> Options | None:
    url = given.url
    name = ""
    if given.on_self:
        if url is None and given.duplex:
            url = "/echo"
        if url is None:
            _refuse_in_self_test(given)
            return None
        if not url.startswith("/"):
            raise BadOption(f"--self {url}: expected one of its paths, {ROUTES}")
        url = f"http://127.0.0.1{url}"  # the port comes when it listens
    elif url is None:
        raise BadOption("expected a URL such as http://127.0.0.1:8000/, or --self")
    body = _body(given)
    method = given.method or (BODIED if body is not None or given.duplex else "GET")
    if given.on_self:
        name = f"{method} {given.url or '/echo'}"
    counted = given.requests is not None
    return Options(
        url=url,
        name=name,
        method=method,
        headers=tuple(given.header),
        body=body or b"",
        connections=64 if given.connections is None else given.connections,
        processes=given.processes,
        pipeline=given.pipeline,
        rate=given.rate,
        poisson=given.poisson,
        duration=(None if counted else 10.0) if given.duration is None else given.duration,
        requests=given.requests,
        warm_up=(0.0 if counted else 1.0) if given.warm_up is None else given.warm_up,
        timeout=given.timeout,
        grace=given.grace,
        keep_alive=not given.no_keep_alive,
        check=given.check,
        expected_interval=given.expected_interval,
        insecure=given.insecure,
        ca=given.ca,
        unix=given.unix,
        duplex=given.duplex,
        chunk=given.chunk,
    )


def _refuse_in_self_test(given: argparse.Namespace) -> None:
    """The scenarios say these themselves."""
    changed = [
        name
        for name in ("rate", "requests", "method", "body", "body_file", "unix", "ca", "expected_interval")
        if getattr(given, name) is not None
    ]
    changed += [name for name in ("poisson", "no_keep_alive", "insecure", "header") if getattr(given, name)]
    if changed or given.pipeline != 1:
        option = (changed or ["pipeline"])[0].replace("_", "-")
        raise BadOption(f"--self with --{option}: expected a path to load, such as --self /json")


def _body(given: argparse.Namespace) -> bytes | None:
    if given.body is not None and given.body_file is not None:
        raise BadOption("--body with --body-file: expected one of them")
    if given.body_file is not None:
        try:
            return Path(given.body_file).read_bytes()
        except OSError as error:
            raise BadOption(f"--body-file {given.body_file}: {error.strerror}; expected a file to read") from None
    return None if given.body is None else str(given.body).encode()
