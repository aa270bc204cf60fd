"""Moving whole bodies: what goes by which method, what bounds it, and who is told when one side fails."""

from __future__ import annotations

import asyncio
import gzip
import io
from typing import IO, TYPE_CHECKING, cast

import pytest

from toolkit.errors import Disconnected, LocalProtocolError, UseError
from toolkit.protocol.framing import CHUNKED, CLOSE, LENGTH, Framing
from toolkit.protocol.relay import FILE_BLOCK, ZERO_COPY_FROM
from toolkit.protocol.states import ABORTED, BODY, DONE
from toolkit.protocol.wire import Caps, Moved

from ..helpers.coded import encoded
from ..helpers.fakewire import End, FakeOwner, FakeWire, Running, run
from ..helpers.pair import Pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from toolkit.protocol.exchange import Exchange

BIG = bytes(range(256)) * (ZERO_COPY_FROM // 256) + b"tail"


class ZeroCopyWire(FakeWire):
    """Moves bytes without showing them, and says how many; `takes` bounds a single move."""

    def __init__(self, *, takes: int | None = None) -> None:
        super().__init__(caps=Caps(half_close=True, reset=True, zero_copy=True))
        self.takes = takes
        self.moves: list[tuple[str, int]] = []

    async def send_file(self, x: Exchange, file: IO[bytes], offset: int, count: int) -> int:
        moved = count if self.takes is None else min(count, self.takes)
        self.moves.append(("sendfile", moved))
        x._left -= moved if x._left >= 0 else 0
        return moved

    async def splice(self, x: Exchange, source: Exchange) -> int:
        wire = source._wire
        assert isinstance(wire, FakeWire)
        moved, wire.left = wire.left, 0
        self.moves.append(("splice", moved))
        x._left -= moved if x._left >= 0 else 0
        wire.on_end(None, True)
        return moved


def sink(headers: dict[str, int] | None = None, *, wire: FakeWire | None = None, framing: Framing = CHUNKED) -> End:
    x = End(wire or FakeWire(), "GET", unframed=framing)
    run(x.prepare(headers))
    return x


def parts(x: End) -> list[object]:
    return [event[1] for event in x.fake.sent if event[0] == "part"]


def source(*pieces: bytes, ended: bool = True) -> End:
    x = End(FakeWire())
    for piece in pieces:
        x.fake.on_body(piece)
    if ended:
        x.fake.on_end(None, True)
    return x


async def pieces_then(error: BaseException | None) -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"
    if error is not None:
        raise error


# Sources that are no exchange


def test_an_iterable() -> None:
    x = sink()
    assert run(x.relay(pieces_then(None))) == Moved(copy=6)
    assert parts(x) == [b"one", b"two"]
    assert x._out is BODY  # the end is its owner's to say


def test_a_file_without_a_descriptor() -> None:
    x = sink()
    body = bytes(FILE_BLOCK) + b"rest"
    assert run(x.relay(io.BytesIO(body))) == Moved(copy=len(body))
    assert [len(part) for part in parts(x)] == [FILE_BLOCK, 4]  # type: ignore[arg-type]


def test_a_file_goes_on_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"0123456789")
    x = sink()
    with path.open("rb") as file:
        file.seek(4)
        relaying = Running(x.relay(file))
        while not relaying.step():
            pass
    assert relaying.result() == Moved(copy=6)
    assert parts(x) == [b"456789"]


def test_a_file_that_unpacks_another_is_read_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "body.gz"
    path.write_bytes(gzip.compress(b"plain text"))
    x = sink()
    with gzip.open(path, "rb") as file:
        relaying = Running(x.relay(cast("IO[bytes]", file)))
        while not relaying.step():
            pass
    assert b"".join(parts(x)) == b"plain text"  # type: ignore[arg-type]  # bytes, all of them


def test_anything_else_is_refused_by_name() -> None:
    for wrong in (b"bytes", 7, None, [b"a"]):
        x = sink()
        with pytest.raises(UseError, match=f"relay\\({type(wrong).__name__}\\): expected an exchange"):
            run(x.relay(wrong))  # type: ignore[arg-type]
        assert x._out is BODY


@pytest.mark.parametrize("error", [ValueError("of the source"), asyncio.CancelledError(), KeyboardInterrupt()])
def test_a_failing_source_aborts_the_sink_first(error: BaseException) -> None:
    x = sink()
    with pytest.raises(type(error)):
        run(x.relay(pieces_then(error)))
    assert x._out is ABORTED
    assert [event[0] for event in x.fake.sent] == ["head", "part", "part", "reset"]
    assert "the source of relay() failed" in str(x.fake.sent[-1][1])


def test_a_failing_file_aborts_the_sink() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    x = sink()
    with pytest.raises(OSError, match="the disk is gone"):
        run(x.relay(Broken(b"x")))
    assert x._out is ABORTED


def test_a_failing_sink_leaves_the_source_to_its_owner() -> None:
    x = sink({"content-length": 4})
    iterator = pieces_then(None)
    with pytest.raises(LocalProtocolError, match="1 of the promised 4"):
        run(x.relay(iterator))
    assert x._out is BODY  # refused, not sent: what to do is the caller's to say
    assert run(anext(iterator, None)) is None


# From exchange to exchange


def test_coded_bytes_are_passed_on_as_they_came() -> None:
    coded = encoded("gzip", b"text " * 100)
    origin = source(coded)
    origin.inbound.coding = "gzip"
    x = sink()
    assert run(x.relay(origin)) == Moved(copy=len(coded))
    assert b"".join(parts(x)) == coded  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["request", "response"])
def test_from_one_pair_to_another(direction: str) -> None:
    first, second = Pair(), Pair()
    sender, origin = first.ends("request" if direction == "request" else "response")
    target, reader = second.ends("response" if direction == "request" else "request")
    run(sender.prepare())
    run(target.prepare())
    relaying = Running(target.relay(origin))
    for piece in (b"a", b"bc", b"def"):
        run(sender.write(piece))
        relaying.step()
        assert b"".join(reader.inbound.chunks).endswith(piece)  # each piece is passed on when it comes
    run(sender.eof())
    relaying.step()
    assert relaying.result() == Moved(copy=6)
    run(target.eof())
    assert run(reader.read()) == b"abcdef"


def test_a_source_that_dies_aborts_the_sink_and_is_told_as_such() -> None:
    origin, x = source(b"abc", ended=False), sink()
    relaying = Running(x.relay(origin))
    assert parts(x) == [b"abc"]
    origin.fake.lose(Disconnected("the origin is gone"))
    relaying.step()
    with pytest.raises(Disconnected, match="the origin is gone") as raised:
        relaying.result()
    assert raised.value.exchange is origin
    assert x._out is ABORTED


def test_a_sink_that_dies_is_named_and_the_source_can_be_read_on() -> None:
    origin, x = source(b"abc", ended=False), sink()
    relaying = Running(x.relay(origin))
    x.fake.lose(Disconnected("the sink is gone"), x)
    origin.fake.on_body(b"def")
    relaying.step()
    with pytest.raises(Disconnected, match="the sink is gone") as raised:
        relaying.result()
    assert raised.value.exchange is x
    assert not origin.inbound.claimed
    origin.fake.on_body(b"ghi")
    origin.fake.on_end(None, True)
    origin.fake.running = FakeOwner()
    rest = b"".join(run(_all(origin)))
    assert rest.endswith(b"ghi")  # one piece may be lost with the sink: it had been handed over


async def _all(x: End) -> list[bytes]:
    return [piece async for piece in x.pull(decode=False)]


def test_a_cancelled_relay_aborts_the_sink() -> None:
    origin, x = source(b"abc", ended=False), sink()
    relaying = Running(x.relay(origin))
    relaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        relaying.result()
    assert x._out is ABORTED


def test_an_answer_without_a_body_reads_nothing_of_its_source() -> None:
    x = End(FakeWire(), "HEAD")
    run(x.prepare())
    origin = source(b"abc")
    assert run(x.relay(origin)) == Moved()
    assert run(x.send_file("/nonexistent")) == Moved()
    assert not origin.inbound.claimed
    assert run(origin.read()) == b"abc"


# Zero copy


def test_what_has_come_is_copied_and_the_rest_is_spliced() -> None:
    origin = source(b"early", ended=False)
    origin.fake = origin._wire = ZeroCopyWire()
    origin.fake.exchange = origin
    origin.fake.left = ZERO_COPY_FROM
    wire = ZeroCopyWire()
    x = sink({"content-length": 5 + ZERO_COPY_FROM}, wire=wire)
    moved = run(x.relay(origin))
    assert moved == Moved(splice=ZERO_COPY_FROM, copy=5)
    assert moved.total == 5 + ZERO_COPY_FROM
    assert wire.moves == [("splice", ZERO_COPY_FROM)]
    run(x.eof())
    assert x._out is DONE


@pytest.mark.parametrize(
    "change",
    [
        lambda x, origin: setattr(origin.fake, "left", ZERO_COPY_FROM - 1),  # too little to be worth it
        lambda x, origin: setattr(x, "_framing", CHUNKED),  # framing goes between the bytes
        lambda x, origin: setattr(x, "_left", 10),  # more would come than was promised
        lambda x, origin: setattr(origin.fake, "_caps", Caps(half_close=True, reset=True, zero_copy=False)),
        lambda x, origin: setattr(x.fake, "_caps", Caps(half_close=True, reset=True, zero_copy=False)),
    ],
    ids=["little", "chunked", "promised less", "source's link", "sink's link"],
)
def test_when_nothing_is_spliced(change: Callable[[End, End], None]) -> None:
    origin = source(ended=False)
    origin.fake = origin._wire = ZeroCopyWire()
    origin.fake.exchange = origin
    origin.fake.left = ZERO_COPY_FROM
    wire = ZeroCopyWire()
    x = sink(wire=wire, framing=CLOSE)
    change(x, origin)
    relaying = Running(x.relay(origin))
    assert wire.moves == []
    assert not relaying.done
    relaying.cancel()


# Files


def in_steps(x: End, path: Path, offset: int = 0, count: int | None = None) -> Moved:
    sending = Running(x.send_file(path, offset, count))
    while not sending.step():
        pass
    return sending.result()


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [(0, None, BIG), (10, None, BIG[10:]), (0, 4, BIG[:4]), (3, 2, BIG[3:5]), (len(BIG), None, b""), (0, 0, b"")],
)
@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, CLOSE])
def test_files_by_copy(offset: int, count: int | None, expected: bytes, framing: Framing, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(BIG)
    x = sink({"content-length": len(expected)} if framing is LENGTH else None, framing=framing)
    assert in_steps(x, path, offset, count) == Moved(copy=len(expected))
    assert b"".join(parts(x)) == expected  # type: ignore[arg-type]
    assert x.fake.offloaded == (len(expected) >= 64 * 1024)  # a disk may be slow: blocks are not read on the event loop
    run(x.eof())


def test_large_files_by_sendfile(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(BIG)
    for framing in (LENGTH, CLOSE):
        x = sink({"content-length": len(BIG)} if framing is LENGTH else None, wire=ZeroCopyWire(), framing=framing)
        assert in_steps(x, path) == Moved(sendfile=len(BIG))
        run(x.eof())
    x = sink(wire=ZeroCopyWire(), framing=CHUNKED)
    assert in_steps(x, path) == Moved(copy=len(BIG))
    x = sink(wire=ZeroCopyWire(takes=7), framing=CLOSE)
    assert in_steps(x, path) == Moved(sendfile=7, copy=len(BIG) - 7)  # the kernel stopped: the rest by copy
    assert b"".join(parts(x)) == BIG[7:]  # type: ignore[arg-type]
    x = sink(wire=ZeroCopyWire(), framing=CLOSE)
    assert in_steps(x, path, 0, ZERO_COPY_FROM - 1) == Moved(copy=ZERO_COPY_FROM - 1)


def test_counts_that_cannot_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"0123456789")
    x = sink()
    with pytest.raises(UseError, match=r"send_file\(count=11\): the file has 10 bytes from 0"):
        in_steps(x, path, 0, 11)
    with pytest.raises(UseError, match="the file has 0 bytes from 20"):
        in_steps(x, path, 20, 1)
    x = sink({"content-length": 9})
    with pytest.raises(LocalProtocolError, match=r"send_file\(\) of 10 bytes, 9 of the promised 9"):
        in_steps(x, path)
    assert parts(x) == []
    with pytest.raises(OSError, match="No such file"):
        in_steps(x, tmp_path / "none")
    assert x._out is BODY


def test_a_file_that_shrinks_meanwhile_aborts(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(BIG)
    x = sink({"content-length": len(BIG)})
    sending = Running(x.send_file(path))
    path.write_bytes(b"short")
    while not sending.step():
        pass
    with pytest.raises(UseError, match=f"the file ended {len(BIG) - 5} bytes early"):
        sending.result()
    assert x._out is ABORTED


def test_a_peer_that_leaves_while_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(BIG)
    x = sink()
    sending = Running(x.send_file(path))
    x.fake.lose(Disconnected("reset"), x)
    while not sending.step():
        pass
    with pytest.raises(Disconnected, match="writing: reset"):
        sending.result()
