"""A body as lines of text, and the charset it is in.

The one async generator of the protocol layer, in a module of its own: the compiler of the others takes none.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from toolkit.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.protocol.readable import Readable

__all__ = ["CHARSETS", "charset_of", "label_of", "lines_of"]

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
    parts: list[str] = []
    size = 0
    async for data in pull:
        if decoder is None:  # on a client the charset is known with the first byte, not before
            decoder = codecs.getincrementaldecoder(charset_of(x.content_type))("replace")
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
    rest = "".join(parts) + (decoder.decode(b"", True) if decoder is not None else "")
    if rest:
        yield rest.removesuffix("\r")
