"""A request as it came, for what can be told of it alone."""

from __future__ import annotations

from tests.helpers.answers import read_answer
from tests.helpers.served import served
from toolkit import App, Request


async def came(method: str, target: str, fields: dict[str, str] | None = None) -> Request:
    """The request that a handler for all paths got; its answer is over, what is known of it stays known."""
    web, found = App(port=0), list[Request]()

    @web.route("/{rest:path}", [method])
    @web.route("/", [method])
    def look(r: Request, rest: str = "") -> str:
        found.append(r)
        return ""

    lines = {"host": "x", **(fields or {})}
    async with served(web) as here:
        raw = await here.raw()
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        body = {"3": b"abc"}.get(lines.get("content-length", ""), b"")
        await raw.send(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        if "transfer-encoding" in lines:
            await raw.send(b"0\r\n\r\n")
        await read_answer(raw, method=method)
    return found[0]
