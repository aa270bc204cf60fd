"""What `-w` writes when a request is done: curl's `%{name}`, `%header{name}`, and the escapes of its text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from toolkit.protocol.headers import Headers

__all__ = ["NAMES", "Done", "check_format", "write_out"]

PART: Final = re.compile(r"%%|%\{([^}]*)\}|%header\{([^}]*)\}|\\([nrt\\])")
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Done:
    """A request that is done, by curl's names; times in seconds from its beginning, sizes in bytes."""

    url: str
    url_effective: str
    method: str
    http_code: int
    http_version: str
    content_type: str
    num_redirects: int
    redirect_url: str
    size_download: int
    size_upload: int
    size_header: int
    speed_download: int
    time_starttransfer: float
    time_total: float
    filename_effective: str
    exitcode: int
    errormsg: str


NAMES: Final = (*Done.__dataclass_fields__, "response_code", "json", "header_json")


def check_format(text: str) -> str:
    """The same. Raises ValueError that lists the names for one that is none."""
    for _, name in ((found[0], found[1]) for found in PART.finditer(text) if found[1] is not None):
        if name not in NAMES:
            raise ValueError(f"%{{{name}}} is none of: {', '.join(sorted(NAMES))}")
    return text


def write_out(text: str, done: Done, headers: Headers) -> str:
    """`text` with its names replaced."""

    def put(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found[3] is not None:
            return ESCAPES[found[3]]
        if found[2] is not None:
            return headers.get(found[2], "")
        return _value(found[1], done, headers)

    return PART.sub(put, text)


def _value(name: str, done: Done, headers: Headers) -> str:
    if name == "json":
        return orjson.dumps({key: getattr(done, key) for key in Done.__dataclass_fields__}).decode()
    if name == "header_json":
        return orjson.dumps({key.lower(): headers.get_all(key) for key in headers}).decode()
    value = getattr(done, {"response_code": "http_code"}.get(name, name))
    if name == "http_code":
        return f"{value:03}"
    return f"{value:.6f}" if isinstance(value, float) else str(value)
