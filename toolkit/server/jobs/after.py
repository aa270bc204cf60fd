"""Work behind an answer: when it may begin.

It begins when the answer has ended, one way or another, and the handler's task with it: a client that reads slowly, or
has left, makes no difference. Nothing is noted for that at the exchange; who asks for it watches the handler's task.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

from toolkit.server.jobs.crew import check_work, title_of, work_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.server.request import Request

__all__ = ["after"]


def after(
    request: Request, function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    """See `Request.after`."""
    check_work("r.after", function)
    connection = request._connection
    loop = connection.loop
    jobs = connection.running.app.jobs
    name = f"{title_of(function)} after {request.method} {request.target[:200]!a}"
    work = work_of(function, args, kwargs)
    context = contextvars.copy_context()

    def look(task: object = None) -> None:
        """Begin, or wait for the handler once more: what fails goes on in another task, which answers the error."""
        running = connection.task
        if connection.exchange is request and running is not None and not running.done():
            running.add_done_callback(look, context=context)
        else:
            _ = jobs.crew(loop).start(name, work)

    # In a later turn: a plain function has not answered yet, and what it returned may be for a task to send.
    call_soon = loop.call_soon if asyncio._get_running_loop() is loop else loop.call_soon_threadsafe
    call_soon(look, context=context)
