"""socketify: uWebSockets, in C++, with handlers in Python."""

from __future__ import annotations

import orjson
from socketify import App

from benchmarks.core.child import end_with_parent, free_port, ready_once_listening
from benchmarks.core.payload import ANSWER, JSON_PATH


def answer(response: object, request: object) -> None:
    """The small answer."""
    # It has no types.
    response.write_header("content-type", "application/json")  # type: ignore[attr-defined]
    response.end(orjson.dumps(ANSWER))  # type: ignore[attr-defined]


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
