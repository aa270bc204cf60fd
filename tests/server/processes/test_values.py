"""Answers on their way: what a handler returned is, on the other side, the same answer."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING

import pytest

from toolkit import Deliver, UseError
from toolkit.server.answers import Answer, Events, FileAnswer, LateAnswer, Streamed
from toolkit.server.processes.values import StreamHead, WholeHead, answer_of, load_head, pack_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def sent(value: object) -> tuple[Answer | Streamed, bytes | list[object]]:
    """What of it arrives, with its body or its pieces."""
    head, content = pack_answer(value, [])
    head = load_head(pickle.dumps(head))
    if isinstance(content, bytes):
        return answer_of(head, content, None), content
    return answer_of(head, b"", nothing()), list(content)


async def nothing() -> AsyncIterator[object]:
    return
    yield


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ({"a": 1}, 200, b"application/json", b'{"a":1}'),
        ([1], 200, b"application/json", b"[1]"),
        ("text", 200, b"text/plain; charset=utf-8", b"text"),
        (b"bytes", 200, b"application/octet-stream", b"bytes"),
        (None, 204, None, b""),
        ((404, "no"), 404, b"text/plain; charset=utf-8", b"no"),
        (Deliver.html("<p>", 201), 201, b"text/html; charset=utf-8", b"<p>"),
        ((202, Deliver.json(1)), 202, b"application/json", b"1"),
        (Deliver.redirect("/x"), 302, None, b""),
    ],
)
def test_whole_answers(value: object, status: int, content_type: bytes | None, body: bytes) -> None:
    answer, _ = sent(value)
    assert type(answer) is Answer
    assert (answer.status, dict(answer.fields).get(b"content-type"), answer.body) == (status, content_type, body)


def test_an_answer_that_is_final_stays_so() -> None:
    answer = Answer(206, [], b"part")
    answer.final = True
    head, _ = pack_answer(answer, [("x-a", "1")])
    assert head == WholeHead(206, [], True, [("x-a", "1")])
    assert answer_of(head, b"part", None).final  # type: ignore[union-attr]  # a whole one


@pytest.mark.parametrize("value", [Deliver.file("x"), (404, Deliver.file("x"), {"x-a": "1"})])
def test_a_file_is_named_and_sent_by_who_has_the_link(value: object) -> None:
    answer, body = sent(value)
    assert isinstance(answer, FileAnswer)
    assert (answer.spec.path, body) == ("x", b"")
    if isinstance(value, tuple):
        assert (answer.spec.status, dict(answer.spec.headers or {})) == (404, {"x-a": "1"})


def plain() -> Iterator[str]:
    yield "a"
    yield "b"


async def awaited() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


@pytest.mark.parametrize(
    ("value", "status", "headers", "pieces"),
    [
        (plain, 200, None, ["a", "b"]),
        (lambda: (203, plain(), {"x-a": "1"}), 203, [("x-a", "1")], ["a", "b"]),
        (awaited, 200, None, [b"a", b"b"]),
        (lambda: iter([b"x"]), 200, None, [b"x"]),
        (lambda: io.BytesIO(b"x" * 70000), 200, None, [b"x" * 65536, b"x" * 4464]),
        (lambda: Deliver.stream(plain(), 203, content_type="a/b"), 203, [("content-type", "a/b")], ["a", "b"]),
    ],
)
def test_streams(value: object, status: int, headers: object, pieces: list[object]) -> None:
    assert callable(value)
    answer, content = sent(value())
    assert isinstance(answer, Streamed)
    assert (answer.status, answer.headers, content) == (status, headers, pieces)


@pytest.mark.parametrize("kind", ["plain", "awaited", "file"])
def test_a_stream_that_is_left_is_closed(kind: str) -> None:
    ended: list[str] = []

    def one() -> Iterator[bytes]:
        try:
            yield b"x"
            yield b"y"
        finally:
            ended.append(kind)

    async def other() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            yield b"y"
        finally:
            ended.append(kind)

    file = io.BytesIO(b"x")
    _, content = pack_answer({"plain": one(), "awaited": other(), "file": file}[kind], [])
    assert not isinstance(content, bytes)
    assert next(content) == b"x"
    content.close()  # type: ignore[attr-defined]  # of generators
    assert ended == [kind] or file.closed


def test_events_stay_events() -> None:
    head, content = pack_answer(Deliver.sse(awaited(), keep_alive=3, retry=4), [])
    assert isinstance(head, StreamHead)
    assert list(content) == [b"a", b"b"]
    answer = answer_of(load_head(pickle.dumps(head)), b"", nothing())
    assert isinstance(answer, Events)
    assert (answer.keep_alive, answer.retry) == (3, 4)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({1}, "a handler returned set: expected dict, list"),
        (("200", Deliver.file("x")), "a handler returned a tuple of str, FileAnswer"),
        ((200, "x", {}, 4), "a handler returned a tuple of int, str, dict, int"),
        (LateAnswer(200, [], b""), "a handler in another process returned LateAnswer: it can be made only on the loop"),
    ],
)
def test_what_is_no_answer(value: object, why: str) -> None:
    with pytest.raises(UseError, match=f"^{why}"):
        pack_answer(value, [])
