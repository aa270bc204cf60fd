"""The smallest servers: one answers in JSON, one sends back what arrives while more is still arriving.

python examples/echo.py
curl http://127.0.0.1:8000/hello/world
curl -T - http://127.0.0.1:8000/echo       # each line that you type comes back at once
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit import App

if TYPE_CHECKING:
    from toolkit import Request

web = App()


@web.get("/hello/{name}")
async def hello(r: Request, name: str) -> dict[str, str]:
    """A returned dict is the answer, as JSON."""
    return {"hello": name}


@web.route("/echo", methods=("POST", "PUT"))
async def echo(r: Request) -> None:
    """Full duplex: the answer's head and first bytes leave before the request has ended."""
    await r.prepare({"content-type": r.content_type or "application/octet-stream"})
    async for chunk in r:
        await r.write(chunk)


if __name__ == "__main__":
    web.run("127.0.0.1", 8000)
