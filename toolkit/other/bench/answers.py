"""The reader of answers: bytes cut anywhere in, whole answers out. Pure: no socket, no clock.

A load generator gets the same head thousands of times. So a head that was parsed in full is remembered with what it
said, and where the next bytes are the very same ones (every byte of the head, its CRLFCRLF included), the length is
known without parsing. A head that differs in one byte, be it a new date, is parsed anew by the toolkit's own parser
(llhttp and the framing rules). A chunked answer has no length to know; it is remembered with its body, as far as it is
small and came in one piece. Only an answer that is there in whole is taken in this quick way; everything else (cut
anywhere, ended by the connection, interim, malformed) goes through `ResponseReceiver`, the receiver that the
toolkit's client uses. This is a rule for this load generator only: nothing in the server recognises a
repeated request.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from toolkit.errors import RemoteProtocolError
from toolkit.protocol.framing import CHUNKED, LENGTH, NONE
from toolkit.protocol.head import ResponseHeadParser
from toolkit.protocol.http1 import ResponseReceiver
from toolkit.protocol.limits import Limits

if TYPE_CHECKING:
    from toolkit.protocol.head import ResponseHead
    from toolkit.protocol.headers import Fields

__all__ = ["AnswerReader", "Heads", "Known", "Sink"]

LIMITS: Final = Limits()
MOST_HEADS: Final = 64  # remembered; a server whose every head differs must not fill the memory
MOST_WHOLE: Final = 16 * 1024  # bytes of a chunked answer that is remembered
MOST_REFERENCE: Final = (
    16 * 1024 * 1024
)  # bytes of the first body that the others are compared with; then lengths alone


class Known:
    """A head that was parsed, and what it says of the whole answer.

    `prefix` are the bytes that an answer must begin with to be this one, `total` its length in bytes from the status
    line to the body's end (-1: no answer is this one), `same` False where bodies are checked and this one is wrong.
    `count` is for whoever recognises the answer without asking again.
    """

    __slots__ = ("count", "prefix", "same", "status", "total")

    def __init__(self, prefix: bytes, total: int, status: int, same: bool = True) -> None:
        self.prefix = prefix
        self.total = total
        self.status = status
        self.same = same
        self.count = 0


NOTHING: Final = Known(b"\x00", -1, 0)  # no answer begins so, and none is so short


class Heads:
    """What the connections of one process remember together.

    `latest` is what came last, and what the next answer most likely begins with: a head, or head and body where bodies
    are checked. Only answers after which the connection goes on are remembered; none without `keep_alive`.
    """

    __slots__ = (
        "_bytes",
        "_known",
        "_parser",
        "_statuses",
        "check",
        "keep_alive",
        "latest",
        "length",
        "method",
        "reference",
    )

    def __init__(self, method: str, check: bool = False, keep_alive: bool = True) -> None:
        self.method = method
        self.check = check
        self.keep_alive = keep_alive
        self.latest = NOTHING
        self.reference: bytes | None = None  # the first good body, as far as it is kept, and its length
        self.length = 0
        self._known: dict[bytes, Known] = {}
        self._statuses: Counter[int] = Counter()
        self._bytes = 0
        self._parser = ResponseHeadParser(LIMITS)

    def at(self, data: bytes, pos: int) -> Known | None:
        """The answer that begins at `pos` and is there in whole; None where the receiver has to see to it."""
        known = self.latest
        if data.startswith(known.prefix, pos):
            return known if len(data) - pos >= known.total else None
        end = data.find(b"\r\n\r\n", pos) + 4
        if end < 4 or end - pos > LIMITS.head:
            return None
        block = data[pos:end]
        known = self._known.get(block) or self._parse(block)
        if known.total < 0 or len(data) - pos < known.total:
            return None
        if self.check and 200 <= known.status < 300:  # any other status is an error of its own
            return self._checked(known, data[pos : pos + known.total])
        self.latest = known
        return known

    def _parse(self, block: bytes) -> Known:
        try:
            head = self._parser.parse(block, self.method)
        except RemoteProtocolError:
            return NOTHING  # the receiver will say why
        if head.status < 200 or not (head.keep_alive and self.keep_alive) or head.framing not in (LENGTH, NONE):
            return self._remember(Known(block, -1, head.status))  # not worth another look
        return self._remember(Known(block, len(block) + (head.length if head.framing is LENGTH else 0), head.status))

    def keep(self, answer: bytes, status: int) -> None:
        """These bytes are a whole answer, after which the connection goes on: the same bytes are the same again."""
        if len(answer) <= MOST_WHOLE and self.keep_alive:
            self.latest = self._remember(Known(answer, len(answer), status))

    def _remember(self, known: Known) -> Known:
        if len(self._known) >= MOST_HEADS:
            self._fold()
            for old in self._known.values():
                old.total = -1  # whoever still holds it asks again
            self._known.clear()
            self.latest = NOTHING
        self._known[known.prefix] = known
        return known

    def _checked(self, known: Known, answer: bytes) -> Known:
        """Compare the body once: the same bytes again are then the same answer, body and all."""
        body = answer[len(known.prefix) :]
        if self.reference is None:
            self.learn(body, len(body))
        if not self.is_right(body, 0) or len(body) != self.length:
            return Known(answer, known.total, known.status, same=False)
        self.latest = self._remember(Known(answer, known.total, known.status))
        return self.latest

    def learn(self, body: bytes, length: int) -> None:
        """The first good body (at least its beginning) and its length: all others must equal it."""
        self.reference = body[:MOST_REFERENCE]
        self.length = length

    def is_right(self, piece: bytes, offset: int) -> bool:
        """Whether this is what the first body had there, as far as that was kept."""
        reference = self.reference or b""
        kept = reference[offset : offset + len(piece)]
        return piece.startswith(kept) if offset + len(piece) <= self.length else False

    def _fold(self) -> None:
        for known in self._known.values():
            self._statuses[known.status] += known.count
            self._bytes += known.total * known.count
            known.count = 0

    def take(self) -> tuple[Counter[int], int]:
        """What was counted in the answers' `count` since the last call: answers by status, and their bytes."""
        self._fold()
        statuses, size = +self._statuses, self._bytes
        self._statuses.clear()
        self._bytes = 0
        return statuses, size


class Sink(Protocol):
    """What a reader calls."""

    def on_answer(self, status: int, keep_alive: bool, same: bool) -> None:
        """A whole answer. `same` is False where bodies are checked and this one differs from the first."""

    def on_fault(self, kind: str) -> None:
        """What came is no answer; the connection is of no more use. `kind` is "malformed" or "unasked"."""


class AnswerReader:
    """The answers on one connection. `expected` is how many requests wait for one; the connection counts it."""

    __slots__ = ("_body", "_complete", "_head", "_heads", "_receiver", "_right", "_sink", "_size", "_stopped", "busy")

    def __init__(self, sink: Sink, heads: Heads) -> None:
        self._sink = sink
        self._heads = heads
        self._receiver = ResponseReceiver(self, LIMITS)
        self._head: ResponseHead | None = None
        self._complete = False
        self._stopped = False
        self._size = 0
        self._right = True
        self._body: bytearray | None = None  # of the first good answer, while it comes
        self.busy = False  #: part of an answer has come

    def feed(self, data: bytes, expected: int) -> None:
        """Bytes as they came, while `expected` requests wait for their answers."""
        pos = 0
        while pos < len(data) and not (self.busy or self._stopped):
            if not expected:
                self._fault("unasked")
                return
            known = self._heads.at(data, pos)
            if known is None:
                break
            pos += known.total
            expected -= 1
            self._sink.on_answer(known.status, True, known.same)
        if pos < len(data) and not self._stopped:
            self._receive(data[pos:] if pos else data, expected)

    def eof(self) -> bool:
        """The peer has ended its side. Whether that was the end of an answer."""
        if self.busy and not self._stopped:
            self._receiver.receive_eof()
            if self._complete:
                self._finish()
                return True
        return False

    def stop(self) -> None:
        """Nothing that still comes is of interest."""
        self._stopped = True
        self._receiver.stop()

    def _receive(self, data: bytes, expected: int) -> None:
        receiver = self._receiver
        whole = not self.busy  # so far, these bytes are one answer
        if whole:
            self._expect()
        receiver.receive(data)
        while self._complete and not self._stopped:
            expected -= 1
            head, right = self._finish()
            if self._stopped or not receiver.next_message():
                if whole and right and head.framing is CHUNKED and not self._stopped:
                    self._heads.keep(data, head.status)
                return
            whole = False
            if not expected:
                self._fault("unasked")
                return
            self._expect()
            receiver.resume()

    def _expect(self) -> None:
        self.busy = True
        self._receiver.expect(self._heads.method, False)

    def _finish(self) -> tuple[ResponseHead, bool]:
        """Tell of an answer. Its head, and whether its body is right and the connection goes on."""
        head = self._head
        assert head is not None  # our own invariant: an answer is complete only behind its head
        if self._body is not None:
            self._heads.learn(bytes(self._body), self._size)
        elif self._checking(head):
            self._right = self._right and self._size == self._heads.length
        right = self._right
        self._head, self._body = None, None
        self._complete = self.busy = False
        self._size, self._right = 0, True
        self._sink.on_answer(head.status, head.keep_alive, right)
        return head, right and head.keep_alive

    def _checking(self, head: ResponseHead) -> bool:
        return self._heads.check and 200 <= head.status < 300

    def _fault(self, kind: str) -> None:
        self.stop()
        self._sink.on_fault(kind)

    # -- what the receiver calls -------------------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        """A final head; the body follows, if there is one."""
        self._head = head
        if self._checking(head) and self._heads.reference is None:
            self._body = bytearray()
        self._complete = head.framing is NONE

    def on_message(self, head: ResponseHead, body: bytes) -> None:
        """A final head with its body."""
        self.on_head(head)
        self.on_body(body)
        self.on_end(None, True)

    def on_interim(self, head: ResponseHead) -> None:
        """A 1xx: nothing to count."""

    def on_body(self, data: bytes) -> None:
        """Payload, framing removed."""
        if self._body is not None:
            self._body += data[: MOST_REFERENCE - len(self._body)]
        elif self._heads.check and self._right and self._head is not None and self._checking(self._head):
            self._right = self._heads.is_right(data, self._size)
        self._size += len(data)

    def on_end(self, trailers: Fields | None, complete: bool | None) -> None:
        """The body is over. Where only the connection's end says so, it is taken for whole."""
        self._complete = True

    def on_fault(self, error: RemoteProtocolError) -> None:
        """No answer."""
        self._fault("malformed")

    def on_held(self, size: int) -> None:
        """Bytes of the next answer: `_receive` goes on with them."""
