"""Deliver: each kind of answer, awaited or returned, and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit import App, Deliver, Reply, Request, Session
from toolkit.errors import UseError
from toolkit.server.answers import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

JSON, TEXT, HTML, BYTES = (
    "application/json",
    "text/plain; charset=utf-8",
    "text/html; charset=utf-8",
    "application/octet-stream",
)


def shown(answer: object) -> tuple[int, dict[str, str], bytes]:
    assert isinstance(answer, Answer)
    return answer.status, {name.decode(): value.decode() for name, value in answer.fields}, answer.body


@pytest.mark.parametrize(
    ("answer", "status", "kind", "body"),
    [
        (Deliver.json({"a": 1}), 200, JSON, b'{"a":1}'),
        (Deliver.json(None), 200, JSON, b"null"),
        (Deliver.json("x", 201), 201, JSON, b'"x"'),
        (Deliver.text("x"), 200, TEXT, b"x"),
        (Deliver.html("<p>"), 200, HTML, b"<p>"),
        (Deliver.bytes(b"x"), 200, BYTES, b"x"),
        (Deliver.bytes(b"x", headers={"content-type": "a/b"}), 200, "a/b", b"x"),
        (Deliver.empty(), 204, None, b""),
        (Deliver.empty(202, {"x-a": "b"}), 202, None, b""),
        (Deliver.redirect("/x"), 302, None, b""),
        (Deliver.redirect("/x", 308), 308, None, b""),
    ],
)
def test_deliver(answer: Answer, status: int, kind: str | None, body: bytes) -> None:
    got_status, fields, got_body = shown(answer)
    assert (got_status, got_body, fields.get("content-type")) == (status, body, kind)


def test_a_redirect_has_one_location() -> None:
    answer = Deliver.redirect("/x", headers={"Location": "/y", "x-a": "b"})
    assert [(name.lower(), value) for name, value in answer.fields if name.lower() == b"location"] == [
        (b"location", b"/x")
    ]


async def test_awaited_or_returned_it_is_the_same_answer() -> None:
    web = App(port=0)

    @web.get("/awaited")
    async def awaited(r: Request) -> None:
        await Deliver.json({"a": 1}, 201, {"x-a": "b"})

    @web.get("/returned")
    async def returned(r: Request) -> object:
        return Deliver.json({"a": 1}, 201, {"x-a": "b"})

    @web.get("/plain")
    def plain(r: Request) -> object:
        return Deliver.json({"a": 1}, 201, {"x-a": "b"})

    async with Session(app=web) as http:
        seen = [await http.get(path) for path in ("/awaited", "/returned", "/plain")]
        assert [(x.status, x.headers["x-a"], x.content, x.content_type) for x in seen] == [
            (201, "b", b'{"a":1}', JSON)
        ] * 3


async def test_twice_is_a_use_error() -> None:
    web, caught = App(port=0), list[str]()

    @web.get("/")
    async def twice(r: Request) -> None:
        await Deliver.text("first")
        try:
            await Deliver.text("second")
        except UseError as error:
            caught.append(str(error))

    async with Session(app=web) as http:
        assert (await http.get("/")).content == b"first"
    assert "after the answer's head was sent" in caught[0]


async def test_outside_a_handler_it_is_a_use_error() -> None:
    with pytest.raises(UseError, match="no request is being served by this task"):
        await Deliver.text("x")


async def test_fields_that_are_added_to_an_answer_are_sent_with_it_alone() -> None:
    web = App(port=0)

    @web.get("/more")
    def more(r: Request) -> Answer:
        answer = Deliver.text("x")
        answer.fields.append((b"x-more", b"1"))
        return answer

    web.get("/plain")(lambda r: Deliver.text("x"))
    async with Session(app=web) as http:
        assert (await http.get("/more")).headers["x-more"] == "1"
        assert "x-more" not in (await http.get("/plain")).headers


async def pieces() -> AsyncIterator[str]:
    yield "a"
    yield "b"


@pytest.mark.parametrize("how", ["awaited", "returned", "plain"])
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_deliver_stream(how: str, kind: str) -> None:
    web = App(port=0)

    def make() -> Answer:
        source = pieces() if kind == "async" else iter(["a", "b"])
        return Deliver.stream(source, 201, {"x-a": "b"}, content_type="text/csv")

    @web.get("/awaited")
    async def awaited(r: Request) -> None:
        await make()

    @web.get("/returned")
    async def returned(r: Request) -> object:
        return make()

    web.get("/plain")(lambda r: make())
    async with Session(app=web) as http:
        x = await http.get(f"/{how}")
        assert (x.status, x.content, x.content_type, x.headers["x-a"]) == (201, b"ab", "text/csv", "b")


async def test_deliver_stream_of_a_file_and_of_an_exchange(tmp_path: Path) -> None:
    web = App(port=0)
    (tmp_path / "x").write_bytes(b"data")

    @web.get("/file")
    def file(r: Request) -> object:
        return Deliver.stream(open(tmp_path / "x", "rb"))

    @web.post("/echo")
    async def echo(r: Request) -> object:
        return Deliver.stream(r, content_type=r.content_type)

    async with Session(app=web) as http:
        assert (await http.get("/file")).content == b"data"
        x = await http.post("/echo", {"content-type": "a/b"}, body=b"back")
        assert (x.content, x.content_type) == (b"back", "a/b")


def test_what_is_no_stream_is_a_use_error() -> None:
    for bad in (pieces, [b"a"], b"a", None, 1):
        with pytest.raises(UseError, match="call a generator function first"):
            _ = Deliver.stream(bad)


def test_a_redirect_stays_where_it_was_meant_to() -> None:
    assert dict(Deliver.redirect("//evil.test/x").fields)[b"location"] == b"/evil.test/x"
    for location, status in (("javascript:alert(1)", 302), ("/x", 200), ("", 302)):
        with pytest.raises(UseError):
            _ = Deliver.redirect(location, status)


@pytest.mark.parametrize("kind", ["answer", "reply", "file", "stream"])
async def test_a_tuple_around_an_answer_has_the_last_word_on_status_and_fields(tmp_path: Path, kind: str) -> None:
    (tmp_path / "missing.html").write_text("<p>gone")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"<p>gone"

    def made() -> Answer:
        fields = {"x-kept": "1", "X-Other": "before"}
        if kind == "answer":
            return Deliver.html("<p>gone", headers=fields)
        if kind == "reply":
            return Reply("<p>gone", headers=fields, content_type="text/html; charset=utf-8")
        if kind == "file":
            return Deliver.file(tmp_path / "missing.html", headers=fields)
        return Deliver.stream(pieces(), 200, fields, content_type="text/html; charset=utf-8")

    web = App(port=0)
    web.get("/three")(lambda r: (404, made(), {"x-other": "after"}))
    web.get("/two")(lambda r: (410, made()))
    async with Session(app=web) as http:
        for path, status, other in (("/three", 404, "after"), ("/two", 410, "before")):
            x = await http.get(path)
            assert (x.status, x.headers["x-kept"], x.headers.get_all("x-other")) == (status, "1", [other])
            assert x.headers["content-type"] == "text/html; charset=utf-8"
            assert await x.text() == "<p>gone"
            assert "etag" not in x.headers


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Deliver.html(3), r"Deliver.html\(int\): expected a str$"),  # type: ignore[arg-type]
        (lambda: Deliver.text(None), r"Deliver.text\(NoneType\): expected a str$"),  # type: ignore[arg-type]
        (lambda: Deliver.html(["<p>"]), r"Deliver.html\(list\): expected a str$"),  # type: ignore[arg-type]
        (
            lambda: Deliver.html(b"<p>"),  # type: ignore[arg-type]
            r"Deliver.html\(bytes\): expected a str; what is coded already goes by Deliver.bytes\(data, headers=",
        ),
        (lambda: Deliver.xml(3), r"Deliver.xml\(int\): expected a str, bytes, or a dict with one root"),  # type: ignore[arg-type]
        (lambda: Deliver.xml(["a"]), r"Deliver.xml\(list\): expected a str, bytes, or a dict"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_text_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UseError, match=message):
        make()
