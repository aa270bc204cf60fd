"""Signed text: what was not signed, or signed otherwise, or too long ago, is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import Signer
from toolkit.errors import UseError
from toolkit.protocol.cookies import Cookie, serialize_cookie

ONE, TWO = "a secret of 16 b", b"another one here"


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@given(st.text(max_size=50).filter(lambda text: text.isprintable()))
def test_what_was_signed_comes_back_and_fits_a_cookie(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    signed = Signer(ONE).sign(text)
    assert Signer(ONE).unsign(signed) == text
    assert serialize_cookie(Cookie("a", signed)) == f"a={signed}".encode()


def test_any_change_makes_it_nothing() -> None:
    signer = Signer(ONE)
    signed = signer.sign("user=1")
    for at in range(len(signed)):
        for other in "A.-_0":
            changed = signed[:at] + other + signed[at + 1 :]
            if changed != signed:
                assert signer.unsign(changed) is None
        assert signer.unsign(signed[:at]) is None


@pytest.mark.parametrize("other", [None, "", ".", "..", "a.b.c", "a" * 100_000, "\u00e9.a.b", "=.=.=", "a.b.\u00e9"])
def test_what_nobody_signed_is_nothing(other: str | None) -> None:
    assert Signer(ONE).unsign(other) is None
    assert Signer(ONE).unsign_with_age(other) is None


def test_secrets_can_be_changed() -> None:
    old = Signer(ONE).sign("x")
    both = Signer(TWO, ONE)
    assert both.unsign(old) == "x"
    assert Signer(TWO).unsign(old) is None
    assert Signer(TWO).unsign(both.sign("x")) == "x"  # the first one signs


def test_a_purpose_keeps_uses_apart() -> None:
    signed = Signer(ONE, purpose="a").sign("x")
    assert Signer(ONE, purpose="b").unsign(signed) is None
    assert Signer(ONE, purpose="a").unsign(signed) == "x"


def test_age() -> None:
    clock = Clock()
    signer = Signer(ONE, clock=clock)
    signed = signer.sign("x")
    clock.now += 100
    assert signer.unsign(signed, max_age=100) == "x"
    assert signer.unsign(signed, max_age=99) is None
    assert signer.unsign(signed) == "x"
    assert signer.unsign_with_age(signed) == ("x", 100)
    clock.now -= 159  # signed by a server whose clock is ahead
    assert signer.unsign_with_age(signed) == ("x", 0)
    clock.now -= 2
    assert signer.unsign(signed) is None


@pytest.mark.parametrize("secrets", [(), ("",), ("short",), (ONE, "short"), (b"15 bytes of it.",)])
def test_a_weak_secret_is_refused(secrets: tuple[str | bytes, ...]) -> None:
    with pytest.raises(UseError, match=r"secrets\.token_urlsafe\(32\)"):
        Signer(*secrets)


def test_a_secret_is_not_shown() -> None:
    assert repr(Signer(ONE)) == "<Signer with 1 secret>"
    assert repr(Signer(ONE, TWO)) == "<Signer with 2 secrets>"


def test_a_signature_has_one_spelling() -> None:
    """Base64 readers skip what is no base64: who refuses a withdrawn token by its text must not be got round so."""
    signed = Signer("0123456789abcdef").sign("text")
    for other in (f"{signed}=", f"{signed}!", f"{signed[:-5]}~{signed[-5:]}", f"{signed}A"):
        assert Signer("0123456789abcdef").unsign(other) is None
    assert Signer("0123456789abcdef").unsign(signed) == "text"
