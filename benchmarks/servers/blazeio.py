"""Blazeio, of which the newest version that installs keeps no connection alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from benchmarks.core.blazeio import load
from benchmarks.core.child import end_with_parent, free_port, ready_once_listening
from benchmarks.core.payload import ANSWER, JSON_PATH

if TYPE_CHECKING:
    from Blazeio import BlazeioProtocol


async def answer(r: BlazeioProtocol, route: str = JSON_PATH) -> None:
    """The small answer."""
    body = orjson.dumps(ANSWER)
    headers = {"Content-Type": "application/json", "Content-Length": len(body), "Connection": "close"}
    await r.prepare(headers, 200)
    await r.write(body)


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
