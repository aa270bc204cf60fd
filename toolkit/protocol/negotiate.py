"""Pure negotiation: what a peer's weighted list says about the codings and media types we have (RFC 9110 12.4.2, 12.5).

Everything here scans its input once from left to right, without patterns, so that no header costs more than its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["choose_coding", "choose_media_type", "parse_media_ranges", "parse_weighted"]

OWS = " \t"  # RFC 9110 5.6.3; str.strip() alone would take every Unicode space
DIGITS = "0123456789"
TCHAR = "!#$%&'*+-.^_`|~" + DIGITS + "abcdefghijklmnopqrstuvwxyz"  # RFC 9110 5.6.2, lower case
FULL = 1000  #: the weight of an element that states none


def parse_weighted(value: str) -> list[tuple[str, int]]:
    """Split a list such as ``gzip;q=0.5, *;q=0`` into (name in lower case, weight), in the order given.

    Weights are in thousandths, 0 to 1000, so that they compare exactly. The elements are tokens with an optional
    weight (RFC 9110 12.4.2), as in Accept-Encoding, Accept-Language and TE. Malformed elements are left out: an
    unreadable weight must not be taken for full approval.
    """
    found = []
    for element in value.lower().split(","):
        name, semicolon, rest = element.partition(";")
        name = name.strip(OWS)
        weight = _weight(rest.strip(OWS)) if semicolon else FULL
        if weight is not None and name and not name.strip(TCHAR):
            found.append((name, weight))
    return found


def _weight(text: str) -> int | None:
    """Read ``q=0.25`` as 250; None if it is not a qvalue, which has three digits at most and no more than 1."""
    if not text.startswith("q="):
        return None
    whole, point, digits = text[2:].partition(".")
    if whole not in {"0", "1"} or len(digits) > 3 or digits.strip(DIGITS):
        return None
    weight = int(whole) * FULL + int((digits if point else "").ljust(3, "0"))
    return weight if weight <= FULL else None


def choose_coding(accept_encoding: str | None, available: Sequence[str]) -> str | None:
    """Choose the content coding of a message, or None for sending it as it is (identity).

    `available` is in our order of preference, which decides between equal weights; identity comes last there. Without
    the field, or with an empty one, nothing is coded: the first says nothing of what the peer can decode, the second
    that it wants none (RFC 9110 12.5.3). `*` stands for every coding not named, identity among them; identity not
    named at all is the last resort. A peer that refuses identity and everything we have gets identity all the same,
    as section 12.5.3 advises. `x-gzip` means gzip (8.4.1.3); a name given twice counts as it came first.
    """
    if not accept_encoding:
        return None
    weights: dict[str, int] = {}
    for name, weight in parse_weighted(accept_encoding):
        weights.setdefault(name, weight)
    if "x-gzip" in weights:
        weights.setdefault("gzip", weights["x-gzip"])
    others = weights.get("*", 0)
    best, best_weight = None, weights.get("identity", others)
    for coding in available:
        weight = weights.get(coding, others)
        # At equal weights the first of ours wins, and any coding wins over identity.
        if weight > best_weight or (best is None and weight == best_weight > 0):
            best, best_weight = coding, weight
    return best


class MediaRange(NamedTuple):
    """One element of an Accept field, names in lower case; `*` as type or subtype stands for any."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...]  #: those that the media type itself must have
    weight: int  #: thousandths, 0 to 1000

    def matches(self, other: MediaRange) -> bool:
        """Whether the media type `other` lies within this range (RFC 9110 12.5.1)."""
        return (
            self.type in ("*", other.type)
            and self.subtype in ("*", other.subtype)
            and all(parameter in other.parameters for parameter in self.parameters)
        )

    @property
    def precision(self) -> tuple[bool, bool, int]:
        """The more precise of two ranges that match takes precedence."""
        return (self.type != "*", self.subtype != "*", len(self.parameters))


def parse_media_ranges(value: str) -> list[MediaRange]:
    """Split a list such as ``text/html;level=1;q=0.5, */*;q=0.1`` in the order given; malformed elements are left out.

    `charset` is no part of a range here: clients write it behind types whose text can only be UTF-8.
    """
    ranges = (_media_range(element) for element in _split_unquoted(value, ","))
    return [one for one in ranges if one is not None]


def _media_range(element: str) -> MediaRange | None:
    first, *rest = _split_unquoted(element, ";")
    kind, slash, subtype = first.strip(OWS).lower().partition("/")
    if not slash or not kind or not subtype or kind.strip(TCHAR) or subtype.strip(TCHAR):
        return None
    if kind == "*" and subtype != "*":
        return None
    parameters, weight = [], FULL
    for each in rest:
        name, equals, value = each.strip(OWS).partition("=")
        name = name.lower()
        if name == "q":
            read = _weight(f"q={value}")
            if read is None:
                return None
            weight = read
            continue
        value = _unquote(value)
        if not equals or not name or name.strip(TCHAR) or not value:
            return None
        if name != "charset":
            parameters.append((name, value.lower()))
    return MediaRange(kind, subtype, tuple(parameters), weight)


def _unquote(value: str) -> str:
    """A parameter's value, out of its quotes (RFC 9110 5.6.4); "" where it is neither a token nor quoted."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1].replace("\\", "")
    return "" if value.lower().strip(TCHAR) else value


def _split_unquoted(text: str, separator: str) -> list[str]:
    """`text.split(separator)`, but not inside of quoted strings."""
    if '"' not in text:
        return text.split(separator)
    parts, start, quoted, escaped = [], 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def choose_media_type(accept: str | None, available: Sequence[str]) -> str | None:
    """Choose among the media types we have the one that an Accept field likes best; None if it refuses them all.

    `available` is in our order of preference, which decides between equal weights. Of the ranges that a type lies in
    the most precise one gives its weight (RFC 9110 12.5.1). Without the field, or where nothing of it can be read,
    anything goes: the first. What a refusal becomes, 406 or the first all the same, is the caller's to say.
    """
    ranges = [] if accept is None else parse_media_ranges(accept)
    if not ranges:
        return available[0] if available else None
    best, best_weight = None, 0
    for name in available:
        kind = _media_range(name)
        if kind is None:
            raise ValueError(f"{name!r} is no media type; expected for instance 'text/html'")
        matching = [one for one in ranges if one.matches(kind)]
        weight = max(matching, key=lambda one: one.precision).weight if matching else 0
        if weight > best_weight:
            best, best_weight = name, weight
    return best
