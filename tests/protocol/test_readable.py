"""Whole-body reads: bytes, JSON and XML, each with its limit and its order of calls; text is in `test_lines.py`."""

from __future__ import annotations

import pytest

from toolkit.errors import Busy, Disconnected, LimitExceeded, RemoteProtocolError, UseError
from toolkit.protocol.framing import LENGTH, NONE
from toolkit.protocol.head import RequestHead
from toolkit.protocol.limits import Limits

from ..helpers.coded import encoded
from ..helpers.fakewire import End, FakeOwner, FakeWire, Running, run


def begun(
    *pieces: bytes, content_type: str = "", ended: bool = True, limits: Limits = Limits(), coding: str = ""
) -> End:
    x = End(FakeWire(limits=limits))
    field = b"content-type: %b\r\n" % content_type.encode("latin-1") if content_type else b""
    block = b"POST / HTTP/1.1\r\n" + field + b"\r\n"
    x.peer_head = RequestHead("POST", "/", 1, block, LENGTH if pieces else NONE, -1, True, False, None, b"test")
    x.inbound.coding = coding
    for piece in pieces:
        x.fake.on_body(piece)
    if ended:
        x.fake.on_end(None, True)
    return x


def test_the_whole_body_is_cached() -> None:
    x = begun(b"ab", b"c")
    body = run(x.read())
    assert body == b"abc"
    assert run(x.read()) is body
    assert run(x.read(limit=1)) is body
    assert run(x.text()) == "abc"


def test_no_body_is_an_empty_one() -> None:
    x = begun()
    assert run(x.read()) == b""
    x._in, x._whole = None, None
    assert run(x.read()) == b""
    assert x.complete is True
    assert x.received_len == 0
    with pytest.raises(StopAsyncIteration):
        run(x.pull().__anext__())


@pytest.mark.parametrize(("size", "limit", "good"), [(5, 5, True), (6, 5, False), (0, 0, True), (1, 0, False)])
def test_a_limit_counts_decoded_bytes(size: int, limit: int, good: bool) -> None:
    for coding in ("", "gzip"):
        body = b"x" * size
        coded = encoded(coding, body) if coding else body
        for call in (
            begun(coded, coding=coding).read(limit),
            begun(coded, coding=coding, limits=Limits(read=limit)).read(),
        ):
            if good:
                assert run(call) == body
            else:
                with pytest.raises(LimitExceeded, match=f"over {limit} bytes") as raised:
                    run(call)
                assert raised.value.status_hint == 413


def test_whole_and_streamed_reads_do_not_mix() -> None:
    x = begun(b"abc", b"d")
    run(x.pull(size=1).__anext__())
    with pytest.raises(UseError, match=r"read\(\) after streaming began"):
        run(x.read())
    x = begun(b"abc")
    run(x.read())
    with pytest.raises(UseError, match=r"pull\(\) after the body was read whole"):
        x.pull()


def test_another_task_cannot_read_meanwhile() -> None:
    x = begun(b"abc", ended=False)
    reading = Running(x.read())
    x.fake.running = FakeOwner()
    with pytest.raises(Busy):
        run(x.read())
    with pytest.raises((Busy, UseError)):
        x.pull()
    x.fake.on_end(None, True)
    reading.step()
    assert reading.result() == b"abc"


def test_a_body_cut_short_is_no_body() -> None:
    x = begun(b"abc", ended=False)
    x.fake.lose(Disconnected("the peer is gone"))
    with pytest.raises(Disconnected, match="reading the body: the peer is gone"):
        run(x.read())


def test_json() -> None:
    assert run(begun(b'{"a": [1, null, "x"]}').json()) == {"a": [1, None, "x"]}
    for bad in (b"", b"{", b"NaN", b"\xff", b"{'a': 1}"):
        with pytest.raises(RemoteProtocolError, match="the body is not JSON") as raised:
            run(begun(bad).json())
        assert raised.value.status_hint == 400
    with pytest.raises(LimitExceeded):
        run(begun(b"[1, 2]").json(limit=3))


def test_xml() -> None:
    assert run(begun(b"<a><b>1</b></a>").xml()) == {"a": {"b": "1"}}
    for bad in (b"", b"<a>", b"text"):
        with pytest.raises(RemoteProtocolError, match="the body is not XML"):
            run(begun(bad).xml())


@pytest.mark.parametrize(
    "bad", [b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', b'<?xml version="1.0" encoding="zz"?><a/>']
)
def test_a_document_with_entities_or_in_an_unknown_encoding_is_refused(bad: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="the body is not XML") as raised:
        run(begun(bad).xml())
    assert raised.value.status_hint == 400
