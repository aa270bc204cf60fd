"""Redirects: the answer and the request in, the next request or a reason to stop out (RFC 9110 15.4). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.client.url import join_url
from toolkit.errors import RemoteProtocolError

if TYPE_CHECKING:
    from yarl import URL

    from toolkit.protocol.headers import Fields

__all__ = ["Hop", "next_hop"]

MOST_HOPS: Final = 10

# With another origin go the credentials meant for this one (CVE-2018-18074, CVE-2023-43804 and many more).
CREDENTIALS: Final = frozenset([b"authorization", b"cookie", b"proxy-authorization"])
# A GET that was a POST has no body, and nothing that describes one.
OF_THE_BODY: Final = b"content-"


class Hop(NamedTuple):
    """The next request."""

    method: str
    url: URL
    fields: Fields
    keeps_body: bool


def next_hop(method: str, url: URL, fields: Fields, status: int, location: str | None, hops: int) -> Hop | None:
    """None where the answer is the last one. Raises `RemoteProtocolError` for a redirect that cannot be followed.

    301 and 302 turn POST into GET as every browser does, 303 turns all but HEAD; everything else keeps method and body
    (a PUT sent on without its body would empty the resource).
    """
    if status not in (301, 302, 303, 307, 308) or location is None:
        return None
    if hops >= MOST_HOPS:
        raise RemoteProtocolError(f"{url}: more than {MOST_HOPS} redirects")
    try:
        target = join_url(url, location)
        port = target.port  # looked at only when asked for
    except ValueError as error:
        raise RemoteProtocolError(f"{url}: redirected to {location[:80]!r}, which is no URL") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise RemoteProtocolError(f"{url}: redirected to {location[:80]!r}; only http and https are followed")
    if url.scheme == "https" and target.scheme == "http":
        raise RemoteProtocolError(f"{url}: redirected from https to http; not followed")
    keeps_body = True
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, keeps_body = "GET", False
    same = (target.scheme, target.raw_host, port) == (url.scheme, url.raw_host, url.port)
    drop = set() if same else CREDENTIALS
    kept = [
        (name, value)
        for name, value in fields
        if (key := name.lower()) not in drop
        and key not in (b"host", b"expect")
        and (keeps_body or not (key.startswith(OF_THE_BODY) or key == b"transfer-encoding"))
    ]
    return Hop(method, target.with_fragment(None), kept, keeps_body)
