"""The words of `toolkit get URL` and its kin: curl's letters, and what they mean. What is wrong is told in a line."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from toolkit._version import __version__
from toolkit.other.cli.report import check_format

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Command", "Piece", "parse"]

EPILOG: Final = """\
exit status, by curl's numbers: 0 done; 2 wrong arguments; 3 no URL; 6 name not found; 7 no connection; 18 answer cut
off; 22 status 400 or above (with -f); 23 output; 26 input; 28 time limit; 35 TLS; 47 redirects; 52 no answer; 56
connection broke; 60 certificate; 130 interrupted. docs/command-line.md has the rest.
"""
METHOD: Final = re.compile(r"(?!-)[!#$%&'*+.^_`|~0-9A-Za-z-]+")
SECONDS: Final = 86400.0 * 365


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of what is sent, in the order given: `kind` is the option's name without dashes."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What the command line asks for."""

    method: str
    urls: list[str]
    headers: list[str] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    upload: str | None = None
    as_query: bool = False
    outputs: list[str] = field(default_factory=list)
    remote_name: bool = False
    remote_header_name: bool = False
    folder: Path | None = None
    make_folders: bool = False
    go_on: bool = False
    follow: bool = False
    most_redirects: int | None = None
    include: bool = False
    user: str | None = None
    digest: bool = False
    bearer: str | None = None
    netrc: bool = False
    netrc_file: str | None = None
    insecure: bool = False
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    max_time: float | None = None
    connect_timeout: float = 10.0
    retry: int = 0
    agent: str | None = None
    referer: str | None = None
    cookies: list[str] = field(default_factory=list)
    cookie_jar: str | None = None
    range: str | None = None
    raw: bool = False
    unix_socket: str | None = None
    proxy: str | None = None
    proxy_user: str | None = None
    noproxy: str = ""
    verbose: bool = False
    silent: bool = False
    show_errors: bool = False
    fail: bool = False
    fail_with_body: bool = False
    write_out: str = ""
    colour: str = "auto"

    @property
    def name(self) -> str:
        """How the command was called, for messages."""
        return f"toolkit {self.method.lower()}"


class Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was expected, and exit with 2."""
        self.exit(2, f"{self.prog}: {message} (try --help)\n")


class _Collect(argparse.Action):
    """The pieces of a body, of whatever kind, in their order."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        kind = self.option_strings[-1].lstrip("-")
        namespace.pieces = [*namespace.pieces, Piece(kind, str(values))]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, such as 2.5")
    return seconds


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0 on")
    return int(text)


def _format(text: str) -> str:
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        return check_format(text)
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _header(text: str) -> str:
    if not text.startswith("@") and not re.search("[:;]", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 'Name: value', 'Name;' (empty) or 'Name:' (leave it out)")
    return text


def _start(text: str) -> bool:
    if text != "-":
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected '-'; where to go on is found out, and checked, by what the server says of the file"
        )
    return True


def parser(method: str) -> Parser:
    """The words for a request of this method; "" where the first word is the method."""
    made = Parser(
        prog=f"toolkit {method.lower() or 'request'}",
        usage=f"toolkit {method.lower() or 'request METHOD'} [options] URL ...",
        description="Send a request; the answer's body goes to standard output as it comes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.set_defaults(pieces=[])
    made.add_argument("urls", nargs="+", metavar="URL", help="http:// where no scheme is named")
    _add_request(made)
    _add_output(made)
    _add_connection(made)
    made.add_argument("--version", action="version", version=f"toolkit {__version__}")
    return made


def _add_request(made: Parser) -> None:
    group = made.add_argument_group("what is sent")
    add = group.add_argument
    add(
        "-H",
        "--header",
        dest="headers",
        action="append",
        default=[],
        type=_header,
        metavar="LINE",
        help="a field: 'Name: value', 'Name;' for an empty one, 'Name:' to leave out one of ours; @FILE: a line each",
    )
    for names, about in (
        (("-d", "--data"), "a form's pair, joined by &; @FILE without its line ends, @- is standard input"),
        (("--data-raw",), "likewise, where @ means nothing"),
        (("--data-binary",), "likewise; @FILE as it is"),
        (("--data-urlencode",), "likewise, encoded: TEXT, NAME=TEXT, @FILE, NAME@FILE"),
        (("--json",), "JSON text, or @FILE; says that it is JSON, and that JSON is wanted"),
        (("-F", "--form"), "a part of a multipart form: NAME=TEXT, NAME=@FILE[;type=...;filename=...], NAME=<FILE"),
        (("--form-string",), "NAME=TEXT, where @ and < mean nothing"),
    ):
        add(*names, dest="pieces", action=_Collect, metavar="DATA", help=about)
    add(
        "-T",
        "--upload-file",
        dest="upload",
        metavar="FILE",
        help="a file as the body; '-': standard input, sent as it comes, while the answer is shown as it comes",
    )
    add("-G", "--get", dest="as_query", action="store_true", help="the pairs of -d go into the URL's query")
    add("-A", "--user-agent", dest="agent", metavar="TEXT", help="the user-agent field")
    add("-e", "--referer", metavar="URL", help="the referer field")
    add(
        "-b",
        "--cookie",
        dest="cookies",
        action="append",
        default=[],
        metavar="NAME=VALUE|FILE",
        help="cookies to send; a word without = is a file of them, which are then kept and sent by the rules",
    )
    add("-c", "--cookie-jar", metavar="FILE", help="keep the cookies that are set, and write them there at the end")
    add("-r", "--range", metavar="FIRST-LAST", help="a part of it, in bytes: 0-99, 100-, -100")
    add("-u", "--user", metavar="USER[:PASSWORD]", help="who is asking; without a password it is asked for")
    add("--digest", action="store_true", help="prove the password of -u, and do not send it (RFC 7616)")
    add("--oauth2-bearer", dest="bearer", metavar="TOKEN", help="a token that says who is asking")
    add("-n", "--netrc", action="store_true", help="who is asking, by ~/.netrc")
    add("--netrc-file", metavar="FILE", help="likewise, by another file")


def _add_output(made: Parser) -> None:
    group = made.add_argument_group("what becomes of the answer")
    add = group.add_argument
    add(
        "-o",
        "--output",
        dest="outputs",
        action="append",
        default=[],
        metavar="FILE",
        help="save it; whole or not at all; one for each URL",
    )
    add("-O", "--remote-name", action="store_true", help="save it under the last part of its URL")
    add(
        "-J",
        "--remote-header-name",
        action="store_true",
        help="with -O: under the name that the server gives it, which replaces no file",
    )
    add("--output-dir", dest="folder", type=Path, metavar="FOLDER", help="where -o and -O save")
    add("--create-dirs", dest="make_folders", action="store_true", help="make the folders of -o and --output-dir")
    add(
        "-C",
        "--continue-at",
        dest="go_on",
        type=_start,
        default=False,
        metavar="-",
        help="'-': ask for the rest of what an earlier call left",
    )
    add("-i", "--include", "--show-headers", dest="include", action="store_true", help="the answer's head, too")
    add("-I", "--head", dest="head", action="store_true", help="the head alone: a HEAD request")
    add("-L", "--location", dest="follow", action="store_true", help="follow redirects")
    add("--max-redirs", dest="most_redirects", type=_count, metavar="N", help="at most so many; 10 without")
    add("-f", "--fail", action="store_true", help="exit with 22, and show no body, where the status is 400 or above")
    add("--fail-with-body", action="store_true", help="likewise, with the body")
    add(
        "-w",
        "--write-out",
        type=_format,
        default="",
        metavar="TEXT",
        help="text to write at the end: %%{http_code}, %%{time_total}, %%header{name}, \\n, ... or %%{json}",
    )
    add("-v", "--verbose", action="store_true", help="both heads on standard error")
    add("-s", "--silent", action="store_true", help="no progress bar and no messages")
    add("-S", "--show-error", dest="show_errors", action="store_true", help="messages all the same")
    add("--raw", action="store_true", help="ask for no content coding, and undo none")
    add("--compressed", action="store_true", help="which is done anyway, without --raw")
    add("-N", "--no-buffer", action="store_true", help="which is so anyway")
    add(
        "--color",
        "--colour",
        dest="colour",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours, and JSON that is laid out; auto: on a terminal, unless NO_COLOR is set",
    )


def _add_connection(made: Parser) -> None:
    group = made.add_argument_group("the connection")
    add = group.add_argument
    add("-k", "--insecure", action="store_true", help="take any certificate")
    add("--cacert", metavar="FILE", help="the authorities to trust (PEM)")
    add("-E", "--cert", metavar="FILE", help="our own certificate (PEM)")
    add("--key", metavar="FILE", help="its key, where that is another file")
    add("-m", "--max-time", type=_seconds, metavar="SECONDS", help="for all of a URL; no limit without")
    add("--connect-timeout", type=_seconds, default=10.0, metavar="SECONDS", help="until it is connected; 10 without")
    add(
        "--retry",
        type=_count,
        default=0,
        metavar="N",
        help="again, so many times, after 408, 429, 502 to 504 and no answer; no POST, no PATCH",
    )
    add("--unix-socket", metavar="PATH", help="connect there")
    add("-x", "--proxy", metavar="URL", help="by this proxy: http://, https://, socks5h://, socks5://, socks4a://")
    add("-U", "--proxy-user", metavar="USER:PASSWORD", help="who asks the proxy")
    add("--noproxy", default="", metavar="RULES", help="hosts and networks that -x is not for")


def parse(arguments: Sequence[str]) -> Command:
    """The command, its method first. Raises SystemExit for wrong arguments and for --help."""
    method, rest = (arguments[0], list(arguments[1:])) if arguments else ("", [])
    if method in ("", "-h", "--help"):
        known, rest, method = "", [method] if method else [], "REQUEST"
    else:
        known = method if method.isupper() and METHOD.fullmatch(method) else ""
    made = parser(known)
    if not known and method != "REQUEST":
        made.error(f"{method!r}: expected a method in capitals, such as PROPFIND, before the options")
    given = vars(made.parse_intermixed_args(rest))
    head = given.pop("head")
    for name in ("compressed", "no_buffer"):
        given.pop(name)
    if head or method == "HEAD":
        given["include"], method = True, "HEAD"
    command = Command(method=method, **given)
    _check(made, command)
    _check_proxy(made, command)
    return command


def _check_proxy(made: Parser, command: Command) -> None:
    if not command.proxy and (command.proxy_user or command.noproxy):
        made.error("-U and --noproxy are about the proxy of -x; give one")
    if command.proxy and command.unix_socket:
        made.error("-x and --unix-socket: give one of them")


def _check(made: Parser, command: Command) -> None:
    kinds = {_family(piece.kind) for piece in command.pieces}
    if command.upload is not None:
        kinds.add("-T")
    if len(kinds) > 1:
        made.error(f"{' and '.join(sorted(kinds))}: a request has one body; give one kind of them")
    if command.as_query and kinds - {"-d"}:
        made.error("-G takes the pairs of -d into the URL; there is no other body then")
    if command.remote_header_name and not command.remote_name:
        made.error("-J says which name -O saves under; give -O, too")
    if command.remote_name and command.outputs:
        made.error("-o and -O: give one of them")
    if len(command.outputs) > len(command.urls):
        made.error(f"{len(command.outputs)} times -o, and {len(command.urls)} URL")
    given = {"-u": command.user, "--oauth2-bearer": command.bearer, "-n": command.netrc or command.netrc_file}
    if len(names := [name for name, value in given.items() if value]) > 1:
        made.error(f"{' and '.join(names)}: give one of them")
    if command.digest and not (command.user or given["-n"]):
        made.error("--digest proves the password of -u or of --netrc; give one of them")
    if command.go_on and (command.include or not (command.outputs or command.remote_name)):
        made.error("-C - goes on with a file: give -o or -O, and not -i")
    if command.go_on and command.method != "GET":
        made.error("-C - is for get")


def _family(kind: str) -> str:
    return {"json": "--json", "form": "-F", "form-string": "-F"}.get(kind, "-d")
