"""Error pages: the form by Accept, and nothing in them that a browser would run."""

from __future__ import annotations

import json

import pytest

from toolkit.server.error_pages import debug_page, error_page

TEXT, PROBLEM, HTML = b"text/plain; charset=utf-8", b"application/problem+json", b"text/html; charset=utf-8"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        # RFC 9110 12.5.1; text where nothing in particular is asked for
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("text/plain", TEXT),
        ("text/html", HTML),
        (CHROME, HTML),
        ("application/json", PROBLEM),
        ("application/json, text/plain, */*", TEXT),
        ("application/json, text/plain;q=0.9, */*;q=0.1", PROBLEM),
        ("application/problem+json", PROBLEM),
        ("application/problem+json, application/json", PROBLEM),
        ("application/*", PROBLEM),
        ("application/json;q=0.5, text/html;q=0.4", PROBLEM),
        ("text/html;q=0, */*", TEXT),
        ("text/plain;q=0, */*", PROBLEM),
        ("image/png", TEXT),  # nothing that is there: text all the same, an error is worth saying
        ("nonsense;;;", TEXT),
    ],
)
def test_the_form_is_what_accept_likes_best(accept: str | None, form: bytes) -> None:
    assert error_page(accept, 404, "no").content_type == form
    assert debug_page(accept, ValueError("x"), "GET /").content_type == form


def test_text_is_the_message() -> None:
    assert error_page(None, 404, "no").body == b"no"
    assert error_page(None, 400, "why", "Bad Request: why").body == b"Bad Request: why"
    assert error_page(None, 400, "\udc80\u00e9").body == b"?\xc3\xa9"


@pytest.mark.parametrize(
    ("status", "message", "problem"),
    [
        (404, "no", {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no"}),
        (404, "Not Found", {"type": "about:blank", "title": "Not Found", "status": 404}),
        (404, "", {"type": "about:blank", "title": "Not Found", "status": 404}),
        (499, "gone", {"type": "about:blank", "title": "Error 499", "status": 499, "detail": "gone"}),
        (400, "\udc80", {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "?"}),
    ],
)
def test_json_is_problem_details(status: int, message: str, problem: dict[str, object]) -> None:
    """RFC 9457 3.1."""
    assert json.loads(error_page("application/json", status, message).body) == problem


EVIL = "<script>alert('1')</script>&\""


def test_html_escapes_whatever_comes_from_outside() -> None:
    page = error_page("text/html", 400, EVIL).body.decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;&quot;" in page
    assert "<h1>400 Bad Request</h1>" in page
    assert "<p>" not in error_page("text/html", 400, "Bad Request").body.decode()


class EvilError(Exception):
    """Its text is a script."""


def failed(depth: int) -> Exception:
    def inner(left: int) -> None:
        if left:
            inner(left - 1)
        try:
            raise KeyError(EVIL)
        except KeyError as error:
            raise EvilError(EVIL) from error

    try:
        inner(depth)
    except EvilError as error:
        return error
    raise AssertionError


def test_a_debug_page_shows_the_traceback_with_its_lines() -> None:
    page = debug_page("text/html", failed(1), f"GET /{EVIL}").body.decode()
    assert "<script" not in page
    assert "<h1>tests.server.test_error_pages.EvilError: &lt;script" in page
    assert "in inner" in page
    assert "<b>" in page
    assert "raise EvilError(EVIL) from error" in page
    assert "The above exception was the direct cause" in page
    text = debug_page(None, failed(1), "GET /x").body.decode()
    assert text.startswith("GET /x\n\nTraceback (most recent call last):\n")
    assert text.rstrip().endswith(f"EvilError: {EVIL}")
    problem = json.loads(debug_page("application/json", failed(1), "GET /").body)
    assert problem["status"] == 500
    assert problem["traceback"][-1].endswith(EVIL)


def test_a_debug_page_of_what_has_no_traceback_or_no_source() -> None:
    assert b"ValueError" in debug_page("text/html", ValueError(), "GET /").body
    space: dict[str, object] = {}
    exec(compile("def f():\n    raise ValueError(1)\n", "<nowhere>", "exec"), space)
    try:
        space["f"]()  # type: ignore[operator]
    except ValueError as error:
        page = debug_page("text/html", error, "GET /").body.decode()
        assert "&lt;nowhere&gt;:2 in f" in page


def test_an_endless_recursion_makes_a_page_of_bounded_size() -> None:
    def endless() -> None:
        endless()

    with pytest.raises(RecursionError) as raised:
        endless()
    assert len(debug_page("text/html", raised.value, "GET /").body) < 100_000
