"""What a handler may return: each kind of value as an answer, awaited, returned, and refused."""

from __future__ import annotations

import pytest

from toolkit import App, Cookie, Deliver, Reply, Request, Session
from toolkit.errors import LocalProtocolError, UseError
from toolkit.server.answers import Answer, encode_returned, encode_value

JSON, TEXT, HTML, BYTES = (
    "application/json",
    "text/plain; charset=utf-8",
    "text/html; charset=utf-8",
    "application/octet-stream",
)


class Mapping(dict[str, int]):
    """A dict by another name."""


def shown(answer: object) -> tuple[int, dict[str, str], bytes]:
    assert isinstance(answer, Answer)
    return answer.status, {name.decode(): value.decode() for name, value in answer.fields}, answer.body


@pytest.mark.parametrize(
    ("value", "status", "kind", "body"),
    [
        ({"a": 1}, 200, JSON, b'{"a":1}'),
        ({}, 200, JSON, b"{}"),
        ([1, None], 200, JSON, b"[1,null]"),
        ([], 200, JSON, b"[]"),
        (Mapping(a=1), 200, JSON, b'{"a":1}'),
        ("caf\u00e9", 200, TEXT, b"caf\xc3\xa9"),
        ("", 200, TEXT, b""),
        (b"\x00", 200, BYTES, b"\x00"),
        (bytearray(b"x"), 200, BYTES, b"x"),
        (memoryview(b"xyz")[1:], 200, BYTES, b"yz"),
        (None, 204, None, b""),
        ((201, {"a": 1}), 201, JSON, b'{"a":1}'),
        ((404, "no"), 404, TEXT, b"no"),
        ((200, None), 200, None, b""),
        ((200, b"x", {"content-type": "image/png"}), 200, "image/png", b"x"),
        ((200, b"x", [("Content-Type", "image/png")]), 200, "image/png", b"x"),
        ((200, "x", {}), 200, TEXT, b"x"),
        ((200, "x", None), 200, TEXT, b"x"),
        (Deliver.text("x", 203), 203, TEXT, b"x"),
    ],
)
def test_returned_values(value: object, status: int, kind: str | None, body: bytes) -> None:
    got_status, fields, got_body = shown(encode_returned(value))
    assert (got_status, got_body) == (status, body)
    assert {name.lower(): text for name, text in fields.items()}.get("content-type") == kind


@pytest.mark.parametrize(
    "value", [1, 1.5, True, object(), {1, 2}, int, ("x",), (200,), (200, "x", {}, 1), ("200", "x"), ()]
)
def test_anything_else_is_a_use_error(value: object) -> None:
    with pytest.raises(UseError, match="a handler returned "):
        encode_returned(value)


async def test_a_forgotten_await_is_named_as_such(caplog: pytest.LogCaptureFixture) -> None:
    web = App(port=0)

    @web.post("/json")
    async def parsed(r: Request) -> object:
        return r.json()

    async def below() -> str:
        return "never"

    with pytest.raises(UseError, match=r"a coroutine, .*below\(\.\.\.\): it is to be awaited"):
        encode_returned(below())
    async with Session(app=web) as http:
        assert (await http.post("/json", body=b"{}")).status == 500
    assert "it is to be awaited" in str(caplog.records[0].exc_info)


@pytest.mark.parametrize(
    ("value", "given"), [(("a", 200), "str, int"), ((), "nothing"), ((1, 2, 3, 4), "int, int, int")]
)
def test_a_tuple_of_something_else_says_of_what(value: object, given: str) -> None:
    with pytest.raises(UseError, match=f"a tuple of {given}"):
        encode_returned(value)


@pytest.mark.parametrize("bad", ["a\r\nb", "a\nb", "a\0b"])
def test_a_bad_field_is_refused(bad: str) -> None:
    for headers in ({"x-a": bad}, {bad: "x"}):
        with pytest.raises(LocalProtocolError):
            _ = encode_value("x", 200, headers)


# Answers with everything in one place


@pytest.mark.parametrize(
    ("answer", "status", "kind", "body"),
    [
        (Reply(), 200, None, b""),
        (Reply("x"), 200, TEXT, b"x"),
        (Reply({"a": 1}, 201), 201, JSON, b'{"a":1}'),
        (Reply(b"x", headers={"content-type": "a/b"}), 200, "a/b", b"x"),
        (Reply("<p>", content_type="text/html"), 200, "text/html", b"<p>"),
        (Reply("x", headers={"Content-Type": "a/b"}, content_type="c/d"), 200, "c/d", b"x"),
        (Deliver.xml("<a/>"), 200, "application/xml; charset=utf-8", b"<a/>"),
        (Deliver.xml(b"<a/>", 201), 201, "application/xml; charset=utf-8", b"<a/>"),
        (
            Deliver.xml({"a": {"b": "<1>"}}),
            200,
            "application/xml; charset=utf-8",
            b'<?xml version="1.0" encoding="utf-8"?>\n<a><b>&lt;1&gt;</b></a>',
        ),
    ],
)
def test_replies_and_xml(answer: Answer, status: int, kind: str | None, body: bytes) -> None:
    got_status, fields, got_body = shown(answer)
    assert (got_status, got_body, fields.get("content-type")) == (status, body, kind)


def test_a_reply_with_cookies() -> None:
    for cookies in ({"a": "b", "c": "d"}, [Cookie("a", "b", path="/", samesite="Lax"), Cookie("c", "d", max_age=1)]):
        fields = [value for name, value in Reply("x", cookies=cookies).fields if name == b"set-cookie"]
        assert fields[0] == b"a=b; Path=/; SameSite=Lax"
        assert len(fields) == 2
    with pytest.raises(LocalProtocolError):
        _ = Reply("x", cookies={"a": "b; c"})


def test_what_cannot_be_a_reply_or_xml_is_a_use_error() -> None:
    for bad in (1, Deliver.text("x"), object()):
        with pytest.raises(UseError):
            _ = Reply(bad)
    for two in ({"a": 1, "b": 2}, {}):
        with pytest.raises(UseError, match="expected a dict with one root"):
            _ = Deliver.xml(two)


async def test_a_reply_may_be_returned_or_awaited() -> None:
    web = App(port=0)

    @web.get("/awaited")
    async def awaited(r: Request) -> None:
        await Reply("x", 201, cookies={"a": "b"})

    web.get("/returned")(lambda r: Reply("x", 201, cookies={"a": "b"}))
    async with Session(app=web) as http:
        for path in ("/awaited", "/returned"):
            x = await http.get(path)
            assert (x.status, x.content, x.headers["set-cookie"]) == (201, b"x", "a=b; Path=/; SameSite=Lax")


async def test_early_hints_before_a_returned_value() -> None:
    """RFC 8297: links that the client may fetch while the answer is being made."""
    web = App(port=0)

    @web.get("/")
    async def handler(r: Request) -> object:
        await r.inform(103, {"link": "</style.css>; rel=preload; as=style"})
        return Deliver.html("<p>")

    async with Session(app=web) as http:
        x = await http.get("/")
        assert (x.status, x.content) == (200, b"<p>")
        assert [(status, headers["link"]) for status, headers in x.interim] == [
            (103, "</style.css>; rel=preload; as=style")
        ]
