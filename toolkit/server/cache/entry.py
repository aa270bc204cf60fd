"""Entry: an answer that is kept, with what must be known to give it to somebody else; and its form for other places.

An entry with status 0 is no answer. It says that the answers to be had at its key depend on the fields in `vary`: what
is asked for is looked up once more, with the request's values of these (RFC 9111 4.1).

Outside of this process an entry is bytes: a line that says what this is, with a digest of all that follows; a line of
JSON; the body. Whoever reads it back takes nothing on trust: a file may be torn or somebody else's, a server shared.
What is not exactly what was written for this very key is nothing, and fields are checked as if they came from a
handler, for they go out as they are. Nothing of it is ever executed, as a pickle would be.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import orjson

from toolkit.errors import LocalProtocolError
from toolkit.protocol.dates import format_http_date
from toolkit.protocol.fields import encode_pairs, find_field
from toolkit.server.answers import CodedForms, KeptAnswer

if TYPE_CHECKING:
    from toolkit.protocol.fields import Fields
    from toolkit.server.cache.keys import Key

__all__ = ["Entry", "kept_fields", "pack", "unpack"]

MAGIC: Final = b"toolkit answer 1 "
SKEW: Final = 60.0  #: seconds, that the clocks of those who share a store may differ
DIGEST: Final = 32  #: bytes; blake2b does 1 GB/s
# What belongs to one connection or one moment, and not to the answer (RFC 9111 3.1, RFC 9110 7.6.1).
NOT_KEPT: Final = frozenset(
    [
        b"age",
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)


class Entry:
    """An answer since `born`; fresh until `fresh_until`, of some use until `keep_until` (seconds since 1970)."""

    __slots__ = (
        "_age",
        "_answer",
        "body",
        "born",
        "coded",
        "fields",
        "final",
        "fresh_until",
        "keep_until",
        "status",
        "vary",
    )

    def __init__(
        self,
        status: int,
        fields: Fields,
        body: bytes,
        born: float,
        fresh_until: float,
        keep_until: float,
        vary: tuple[str, ...] = (),
        final: bool = False,
    ) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.born = born
        self.fresh_until = fresh_until
        self.keep_until = keep_until
        self.vary = vary
        self.final = final  # its body goes out as it is
        self.coded = CodedForms()
        self._age = -1
        self._answer: KeptAnswer | None = None

    @property
    def is_answer(self) -> bool:
        """It is one, and does not say where to look."""
        return self.status != 0

    def is_over(self, now: float) -> bool:
        """It is of no use any more; or was made in a time to come, by a clock that has been put right since."""
        return now >= self.keep_until or self.born > now + SKEW

    @property
    def size(self) -> int:
        """The bytes of its body and its fields."""
        return len(self.body) + sum([len(name) + len(value) for name, value in self.fields])

    def first(self) -> KeptAnswer:
        """The answer for whom it was made."""
        return self._made([*self.fields])

    def answer(self, now: float) -> KeptAnswer:
        """The answer out of the cache, with its age (RFC 9111 5.1): an object of one's own, to do with as one likes."""
        return self._made([*self.fields, (b"age", b"%d" % max(0, int(now - self.born)))])

    def shared_answer(self, now: float) -> KeptAnswer:
        """The same, to be sent and not touched: made once a second at most, however many ask."""
        age = max(0, int(now - self.born))
        if age != self._age or self._answer is None:
            self._age = age
            self._answer = self.answer(now)
        return self._answer

    def _made(self, fields: Fields) -> KeptAnswer:
        answer = KeptAnswer(self.status, fields, self.body, self.coded)
        answer.final = self.final
        return answer


def kept_fields(fields: Fields, body: bytes, born: float) -> Fields:
    """What is kept of an answer's fields: all but those of a connection, and the date that it was made at.

    A length is counted anew, unless there is nothing to count: a HEAD's is that of another answer.
    """
    nominated = {
        option.strip(b" \t").lower()
        for name, value in fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    if body:
        nominated.add(b"content-length")
    kept = [pair for pair in fields if (key := pair[0].lower()) not in NOT_KEPT and key not in nominated]
    if find_field(kept, b"date") is None:
        kept.append((b"date", format_http_date(int(born)).encode("ascii")))
    return kept


def pack(key: Key, entry: Entry) -> bytes:
    """An entry as bytes; `key` goes with it, to be recognised by."""
    facts = {
        "key": list(key),
        "status": entry.status,
        "fields": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in entry.fields],
        "born": entry.born,
        "fresh_until": entry.fresh_until,
        "keep_until": entry.keep_until,
        "vary": entry.vary,
        "final": entry.final,
    }
    content = orjson.dumps(facts) + b"\n" + entry.body
    return MAGIC + _digest(content) + b"\n" + content


def unpack(key: Key, data: bytes) -> Entry | None:
    """The entry that was packed for this key; None for anything else."""
    start = len(MAGIC) + 2 * DIGEST
    if not data.startswith(MAGIC) or data[start : start + 1] != b"\n":
        return None
    content = data[start + 1 :]
    if data[len(MAGIC) : start] != _digest(content):
        return None
    line, _, body = content.partition(b"\n")
    try:
        facts = orjson.loads(line)
        if facts["key"] != list(key):
            return None
        status, vary = facts["status"], tuple(facts["vary"])
        times = [float(facts[name]) for name in ("born", "fresh_until", "keep_until")]
        fields = encode_pairs([(name, value) for name, value in facts["fields"]])
        if not isinstance(status, int) or not (status == 0 or 200 <= status <= 599):
            return None
        if not (all(isinstance(name, str) for name in vary) and isinstance(facts["final"], bool)):
            return None
    except (ValueError, TypeError, KeyError, LocalProtocolError):
        return None
    return Entry(status, fields, body, times[0], times[1], times[2], vary, facts["final"])


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST).hexdigest().encode("ascii")
