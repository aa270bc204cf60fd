"""What a raw client is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.answers import read_answer
from tests.helpers.served import served

if TYPE_CHECKING:
    from tests.helpers.answers import Answer
    from toolkit import App


async def ask(web: App, *fields: str, method: str = "GET", path: str = "/", kind: str = "memory") -> Answer:
    """One request over a link, with these header lines."""
    async with served(web, kind) as here:
        raw = await here.raw()
        lines = [f"{method} {path} HTTP/1.1", "host: x", *fields, "", ""]
        await raw.send("\r\n".join(lines).encode("latin-1"))
        return await read_answer(raw, method=method)
