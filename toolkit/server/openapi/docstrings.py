"""What a docstring tells of a handler: its first line, the rest, and the sections on parameters, results and errors.

Google's, reST's and NumPy's sections are read by the library `docstring_parser` (the extra `openapi`). Without it a
docstring is its first paragraph and the rest of the text.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from docstring_parser import Docstring

__all__ = ["Documented", "Entry", "read"]

#: JSON Schema's types, by what they are called in docstrings.
TYPES: Final[dict[str, dict[str, object]]] = {
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "float": {"type": "number"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array", "items": {}},
    "dict": {"type": "object"},
    "uuid": {"type": "string", "format": "uuid"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}


class Entry(NamedTuple):
    """One parameter: `type` as it is written there."""

    type: str
    description: str

    @property
    def schema(self) -> dict[str, object]:
        """The type as a schema; text where it says nothing that is known."""
        return dict(TYPES.get(self.type.lower().removeprefix("optional ").strip(), {"type": "string"}))


@dataclass(frozen=True, slots=True)
class Documented:
    """A docstring, read. `raises` are (name of a class, when)."""

    summary: str = ""
    description: str = ""
    parameters: dict[str, Entry] = field(default_factory=dict)
    returns: str = ""
    raises: tuple[tuple[str, str], ...] = ()

    @property
    def together(self) -> str:
        """Summary and description as one text."""
        return "\n\n".join(one for one in (self.summary, self.description) if one)


def read(text: str) -> Documented:
    """A docstring without its indentation (`inspect.getdoc`). One that cannot be read is summary and description."""
    summary, _, description = text.strip().partition("\n\n")
    plain = Documented(" ".join(summary.split()), description.strip())
    if "\n" not in text.strip():
        return plain
    try:
        library = importlib.import_module("docstring_parser")
    except ImportError:
        return plain
    try:
        return _of(library.parse(text))
    except library.ParseError:
        return plain


def _of(found: Docstring) -> Documented:
    parameters = {one.arg_name: Entry(one.type_name or "", _flowing(one.description)) for one in found.params}
    summary, description = found.short_description or "", (found.long_description or "").strip()
    if not found.blank_after_short_description:  # it goes on in the next line
        rest, _, description = description.partition("\n\n")
        summary += f" {rest}"
    return Documented(
        summary=_flowing(summary),
        description=description.strip(),
        parameters=parameters,
        returns=_flowing(found.returns.description) if found.returns is not None else "",
        raises=tuple([(one.type_name or "", _flowing(one.description)) for one in found.raises]),
    )


def _flowing(text: str | None) -> str:
    """Without the source's line ends."""
    return " ".join((text or "").split())
