"""Blazeio, of which the newest version that installs keeps no connection alive."""

from __future__ import annotations

import orjson

from benchmarks.core.blazeio import load
from benchmarks.core.child import end_with_parent, free_port, ready_once_listening
from benchmarks.core.payload import ANSWER, JSON_PATH


async def answer(r: object, route: str = JSON_PATH) -> None:
    """The small answer."""
    body = orjson.dumps(ANSWER)
    headers = {"Content-Type": "application/json", "Content-Length": len(body), "Connection": "close"}
    # It has no types.
    await r.prepare(headers, 200)  # type: ignore[attr-defined]
    await r.write(body)  # type: ignore[attr-defined]


def main() -> None:
    """Serve until standard input ends."""
    end_with_parent()
    port = free_port()
    ready_once_listening(port)
    web = load().App("127.0.0.1", port)
    web.add_route(answer)
    web.runner()


if __name__ == "__main__":
    main()
