"""Redirects as a table: the answer and the request in, the next request or a reason to stop out (RFC 9110 15.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.served import served
from toolkit import App, BodyNotReplayable, Deliver, Request, Session
from toolkit.client.redirects import Hop, Redirects, next_hop
from toolkit.client.url import parse_url
from toolkit.errors import RemoteProtocolError, UseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.protocol.headers import Fields

MOST_HOPS = Redirects().most
HERE = "http://a.test/dir/page?q=1"
BODY: Fields = [
    (b"Content-Type", b"text/plain"),  # RFC 9110 15.4, step 5, and what came after it (RFC 9530)
    (b"content-encoding", b"br"),
    (b"Content-Language", b"de"),
    (b"Content-Location", b"/x"),
    (b"Content-Digest", b"sha-256=:eA==:"),
    (b"Repr-Digest", b"sha-256=:eA==:"),
    (b"Digest", b"sha-256=eA=="),
    (b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    (b"trailer", b"x-sum"),
]
PLAIN: Fields = [(b"accept", b"*/*"), (b"x-own", b"1")]
SECRETS: Fields = [
    (b"Authorization", b"Basic eA=="),
    (b"cookie", b"a=b"),
    (b"COOKIE", b"c=d"),  # each of them, not the first alone
    (b"Proxy-Authorization", b"Basic eQ=="),
    (b"proxy-x", b"1"),
    (b"Origin", b"http://a.test"),
]


def hop(status: int, location: str | None, *, method: str = "GET", here: str = HERE, fields: Fields = PLAIN) -> Hop:
    found = next_hop(method, parse_url(here), fields, status, location, 0)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "method", "expected", "keeps_body"),
    [
        # RFC 9110 15.4.2, 15.4.3: a user agent may turn POST into GET, and every one does; nothing else changes.
        (301, "GET", "GET", True),
        (301, "HEAD", "HEAD", True),
        (301, "POST", "GET", False),
        (301, "PUT", "PUT", True),
        (301, "DELETE", "DELETE", True),
        (302, "GET", "GET", True),
        (302, "HEAD", "HEAD", True),
        (302, "POST", "GET", False),
        (302, "PATCH", "PATCH", True),
        # 15.4.4: retrieve by GET, or HEAD where that was asked.
        (303, "GET", "GET", False),
        (303, "HEAD", "HEAD", True),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (303, "DELETE", "GET", False),
        (303, "PATCH", "GET", False),
        # 15.4.8, 15.4.9: the method must not change.
        (307, "GET", "GET", True),
        (307, "HEAD", "HEAD", True),
        (307, "POST", "POST", True),
        (307, "PUT", "PUT", True),
        (308, "GET", "GET", True),
        (308, "POST", "POST", True),
        (308, "DELETE", "DELETE", True),
        (308, "PATCH", "PATCH", True),
    ],
)
def test_the_method_and_the_body(status: int, method: str, expected: str, keeps_body: bool) -> None:
    found = hop(status, "/next", method=method)
    assert (found.method, found.keeps_body) == (expected, keeps_body)


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 400, 404])
def test_other_statuses_are_the_last_answer(status: int) -> None:
    # 15.4.1: 300 has no single target; 15.4.5: 304 is about the caller's own copy; 15.4.6: 305 is deprecated.
    assert next_hop("GET", parse_url(HERE), PLAIN, status, "/next", 0) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_without_a_location_it_is_the_last_answer(status: int) -> None:
    assert next_hop("GET", parse_url(HERE), PLAIN, status, None, 0) is None


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        # RFC 3986 5.4, as far as Location values are like that.
        ("/next", "http://a.test/next"),
        ("next", "http://a.test/dir/next"),
        ("../up", "http://a.test/up"),
        ("?q=2", "http://a.test/dir/page?q=2"),
        ("//b.test/x", "http://b.test/x"),
        ("http://b.test:81/x?y", "http://b.test:81/x?y"),
        ("https://a.test/", "https://a.test/"),
        ("HTTP://a.test/x", "http://a.test/x"),
        ("/next#part", "http://a.test/next#part"),
        # As it was given: it may be signed.
        ("/a%2Fb/%2A?p=c%2Fd%40", "http://a.test/a%2Fb/%2A?p=c%2Fd%40"),
        ("/a/../b//c/./", "http://a.test/a/../b//c/./"),
        ("http://b.test/a/../b", "http://b.test/a/../b"),
        # Only what is no legal URI is quoted.
        ("/with space", "http://a.test/with%20space"),
        ("/100%", "http://a.test/100%25"),
    ],
)
def test_where_it_leads(location: str, expected: str) -> None:
    assert str(hop(302, location).url) == expected


@pytest.mark.parametrize(
    "location",
    [
        "ftp://a.test/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:,x",
        "http://",
        "http:///x",
        "mailto:a@b.test",
    ],
)
def test_only_http_and_https_are_followed(location: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^http://a\.test/dir/page"):
        next_hop("GET", parse_url(HERE), PLAIN, 302, location, 0)


@pytest.mark.parametrize("location", ["http://[::1", "http://[x]/", "http://b.test:port/", "http://b.test:99999/"])
def test_a_location_that_is_no_url_is_the_peers_fault(location: str) -> None:
    with pytest.raises(RemoteProtocolError):
        next_hop("GET", parse_url(HERE), PLAIN, 302, location, 0)


def test_a_downgrade_is_not_followed() -> None:
    for location in ("http://a.test/", "http://b.test/"):
        with pytest.raises(RemoteProtocolError, match="from https to http; not followed"):
            next_hop("GET", parse_url("https://a.test/"), PLAIN, 301, location, 0)
    assert hop(301, "/x", here="https://a.test/").url.scheme == "https"


def test_there_is_an_end_to_it() -> None:
    assert next_hop("GET", parse_url(HERE), PLAIN, 302, "/next", MOST_HOPS - 1) is not None
    with pytest.raises(RemoteProtocolError, match=f"more than {MOST_HOPS} redirects"):
        next_hop("GET", parse_url(HERE), PLAIN, 302, "/next", MOST_HOPS)
    assert next_hop("GET", parse_url(HERE), PLAIN, 200, None, MOST_HOPS) is None


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/next", True),
        ("http://a.test/next", True),
        ("http://a.test:80/next", True),  # RFC 9110 4.2.3: the default port is no other origin
        ("HTTP://A.TEST/next", True),
        ("http://b.test/next", False),
        ("http://sub.a.test/next", False),  # CVE-2018-18074 and its like: a name below is another origin
        ("http://a.test.evil.test/next", False),
        ("http://a.test:81/next", False),
        ("https://a.test/next", False),  # RFC 6454: another scheme is another origin
        ("//b.test/next", False),
    ],
)
@pytest.mark.parametrize("status", [302, 303, 307])
def test_credentials_stay_with_their_origin(location: str, kept: bool, status: int) -> None:
    fields = hop(status, location, fields=[*PLAIN, *SECRETS]).fields
    assert fields == ([*PLAIN, *SECRETS] if kept else PLAIN)


@pytest.mark.parametrize(
    ("status", "method"), [(301, "POST"), (302, "POST"), (303, "POST"), (303, "PUT"), (303, "GET")]
)
def test_what_described_the_body_goes_with_it(status: int, method: str) -> None:
    fields: Fields = [*PLAIN, *BODY, (b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")]
    assert hop(status, "/next", method=method, fields=fields).fields == PLAIN


@pytest.mark.parametrize(("status", "method"), [(301, "PUT"), (302, "PATCH"), (307, "POST"), (308, "POST")])
def test_a_body_that_is_sent_again_is_described_again(status: int, method: str) -> None:
    assert hop(status, "/next", method=method, fields=[*PLAIN, *BODY]).fields == [*PLAIN, *BODY]


def test_the_host_is_the_next_urls() -> None:
    assert hop(302, "/next", fields=[(b"Host", b"a.test"), *PLAIN]).fields == PLAIN


@pytest.mark.parametrize(
    ("here", "location", "expected"),
    [
        # RFC 9110 10.2.2, with its own two examples first
        ("http://www.example.org/~tim", "/People.html#tim", "http://www.example.org/People.html#tim"),
        (
            "http://www.example.org/index.html#larry",
            "http://www.example.net/index.html",
            "http://www.example.net/index.html#larry",
        ),
        ("http://a.test/x#one", "/y#two", "http://a.test/y#two"),
        ("http://a.test/x#one", "/y#", "http://a.test/y"),  # an empty one is one
        ("http://a.test/x#one", "?q", "http://a.test/x?q#one"),
        ("http://a.test/x#a%2Fb", "/y", "http://a.test/y#a%2Fb"),
        ("http://a.test/x", "/y", "http://a.test/y"),
        ("http://a.test/x#", "/y", "http://a.test/y"),
    ],
)
def test_a_fragment_is_inherited(here: str, location: str, expected: str) -> None:
    assert str(hop(302, location, here=here).url) == expected


@pytest.mark.parametrize(
    ("here", "location", "referer", "expected"),
    [
        # Referrer Policy 3.7, strict-origin-when-cross-origin
        ("http://a.test/x", "/y", "http://a.test/page?q", "http://a.test/page?q"),
        ("http://a.test/x", "http://b.test/y", "http://a.test/page?q", "http://a.test/"),
        ("http://a.test/x", "https://a.test/y", "http://a.test:81/page", "http://a.test:81/"),
        ("http://a.test/x", "http://b.test/y", "http://u:p@a.test/page", "http://a.test/"),
        ("https://a.test/x", "https://b.test/y", "https://a.test/page", "https://a.test/"),
        ("https://a.test/x", "http://b.test/y", "https://a.test/page", None),
        ("http://a.test/x", "http://b.test/y", "http://a.test/", "http://a.test/"),
        ("http://a.test/x", "http://b.test/y", "/page", None),
        ("http://a.test/x", "http://b.test/y", "about:blank", None),
        ("http://a.test/x", "http://b.test/y", "http://[", None),
    ],
)
def test_the_referring_page_is_told_as_browsers_tell_it(
    here: str, location: str, referer: str, expected: str | None
) -> None:
    fields = [*PLAIN, (b"Referer", referer.encode())]
    found = next_hop("GET", parse_url(here), fields, 302, location, 0, Redirects(insecure=True))
    assert found is not None
    told = [value.decode() for name, value in found.fields if name.lower() == b"referer"]
    assert told == ([] if expected is None else [expected])


def test_a_downgrade_is_followed_where_it_is_asked_for() -> None:
    secrets: Fields = [*PLAIN, *SECRETS]
    found = next_hop("GET", parse_url("https://a.test/"), secrets, 301, "http://a.test/", 0, Redirects(insecure=True))
    assert found is not None
    assert (str(found.url), found.fields) == ("http://a.test/", PLAIN)


@pytest.mark.parametrize("most", [0, 1, 20])
def test_the_limit_is_the_callers(most: int) -> None:
    redirects = Redirects(most=most)
    assert most == 0 or next_hop("GET", parse_url(HERE), PLAIN, 302, "/next", most - 1, redirects) is not None
    with pytest.raises(RemoteProtocolError, match=f"more than {most} redirects"):
        next_hop("GET", parse_url(HERE), PLAIN, 302, "/next", most, redirects)


@pytest.mark.parametrize("most", [-1, 1.5, True, None, "9"])
def test_a_limit_that_is_none_is_a_use_error(most: object) -> None:
    with pytest.raises(UseError, match="expected a whole number from 0 on"):
        Redirects(most=most)  # type: ignore[arg-type]  # the mistake itself


@given(st.text(max_size=60), st.sampled_from(["http://a.test/x", "https://a.test/x"]))
def test_any_location_leads_somewhere_or_is_the_peers_fault(location: str, here: str) -> None:
    try:
        found = next_hop("GET", parse_url(here), PLAIN, 302, location, 0)
    except RemoteProtocolError:
        return
    assert found is not None
    assert found.url.scheme in ("http", "https")
    assert found.url.raw_host
    assert "#" not in found.url.raw_path_qs


# The same, sent


def hopping() -> App:
    web = App(port=0)

    @web.route("/from/{status}/{times}", methods=("GET", "HEAD", "POST", "PUT"))
    async def start(r: Request, status: str, times: str) -> object:
        await r.read()
        left = int(times) - 1
        return Deliver.redirect(f"/from/{status}/{left}" if left else "/end", int(status))

    @web.route("/end", methods=("GET", "HEAD", "POST", "PUT"))
    async def end(r: Request) -> object:
        body = await r.text()
        return {
            "method": r.method,
            "body": body,
            "host": r.host,
            "type": r.content_type,
            "secret": "cookie" in r.headers,
        }

    @web.get("/away")
    async def away(r: Request) -> object:
        return Deliver.redirect("http://b.test/end")

    return web


async def test_hops_show_only_in_history() -> None:
    async with Session(app=hopping()) as http:
        answer = await http.get("/from/302/3", follow_redirects=True)
        assert (answer.status, answer.url) == (200, "http://localhost/end")
        assert [(past.status, past.raw_path) for past in answer.history] == [
            (302, "/from/302/3"),
            (302, "/from/302/2"),
            (302, "/from/302/1"),
        ]
        assert [past.headers["location"] for past in answer.history][-1] == "/end"


async def test_hops_reuse_their_connection() -> None:
    async with Session(app=hopping()) as http:
        _ = await http.get("/from/302/5", follow_redirects=True)
        assert repr(http) == "<Session <Pool 1 of 100 open, 1 idle, 0 waiting>>"


async def test_one_hop_too_many_is_an_error() -> None:
    async with Session(app=hopping()) as http:
        assert (await http.get(f"/from/302/{MOST_HOPS}", follow_redirects=True)).status == 200
        with pytest.raises(RemoteProtocolError, match="more than 10 redirects"):
            _ = await http.get(f"/from/302/{MOST_HOPS + 1}", follow_redirects=True)
        assert (await http.get("/end")).status == 200


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_put_is_not_emptied_on_its_way(status: int) -> None:
    async with Session(app=hopping()) as http:
        answer = await http.put(f"/from/{status}/2", body="again", follow_redirects=True)
        seen = await answer.json()
        assert isinstance(seen, dict)
        assert (seen["method"], seen["body"]) == ("PUT", "again")


@pytest.mark.parametrize(
    ("status", "method", "body"), [(303, "GET", ""), (307, "POST", "again"), (308, "POST", "again")]
)
async def test_a_posts_body_goes_along_or_is_dropped(status: int, method: str, body: str) -> None:
    async with Session(app=hopping()) as http:
        answer = await http.post(f"/from/{status}/2", body="again", follow_redirects=True)
        seen = await answer.json()
        assert isinstance(seen, dict)
        assert (seen["method"], seen["body"]) == (method, body)
        assert bool(seen["type"]) == bool(body)


async def test_a_spent_body_is_not_sent_again() -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"once"

    async with Session(app=hopping()) as http:
        with pytest.raises(BodyNotReplayable, match="answered 307") as caught:
            _ = await http.post("/from/307/1", body=once(), follow_redirects=True)
        assert caught.value.answer.status == 307
        again = await http.post("/from/307/1", body=once, follow_redirects=True)
        assert again.status == 200


async def test_credentials_do_not_travel() -> None:
    async with served(hopping()) as here, here.session() as http:
        answer = await http.get("/away", {"cookie": "a=b"}, follow_redirects=True)
        seen = await answer.json()
        assert isinstance(seen, dict)
        assert (seen["host"], seen["secret"]) == ("b.test", False)


async def test_credentials_of_the_session_do_not_travel_either() -> None:
    async with served(hopping()) as here, here.session(headers={"cookie": "a=b", "x-own": "1"}) as http:
        answer = await http.get("/away", follow_redirects=True)
        seen = await answer.json()
        assert isinstance(seen, dict)
        assert (seen["host"], seen["secret"]) == ("b.test", False)
        assert ("cookie" in answer.request_headers, answer.request_headers["x-own"]) == (False, "1")
        assert answer.history[0].request_headers["cookie"] == "a=b"
        # Asked by itself, the other origin is the session's business again.
        there = await (await http.get("http://b.test/end")).json()
        assert isinstance(there, dict)
        assert there["secret"]


async def test_the_fragment_of_the_first_url_is_the_last_ones() -> None:
    async with Session(app=hopping()) as http:
        answer = await http.get("/from/302/2#part", follow_redirects=True)
        assert (answer.url, answer.target) == ("http://localhost/end#part", "/end")
        assert [past.url for past in answer.history] == [
            "http://localhost/from/302/2#part",
            "http://localhost/from/302/1#part",
        ]


async def test_a_session_may_follow_them_all() -> None:
    async with Session(app=hopping(), redirects=Redirects(most=2)) as http:
        assert (await http.get("/from/302/2")).status == 200
        assert (await http.get("/from/302/2", follow_redirects=False)).status == 302
        assert (await http.get("/from/302/2", redirects=None)).status == 302
        with pytest.raises(RemoteProtocolError, match="more than 2 redirects"):
            _ = await http.get("/from/302/3")
        assert (await http.get("/from/302/3", redirects=Redirects(most=3))).status == 200


async def test_a_location_in_raw_utf8_is_taken_as_such() -> None:
    # RFC 9110 10.2.2 allows only URIs; many send this all the same, and every browser follows it so.
    web = App(port=0)

    @web.get("/from")
    async def start(r: Request) -> object:
        return 302, "", {"location": "/café".encode().decode("latin-1")}

    @web.get("/{name}")
    async def end(r: Request, name: str) -> str:
        return name

    async with Session(app=web) as http:
        answer = await http.get("/from", follow_redirects=True)
        assert await answer.text() == "café"
