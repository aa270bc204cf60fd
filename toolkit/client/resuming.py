"""Going on with a download that was cut off: what may be asked for, and what an answer to it means. Pure decisions.

How it works. Bytes of two versions are never joined. What is here already carries a `Mark`: where it is from, and a
strong validator of that version (RFC 9110 8.8). The rest is asked for by Range with that validator in If-Range
(13.1.5): a server that has another version by now sends the whole of it, as does one that knows no ranges. `judge`
looks at whatever came and says where its bytes belong, trusting no server to have kept to the rules.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from toolkit.protocol.conditional import is_entity_tag
from toolkit.protocol.dates import parse_http_date
from toolkit.protocol.ranges import parse_content_range

if TYPE_CHECKING:
    from toolkit.protocol.headers import Headers

__all__ = ["Mark", "Step", "answered_size", "judge", "read_mark", "strong_validator", "write_mark"]

#: Seconds. A date is a strong validator where the thing had not changed for so long when it was sent (8.8.2.2): within
#: a second it might have changed again unseen. A minute, as clocks of caches and origins differ.
SETTLED: Final = 60


class Mark(NamedTuple):
    """What a part of a download belongs to: its URL (hashed: URLs carry secrets), its validator, the size of it all."""

    source: str
    validator: str
    size: int | None

    @classmethod
    def of(cls, url: str, validator: str, size: int | None) -> Mark:
        """That of a download from `url`."""
        return cls(hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest(), validator, size)


def write_mark(mark: Mark) -> bytes:
    """What is kept beside the part."""
    return orjson.dumps(mark._asdict()) + b"\n"


def read_mark(data: bytes) -> Mark | None:
    """The same again; None for anything else, which may have been written by half or by another program."""
    try:
        found = orjson.loads(data)
        mark = Mark(found["source"], found["validator"], found["size"])
    except (ValueError, KeyError, TypeError):
        return None
    sized = mark.size is None or (type(mark.size) is int and mark.size >= 0)
    return mark if isinstance(mark.source, str) and _is_validator(mark.validator) and sized else None


def _is_validator(value: object) -> bool:
    """It goes into a field of a request: nothing but an entity tag or a date may."""
    return isinstance(value, str) and (is_entity_tag(value) or parse_http_date(value) is not None)


def strong_validator(headers: Headers) -> str | None:
    """What If-Range may name of this answer's version; None where only the whole can be asked for again.

    A strong entity tag, or else the date of the last change, if it lay a minute back when the answer was made.
    """
    etag = headers.get("etag")
    if etag is not None:
        return etag if not etag.startswith("W/") and is_entity_tag(etag) else None
    changed, sent = headers.get("last-modified"), headers.get("date")
    if changed is None or sent is None:
        return None
    at, now = parse_http_date(changed), parse_http_date(sent)
    return changed if at is not None and now is not None and now - at >= SETTLED else None


class Step(Enum):
    """Where an answer's bytes belong."""

    WHOLE = "whole"  #: it is all there is: written from the beginning
    REST = "rest"  #: it begins where the part ends
    NOTHING = "nothing"  #: the part is the whole already
    AGAIN = "again"  #: it fits nowhere: the whole is to be asked for, without a range


def judge(status: int, headers: Headers, held: int | None, mark: Mark | None, *, coded: bool = False) -> Step | None:
    """What to do with an answer; None where it is nothing to be saved (an error, a redirect).

    `held`: bytes of the part behind which the request asked for the rest, None if it asked for all; `mark` is the
    part's; `coded`: content codings are undone on the way, so that the answer's ranges are not the file's. A 206 that
    nobody asked for is None as well.
    """
    if 200 <= status < 300 and status != 206:
        return Step.WHOLE
    if held is None or mark is None or status not in (206, 416):
        return None
    etag = headers.get("etag")
    if etag is not None and is_entity_tag(mark.validator) and etag != mark.validator:
        return Step.AGAIN
    found = parse_content_range(headers.get("content-range", ""))
    span, size = (None, None) if found is None else found
    if mark.size is not None and size is not None and size != mark.size:
        return Step.AGAIN
    if status == 416:
        return Step.NOTHING if size == held and held else Step.AGAIN
    if span is None or span.start != held or coded:
        return Step.AGAIN
    return Step.REST


def answered_size(status: int, headers: Headers) -> int | None:
    """Bytes of the whole, as an answer states it: by Content-Length, in a 206 by Content-Range; None: unknown."""
    if status == 206:
        found = parse_content_range(headers.get("content-range", ""))
        return None if found is None else found[1]
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None
