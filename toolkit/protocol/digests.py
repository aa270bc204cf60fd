"""Digests: what a message or a representation must hash to (RFC 9530). Pure.

How it works. `Content-Digest` is of the bytes of one message's content, a range's own bytes included; `Repr-Digest` of
the whole representation, whatever part of it a message carries. Both are dictionaries of byte sequences (RFC 9651):
`sha-256=:base64:`. The strong algorithms count; those that RFC 9530 5 calls insecure (md5, sha, crc32c, ...) guard
against nothing that framing does not, and are passed over.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, NamedTuple

__all__ = ["Digest", "format_digest", "parse_digests"]

#: RFC 9530 5, status "active"; the stronger first. By hashlib's names.
ALGORITHMS: Final = {"sha-512": "sha512", "sha-256": "sha256"}
SIZES: Final = {"sha-512": 64, "sha-256": 32}
MEMBER: Final = re.compile(r"[ \t]*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):[ \t]*(?:;[^,]*)?(?:,|$)")


class Digest(NamedTuple):
    """An algorithm by hashlib's name, and what it must come to."""

    algorithm: str
    value: bytes


def parse_digests(field: str) -> list[Digest]:
    """The digests of a field that can be checked, the strongest first; [] where there are none, or it is malformed."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(field):
        member = MEMBER.match(field, at)
        if member is None:
            return []  # RFC 9651 4.2: what cannot be read is left out whole
        at = member.end()
        try:
            found[member[1]] = base64.b64decode(member[2], validate=True)
        except binascii.Error:
            return []
    return [
        Digest(hashed, found[name])
        for name, hashed in ALGORITHMS.items()
        if name in found and len(found[name]) == SIZES[name]
    ]


def format_digest(algorithm: str, value: bytes) -> str:
    """The field for one digest; `algorithm` by its name in RFC 9530: `sha-256` or `sha-512`."""
    return f"{algorithm}=:{base64.b64encode(value).decode('ascii')}:"
