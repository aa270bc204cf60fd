"""Signed text: what a client may keep and read, and cannot change.

The text is followed by the time of its signing and by an HMAC-SHA-256 of both, all of it in letters that a cookie and a
URL take as they are. The key of the HMAC is made of the secret and of a purpose, so that what was signed for one use is
worth nothing in another. Signatures are compared in constant time. Nothing is encrypted: whoever has it can read it.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Signer"]

SHORTEST: Final = 16  #: bytes of a secret: 128 bits, if they are random
LONGEST: Final = 64 * 1024  #: characters of signed text that are looked at; a head has no more
SKEW: Final = 60  #: seconds that another server's clock may be ahead


class Signer:
    """Signs and checks text: `Signer(secret)`, or `Signer(new, old)` while an old secret is on its way out.

    The first secret signs, any of them may have signed. `purpose` keeps uses apart. A secret has at least 16 bytes;
    make one by `secrets.token_urlsafe(32)`. Raises `UseError` for less.
    """

    def __init__(self, *secrets: str | bytes, purpose: str = "toolkit", clock: Callable[[], float] = time.time) -> None:
        if not secrets:
            raise UseError("Signer() without a secret; make one by secrets.token_urlsafe(32) and keep it")
        self._keys = [_key(secret, purpose) for secret in secrets]
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Signer with {len(self._keys)} secret{'s' if len(self._keys) > 1 else ''}>"

    def sign(self, text: str) -> str:
        """`text`, signed now."""
        signed = f"{_encode(text.encode())}.{_encode(int(self._clock()).to_bytes(6, 'big'))}"
        return f"{signed}.{_encode(_mac(self._keys[0], signed))}"

    def unsign(self, signed: str | None, max_age: float | None = None) -> str | None:
        """The text, if one of the secrets signed it, not longer ago than `max_age` seconds; None for anything else."""
        found = self.unsign_with_age(signed)
        return None if found is None or (max_age is not None and found[1] > max_age) else found[0]

    def unsign_with_age(self, signed: str | None) -> tuple[str, float] | None:
        """The text and how many seconds ago it was signed; None for what none of the secrets signed."""
        if signed is None or len(signed) > LONGEST or not signed.isascii():
            return None
        body, _, signature = signed.rpartition(".")
        good = False
        for key in self._keys:  # all of them, whichever it was
            # As text: base64 has many spellings of the same bytes, and who keeps a list of withdrawn ones knows one.
            good |= hmac.compare_digest(_encode(_mac(key, body)), signature)
        if not good:
            return None
        text, _, at = body.partition(".")
        age = self._clock() - int.from_bytes(_decode(at), "big")
        return None if age < -SKEW else (_decode(text).decode(), max(0.0, age))


def _key(secret: str | bytes, purpose: str) -> bytes:
    raw = secret.encode() if isinstance(secret, str) else secret
    if not isinstance(raw, bytes) or len(raw) < SHORTEST:
        raise UseError(f"Signer(): a secret is shorter than {SHORTEST} bytes; make one by secrets.token_urlsafe(32)")
    return hmac.digest(raw, f"toolkit.signing:{purpose}".encode(), "sha256")


def _mac(key: bytes, body: str) -> bytes:
    return hmac.digest(key, body.encode(), "sha256")


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
