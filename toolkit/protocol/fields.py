"""Fields: header lines as validated pairs of bytes, in the order of the message.

Everything that is sent passes `encode_pairs`, the one gate against response splitting (CVE-2020-7695 and its kin).
Text is ISO-8859-1 (RFC 9110 5.5). What people hold is `toolkit.protocol.headers.Headers`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from toolkit.errors import LocalProtocolError, caused

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FORBIDDEN_IN_VALUE", "TOKEN", "Fields", "HeaderValue", "encode_pairs", "find_field", "join_fields"]

Fields: TypeAlias = list[tuple[bytes, bytes]]
HeaderValue: TypeAlias = "str | bytes | int | float | list[str] | tuple[str, ...] | None"

TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
FORBIDDEN_IN_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 5.5: all control characters but HTAB

#: Names of fields whose values are in no message: a token that was read from a file together with its newline.
SECRET: Final = re.compile(r"auth|cookie|key|passw|secret|signature|token", re.IGNORECASE)

TOKENS: Final = 1024  # names that are known to be tokens: a program uses the same few again and again
_tokens: Final[dict[str, bytes]] = {}


def find_field(fields: Fields, name: bytes) -> bytes | None:
    """The first value of `name` (given in lower case), or None."""
    for key, value in fields:
        if len(key) == len(name) and key.lower() == name:
            return value
    return None


def join_fields(fields: Fields, name: bytes) -> bytes | None:
    """The values of a list field, joined as if they stood in one (RFC 9110 5.3); None without any."""
    values = [value for key, value in fields if len(key) == len(name) and key.lower() == name]
    return b", ".join(values) if values else None


def encode_pairs(pairs: Iterable[tuple[object, object]]) -> Fields:
    """The pairs for the wire: numbers as text, lists repeated, None left out.

    Raises `LocalProtocolError` for a name that is no token, for a value with a control character, for foreign types.
    """
    fields: Fields = []
    for name, value in pairs:
        if value is None:
            continue
        key = _tokens.get(name) if type(name) is str else None
        if key is None:
            key = _encode_name(name)
        if isinstance(value, (list, tuple)):
            for each in value:
                fields.append((key, _encode_value(name, each)))
        else:
            fields.append((key, _encode_value(name, value)))
    return fields


def _encode_name(name: object) -> bytes:
    """RFC 9110 5.1: a token."""
    key = name if isinstance(name, bytes) else name.encode("ascii", "replace") if isinstance(name, str) else b""
    if TOKEN.fullmatch(key) is None:
        raise LocalProtocolError(f"header name {name!r}: expected a token of ASCII letters, digits and -_.")
    if type(name) is str:
        if len(_tokens) >= TOKENS:
            _tokens.clear()
        _tokens[name] = key
    return key


def _encode_value(name: object, value: object) -> bytes:
    if isinstance(value, str):
        try:
            raw = value.encode("latin-1")
        except UnicodeEncodeError:
            text = f"header {name!r}: value {_shown(name, value)} does not fit ISO-8859-1; percent-encode it first"
            raise caused(LocalProtocolError(text), None)
        if value.isprintable():  # so it has no control character
            return raw.strip(b" ")
    elif isinstance(value, bytes):
        raw = value
    elif isinstance(value, (int, float)):
        return str(value).encode("ascii")
    else:
        raise LocalProtocolError(
            f"header {name!r}: expected str, bytes, a number, None or a list of str, not {type(value).__name__}"
        )
    if FORBIDDEN_IN_VALUE.search(raw) is not None:
        fault = "has a control character (CR, LF, NUL, ...)"
        raise LocalProtocolError(f"header {name!r}: value {_shown(name, value)} {fault}")
    return raw.strip(b" \t")


def _shown(name: object, value: object) -> str:
    """A value in a message, which ends up in logs."""
    return "***" if SECRET.search(str(name)) is not None else repr(value)
