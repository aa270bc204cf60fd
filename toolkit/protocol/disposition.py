"""Content-Disposition: what a file is to be called where it is saved (RFC 6266, RFC 8187). Pure."""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

__all__ = ["content_disposition"]

#: RFC 8187 3.2.1, attr-char: what stands for itself beside letters and digits.
ATTR_CHAR: Final = "!#$&+-.^_`|~"


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
