"""Media types by the ending of a file's name, and which of them are worth compressing. Pure look-ups.

The table is our own: what the standard library says depends on the machine's mime.types, and the same file would be
served differently by two servers. It holds what is on web sites; everything else is application/octet-stream, which
browsers offer to save. Text is said to be UTF-8, as all of it is these days (WHATWG Encoding: "use UTF-8").
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OCTETS", "is_compressible", "media_type_of"]

OCTETS: Final = "application/octet-stream"

TYPES: Final[dict[str, str]] = {
    # pages, and what makes them
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "application/xhtml+xml",
    "css": "text/css",
    "js": "text/javascript",  # RFC 9239
    "mjs": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "jsonld": "application/ld+json",
    "webmanifest": "application/manifest+json",
    "geojson": "application/geo+json",
    "wasm": "application/wasm",
    "xml": "application/xml",
    "xsl": "application/xml",
    "xsd": "application/xml",
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    # text
    "txt": "text/plain",
    "text": "text/plain",
    "log": "text/plain",
    "ini": "text/plain",
    "conf": "text/plain",
    "py": "text/plain",  # to be read
    "c": "text/plain",
    "h": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "vtt": "text/vtt",
    "ics": "text/calendar",
    "vcf": "text/vcard",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "toml": "application/toml",
    "jsonl": "application/jsonl",
    "ndjson": "application/x-ndjson",
    # images
    "png": "image/png",
    "apng": "image/apng",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "jxl": "image/jxl",
    "heic": "image/heic",
    "svg": "image/svg+xml",
    "ico": "image/vnd.microsoft.icon",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    # sound and film
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "mid": "audio/midi",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "webm": "video/webm",
    "ogv": "video/ogg",
    "mov": "video/quicktime",
    "mkv": "video/matroska",
    "avi": "video/x-msvideo",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "ts": "video/mp2t",
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    # fonts
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "ttc": "font/collection",
    "eot": "application/vnd.ms-fontobject",
    # documents
    "pdf": "application/pdf",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    # archives; gzip is a type here, not a coding: whoever asks for x.tar.gz wants that file
    "zip": "application/zip",
    "gz": "application/gzip",
    "tgz": "application/gzip",
    "zst": "application/zstd",
    "bz2": "application/x-bzip2",
    "xz": "application/x-xz",
    "tar": "application/x-tar",
    "7z": "application/x-7z-compressed",
    "rar": "application/vnd.rar",
    "jar": "application/java-archive",
    "apk": "application/vnd.android.package-archive",
    "sqlite": "application/vnd.sqlite3",
}

#: Beside text/* and whatever ends in +json, +xml or +yaml. Images, film, woff and archives are compressed already.
COMPRESSIBLE: Final = frozenset(
    [
        "application/javascript",
        "application/json",
        "application/jsonl",
        "application/rtf",
        "application/toml",
        "application/vnd.apple.mpegurl",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-javascript",
        "application/x-ndjson",
        "application/xml",
        "application/yaml",
        "font/collection",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/vnd.microsoft.icon",
        "image/x-icon",
    ]
)
#: Streams of events are flushed one by one, and proxies that undo a coding hold them back.
NOT_COMPRESSIBLE: Final = frozenset(["text/event-stream"])


def media_type_of(name: str, own: Mapping[str, str] | None = None, charset: str = "utf-8") -> str:
    """The content type of a file of this name, with its charset where it is text.

    `own` goes first: types by ending, with or without its dot, in lower case ({"glb": "model/gltf-binary"}); what has
    a parameter already keeps it. An empty `charset` adds none.
    """
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    found = None
    if own:
        found = own.get(ending) or own.get(f".{ending}")
    if found is None:
        found = TYPES.get(ending, OCTETS)
    return f"{found}; charset={charset}" if charset and found.startswith("text/") and ";" not in found else found


@lru_cache(maxsize=256)  # an application has a dozen, and asks at each large answer
def is_compressible(content_type: str) -> bool:
    """Whether bodies of this content type become smaller; parameters have no say."""
    name = content_type.partition(";")[0].strip(" \t").lower()
    if name.startswith("text/"):
        return name not in NOT_COMPRESSIBLE
    return name in COMPRESSIBLE or name.endswith(("+json", "+xml", "+yaml"))
