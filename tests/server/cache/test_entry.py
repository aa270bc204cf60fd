"""Entries: their age, and their form outside of this process, of which nothing is taken on trust."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.cache.entry import Entry, kept_fields, pack, unpack
from toolkit.server.cache.keys import Key

KEY = Key("/a", "GET\nhttp://x\nq=1")


def entry(**other: object) -> Entry:
    facts: dict[str, object] = {
        "status": 200,
        "fields": [(b"content-type", b"text/plain"), (b"etag", b'"1"')],
        "body": b"hello",
        "born": 1000.5,
        "fresh_until": 1060.5,
        "keep_until": 1100.0,
        "vary": ("accept",),
    }
    return Entry(**{**facts, **other})  # type: ignore[arg-type]


def same(one: Entry, other: Entry) -> bool:
    names = ("status", "fields", "body", "born", "fresh_until", "keep_until", "vary", "final")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def test_an_answer_has_its_age() -> None:
    """RFC 9111 5.1: in whole seconds, never negative; it is made once a second."""
    kept = entry()
    answer = kept.answer(1003.4)
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.fields[-1] == (b"age", b"2")
    shared = kept.shared_answer(1003.4)
    assert shared is kept.shared_answer(1003.1)  # to be sent as it is; the other is its holder's own
    assert shared.fields == answer.fields
    assert kept.answer(1003.1) is not answer
    assert kept.shared_answer(1003.5).fields[-1] == (b"age", b"3")
    assert kept.answer(1003.5).fields[-1] == (b"age", b"3")
    assert kept.answer(990).fields[-1] == (b"age", b"0")  # a clock that was set back
    assert (b"age", b"3") not in kept.first().fields


def test_when_it_is_over() -> None:
    """At its time; and at once, where a clock that was ahead by years has been put right."""
    kept = entry()
    assert not kept.is_over(1099.9)
    assert kept.is_over(1100)
    assert not kept.is_over(950)
    assert kept.is_over(900)


def test_what_belongs_to_a_connection_is_not_kept() -> None:
    """RFC 9111 3.1; the date is the one at which it was made."""
    fields = [
        (b"X", b"1"),
        (b"Connection", b"close, x-hop"),
        (b"X-Hop", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"content-length", b"5"),
        (b"age", b"7"),
    ]
    date = (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")
    assert kept_fields(fields, b"hello", 784111777.9) == [(b"X", b"1"), date]
    assert kept_fields(fields, b"", 784111777.9) == [(b"X", b"1"), (b"content-length", b"5"), date]
    assert kept_fields([(b"Date", b"mine")], b"", 0) == [(b"Date", b"mine")]


def test_what_is_packed_is_unpacked() -> None:
    for one in (entry(), entry(final=True, vary=()), entry(status=0, fields=[], body=b""), entry(body=b"\n{}\n\0")):
        found = unpack(KEY, pack(KEY, one))
        assert found is not None
        assert same(found, one)


@given(st.binary(), st.text(), st.text())
def test_any_body_and_key(body: bytes, path: str, rest: str) -> None:
    try:
        (path + rest).encode()
    except UnicodeEncodeError:
        return  # no key has such a thing: paths are ASCII, the rest is Latin-1 or passed through repr
    found = unpack(Key(path, rest), pack(Key(path, rest), entry(body=body)))
    assert found is not None
    assert found.body == body


def test_another_key_is_a_miss() -> None:
    """Two keys of one name are improbable; who brings it about gets nothing by it."""
    data = pack(KEY, entry())
    assert unpack(Key("/b", KEY.rest), data) is None
    assert unpack(Key(KEY.path, "GET"), data) is None


@given(st.data())
def test_a_byte_that_is_changed_or_missing_makes_it_nothing(data: st.DataObject) -> None:
    packed = pack(KEY, entry())
    at = data.draw(st.integers(0, len(packed) - 1))
    assert unpack(KEY, packed[:at]) is None
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != packed[at]))
    assert unpack(KEY, packed[:at] + bytes([other]) + packed[at + 1 :]) is None


@given(st.binary())
def test_foreign_bytes_are_nothing(data: bytes) -> None:
    assert unpack(KEY, data) is None


FORGED = [
    {"fields": [["x", "1\r\nset-cookie: a=b"]]},
    {"fields": [["x y", "1"]]},
    {"fields": [["x"]]},
    {"fields": 5},
    {"fields": {"a": "b"}},
    {"status": 101},
    {"status": "200"},
    {"born": "yesterday"},
    {"born": None},
    {"vary": [5]},
    {"vary": 5},
    {"final": "no"},
    {"key": "/a"},
]


@pytest.mark.parametrize("forged", FORGED, ids=str)
def test_what_was_written_by_somebody_else_with_a_right_digest_is_checked(forged: dict[str, object]) -> None:
    """Response splitting out of a shared server: fields go out as they are, so they are checked as they come in."""
    import hashlib

    head, line, body = pack(KEY, entry()).split(b"\n", 2)
    facts = orjson.loads(line) | forged
    content = orjson.dumps(facts) + b"\n" + body
    digest = hashlib.blake2b(content, digest_size=32).hexdigest().encode()
    assert unpack(KEY, b"toolkit answer 1 " + digest + b"\n" + content) is None
    assert head.startswith(b"toolkit answer 1 ")
