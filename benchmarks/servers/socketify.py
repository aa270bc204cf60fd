"""socketify: uWebSockets, in C++, with handlers in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from socketify import App

from benchmarks.core.child import end_with_parent, free_port, ready_once_listening
from benchmarks.core.payload import ANSWER, JSON_PATH

if TYPE_CHECKING:
    from socketify import AppRequest, AppResponse


def answer(response: AppResponse, request: AppRequest) -> None:
    """The small answer."""
    response.write_header("content-type", "application/json")
    response.end(orjson.dumps(ANSWER))


def main() -> None:
    """Serve until standard input ends."""
    end_with_parent()
    port = free_port()
    ready_once_listening(port)
    application = App()
    application.get(JSON_PATH, answer)
    application.listen(port, lambda _: None)
    application.run()


if __name__ == "__main__":
    main()
