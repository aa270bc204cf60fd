"""Media types by ending, and which of them are compressed."""

from __future__ import annotations

import pytest

from toolkit.protocol.media_types import COMPRESSIBLE, NOT_COMPRESSIBLE, TYPES, is_compressible, media_type_of
from toolkit.protocol.negotiate import parse_media_ranges


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("INDEX.HTML", "text/html; charset=utf-8"),
        ("app.min.js", "text/javascript; charset=utf-8"),  # RFC 9239
        ("module.mjs", "text/javascript; charset=utf-8"),
        ("data.json", "application/json"),  # RFC 8259 11: no charset
        ("logo.svg", "image/svg+xml"),
        ("font.woff2", "font/woff2"),  # RFC 8081
        ("module.wasm", "application/wasm"),  # what browsers compile while it comes
        ("archive.tar.gz", "application/gzip"),
        ("README", "application/octet-stream"),
        ("odd.ending", "application/octet-stream"),
        ("trailing.", "application/octet-stream"),
        (".html", "text/html; charset=utf-8"),
    ],
)
def test_a_name_has_a_type(name: str, expected: str) -> None:
    assert media_type_of(name) == expected


def test_own_types_go_first() -> None:
    own = {"glb": "model/gltf-binary", ".txt": "text/x-log", "html": "text/html; charset=latin-1"}
    assert media_type_of("a.glb", own) == "model/gltf-binary"
    assert media_type_of("a.txt", own) == "text/x-log; charset=utf-8"
    assert media_type_of("a.html", own) == "text/html; charset=latin-1"
    assert media_type_of("a.css", own) == "text/css; charset=utf-8"
    assert media_type_of("a.css", charset="") == "text/css"
    assert media_type_of("README", {"": "text/plain"}) == "text/plain; charset=utf-8"


def test_the_tables_are_of_media_types() -> None:
    names = [*TYPES.values(), *COMPRESSIBLE, *NOT_COMPRESSIBLE]
    assert [name for name in names if len(parse_media_ranges(name)) != 1 or name != name.lower()] == []


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/html; charset=utf-8", True),
        ("TEXT/CSS", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("image/svg+xml;charset=utf-8", True),
        ("application/wasm", True),
        ("font/ttf", True),
        ("font/woff2", False),
        ("image/png", False),
        ("video/mp4", False),
        ("application/zip", False),
        ("application/octet-stream", False),
        ("text/event-stream", False),
        ("", False),
    ],
)
def test_what_is_compressed(content_type: str, expected: bool) -> None:
    assert is_compressible(content_type) is expected
