"""The public suffix list: domains under which strangers have theirs (publicsuffix.org). A package brings it.

`com` and `co.uk` are such domains, and so is `github.io`: a cookie for all of one would go to everybody there. Nobody
can tell them by their looks, and a list that is not kept up is wrong both ways, so there is none of our own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["public_suffixes"]


@cache  # reading the list takes some 35 ms
def public_suffixes() -> Callable[[str], bool] | None:
    """Tells of a domain (lower case, IDNA) whether it is one; None where `publicsuffixlist` is not installed.

    What no rule knows counts as one if it is a single label (`localhost`, a network's own `corp`).
    """
    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError:
        return None
    known = PublicSuffixList()

    def is_public(domain: str) -> bool:
        # A trailing dot is the same place in the DNS, and another text to the list.
        return known.is_public(domain.removesuffix("."))

    return is_public
