"""Header fields: the one gate for outbound fields, and the multi-map, held against a plain list of pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LocalProtocolError
from toolkit.protocol.headers import Headers, HeaderValue, encode_fields

from ..helpers.coded import few

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

# RFC 9110 5.1, 5.6.2: a name is a token.
NAMES = [
    ("host", True),
    ("X-Trace", True),
    ("x", True),
    ("1", True),
    ("!#$%&'*+-.^_`|~", True),
    ("a_b", True),
    ("", False),
    (" x", False),
    ("x ", False),
    ("x y", False),
    ("x:", False),
    ("x\t", False),
    ("x\r\ny", False),
    ("x\n", False),
    ("x\x00", False),
    ("x\x7f", False),
    ('"x"', False),
    ("(x)", False),
    ("x/y", False),
    ("x,y", False),
    ("x=y", False),
    ("naïve", False),
    ("日", False),
]

# RFC 9110 5.5: visible characters, spaces, tabs and obs-text; never a control character.
VALUES: list[tuple[HeaderValue, bytes | None]] = [
    ("plain", b"plain"),
    ("", b""),
    ("two words", b"two words"),
    ("a\tb", b"a\tb"),
    ("  both sides \t", b"both sides"),
    ("caf\xe9", b"caf\xe9"),
    ("\x80\xff", b"\x80\xff"),
    (b"raw \xff", b"raw \xff"),
    (7, b"7"),
    (0, b"0"),
    (-1, b"-1"),
    (1.5, b"1.5"),
    ("a\r\nset-cookie: b", None),
    ("a\nb", None),
    ("a\rb", None),
    ("a\x00", None),
    ("\x01", None),
    ("a\x0bb", None),
    ("a\x1fb", None),
    ("a\x7fb", None),
    ("a\n", None),
    (b"a\r\n", None),
    ("euro \u20ac", None),
    ("日本", None),
]


@pytest.mark.parametrize(("name", "good"), NAMES)
def test_names_are_tokens(name: str, good: bool) -> None:
    if good:
        assert encode_fields({name: "v"}) == [(name.encode(), b"v")]
        assert Headers({name: "v"})[name] == "v"
        return
    for use in (encode_fields, Headers):
        with pytest.raises(LocalProtocolError, match="expected a token"):
            use({name: "v"})
    with pytest.raises(LocalProtocolError, match="expected a token"):
        Headers().add(name, "v")


@pytest.mark.parametrize(("value", "wire"), VALUES)
def test_values_have_no_control_characters(value: HeaderValue, wire: bytes | None) -> None:
    if wire is not None:
        assert encode_fields({"x": value}) == [(b"x", wire)]
        assert Headers([("x", value)])["x"] == wire.decode("latin-1")
        return
    headers = Headers({"y": "kept"})
    for use in (
        lambda: encode_fields({"x": value}),
        lambda: Headers({"x": value}),
        lambda: headers.add("x", value),
        lambda: headers.__setitem__("x", value),
    ):
        with pytest.raises(LocalProtocolError, match="header 'x'"):
            use()
    assert list(headers.items()) == [("y", "kept")]


def test_every_source_gives_the_same_fields() -> None:
    pairs: list[tuple[str, HeaderValue]] = [("A", "1"), ("b", "2")]
    assert encode_fields(None) == []
    assert (
        encode_fields(pairs)
        == encode_fields(dict(pairs))
        == encode_fields(Headers(pairs))
        == [(b"A", b"1"), (b"b", b"2")]
    )
    assert Headers() == Headers(None) == Headers({}) == {}


@pytest.mark.parametrize("given", ["authorization: secret", b"a: b"])
def test_a_line_of_a_head_is_no_mapping(given: object) -> None:
    with pytest.raises(LocalProtocolError, match=r"^headers of type (str|bytes): expected a mapping, or pairs"):
        encode_fields(given)  # type: ignore[arg-type]  # the point


@few
@given(st.lists(st.tuples(st.text(TOKEN, min_size=1), st.binary())))
def test_bytes_pass_through_text_and_back(pairs: list[tuple[str, bytes]]) -> None:
    """ISO-8859-1 has a character for every byte: nothing is lost (RFC 9110 5.5)."""
    fields = [(name.encode(), value) for name, value in pairs]
    assert encode_fields(Headers.from_fields(fields)) == fields


# The multi-map


def test_look_up_ignores_case_and_gives_the_first() -> None:
    headers = Headers([("Set-Cookie", "a"), ("X", "1"), ("set-cookie", "b")])
    assert headers["SET-COOKIE"] == "a"
    assert headers.get_all("set-Cookie") == ["a", "b"]
    assert headers.get("x") == "1"
    assert headers.get("y") is None
    assert headers.get("y", "default") == "default"
    assert headers.get_all("y") == []
    assert "x" in headers
    assert "y" not in headers
    with pytest.raises(KeyError, match="y"):
        headers["y"]


def test_pairs_keep_their_order_case_and_repetition() -> None:
    pairs = [("B", "1"), ("a", "2"), ("b", "3")]
    headers = Headers(pairs)
    assert list(headers.items()) == pairs
    assert list(headers.values()) == ["1", "2", "3"]
    assert list(headers) == ["B", "a", "b"]
    assert all(pair in headers.items() for pair in pairs)
    assert ("b", "1") in headers.items()
    assert ("a", "1") not in headers.items()
    assert "3" in headers.values()
    assert "4" not in headers.values()
    assert len(headers) == 3
    assert repr(headers) == f"Headers({pairs!r})"


def test_setting_replaces_every_field_at_the_first_ones_place() -> None:
    headers = Headers([("a", "1"), ("B", "2"), ("c", "3"), ("b", "4")])
    assert headers["b"] == "2"
    headers["b"] = "new"
    assert list(headers.items()) == [("a", "1"), ("b", "new"), ("c", "3")]
    headers["d"] = 5
    assert list(headers.items())[-1] == ("d", "5")
    headers["a"] = ["x", "y"]
    assert headers.get_all("a") == ["x", "y"]
    headers["a"] = None
    assert "a" not in headers


def test_adding_appends_and_is_seen_by_later_look_ups() -> None:
    headers = Headers({"a": "1"})
    assert headers.get_all("a") == ["1"]
    headers.add("A", "2")
    headers.add("b", None)
    assert headers.get_all("a") == ["1", "2"]
    assert "b" not in headers


def test_deleting_takes_every_field_of_the_name() -> None:
    headers = Headers([("a", "1"), ("b", "2"), ("A", "3")])
    del headers["a"]
    assert list(headers.items()) == [("b", "2")]
    with pytest.raises(KeyError, match="a"):
        del headers["a"]
    assert headers.pop("b") == "2"
    assert not headers


def test_equality_ignores_the_case_of_names_not_of_values_nor_the_order() -> None:
    assert Headers([("A", "x"), ("b", "y")]) == Headers([("a", "x"), ("B", "y")])
    assert Headers({"a": "x"}) == {"A": "x"}
    assert Headers({"a": "x"}) != {"a": "X"}
    assert Headers([("a", "x"), ("b", "y")]) != Headers([("b", "y"), ("a", "x")])
    assert Headers() != []
    assert Headers({"a": "x"}) != {"not a name": "x"}
    with pytest.raises(TypeError, match="unhashable"):
        hash(Headers())


def test_a_copy_is_one() -> None:
    first = Headers({"a": "1"})
    second = Headers(first)
    second["a"] = "2"
    assert first["a"] == "1"


Operation = tuple[str, str, str]


@few
@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "set", "del", "get"]), st.sampled_from("aAbBc"), st.text("xyz", max_size=2))
    )
)
def test_the_multi_map_is_a_list_of_pairs(operations: list[Operation]) -> None:
    headers = Headers()
    model: list[tuple[str, str]] = []
    for what, name, value in operations:
        same = [i for i, (key, _) in enumerate(model) if key.lower() == name.lower()]
        if what == "add":
            headers.add(name, value)
            model.append((name, value))
        elif what == "set":
            headers[name] = value
            place = same[0] if same else len(model)
            before = [pair for i, pair in enumerate(model[:place])]
            model = [*before, (name, value), *(pair for i, pair in enumerate(model) if i >= place and i not in same)]
        elif what == "del" and same:
            del headers[name]
            model = [pair for i, pair in enumerate(model) if i not in same]
        else:
            assert headers.get_all(name) == [model[i][1] for i in same]
            assert headers.get(name) == (model[same[0]][1] if same else None)
            assert (name in headers) == bool(same)
        assert list(headers.items()) == model
        assert list(headers) == [key for key, _ in model]
        assert len(headers) == len(model)


# Byte pairs
