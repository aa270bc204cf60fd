"""A second, slow and strict reading of RFC 9112: what the bytes of either side may at most be taken for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Reading", "Seen", "read_answer", "read_requests"]

REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([0-9])")
STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?")
CHUNK_EXTENSION = rb'[ \t]*;[ \t]*[!#$%&\'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*=[ \t]*(?:[!#$%&\'*+\-.^_`|~0-9A-Za-z]+|"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*"))?'  # noqa: E501 - one grammar rule
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)(?:" + CHUNK_EXTENSION + rb")*")


class Fault(Exception):
    """The bytes are no HTTP/1.x request, or not yet a whole one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request of a stream."""

    method: bytes
    target: bytes
    body: bytes


@dataclass(slots=True)
class Reading:
    """The most that a stream may be taken for: heads in order, and those whose body is whole."""

    heads: list[tuple[bytes, bytes]] = field(default_factory=list)
    whole: list[Seen] = field(default_factory=list)


def read_requests(data: bytes) -> Reading:
    """Read until the first fault, the first cut or the first request that ends the connection."""
    reading = Reading()
    try:
        while data:
            while data.startswith(b"\r\n"):  # RFC 9112 2.2: an empty line before the request line may be ignored
                data = data[2:]
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                break
            method, target, minor, fields = _head(head)
            length = _framing(minor, fields)
            reading.heads.append((method, target))
            body, data = _chunked(data) if length is None else _sized(data, length)
            reading.whole.append(Seen(method, target, body))
            if not _persistent(minor, fields):
                break
    except Fault:
        pass
    return reading


def read_answer(data: bytes) -> tuple[int, bytes] | None:
    """The status and the body of the final answer at the start of `data`, which ends in a FIN; None: there is none."""
    try:
        while True:
            while data.startswith(b"\r\n"):  # left behind by old servers; nothing can hide in it
                data = data[2:]
            head, found, data = data.partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            match = STATUS_LINE.fullmatch(first)
            if not found or not match:
                return None
            fields = _fields(lines)
            status = int(match[2])
            if status >= 200:
                break
            if status == 101:
                return None
        if status in (204, 304):
            return status, b""
        names = {name for name, _ in fields}
        if not names & {b"content-length", b"transfer-encoding"}:
            return status, data
        length = _framing(int(match[1]), fields)
        return status, (_chunked(data) if length is None else _sized(data, length))[0]
    except Fault:
        return None


def _head(block: bytes) -> tuple[bytes, bytes, int, list[tuple[bytes, bytes]]]:
    first, *lines = block.split(b"\r\n")
    match = REQUEST_LINE.fullmatch(first)
    if not match:
        raise Fault(first)
    fields = _fields(lines)
    minor = int(match[3])
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (minor > 0 and not hosts) or not all(HOST.fullmatch(host) for host in hosts):
        raise Fault(hosts)
    return match[1], match[2], minor, fields


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, bytes]] = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        if not match:
            raise Fault(line)
        fields.append((match[1].lower(), match[2]))
    return fields


def _elements(fields: list[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    joined = b",".join(value for name, value in fields if name == wanted)
    return [part for element in joined.split(b",") if (part := element.strip(b" \t").lower())]


def _framing(minor: int, fields: list[tuple[bytes, bytes]]) -> int | None:
    """The body's length; None for chunked."""
    names = {name for name, _ in fields}
    if b"transfer-encoding" in names:
        if _elements(fields, b"transfer-encoding") != [b"chunked"] or b"content-length" in names or minor == 0:
            raise Fault("transfer-encoding")
        return None
    lengths = {part.strip(b" \t") for name, value in fields if name == b"content-length" for part in value.split(b",")}
    if not lengths:
        return 0
    if not all(re.fullmatch(rb"[0-9]{1,19}", value) for value in lengths) or len({int(value) for value in lengths}) > 1:
        raise Fault("content-length")
    return int(lengths.pop())


def _sized(data: bytes, length: int) -> tuple[bytes, bytes]:
    if len(data) < length:
        raise Fault("cut")
    return data[:length], data[length:]


def _chunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        match = CHUNK_LINE.fullmatch(line)
        if not found or not match:
            raise Fault(line)
        size = int(match[1], 16)
        if size == 0:
            break
        if data[size : size + 2] != b"\r\n":
            raise Fault("no CRLF behind a chunk")
        body, data = body + data[:size], data[size + 2 :]
    if data.startswith(b"\r\n"):
        return body, data[2:]
    section, found, data = data.partition(b"\r\n\r\n")
    if not found:
        raise Fault("cut trailers")
    _fields(section.split(b"\r\n"))
    return body, data


def _persistent(minor: int, fields: list[tuple[bytes, bytes]]) -> bool:
    options = _elements(fields, b"connection")
    return b"close" not in options and (minor > 0 or b"keep-alive" in options)
