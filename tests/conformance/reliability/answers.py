"""A strict reader of what a server sent: anything malformed in it is an AssertionError."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Answer", "parse_answers"]

# RFC 9112 4; only the versions and statuses that a server of HTTP/1.x may send.
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
# RFC 9112 5 without obs-fold, RFC 9110 5.5: no control character but HTAB in a value.
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})")
BODYLESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Answer:
    """One final answer as it stood on the wire."""

    status: int
    reason: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool
    interim: tuple[int, ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The values of a field, joined by commas; None when it is absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def closes(self) -> bool:
        """Whether the answer announces the end of the connection."""
        return "close" in (self.get("connection") or "").lower()

    @property
    def undated(self) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        """What must be the same however the request was delivered."""
        return self.status, tuple(pair for pair in self.headers if pair[0] not in FRAMING_AND_DATE), self.body


FRAMING_AND_DATE = frozenset({"date"})


def parse_answers(data: bytes, *, clean: bool = True, methods: tuple[str, ...] = (), cut: bool = False) -> list[Answer]:
    """The answers in `data`, in order; `clean` says whether the stream ended by FIN (else by a reset).

    `methods` are those of the requests, as far as they matter: an answer to HEAD has no body. `cut`: the client may
    have left inside a message, so that an interim answer need not be followed by a final one.
    """
    answers: list[Answer] = []
    interim: list[int] = []
    while data:
        end = data.find(b"\r\n\r\n")
        assert end >= 0, f"the stream ends inside a head: {data!r}"
        version, status, reason, headers = _head(data[: end + 2])
        data = data[end + 4 :]
        if status < 200:
            assert status != 101, "101 is nothing these tests ask for"
            assert not any(name in ("content-length", "transfer-encoding") for name, _ in headers), headers
            interim.append(status)
            continue
        method = methods[len(answers)] if len(answers) < len(methods) else ""
        body, complete, trailers, data = _body(status, method, headers, data, clean)
        answers.append(Answer(status, reason, version, headers, body, complete, tuple(interim), trailers))
        interim = []
        assert complete or not data, "nothing can follow an incomplete answer"
    assert cut or not interim, f"interim answers {interim} without a final one"
    return answers


def _head(block: bytes) -> tuple[str, int, str, tuple[tuple[str, str], ...]]:
    first, *lines = block[:-2].split(b"\r\n")
    match = STATUS_LINE.fullmatch(first)
    assert match, f"not a status line: {first!r}"
    minor, status, reason = match.groups()
    return "1." + minor.decode(), int(status), reason.decode("latin-1"), _fields(lines)


def _fields(lines: list[bytes]) -> tuple[tuple[str, str], ...]:
    fields: list[tuple[str, str]] = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        assert match, f"not a field line: {line!r}"
        name, value = match.groups()
        fields.append((name.decode().lower(), value.decode("latin-1")))
    return tuple(fields)


def _body(
    status: int, method: str, headers: tuple[tuple[str, str], ...], data: bytes, clean: bool
) -> tuple[bytes, bool, tuple[tuple[str, str], ...], bytes]:
    lengths = [value for name, value in headers if name == "content-length"]
    codings = [value for name, value in headers if name == "transfer-encoding"]
    assert not (lengths and codings), f"both framings in one answer: {headers}"
    assert len(lengths) <= 1, f"repeated content-length: {headers}"
    if status == 204:
        assert not lengths, "RFC 9110 8.6: no content-length in a 204"
        assert not codings, "RFC 9112 6.1: no transfer-encoding in a 204"
    if method == "HEAD" or status in BODYLESS:
        return b"", True, (), data
    if codings:
        assert codings == ["chunked"], codings
        return _chunked(data)
    if lengths:
        assert lengths[0].isascii(), lengths
        assert lengths[0].isdigit(), lengths
        length = int(lengths[0])
        return data[:length], len(data) >= length, (), data[length:]
    return data, clean, (), b""


def _chunked(data: bytes) -> tuple[bytes, bool, tuple[tuple[str, str], ...], bytes]:
    body = bytearray()
    while True:
        line, found, rest = data.partition(b"\r\n")
        if not found:
            return bytes(body), False, (), b""
        assert CHUNK_LINE.fullmatch(line), f"not a chunk-size line: {line!r}"
        size = int(line, 16)
        if size == 0:
            return _trailers(bytes(body), rest)
        body += rest[:size]
        if len(rest) < size + 2:
            return bytes(body), False, (), b""
        assert rest[size : size + 2] == b"\r\n", f"a chunk is not followed by CRLF: {rest[size : size + 2]!r}"
        data = rest[size + 2 :]


def _trailers(body: bytes, data: bytes) -> tuple[bytes, bool, tuple[tuple[str, str], ...], bytes]:
    if data.startswith(b"\r\n"):
        return body, True, (), data[2:]
    section, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return body, False, (), b""
    return body, True, _fields(section.split(b"\r\n")), rest
