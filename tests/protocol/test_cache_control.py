"""Cache-Control: RFC 9111 5.2, written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import CacheControl
from toolkit.errors import UseError
from toolkit.protocol.cache_control import read_directives

ROWS = [
    ("max-age=60", CacheControl(max_age=60), "5.2.2.1"),
    ("public, max-age=60", CacheControl(public=True, max_age=60), "5.2.2.9"),
    ("PUBLIC,Max-Age=60", CacheControl(public=True, max_age=60), "5.2: names have no case"),
    ('max-age="60"', CacheControl(max_age=60), "5.2: a quoted value is one as well"),
    ("max-age=60, max-age=5", CacheControl(max_age=60), "4.2.1: the first counts"),
    ("max-age=-1", CacheControl(max_age=0), "4.2.1: no number of seconds, so it is stale"),
    ("max-age=1.5", CacheControl(max_age=0), "1.2.2: digits alone"),
    ("max-age=\u0663", CacheControl(max_age=0), "1.2.2: ASCII ones"),
    ("max-age", CacheControl(max_age=0), "5.2.2.1: it has a value"),
    ("max-age=99999999999999", CacheControl(max_age=2**31), "1.2.2: too large is 2^31"),
    ("s-maxage=10, max-age=5", CacheControl(s_maxage=10, max_age=5), "5.2.2.10"),
    ('no-cache="set-cookie, x"', CacheControl(no_cache=True), "5.2.2.4"),
    ('private="x-user", max-age=5', CacheControl(private=True, max_age=5), "5.2.2.7"),
    ("private, public", CacheControl(private=True), "5.2.2.7: the narrower one"),
    ("no-store", CacheControl(no_store=True), "5.2.2.5"),
    ("must-revalidate, proxy-revalidate", CacheControl(must_revalidate=True, proxy_revalidate=True), "5.2.2.2, 8"),
    ("no-transform, immutable", CacheControl(no_transform=True, immutable=True), "5.2.2.6, RFC 8246"),
    (
        "stale-while-revalidate=5, stale-if-error=9",
        CacheControl(stale_while_revalidate=5, stale_if_error=9),
        "RFC 5861",
    ),
    ("max-stale", CacheControl(max_stale=2**31), "5.2.1.2: without a value any age"),
    ("max-stale=7, min-fresh=2, only-if-cached", CacheControl(max_stale=7, min_fresh=2, only_if_cached=True), "5.2.1"),
    ('community="UCI", max_age=5', CacheControl(), "5.2.3: unknown ones have no say"),
    (" , ,max-age = 5 ,", CacheControl(max_age=5), "RFC 9110 5.6.1: empty ones; spaces are put up with"),
    ('x="a, no-store", max-age=5', CacheControl(max_age=5), "what is quoted is no directive"),
    ('x="never ends, no-store', CacheControl(), "likewise"),
    ('x="\\", no-store", public', CacheControl(public=True), "RFC 9110 5.6.4: an escaped quote"),
    ("", CacheControl(), "nothing"),
]


@pytest.mark.parametrize(("text", "said", "rule"), ROWS, ids=[row[2] for row in ROWS])
def test_reading(text: str, said: CacheControl, rule: str) -> None:
    assert CacheControl.parse(text) == said


def test_nothing_says_nothing() -> None:
    assert CacheControl.parse(None) == CacheControl()
    assert str(CacheControl()) == ""


def test_writing() -> None:
    said = CacheControl(public=True, max_age=31536000, immutable=True, stale_while_revalidate=60)
    assert str(said) == "public, max-age=31536000, immutable, stale-while-revalidate=60"
    assert str(CacheControl(no_store=True)) == "no-store"
    assert str(CacheControl(max_age=0)) == "max-age=0"


@given(
    st.builds(
        CacheControl,
        public=st.booleans(),
        no_store=st.booleans(),
        max_age=st.none() | st.integers(0, 2**31),
        stale_if_error=st.none() | st.integers(0, 2**31),
        immutable=st.booleans(),
    )
)
def test_what_is_written_is_read_as_the_same(said: CacheControl) -> None:
    assert CacheControl.parse(str(said)) == said


@given(st.text())
def test_reading_never_fails(text: str) -> None:
    CacheControl.parse(text)
    assert all(name == name.strip(" \t").lower() for name in read_directives(text))


def test_reading_takes_its_length() -> None:
    """One pass, whatever stands there: quotes that do not end, equals signs, commas."""
    for piece in ('a="', "=", ",", 'a="\\', '"', "a=b", " "):
        read_directives(piece * 100_000)


def test_what_a_shared_cache_makes_of_it() -> None:
    assert CacheControl(max_age=5, s_maxage=10).shared_age == 10
    assert CacheControl(max_age=5).shared_age == 5
    assert CacheControl().shared_age is None
    assert CacheControl(private=True).forbids_keeping == "private"
    assert CacheControl(no_cache=True).forbids_keeping == "no-cache"
    assert CacheControl(no_store=True, no_cache=True).forbids_keeping == "no-store"
    assert CacheControl(public=True, max_age=5).forbids_keeping == ""


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_age": -1}, "max_age=-1"),
        ({"max_age": 1.5}, "whole number of seconds"),
        ({"max_age": True}, "max_age=True"),
        ({"public": 1}, "expected True or False"),
        ({"public": True, "private": True}, "for one person"),
    ],
)
def test_what_is_none_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(UseError, match=told):
        CacheControl(**wrong)  # type: ignore[arg-type]
