"""Whole requests to an application, and what came back, for programs that are told in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.served import served

if TYPE_CHECKING:
    from toolkit import App, Response


async def asked(
    web: App,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    kind: str = "memory",
) -> Response:
    """One request, its answer read to the end."""
    async with served(web, kind) as here, here.session() as http:
        answer = await http.request(method, here.url + path, headers or {}, body=body or None, decode=False)
        await answer.read()
        return answer


async def told(web: App, *paths: str, kind: str = "memory", method: str = "GET") -> list[tuple[int | None, str]]:
    """The status and the text of each path, asked for on one connection."""
    answers = []
    async with served(web, kind) as here, here.session() as http:
        for path in paths:
            answer = await http.request(method, here.url + path)
            answers.append((answer.status, await answer.text()))
    return answers


def multipart(*parts: tuple[str, str | None, bytes]) -> tuple[dict[str, str], bytes]:
    """The header fields and the body of a form of (name, filename or None, content)."""
    body = b""
    for name, filename, content in parts:
        of_file = "" if filename is None else f'; filename="{filename}"'
        body += f'--line\r\ncontent-disposition: form-data; name="{name}"{of_file}\r\n\r\n'.encode() + content + b"\r\n"
    return {"content-type": "multipart/form-data; boundary=line"}, body + b"--line--\r\n"
