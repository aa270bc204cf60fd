"""Status codes and their reason phrases (RFC 9110 15, and the registry behind it)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from toolkit.errors import LocalProtocolError

__all__ = ["REASONS", "STATUS_LINES", "reason_phrase", "status_line"]

REASONS: Final[dict[int, str]] = {s.value: s.phrase for s in HTTPStatus} | {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}

# RFC 9112 2.3: a server sends its own highest version, whatever the request's was.
STATUS_LINES: Final[dict[int, bytes]] = {
    code: b"HTTP/1.1 %d %b\r\n" % (code, phrase.encode("ascii")) for code, phrase in REASONS.items()
}


def reason_phrase(status: int) -> str:
    """The registered phrase, or "" for a status that has none."""
    return REASONS.get(status, "")


def status_line(status: int) -> bytes:
    """Raises `LocalProtocolError` unless `status` has three digits and is at least 100."""
    line = STATUS_LINES.get(status)
    if line is not None:
        return line
    if not isinstance(status, int) or not 100 <= status <= 999:
        raise LocalProtocolError(f"status {status!r}: expected a number from 100 to 999")
    return b"HTTP/1.1 %d \r\n" % status
