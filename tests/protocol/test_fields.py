"""Fields: the gate that everything sent passes, and looking for one. Names and values: see `test_headers`."""

from __future__ import annotations

import pytest

from toolkit.errors import LocalProtocolError
from toolkit.protocol.fields import TOKENS, encode_pairs, find_field, join_fields


class Name(str):
    """Not quite a str."""

    __slots__ = ()


def test_none_drops_and_a_list_repeats() -> None:
    fields = encode_pairs([("a", None), ("b", ["1", "2"]), ("c", ("3",)), ("d", [])])
    assert fields == [(b"b", b"1"), (b"b", b"2"), (b"c", b"3")]
    with pytest.raises(LocalProtocolError, match="control character"):
        encode_pairs({"b": ["1", "2\r\n"]}.items())


def test_names_seen_before_are_taken_and_refused_like_new_ones() -> None:
    many = {f"x-{number}": "v" for number in range(2 * TOKENS)}
    for _ in range(2):
        assert encode_pairs(many.items()) == [(name.encode(), b"v") for name in many]
        assert encode_pairs([(Name("X-0"), "v")]) == [(b"X-0", b"v")]
        for bad in ("x y", Name("x y")):
            with pytest.raises(LocalProtocolError, match="expected a token"):
                encode_pairs({bad: "v"}.items())


def test_a_foreign_type_is_refused_by_name() -> None:
    with pytest.raises(LocalProtocolError, match="not dict"):
        encode_pairs({"x": {}}.items())
    with pytest.raises(LocalProtocolError, match="expected a token"):
        encode_pairs([(7, "x")])


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "Cookie", "x-api-key", b"X-Auth-Token"])
@pytest.mark.parametrize("value", ["Bearer hush\n", b"hush\r\n", "hush \u20ac"])
def test_a_secret_is_in_no_message(name: object, value: str | bytes) -> None:
    with pytest.raises(LocalProtocolError, match=r"value \*\*\* (has a control|does not fit)") as caught:
        encode_pairs([(name, value)])
    assert "hush" not in str(caught.value)


def test_find_field_gives_the_first_of_any_case() -> None:
    fields = [(b"ab", b"0"), (b"A", b"1"), (b"a", b"2")]
    assert find_field(fields, b"a") == b"1"
    assert find_field(fields, b"b") is None


def test_join_fields_is_one_list_field() -> None:
    """RFC 9110 5.3."""
    fields = [(b"A", b"1"), (b"b", b"x"), (b"a", b"2, 3")]
    assert join_fields(fields, b"a") == b"1, 2, 3"
    assert join_fields(fields, b"b") == b"x"
    assert join_fields(fields, b"c") is None
