"""The request that the running code serves."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from toolkit.errors import UseError

if TYPE_CHECKING:
    from toolkit.server.request import Request

__all__ = ["CURRENT", "current_request"]

# A context variable, though two settings are a tenth of a plain function's request: tasks and callbacks that a handler
# starts inherit it, which nothing cheaper does (not an attribute of the task, not a variable of the thread).
CURRENT: ContextVar[Request | None] = ContextVar("toolkit_request", default=None)


def current_request() -> Request:
    """Raises `UseError` outside a handler."""
    request = CURRENT.get()
    if request is None:
        raise UseError("no request is being served by this task; call it inside a handler")
    return request
