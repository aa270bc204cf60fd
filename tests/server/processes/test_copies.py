"""A request's copy: the same names with the same values, its body at once, and what it asks to add."""

from __future__ import annotations

import pickle
import threading

import pytest

from tests.helpers.served import served
from toolkit import App, Cookie, LimitExceeded, LocalProtocolError, RemoteProtocolError, Request, UseError
from toolkit.protocol.limits import FormLimits, Limits
from toolkit.server.processes.copies import Added, Copied, RequestCopy, add_to, copy_of

NAMES = [
    *("method", "target", "url", "path", "raw_path", "query", "host", "scheme", "http_version", "ip_host", "ip_port"),
    *("mount_path", "request_id", "path_params", "cookies", "content_type", "content_length"),
]


async def copied(
    headers: dict[str, str] | None = None, body: bytes = b"", store: dict[str, object] | None = None
) -> tuple[RequestCopy, dict[str, object]]:
    """The copy of a request, as it is on the other side, and what the request itself says by the same names."""
    web, found, said = App(port=0), list[RequestCopy](), dict[str, object]()

    @web.post("/a/{b}/c")
    async def handler(r: Request, b: str) -> None:
        r.store.update(store or {})
        sent = pickle.dumps(copy_of(r, {"b": b}))
        found.append(RequestCopy(pickle.loads(sent), await r.read()))
        said.update({name: getattr(r, name) for name in NAMES})
        said.update(params=r.params(), params_all=r.params_all().pairs, headers=r.headers)

    async with served(web) as here, here.session() as http:
        answer = await http.post(here.url + "/a/%2Fb/c?x=1&x=%20", headers or {}, body=body)
        assert answer.status == 204
    return found[0], said


def made(content_type: str = "", body: bytes = b"", limits: Limits = Limits()) -> RequestCopy:
    fields = [(b"content-type", content_type.encode())] if content_type else []
    return RequestCopy(
        Copied("POST", "/x", "http://a/x", "/x", "a", "http", "1.1", fields, ("", 0), "", None, {}, None), body, limits
    )


async def test_what_is_known_is_known_by_the_same_names() -> None:
    r, said = await copied({"cookie": "a=1; b=2", "content-type": "text/plain", "x-a": "1"}, b"body")
    assert {name: getattr(r, name) for name in NAMES} == {name: said[name] for name in NAMES}
    assert (r.params(), r.params_all().pairs, r.headers) == (said["params"], said["params_all"], said["headers"])
    assert r.path_params == {"b": "/b"}
    assert r.body == b"body"
    assert repr(r) == "<RequestCopy POST /a/%2Fb/c?x=1&x=%20>"
    assert r.content_length == 4


def test_a_target_with_a_scheme_and_a_host_has_a_path() -> None:
    r = made()
    r.target = "http://a/b%20c?d"
    assert (r.raw_path, r.query) == ("/b%20c", "d")


@pytest.mark.parametrize("name", ["session", "route", "prepare", "app", "read"])
def test_what_stays_with_the_loop_is_told_by_its_name(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"^r\.{name} is not there in another process: it belongs to"):
        getattr(made(), name)


def test_a_name_that_no_request_has() -> None:
    with pytest.raises(AttributeError, match=r"^'RequestCopy' object has no attribute 'nothing'$"):
        getattr(made(), "nothing")  # noqa: B009 - mypy would refuse the attribute


async def test_the_store_goes_along_but_for_what_cannot_be_pickled() -> None:
    r, _ = await copied(store={"user": "Ada", "lock": threading.Lock()})
    assert r.store == {"user": "Ada"}
    with pytest.raises(KeyError, match=r"r.store\['lock'\] cannot be pickled, so that it is not known in another"):
        r.store["lock"]
    with pytest.raises(KeyError, match=r"^'none'$"):
        r.store["none"]


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [("", b"caf\xc3\xa9", "café"), ("text/plain; charset=latin-1", b"caf\xe9", "café"), ("", b"\xff", "�")],
)
def test_text(content_type: str, body: bytes, text: str) -> None:
    assert made(content_type, body).text() == text


def test_json_and_xml() -> None:
    assert made("application/json", b'{"a": [1]}').json() == {"a": [1]}
    assert made("", b"1").json() == 1
    assert made("text/plain", b"1").json(any_type=True) == 1
    assert made("application/xml", b"<a>1</a>").xml() == {"a": "1"}


@pytest.mark.parametrize(
    ("call", "content_type", "status", "fault"),
    [
        ("json", "application/json", 400, "the body is not JSON"),
        ("json", "text/plain", 415, "the body is text/plain; expected application/json"),
        ("xml", "application/xml", 400, "the body is not XML"),
        ("text", "text/plain; charset=klingon", 415, "charset 'klingon' is not known here"),
        ("form", "application/json", 415, "the body is application/json; expected application/x-www-form-urlencoded"),
    ],
)
def test_what_a_body_is_not(call: str, content_type: str, status: int, fault: str) -> None:
    r = made(content_type, b"{")
    with pytest.raises(RemoteProtocolError) as raised:
        getattr(r, call)()
    assert raised.value.status_hint == status
    assert raised.value.fault.startswith(fault)
    assert str(raised.value).startswith("POST http://a/x: ")


def test_forms() -> None:
    r = made("application/x-www-form-urlencoded", b"a=1&a=2&b=%20")
    assert r.form().pairs == [("a", "1"), ("a", "2"), ("b", " ")]
    assert r.form() is r.form()
    assert made().form().pairs == []


def test_a_file_of_a_form_is_had_at_once_and_never_on_a_disk() -> None:
    size = FormLimits().memory + 1
    headers, body = multipart("a" * size)
    file = made(headers, body).form().file("f")
    assert file is not None
    assert (file.filename, file.in_memory, file.content) == ("f.txt", True, b"a" * size)


def test_a_form_over_its_limits() -> None:
    headers, body = multipart("aaaa")
    with pytest.raises(LimitExceeded, match=r"the file 'f\.txt' is over 3 bytes"):
        made(headers, body).form(FormLimits(file=3))


def multipart(content: str) -> tuple[str, bytes]:
    body = f'--x\r\ncontent-disposition: form-data; name="f"; filename="f.txt"\r\n\r\n{content}\r\n--x--\r\n'
    return "multipart/form-data; boundary=x", body.encode()


async def test_what_is_added_is_added_to_the_request() -> None:
    web = App(port=0)
    r = made()
    r.set_cookie("a", "1", max_age=3, httponly=True)
    r.delete_cookie("b")
    r.add_header("x-a", 1)
    added: Added = pickle.loads(pickle.dumps(r._take_added()))
    assert added == [
        Cookie("a", "1", 3, httponly=True, path="/", samesite="Lax"),
        Cookie("b", "", 0, 0, None, "/"),
        ("x-a", 1),
    ]

    @web.get("/")
    def handler(r: Request) -> str:
        add_to(r, added)
        return "ok"

    async with served(web) as here, here.session() as http:
        answer = await http.get(here.url + "/")
        assert answer.headers.get_all("x-a") == ["1"]
        assert [one.split(";")[0] for one in answer.headers.get_all("set-cookie")] == ["a=1", "b="]


def test_what_cannot_be_added_is_told_where_it_is_said() -> None:
    r = made()
    with pytest.raises(LocalProtocolError):
        r.add_header("x-a", "1\r\nx-b: 2")
    with pytest.raises(LocalProtocolError):
        r.set_cookie("a b")
    r._take_added()
    with pytest.raises(UseError, match=r"^POST http://a/x: set_cookie\('a'\) after the answer's head was sent"):
        r.set_cookie("a")
