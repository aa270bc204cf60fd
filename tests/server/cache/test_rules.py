"""What is kept, for whom and how long: RFC 9111, row by row."""

from __future__ import annotations

import pytest

from toolkit import CacheControl
from toolkit.errors import UseError
from toolkit.server.cache.rules import CacheRule, to_be_kept

from .came import came

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
DATE, LATER = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:17 GMT"

#: (rule, status, fields, seconds it is kept or why it is not, section of RFC 9111)
ROWS: list[tuple[dict[str, object], int, dict[str, str], float | str, str]] = [
    ({}, 200, {}, 300, "4.2.1: the store's seconds"),
    ({"seconds": 60}, 200, {}, 60, "4.2.1: the rule's"),
    ({"seconds": 60}, 200, {"cache-control": "max-age=10"}, 10, "4.2.1: less, if the answer says so"),
    ({"seconds": 60}, 200, {"cache-control": "max-age=600"}, 60, "4.2.1: never more"),
    ({"seconds": 60}, 200, {"cache-control": "max-age=10, s-maxage=20"}, 20, "5.2.2.10: for shared caches"),
    ({"seconds": 60}, 200, {"cache-control": "max-age=0"}, "stale", "4.2.1"),
    ({"seconds": 60}, 200, {"cache-control": "max-age=ten"}, "stale", "4.2.1: what is no number"),
    ({"seconds": 60}, 200, {"cache-control": "max-age=30", "age": "10"}, 20, "4.2.3: what it has already"),
    ({"seconds": 60}, 200, {"cache-control": "max-age=30", "age": "30"}, "stale", "4.2.3"),
    ({"seconds": 60}, 200, {"expires": LATER}, 40, "5.3: from now on"),
    ({"seconds": 60}, 200, {"expires": LATER, "date": DATE}, 40, "5.3: from Date on"),
    ({"seconds": 60}, 200, {"expires": DATE}, "stale", "5.3"),
    ({"seconds": 60}, 200, {"expires": "0"}, "stale", "5.3: no date has passed"),
    ({"seconds": 60}, 200, {"expires": DATE, "cache-control": "max-age=9"}, 9, "5.3: max-age counts"),
    ({}, 200, {"cache-control": "no-store"}, "no-store", "3"),
    ({}, 200, {"cache-control": "private, max-age=60"}, "private", "3"),
    ({}, 200, {"cache-control": 'no-cache="x"'}, "no-cache", "5.2.2.4"),
    ({}, 200, {"vary": "*"}, "vary: *", "4.1"),
    ({}, 200, {"vary": "accept-language"}, 300, "4.1"),
    ({}, 200, {"set-cookie": "a=b"}, "set-cookie", "7.3"),
    ({}, 206, {"content-range": "bytes 0-1/2"}, "206", "3.3"),
    ({"statuses": [206]}, 206, {}, "206", "3.3"),
    ({}, 200, {"content-range": "bytes 0-1/2"}, "content-range", "3.3"),
    ({}, 204, {}, 300, "3: a status of the list"),
    ({}, 301, {}, 300, "3"),
    ({}, 302, {}, "302", "3"),
    ({}, 404, {}, "404", "3"),
    ({"statuses": [404]}, 404, {}, 300, "3"),
    ({"statuses": [404]}, 200, {}, "200", "3"),
    ({}, 500, {}, "500", "3"),
    ({}, 304, {}, "304", "3"),
]


@pytest.mark.parametrize(("about", "status", "fields", "kept", "section"), ROWS)
def test_what_is_kept_and_how_long(
    about: dict[str, object], status: int, fields: dict[str, str], kept: float | str, section: str
) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    keeping = to_be_kept(CacheRule(**about), status, pairs, 300, NOW)  # type: ignore[arg-type]
    if isinstance(kept, str):
        assert kept in keeping.why_not
    else:
        assert (keeping.seconds, keeping.why_not) == (kept, "")


def test_how_long_it_is_of_use_behind_that() -> None:
    """RFC 5861; RFC 9111 4.2.4: not where the answer forbids it."""
    rule = CacheRule(stale_while_revalidate=5, stale_if_error=60)
    assert to_be_kept(rule, 200, [], 300, NOW).stale == 60
    for said in (b"must-revalidate", b"proxy-revalidate", b"s-maxage=10"):
        assert to_be_kept(rule, 200, [(b"cache-control", said)], 300, NOW).stale == 0


@pytest.mark.parametrize(
    ("method", "fields", "about", "why"),
    [
        ("GET", {}, {}, ""),
        ("HEAD", {}, {}, ""),
        ("POST", {}, {}, "POST"),
        ("DELETE", {}, {}, "DELETE"),
        ("QUERY", {}, {}, "QUERY"),
        ("GET", {"authorization": "Basic YQ=="}, {}, "authorization"),  # RFC 9111 3.5
        ("GET", {"Authorization": "x"}, {"with_credentials": True}, ""),
        ("GET", {"content-length": "3"}, {}, "body"),  # a body is in no key
        ("GET", {"transfer-encoding": "chunked"}, {}, "body"),
        ("GET", {"content-length": "0"}, {}, ""),
        ("GET", {"cache-control": "no-cache"}, {}, ""),  # a visitor has no say
        ("GET", {"cookie": "a=b"}, {}, ""),
        ("GET", {}, {"unless": lambda r: r.path == "/a"}, "unless"),
    ],
)
async def test_who_is_answered_out_of_the_cache(
    method: str, fields: dict[str, str], about: dict[str, object], why: str
) -> None:
    told = CacheRule(**about).passes(await came(method, "/a", fields))  # type: ignore[arg-type]
    assert why in told
    assert bool(why) is bool(told)


async def test_what_requests_have_in_common() -> None:
    rule = CacheRule()

    async def key(target: str, method: str = "GET", rule: CacheRule = rule, **fields: str) -> object:
        return rule.key_of(await came(method, target, fields))

    assert await key("/a?x=1&y=2") == await key("/a?y=2&x=1") == await key("/%61?x=1&y=2")
    assert await key("/a") != await key("/b")
    assert await key("/a?x=1") != await key("/a?x=2")
    assert await key("/a", host="one") != await key("/a", host="two")
    assert await key("/a", host="ONE") == await key("/a", host="one")
    shared = CacheRule(host=False, query=["x"], vary=["Accept-Language", "x-shop"])
    assert shared.vary == ("accept-language", "x-shop")
    assert await key("/a?x=1&t=5", rule=shared, host="one") == await key("/a?x=1&t=6", rule=shared, host="two")
    assert await key("/a", rule=shared) != await key("/a", rule=shared, **{"accept-language": "de"})
    assert await key("/a", method="HEAD") != await key("/a")  # one of its own, with a handler of its own


async def test_words_of_ones_own_are_apart_from_all_else() -> None:
    """Whoever chooses them cannot write what looks like a field behind them."""
    rule = CacheRule(key=lambda r: r.params().get("own", 1))
    keys = {rule.key_of(await came("GET", f"/?own={own}")).rest for own in ("1", "%0Aa", "%0Aa:%20b", "")}
    assert all(rest.count("\n") == 3 for rest in keys)
    assert len(keys) == 4
    assert rule.key_of(await came("GET", "/")).rest.endswith("\n1")
    with pytest.raises(UseError, match=r"key=\.\.\.\) gave list"):
        CacheRule(key=lambda r: []).key_of(await came("GET", "/"))


@pytest.mark.parametrize(
    ("refresh", "fields", "wanted"),
    [
        (False, {"cache-control": "no-cache"}, False),
        (True, {"cache-control": "no-cache"}, True),
        (True, {"cache-control": "max-age=0"}, True),
        (True, {"cache-control": "max-age=5"}, False),
        (True, {"pragma": "no-cache"}, True),
        (True, {"pragma": "no-cache", "cache-control": "max-age=5"}, False),  # 5.4: only without the other
        (True, {}, False),
        (lambda r: r.headers.get("x-admin") == "yes", {"cache-control": "no-cache"}, False),
        (lambda r: r.headers.get("x-admin") == "yes", {"cache-control": "no-cache", "x-admin": "yes"}, True),
    ],
)
async def test_who_may_have_it_made_anew(refresh: object, fields: dict[str, str], wanted: bool) -> None:
    rule = CacheRule(refresh=refresh)  # type: ignore[arg-type]
    assert rule.wants_fresh(await came("GET", "/", fields)) is wanted


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"seconds": 0}, "seconds=0"),
        ({"seconds": "60"}, "expected a number"),
        ({"query": "page"}, r"query=\['page'\]"),
        ({"vary": "accept"}, r"vary=\['accept'\]"),
        ({"vary": ["a b"]}, "names of request fields"),
        ({"vary": [5]}, "names of request fields"),
        ({"statuses": 200}, r"statuses=\[200\]"),
        ({"key": "id"}, "expected a function"),
        ({"unless": True}, "expected a function"),
        ({"stale_if_error": -1}, "0 or more"),
        ({"largest": None}, "0 or more"),
        ({"cache_control": {"max-age": 5}}, "CacheControl"),
        ({"cache_control": "a\r\nb: c"}, "CacheControl"),
        ({"refresh": "yes"}, "True, False or a function"),
    ],
)
def test_options_that_are_none(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(UseError, match=told):
        CacheRule(**wrong)  # type: ignore[arg-type]


def test_what_clients_are_told_may_be_text() -> None:
    assert str(CacheRule(cache_control=CacheControl(max_age=5)).cache_control) == "max-age=5"
    assert CacheRule(cache_control="max-age=5").cache_control == "max-age=5"
