"""What is decided of a reload; no process and no file is watched here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit import Reload
from toolkit.errors import UseError
from toolkit.server.reload import HASTE, LATE, PATIENCE, End, Kill, Launch, Reloader, counts, unreadable

if TYPE_CHECKING:
    from pathlib import Path

# Which files count


@pytest.mark.parametrize(
    ("path", "patterns", "expected"),
    [
        ("/app/main.py", ["*.py"], True),
        ("/app/deep/er/main.py", ["*.py"], True),
        ("/app/main.pyc", ["*.py"], False),
        ("/app/page.html", ["*.py"], False),
        ("/app/page.html", ["*.py", "*.html"], True),
        ("/app/templates/page.html", ["templates/*.html"], True),
        ("/app/static/page.html", ["templates/*.html"], False),
        ("/app/settings.toml", ["settings.toml"], True),
        ("/app/main.py", [], False),
    ],
)
def test_which_files_count(path: str, patterns: list[str], expected: bool) -> None:
    assert counts(path, patterns) is expected


def test_what_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project / "app", elsewhere):
        folder.mkdir(parents=True)
    (project / "app" / "main.py").touch()
    (elsewhere / "main.py").touch()
    monkeypatch.chdir(project)
    assert Reload().watched("app/main.py") == [str(project)]
    assert Reload().watched(str(elsewhere / "main.py")) == [str(elsewhere), str(project)]
    assert Reload().watched("-c") == [str(project)]
    assert Reload(paths=["app", elsewhere]).watched("app/main.py") == [str(project / "app"), str(elsewhere)]


def test_what_cannot_be_watched_is_refused() -> None:
    with pytest.raises(UseError, match=r"Reload\(paths=...\): there is no 'nowhere' in /"):
        Reload(paths=["nowhere"])
    with pytest.raises(UseError, match=r"Reload\(paths='app'\): expected a list, \['app'\]"):
        Reload(paths="app")
    with pytest.raises(UseError, match=r"Reload\(patterns='\*.py'\): expected a list"):
        Reload(patterns="*.py")


def test_source_that_python_cannot_read(tmp_path: Path) -> None:
    good, bad, zero, other, gone = (
        tmp_path / name for name in ("good.py", "bad.py", "zero.py", "page.html", "gone.py")
    )
    good.write_text("x = 1 is 1\nname = nobody\n", encoding="utf-8")  # a warning, and an error of its own
    bad.write_text("def f(:\n", encoding="utf-8")
    zero.write_bytes(b"x = 1\0")
    other.write_text("def f(:\n", encoding="utf-8")
    found = unreadable(map(str, (good, bad, zero, other, gone)))
    assert list(found) == [str(bad), str(zero)]
    assert f'File "{bad}", line 1' in found[str(bad)]
    assert "SyntaxError: invalid syntax" in found[str(bad)]
    assert "null byte" in found[str(zero)]


# What becomes of processes


def serving(grace: float | None = 10) -> Reloader:
    one = Reloader(grace)
    one.started(1)
    return one


def test_a_change_ends_the_old_process_and_starts_the_next_when_it_has_ended() -> None:
    one = serving()
    assert one.changed(0) == [End(1)]
    assert one.tick(0.5) == []
    assert one.ended(1, 0) == [Launch()]
    assert one.tick(10) == []
    one.started(2)
    assert one.pids == [2]
    assert not one.over


def test_one_that_has_work_to_finish_is_not_waited_for_longer_than_patience() -> None:
    one = serving()
    assert one.changed(0) == [End(1)]
    assert one.next_at() == PATIENCE
    assert one.tick(PATIENCE) == [Launch()]
    one.started(2)
    assert one.pids == [1, 2]
    assert one.ended(1, 0) == []
    assert not one.over


def test_one_that_outlives_its_grace_is_killed() -> None:
    one = serving()
    assert one.changed(0) == [End(1)]
    assert one.tick(PATIENCE) == [Launch()]
    one.started(2)
    assert one.next_at() == 10 + LATE
    assert one.tick(10 + LATE) == [Kill(1)]
    assert one.tick(1000) == []
    assert one.ended(1, -9) == []


def test_without_a_bound_on_the_grace_it_is_not() -> None:
    one = serving(None)
    assert one.changed(0) == [End(1)]
    assert one.tick(PATIENCE) == [Launch()]
    assert one.next_at() is None


def test_a_change_while_the_next_one_is_due_asks_for_no_other() -> None:
    one = serving()
    assert one.changed(0) == [End(1)]
    assert one.changed(0.1) == []
    assert one.ended(1, 0) == [Launch()]


def test_a_change_while_an_older_one_still_ends_is_one_of_the_present() -> None:
    one = serving()
    assert one.changed(0) == [End(1)]
    assert one.tick(PATIENCE) == [Launch()]
    one.started(2)
    assert one.changed(2) == [End(2)]
    assert one.ended(1, 0) == []
    assert one.ended(2, 0) == [Launch()]


@pytest.mark.parametrize(("code", "how"), [(1, "exit code 1"), (-11, "signal 11")])
def test_a_program_that_fails_waits_for_the_next_change(code: int, how: str, caplog: pytest.LogCaptureFixture) -> None:
    one = serving()
    assert one.ended(1, code) == []
    assert caplog.messages == [f"the program ended with {how}; requests wait for the next change"]
    assert not one.over
    assert one.next_at() is None
    assert one.changed(5) == [Launch()]


def test_a_program_that_ends_by_itself_is_the_end() -> None:
    one = serving()
    assert one.ended(1, 0) == []
    assert one.over
    assert one.changed(1) == []


def test_told_to_stop_it_ends_all_of_them_and_starts_none() -> None:
    one = serving()
    assert one.changed(0) == [End(1)]
    assert one.tick(PATIENCE) == [Launch()]
    one.started(2)
    assert one.stop(5) == [End(2)]
    assert one.changed(5) == []
    assert one.ended(2, 0) == []
    assert not one.over
    assert one.ended(1, 1) == []
    assert one.over


def test_told_to_stop_between_two_processes() -> None:
    one = serving()
    assert one.changed(0) == [End(1)]
    assert one.stop(0.1) == []
    assert one.tick(PATIENCE) == []
    assert one.ended(1, 0) == []
    assert one.over


def test_told_to_stop_once_more_it_kills() -> None:
    one = serving()
    assert one.stop(0) == [End(1)]
    assert one.stop(HASTE / 2) == []
    assert one.stop(HASTE) == [Kill(1)]
    assert one.ended(1, -9) == []
    assert one.over


def test_told_to_stop_while_nobody_serves() -> None:
    one = serving()
    assert one.ended(1, 1) == []
    assert one.stop(0) == []
    assert one.over
