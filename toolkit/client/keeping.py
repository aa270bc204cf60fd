"""How long a connection may lie idle: what both ends say of it, and what comes of that.

A server that ends idle connections after N seconds may say so: `Keep-Alive: timeout=N, max=M` (RFC 2068 19.7.1, in use
by Apache, nginx, Node and others). A request sent as that end comes is lost, so the connection is not lent any more
somewhat before. Only the first answer of a connection is looked at; what servers say there, they say in each.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["idle_seconds", "keep_alive_field"]

MARGIN: Final = 1.0  # seconds, for a request's way to the server; undici takes two, for a busy loop


def keep_alive_field(value: str) -> tuple[int | None, int | None]:
    """The `timeout` (seconds) and `max` (further requests) of a Keep-Alive field; what is malformed is left out."""
    timeout = most = None
    for part in value.split(","):
        name, _, number = part.partition("=")
        digits = number.strip()
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 9):
            continue
        if name.strip().lower() == "timeout" and timeout is None:
            timeout = int(digits)
        elif name.strip().lower() == "max" and most is None:
            most = int(digits)
    return timeout, most


def idle_seconds(own: float | None, timeout: int | None) -> float:
    """How long an idle connection is good for, in seconds: our own bound, or the server's less a margin."""
    bound = math.inf if own is None else own
    if timeout is None:
        return bound
    return min(bound, max(timeout - MARGIN, timeout / 2))
