"""A reverse proxy with aiohttp's server and client, on uvloop."""

from __future__ import annotations

import argparse
import asyncio

import aiohttp
import uvloop
from aiohttp import web

from benchmarks.core.child import end_with_parent, listening, ready


async def serve(upstream: str) -> None:
    """Until the parent ends."""
    async with aiohttp.ClientSession() as http:

        async def proxy(request: web.Request) -> web.StreamResponse:
            async with http.get(upstream + request.path_qs) as source:
                response = web.StreamResponse(headers={"content-type": source.content_type})
                if source.content_length is None:
                    response.enable_chunked_encoding()
                else:
                    response.content_length = source.content_length
                await response.prepare(request)
                async for chunk in source.content.iter_any():
                    await response.write(chunk)
                return response

        application = web.Application()
        application.router.add_get("/source", proxy)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        listener = listening()
        await web.SockSite(runner, listener).start()
        ready(port=listener.getsockname()[1])
        await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Proxy with aiohttp.")
    parser.add_argument("upstream", metavar="URL")
    options = parser.parse_args()
    end_with_parent()
    uvloop.run(serve(options.upstream))


if __name__ == "__main__":
    main()
