"""Who is asking, and with which cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit.client.auth import Basic, Bearer, Digest
from toolkit.client.netrc import Netrc
from toolkit.other.cli.access import auth_of, cookie_jar_of, cookie_pairs, keep_cookies
from toolkit.other.cli.arguments import Command, parse
from toolkit.other.cli.statuses import Exit, Stop

if TYPE_CHECKING:
    from pathlib import Path

U = "http://a.test/"


def words(*given: str) -> Command:
    return parse(["GET", U, *given])


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([], type(None)),
        (["-u", "me:p"], Basic),
        (["-u", "me:p", "--digest"], Digest),
        (["--oauth2-bearer", "abc"], Bearer),
    ],
)
def test_what_proves_it(given: list[str], kind: type[object]) -> None:
    assert type(auth_of(words(*given))) is kind


def test_a_netrc(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("default login me password p")
    assert isinstance(auth_of(words("--netrc-file", f"{tmp_path}/n", "--digest")), Netrc)


@pytest.mark.parametrize(
    "given", [["--oauth2-bearer", "a b"], ["--netrc-file", "/no/such"], ["-u", "me\n:p"], ["-u", "me:p\0", "--digest"]]
)
def test_what_proves_nothing_is_a_wrong_argument(given: list[str]) -> None:
    with pytest.raises(Stop) as caught:
        auth_of(words(*given))
    assert caught.value.status == Exit.ARGUMENTS


def test_pairs_of_cookies() -> None:
    assert cookie_pairs(words("-b", "a=1; b=2", "-b", "c=d=e", "-b", "a-file")) == {"a": "1", "b": "2", "c": "d=e"}
    assert cookie_pairs(words()) == {}


def test_no_cookies_are_kept_unless_a_file_is_named(tmp_path: Path) -> None:
    assert cookie_jar_of(words("-b", "a=1")) is None
    for given in (["-b", ""], ["-b", f"{tmp_path}/none"], ["-c", f"{tmp_path}/none"]):
        jar = cookie_jar_of(words(*given))
        assert jar is not None
        assert len(jar) == 0


def test_cookies_go_from_a_file_into_another(tmp_path: Path) -> None:
    command = words("-b", f"{tmp_path}/a", "-c", f"{tmp_path}/b")
    (tmp_path / "a").write_text("a.test\tFALSE\t/\tFALSE\t0\tname\tvalue\n")
    jar = cookie_jar_of(command)
    assert jar is not None
    assert jar["name"] == "value"
    keep_cookies(command, jar)
    assert "a.test\tFALSE\t/\tFALSE\t0\tname\tvalue" in (tmp_path / "b").read_text()


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nonsense")
    with pytest.raises(Stop, match="-b ") as caught:
        cookie_jar_of(words("-b", f"{tmp_path}/x"))
    assert caught.value.status == Exit.READ
    command = words("-c", f"{tmp_path}/no/x")
    with pytest.raises(Stop, match="-c ") as caught:
        keep_cookies(command, cookie_jar_of(command))
    assert caught.value.status == Exit.WRITE
