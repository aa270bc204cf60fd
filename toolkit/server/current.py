"""The request that the running task serves."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from toolkit.errors import UseError

if TYPE_CHECKING:
    from toolkit.server.request import Request

__all__ = ["CURRENT", "current_request"]

# One variable per task, and tasks started by a handler inherit it (an attribute on the task would not reach them).
CURRENT: ContextVar[Request | None] = ContextVar("toolkit_request", default=None)


def current_request() -> Request:
    """Raises `UseError` outside a handler."""
    request = CURRENT.get()
    if request is None:
        raise UseError("no request is being served by this task; call it inside a handler")
    return request
