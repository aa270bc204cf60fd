"""The process's side: what it reads and says, on a socket whose other end is the test's."""

from __future__ import annotations

import pickle
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from toolkit import FormLimits, Limits
from toolkit.server.processes.child import WINDOW, Call, Line, Setup, answer
from toolkit.server.processes.copies import Copied
from toolkit.server.processes.failures import unpack_error
from toolkit.server.processes.frames import Frame, FrameReader, Kind, frame
from toolkit.server.processes.references import Reference
from toolkit.server.processes.values import StreamHead, ValueHead, WholeHead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = "tests.server.processes.samples"
SETUP = Setup((), None, Limits(), FormLimits())
REQUEST = Copied("GET", "/x", "http://a/x", "/x", "a", "http", "1.1", [], ("", 0), "", None, {}, None)


class Other:
    """The loop's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def read(self) -> Frame:
        while not self._frames:
            data = self.sock.recv(65536)
            assert data, "the process said no more"
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        self.sock.sendall(frame(kind, payload))


@contextmanager
def connected() -> Iterator[tuple[Line, Other]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        line = Line(theirs, cut_off=lambda: None)
        thread = threading.Thread(target=line.listen)
        thread.start()
        yield line, Other(ours)
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()


def order(name: str, request: Copied | None = None, *args: object) -> bytes:
    return pickle.dumps(Call(Reference(HERE, name), request, args, {}))


def test_a_function_s_result_is_a_head_a_piece_and_an_end() -> None:
    with connected() as (line, other):
        answer(line, SETUP, order("add", None, 1, 2), b"")
        head, piece, end = other.read(), other.read(), other.read()
        assert (head.kind, pickle.loads(head.payload)) == (Kind.HEAD, ValueHead())
        assert (piece.kind, pickle.loads(piece.payload)) == (Kind.PIECE, 3)
        assert end == Frame(Kind.END, b"")


def test_a_handler_s_answer_is_bytes_already() -> None:
    with connected() as (line, other):
        answer(line, SETUP, order("cookies", REQUEST), b"")
        head: WholeHead = pickle.loads(other.read().payload)
        assert (head.status, len(head.added)) == (201, 2)
        assert other.read() == Frame(Kind.PIECE, b"ok")


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (order("fail", None, "why"), "why"),
        (order("nothing"), f"{HERE}.nothing cannot be found in another process: module"),
        (order("here"), f"{HERE}.here is no function in another process, but ['main']"),
        (b"nonsense", ""),
    ],
)
def test_what_fails_is_told(order: bytes, text: str) -> None:
    with connected() as (line, other):
        answer(line, SETUP, order, b"")
        error = other.read()
        assert error.kind is Kind.ERROR
        assert text in str(unpack_error(error.payload))


def test_what_a_main_program_keeps_for_itself_is_not_found_and_the_reason_is_told() -> None:
    with connected() as (line, other):
        answer(line, SETUP, pickle.dumps(Call(Reference("__main__", "no_such_handler"), None, (), {})), b"")
        text = str(unpack_error(other.read().payload))
        assert text.endswith(
            '; what stands below `if __name__ == "__main__":` is not there when the program is imported'
        )


def test_a_stream_is_ahead_of_its_reader_by_a_window_and_a_piece(tmp_path: Path) -> None:
    request = REQUEST._replace(path_params={"folder": str(tmp_path)})
    size = Frame(Kind.PIECE, b"x" * 16384).cost
    with connected() as (line, other):
        thread = threading.Thread(target=answer, args=(line, SETUP, order("endless", request), b""))
        thread.start()
        assert isinstance(pickle.loads(other.read().payload), StreamHead)
        ahead = WINDOW // size + 1
        for _ in range(ahead):
            assert other.read().kind is Kind.PIECE
        other.send(Kind.MORE, (2 * size).to_bytes(8, "big"))  # room for two
        for _ in range(2):
            assert other.read().kind is Kind.PIECE
        other.send(Kind.CLOSE)
        assert other.read().kind is Kind.END
        thread.join()
        assert (tmp_path / "closed").read_text() == str(ahead + 2)


@pytest.mark.parametrize(("name", "text"), [("breaks", "in the middle"), ("not_bytes", "yielded int: expected bytes")])
def test_a_stream_that_breaks(name: str, text: str) -> None:
    with connected() as (line, other):
        answer(line, SETUP, order(name, REQUEST), b"")
        frames = [other.read()]
        while frames[-1].kind is not Kind.ERROR:
            frames.append(other.read())
        assert text in str(unpack_error(frames[-1].payload))


def test_calls_come_with_their_bodies_and_the_end_of_the_socket_is_the_last() -> None:
    with connected() as (line, other):
        other.send(Kind.CALL, b"first")
        other.send(Kind.BODY, b"")
        assert line.calls.get(timeout=10) == (b"first", b"")
        other.sock.shutdown(socket.SHUT_WR)
        assert line.calls.get(timeout=10) is None
        assert not line.piece(Kind.PIECE, b"x" * 10), "nobody wants it"


def test_large_frames_are_not_put_together_first() -> None:
    with connected() as (line, other):
        large = b"x" * 200_000
        thread = threading.Thread(target=line.say, args=((Kind.PIECE, large), (Kind.END, b"")))
        thread.start()
        assert (other.read(), other.read()) == (Frame(Kind.PIECE, large), Frame(Kind.END, b""))
        thread.join()
