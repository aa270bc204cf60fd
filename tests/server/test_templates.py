"""Templates: escaped, cached, loaded off the loop, and clear about what is missing."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import TYPE_CHECKING

import jinja2
import pytest

from tests.helpers.answers import read_head
from tests.helpers.served import served
from toolkit import App, Templates, UseError
from toolkit.server.templates import content_type_of, escapes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit import Request

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "page.html": "<p>{{ text }}</p>",
        "base.html": "<title>{% block title %}{% endblock %}</title>{% include 'foot.html' %}",
        "foot.html": "<footer>{{ r.path }}</footer>",
        "child.html": "{% extends 'base.html' %}{% block title %}{{ title }}{% endblock %}",
        "mail.txt.j2": "Dear {{ name }},",
        "feed.xml": "<a>{{ text }}</a>",
        "lost.html": "{% include 'nowhere.html' %}",
        "given.html": "{% include other %}",
        "broken.html": "{% if %}",
        "many.html": "{% async for n in numbers %}{{ n }},{% endfor %}".replace("async for", "for"),
        "shout.html": "{{ text | shout }} {{ site }}",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def application(folder: Path, **options: object) -> App:
    web = App(templates=Templates(folder, **options))  # type: ignore[arg-type]

    @web.get("/page/{name}")
    async def page(r: Request, name: str) -> object:
        return await r.render(name, text=EVIL, title="T", name="<N>", other="nowhere.html")

    @web.get("/plain")
    def plain(r: Request) -> object:
        return r.render("page.html", 201, {"x-a": "1", "content-type": "text/x-own"}, text="x")

    return web


@pytest.mark.parametrize(
    ("name", "content_type", "body"),
    [
        ("page.html", "text/html; charset=utf-8", "<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</p>"),
        ("child.html", "text/html; charset=utf-8", "<title>T</title><footer>/page/child.html</footer>"),
        ("mail.txt.j2", "text/plain; charset=utf-8", "Dear <N>,"),
        ("feed.xml", "text/xml; charset=utf-8", "<a>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</a>"),
    ],
)
async def test_a_template_is_an_answer(folder: Path, name: str, content_type: str, body: str) -> None:
    async with served(application(folder)) as here, here.session() as http:
        answer = await http.get(f"/page/{name}")
        assert answer.status == 200
        assert answer.headers["content-type"].replace("application/xml", "text/xml; charset=utf-8") == content_type
        assert await answer.text() == body


async def test_status_and_headers_and_a_plain_function(folder: Path) -> None:
    async with served(application(folder)) as here, here.session() as http:
        answer = await http.get("/plain")
        assert (answer.status, answer.headers["x-a"]) == (201, "1")
        assert answer.headers.get_all("content-type") == ["text/x-own"]


async def test_a_template_is_read_once_and_off_the_loop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    templates = Templates(folder)
    read: list[tuple[str, bool]] = []
    get_source = jinja2.FileSystemLoader.get_source

    def watched(self: jinja2.FileSystemLoader, environment: jinja2.Environment, template: str) -> object:
        read.append((template, threading.current_thread() is threading.main_thread()))
        return get_source(self, environment, template)

    monkeypatch.setattr(jinja2.FileSystemLoader, "get_source", watched)

    class Path_:
        path = "/x"

    for _ in range(3):
        assert (
            await templates.render("child.html", {"r": Path_(), "title": "T"}) == "<title>T</title><footer>/x</footer>"
        )
    assert {name for name, _ in read} == {"child.html", "base.html", "foot.html"}
    assert not any(on_loop for _, on_loop in read)
    before = len(read)
    await templates.render("child.html", {"r": Path_(), "title": "T"})
    assert len(read) == before


async def test_with_reload_a_changed_file_is_seen(folder: Path) -> None:
    kept, reloading = Templates(folder), Templates(folder, reload=True)
    for templates in (kept, reloading):
        assert await templates.render("page.html", {"text": "x"}) == "<p>x</p>"
    page = folder / "page.html"
    page.write_text("new {{ text }}")
    os.utime(page, (1, 1))
    assert await kept.render("page.html", {"text": "x"}) == "<p>x</p>"
    assert await reloading.render("page.html", {"text": "x"}) == "new x"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no.html", r"there is no template 'no.html', in .*; there: base.html, .*"),
        ("../secret", r"there is no template '../secret', in"),
        ("lost.html", r"there is no template 'nowhere.html', which 'lost.html' wants"),
        ("given.html", r"there is no template 'nowhere.html', which 'given.html' wants"),
    ],
)
async def test_what_is_missing_is_named(folder: Path, name: str, said: str) -> None:
    with pytest.raises(UseError, match=said):
        await Templates(folder).render(name, {"other": "nowhere.html"})


async def test_to_the_client_it_is_500_and_no_more(folder: Path) -> None:
    async with served(application(folder)) as here, here.session() as http:
        for name in ("no.html", "broken.html"):
            answer = await http.get(f"/page/{name}")
            assert answer.status == 500
            assert b"template" not in answer.content
            assert str(folder).encode() not in answer.content


async def test_strict_names_are_an_error(folder: Path) -> None:
    assert await Templates(folder).render("page.html", {}) == "<p></p>"
    with pytest.raises(jinja2.UndefinedError, match="text"):
        await Templates(folder, strict=True).render("page.html", {})


async def test_names_and_filters_of_all_templates(folder: Path) -> None:
    templates = Templates(folder, names={"site": "S"}, filters={"shout": lambda text: text.upper() + "!"})
    assert await templates.render("shout.html", {"text": "<a>"}) == "&lt;A&gt;! S"


async def test_the_first_directory_wins(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "page.html").write_text("other")
    assert await Templates([other, folder]).render("page.html", {}) == "other"
    assert await Templates([other, folder]).render("foot.html", {"r": None}) == "<footer></footer>"


async def test_a_streamed_template_leaves_while_it_is_made(folder: Path) -> None:
    go_on = asyncio.Event()
    web = App(templates=folder)

    async def numbers() -> AsyncIterator[str]:
        yield "<" + "x" * 20_000
        await go_on.wait()
        yield "end"

    @web.get("/")
    async def handler(r: Request) -> object:
        return await r.stream_template("many.html", 202, {"x-a": "1"}, numbers=numbers())

    async with served(web) as here:
        raw = await here.raw()
        await raw.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        start, fields = await read_head(raw)
        assert start.startswith("HTTP/1.1 202")
        assert ("content-type", "text/html; charset=utf-8") in fields
        await raw.until(b"&lt;xxx")
        go_on.set()
        await raw.until(b"end,")


async def test_a_streamed_template_that_is_missing_is_an_error_answer(folder: Path) -> None:
    web = App(templates=str(folder))

    @web.get("/")
    async def handler(r: Request) -> object:
        return await r.stream_template("no.html")

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).status == 500


@pytest.mark.parametrize(("given", "shown"), [({"name": "x"}, "{...}"), ("x", "'x'"), (None, "None")])
async def test_values_in_one_dict_are_told_to_go_by_their_names(folder: Path, given: int, shown: str) -> None:
    web = App(templates=folder)
    told: list[str] = []

    @web.get("/")
    async def handler(r: Request) -> None:
        for call in (r.render, r.stream_template):
            with pytest.raises(UseError) as caught:
                await call("page.html", given)
            told.append(str(caught.value))

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).status == 204
    for call, one in zip(("render", "stream_template"), told, strict=True):
        assert f"{call}('page.html', {shown}): what comes second is the status" in one
        assert f"values go by their names, {call}('page.html', **context)" in one


async def test_without_templates_there_is_nothing_to_render() -> None:
    web = App()
    told: list[str] = []

    @web.get("/")
    async def handler(r: Request) -> None:
        with pytest.raises(UseError, match=r"App\(templates='templates'\)") as caught:
            _ = await r.render("page.html")
        told.append(str(caught.value))

    async with served(web) as here, here.session() as http:
        assert (await http.get("/")).status == 204
    assert told


def test_a_directory_that_is_none_is_told_at_once(folder: Path) -> None:
    with pytest.raises(UseError, match="is no directory"):
        _ = App(templates=folder / "nowhere")
    with pytest.raises(UseError, match="is no directory"):
        Templates([folder, folder / "page.html"])


def test_without_jinja_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UseError, match=r"streaming-toolkit\[templates\]"):
        Templates(folder)


@pytest.mark.parametrize(
    ("name", "content_type", "escaped"),
    [
        ("a.html", "text/html; charset=utf-8", True),
        ("a.txt", "text/plain; charset=utf-8", False),
        ("a.txt.jinja", "text/plain; charset=utf-8", False),
        ("a.svg", "image/svg+xml; charset=utf-8", True),
        ("a.js.j2", "text/javascript; charset=utf-8", True),
        ("a", "text/html; charset=utf-8", True),
        ("a.unknown-type", "text/html; charset=utf-8", True),
    ],
)
def test_what_a_template_makes_is_in_its_name(name: str, content_type: str, escaped: bool) -> None:
    assert content_type_of(name).replace("application/javascript", "text/javascript") == content_type
    assert escapes(name) is escaped
    assert escapes(None)
