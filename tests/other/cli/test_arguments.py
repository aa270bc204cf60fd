"""The command line's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.other.cli.arguments import Command, Piece, parse

U = "http://a.test/"


def test_without_options() -> None:
    assert parse(["GET", U]) == Command(method="GET", urls=[U])


def test_letters_and_words_mean_the_same() -> None:
    letters = [
        "-H",
        "a: b",
        "-A",
        "x",
        "-e",
        "y",
        "-b",
        "c=d",
        "-u",
        "u:p",
        "-m",
        "3",
        "-o",
        "f",
        "-L",
        "-i",
        "-k",
        "-s",
    ]
    words = [
        *("--header", "a: b", "--user-agent", "x", "--referer", "y", "--cookie", "c=d", "--user", "u:p"),
        *("--max-time", "3", "--output", "f", "--location", "--include", "--insecure", "--silent"),
    ]
    assert parse(["GET", *letters, U]) == parse(["GET", *words, U])


def test_urls_may_stand_between_options() -> None:
    assert parse(["GET", U, "-L", "b.test", "-s"]).urls == [U, "b.test"]


def test_pieces_of_a_body_keep_their_order() -> None:
    command = parse(["POST", U, "-d", "a=1", "--data-raw", "@b", "--data-urlencode", "c= d", "--data", "e"])
    assert command.pieces == [
        Piece("data", "a=1"),
        Piece("data-raw", "@b"),
        Piece("data-urlencode", "c= d"),
        Piece("data", "e"),
    ]


def test_head_is_a_head_request_that_shows_the_head() -> None:
    for words in (["HEAD", U], ["GET", "-I", U]):
        command = parse(words)
        assert (command.method, command.include) == ("HEAD", True)


def test_any_method() -> None:
    assert parse(["PROPFIND", U]).method == "PROPFIND"


def test_where_files_go() -> None:
    command = parse(["GET", U, "-O", "--output-dir", "d", "--create-dirs", "-C", "-"])
    assert (command.remote_name, command.folder, command.make_folders, command.go_on) == (True, Path("d"), True, True)


def test_a_format_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("%{http_code}")
    assert parse(["GET", U, "-w", f"@{tmp_path}/w"]).write_out == "%{http_code}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["GET"], "the following arguments are required: URL"),
        (["GET", "--what", U], "unrecognized arguments: --what"),
        (["GET", "--head", "--max", "1", U], "unrecognized arguments"),  # no abbreviations: curl gains options
        (["GET", "-m", "0", U], "expected seconds"),
        (["GET", "-m", "soon", U], "expected seconds"),
        (["GET", "--max-redirs", "-1", U], "expected"),
        (["GET", "--retry", "x", U], "a whole number"),
        (["GET", "-H", "nonsense", U], "expected 'Name: value'"),
        (["GET", "-w", "%{nonsense}", U], "is none of: content_type"),
        (["GET", "-w", "@/no/such/file", U], "No such file"),
        (["GET", "-C", "100", U, "-O"], "expected '-'"),
        (["GET", "-C", "-", U], "give -o or -O"),
        (["GET", "-C", "-", "-O", "-i", U], "and not -i"),
        (["POST", "-C", "-", "-O", U], "-C - is for get"),
        (["GET", "-O", "-o", "x", U], "-o and -O"),
        (["GET", "-J", U], "give -O, too"),
        (["GET", "-o", "x", "-o", "y", U], "2 times -o, and 1 URL"),
        (["POST", "-d", "a", "--json", "{}", U], "one body"),
        (["POST", "-d", "a", "-T", "f", U], "one body"),
        (["POST", "-d", "a", "-F", "a=b", U], "one body"),
        (["GET", "-G", "--json", "{}", U], "-G takes the pairs of -d"),
        (["GET", "-u", "a:b", "-n", U], "-u and -n: give one"),
        (["GET", "--digest", U], "--digest proves the password of -u"),
        (["GET", "--color", "red", U], "invalid choice"),
        (["get"], "a method in capitals"),
        (["http://a.test/"], "a method in capitals"),
        (["-L", "GET"], "a method in capitals"),
        ([], "required: URL"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith("toolkit ")
    assert error.count("\n") == 1
