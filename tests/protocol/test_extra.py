"""Extra: what waits for the head is called once, and what it adds goes out with it."""

from __future__ import annotations

import pytest

from toolkit.protocol.extra import Extra


def test_what_waits_for_the_head_is_called_once_and_may_add_fields() -> None:
    extra = Extra()
    extra.fields.append((b"a", b"1"))
    extra.before_head.append(lambda: extra.fields.append((b"b", b"2")))
    assert extra.take() == [(b"a", b"1"), (b"b", b"2")]
    assert extra.take() == [(b"a", b"1"), (b"b", b"2")]


def test_one_that_fails_does_not_fail_the_errors_answer_too() -> None:
    extra = Extra()

    def fail() -> None:
        raise ValueError("no")

    extra.before_head.append(fail)
    with pytest.raises(ValueError, match="no"):
        extra.take()
    assert extra.take() == []
