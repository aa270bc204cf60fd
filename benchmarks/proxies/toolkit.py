"""A reverse proxy with this package: the answer's body goes from one exchange into the other."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.core.certificate import server_context, trusting_context
from benchmarks.core.child import end_with_parent, ready
from toolkit import App, Session, run

if TYPE_CHECKING:
    from toolkit import Request


async def serve(upstream: str, tls: Path | None) -> None:
    """Until the parent ends."""
    web = App(port=0, tls=server_context(tls))

    async with web, Session(tls=trusting_context()) as http:

        @web.get("/source")
        async def proxy(r: Request) -> None:
            async with http.get(upstream + r.target, decode=False) as source:
                await r.prepare({"content-type": source.content_type, "content-length": source.content_length})
                await r.relay(source)

        ready(port=int(web.server_address.rpartition(":")[2]))
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Proxy with this package.")
    parser.add_argument("upstream", metavar="URL")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="with the certificate there")
    options = parser.parse_args()
    end_with_parent()
    run(serve(options.upstream, options.tls))


if __name__ == "__main__":
    main()
