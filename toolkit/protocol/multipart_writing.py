"""Multipart forms, written: the lines between the contents of the parts (RFC 7578, WHATWG HTML 4.10.21.8). Pure.

A body is, for each part, `part_head`, its content and CRLF, and `closing` at the end. A boundary has 128 random bits:
nobody who writes a part's content can know it beforehand, and none contains it by chance.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from toolkit.errors import LocalProtocolError
from toolkit.protocol.fields import FORBIDDEN_IN_VALUE

__all__ = ["CRLF", "closing", "new_boundary", "part_head"]

CRLF: Final = b"\r\n"
#: A line end of any kind: one that stands alone is made a CRLF, as browsers do.
LINE_END: Final = re.compile(r"\r\n|\r|\n")


def new_boundary() -> str:
    """A boundary that no other body has; letters, digits and hyphens, so that it needs no quotes (RFC 2046 5.1.1)."""
    return f"toolkit-{secrets.token_hex(16)}"


def part_head(boundary: str, name: str, filename: str | None = None, content_type: str | None = None) -> bytes:
    """The delimiter and the fields of a part, up to its content.

    Names are UTF-8, with quotes and line ends percent-encoded. Raises `LocalProtocolError` for a control character in
    a name, which a reader could not tell from the end of it, or in the content type.
    """
    plain = LINE_END.sub("\r\n", name)
    disposition = f'form-data; name="{_escaped(plain, "name")}"'
    if filename is not None:
        disposition += f'; filename="{_escaped(filename, "filename")}"'
    head = f"--{boundary}\r\ncontent-disposition: {disposition}\r\n".encode("utf-8", "replace")
    if content_type is not None:
        value = content_type.encode("latin-1", "replace")
        if FORBIDDEN_IN_VALUE.search(value) is not None:
            raise LocalProtocolError(f"content type {content_type!r} of a part has a control character (CR, LF, ...)")
        head += b"content-type: %b\r\n" % value
    return head + CRLF


def _escaped(text: str, what: str) -> str:
    text = text.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")
    if FORBIDDEN_IN_VALUE.search(text.encode("utf-8", "replace")) is not None:
        raise LocalProtocolError(f"{what} {text!r} of a part has a control character; a form cannot carry it")
    return text


def closing(boundary: str) -> bytes:
    """What stands behind the last part."""
    return b"--%b--\r\n" % boundary.encode("ascii")
