"""Conditional requests: what If-Match and its kin make of an answer (RFC 9110 8.8 and 13). Pure decisions.

How it works. `read_conditions` looks over a request's fields once and mostly finds nothing. What it finds `evaluate`
holds against the validators of the selected representation, in the order of RFC 9110 13.2.2. Entity tags are the text
as it stands in the field, quotes and `W/` included; dates are whole seconds since 1970. What cannot be read has no
say, except in If-Match and If-None-Match, which are conditions that then fail to name the representation.

Only what would otherwise be a 2xx is conditional (13.2.1): whoever calls this has found the representation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from toolkit.protocol.dates import parse_http_date

if TYPE_CHECKING:
    from toolkit.protocol.fields import Fields

__all__ = ["Conditions", "Verdict", "evaluate", "is_entity_tag", "range_applies", "read_conditions", "weaken"]

Verdict: TypeAlias = Literal[304, 412] | None  #: None: go on as if nothing had been asked

OWS: Final = " \t"


class Conditions:
    """The fields of a request that ask for something conditionally, or for a part; None for those that are not there.

    Several fields of one name are one list, as in any field (RFC 9110 5.3).
    """

    __slots__ = ("if_match", "if_modified_since", "if_none_match", "if_range", "if_unmodified_since", "range")

    def __init__(self) -> None:
        self.if_match: str | None = None
        self.if_none_match: str | None = None
        self.if_modified_since: str | None = None
        self.if_unmodified_since: str | None = None
        self.if_range: str | None = None
        self.range: str | None = None


#: By the length of the name first: a field that is none of these costs one look-up.
NAMES: Final[dict[int, dict[bytes, str]]] = {
    5: {b"range": "range"},
    8: {b"if-match": "if_match", b"if-range": "if_range"},
    13: {b"if-none-match": "if_none_match"},
    17: {b"if-modified-since": "if_modified_since"},
    19: {b"if-unmodified-since": "if_unmodified_since"},
}


def read_conditions(fields: Fields) -> Conditions | None:
    """The conditions among a request's fields; None without any."""
    found: Conditions | None = None
    for name, value in fields:
        named = NAMES.get(len(name))
        if named is None:
            continue
        attribute = named.get(name.lower())
        if attribute is None:
            continue
        if found is None:
            found = Conditions()
        text = value.decode("latin-1")
        before: str | None = getattr(found, attribute)
        setattr(found, attribute, text if before is None else f"{before}, {text}")
    return found


def evaluate(
    method: str, conditions: Conditions, etag: str | None, last_modified: int | None, *, exists: bool = True
) -> Verdict:
    """What becomes of the request: None (it is carried out), 304 or 412 (RFC 9110 13.2.2).

    `etag` and `last_modified` belong to the selected representation, None where it has none; `exists`: there is one
    (a PUT with `If-None-Match: *` asks that there be none). If-Range is `range_applies`'s.
    """
    if method in ("CONNECT", "OPTIONS", "TRACE"):
        return None  # 13.2.1: no representation is selected
    if conditions.if_match is not None:
        if not _matches(conditions.if_match, etag, exists, strong=True):
            return 412
    elif conditions.if_unmodified_since is not None and last_modified is not None:
        date = parse_http_date(conditions.if_unmodified_since)
        if date is not None and last_modified > date:
            return 412
    reads = method in ("GET", "HEAD")
    if conditions.if_none_match is not None:
        if _matches(conditions.if_none_match, etag, exists, strong=False):
            return 304 if reads else 412
    elif reads and conditions.if_modified_since is not None and last_modified is not None:
        date = parse_http_date(conditions.if_modified_since)
        if date is not None and last_modified <= date:
            return 304
    return None


def range_applies(conditions: Conditions, etag: str | None, last_modified: int | None, now: float) -> bool:
    """Whether a GET's Range counts, or the whole is to be sent since it changed (RFC 9110 13.1.5).

    Parts of two versions are never joined: only strong validators count, compared exactly. A date is one where the
    representation was not changed within the second before `now` (seconds since 1970; 8.8.2.2).
    """
    if conditions.if_range is None:
        return True
    wanted = conditions.if_range.strip(OWS)
    if wanted.startswith(('"', "W/")):
        return etag is not None and is_entity_tag(wanted) and _same(wanted, etag, strong=True)
    date = parse_http_date(wanted)
    return date is not None and date == last_modified and last_modified < int(now)


def is_entity_tag(text: str) -> bool:
    """Whether `text` is an entity tag and may be sent as one (RFC 9110 8.8.3)."""
    tags = _tags(text)
    return len(tags) == 1 and tags[0] == text


def weaken(etag: str) -> str:
    """The tag of a representation that is the same in meaning, not to the byte (RFC 9110 8.8.1): coded on its way."""
    return etag if etag.startswith("W/") else f"W/{etag}"


def _matches(listed: str, etag: str | None, exists: bool, *, strong: bool) -> bool:
    listed = listed.strip(OWS)
    if listed == "*":
        return exists
    if etag is None or not exists:
        return False
    return (listed == etag and (not strong or etag[0] == '"')) or any(_same(tag, etag, strong) for tag in _tags(listed))


def _same(tag: str, other: str, strong: bool) -> bool:
    """The comparisons of RFC 9110 8.8.3.2."""
    if strong:
        return tag == other and not tag.startswith("W/")
    return tag.removeprefix("W/") == other.removeprefix("W/")


def _tags(text: str) -> list[str]:
    """The entity tags of a list, up to the first thing that is none. One pass, whatever stands there."""
    found = []
    at, size = 0, len(text)
    while at < size:
        if text[at] in ", \t":
            at += 1
            continue
        start = at
        if text.startswith("W/", at):  # 8.8.3: case-sensitive
            at += 2
        end = text.find('"', at + 1)
        if text[at : at + 1] != '"' or end < 0 or not _are_etagc(text[at + 1 : end]):
            break
        at = end + 1
        if at < size and text[at] not in ", \t":
            break
        found.append(text[start:at])
    return found


def _are_etagc(text: str) -> bool:
    """RFC 9110 8.8.3: any visible character but the quote, and obs-text; there are no escapes."""
    return " " not in text and ((text.isascii() and text.isprintable()) or all("!" <= c != "\x7f" for c in text))
