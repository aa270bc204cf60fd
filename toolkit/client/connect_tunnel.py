"""Asking an HTTP proxy for a tunnel: the request, and the answer as its bytes come (RFC 9110 9.3.6). No I/O here.

After a head of 2xx the link is the origin's, and so is every byte behind it; whoever sends some before we have said
anything is not what we were promised. After any other head comes a page that says why, as much of it as a message
shows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from toolkit.errors import ProxyError
from toolkit.protocol.head import serialize_fields
from toolkit.protocol.status import reason_phrase

if TYPE_CHECKING:
    from toolkit.client.proxies import Proxy

__all__ = ["TunnelAnswer", "connect_request", "named"]

MOST: Final = 65536  # bytes of the head; proxies are as talkative as other servers
PAGE: Final = 4096  # bytes of the page of a refusal that are waited for
SHOWN: Final = 200  # characters of it
STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])(?: ([^\r\n]*))?\r?\n")
LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r?\n", re.IGNORECASE)
SCHEMES: Final = re.compile(rb"\nproxy-authenticate:[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)", re.IGNORECASE)
END: Final = re.compile(rb"\r?\n\r?\n")
TAGS: Final = re.compile(r"<(style|script|title)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


def named(host: str, port: int) -> str:
    """Host and port as they stand in a request."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connect_request(host: str, port: int, proxy: Proxy) -> bytes:
    """The request for a tunnel to this host and port, with what the proxy alone is told."""
    where = named(host, port).encode("ascii")
    return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (where, where, serialize_fields(list(proxy.fields)))


class TunnelAnswer:
    """The answer to one such request. `where` is host and port."""

    def __init__(self, proxy: Proxy, where: str) -> None:
        self._proxy = proxy
        self._where = where
        self._data = b""
        self._status: int | None = None
        self._reason = ""
        self._schemes: list[str] = []
        self._page = b""
        self._left = 0

    def feed(self, data: bytes) -> bool:
        """True once there is a tunnel, False as long as more has to come; no data is the end of the link.

        Raises `ProxyError`.
        """
        if not data:
            if self._status is not None:
                raise self._refusal()
            raise ProxyError(f"the proxy {self._proxy} ended the connection without a word on CONNECT {self._where}")
        if self._status is not None:
            return self._more_page(data)
        self._data += data
        while (end := END.search(self._data)) is not None:
            head, self._data = self._data[: end.start()] + b"\r\n", self._data[end.end() :]
            status = self._head(head)
            if 100 <= status < 200:
                continue
            if status < 300:
                if self._data:
                    raise self._odd("what follows its answer came before anything was asked")
                return True
            self._status = status
            length = LENGTH.search(head)
            self._left = min(PAGE, int(length[1])) if length is not None else 0
            return self._more_page(self._data)
        if len(self._data) > MOST or not b"HTTP/1.".startswith(self._data[:7]):
            raise self._odd(f"it answered {self._data[:40]!r}")
        return False

    def _head(self, head: bytes) -> int:
        found = STATUS.match(head)
        if found is None:
            raise self._odd(f"it answered {head[:40]!r}")
        self._reason = _text(found[2] or b"", 80)
        self._schemes = [name.decode("ascii") for name in SCHEMES.findall(head)]
        return int(found[1])

    def _more_page(self, data: bytes) -> bool:
        self._page += data
        if len(self._page) < self._left:
            return False
        raise self._refusal()

    def _odd(self, why: str) -> ProxyError:
        return ProxyError(f"the proxy {self._proxy} did not answer CONNECT {self._where} as an HTTP proxy does: {why}")

    def _refusal(self) -> ProxyError:
        status = self._status or 0
        said = f"{status} {self._reason or reason_phrase(status)}".strip()
        hint = ""
        if status == 407:
            ways = f" (it asks for {', '.join(self._schemes)})" if self._schemes else ""
            given = "it does not accept these credentials" if self._proxy.fields else "give Proxy(..., credentials=...)"
            if self._schemes and all(name.lower() != "basic" for name in self._schemes):
                given = "only Basic is known here"
            hint = f"; {given}{ways}"
        page = _text(self._page, SHOWN)
        shown = f": {page}" if page else ""
        return ProxyError(f"the proxy {self._proxy} answered CONNECT {self._where} with {said}{hint}{shown}", status)


def _text(data: bytes, most: int) -> str:
    """What there is to read in a page, in one line."""
    text = TAGS.sub(" ", data.decode("utf-8", "replace"))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= most else text[:most] + "..."
