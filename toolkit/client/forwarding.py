"""A request's head as an HTTP proxy gets it that is to ask in our place (RFC 9112 3.2.2). Pure.

It is what the origin would get, with the whole URL in the first line, and the fields that are for this proxy alone.
The head that its exchange knows stays as it was: nothing of this outlives the connection that leads to the proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.protocol.head import serialize_fields

if TYPE_CHECKING:
    from toolkit.client.proxies import Proxy
    from toolkit.protocol.headers import Fields

__all__ = ["Forward", "says_keep_alive"]


class Forward:
    """Turns heads for one origin into those for a proxy."""

    __slots__ = ("_before", "_fields", "_lines")

    def __init__(self, host: str, port: int, proxy: Proxy) -> None:
        named = f"[{host}]" if ":" in host else host
        self._before = (f"http://{named}" if port == 80 else f"http://{named}:{port}").encode("ascii")
        self._fields = list(proxy.fields)
        self._lines = serialize_fields(self._fields)

    def dress(self, head: bytes) -> bytes:
        """The head with the absolute-form of its target, and the proxy's fields; a caller's own word for them counts.

        The target of CONNECT stays what it is, and OPTIONS * is the URL without a path.
        """
        at = head.index(b" ") + 1
        if head[at : at + 1] == b"/":
            head = head[:at] + self._before + head[at:]
        elif head[at : at + 2] == b"* ":
            head = head[:at] + self._before + head[at + 1 :]
        if not self._lines:
            return head
        lines = self._lines
        lower = head.lower()
        if any(b"\r\n%b:" % name.lower() in lower for name, _ in self._fields):
            lines = serialize_fields([f for f in self._fields if b"\r\n%b:" % f[0].lower() not in lower])
        return head[:-2] + lines + b"\r\n"


def says_keep_alive(fields: Fields) -> bool:
    """Whether a proxy's answer says in so many words that the connection stays."""
    return any(
        b"keep-alive" in value.lower() for name, value in fields if name.lower() in (b"connection", b"proxy-connection")
    )
