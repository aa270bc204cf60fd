"""Short secrets as URL-safe text that nobody can read or alter without the key.

A token is `base64url(version | nonce | ciphertext and tag)` without padding: AES-256 in GCM (NIST SP 800-38D) with a
random nonce of 96 bits, from the package `cryptography`. Two encryptions of one text differ. The context is
authenticated and not stored: a token made for one purpose does not open under another.

A text key is stretched by scrypt (RFC 7914). Its salt is the same for every token, because each token would otherwise
cost its own derivation, and a stranger could make us pay for it. So two programs with one password and one salt share
a key, and a weak password can be tried offline by whoever holds a token. Where that matters give 32 random bytes:
`Cipher(secrets.token_bytes(32))`.
"""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Cipher", "InvalidToken"]

_VERSION = b"\x01"
_NONCE = 12  # bytes; the only size GCM uses without hashing it first
_TAG = 16
_KEY = 32
_SALT = b"streaming-toolkit.cipher.1"

# RFC 7914 2 and OWASP's password storage cheat sheet: N = 2^15, r = 8, p = 3 is one of its equivalent minimums; 32 MiB.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 3
_SCRYPT_MEMORY = 64 * 1024 * 1024


class InvalidToken(ValueError):
    """The text is no token of this key and context: cut, altered, made with another key, or never one at all."""


class Cipher:
    """Encrypts and decrypts with one key; safe to share between tasks and threads.

    `key` is 32 random bytes, or a password, from which the key is derived once, here (a tenth of a second or two, and
    32 MiB). `salt` keeps programs with the same password apart; it need not be secret. With one key make at most 2^32
    tokens, the bound for random nonces.

    Raises ValueError for a key that is neither, ImportError where `cryptography` is not installed.
    """

    __slots__ = ("_aead",)

    def __init__(self, key: str | bytes, *, salt: bytes = _SALT) -> None:
        aead = _aesgcm()
        if isinstance(key, str):
            key = _derived(key, salt)
        elif not isinstance(key, bytes):
            raise ValueError(f"Cipher key: expected a password (str) or 32 bytes, got {type(key).__name__}")
        elif len(key) != _KEY:
            raise ValueError(f"Cipher key: expected 32 bytes, got {len(key)}; give a password as str")
        self._aead = aead(key)

    def encrypt(self, data: bytes, context: bytes = b"") -> str:
        """A token of `data`, of 4/3 its length and 39 more; `decrypt` needs the same `context`."""
        nonce = os.urandom(_NONCE)
        sealed = self._aead.encrypt(nonce, data, _VERSION + context)
        return urlsafe_b64encode(_VERSION + nonce + sealed).rstrip(b"=").decode("ascii")

    def decrypt(self, token: str, context: bytes = b"") -> bytes:
        """The bytes in `token`. Raises InvalidToken for anything `encrypt` did not make with this key and context."""
        from cryptography.exceptions import InvalidTag

        raw = _decoded(token)
        nonce, sealed = raw[1 : 1 + _NONCE], raw[1 + _NONCE :]
        try:
            return self._aead.decrypt(nonce, sealed, _VERSION + context)
        except InvalidTag:
            raise InvalidToken("the token was altered, or made with another key or context") from None


def _decoded(token: str) -> bytes:
    """The bytes of a token of our form. One text for one value: a second spelling would be an alteration unseen."""
    try:
        text = token.encode("ascii")
        raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        raise InvalidToken("the token is not base64url text") from None
    if urlsafe_b64encode(raw).rstrip(b"=") != text:
        raise InvalidToken("the token is not base64url text in its one form")
    if len(raw) < len(_VERSION) + _NONCE + _TAG or raw[:1] != _VERSION:
        raise InvalidToken("the token is too short, or of an unknown version")
    return raw


def _derived(password: str, salt: bytes) -> bytes:
    if not password:
        raise ValueError("Cipher key: expected a password, got an empty str")
    return hashlib.scrypt(
        password.encode(), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=_SCRYPT_MEMORY, dklen=_KEY
    )


def _aesgcm() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ImportError("Cipher needs the package cryptography: pip install 'streaming-toolkit[cipher]'") from error
    return AESGCM
