"""How a body is delimited: every decision of RFC 9112 6 as a row of a table."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import LocalProtocolError, RemoteProtocolError
from toolkit.protocol.framing import (
    CHUNKED,
    CLOSE,
    LENGTH,
    MAX_LENGTH,
    NONE,
    Framing,
    bodyless,
    inbound_framing,
    parse_length,
    split_framing,
)

from ..helpers.coded import many

Lines = list[bytes]

# transfer-encoding lines, content-length lines, request?, HTTP/1.0?; framing and length, or the status hint.
INBOUND: list[tuple[Lines, Lines, bool, bool, tuple[Framing, int] | int]] = [
    ([], [], True, False, (NONE, 0)),  # RFC 9112 6.3 (7): a request with neither has no body
    ([], [], False, False, (CLOSE, -1)),  # 6.3 (8): a response with neither goes on to the end of the connection
    ([], [], True, True, (NONE, 0)),
    ([], [], False, True, (CLOSE, -1)),
    ([], [b"0"], True, False, (NONE, 0)),  # the same as no body: nothing will follow
    ([], [b"0"], False, False, (LENGTH, 0)),  # 6.3 (6)
    ([], [b"1"], True, False, (LENGTH, 1)),
    ([], [b"007"], False, False, (LENGTH, 7)),  # 1*DIGIT
    ([], [b"9223372036854775807"], True, False, (LENGTH, MAX_LENGTH)),
    ([], [b"5"], True, True, (LENGTH, 5)),
    ([], [b"9223372036854775808"], True, False, 400),
    ([], [b"99999999999999999999"], True, False, 400),
    ([], [b"+5"], True, False, 400),
    ([], [b"-5"], True, False, 400),
    ([], [b"5 "], True, False, 400),
    ([], [b"5, 5"], True, False, 400),  # 6.3 (5): a list may be refused even where its members agree
    ([], [b"0x5"], True, False, 400),
    ([], [b"1_0"], True, False, 400),
    ([], [b""], True, False, 400),
    ([], [b"5", b"5"], True, False, 400),
    ([], [b"5", b"6"], False, False, 400),
    ([b"chunked"], [], True, False, (CHUNKED, -1)),  # 6.3 (4)
    ([b"chunked"], [], False, False, (CHUNKED, -1)),
    ([b"Chunked"], [], True, False, (CHUNKED, -1)),  # 7: names of codings ignore case
    ([b" chunked\t"], [], True, False, (CHUNKED, -1)),
    ([b"chunked"], [b"5"], True, False, 400),  # 6.1: an attempt at smuggling
    ([b"chunked"], [b"5"], False, False, 400),
    ([b"chunked"], [], True, True, 400),  # 6.1: framing faulty in HTTP/1.0
    ([b"gzip, chunked"], [], True, False, 501),  # 6.1: a coding that is not understood
    ([b"gzip", b"chunked"], [], True, False, 501),
    ([b"chunked, gzip"], [], True, False, 400),  # 6.3 (4): chunked is not the last
    ([b"chunked", b"gzip"], [], True, False, 400),
    ([b"chunked, chunked"], [], True, False, 400),  # 6.1: never twice
    ([b"chunked", b"chunked"], [], True, False, 400),
    ([b"gzip"], [], True, False, 400),
    ([b"identity"], [], True, False, 400),  # gone since RFC 7230
    ([b""], [], True, False, 400),
    ([b"chunked,"], [], True, False, 400),
    ([b"xchunked"], [], True, False, 400),
    ([b"chunked;q=1"], [], True, False, 400),
    ([b"\x0bchunked"], [], True, False, 400),
]


@pytest.mark.parametrize(("codings", "lengths", "request_", "http10", "expected"), INBOUND)
def test_inbound_framing(
    codings: Lines, lengths: Lines, request_: bool, http10: bool, expected: tuple[Framing, int] | int
) -> None:
    if isinstance(expected, tuple):
        assert inbound_framing(codings, lengths, request=request_, http10=http10) == expected
        return
    with pytest.raises(RemoteProtocolError) as raised:
        inbound_framing(codings, lengths, request=request_, http10=http10)
    assert raised.value.status_hint == expected


@many
@given(st.binary(max_size=24) | st.from_regex(rb"[0-9+\-_ ]{0,24}", fullmatch=True))
def test_a_length_is_digits_that_fit(value: bytes) -> None:
    good = re.fullmatch(rb"[0-9]{1,19}", value) is not None and int(value) <= MAX_LENGTH
    if good:
        assert parse_length(value) == int(value)
    else:
        with pytest.raises(RemoteProtocolError, match="content-length"):
            parse_length(value)


# RFC 9110 6.4.1, 9.3.2, 15.3.5, 15.4.5
BODYLESS = [
    ("HEAD", 200, True),
    ("HEAD", 404, True),
    ("HEAD", 500, True),
    ("GET", 200, False),
    ("GET", 100, True),
    ("GET", 101, True),
    ("GET", 103, True),
    ("GET", 199, True),
    ("GET", 201, False),
    ("GET", 203, False),
    ("GET", 204, True),
    ("GET", 205, False),  # 15.3.6: its content is empty, which its fields have to say
    ("GET", 206, False),
    ("GET", 303, False),
    ("GET", 304, True),
    ("POST", 304, True),
    ("POST", 204, True),
    ("GET", 404, False),
    ("CONNECT", 407, False),
    ("head", 200, False),  # RFC 9110 9.1: methods are case-sensitive
    ("GET", 999, False),
]


@pytest.mark.parametrize(("method", "status", "expected"), BODYLESS)
def test_answers_without_a_body(method: str, status: int, expected: bool) -> None:
    assert bodyless(method, status) is expected


Pairs = list[tuple[bytes, bytes]]

# The fields given; the fields kept, the length promised, chunked by name; or a piece of the message.
OUTBOUND: list[tuple[Pairs, tuple[Pairs, int | None, bool] | str]] = [
    ([], ([], None, False)),
    ([(b"a", b"1")], ([(b"a", b"1")], None, False)),
    ([(b"content-length", b"5"), (b"a", b"1")], ([(b"a", b"1")], 5, False)),
    ([(b"Content-Length", b"0")], ([], 0, False)),
    ([(b"content-length", b"5"), (b"Content-Length", b"05")], ([], 5, False)),
    ([(b"transfer-encoding", b"chunked")], ([], None, True)),
    ([(b"Transfer-Encoding", b"Chunked")], ([], None, True)),
    ([(b"content-length-x", b"y")], ([(b"content-length-x", b"y")], None, False)),
    ([(b"content-encoding", b"gzip")], ([(b"content-encoding", b"gzip")], None, False)),
    ([(b"content-length", b"9223372036854775807")], ([], MAX_LENGTH, False)),
    ([(b"content-length", b"9223372036854775808")], "expected decimal digits"),
    ([(b"content-length", b"5"), (b"content-length", b"6")], "given twice"),
    ([(b"content-length", b"-1")], "expected decimal digits"),
    ([(b"content-length", b"1.0")], "expected decimal digits"),
    ([(b"content-length", b"")], "expected decimal digits"),
    ([(b"transfer-encoding", b"gzip")], "only 'chunked'"),
    ([(b"transfer-encoding", b"gzip, chunked")], "only 'chunked'"),
    ([(b"transfer-encoding", b"chunked"), (b"content-length", b"5")], "give one of them"),
    ([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")], "give one of them"),
]


@pytest.mark.parametrize(("fields", "expected"), OUTBOUND)
def test_a_heads_own_words_on_framing(fields: Pairs, expected: tuple[Pairs, int | None, bool] | str) -> None:
    given_fields = list(fields)
    if isinstance(expected, str):
        with pytest.raises(LocalProtocolError, match=expected):
            split_framing(fields)
    else:
        assert split_framing(fields) == expected
    assert fields == given_fields
