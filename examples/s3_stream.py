"""Server to server: a file moves from any URL into S3, through this client, which never holds it.

    export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
    python examples/s3_stream.py https://example.org/big.mp4 s3://bucket/videos/      # keeps the name big.mp4
    python examples/s3_stream.py https://example.org/big.mp4 s3://bucket/film.mp4 --endpoint http://127.0.0.1:9000

    source server ═══ GET ═══▶ this client ═══ signed PUT ═══▶ S3

A read waits for the write before it, so the memory used does not depend on the size of the file. The store is told the
length beforehand: whatever goes wrong on the way, it gets fewer bytes than promised and keeps none of them.

Exit code: 0 stored and verified; 1 failed on the way; 2 refused before anything was sent; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict, dataclass, field
from email.message import Message
from email.utils import collapse_rfc2231_value
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from toolkit import EarlyAnswer, Session, ToolkitError, run
from toolkit.other.s3 import S3

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit import Response

MB = 1_000_000  # bytes


class Refused(Exception):
    """The upload cannot begin: nothing was sent to the store."""


class Failed(Exception):
    """The upload began and did not end as it should."""


@dataclass(frozen=True)
class Account:
    """Whose store it is, and where: what `S3` needs besides the bucket."""

    region: str
    key: str
    secret: str = field(repr=False)
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class File:
    """The source, as its head describes it."""

    key: str  # the whole name it gets in the bucket
    size: int  # bytes, as they are sent
    headers: dict[str, str | int]  # what the store shall remember of it


@dataclass(frozen=True)
class Result:
    """What was stored, and how long the bytes took."""

    url: str
    size: int  # bytes
    etag: str
    seconds: float

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.size / MB / self.seconds


# ------------------------------------------------------------------------------------------------------- the upload


async def upload(
    source_url: str, target: str, account: Account, progress: Callable[[int, int], None] = lambda done, size: None
) -> Result:
    """Store what `source_url` answers with as `target`: "s3://bucket/key", or "s3://bucket/prefix/" to keep its name.

    `progress` is told the bytes moved and the size. Raises `Refused`, `Failed`, or what the network raised.
    """
    bucket, key = parse_target(target)
    s3 = S3(bucket, **asdict(account))
    async with Session() as http:
        file = describe(await http.head(source_url, follow_redirects=True, decode=False), key)
        started = perf_counter()
        async with http.get(source_url, follow_redirects=True, decode=False) as source:
            if not source.ok or source.content_length != file.size:
                raise Failed(f"HEAD promised {file.size} bytes, GET is {source.status} of {source.content_length}")
            async with http(**s3.authorize(file.key, file.headers)) as sink:
                await copy(source, sink, file.size, progress)
                await expect(sink, "PUT", 200)
                etag = sink.headers.get("etag", "")
        seconds = perf_counter() - started

        stored = await http(**s3.authorize(file.key, method="HEAD"))
        await expect(stored, "HEAD", 200)
        if (stored.content_length, stored.headers.get("etag", "")) != (file.size, etag):
            raise Failed(f"the store has {stored.content_length} bytes, etag {stored.headers.get('etag')}: not ours")
        return Result(s3.url(file.key), file.size, etag, seconds)


async def copy(source: Response, sink: Response, size: int, progress: Callable[[int, int], None]) -> None:
    """Move the body, neither decoded nor collected. `progress` apart, this is `await sink.relay(source)`."""
    done = 0
    try:
        async for chunk in source.pull(decode=False):
            await sink.write(chunk)
            done += len(chunk)
            progress(done, size)
        await sink.eof()
    except EarlyAnswer:
        # A store that refuses says so without waiting for the rest; its reason is worth more than our error.
        await expect(sink, "PUT", 0)


async def expect(answer: Response, call: str, status: int) -> None:
    """Raise `Failed`, with what the store says, unless it answered with `status`."""
    await answer.head()
    if answer.status != status:
        reason = " ".join((await answer.text(limit=65536)).split())[:500]
        raise Failed(f"{call}: the store answered {answer.status} {answer.reason}: {reason or 'without a reason'}")


def describe(head: Response, key: str) -> File:
    """Name, size and kind of the file at the end of the redirects; `key` may be a prefix for its name."""
    if not head.ok:
        raise Refused(f"the source answers {head.status} {head.reason}")
    if head.content_length is None:
        raise Refused("the source does not tell its length (no content-length), and S3 must know it beforehand")
    if not key or key.endswith("/"):
        key += filename(head.headers.get("content-disposition", ""), head.url)
    kind = head.content_type or "application/octet-stream"
    show = "attachment" if kind == "application/octet-stream" else "inline"
    headers: dict[str, str | int] = {
        "content-length": head.content_length,
        "content-type": kind,
        "content-disposition": f"{show}; filename*=UTF-8''{quote(key.rpartition('/')[2], safe='')}",
    }
    if coding := head.headers.get("content-encoding"):
        headers["content-encoding"] = coding
    return File(key, head.content_length, headers)


def filename(disposition: str, url: str) -> str:
    """The name a file goes by: of its Content-Disposition (RFC 6266), else the last part of its URL's path."""
    message = Message()
    message["content-disposition"] = disposition
    parameters = message.get_params([], "content-disposition")
    names = [collapse_rfc2231_value(value) for parameter, value in parameters if parameter.lower() == "filename"]
    # The extended form (filename*=UTF-8''...), which counts where both are given, is the last of them.
    for name in (*reversed(names), unquote(urlsplit(url).path)):
        # Only the last part, whatever slashes the other side believes in: a name must not choose the folder.
        last = name.replace("\\", "/").rpartition("/")[2].strip()
        if last.strip("."):
            return last
    raise Refused(f"{url} has no file name; give a whole key as the target, not a prefix")


def parse_target(target: str) -> tuple[str, str]:
    """(bucket, key or prefix) of "s3://bucket/key"."""
    scheme, _, rest = target.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise Refused(f"target: expected s3://bucket/key or s3://bucket/prefix/, got {target!r}")
    return bucket, key


# ------------------------------------------------------------------------------------------------- the command line


class Bar:
    """A line of progress on a terminal, redrawn ten times a second; nothing where nobody looks."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()
        self.started = perf_counter()
        self.drawn = 0.0

    def __call__(self, done: int, size: int) -> None:
        now = perf_counter()
        if not self.shown or (now - self.drawn < 0.1 and done < size):
            return
        self.drawn = now
        part = done / size
        rate = done / MB / max(now - self.started, 1e-9)
        line = f"\r{'█' * round(part * 40):░<40} {part:4.0%} of {size / MB:.1f} MB, {rate:.1f} MB/s "
        print(line, end="\n" if done == size else "", file=sys.stderr, flush=True)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="Stream a file from a URL into S3.")
    parser.add_argument("url", help="the file; redirects are followed")
    parser.add_argument("target", help="s3://bucket/key, or s3://bucket/prefix/ to keep the file's name")
    parser.add_argument(
        "--endpoint", default=env("AWS_ENDPOINT_URL"), help="of a store other than AWS; default: $AWS_ENDPOINT_URL"
    )
    region = env("AWS_REGION") or env("AWS_DEFAULT_REGION") or "us-east-1"
    parser.add_argument("--region", default=region, help="default: $AWS_REGION, or us-east-1")
    parser.add_argument("--key", default=env("AWS_ACCESS_KEY_ID"), help="default: $AWS_ACCESS_KEY_ID")
    parser.add_argument(
        "--secret",
        default=env("AWS_SECRET_ACCESS_KEY"),
        help="default: $AWS_SECRET_ACCESS_KEY, which others cannot see",
    )
    parser.add_argument("--token", default=env("AWS_SESSION_TOKEN"), help="default: $AWS_SESSION_TOKEN")
    args = parser.parse_args(argv)
    if not args.key or not args.secret:
        parser.error("credentials: expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --key and --secret")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = arguments(argv)
    account = Account(args.region, args.key, args.secret, args.endpoint or None, args.token or None)
    try:
        result = run(upload(args.url, args.target, account, Bar()))
    except (Refused, ValueError) as error:  # ValueError: S3 names what it expected
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except (Failed, ToolkitError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(f"{result.url}\n{result.size} bytes in {result.seconds:.2f} s, {result.rate:.1f} MB/s, etag {result.etag}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
