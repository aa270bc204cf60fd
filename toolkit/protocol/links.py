"""Links: the Link field, read (RFC 8288). Pure.

How it works. `parse_links` follows the algorithm of RFC 8288 B.2 over all the field's lines, joined by commas: targets
in angle brackets, each with its parameters. It never raises: what is no link ends the list, as the algorithm has it.
A link without `rel` has no relation, which is kept, too. `title*` (RFC 8187) counts before `title`; of `rel`, `anchor`,
`type`, `media` and `title` the first counts, of `hreflang` each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from toolkit.protocol.parameters import extended_value, parameter_list

__all__ = ["Link", "parse_links"]

OWS: Final = " \t"
MOST: Final = 1000  #: links of one answer that are looked at; a page of preloads has dozens
NAMED: Final = frozenset(["rel", "rev", "anchor", "type", "media", "title", "title*", "hreflang"])


@dataclass(frozen=True, slots=True)
class Link:
    """One link: `url` as it stands in the field, or resolved where it was read from an answer.

    `rel`: its relations in lower case, URIs as they stand. `anchor`: what it leads from, where that is not the answer
    itself. `type`, `media`, `title`: "" where not stated. `attributes`: the other parameters, the first of each name.
    """

    url: str
    rel: tuple[str, ...] = ()
    anchor: str | None = None
    type: str = ""
    media: str = ""
    title: str = ""
    hreflang: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict, hash=False)


def parse_links(value: str) -> list[Link]:
    """The links of a Link field, in order; several lines of it joined by commas (RFC 9110 5.3)."""
    found: list[Link] = []
    at, size = 0, len(value)
    while len(found) < MOST:
        while at < size and (value[at] in OWS or value[at] == ","):
            at += 1
        end = value.find(">", at)
        if at >= size or value[at] != "<" or end < 0:
            return found
        target = value[at + 1 : end].strip(OWS)
        parameters, at = parameter_list(value, end + 1, stop=",")
        found.append(_link(target, parameters))
    return found


def _link(target: str, parameters: list[tuple[str, str]]) -> Link:
    """RFC 8288 3.2 to 3.4: which of several parameters of one name counts."""
    first: dict[str, str] = {}
    languages: list[str] = []
    for name, value in parameters:
        if name == "hreflang":
            languages.append(value)
        first.setdefault(name, value)
    title = extended_value(first["title*"]) if "title*" in first else None
    relations = first.get("rel", "").split()
    return Link(
        target,
        rel=tuple(one if ":" in one else one.lower() for one in relations),
        anchor=first.get("anchor"),
        type=first.get("type", ""),
        media=first.get("media", ""),
        title=first.get("title", "") if title is None else title,
        hreflang=tuple(languages),
        attributes={name: value for name, value in first.items() if name not in NAMED},
    )
