"""URLs: text that is a legal URI is taken as it stands; anything else is percent-encoded.

What was signed, or given out by another server, must be sent byte for byte, so an already legal URI is never quoted
anew and its dot segments are not touched (an S3 key may be called `../x`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from yarl import URL

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["base_of", "join_url", "parse_url", "shown_url", "with_params"]

LEGAL: Final = re.compile(r"(?:[!#$&-;=?-Z\[\]_a-z~]|%[0-9A-Fa-f]{2})*")  # RFC 3986 2
ORIGIN: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)([^/?#@]*@)?([^/?#]*)")
LOGIN: Final = re.compile(r"(^|//)[^/?#]*@")
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")


def parse_url(text: str) -> URL:
    """Scheme and host in lower case (RFC 3986 6.2.2.1), the rest as it stands. Raises ValueError for what is no URL."""
    if LEGAL.fullmatch(text) is None:
        return URL(text)
    origin = ORIGIN.match(text)
    if origin is not None:
        text = origin[1].lower() + (origin[2] or "") + origin[3].lower() + text[origin.end() :]
    return URL(text, encoded=True)


def base_of(text: object) -> URL:
    """A `base_url`. Raises `UseError` for what leads nowhere."""
    try:
        base = URL(text) if isinstance(text, str) else None
    except ValueError:
        base = None
    if base is None or base.scheme not in ("http", "https") or not base.raw_host:
        shown = shown_url(text) if isinstance(text, str) else text
        raise UseError(f"base_url={shown!r}: expected http:// or https:// and a host, as text")
    return base


def with_params(url: URL, defaults: Sequence[tuple[str, str]]) -> URL:
    """`defaults` added to the query, but for names that it has already."""
    missing = [pair for pair in defaults if pair[0] not in url.query]
    return url.extend_query(missing) if missing else url


def join_url(base: URL, text: str) -> URL:
    """`text` as seen from `base` (RFC 3986 5.2); an absolute path keeps its dot segments."""
    if SCHEME.match(text):
        return parse_url(text)
    if text.startswith("//"):
        return parse_url(f"{base.scheme}:{text}")
    if text.startswith("/"):
        return parse_url(f"{base.scheme}://{base.raw_authority}{text}")
    return base.join(parse_url(text))


def shown_url(text: str) -> str:
    """A URL as a program wrote it, for messages, which end up in logs: without a login."""
    return LOGIN.sub(r"\1***@", text, count=1)
