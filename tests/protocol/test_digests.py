"""Digest fields: RFC 9530 2, 3 and 5, as dictionaries of RFC 9651."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.protocol.digests import Digest, format_digest, parse_digests

CONTENT = b'{"hello": "world"}\n'  # RFC 9530 B.1
SHA256 = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
D256 = Digest("sha256", hashlib.sha256(CONTENT).digest())
D512 = Digest("sha512", hashlib.sha512(CONTENT).digest())
W256, W512 = format_digest("sha-256", D256.value), format_digest("sha-512", D512.value)


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("9530 B.1", f"sha-256=:{SHA256}:", [D256]),
        ("9530 3", W256, [D256]),
        ("9530 3 (the stronger first)", f"{W256},{W512}", [D512, D256]),
        ("9530 3", f" {W512} , {W256} ", [D512, D256]),
        ("9530 5 (insecure)", "md5=:Sd/dVLAcvNLSq16eXua5uQ==:", []),
        ("9530 5 (insecure beside a strong one)", f"md5=:Sd/dVLAcvNLSq16eXua5uQ==:, {W256}", [D256]),
        ("9530 5 (unknown)", f"x-new=:AAAA:, {W256}", [D256]),
        ("9530 5 (another size)", "sha-256=:AAAA:", []),
        ("9651 3.1.2 (parameters)", f"{W256};a=1", [D256]),
        ("9651 3.2 (the last counts)", f"sha-256=:AAAA:, {W256}", [D256]),
        ("9651 4.2 (no byte sequence)", "sha-256=abc", []),
        ("9651 4.2 (no base64)", "sha-256=:a:", []),
        ("9651 4.2 (one wrong, all wrong)", f"{W256}, x", []),
        ("9651 4.2 (upper case)", f"SHA-256=:{SHA256}:", []),
        ("9651 4.2", "", []),
    ],
)
def test_digests(section: str, value: str, expected: list[Digest]) -> None:
    assert parse_digests(value) == expected, section


@given(st.text(alphabet="sha-256=:,;AQ+/ ", max_size=60))
def test_nothing_raises(value: str) -> None:
    assert isinstance(parse_digests(value), list)
