"""Tokens: what goes in comes out, and nothing that was touched does."""

from __future__ import annotations

import hashlib
import re
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from toolkit.other.cipher import Cipher, InvalidToken

KEY = bytes(range(32))
CIPHER = Cipher(KEY)
PASSWORD = Cipher("correct horse battery staple")


def raw_of(token: str) -> bytes:
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


def token_of(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_round_trip(data: bytes, context: bytes) -> None:
    for cipher in (CIPHER, PASSWORD):
        token = cipher.encrypt(data, context)
        assert cipher.decrypt(token, context) == data
        assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
        assert len(token) <= len(data) * 4 / 3 + 40


def test_two_tokens_of_one_text_differ() -> None:
    assert CIPHER.encrypt(b"same") != CIPHER.encrypt(b"same")


def test_the_form_is_the_documented_one() -> None:
    """Opened here with nothing but AES-GCM, so that the form cannot change unnoticed."""
    raw = raw_of(CIPHER.encrypt(b"text", b"context"))
    assert raw[:1] == b"\x01"
    assert AESGCM(KEY).decrypt(raw[1:13], raw[13:], b"\x01context") == b"text"


def test_a_fixed_token_opens() -> None:
    """A token made once, with a nonce of zeros: tokens in the world must keep opening."""
    assert CIPHER.decrypt("AQAAAAAAAAAAAAAAAGXZxaoGVevZIJt613O80GqwIC4l") == b"kept"


@given(st.binary(max_size=40), st.data())
def test_every_changed_bit_is_seen(data: bytes, draw: st.DataObject) -> None:
    raw = bytearray(raw_of(CIPHER.encrypt(data)))
    bit = draw.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidToken):
        CIPHER.decrypt(token_of(bytes(raw)))


@given(st.binary(max_size=40), st.data())
def test_every_changed_character_is_seen(data: bytes, draw: st.DataObject) -> None:
    """The last character carries unused bits: a second spelling of the same bytes is refused as well."""
    token = CIPHER.encrypt(data)
    at = draw.draw(st.integers(0, len(token) - 1))
    new = draw.draw(st.characters().filter(lambda character: character != token[at]))
    with pytest.raises(InvalidToken):
        CIPHER.decrypt(token[:at] + new + token[at + 1 :])


@given(st.binary(max_size=40), st.data())
def test_every_cut_is_seen(data: bytes, draw: st.DataObject) -> None:
    token = CIPHER.encrypt(data)
    with pytest.raises(InvalidToken):
        CIPHER.decrypt(token[: draw.draw(st.integers(0, len(token) - 1))])


@given(st.text(max_size=80))
def test_garbage_is_seen(text: str) -> None:
    with pytest.raises(InvalidToken):
        CIPHER.decrypt(text)


@pytest.mark.parametrize("tail", ["=", "==", " ", "\n", "A", "AAAA", "ü"])
def test_additions_are_seen(tail: str) -> None:
    with pytest.raises(InvalidToken):
        CIPHER.decrypt(CIPHER.encrypt(b"text") + tail)


def test_unknown_version_is_seen() -> None:
    sealed = AESGCM(KEY).encrypt(bytes(12), b"text", b"\x02")
    with pytest.raises(InvalidToken, match="unknown version"):
        CIPHER.decrypt(token_of(b"\x02" + bytes(12) + sealed))


def test_another_context_or_key_is_seen() -> None:
    token = CIPHER.encrypt(b"text", b"room")
    for cipher, context in ((CIPHER, b""), (CIPHER, b"Room"), (Cipher(bytes(32)), b"room"), (PASSWORD, b"room")):
        with pytest.raises(InvalidToken, match="another key or context"):
            cipher.decrypt(token, context)


def test_an_invalid_token_is_a_value_error() -> None:
    assert issubclass(InvalidToken, ValueError)


def test_a_password_means_the_same_key_everywhere() -> None:
    other = Cipher("correct horse battery staple")
    assert other.decrypt(PASSWORD.encrypt(b"text")) == b"text"
    salted = Cipher("correct horse battery staple", salt=b"elsewhere")
    with pytest.raises(InvalidToken):
        salted.decrypt(PASSWORD.encrypt(b"text"))


def test_a_password_is_stretched_as_documented() -> None:
    """RFC 7914 with the documented numbers: tokens in the world must keep opening."""
    key = hashlib.scrypt(
        b"correct horse battery staple", salt=b"streaming-toolkit.cipher.1", n=2**15, r=8, p=3, maxmem=2**26, dklen=32
    )
    assert Cipher(key).decrypt(PASSWORD.encrypt(b"text")) == b"text"


def test_a_password_is_stretched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    derive = hashlib.scrypt

    def counted(password: bytes, *, salt: bytes, n: int, r: int, p: int, maxmem: int = 0, dklen: int = 64) -> bytes:
        calls.append(salt)
        return derive(password, salt=salt, n=n, r=r, p=p, maxmem=maxmem, dklen=dklen)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    cipher = Cipher("password")
    for _ in range(3):
        assert cipher.decrypt(cipher.encrypt(b"text")) == b"text"
    assert len(calls) == 1


@pytest.mark.parametrize("key", [b"", b"short", bytes(31), bytes(33), "", bytearray(32), None])
def test_refused_keys(key: str | bytes) -> None:
    with pytest.raises(ValueError, match="Cipher key: expected"):
        Cipher(key)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ImportError, match=r"streaming-toolkit\[cipher\]"):
        Cipher(KEY)
