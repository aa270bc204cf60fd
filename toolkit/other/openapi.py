"""`toolkit openapi module:app`: the description of an application's interface, printed, for files and checks in CI."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from toolkit.errors import ToolkitError, UseError
from toolkit.server.app import App
from toolkit.server.binding import routes_of
from toolkit.server.openapi.document import build
from toolkit.server.openapi.options import OpenApi

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "openapi_document"]

FAILED: Final = 1


def openapi_document(web: App) -> dict[str, object]:
    """The description of an application, whether or not it is served anywhere.

    Raises `UseError` where routes clash, and for what cannot be described.
    """
    return build(web.openapi or OpenApi(), routes_of(web))


def main(arguments: Sequence[str]) -> int:
    """Print it, or write it to a file. Returns the exit status: 1 where there is no such application."""
    parser = argparse.ArgumentParser(
        prog="toolkit openapi", description="Print the OpenAPI description of an application."
    )
    parser.add_argument("application", metavar="MODULE:NAME", help="where it is, such as shop.main:web")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write it there")
    given = parser.parse_args(arguments)
    try:
        text = orjson.dumps(openapi_document(_found(given.application)), option=orjson.OPT_INDENT_2).decode()
    except ToolkitError as error:
        print(f"toolkit openapi: {error}", file=sys.stderr)
        return FAILED
    if given.output is None:
        print(text)
    else:
        given.output.write_text(f"{text}\n", encoding="utf-8")
    return 0


def _found(place: str) -> App:
    """The application at `module:name`, looked for from here on. What its module raises goes through."""
    module, _, name = place.partition(":")
    if not module or not name:
        raise UseError(f"{place!r}: expected MODULE:NAME, such as shop.main:web")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, and something that it wants is not
        raise UseError(f"{place!r}: there is no module {error.name!r} here") from None
    value: object = getattr(found, name, None)
    if not isinstance(value, App):
        kind = "nothing" if value is None else type(value).__name__
        raise UseError(f"{place!r}: expected an App, and {name!r} in {module} is {kind}")
    return value
