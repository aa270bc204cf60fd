"""Content-Disposition: what a file is to be called where it is saved (RFC 6266, RFC 8187). Pure.

How it works. One end says a name (`content_disposition`), the other reads it (`disposition_filename`) and makes of it,
or of whatever else a peer calls a thing, a name that is safe for a file system (`safe_filename`): the last part of a
path, nothing hidden, nothing that a terminal or another system reads as more than a name, short enough.
"""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

from toolkit.protocol.parameters import extended_value, parameter_list

__all__ = ["content_disposition", "disposition_filename", "safe_filename"]

#: RFC 8187 3.2.1, attr-char: what stands for itself beside letters and digits.
ATTR_CHAR: Final = "!#$&+-.^_`|~"
#: What file systems of Windows do not take (Linux takes all but the slash); names travel from one to the other.
NOT_IN_NAMES: Final = frozenset('<>:"|?*')
#: Names of devices, with or without an extension.
DEVICES: Final = frozenset(["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))])
#: Bytes of a name. File systems take 255; what a download adds to it while it is unfinished needs room.
LONGEST: Final = 230
LONGEST_SUFFIX: Final = 32  #: bytes of what is kept as an extension when a name is cut


def content_disposition(filename: str | None = None, *, inline: bool = False) -> str:
    """The field's value: to be shown (`inline`) or to be saved, under `filename` where there is one.

    Only what stands behind the last slash counts; controls become `_`. A name that is not plain ASCII goes out twice:
    as `filename*`, which every agent of today reads, and as near to it as ASCII comes. So does one with a percent sign
    or a quote, which agents read differently (RFC 6266 D).
    """
    kind = "inline" if inline else "attachment"
    if filename is None:
        return kind
    name = "".join("_" if unicodedata.category(c) in ("Cc", "Cs") else c for c in filename)
    name = name.replace("\\", "/").rpartition("/")[2].strip(" .") or "_"
    plain = _ascii(name)
    simple = f'{kind}; filename="{plain}"'
    return simple if plain == name else f"{simple}; filename*=UTF-8''{quote(name, safe=ATTR_CHAR)}"


def _ascii(name: str) -> str:
    """The name without what a quoted string cannot hold, or is read differently in one."""
    plain = []
    for character in name:
        bare = unicodedata.normalize("NFKD", character)[0]
        plain.append(bare if " " <= bare <= "~" and bare not in '"%\\/' else "_")
    return "".join(plain).strip(" .") or "_"


def disposition_filename(value: str) -> str | None:
    """The file's name that a Content-Disposition field states, as it stands there; None without one.

    `filename*` counts before `filename` (RFC 6266 4.3), unless it cannot be read; of a repeated parameter the first.
    Bytes beyond ASCII in `filename` are UTF-8 where they can be, as servers send them, ISO-8859-1 otherwise.
    """
    at = value.find(";")
    if at < 0:
        return None
    parameters, _ = parameter_list(value, at)
    found: dict[str, str] = {}
    for name, text in parameters:
        found.setdefault(name, text)
    extended = extended_value(found["filename*"]) if "filename*" in found else None
    if extended is not None:
        return extended
    plain = found.get("filename")
    if plain is None or plain.isascii():
        return plain
    try:
        return plain.encode("latin-1").decode()
    except UnicodeError:
        return plain


def safe_filename(name: str) -> str:
    """A name to save a file under, made of what a peer calls it; "" where nothing is left.

    The last part of a path, of either kind of slash; without leading dots (hidden files) and without spaces and dots at
    its end; controls, characters that are not shown and those that some file system refuses become `_`, as does what
    would be a device. At most 230 bytes of UTF-8, the extension kept. RFC 6266 4.3 asks for all of it.
    """
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    # Not printable: controls, separators but the space, format (a right-to-left override makes `gpj.exe` of `exe.jpg`).
    kept = "".join(c if c.isprintable() and c not in NOT_IN_NAMES else "_" for c in name)
    kept = kept.strip().strip(". ")
    if kept.partition(".")[0].rstrip(" ").lower() in DEVICES:
        kept = f"_{kept}"
    return _shortened(kept)


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) >= LONGEST_SUFFIX:
        stem, dot, suffix = name, "", ""
    room = LONGEST - len((dot + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + suffix
