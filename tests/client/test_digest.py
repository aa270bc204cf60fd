"""Digest by RFC 7616: its examples, which challenge is answered, and what is said of the user."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.client.digest import DigestChallenge, Login, authorization, choose, understand
from toolkit.protocol.challenges import Challenge, parse_challenges

MUFASA = Login("Mufasa", "Circle of Life")
JASON = Login("J\u00e4s\u00f8n Doe", "Secret, or not?")

# Section 3.9.1.
ORG = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
ORG_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
# Section 3.9.2.
API = (
    'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
    'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", '
    "charset=UTF-8, userhash=true"
)
API_CNONCE = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
# RFC 2617 3.5.
OLD = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


def only(field: str) -> DigestChallenge:
    chosen = choose(parse_challenges(field), body_at_hand=True)
    assert chosen is not None
    return chosen


def said(value: bytes | None) -> dict[str, str]:
    assert value is not None
    (one,) = parse_challenges(value.decode("latin-1"))
    assert one.scheme == "digest"
    return one.parameters


@pytest.mark.parametrize(
    ("section", "login", "field", "target", "cnonce", "username", "response"),
    [
        (
            "7616 3.9.1",
            MUFASA,
            ORG.format("MD5"),
            "/dir/index.html",
            ORG_CNONCE,
            "Mufasa",
            "8ca523f5e9506fed4657c9700eebdbec",
        ),
        (
            "7616 3.9.1",
            MUFASA,
            ORG.format("SHA-256"),
            "/dir/index.html",
            ORG_CNONCE,
            "Mufasa",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        (  # with the corrections of erratum 4897: the printed ones are those of another hash
            "7616 3.9.2",
            JASON,
            API,
            "/doe.json",
            API_CNONCE,
            "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b",
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
        ),
        (
            "2617 3.5",
            Login("Mufasa", "Circle Of Life"),
            OLD,
            "/dir/index.html",
            "0a4f113b",
            "Mufasa",
            "6629fae49393a05397450978507c4ef1",
        ),
    ],
)
def test_the_examples_of_the_standards(
    section: str, login: Login, field: str, target: str, cnonce: str, username: str, response: str
) -> None:
    found = said(authorization(login, only(field), "GET", target, b"", 1, cnonce))
    assert found["username"] == username
    assert found["response"] == response
    assert (found["uri"], found["nc"], found["cnonce"], found["qop"]) == (target, "00000001", cnonce, "auth")
    asked = only(field)
    assert (found["realm"], found["nonce"], found["opaque"]) == (asked.realm, asked.nonce, asked.opaque)
    assert found.get("algorithm") == asked.algorithm


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_the_body_is_covered_where_the_server_insists() -> None:
    """Section 3.4.3."""
    asked = only('Digest realm="r", nonce="n", qop="auth-int"')
    found = said(authorization(Login("u", "p"), asked, "PUT", "/x", b"body", 7, "c"))
    assert found["qop"] == "auth-int"
    assert found["nc"] == "00000007"
    expected = md5(f"{md5('u:r:p')}:n:00000007:c:auth-int:{md5('PUT:/x:' + md5('body'))}")
    assert found["response"] == expected
    assert authorization(Login("u", "p"), asked, "PUT", "/x", None, 1, "c") is None


def test_a_session_hashes_the_nonces_into_the_secret() -> None:
    """Section 3.4.2."""
    found = said(
        authorization(
            Login("u", "p"), only("Digest realm=r, nonce=n, qop=auth, algorithm=md5-SESS"), "GET", "/", b"", 1, "c"
        )
    )
    assert found["algorithm"] == "md5-SESS"
    secret = md5(f"{md5('u:r:p')}:n:c")
    assert found["response"] == md5(f"{secret}:n:00000001:c:auth:{md5('GET:/')}")


def test_a_server_from_before_qop_is_answered_as_it_asks() -> None:
    """RFC 2069 2.1.2."""
    found = said(authorization(Login("u", "p"), only("Digest realm=r, nonce=n"), "GET", "/", b"", 1, "c"))
    assert found["response"] == md5(f"{md5('u:r:p')}:n:{md5('GET:/')}")
    assert found.keys().isdisjoint({"qop", "nc", "cnonce", "algorithm", "opaque"})
    assert "cnonce" in said(
        authorization(Login("u", "p"), only("Digest realm=r, nonce=n, algorithm=MD5-sess"), "GET", "/", b"", 1, "c")
    )


@pytest.mark.parametrize(
    ("section", "parameters", "login", "username"),
    [
        ("3.4", "", "Ada", 'username="Ada"'),
        ("3.4 quoted", "", 'A"d\\a', 'username="A\\"d\\\\a"'),
        ("3.4 as bytes", "", "J\u00e4s", 'username="J\u00c3\u00a4s"'),
        ("3.4 username*", ", charset=UTF-8", "J\u00e4s /%", "username*=UTF-8''J%C3%A4s%20%2F%25"),
        ("3.4 ASCII needs none", ", charset=UTF-8", "Ada", 'username="Ada"'),
        ("4 composed", ", charset=UTF-8", "Ja\u0308s", "username*=UTF-8''J%C3%A4s"),
        ("3.4.4 userhash", ", userhash=true", "Ada", f'username="{hashlib.md5(b"Ada:r").hexdigest()}", userhash=true'),
    ],
)
def test_how_the_user_is_named(section: str, parameters: str, login: str, username: str) -> None:
    field = authorization(Login(login, "p"), only(f"Digest realm=r, nonce=n{parameters}"), "GET", "/", b"", 1, "c")
    assert field is not None
    assert field.decode("latin-1").startswith(f"Digest {username}, realm=")


@pytest.mark.parametrize(
    ("why", "field", "at_hand", "chosen"),
    [
        ("the best hash", "Digest realm=a, nonce=1, Digest realm=b, nonce=1, algorithm=SHA-256", True, "b"),
        (
            "the best hash",
            "Digest realm=a, nonce=1, algorithm=SHA-512-256, Digest realm=b, nonce=1, algorithm=SHA-256",
            True,
            "a",
        ),
        ("the server's order", "Digest realm=a, nonce=1, Digest realm=b, nonce=1, algorithm=MD5-sess", True, "a"),
        ("a hash that is known", "Digest realm=a, nonce=1, algorithm=SHA-1, Digest realm=b, nonce=1", True, "b"),
        ("a qop that is known", "Digest realm=a, nonce=1, qop=token, Digest realm=b, nonce=1, qop=auth", True, "b"),
        ("a body at hand", "Digest realm=a, nonce=1, qop=auth-int", True, "a"),
        ("no body at hand", "Digest realm=a, nonce=1, qop=auth-int", False, None),
        ("no body at hand", 'Digest realm=a, nonce=1, qop="auth-int, AUTH"', False, "a"),
        ("a scheme that is known", "Basic realm=a, Digest realm=b, nonce=1", True, "b"),
        ("no realm", "Digest nonce=1", True, None),
        ("no nonce", 'Digest realm=a, nonce=""', True, None),
        ("nothing", "", True, None),
    ],
)
def test_which_challenge_is_answered(why: str, field: str, at_hand: bool, chosen: str | None) -> None:
    found = choose(parse_challenges(field), body_at_hand=at_hand)
    assert (found.realm if found is not None else None) == chosen


def test_what_a_challenge_says() -> None:
    found = understand(
        Challenge(
            "digest",
            {
                "realm": "r",
                "nonce": "n",
                "qop": "auth, auth-int,,",
                "stale": "TRUE",
                "domain": "/a  https://b.test/c",
                "charset": "utf-8",
                "userhash": "false",
            },
        )
    )
    assert found == DigestChallenge(
        "r", "n", None, frozenset(["auth", "auth-int"]), domain=("/a", "https://b.test/c"), stale=True, utf8=True
    )


def test_a_login_hides_its_password() -> None:
    assert repr(Login("Ada", "hunter2")) == "Login('Ada', '***')"


FIELD_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), min_size=1)


@given(FIELD_TEXT, FIELD_TEXT, FIELD_TEXT, st.sampled_from(["auth", "auth-int", ""]), st.binary() | st.none())
def test_whatever_a_server_says_comes_back_as_it_was(
    realm: str, nonce: str, opaque: str, qop: str, body: bytes | None
) -> None:
    asked = DigestChallenge(realm, nonce, None, frozenset([qop]) - {""}, opaque)
    value = authorization(MUFASA, asked, "GET", "/", body, 1, "c")
    if value is None:
        assert (qop, body) == ("auth-int", None)
        return
    found = said(value)
    assert (found["realm"], found["nonce"], found["opaque"]) == (realm, nonce, opaque)
    assert b"Circle" not in value
    assert value != authorization(MUFASA, replace(asked, nonce=nonce + "x"), "GET", "/", body, 1, "c")
