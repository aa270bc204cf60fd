"""What a family of connections shares: limits, timeouts, the clock, and the deadlines they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.protocol.aio.tls import Room

if TYPE_CHECKING:
    from toolkit.protocol.aio.clock import Clock, Deadline, Watched
    from toolkit.protocol.exchange import Exchange
    from toolkit.protocol.limits import Limits, Timeouts

__all__ = ["Watch"]


class Watch:
    """One per running application or session; connections hold it rather than copies of what is in it."""

    __slots__ = (
        "clock",
        "connections",
        "deadlines",
        "keep_alive",
        "limits",
        "linger",
        "read",
        "room",
        "timeouts",
        "write",
    )

    def __init__(self, clock: Clock, limits: Limits, timeouts: Timeouts) -> None:
        self.clock = clock
        self.limits = limits
        self.timeouts = timeouts
        self.room = Room()
        self.write = clock.deadline("write", timeouts.write)
        self.linger = clock.deadline("linger", timeouts.linger)
        self.keep_alive = clock.deadline("keep_alive", timeouts.keep_alive)
        self.read = clock.deadline("read", timeouts.read)
        self.deadlines: list[Deadline] = [self.write, self.linger, self.keep_alive, self.read]

    def read_of(self, x: Exchange) -> Deadline:
        """The deadline of a reader of this exchange."""
        return self.read

    def write_of(self, x: Exchange | None) -> Deadline:
        """The deadline of bytes that wait for the kernel; those of `x` if there is one."""
        return self.write

    def forget(self, watched: Watched) -> None:
        """A connection is gone: none of its deadlines runs on."""
        for deadline in self.deadlines:
            deadline.stop(watched)
