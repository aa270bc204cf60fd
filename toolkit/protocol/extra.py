"""Extra: what few exchanges have. An exchange keeps one reference to it, None until something is put here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.protocol.fields import Fields

__all__ = ["Extra"]


class Extra:
    """What an application adds to an exchange beside its messages, and what was read out of them and is kept."""

    __slots__ = ("before_head", "cookies", "failing", "fields", "form", "host", "on_answer", "request_id", "session")

    def __init__(self) -> None:
        self.fields: Fields = []  # they go out with the head, whoever sends it
        self.before_head: list[Callable[[], object]] = []  # called once, right before the head is formed
        self.cookies: dict[str, str] | None = None  # of the inbound head
        self.form: object = None  # of the inbound body
        self.session: object = None
        self.request_id: str | None = None
        self.host: str | None = None  # that was asked for, by the word of a trusted proxy
        self.on_answer: Callable[[object], None] | None = (
            None  # told of a whole answer that is awaited, as it was given
        )
        self.failing = False  # an error handler of the application runs: what it raises is not given to another

    def take(self) -> Fields:
        """The fields that go out with the head that is being formed."""
        waiting, self.before_head = self.before_head, []  # one that fails is not called again by the error's answer
        for call in waiting:
            call()
        return self.fields
