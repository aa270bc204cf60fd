"""The command `toolkit`, also as `python -m toolkit`: a table of subcommands, each imported when it is called."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from toolkit._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["COMMANDS", "Subcommand", "main"]


class Subcommand(NamedTuple):
    """`module` has a `main(arguments)` that returns the exit status; `first` stand before what follows the name."""

    module: str
    about: str
    first: tuple[str, ...] = ()


CLIENT: Final = "toolkit.other.cli.command"
COMMANDS: Final = {
    "get": Subcommand(CLIENT, "ask for a URL, and show or save the answer", ("GET",)),
    "post": Subcommand(CLIENT, "send data, a form, a file or standard input", ("POST",)),
    "put": Subcommand(CLIENT, "likewise, to store it", ("PUT",)),
    "patch": Subcommand(CLIENT, "likewise, to change what is there", ("PATCH",)),
    "delete": Subcommand(CLIENT, "remove what a URL names", ("DELETE",)),
    "head": Subcommand(CLIENT, "show an answer's head alone", ("HEAD",)),
    "options": Subcommand(CLIENT, "ask what may be asked", ("OPTIONS",)),
    "request": Subcommand(CLIENT, "any other method: toolkit request METHOD URL"),
    "bench": Subcommand("toolkit.other.bench.command", "load an HTTP server and show how it answers"),
    "openapi": Subcommand("toolkit.other.openapi", "print the description of an application's interface"),
}


class Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what was expected, and exit with 2."""
        message = message.partition(" (choose from ")[0]  # these are told by us, whatever the fault
        self.exit(2, f"{self.prog}: {message}; expected one of: {', '.join(COMMANDS)} (try --help)\n")


def parser() -> Parser:
    """The command itself; what follows a subcommand's name is the subcommand's."""
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:<{width}}  {command.about}" for name, command in COMMANDS.items())
    made = Parser(
        prog="toolkit",
        usage="toolkit [-h] [--version] COMMAND ...",
        description="A streaming HTTP toolkit.",
        epilog=f"commands:\n{table}\n\n`toolkit COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"toolkit {__version__}")
    made.add_argument("command", metavar="COMMAND", choices=COMMANDS, help=argparse.SUPPRESS)
    made.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand. Returns its exit status; raises SystemExit for wrong arguments and for --help."""
    given = parser().parse_args(arguments)
    called = COMMANDS[given.command]
    subcommand: Callable[[Sequence[str]], int] = import_module(called.module).main
    return subcommand([*called.first, *given.arguments])


if __name__ == "__main__":
    sys.exit(main())
