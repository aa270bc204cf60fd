"""What connections share: their deadlines, and forgetting one that is gone."""

from __future__ import annotations

import pytest

from toolkit.protocol.aio.watch import Watch
from toolkit.protocol.exchange import Exchange
from toolkit.protocol.limits import Limits, Timeouts

from .test_clock import FakeLoop, Watched, clock_of


def test_each_deadline_has_its_duration() -> None:
    clock = clock_of(FakeLoop())
    watch = Watch(clock, Limits(), Timeouts(read=1, write=2, keep_alive=3, linger=None))
    seconds = [one.seconds for one in (watch.read, watch.write, watch.keep_alive, watch.linger)]
    assert seconds == [1, 2, 3, None]
    assert watch.read_of(Exchange(None, "GET", None)) is watch.read
    assert watch.read is Watch(clock, Limits(), Timeouts(read=1)).read  # one queue for all that share a clock


@pytest.mark.parametrize("name", ["read", "write", "keep_alive", "linger"])
def test_one_that_is_gone_is_told_nothing(name: str) -> None:
    loop = FakeLoop()
    watch = Watch(clock_of(loop), Limits(), Timeouts())
    gone, there = Watched(loop), Watched(loop)
    for one in (gone, there):
        getattr(watch, name).start(one)
    watch.forget(gone)
    loop.advance(10_000)
    assert gone.told == []
    assert [kind for kind, _ in there.told] == [name]
