"""Content codings undone, in bounded steps, one incremental stream per message (RFC 9110 8.4). No I/O, no clock.

`make_decoder` gives a `Decoder`, a chain of stages, the last coding applied undone first. It is pulled, never
pushed: `feed` only keeps what it is given, and each `next` decodes until it has at most `step` bytes, so that a bomb
costs the memory of one step. What bounds each library:

- zlib: `max_length` of `decompress`. What it does not take it copies into `unconsumed_tail`, hence `PIECE`.
- brotlicffi 1.2: `output_buffer_limit` of `process`; the rest of the piece stays inside it, hence `PIECE` again.
- zstandard 0.25: nothing. `decompressobj` gives all that the input holds, `stream_reader` takes one empty read for the
  end. So the frames are cut here, block by block (RFC 8878 3.1.1): a block is 128 KiB decoded at most, and it is handed
  out in steps.

The libraries' own memory is outside these figures: a window of 32 KiB for gzip and deflate, at most 16 MiB for br
(RFC 7932 9.1), and at most 8 MiB for zstd (RFC 9659 3), where a larger one is refused.

Choices where the specifications leave one:

- gzip members and zstd frames may follow one another (RFC 1952 2.2, RFC 8878 3.1). Zero bytes after a gzip member are
  skipped, as gzip(1) does: files padded to a block size are served as they are. Any other byte after the end is an
  error, for it belongs to no coding.
- deflate means the zlib format. Some senders leave its wrapper out (RFC 9110 8.4.1.2), and the first byte tells:
  zlib's low four bits are 8, which as raw deflate would be a stored block with a padding bit set.
- No bytes at all are an empty body, whatever the codings: answers are labelled so far too often to refuse them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from toolkit.errors import LimitExceeded, RemoteProtocolError, UseError
from toolkit.protocol.codings import GZIP, ZLIB, available_codings, parse_codings

if TYPE_CHECKING:
    import zlib

    import zstandard

__all__ = ["Decoder", "make_decoder"]

RAW: Final = -15  # wbits: a window of 32 KiB without a wrapper
PIECE: Final = 16 * 1024  # coded bytes given to a library at once: what it leaves over is copied at each step
ZSTD_WINDOW: Final = 8 * 1024 * 1024  # RFC 9659 3
ZSTD_BLOCK: Final = 128 * 1024  # RFC 8878 3.1.1.2.4
ZSTD_MAGIC: Final = 0xFD2FB528
ZSTD_SKIPPABLE: Final = 0x184D2A50  # with any low four bits
SLACK: Final = 1024 * 1024  # see Decoder._pull


class _Input:
    """Coded bytes not yet taken, uncopied, in the pieces they came in."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes | memoryview) -> None:
        if data:
            self._pieces.append(memoryview(data).cast("B"))

    def peek(self, size: int) -> memoryview:
        """Give up to `size` of the next bytes, at least one if there is any, and leave them in place."""
        return self._pieces[0][:size] if self._pieces else memoryview(b"")

    def skip(self, size: int) -> None:
        """Drop `size` bytes of what `peek` gave."""
        first = self._pieces[0] if size else memoryview(b"")
        if size < len(first):
            self._pieces[0] = first[size:]
        elif size:
            self._pieces.popleft()


class _Stage(ABC):
    """One coding being undone. Subclasses raise `RemoteProtocolError` only, whatever the bytes."""

    coding: str
    unit: str  #: what the coded bytes are made of, for messages

    def __init__(self) -> None:
        self.input = _Input()
        self.total = 0  #: decoded bytes given out so far
        self.swallowed = 0  #: bytes taken from the stage before since the last byte given out

    @abstractmethod
    def decode(self, size: int) -> bytes:
        """Give 1 to `size` decoded bytes, or b"" once the input is used up and nothing is held back."""

    @abstractmethod
    def is_whole(self) -> bool:
        """Tell whether the input so far may be all there is."""

    def corrupt(self, detail: object) -> RemoteProtocolError:
        return RemoteProtocolError(f"{self.coding} data is corrupt: {detail}")

    def garbage(self) -> RemoteProtocolError:
        return RemoteProtocolError(f"bytes after the end of the {self.coding} data")


class _ZlibStage(_Stage):
    """gzip, member after member, and deflate."""

    def __init__(self, coding: str) -> None:
        super().__init__()
        import zlib

        self.coding = coding
        self.unit = "member" if coding == "gzip" else "stream"
        self._zlib = zlib
        self._stream: zlib._Decompress | None = None
        self._ended = 0  # members or streams decoded to their end

    def decode(self, size: int) -> bytes:
        while self._stream is not None or self._begin():
            stream = cast("zlib._Decompress", self._stream)
            piece = self.input.peek(PIECE)
            try:
                data = stream.decompress(piece, size)
            except self._zlib.error as error:
                raise self.corrupt(error) from error
            # At the end both may hold the rest: the tail is written anew whenever the call before left one.
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
            self.input.skip(len(piece) - len(rest))
            if stream.eof:
                self._stream = None
                self._ended += 1
            elif not data and not piece:
                break  # only a call without input shows that nothing is held back
            if data:
                return data
        return b""

    def _begin(self) -> bool:
        """Start on the next member if there is a byte of one."""
        while self.input:
            first = self.input.peek(PIECE)
            if self.coding == "gzip" and self._ended:
                padding = len(first) - len(bytes(first).lstrip(b"\0")) if first[0] == 0 else 0
                self.input.skip(padding)
                if padding == len(first):
                    continue
                if first[padding] != 0x1F:  # the magic number's first byte
                    raise self.garbage()
            elif self._ended:
                raise self.garbage()
            wrapped = ZLIB if first[0] & 0x0F == 8 else RAW
            self._stream = self._zlib.decompressobj(GZIP if self.coding == "gzip" else wrapped)
            return True
        return False

    def is_whole(self) -> bool:
        return self._stream is None


class _BrotliStage(_Stage):
    """br: a single stream."""

    coding = "br"
    unit = "stream"

    def __init__(self) -> None:
        super().__init__()
        import brotlicffi

        self._error: type[Exception] = brotlicffi.error
        self._stream = brotlicffi.Decompressor()
        self._started = False

    def decode(self, size: int) -> bytes:
        while True:
            if self.input and self._stream.is_finished():
                raise self.garbage()
            # While it holds output, or a rest of the last piece, it takes no new one.
            free = self._stream.can_accept_more_data()
            piece = bytes(self.input.peek(PIECE)) if free else b""
            if free and not piece:
                return b""
            try:
                data: bytes = self._stream.process(piece, output_buffer_limit=size)
            except self._error as error:
                raise self.garbage() if self._stream.is_finished() else self.corrupt(_brotli_reason(error)) from error
            self.input.skip(len(piece))
            self._started = True
            if data:
                return data

    def is_whole(self) -> bool:
        return not self._started or bool(self._stream.is_finished())


def _brotli_reason(error: Exception) -> str:
    """Give the library's message as text: it is bytes where libbrotli wrote it."""
    reason = error.args[0] if error.args else ""
    return reason.decode("ascii", "replace") if isinstance(reason, bytes) else str(reason)


class _ZstdStage(_Stage):
    """zstd, frame after frame, each cut into its blocks (RFC 8878 3.1.1)."""

    coding = "zstd"
    unit = "frame"

    def __init__(self) -> None:
        super().__init__()
        import zstandard

        self._zstd = zstandard
        self._context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._frames = 0  # begun so far
        self._due = 0  # bytes the frame still promises, if it told its size
        self._sized = False  # it did
        self._checksum = 0  # bytes of it after the last block, 4 or 0
        self._header = bytearray()  # of a frame or a block, as far as it is here
        self._left = 0  # bytes of the present block, checksum or skippable frame still to come
        self._last = False  # the present block is the frame's last
        self._output = memoryview(b"")  # decoded and not yet given out: a block at most

    def decode(self, size: int) -> bytes:
        while not self._output:
            if not self.input:
                return b""
            if self._left:
                self._take_body()
            elif self._frame is None:
                self._take_frame_header()
            else:
                self._take_block_header(self._frame)
        data = bytes(self._output[:size])
        self._output = self._output[size:]
        return data

    def is_whole(self) -> bool:
        return self._frame is None and not self._left and not self._header

    def _gather(self, size: int) -> bool:
        """Collect a header's first `size` bytes, as far as they are here."""
        while len(self._header) < size and self.input:
            piece = self.input.peek(size - len(self._header))
            self._header += piece
            self.input.skip(len(piece))
        return len(self._header) >= size

    def _decompress(self, frame: zstandard.ZstdDecompressionObj, data: bytes | bytearray | memoryview) -> bytes:
        try:
            return frame.decompress(data)
        except self._zstd.ZstdError as error:
            raise self.corrupt(error) from error

    def _take_frame_header(self) -> None:
        if not self._gather(4):
            return
        magic = int.from_bytes(self._header[:4], "little")
        if magic & ~0x0F == ZSTD_SKIPPABLE:
            if self._gather(8):
                self._left = int.from_bytes(self._header[4:8], "little")
                self._frames += 1
                self._header.clear()
            return
        if magic != ZSTD_MAGIC:
            raise self.garbage() if self._frames else self.corrupt("no frame begins here")
        try:
            if not self._gather(5) or not self._gather(self._zstd.frame_header_size(self._header)):
                return
            parameters = self._zstd.get_frame_parameters(self._header)
        except self._zstd.ZstdError as error:
            raise self.corrupt(error) from error
        if parameters.window_size > ZSTD_WINDOW:
            raise RemoteProtocolError(
                f"zstd window of {parameters.window_size} bytes is over {ZSTD_WINDOW} (RFC 9659 3)"
            )
        self._checksum = 4 if parameters.has_checksum else 0
        self._sized = parameters.content_size != self._zstd.CONTENTSIZE_UNKNOWN
        self._due = parameters.content_size
        self._last = False
        self._frames += 1
        self._frame = self._context.decompressobj()
        self._decompress(self._frame, self._header)
        self._header.clear()

    def _take_block_header(self, frame: zstandard.ZstdDecompressionObj) -> None:
        if not self._gather(3):
            return
        # RFC 8878 3.1.1.2: bit 0 last block, bits 1 and 2 type, the rest size; a run (type 1) is one byte coded.
        header = int.from_bytes(self._header, "little")
        size = header >> 3
        if size > ZSTD_BLOCK:
            raise self.corrupt(f"a block of {size} bytes is over {ZSTD_BLOCK}")
        self._last = bool(header & 1)
        self._left = 1 if header >> 1 & 3 == 1 else size
        self._decompress(frame, self._header)
        self._header.clear()
        if not self._left:
            self._end_block(frame)

    def _take_body(self) -> None:
        """Take of a block, a checksum or a skippable frame what is here."""
        piece = self.input.peek(self._left)
        self._left -= len(piece)
        frame = self._frame
        if frame is not None:
            self._output = memoryview(self._decompress(frame, piece))
            self._due -= len(self._output)
        self.input.skip(len(piece))
        if frame is not None and not self._left:
            self._end_block(frame)

    def _end_block(self, frame: zstandard.ZstdDecompressionObj) -> None:
        if not self._last:
            return
        if self._checksum:  # four bytes follow the last block and go to the library like one
            self._left, self._checksum = self._checksum, 0
            return
        # libzstd does not hold the frame to its stated size where the last block is empty.
        if not frame.eof or (self._sized and self._due):
            raise self.corrupt("the last block does not complete the frame")
        self._frame = None


class Decoder:
    """One message's inbound stream: content codings undone in reverse order, in bounded steps.

    `feed` it coded bytes, call `next` until it gives b"", and `finish` once the framing says that the body is complete.
    What is held is the input not yet decoded and about `step` bytes for each coding (for zstd at least a block,
    128 KiB), apart from the libraries' windows. After an error every call raises the like of it. Not for two threads
    at a time.
    """

    def __init__(self, stages: list[_Stage], step: int, limit: int | None) -> None:
        self._stages = stages
        self._step = step
        self._limit = limit
        self._pending = False
        self._error: RemoteProtocolError | None = None

    @property
    def pending(self) -> bool:
        """True while `next` may give more without further input."""
        return self._pending

    def feed(self, data: bytes | memoryview) -> None:
        """Take coded bytes; they are kept as they are, uncopied, and must not change."""
        if self._error is None and data:
            self._stages[0].input.add(data)
            self._pending = True

    def next(self) -> bytes:
        """Give at most `step` decoded bytes, b"" when more input is needed.

        Raises RemoteProtocolError for corrupt data and for bytes after the end, LimitExceeded over `limit`.
        """
        if self._error is not None:
            raise self._error
        if not self._pending:
            return b""
        try:
            data = self._pull(len(self._stages) - 1)
        except RemoteProtocolError as error:
            self._fail(error)
            raise
        self._pending = bool(data)
        return data

    def finish(self) -> None:
        """Check that the coded data is complete; nothing may be fed after it.

        Raises RemoteProtocolError when it was cut short, UseError while `pending`.
        """
        if self._error is not None:
            raise self._error
        if self._pending:
            raise UseError("finish() before next() gave b'': there may be more to decode")
        for stage in self._stages:
            if not stage.is_whole():
                error = RemoteProtocolError(
                    f"{stage.coding} data ended inside a {stage.unit}, {stage.total} bytes decoded"
                )
                self._fail(error)
                raise error

    def _fail(self, error: RemoteProtocolError) -> None:
        # A copy: the error that is raised now holds its frames, and through them all that was fed.
        self._error = type(error)(str(error), error.status_hint)
        self._stages = []
        self._pending = False

    def _pull(self, index: int) -> bytes:
        """Decode one step of a stage, taking from the stage before it as long as it gives nothing.

        The stages before the last are bounded as well, or a small body could keep them busy for minutes without a byte
        coming out: by `limit` too, with some slack as coded data can be longer than plain, and by what the stage after
        them takes without giving anything: honest data gives some within a block, which is far shorter than `SLACK`.
        """
        stage = self._stages[index]
        while not (data := stage.decode(self._step)):
            more = self._pull(index - 1) if index else b""
            if not more:
                return b""
            stage.swallowed += len(more)
            if stage.swallowed > SLACK:
                raise LimitExceeded(
                    f"{stage.coding} data inside another coding: {stage.swallowed} bytes decode to nothing"
                )
            stage.input.add(more)
        stage.swallowed = 0
        stage.total += len(data)
        if self._limit is not None:
            last = index == len(self._stages) - 1
            if stage.total > (self._limit if last else self._limit + SLACK):
                raise LimitExceeded(f"{stage.coding} data decodes to more than {self._limit} bytes")
        return data


def _make_stage(coding: str) -> _Stage:
    if coding not in available_codings():
        shown = coding if len(coding) <= 40 else coding[:40] + "..."
        raise RemoteProtocolError(f"content coding {shown!r} is not supported", status_hint=415)
    if coding == "br":
        return _BrotliStage()
    return _ZstdStage() if coding == "zstd" else _ZlibStage(coding)


def make_decoder(
    content_encoding: str, *, step: int = 64 * 1024, depth: int = 2, limit: int | None = None
) -> Decoder | None:
    """Start the inbound stream of one message with this Content-Encoding (all its lines, joined by commas).

    None means that there is nothing to undo. `step` bounds the bytes of one `next`, `depth` the number of codings on
    top of one another, `limit` the decoded bytes in all. Raises RemoteProtocolError with the status hint 415 for more
    codings than `depth`, an unknown one, or one whose library is missing (RFC 9110 15.5.16).
    """
    if step < 1:
        raise ValueError(f"step must be at least 1, not {step}")
    codings = parse_codings(content_encoding)
    if not codings:
        return None
    if len(codings) > depth:
        raise RemoteProtocolError(
            f"{len(codings)} content codings on top of one another, over {depth}", status_hint=415
        )
    return Decoder([_make_stage(coding) for coding in reversed(codings)], step, limit)
