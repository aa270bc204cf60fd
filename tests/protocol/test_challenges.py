"""Challenges as RFC 9110 11 writes them: where one ends and the next begins, and what is made of broken ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.challenges import MOST, PARAMETERS, Challenge, parse_challenges, quoted

Row = tuple[str, dict[str, str], str]


def basic(realm: str) -> Row:
    return ("basic", {"realm": realm}, "")


@pytest.mark.parametrize(
    ("section", "field", "found"),
    [
        ("11.6.1", 'Basic realm="simple"', [basic("simple")]),
        (
            "11.6.1",
            'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            [basic("simple"), ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}, "")],
        ),
        (
            "11.6.1 commas in quotes",
            'Digest realm="a, b", qop="auth, auth-int", Basic realm="c"',
            [("digest", {"realm": "a, b", "qop": "auth, auth-int"}, ""), basic("c")],
        ),
        ("11.1 schemes by any case", "BASIC Realm=x", [basic("x")]),
        ("11.2 no parameters", "Negotiate", [("negotiate", {}, "")]),
        ("11.2 no parameters", 'Negotiate, Basic realm="x"', [("negotiate", {}, ""), basic("x")]),
        ("11.2 token68", "Negotiate YIIJvw==", [("negotiate", {}, "YIIJvw==")]),
        ("11.2 token68", 'NTLM TlRM/+-._~0, Basic realm="x"', [("ntlm", {}, "TlRM/+-._~0"), basic("x")]),
        ("11.2 token68 like a name", "Negotiate abc", [("negotiate", {}, "abc")]),
        ("11.2 token68 like a parameter", "Negotiate abc=", [("negotiate", {}, "abc=")]),
        ("11.2 a parameter", "Negotiate abc=d", [("negotiate", {"abc": "d"}, "")]),
        ("11.2 a token68 has no parameters", "Negotiate abc==, realm=x", [("negotiate", {}, "abc==")]),
        ("11.2 bad whitespace", 'Basic realm \t=\t "x"', [basic("x")]),
        ("11.2 names by any case, once", 'Basic realm="x", REALM="y"', [basic("x")]),
        ("5.6.1.2 empty elements", ',, , Basic realm="x",, ,', [basic("x")]),
        ("5.6.4 quoted pairs", 'Basic realm="a\\\\b\\"c\\d"', [basic('a\\b"cd')]),
        ("5.6.4 empty", 'Basic realm=""', [basic("")]),
        ("5.6.4 beyond ASCII", 'Basic realm="\u00e9"', [basic("\u00e9")]),
        ("5.6.3 tabs", 'Basic\trealm="x"\t,\tBearer', [basic("x"), ("bearer", {}, "")]),
        ("none", "", []),
        ("none", " , ", []),
        ("broken: a parameter first", 'realm="x", Basic realm="y"', [basic("y")]),
        ("broken: no scheme", '="x", Basic realm="y"', [basic("y")]),
        (
            "broken: no value",
            'Basic realm=, Bearer realm="y"',
            [("basic", {}, "realm="), ("bearer", {"realm": "y"}, "")],
        ),
        ("broken: no token", 'Basic realm=@x, Digest nonce="y"', [("basic", {}, ""), ("digest", {"nonce": "y"}, "")]),
        ("broken: something behind", 'Basic realm="x" y, Bearer', [("basic", {}, ""), ("bearer", {}, "")]),
        ("broken: a semicolon", 'Basic realm="x"; a="b,c", Bearer', [("basic", {}, ""), ("bearer", {}, "")]),
        ("broken: a quote left open", 'Basic realm="x", Digest nonce="y, Bearer', [basic("x"), ("digest", {}, "")]),
        ("broken: glued to the scheme", '{"a": 1}, Basic@x, Bearer', [("bearer", {}, "")]),
    ],
)
def test_challenges_are_found(section: str, field: str, found: list[Row]) -> None:
    assert [(one.scheme, one.parameters, one.token) for one in parse_challenges(field)] == found


def test_they_are_counted_and_read_in_one_pass() -> None:
    assert len(parse_challenges(", ".join(f"s{n}" for n in range(MOST * 3)))) == MOST
    many = ", ".join(f"p{n}=x" for n in range(PARAMETERS * 3))
    assert len(parse_challenges(f"Digest {many}")[0].parameters) == PARAMETERS
    for hostile in (
        '"' * 60000,
        "a=" * 30000,
        "a " * 30000,
        '"\\' * 30000,
        'a="' * 20000,
        "," * 60000,
        'a=b c"' * 9000,
    ):
        assert len(parse_challenges(hostile)) <= MOST


@given(st.text(max_size=200) | st.text('aB=", \t\\/', max_size=60))
def test_no_text_of_a_peer_raises(text: str) -> None:
    for one in parse_challenges(text):
        assert one.scheme == one.scheme.lower() != ""


TOKENS = st.text("aZ09-._~!", min_size=1, max_size=6)
PARAMETER_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12
)


@given(st.lists(st.tuples(TOKENS, st.dictionaries(TOKENS.map(str.lower), PARAMETER_VALUES, max_size=4)), max_size=4))
def test_what_is_written_is_read_again(challenges: list[tuple[str, dict[str, str]]]) -> None:
    field = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in challenges
    )
    assert parse_challenges(field) == [Challenge(scheme.lower(), parameters) for scheme, parameters in challenges]


def test_a_challenge_shows_its_scheme_alone() -> None:
    """The same shape holds credentials."""
    assert "hunter2" not in repr(parse_challenges('Basic hunter2, Digest response="hunter2"'))
