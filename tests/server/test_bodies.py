"""Bodies by their content type: what is read as JSON, XML, text, what is refused, and parameters wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit import App, Request, Session

if TYPE_CHECKING:
    from collections.abc import Callable

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


async def told(
    handler: Callable[[Request], object], body: bytes, kind: str | None, *, method: str = "POST", path: str = "/"
) -> tuple[int | None, str]:
    web = App(port=0)
    web.route("/", (method,))(handler)
    async with Session(app=web) as http:
        x = await http.request(method, path, {} if kind is None else {"content-type": kind}, body=body or None)
        return x.status, await x.text()


async def as_json(r: Request) -> object:
    return [await r.json()]


async def as_xml(r: Request) -> object:
    return await r.xml()


async def as_text(r: Request) -> object:
    return [await r.text()]


async def as_lines(r: Request) -> object:
    return [line async for line in r.lines()]


@pytest.mark.parametrize(
    ("handler", "kind", "body", "status", "text"),
    [
        (as_lines, "text/plain; charset=iso-8859-1", b"\xe9\nb", 200, '["\u00e9","b"]'),
        (as_lines, "text/plain; charset=nonsense", b"x", 415, "charset 'nonsense' is not known here"),
        (as_json, None, b'"x"', 200, '["x"]'),
        (as_json, JSON, b'"x"', 200, '["x"]'),
        (as_json, "Application/JSON; charset=utf-8", b'"\xc3\xa9"', 200, '["\u00e9"]'),
        (as_json, "application/json; charset=iso-8859-1", b'"\xe9"', 200, '["\u00e9"]'),
        (as_json, "application/json; charset=utf-16", '"\u00e9"'.encode("utf-16"), 200, '["\u00e9"]'),
        (as_json, "application/vnd.api+json", b'"x"', 200, '["x"]'),
        (as_json, "text/json", b'"x"', 200, '["x"]'),
        (as_json, "", b'"x"', 200, '["x"]'),
        (as_json, JSON, b"{", 400, "the body is not JSON"),
        (as_json, JSON, b"", 400, "the body is not JSON"),
        (as_json, "application/json; charset=utf-16", b"x", 400, "the body is not JSON"),
        (as_json, "text/plain", b'"x"', 415, "the body is text/plain; expected application/json"),
        (as_json, FORM, b'"x"', 415, f"the body is {FORM}; expected application/json"),
        (as_json, "application/xml", b'"x"', 415, "expected application/json"),
        (as_json, "application/json; charset=x-none", b'"x"', 415, "charset 'x-none' is not known here"),
        (as_xml, None, b"<a>1</a>", 200, '{"a":"1"}'),
        (as_xml, "text/xml; charset=utf-8", b"<a>1</a>", 200, '{"a":"1"}'),
        (as_xml, "application/atom+xml", b"<a>1</a>", 200, '{"a":"1"}'),
        (as_xml, JSON, b"<a>1</a>", 415, "the body is application/json; expected application/xml"),
        (as_xml, "application/xml", b"<a>", 400, "the body is not XML"),
        (as_text, "text/plain; charset=iso-8859-1", b"\xe9", 200, '["\u00e9"]'),
        (as_text, "text/plain; charset=nonsense", b"x", 415, "charset 'nonsense' is not known here"),
        (as_text, "text/plain; CHARSET=utf-7", b"x", 415, "charset 'utf-7' is not known here"),
        (as_text, "text/plain", b"\xff", 200, '["\ufffd"]'),
        (as_text, None, b"x", 200, '["x"]'),
        (as_text, JSON, b"x", 200, '["x"]'),
    ],
)
async def test_bodies_by_their_content_type(
    handler: Callable[[Request], object], kind: str | None, body: bytes, status: int, text: str
) -> None:
    got, said = await told(handler, body, kind)
    assert got == status
    assert text in said
    assert "Internal" not in said


async def test_any_type_takes_it_all_the_same() -> None:
    async def both(r: Request) -> object:
        return [await r.json(any_type=True)]

    async def xml(r: Request) -> object:
        return await r.xml(any_type=True)

    assert await told(both, b'"x"', "text/plain") == (200, '["x"]')
    assert await told(xml, b"<a>1</a>", "text/plain") == (200, '{"a":"1"}')


async def parameters(r: Request) -> object:
    return await r.body_or_params()


@pytest.mark.parametrize(
    ("method", "kind", "body", "status", "text"),
    [
        ("GET", None, b"", 200, '{"a":"2"}'),
        ("DELETE", None, b"", 200, '{"a":"2"}'),
        ("DELETE", JSON, b'{"b":1}', 200, '{"a":"2"}'),
        ("POST", JSON, b'{"b":1}', 200, '{"b":1}'),
        ("PUT", None, b'{"b":1}', 200, '{"b":1}'),
        ("PATCH", FORM, b"b=1&b=2", 200, '{"b":"2"}'),
        (
            "POST",
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="b"\r\n\r\n1\r\n--B--',
            200,
            '{"b":"1"}',
        ),
        ("POST", None, b"", 200, '{"a":"2"}'),
        ("POST", JSON, b"{", 400, "the body is not JSON"),
        ("POST", JSON, b"[1]", 400, "the body is JSON, but no object"),
        ("POST", "text/plain", b'{"b":1}', 415, "expected application/json"),
    ],
)
async def test_parameters_wherever_they_are(method: str, kind: str | None, body: bytes, status: int, text: str) -> None:
    got, said = await told(parameters, body, kind, method=method, path="/?a=1&a=2")
    assert got == status
    assert text in said


async def test_every_value_of_the_query() -> None:
    async def handler(r: Request) -> object:
        return [r.params_all().get_all("a"), r.params_all()["a"], r.params()]

    assert await told(handler, b"", None, method="GET", path="/?a=1&b=&a=%C3%A9") == (
        200,
        '[["1","\u00e9"],"\u00e9",{"a":"\u00e9","b":""}]',
    )
