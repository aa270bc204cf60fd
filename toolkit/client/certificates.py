"""What a certificate says of itself, for messages alone: OpenSSL decides whether it is good.

The standard library decodes a certificate only once it has verified it, and what is wrong with the others is just what
one wants to read. So this walks the few fields that a message names (RFC 5280 4.1; DER is ITU-T X.690): who issued it,
when it is valid, which names it is for. Whatever else comes is passed over; what is no certificate gives None.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Presented", "read_certificate"]

SEQUENCE: Final = 0x30
VERSION: Final = 0xA0
EXTENSIONS: Final = 0xA3
DNS_NAME: Final = 0x82
IP_ADDRESS: Final = 0x87
GENERALIZED_TIME: Final = 0x18
ALTERNATIVE_NAMES: Final = bytes.fromhex("551d11")  # 2.5.29.17
COMMON_NAME: Final = bytes.fromhex("550403")  # 2.5.4.3
ORGANIZATION: Final = bytes.fromhex("55040a")  # 2.5.4.10
SHOWN: Final = 8  # names; some certificates have a hundred


class Presented(NamedTuple):
    """A certificate as a peer presented it; nothing of it is verified."""

    names: tuple[str, ...]  #: that it is for, DNS names and addresses
    not_before: str  #: a day, as 2026-01-31
    not_after: str
    issuer: str  #: the issuer's common name, or organization

    def names_shown(self) -> str:
        """The first few names."""
        more = len(self.names) - SHOWN
        return ", ".join(self.names[:SHOWN]) + (f" and {more} more" if more > 0 else "") or "no host at all"


def read_certificate(der: bytes) -> Presented | None:
    """What there is to tell of a certificate in DER; None for what is none."""
    try:
        return _read(der)
    except (ValueError, IndexError, StopIteration):
        return None


def _read(der: bytes) -> Presented:
    body = _items(_one(_one(der)))  # Certificate, TBSCertificate
    fields = [item for item in body if item[0] != VERSION]
    issuer, validity = fields[2][1], fields[3][1]
    names: tuple[str, ...] = ()
    for tag, value in fields[4:]:
        if tag == EXTENSIONS:
            names = tuple(_names(_one(value)))
    first, last = (_day(tag, value) for tag, value in _items(validity))
    return Presented(names, first, last, _name(issuer))


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each item (X.690 8.1)."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            more = length & 0x7F
            length = int.from_bytes(data[at : at + more])
            at += more
        if at + length > len(data):
            raise ValueError("cut off")
        yield tag, data[at : at + length]
        at += length


def _one(data: bytes) -> bytes:
    """The value of the sequence that comes first."""
    tag, value = next(_items(data))
    if tag != SEQUENCE:
        raise ValueError("no sequence")
    return value


def _names(extensions: bytes) -> Iterator[str]:
    for _, extension in _items(extensions):
        parts = [value for _, value in _items(extension)]
        if parts[0] != ALTERNATIVE_NAMES:
            continue
        for tag, value in _items(_one(parts[-1])):
            if tag == DNS_NAME:
                yield _shown(value)
            elif tag == IP_ADDRESS:
                yield str(ipaddress.ip_address(value))


def _day(tag: int, value: bytes) -> str:
    """UTCTime has two digits of the year (RFC 5280 4.1.2.5.1)."""
    text = value.decode("ascii")
    if tag != GENERALIZED_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}"


def _name(name: bytes) -> str:
    """The common name, for want of one the organization."""
    found: dict[bytes, str] = {}
    for _, part in _items(name):
        for _, pair in _items(part):
            key, value = [each for _, each in _items(pair)]
            found[key] = _shown(value)
    return found.get(COMMON_NAME) or found.get(ORGANIZATION) or "an unnamed authority"


def _shown(value: bytes) -> str:
    """Foreign text that ends up in logs."""
    text = value.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)[:100]
