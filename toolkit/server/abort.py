"""Abort: leave a handler with an answer. Control flow, so it stands outside the tree of `toolkit.errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.protocol.status import reason_phrase

if TYPE_CHECKING:
    from toolkit.protocol.headers import HeadersLike

__all__ = ["Abort"]


class Abort(Exception):
    """Raised in a handler or hook: answer `status` with `message` as text and end here.

    An empty message sends an empty body (with `content-length: 0`). `headers` go with it, a `location` for instance.
    """

    def __init__(self, message: str = "", status: int = 403, headers: HeadersLike | None = None) -> None:
        super().__init__(message or reason_phrase(status))
        self.message = message
        self.status = status
        self.headers = headers
