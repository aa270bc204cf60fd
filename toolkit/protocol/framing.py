"""How a body is delimited: pure decisions of RFC 9112 6, one function for what arrives and one for what is sent.

Framing is never mixed with content coding: `gzip` belongs to the bytes, `chunked` to the connection.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from toolkit.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.protocol.headers import Fields

__all__ = ["CHUNKED", "CLOSE", "LENGTH", "NONE", "RAW_BYTES", "Framing", "bodyless", "inbound_framing", "parse_length"]

MAX_LENGTH: Final = 2**63 - 1  # an off_t; more digits than this wrapped around in peers (CVE-2023-34188)


class Framing(IntEnum):
    """What ends a body."""

    NONE = 0  #: there is no body
    LENGTH = 1  #: a count of bytes
    CHUNKED = 2  #: the last chunk
    CLOSE = 3  #: the end of the connection
    RAW = 4  #: no message any more: a duplex byte stream


NONE: Final = Framing.NONE
LENGTH: Final = Framing.LENGTH
CHUNKED: Final = Framing.CHUNKED
CLOSE: Final = Framing.CLOSE
RAW_BYTES: Final = Framing.RAW


def parse_length(value: bytes) -> int:
    """1*DIGIT and nothing that int() would forgive (RFC 9112 6.3). Raises `RemoteProtocolError`."""
    if not value.isdigit() or len(value) > 19 or (length := int(value)) > MAX_LENGTH:
        raise RemoteProtocolError(f"content-length {value[:40]!r}: expected decimal digits, at most {MAX_LENGTH}")
    return length


def bodyless(method: str, status: int) -> bool:
    """Whether an answer has no body whatever its fields say (RFC 9110 6.4.1)."""
    return method == "HEAD" or status == 304 or status == 204 or status < 200


def inbound_framing(
    codings: Sequence[bytes], lengths: Sequence[bytes], *, request: bool, http10: bool = False
) -> tuple[Framing, int]:
    """The framing of an arriving body and its length in bytes (-1 where unknown).

    `codings` and `lengths` are the values of every transfer-encoding and content-length field, in order. Whatever two
    readers could take differently is refused (RFC 9112 6.1, 6.3): both fields, `chunked` twice or not last, a coding
    that is not known, transfer-encoding in HTTP/1.0, several lengths even if equal. Raises `RemoteProtocolError`.
    """
    if codings:
        if lengths:
            raise RemoteProtocolError("both transfer-encoding and content-length: expected one of them")
        if http10:
            raise RemoteProtocolError("transfer-encoding in HTTP/1.0: expected content-length or no body")
        names = [name.strip(b" \t").lower() for name in b",".join(codings).split(b",")]
        if names == [b"chunked"]:
            return CHUNKED, -1
        known = names[-1] == b"chunked" and names.count(b"chunked") == 1
        raise RemoteProtocolError(
            f"transfer-encoding {b', '.join(codings)[:80]!r}: only 'chunked' is understood", 501 if known else 400
        )
    if lengths:
        if len(lengths) > 1:
            raise RemoteProtocolError(f"content-length given {len(lengths)} times: expected once")
        length = parse_length(lengths[0])
        return (LENGTH if length or not request else NONE), length
    return (NONE, 0) if request else (CLOSE, -1)


def split_framing(fields: Fields) -> tuple[Fields, int | None, bool]:
    """Take an outbound head's own words on framing out of its fields.

    Returns the other fields, the length promised (None where none is) and whether chunked framing is asked for by
    name. Framing fields are written by the wire alone. Raises `LocalProtocolError` for what could be read two ways.
    """
    length: int | None = None
    chunked = False
    rest: Fields = []
    for pair in fields:
        name = pair[0].lower()
        if name == b"content-length":
            value = pair[1]
            if not value.isdigit() or len(value) > 19 or int(value) > MAX_LENGTH:
                raise LocalProtocolError(f"content-length {value!r}: expected decimal digits")
            if length is not None and length != int(value):
                raise LocalProtocolError(f"content-length given twice, as {length} and {int(value)}")
            length = int(value)
        elif name == b"transfer-encoding":
            if pair[1].lower() != b"chunked":
                raise LocalProtocolError(f"transfer-encoding {pair[1]!r}: only 'chunked' can be sent")
            chunked = True
        else:
            rest.append(pair)
    if chunked and length is not None:
        raise LocalProtocolError("both transfer-encoding and content-length: give one of them")
    return rest, length, chunked
