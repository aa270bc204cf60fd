"""Path templates: what the path of a route says, in one form whatever its spelling.

    {name}  :name  <name>                       one segment, as text
    {name:int}  <int:name>                      one segment, of a kind; "str" is text
    {name:path}  <path:name>                    the rest of the path, slashes and all; the last segment only

A parameter is a whole segment: then the tree needs no search inside one, and what it matched is never in doubt. A
colon inside a segment ("/books:archive") is a character like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import quote

from toolkit.errors import UseError
from toolkit.server.converters import PATH, Converter

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Parameter", "Pattern", "Segment", "build", "check_prefix", "other_slash", "parse"]

# RFC 3986 3.3: what may stand in a segment unencoded, besides letters, digits and "-._~".
SEGMENT_SAFE = "!$&'()*+,;=:@"
_DOTS = frozenset([".", ".."])
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class Parameter(NamedTuple):
    """A segment that varies; `converter` is "" for plain text."""

    name: str
    converter: str

    def __str__(self) -> str:
        return f"{{{self.name}:{self.converter}}}" if self.converter else f"{{{self.name}}}"


Segment: TypeAlias = str | Parameter


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path, cut: its segments are what stands between its slashes."""

    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        return "".join(f"/{segment}" for segment in self.segments)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those segments that vary."""
        return tuple(segment for segment in self.segments if isinstance(segment, Parameter))

    @property
    def shape(self) -> str:
        """The same for two patterns that match the same paths."""
        return "".join(f"/{{:{one.converter}}}" if isinstance(one, Parameter) else f"/{one}" for one in self.segments)


_FORMS = (
    re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<converter>[^{}:]+))?\}"),
    re.compile(r"<(?:(?P<converter>[^<>:]+):)?(?P<name>[^<>:]*)>"),
    re.compile(r":(?P<name>[^:{}<>]*)"),
)


def parse(path: str) -> Pattern:
    """The pattern of a route's path. Raises `UseError` for one that is none."""
    if not path.startswith("/"):
        raise UseError(f"route {path!r}: expected a path that begins with '/'")
    if "?" in path or "#" in path:
        raise UseError(f"route {path!r}: a path ends before '?' and '#'; the query is in r.params()")
    segments = tuple(_segment(path, text) for text in path[1:].split("/"))
    names = [segment.name for segment in segments if isinstance(segment, Parameter)]
    for number, segment in enumerate(segments):
        if isinstance(segment, Parameter):
            if segment.converter == PATH and number + 1 < len(segments):
                raise UseError(f"route {path!r}: '{segment}' takes the rest of the path; nothing can follow it")
            if names.count(segment.name) > 1:
                raise UseError(f"route {path!r}: two parameters are called {segment.name!r}")
    return Pattern(segments)


def _segment(path: str, text: str) -> Segment:
    if text.isalnum():
        return text
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            groups = found.groupdict()
            converter = groups.get("converter") or ""
            if not groups["name"].isidentifier() or (converter and not converter.isidentifier()):
                raise UseError(f"route {path!r}: {text!r} is no parameter; expected '{{name}}' or '{{name:converter}}'")
            return Parameter(groups["name"], "" if converter == "str" else converter)
    if text.startswith("*") and (not text.strip("*") or text.strip("*").isidentifier()):
        name = text.strip("*") or "rest"
        raise UseError(
            f"route {path!r}: {text!r} would be a literal asterisk; '{{{name}:path}}' takes the rest of a path, "
            f"'{{{name}}}' one segment"
        )
    if any(character in text for character in "{}<>") or text.startswith(":"):
        raise UseError(f"route {path!r}: a parameter is a whole segment, '/{{name}}/'")
    return text


def check_prefix(prefix: str) -> str:
    """A prefix without its last slash. Raises `UseError` for one that is none."""
    prefix = prefix.rstrip("/")
    if prefix and any(one.converter == PATH for one in parse(prefix).parameters):
        raise UseError(f"prefix {prefix!r}: a parameter that takes the rest of the path leaves nothing to serve")
    return prefix


def build(pattern: Pattern, values: Mapping[str, object], converters: Mapping[str, Converter]) -> str:
    """The path for these values, percent-encoded (RFC 3986 3.3).

    Raises `UseError` for a value that is missing, one too many, or one whose path would not come back here.
    """
    names = {one.name for one in pattern.parameters}
    if names != values.keys():
        wanted = ", ".join(sorted(names)) or "no values"
        raise UseError(f"url_for: {pattern} needs {wanted}; got {', '.join(sorted(values)) or 'none'}")
    return "".join(
        "/" + (_written(pattern, one, values[one.name], converters) if isinstance(one, Parameter) else _literal(one))
        for one in pattern.segments
    )


def _literal(segment: str) -> str:
    """As a route has it: with its own escapes, if it was written with any."""
    return quote(_STRAY_PERCENT.sub("%25", segment), SEGMENT_SAFE + "%")


def _written(pattern: Pattern, parameter: Parameter, value: object, converters: Mapping[str, Converter]) -> str:
    wrong = f"url_for: {value!r} for {parameter} of {pattern} "
    text = str(value)
    if parameter.converter:
        converter = converters[parameter.converter]
        try:
            text = converter.format(value)
            converter.parse(text)
        except ValueError as error:
            raise UseError(f"{wrong}is not of this kind") from error
    pieces = text.split("/") if parameter.converter == PATH else [text]
    if not text or not _DOTS.isdisjoint(pieces):
        raise UseError(f"{wrong}makes a path that leads elsewhere: empty, '.' and '..' are no segments")
    return "/".join(quote(piece, SEGMENT_SAFE) for piece in pieces)


def other_slash(path: str) -> str | None:
    """The path with a last slash more or less; None where there is no such path, or where it would lead elsewhere.

    Sent as a `Location`, what begins with two slashes names another host; browsers take a backslash for a slash.
    """
    if not path.startswith("/") or path == "/" or path[1:2] in ("/", "\\"):
        return None
    return path[:-1] if path.endswith("/") else path + "/"
