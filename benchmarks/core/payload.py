"""What is asked for and what is sent: one small JSON answer, and bodies of any length."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ANSWER", "BLOCK", "CHUNKED_END", "JSON_PATH", "digest", "pieces"]

JSON_PATH: Final = "/json"
ANSWER: Final[dict[str, object]] = {
    "message": "hello, world",
    "numbers": [1, 2, 3, 5, 8, 13],
    "nested": {"yes": True, "no": None},
}

#: What bodies are made of, and what is written at a time. It holds no end of a chunked body.
BLOCK: Final = bytes(range(256)) * 256
CHUNKED_END: Final = b"0\r\n\r\n"


def pieces(size: int) -> Iterator[bytes]:
    """A body of `size` bytes, a block at a time."""
    for _ in range(size // len(BLOCK)):
        yield BLOCK
    if rest := size % len(BLOCK):
        yield BLOCK[:rest]


def digest(size: int) -> str:
    """The SHA-256 of a body of `size` bytes, in hex."""
    found = hashlib.sha256()
    for piece in pieces(size):
        found.update(piece)
    return found.hexdigest()
