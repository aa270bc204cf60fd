"""Limits and timeouts: frozen, named, and in proportion to one another."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

import toolkit
from toolkit.errors import UseError
from toolkit.protocol.limits import FormLimits, Limits, Timeouts


@pytest.mark.parametrize("kind", [Limits, Timeouts])
def test_they_are_frozen_values(kind: type[Limits] | type[Timeouts]) -> None:
    one = kind()
    first = dataclasses.fields(one)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, first, 1)
    with pytest.raises(TypeError):
        kind(1)  # type: ignore[call-arg]  # by name alone: their order says nothing
    assert one == kind()
    assert hash(one) == hash(kind())
    assert pickle.loads(pickle.dumps(one)) == one


def test_the_public_face_offers_these() -> None:
    assert (toolkit.Limits, toolkit.Timeouts) == (Limits, Timeouts)


@pytest.mark.parametrize("field", dataclasses.fields(Limits), ids=lambda field: field.name)
def test_every_limit_bounds_something(field: dataclasses.Field[int | None]) -> None:
    value = getattr(Limits(), field.name)
    assert value is None if field.name == "body" else value > 0


@pytest.mark.parametrize("field", dataclasses.fields(Timeouts), ids=lambda field: field.name)
def test_every_timeout_is_some_time(field: dataclasses.Field[float | None]) -> None:
    value = getattr(Timeouts(), field.name)
    assert value is None if field.name == "total" else value > 0


def test_proportions() -> None:
    limits, times = Limits(), Timeouts()
    assert limits.target >= 8000  # RFC 9112 3 recommends at least so much
    assert limits.head > limits.target
    assert limits.drain <= limits.read_mark  # what is thrown away is never more than what may be buffered
    assert limits.decode_step <= limits.read_mark
    assert limits.chunk_line <= limits.chunk_extensions
    assert times.expect is not None
    assert times.read is not None
    assert times.expect < times.read


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        (Limits, {"body": "10M"}, r"Limits\(body='10M'\): expected a whole number from 0 on, or None"),
        (Limits, {"head": -1}, r"Limits\(head=-1\): expected a whole number from 0 on"),
        (Limits, {"head": None}, r"Limits\(head=None\): expected a whole number from 0 on"),
        (Limits, {"body": 1e6}, r"Limits\(body=1000000.0\): expected a whole number"),
        (Limits, {"fields": True}, r"Limits\(fields=True\): expected a whole number"),
        (Timeouts, {"read": "3"}, r"Timeouts\(read='3'\): expected seconds from 0 on, or None"),
        (Timeouts, {"grace": float("nan")}, r"Timeouts\(grace=nan\): expected seconds"),
        (FormLimits, {"file": "1 MiB"}, r"FormLimits\(file='1 MiB'\): expected a whole number from 0 on, or None"),
    ],
)
def test_what_is_no_bound_is_refused_where_it_is_written(kind: type[object], given: dict[str, Any], why: str) -> None:
    with pytest.raises(UseError, match=why):
        kind(**given)


def test_bounds_may_be_none_fractions_and_nothing() -> None:
    assert Timeouts(total=None, read=0.5, grace=0).read == 0.5
    assert Limits(body=0, drain=0).drain == 0
    assert FormLimits(file=None).file is None
