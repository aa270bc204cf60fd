"""Bodies by their content type: what `json()` and its like take of a request, and parameters wherever they are.

A body that says it is something else is refused with 415 (RFC 9110 15.5.16) rather than read all the same: a page of
another origin can make a browser send text/plain or a form anywhere, and application/json only where CORS allows it.
A body that says nothing of its type is read as what was asked for. Such a page can send that, too: what a cookie allows
is protected by its `samesite`, or by a token, and not by this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from toolkit.errors import RemoteProtocolError
from toolkit.protocol.aio.forms import form_of, unexpected
from toolkit.protocol.lines import CHARSETS, label_of
from toolkit.protocol.multipart import parse_parameters

if TYPE_CHECKING:
    from toolkit.protocol.limits import FormLimits
    from toolkit.server.incoming import Incoming

__all__ = ["body_or_params", "check_charset", "expect_type"]

TYPES: Final = {
    "json": frozenset(["application/json", "text/json"]),
    "xml": frozenset(["application/xml", "text/xml"]),
}
UTF_8: Final = frozenset(["utf-8", "utf8", "us-ascii", "ascii"])
BY_QUERY: Final = frozenset(["GET", "HEAD", "OPTIONS", "DELETE"])
FORMS: Final = frozenset(["application/x-www-form-urlencoded", "multipart/form-data"])


def check_charset(r: Incoming, raw: bytes) -> str | None:
    """The charset that a content-type field names. Raises `RemoteProtocolError` (415) for an unknown one."""
    label = label_of(raw.decode("latin-1"))
    if label is not None and label not in CHARSETS:
        raise r._refused(RemoteProtocolError(f"charset {label[:40]!r} is not known here; expected utf-8", 415))
    return label


def expect_type(r: Incoming, raw: bytes, kind: str, any_type: bool) -> str | None:
    """Judge a content-type field; gives the body's charset where it is not UTF-8.

    Raises `RemoteProtocolError` (415) for another type than `kind`, and for an unknown charset.
    """
    content_type = raw.decode("latin-1")
    given, _ = parse_parameters(content_type)
    if given and not any_type and given not in TYPES[kind] and not given.endswith(f"+{kind}"):
        raise r._refused(unexpected(content_type, f"application/{kind}"))
    label = check_charset(r, raw)
    return None if label is None or label in UTF_8 or kind == "xml" else label  # XML says it by itself


async def body_or_params(r: Incoming, limits: FormLimits | None) -> dict[str, object]:
    """See `Request.body_or_params`."""
    if r.method in BY_QUERY:
        return dict(r.params())
    kind, _ = parse_parameters(r.content_type)
    if kind in FORMS:
        return dict(await form_of(r, r._connection.running.app.forms if limits is None else limits))
    if not kind and not await r.read():
        return dict(r.params())
    value = await r.json()
    if not isinstance(value, dict):
        raise r._refused(RemoteProtocolError("the body is JSON, but no object; expected parameters by name"))
    return dict(value)
