"""Where a redirect may lead. Pure.

A path that somebody took from a request and hands back must not become another host: browsers read `//evil.test`,
`/\\evil.test` and either with a tab in it as one (aiohttp CVE-2021-21330, Tornado CVE-2023-28370, Werkzeug
CVE-2020-28724).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

from toolkit.errors import UseError, caused

__all__ = ["location_of"]

REDIRECTS: Final = frozenset([300, 301, 302, 303, 307, 308])  # RFC 9110 15.4: those that have a location
SAFE: Final = "!#$%&'()*+,/:;=?@[]~"  # RFC 3986 2.2, and the percent sign of what is encoded already


def location_of(location: str, status: int = 302) -> str:
    """A location field's value. Raises `UseError`; see `Deliver.redirect`."""
    if status not in REDIRECTS:
        raise UseError(f"redirect(status={status!r}): expected one of {sorted(REDIRECTS)}")
    if not isinstance(location, str) or not location.strip():
        raise UseError(f"redirect({location!r}): expected a URL or a path")
    location = location.strip()
    if location[0] in "/\\":
        return quote("/" + location.lstrip("/\\\t\r\n "), safe=SAFE)
    try:
        parts = urlsplit(location)
        host = parts.hostname
    except ValueError as error:
        raise caused(UseError(f"redirect({location[:200]!r}): {error}"), error)
    names_scheme = ":" in location.partition("/")[0].partition("?")[0].partition("#")[0]
    if names_scheme and (parts.scheme not in ("http", "https") or not host):
        raise UseError(f"redirect({location[:200]!r}): expected http://, https:// or a path")
    return quote(location, safe=SAFE)
