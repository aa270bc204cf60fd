"""The list of public suffixes, as the package brings it, and what is done without."""

from __future__ import annotations

import sys

import pytest

from toolkit.client.public_suffix import public_suffixes


@pytest.mark.parametrize(
    ("rule", "domain", "public"),
    [
        ("a top-level domain", "com", True),
        ("two labels", "co.uk", True),
        ("a private registry", "github.io", True),
        ("a name under one", "someone.github.io", False),
        ("a registered name", "example.com", False),
        ("a wildcard", "anything.kawasaki.jp", True),
        ("its exception", "city.kawasaki.jp", False),
        ("IDNA", "xn--p1ai", True),
        ("no rule, one label", "localhost", True),
        ("no rule, one label", "corp", True),
        ("no rule, two labels", "host.corp", False),
        ("a trailing dot", "co.uk.", True),
        ("a trailing dot", "example.com.", False),
    ],
)
def test_the_list_is_asked(rule: str, domain: str, public: bool) -> None:
    known = public_suffixes()
    assert known is not None
    assert known(domain) is public


def test_without_the_package_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    public_suffixes.cache_clear()
    try:
        assert public_suffixes() is None
    finally:
        public_suffixes.cache_clear()
