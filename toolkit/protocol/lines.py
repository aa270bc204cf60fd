"""A body as text, whole or by lines, and the charset it is in.

A byte order mark says more surely than the content type what follows it, and is no part of the text (WHATWG Encoding 6,
"decode"); then the content type counts, then UTF-8. Bytes that are not of the charset become U+FFFD.

The one async generator of the protocol layer, in a module of its own: the compiler of the others takes none.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from toolkit.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.protocol.readable import Readable

__all__ = ["CHARSETS", "MARKS", "charset_in", "charset_of", "decode_text", "label_of", "lines_of"]

# What the standard library calls a codec is more than a charset, and a peer chooses: `punycode` is quadratic,
# `unicode_escape` reads escapes, and every unknown name stays in a cache. So: labels in use.
CHARSETS: Final = frozenset(
    [
        *(
            "utf-8",
            "utf8",
            "utf-16",
            "utf-16le",
            "utf-16be",
            "utf-32",
            "us-ascii",
            "ascii",
            "latin1",
            "latin-1",
        ),
        *(
            "utf-16-le",
            "utf-16-be",
            "gb2312",
            "gbk",
            "gb18030",
            "big5",
            "euc-kr",
            "euc-jp",
            "shift-jis",
            "iso-2022-jp",
            "koi8-r",
            "koi8-u",
        ),
        *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),
        *(f"{family}{page}" for family in ("windows-", "cp") for page in range(1250, 1259)),
    ]
)

#: Byte order marks, and codecs that take them off.
MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF16_LE, "utf-16"))
#: What such a codec decodes by.
MARKED: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_BE: "utf-16be",
    codecs.BOM_UTF16_LE: "utf-16le",
}


def charset_in(data: bytes, content_type: str) -> str:
    """The charset of a body that begins so."""
    for mark, charset in MARKED.items():
        if data.startswith(mark):
            return charset
    return charset_of(content_type)


def _codec_of(start: bytes, content_type: str) -> str:
    for mark, codec in MARKS:
        if start.startswith(mark):
            return codec
    return charset_of(content_type)


def decode_text(data: bytes, content_type: str) -> str:
    """A whole body as text."""
    return data.decode(_codec_of(data[:3], content_type), "replace")


def charset_of(content_type: str) -> str:
    """The charset parameter, if it is one of those above; UTF-8 otherwise."""
    label = label_of(content_type)
    return label if label in CHARSETS else "utf-8"


def label_of(content_type: str) -> str | None:
    """The charset parameter as it came, in lower case; None without one."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower().replace("_", "-")
    return None


async def lines_of(x: Readable, limit: int | None) -> AsyncIterator[str]:
    """See `Readable.lines`."""
    if limit is None:
        limit = x._limits.read
    pull = x.pull()
    decoder: codecs.IncrementalDecoder | None = None
    start = b""
    parts: list[str] = []
    size = 0
    async for data in pull:
        if decoder is None:  # on a client the charset is known with the first byte, not before
            start += data
            if any(mark.startswith(start) for mark in MARKED):
                continue  # it may become a byte order mark
            decoder = codecs.getincrementaldecoder(_codec_of(start, x.content_type))("replace")
            data = start
        *whole, last = decoder.decode(data).split("\n")
        for line in whole:
            parts.append(line)
            yield "".join(parts).removesuffix("\r")
            parts, size = [], 0
        parts.append(last)
        size += len(last)
        if size > limit:
            await pull.aclose()
            raise x._refused(LimitExceeded(f"a line is over {limit} characters"))
    if decoder is None:  # no more than the beginning of a mark, or all of one
        parts.append(decode_text(start, x.content_type))
    else:
        parts.append(decoder.decode(b"", True))
    rest = "".join(parts)
    if rest:
        yield rest.removesuffix("\r")
