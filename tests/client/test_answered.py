"""What an answer says beside its body."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import answering
from tests.helpers.raw import raw_server
from tests.helpers.served import served
from toolkit import App, Cookie, Deliver, Request, Session
from toolkit.errors import UseError

if TYPE_CHECKING:
    from toolkit import Response


async def answered(fields: str, *, url: str = "/dir/a.txt?q=1", body: bytes = b"") -> Response:
    """A GET that was answered with these fields."""
    async with raw_server("tcp") as peer, peer.session(base_url=peer.url) as http:
        sent = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{fields}\r\n".encode("latin-1") + body
        async with answering(peer, http.get(url), sent) as (x, _, _):
            _ = await x.read()
            return x


@pytest.mark.parametrize(
    ("section", "url", "fields", "expected"),
    [
        ("6266 4.3", "/dir/a.txt?q=1", "content-disposition: attachment; filename=b.txt\r\n", "b.txt"),
        ("6266 4.3", "/a.txt", "content-disposition: attachment; filename=b; filename*=UTF-8''%C3%A4\r\n", "\u00e4"),
        ("6266 4.3 (a path)", "/a.txt", 'content-disposition: attachment; filename="../../etc/x"\r\n', "x"),
        ("6266 4.3 (hidden)", "/a.txt", "content-disposition: attachment; filename=.bashrc\r\n", "bashrc"),
        ("6266 4.3 (no name left)", "/a.txt", "content-disposition: attachment; filename=..\r\n", "a.txt"),
        ("6266 4.1 (no name)", "/a.txt", "content-disposition: inline\r\n", "a.txt"),
        ("the URL's last part", "/dir/a.txt?q=1", "", "a.txt"),
        ("the URL's last part, decoded", "/dir/a%20%C3%A4.txt", "", "a \u00e4.txt"),
        ("the URL's last part, a path in it", "/dir/..%2f..%2fetc%2fx", "", "x"),
        ("the URL's last part, hidden", "/.netrc", "", "netrc"),
        ("no last part", "/dir/", "", "download"),
        ("no path", "", "", "download"),
    ],
)
async def test_the_name_of_a_file(section: str, url: str, fields: str, expected: str) -> None:
    assert (await answered(fields, url=url)).get_filename() == expected, section


async def test_links_by_relation_with_their_urls_resolved() -> None:
    x = await answered(
        'link: <?page=2>; rel="next", </other>; rel="Last alternate"; title=x\r\n'
        'link: <http://b.test/>; rel=next, <#a>; rel=item; anchor="/elsewhere"\r\n'
    )
    here = x.url.partition("/dir/")[0]
    assert {name: link.url for name, link in x.links.items()} == {
        "next": f"{here}/dir/a.txt?page=2",
        "last": f"{here}/other",
        "alternate": f"{here}/other",
    }
    assert x.links["last"].title == "x"
    assert [link.rel for link in x.all_links] == [("next",), ("last", "alternate"), ("next",), ("item",)]


async def test_an_answer_without_links() -> None:
    x = await answered("")
    assert (x.links, x.all_links) == ({}, [])


async def test_a_link_that_is_no_url_is_none() -> None:
    x = await answered("link: <http://[>; rel=a, </b>; rel=b\r\n")
    assert list(x.links) == ["b"]


async def test_the_cookies_that_are_set() -> None:
    x = await answered("set-cookie: a=1; Path=/; HttpOnly\r\nset-cookie: b=2\r\nset-cookie: a=3\r\nset-cookie: ;\r\n")
    assert x.cookies == {"a": "3", "b": "2"}
    assert x.set_cookies == [Cookie("a", "1", path="/", httponly=True), Cookie("b", "2"), Cookie("a", "3")]


@pytest.mark.parametrize(
    ("content_type", "body", "charset", "text"),
    [
        ("text/plain", "\u00e4".encode(), "utf-8", "\u00e4"),
        ("text/plain; charset=ISO-8859-1", b"\xe4", "iso-8859-1", "\u00e4"),
        ("text/plain; charset=iso-8859-1", b"\xef\xbb\xbf\xc3\xa4", "utf-8", "\u00e4"),
        ("text/html", b"<meta charset=iso-8859-1>\xe4", "utf-8", "<meta charset=iso-8859-1>\ufffd"),
        ("text/plain; charset=unicode_escape", b"\\n", "utf-8", "\\n"),
    ],
)
async def test_the_charset_is_what_text_reads_by(content_type: str, body: bytes, charset: str, text: str) -> None:
    x = await answered(f"content-type: {content_type}\r\n", body=body)
    assert (x.charset, await x.text()) == (charset, text)


async def test_json_behind_a_byte_order_mark() -> None:
    """RFC 8259 8.1: nobody may send one, and who reads may pass it over."""
    x = await answered("content-type: application/json\r\n", body=b'\xef\xbb\xbf{"a": 1}')
    assert await x.json() == {"a": 1}


async def test_elapsed_is_from_the_beginning_to_the_answers_head_redirects_included() -> None:
    web = App(port=0)
    asked, goes_on = asyncio.Event(), asyncio.Event()

    @web.get("/from")
    async def begin(r: Request) -> object:
        return Deliver.redirect("/to")

    @web.get("/to")
    async def end(r: Request) -> str:
        asked.set()
        await goes_on.wait()
        return "x"

    async with served(web, "memory") as here, here.session(base_url="http://a.test") as http:
        x = http.get("/from", follow_redirects=True)
        assert x.elapsed is None
        loop = asyncio.get_running_loop()
        before = loop.time()
        waiting = asyncio.ensure_future(_awaited(x))
        await asked.wait()
        assert x.elapsed is None
        goes_on.set()
        _ = await waiting
        whole, first = x.elapsed, x.history[0].elapsed
        assert whole is not None
        assert first is not None
        assert 0 < first < whole < loop.time() - before + 1


async def _awaited(x: Response) -> Response:
    return await x


async def test_before_the_answer_there_is_nothing_to_be_asked() -> None:
    async with Session(base_url="http://a.test") as http:
        for name in ("links", "all_links", "cookies", "set_cookies", "charset"):
            with pytest.raises(UseError, match="before the answer"):
                getattr(http.get("/"), name)
        with pytest.raises(UseError, match="before the answer"):
            http.get("/").get_filename()


async def test_saving_after_reading_is_a_mistake(tmp_path: object) -> None:
    x = await answered("", body=b"abc")
    with pytest.raises(UseError, match="after the body was read"):
        await x.save(f"{tmp_path}/a")
