"""Fields and cookies that are added to an answer before it is known what the answer will be.

They wait in the request's `Extra` until a head is formed, whichever it is: of a returned value, of `prepare`, of an
error. A request to which nothing is added has no `Extra`, and costs one look.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from toolkit.errors import LimitExceeded, UseError
from toolkit.protocol.cookies import parse_cookies, parse_set_cookie, serialize_cookie
from toolkit.protocol.extra import Extra
from toolkit.protocol.head import serialize_fields
from toolkit.protocol.headers import encode_fields
from toolkit.protocol.states import IDLE

if TYPE_CHECKING:
    from toolkit.protocol.cookies import Cookie
    from toolkit.protocol.headers import HeadersLike, HeaderValue
    from toolkit.server.incoming import Incoming

__all__ = ["add_header", "add_line", "common_lines", "cookies_of", "extra_of", "limit_body", "set_cookie"]

#: Fields that say what the body is or where it ends. An error page that takes the place of the body has its own: as
#: text/html, a plain message that quotes its client would be a script.
OF_THE_BODY: Final = frozenset(
    [b"content-type", b"content-length", b"content-encoding", b"content-range", b"transfer-encoding", b"trailer"]
)
SET_COOKIE: Final = b"set-cookie"


def extra_of(r: Incoming) -> Extra:
    """The request's `Extra`, made when it is first needed."""
    extra = r._extra
    if extra is None:
        extra = r._extra = Extra()
    return extra


def add_header(r: Incoming, name: str, value: HeaderValue) -> None:
    """See `Request.add_header`."""
    _check_open(r, "add_header()")
    fields = encode_fields([(name, value)])
    if fields and fields[0][0].lower() in OF_THE_BODY:
        raise UseError(
            f"add_header({name!r}): it describes the body, so it goes with the one who gives that: return "
            "(status, value, {...}), or prepare({...})"
        )
    extra_of(r).fields += fields


def common_lines(headers: HeadersLike | None) -> dict[bytes, bytes]:
    """The fields that go with every answer of an application: by name, as they stand on the wire."""
    lines: dict[bytes, bytes] = {}
    for name, value in encode_fields(headers):
        key = name.lower()
        if key in OF_THE_BODY or key in (b"date", b"connection"):
            raise UseError(f"App(headers=...): {key.decode()} is no field that all answers can have in common")
        lines[key] = lines.get(key, b"") + serialize_fields([(name, value)])
    return lines


def add_line(r: Incoming, line: object) -> None:
    """See `Request.__iadd__`."""
    if not isinstance(line, (bytes, str)):
        raise UseError(f"r += {type(line).__name__}: expected a header line, such as b'x-name: value'")
    text = line if isinstance(line, str) else line.decode("latin-1")
    name, colon, value = text.removesuffix("\n").removesuffix("\r").partition(":")
    if not colon:
        raise UseError(f"r += {line!r}: expected a header line, such as b'x-name: value'")
    add_header(r, name, value.strip(" \t"))


def set_cookie(r: Incoming, cookie: Cookie) -> None:
    """See `Request.set_cookie`."""
    _check_open(r, f"set_cookie({cookie.name!r})")
    line = serialize_cookie(cookie)
    extra = extra_of(r)
    place = _place(line)
    extra.fields = [pair for pair in extra.fields if pair[0] != SET_COOKIE or _place(pair[1]) != place]
    extra.fields.append((SET_COOKIE, line))


def _place(line: bytes) -> object:
    cookie = parse_set_cookie(line.decode("ascii", "replace"))
    return line if cookie is None else cookie.place


def cookies_of(r: Incoming) -> dict[str, str]:
    """See `Request.cookies`; several Cookie fields are taken for one (RFC 9113 8.2.3)."""
    extra = extra_of(r)
    cookies = extra.cookies
    if cookies is None:
        values = [value for name, value in r._head.fields if name.lower() == b"cookie"]
        cookies = extra.cookies = parse_cookies(b"; ".join(values).decode("latin-1"))
    return cookies


def limit_body(r: Incoming, size: int) -> None:
    """See `Request.limit_body`. What the receiver counts is given back when the exchange is over."""
    inbound, connection = r._in, r._connection
    if inbound is None:
        return
    if max(inbound.received, r._head.length) > size:
        text = f"a body of over {size} bytes"
        raise LimitExceeded(r._say(text), fault=text)
    body = connection.limits.body
    if body is None or size < body:
        connection.receiver.limits = dataclasses.replace(connection.limits, body=size)


def _check_open(r: Incoming, call: str) -> None:
    if r._out is not IDLE:
        raise UseError(r._say(f"{call} after the answer's head was sent; call it before"))
