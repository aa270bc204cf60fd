"""Conditional requests: RFC 9110 8.8.3.2, 13.1 and the order of 13.2.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.conditional import (
    Conditions,
    evaluate,
    is_entity_tag,
    range_applies,
    read_conditions,
    weaken,
)
from toolkit.protocol.dates import format_http_date

if TYPE_CHECKING:
    from toolkit.protocol.fields import Fields

ETAG = '"v1"'
WEAK = 'W/"v1"'
CHANGED = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"


def conditions(**named: str) -> Conditions:
    fields = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in named.items()]
    found = read_conditions(fields)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("section", "method", "asked", "etag", "expected"),
    [
        # 13.1.1 If-Match: strong comparison
        ("13.1.1", "PUT", {"if_match": '"v1"'}, ETAG, None),
        ("13.1.1", "PUT", {"if_match": '"v2"'}, ETAG, 412),
        ("13.1.1", "PUT", {"if_match": '"v0", "v1" ,"v2"'}, ETAG, None),
        ("13.1.1", "PUT", {"if_match": "*"}, ETAG, None),
        ("13.1.1", "PUT", {"if_match": 'W/"v1"'}, ETAG, 412),
        ("13.1.1", "PUT", {"if_match": '"v1"'}, WEAK, 412),
        ("13.1.1", "PUT", {"if_match": 'W/"v1"'}, WEAK, 412),
        ("13.1.1", "PUT", {"if_match": '"v1"'}, None, 412),
        ("13.1.1", "PUT", {"if_match": "*"}, None, None),
        ("13.1.1", "GET", {"if_match": '"v2"'}, ETAG, 412),
        ("8.8.3", "PUT", {"if_match": "v1"}, ETAG, 412),  # no tag without quotes
        ("8.8.3", "PUT", {"if_match": ""}, ETAG, 412),
        # 13.1.2 If-None-Match: weak comparison
        ("13.1.2", "GET", {"if_none_match": '"v1"'}, ETAG, 304),
        ("13.1.2", "HEAD", {"if_none_match": '"v1"'}, ETAG, 304),
        ("13.1.2", "GET", {"if_none_match": 'W/"v1"'}, ETAG, 304),
        ("13.1.2", "GET", {"if_none_match": '"v1"'}, WEAK, 304),
        ("13.1.2", "GET", {"if_none_match": '"v2"'}, ETAG, None),
        ("13.1.2", "GET", {"if_none_match": '"v0",, W/"v1"'}, ETAG, 304),
        ("13.1.2", "GET", {"if_none_match": "*"}, ETAG, 304),
        ("13.1.2", "PUT", {"if_none_match": "*"}, ETAG, 412),
        ("13.1.2", "DELETE", {"if_none_match": '"v1"'}, ETAG, 412),
        ("13.1.2", "GET", {"if_none_match": '"v1"'}, None, None),
        ("8.8.3", "GET", {"if_none_match": '"v0"x, "v1"'}, ETAG, None),  # nothing behind what is no tag is read
        ("8.8.3", "GET", {"if_none_match": 'w/"v1"'}, ETAG, None),  # W is case-sensitive
        ("8.8.3", "GET", {"if_none_match": '"a,b"'}, '"a,b"', 304),  # a comma inside of a tag
        ("8.8.3", "GET", {"if_none_match": '"x", ""'}, '""', 304),
        ("8.8.3", "GET", {"if_none_match": '"\xe4\\"'}, '"\xe4\\"', 304),  # obs-text, and no escapes
        ("8.8.3", "GET", {"if_none_match": '"a b"'}, '"b"', None),
        # 13.1.3 If-Modified-Since
        ("13.1.3", "GET", {"if_modified_since": AT}, None, 304),
        ("13.1.3", "GET", {"if_modified_since": AFTER}, None, 304),
        ("13.1.3", "GET", {"if_modified_since": BEFORE}, None, None),
        ("13.1.3", "HEAD", {"if_modified_since": AT}, None, 304),
        ("13.1.3", "POST", {"if_modified_since": AT}, None, None),  # GET and HEAD only
        ("13.1.3", "GET", {"if_modified_since": "yesterday"}, None, None),  # no date: ignored
        ("5.6.7", "GET", {"if_modified_since": "Sunday, 06-Nov-94 08:49:37 GMT"}, None, 304),
        ("5.6.7", "GET", {"if_modified_since": "Sun Nov  6 08:49:37 1994"}, None, 304),
        # 13.1.4 If-Unmodified-Since
        ("13.1.4", "PUT", {"if_unmodified_since": AT}, None, None),
        ("13.1.4", "PUT", {"if_unmodified_since": BEFORE}, None, 412),
        ("13.1.4", "GET", {"if_unmodified_since": BEFORE}, None, 412),
        ("13.1.4", "PUT", {"if_unmodified_since": "0"}, None, None),
        # 13.2.2, the order
        ("13.2.2", "GET", {"if_match": '"v1"', "if_unmodified_since": BEFORE}, ETAG, None),
        ("13.2.2", "GET", {"if_match": '"v2"', "if_none_match": '"v1"'}, ETAG, 412),
        ("13.2.2", "GET", {"if_match": '"v1"', "if_none_match": '"v1"'}, ETAG, 304),
        ("13.2.2", "GET", {"if_none_match": '"v2"', "if_modified_since": AT}, ETAG, None),
        ("13.2.2", "GET", {"if_none_match": '"v1"', "if_modified_since": BEFORE}, ETAG, 304),
        ("13.2.2", "GET", {"if_unmodified_since": AT, "if_modified_since": AT}, ETAG, 304),
        ("13.2.2", "GET", {"if_unmodified_since": BEFORE, "if_none_match": '"v1"'}, ETAG, 412),
        # 13.2.1
        ("13.2.1", "OPTIONS", {"if_match": '"v2"'}, ETAG, None),
        ("13.2.1", "CONNECT", {"if_none_match": "*"}, ETAG, None),
        ("13.2.1", "TRACE", {"if_unmodified_since": BEFORE}, ETAG, None),
    ],
)
def test_the_verdict_follows_rfc_9110(
    section: str, method: str, asked: dict[str, str], etag: str | None, expected: int | None
) -> None:
    assert evaluate(method, conditions(**asked), etag, CHANGED) == expected, section


def test_a_date_says_nothing_of_what_has_none() -> None:
    """13.1.3 and 13.1.4: to be ignored without a modification date."""
    assert evaluate("GET", conditions(if_modified_since=AT), ETAG, None) is None
    assert evaluate("PUT", conditions(if_unmodified_since=BEFORE), ETAG, None) is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [({"if_none_match": "*"}, None), ({"if_match": "*"}, 412), ({"if_match": '"v1"'}, 412)],
)
def test_a_put_that_would_create(asked: dict[str, str], expected: int | None) -> None:
    """13.1.1 and 13.1.2: `*` is any current representation, and there is none."""
    assert evaluate("PUT", conditions(**asked), None, None, exists=False) == expected


@pytest.mark.parametrize(
    ("if_range", "etag", "expected"),
    [
        (None, ETAG, True),
        ('"v1"', ETAG, True),
        (' "v1" ', ETAG, True),
        ('"v2"', ETAG, False),
        ('W/"v1"', ETAG, False),  # 13.1.5: a weak tag must not be sent, and never matches
        ('W/"v1"', WEAK, False),
        ('"v1"', WEAK, False),
        ('"v1", "v2"', ETAG, False),  # one tag, no list
        ('"v1"', None, False),
        ('"v1', ETAG, False),
        (AT, ETAG, True),
        (AT, None, True),
        (BEFORE, None, False),
        (AFTER, None, False),  # exactly the date, not at least
        ("*", ETAG, False),
        ("", ETAG, False),
        ("v1", ETAG, False),
    ],
)
def test_a_range_counts_for_the_same_representation_alone(
    if_range: str | None, etag: str | None, expected: bool
) -> None:
    """13.1.5"""
    asked = conditions(range="bytes=0-1") if if_range is None else conditions(range="bytes=0-1", if_range=if_range)
    assert range_applies(asked, etag, CHANGED, CHANGED + 60) is expected


def test_a_date_of_this_very_second_is_no_strong_validator() -> None:
    """8.8.2.2: it may change once more, and have the same date."""
    assert not range_applies(conditions(if_range=AT), None, CHANGED, CHANGED + 0.9)
    assert range_applies(conditions(if_range=AT), None, CHANGED, CHANGED + 1)


def test_fields_are_found_by_name_and_joined() -> None:
    fields: Fields = [(b"host", b"a"), (b"If-None-MATCH", b'"v0"'), (b"if-none-match", b'"v1"'), (b"xange", b"x")]
    found = read_conditions(fields)
    assert found is not None
    assert found.if_none_match == '"v0", "v1"'
    assert found.range is None
    assert evaluate("GET", found, ETAG, None) == 304
    assert read_conditions([(b"host", b"a"), (b"xf-match", b"*"), (b"x-not-if-match", b"*")]) is None


def test_a_repeated_date_is_none() -> None:
    """13.1.3: a field with more than one member is ignored."""
    found = read_conditions([(b"if-modified-since", AT.encode()), (b"if-modified-since", AT.encode())])
    assert found is not None
    assert evaluate("GET", found, None, CHANGED) is None


@pytest.mark.parametrize("text", ['"a"', 'W/"a"', '""', '"!#~"'])
def test_an_entity_tag(text: str) -> None:
    assert is_entity_tag(text)
    assert is_entity_tag(weaken(text))
    assert weaken(weaken(text)) == weaken(text)


@pytest.mark.parametrize("text", ["", "a", '"a', 'a"', '"a"b', '"a" ', '"a", "b"', 'w/"a"', '"a b"', '"\n"', '"\x7f"'])
def test_no_entity_tag(text: str) -> None:
    assert not is_entity_tag(text)


@given(st.text(alphabet='W/", \tab\xe4', max_size=40), st.sampled_from([ETAG, WEAK, '"a"', None]))
def test_any_list_has_a_verdict(listed: str, etag: str | None) -> None:
    for method, refusal in (("GET", 304), ("PUT", 412)):
        assert evaluate(method, conditions(if_none_match=listed), etag, None) in {None, refusal}
        assert evaluate(method, conditions(if_match=listed), etag, None) in {None, 412}


@given(st.lists(st.sampled_from(['"a"', '"b"', 'W/"a"', '"c,d"']), min_size=1), st.sampled_from(['"a"', 'W/"a"']))
def test_lists_are_compared_member_by_member(members: list[str], etag: str) -> None:
    listed = ", ".join(members)
    weak = any(member.removeprefix("W/") == etag.removeprefix("W/") for member in members)
    strong = etag in members and not etag.startswith("W/")
    assert (evaluate("GET", conditions(if_none_match=listed), etag, None) == 304) is weak
    assert (evaluate("PUT", conditions(if_match=listed), etag, None) is None) is strong


@given(st.integers(0, 4102444800), st.integers(0, 4102444800))
def test_dates_are_compared_by_the_second(date: int, changed: int) -> None:
    since = format_http_date(date)
    assert (evaluate("GET", conditions(if_modified_since=since), None, changed) == 304) is (changed <= date)
    assert (evaluate("PUT", conditions(if_unmodified_since=since), None, changed) == 412) is (changed > date)
