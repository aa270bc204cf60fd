"""Pure negotiation: what a peer's weighted list says about the codings we have (RFC 9110 12.4.2, 12.5.3).

Everything here scans its input once from left to right, without patterns, so that no header costs more than its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["choose_coding", "parse_weighted"]

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
