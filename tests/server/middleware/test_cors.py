"""CORS: which pages of other origins may read the answers, as a table (WHATWG Fetch)."""

from __future__ import annotations

import pytest

from toolkit import Abort, App, Request, UseError
from toolkit.server.middleware.cors import CORS

from .asking import ask

A, B = "https://a.example", "https://b.example"
ACAO, ACAC, ACEH = "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"
ACAM, ACAH, ACMA = "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age"
ALL_VARY = "origin, access-control-request-method, access-control-request-headers"


def text(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields}


#: middleware, origin, fields of the answer, section of Fetch
ANSWERS: list[tuple[CORS, str | None, dict[str, str], str]] = [
    (CORS(), None, {}, "3.3.2: no origin, no CORS"),
    (CORS(), A, {ACAO: "*"}, "3.3.3: any origin"),
    (CORS(), "null", {ACAO: "*"}, "3.3.3: any origin, the opaque one too"),
    (CORS(origins=[A]), None, {"vary": "origin"}, "3.3.8: what depends on the origin says so, also without one"),
    (CORS(origins=[A]), A, {"vary": "origin", ACAO: A}, "3.3.3: one origin, repeated"),
    (CORS(origins=[A]), B, {"vary": "origin"}, "3.3.4: a page that may not read is not told anything"),
    (CORS(origins=[A]), "https://a.example.evil.example", {"vary": "origin"}, "4.10: origins are compared whole"),
    (CORS(origins=[A]), "http://a.example", {"vary": "origin"}, "4.10: the scheme is part of an origin"),
    (CORS(origins=[A]), "https://a.example:8443", {"vary": "origin"}, "4.10: so is the port"),
    (CORS(origins=[A]), "https://A.example", {"vary": "origin"}, "4.10: byte for byte"),
    (CORS(origins=[A]), "null", {"vary": "origin"}, "3.3.4: the opaque origin is nobody's"),
    (CORS(origins=["null"]), "null", {"vary": "origin", ACAO: "null"}, "3.3.4: unless it is named"),
    (CORS(origins=[A], credentials=True), A, {"vary": "origin", ACAO: A, ACAC: "true"}, "3.3.5: with credentials"),
    (CORS(origins=[A], credentials=True), B, {"vary": "origin"}, "3.3.5: and not for others"),
    (CORS(origins=lambda o: o.endswith(".example")), B, {"vary": "origin", ACAO: B}, "3.3.3: a function decides"),
    (CORS(origins=lambda o: False), B, {"vary": "origin"}, "3.3.3: either way"),
    (CORS(expose=["x-a", "x-b"]), A, {ACAO: "*", ACEH: "x-a, x-b"}, "3.3.3: fields that scripts may see"),
    (CORS(expose=["x-a"]), None, {}, "3.3.3: and nobody else needs to know"),
]


@pytest.mark.parametrize(("cors", "origin", "fields", "rule"), [pytest.param(*row, id=row[3]) for row in ANSWERS])
def test_the_fields_of_an_answer(cors: CORS, origin: str | None, fields: dict[str, str], rule: str) -> None:
    assert text(cors.answer(origin)) == fields


REFUSED = {"vary": ALL_VARY}


def granted(origin: str, method: str, headers: str = "", max_age: str | None = "600") -> dict[str, str]:
    fields = {"vary": ALL_VARY, ACAO: origin, ACAM: method}
    if headers:
        fields[ACAH] = headers
    if max_age is not None:
        fields[ACMA] = max_age
    return fields


#: middleware, origin, method, headers, fields of the answer, section of Fetch
PREFLIGHTS: list[tuple[CORS, str, str, str, dict[str, str], str]] = [
    (CORS(), A, "PUT", "", granted("*", "PUT"), "4.8: a method that is allowed"),
    (CORS(), A, "PROPFIND", "", REFUSED, "4.8: one that is not"),
    (CORS(), A, "put", "", REFUSED, "4.8: methods are compared byte for byte"),
    (CORS(methods=[]), A, "POST", "", granted("*", "POST"), "2.2.1: GET, HEAD and POST need no permission"),
    (CORS(methods=[]), A, "PUT", "", REFUSED, "2.2.1: PUT does"),
    (CORS(methods="*"), A, "PROPFIND", "", granted("*", "PROPFIND"), "4.8: any method"),
    (CORS(), A, "PUT", "x-a, x-b", granted("*", "PUT", "x-a, x-b"), "4.8: any field, by its name"),
    (CORS(), A, "PUT", " authorization ", granted("*", "PUT", "authorization"), "4.8: `*` would not cover this one"),
    (CORS(headers=["X-A"]), A, "PUT", "x-a", granted("*", "PUT", "x-a"), "4.8: names in any case"),
    (CORS(headers=["X-A"]), A, "PUT", "x-a,x-b", REFUSED, "4.8: all or nothing"),
    (CORS(headers=[]), A, "PUT", ", ,", granted("*", "PUT"), "4.8: no fields asked for"),
    (CORS(), A, "PUT", "x a", REFUSED, "2.2.2: no token"),
    (CORS(), A, "P T", "", REFUSED, "2.2.1: no token"),
    (CORS(origins=[A]), A, "PUT", "", granted(A, "PUT"), "4.8: an origin that is allowed"),
    (CORS(origins=[A]), B, "PUT", "", REFUSED, "4.8: one that is not"),
    (CORS(origins=[A]), B, "GET", "", REFUSED, "4.8: whatever it asks for"),
    (CORS(origins=[A], credentials=True), A, "PUT", "", granted(A, "PUT") | {ACAC: "true"}, "3.3.5: credentials"),
    (CORS(max_age=None), A, "PUT", "", granted("*", "PUT", max_age=None), "3.3.3: no word on how long it holds"),
    (CORS(max_age=0), A, "PUT", "", granted("*", "PUT", max_age="0"), "3.3.3: not at all"),
    (CORS(expose=["x-a"]), A, "PUT", "", granted("*", "PUT"), "3.3.3: what is exposed is the answer's to say"),
]


@pytest.mark.parametrize(
    ("cors", "origin", "method", "headers", "fields", "rule"), [pytest.param(*row, id=row[5]) for row in PREFLIGHTS]
)
def test_the_fields_of_a_preflight(
    cors: CORS, origin: str, method: str, headers: str, fields: dict[str, str], rule: str
) -> None:
    assert text(cors.preflight(origin, method, headers)) == fields


def application(cors: CORS) -> tuple[App, list[str]]:
    web = App(middlewares=[cors])
    called: list[str] = []

    def handler(r: Request) -> str:
        called.append(r.method)
        if r.query:
            raise Abort("no", 418)
        return "x"

    web.add_route("/", handler)
    return web, called


async def test_a_preflight_reaches_no_handler() -> None:
    web, called = application(CORS(origins=[A]))
    answer = await ask(
        web,
        f"origin: {A}",
        "access-control-request-method: PUT",
        "access-control-request-headers: x-a",
        method="OPTIONS",
    )
    assert (answer.status, answer.get(ACAO), answer.get(ACAM), answer.get(ACAH)) == (204, A, "PUT", "x-a")
    assert called == []


@pytest.mark.parametrize("fields", [(), (f"origin: {A}",), ("access-control-request-method: PUT",)])
async def test_any_other_options_request_is_the_handler_s(fields: tuple[str, ...]) -> None:
    web, called = application(CORS())
    assert (await ask(web, *fields, method="OPTIONS")).status == 200
    assert called == ["OPTIONS"]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/?fail", 418)])
async def test_answers_say_who_may_read_them_errors_too(path: str, status: int) -> None:
    web, called = application(CORS(origins=[A], credentials=True, expose=["x-a"]))
    answer = await ask(web, f"origin: {A}", path=path)
    assert answer.status == status
    assert (answer.get(ACAO), answer.get(ACAC), answer.get(ACEH)) == (A, "true", "x-a")
    stranger = await ask(web, f"origin: {B}", path=path)
    assert (stranger.status, stranger.get(ACAO)) == (status, None)
    for one in (answer, stranger):
        assert "origin" in (one.get("vary") or "").split(", ")
    assert called == ["GET", "GET"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"credentials": True}, "name the origins"),
        ({"origins": A}, "a list of origins"),
        ({"origins": [A + "/"]}, "no slash"),
        ({"origins": ["a.example"]}, "no origin"),
        ({"origins": ["https://A.example"]}, "lower case"),
        ({"origins": ["*"]}, "no origin"),
        ({"methods": "PUT"}, "expected a list"),
        ({"headers": "x-a"}, "expected a list"),
        ({"expose": "*"}, "expected a list"),
        ({"methods": ["P T"]}, "no token"),
    ],
)
def test_what_would_not_do_what_was_meant_is_told(options: dict[str, object], said: str) -> None:
    with pytest.raises(UseError, match=said):
        CORS(**options)  # type: ignore[arg-type]


async def test_a_group_answers_preflights_for_its_own_paths() -> None:
    web = App()
    group = web.group("/api", middlewares=[CORS(origins=[A])])
    group.put("/x")(lambda r: "x")
    web.put("/y")(lambda r: "y")
    asked = (f"origin: {A}", "access-control-request-method: PUT")
    inside = await ask(web, *asked, method="OPTIONS", path="/api/x")
    outside = await ask(web, *asked, method="OPTIONS", path="/y")
    assert (inside.get(ACAO), outside.get(ACAO)) == (A, None)


async def test_what_nobody_serves_says_who_may_read_it_too() -> None:
    web, _ = application(CORS(origins=[A]))
    answer = await ask(web, f"origin: {A}", path="/nowhere")
    assert (answer.status, answer.get(ACAO)) == (404, A)


def test_a_star_in_a_list_is_refused_with_what_was_meant() -> None:
    with pytest.raises(UseError, match=r"expected origins='\*'"):
        CORS(origins=["*"])
