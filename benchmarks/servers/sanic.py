"""Sanic, in one process."""

from __future__ import annotations

import orjson
from sanic import Sanic
from sanic.response import HTTPResponse

from benchmarks.core.child import end_with_parent, free_port, ready_once_listening
from benchmarks.core.payload import ANSWER, JSON_PATH


async def answer(request: object) -> HTTPResponse:
    """The small answer."""
    return HTTPResponse(orjson.dumps(ANSWER), content_type="application/json")


def main() -> None:
    """Serve until standard input ends."""
    end_with_parent()
    port = free_port()
    ready_once_listening(port)
    application = Sanic("benchmark", configure_logging=False)
    application.add_route(answer, JSON_PATH)
    application.run("127.0.0.1", port, single_process=True, access_log=False, motd=False)


if __name__ == "__main__":
    main()
