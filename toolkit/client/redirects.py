"""Redirects: the answer and the request in, the next request or a reason to stop out (RFC 9110 15.4). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from toolkit.client.url import join_url, parse_url, shown_url
from toolkit.errors import RemoteProtocolError, UseError

if TYPE_CHECKING:
    from yarl import URL

    from toolkit.protocol.headers import Fields

__all__ = ["Hop", "Redirects", "next_hop", "same_origin"]

# With another origin go the credentials meant for this one (CVE-2018-18074, CVE-2023-43804 and many more). What is for
# a proxy is not for an origin at all, but a caller who named it himself meant the proxy in front of this one.
CREDENTIALS: Final = frozenset([b"authorization", b"cookie", b"origin"])
FOR_PROXIES: Final = b"proxy-"
# A GET that was a POST has no body, and nothing that describes one (RFC 9110 15.4, 5.).
OF_THE_BODY: Final = frozenset([b"digest", b"repr-digest", b"last-modified", b"trailer", b"transfer-encoding"])
CONTENT: Final = b"content-"
# Said anew for each request.
OF_THE_REQUEST: Final = frozenset([b"host", b"expect"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects:
    """How redirects are followed."""

    most: int = 10  #: hops, a count; one more is `RemoteProtocolError`. Chrome 20, requests 30, curl 50, Go 10
    insecure: bool = False  #: from https to http, too: what is sent there can be read by anyone on the way

    def __post_init__(self) -> None:
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 0:
            raise UseError(f"Redirects(most={self.most!r}): expected a whole number from 0 on")


class Hop(NamedTuple):
    """The next request."""

    method: str
    url: URL
    fields: Fields
    keeps_body: bool


def next_hop(
    method: str,
    url: URL,
    fields: Fields,
    status: int,
    location: str | None,
    hops: int,
    redirects: Redirects = Redirects(),
) -> Hop | None:
    """None where the answer is the last one; `hops` came before it. Raises `RemoteProtocolError` for what must not be.

    301 and 302 turn POST into GET as every browser does, 303 turns all but HEAD; everything else keeps method and body
    (a PUT sent on without its body would empty the resource).
    """
    if status not in (301, 302, 303, 307, 308) or location is None:
        return None
    if hops >= redirects.most:
        raise RemoteProtocolError(f"{url.with_fragment(None)}: more than {redirects.most} redirects")
    target = _target(url, location, redirects)
    keeps_body = True
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, keeps_body = "GET", False
    same = same_origin(url, target)
    kept = [
        (name, value)
        for name, value in fields
        if (key := name.lower()) not in OF_THE_REQUEST
        and (same or not (key in CREDENTIALS or key.startswith(FOR_PROXIES)))
        and (keeps_body or not (key in OF_THE_BODY or key.startswith(CONTENT)))
    ]
    return Hop(method, target, kept if same else _with_short_referer(kept, target), keeps_body)


def _target(url: URL, location: str, redirects: Redirects) -> URL:
    """Where the answer leads, with the fragment of either URL (RFC 9110 10.2.2)."""
    here = url.with_fragment(None)
    try:
        target = join_url(here, location)
        _ = target.port  # looked at only when asked for
    except ValueError as error:
        raise RemoteProtocolError(f"{here}: redirected to {shown_url(location[:80])!r}, which is no URL") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise RemoteProtocolError(
            f"{here}: redirected to {shown_url(location[:80])!r}; only http and https are followed"
        )
    if url.scheme == "https" and target.scheme == "http" and not redirects.insecure:
        raise RemoteProtocolError(
            f"{here}: redirected from https to http; not followed without redirects=Redirects(insecure=True)"
        )
    if url.raw_fragment and "#" not in location:
        target = parse_url(f"{target}#{url.raw_fragment}")
    return target


def same_origin(one: URL, other: URL) -> bool:
    """Scheme, host and port are the same (RFC 6454 5)."""
    return (one.scheme, one.raw_host, one.port) == (other.scheme, other.raw_host, other.port)


def _with_short_referer(fields: Fields, target: URL) -> Fields:
    """What a browser sends to another origin: of a referring page the origin, to http of one by https nothing.

    That is strict-origin-when-cross-origin, their default (Referrer Policy 3.7).
    """
    kept: Fields = []
    for name, value in fields:
        if name.lower() != b"referer":
            kept.append((name, value))
            continue
        try:
            page = parse_url(value.decode("latin-1"))
            if page.scheme in ("http", "https") and not (page.scheme == "https" and target.scheme == "http"):
                kept.append((name, str(page.origin()).encode("ascii") + b"/"))
        except ValueError:
            continue
    return kept
