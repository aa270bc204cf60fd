"""Digest access authentication (RFC 7616): the challenge read, the response computed. Pure.

How it works. A server names a realm, a nonce and a hash. The answer proves that we know the password without saying it:
H(H(user:realm:password) : nonce : how many requests with this nonce : our own nonce : qop : H(method:target)). Whoever
hears it can repeat this request for as long as the server takes the nonce, and no other.

Of several challenges the one with the best hash is answered, in the server's order where they are alike; a challenge
that asks for what we cannot do is none. `auth-int` covers the body as well. It is answered only where a server asks for
nothing less, since servers that take both rarely get it right, and where the body is at hand before it is sent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from unicodedata import normalize
from urllib.parse import quote

from toolkit.protocol.challenges import Challenge, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DigestChallenge", "Login", "authorization", "choose", "understand"]

# Section 6.1, best first; the names that OpenSSL has for them. MD5 is what most devices still speak.
HASHES: Final = {"sha-512-256": "sha512_256", "sha-256": "sha256", "md5": "md5"}
STRENGTH: Final = {name: len(HASHES) - place for place, name in enumerate(HASHES)}


class Login(NamedTuple):
    """Who asks, and what nobody is shown."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r}, '***')"


@dataclass(frozen=True, slots=True)
class DigestChallenge:
    """A challenge as the server states it; `choose` tells whether it can be answered."""

    realm: str
    nonce: str
    algorithm: str | None = None  #: as the server spells it; None: MD5
    qops: frozenset[str] = frozenset()  #: none of them: a server from before RFC 2617
    opaque: str | None = None
    domain: tuple[str, ...] = ()  #: where else the same login counts; none: on all of the origin
    stale: bool = False  #: the nonce was too old, the login may be right
    userhash: bool = False
    utf8: bool = False

    @property
    def hash_name(self) -> str:
        """The hash's name in this module's tables, or one that is not there."""
        return (self.algorithm or "MD5").lower().removesuffix("-sess")

    @property
    def is_session(self) -> bool:
        """The secret is hashed with the nonces once more (section 3.4.2)."""
        return (self.algorithm or "").lower().endswith("-sess")

    @property
    def strength(self) -> int:
        """More is better; 0 for a hash that is unknown here."""
        return STRENGTH[self.hash_name] if HASHES.get(self.hash_name) in hashlib.algorithms_available else 0

    def hash(self, data: bytes) -> bytes:
        """The hash, as hexadecimal digits."""
        return hashlib.new(HASHES[self.hash_name], data, usedforsecurity=False).hexdigest().encode()


def understand(challenge: Challenge) -> DigestChallenge | None:
    """What a challenge asks for; None for another scheme, and for one that lacks what section 3.3 requires of it."""
    given = challenge.parameters
    if challenge.scheme != "digest" or "realm" not in given or not given.get("nonce"):
        return None
    return DigestChallenge(
        realm=given["realm"],
        nonce=given["nonce"],
        algorithm=given.get("algorithm"),
        qops=frozenset(part for each in given.get("qop", "").lower().split(",") if (part := each.strip(" \t"))),
        opaque=given.get("opaque"),
        domain=tuple(given.get("domain", "").split()),
        stale=given.get("stale", "").lower() == "true",
        userhash=given.get("userhash", "").lower() == "true",
        utf8=given.get("charset", "").lower() == "utf-8",
    )


def choose(challenges: Iterable[Challenge], *, body_at_hand: bool) -> DigestChallenge | None:
    """The challenge to answer; None where there is none that can be."""
    best: DigestChallenge | None = None
    for each in challenges:
        one = understand(each)
        if one is None or not one.strength or _qop(one, body_at_hand=body_at_hand) is None:
            continue
        if best is None or one.strength > best.strength:
            best = one
    return best


def _qop(challenge: DigestChallenge, *, body_at_hand: bool) -> str | None:
    if not challenge.qops or "auth" in challenge.qops:
        return "auth" if challenge.qops else ""
    return "auth-int" if "auth-int" in challenge.qops and body_at_hand else None


def authorization(
    login: Login, challenge: DigestChallenge, method: str, target: str, body: bytes | None, count: int, cnonce: str
) -> bytes | None:
    """The value of the Authorization field for the `count`th request with the challenge's nonce (section 3.4).

    `body` None: it is not at hand. None comes back where the challenge cannot be answered without it. Text that the
    server chose goes back byte for byte, as ISO-8859-1 keeps it; the user's name and password are UTF-8.
    """
    qop = _qop(challenge, body_at_hand=body is not None)
    if qop is None:
        return None
    user, password = (normalize("NFC", each).encode() for each in login)
    realm, nonce, nc = challenge.realm.encode("latin-1"), challenge.nonce.encode("latin-1"), b"%08x" % count
    ours = cnonce.encode("ascii")
    secret = challenge.hash(b"%b:%b:%b" % (user, realm, password))
    if challenge.is_session:
        secret = challenge.hash(b"%b:%b:%b" % (secret, nonce, ours))
    asked = f"{method}:{target}".encode()
    if qop == "auth-int":
        asked += b":" + challenge.hash(body or b"")
    middle = b"%b:%b:%b:%b" % (nonce, nc, ours, qop.encode()) if qop else nonce
    parts = [
        _username(challenge, user, realm),
        b"realm=" + quoted(challenge.realm).encode("latin-1"),
        b"nonce=" + quoted(challenge.nonce).encode("latin-1"),
        b"uri=" + quoted(target).encode(),
        b'response="%b"' % challenge.hash(b"%b:%b:%b" % (secret, middle, challenge.hash(asked))),
    ]
    if challenge.algorithm is not None:
        parts.append(b"algorithm=" + challenge.algorithm.encode("ascii"))  # one that is known
    if qop:
        parts.append(b"qop=%b, nc=%b" % (qop.encode(), nc))
    if qop or challenge.is_session:
        parts.append(b'cnonce="%b"' % ours)
    if challenge.opaque is not None:
        parts.append(b"opaque=" + quoted(challenge.opaque).encode("latin-1"))
    return b"Digest " + b", ".join(parts)


def _username(challenge: DigestChallenge, user: bytes, realm: bytes) -> bytes:
    """Sections 3.4 and 3.4.4: hashed on request; else in quotes, or encoded where quotes should not hold it."""
    if challenge.userhash:
        return b'username="%b", userhash=true' % challenge.hash(b"%b:%b" % (user, realm))
    if challenge.utf8 and not user.isascii():
        return f"username*=UTF-8''{quote(user, safe='')}".encode()
    return b"username=" + quoted(user.decode()).encode()
