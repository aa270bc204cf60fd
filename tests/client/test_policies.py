"""What holds for every request of a session: told from nothing, and handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit.client.policies import Policies, make_policies
from toolkit.client.redirects import Redirects
from toolkit.client.retries import Retries
from toolkit.errors import UseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from toolkit.client.policies import Outgoing
    from toolkit.client.response import Response
    from toolkit.protocol.headers import HeadersLike


class Nothing:
    """A policy of each kind that does nothing."""

    def prepare(self, request: Outgoing) -> HeadersLike | None:
        return None

    def answer(self, request: Outgoing, answer: Response) -> HeadersLike | None:
        return None

    def fields_for(self, url: URL) -> HeadersLike | None:
        return None

    def store(self, url: URL, values: Sequence[str]) -> None:
        return None

    async def on_request(self, request: Outgoing) -> HeadersLike | None:
        return None

    async def on_answer(self, answer: Response) -> None:
        return None


def test_no_policies_are_none_at_all() -> None:
    assert make_policies() is None
    assert not Policies().any()


@pytest.mark.parametrize(
    "policies",
    [
        make_policies(auth=Nothing()),
        make_policies(cookies=Nothing()),
        make_policies(hooks=Nothing()),
        make_policies(redirects=Redirects()),
        make_policies(retries=Retries()),
        make_policies(raise_for_status=True),
    ],
)
def test_one_of_them_is_enough(policies: Policies | None) -> None:
    assert policies is not None
    assert policies.any()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"redirects": True}, r"redirects=True: expected Redirects\(...\) or None"),
        ({"retries": 3}, r"retries=3: expected Retries\(...\) or None"),
        ({"retries": Redirects()}, r"retries=Redirects\(.*\): expected Retries"),
    ],
)
def test_what_is_no_policy_is_a_use_error(options: dict[str, object], expected: str) -> None:
    with pytest.raises(UseError, match=expected):
        make_policies(**options)  # type: ignore[arg-type]  # the mistakes themselves
