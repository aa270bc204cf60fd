"""What answers are kept by: which requests ask for the same (RFC 9111 2, 4.1). Pure.

How it works. A key has two halves. `path` is the path alone, so that all that is kept of it can be forgotten at once.
`rest` is everything else that tells one request from another, a line each:

    the method      GET, which HEAD shares; HEAD alone where a handler of its own answers it
    the origin      scheme and host as they were asked for: a handler may build links from them
    the query       all of it, or the parameters that were chosen, in an order that does not depend on the visitor
    the path        as it came, where it holds what should have been encoded
    own words       what the application's function said
    fields          those that the rule names, and behind them those that the kept answer's Vary names

Two requests that a handler could tell apart by one of these never have the same key: whoever can find two that do can
have others shown what was made for him. Hence parameters are sorted by their decoded names, and stay as they came; no
line can hold a line's end, and what functions of the application give goes through `repr`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from toolkit.protocol.fields import join_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from toolkit.protocol.fields import Fields

__all__ = ["Key", "chosen_query", "field_lines", "normal_path", "odd_spelling", "vary_names"]

# What stands for itself in a segment (RFC 3986 3.3: unreserved, sub-delims, ":" and "@").
SEGMENT: Final = "!$&'()*+,;=:@"
ODD: Final = re.compile(r"[^A-Za-z0-9/._~!$&'()*+,;=:@%-]")
AS_IT_IS: Final = re.compile(r"[A-Za-z0-9/._~-]*")


class Key(NamedTuple):
    """See the module."""

    path: str
    rest: str

    def with_fields(self, fields: Fields, names: Sequence[str]) -> Key:
        """The same, for a request with these fields."""
        return Key(self.path, self.rest + field_lines(fields, names))


def normal_path(path: str) -> str:
    """A path as it came, spelt in one way (RFC 3986 6.2.2): `/%61%2fb` is `/a%2Fb`; an encoded slash stays one."""
    if AS_IT_IS.fullmatch(path) is not None:
        return path
    return "/".join([quote(unquote_to_bytes(segment), safe=SEGMENT) for segment in path.split("/")])


def odd_spelling(path: str) -> str:
    """A line with the path as it came, where something in it should have been encoded (RFC 3986 3.3); "" if not.

    No browser sends `/<b>`. A handler that repeats what was asked for must not do so to who asked for `/%3Cb%3E`.
    """
    return f"\n{path}" if ODD.search(path) is not None else ""


def chosen_query(query: str, names: Collection[str] | None) -> str:
    """The parameters of these names (None: all), sorted by name; several of one name stay in their order."""
    if not query or (names is not None and not names):
        return ""
    pairs = [pair for pair in query.split("&") if pair]
    if names is not None:
        pairs = [pair for pair in pairs if _name(pair) in names]
    pairs.sort(key=_name)
    return "&".join(pairs)


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])  # of `a=1&%61=2` a handler sees two of one name, in this order


def field_lines(fields: Fields, names: Sequence[str]) -> str:
    """A line for each of these fields: its values as they came, joined (RFC 9111 4.1); an absent one is not empty."""
    lines = []
    for name in names:
        value = join_fields(fields, name.encode("latin-1"))
        lines.append(f"\n{name}" if value is None else f"\n{name}: {value.decode('latin-1')}")
    return "".join(lines)


def vary_names(fields: Fields) -> tuple[str, ...] | None:
    """The fields that an answer says it depends on, sorted, in lower case; None for `*`: on what nobody can tell."""
    value = join_fields(fields, b"vary")
    if value is None:
        return ()
    names = {name.strip(" \t") for name in value.decode("latin-1").lower().split(",")} - {""}
    return None if "*" in names else tuple(sorted(names))
