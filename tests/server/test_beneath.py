"""Files beneath a directory: whatever is asked for, nothing outside is opened, and nothing but files is read."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.server.beneath import NotBeneath, names_of, open_beneath, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ()),
        ("", ()),
        ("/a", ("a",)),
        ("a/b.txt", ("a", "b.txt")),
        ("/a/", ("a",)),
        ("/a%20b/%C3%A4.txt", ("a b", "\u00e4.txt")),
        ("/%61", ("a",)),
        ("/a%2562", ("a%62",)),  # decoded once
        ("/..a/b..", None),  # hidden, since it begins with a dot
        ("/a../b..", ("a..", "b..")),
        ("/a;b=c", ("a;b=c",)),
        ("/%E3%80%80%C2%A0", ("\u3000\u00a0",)),  # spaces that are not to be seen, and no controls
        ("/%C2%85", None),  # a control of another set
        # Nothing of this names a file.
        ("//", None),
        ("//a", None),
        ("/a//b", None),
        ("/a//", None),
        ("/.", None),
        ("/..", None),
        ("/../etc/passwd", None),
        ("/a/../../etc/passwd", None),
        ("/a/./b", None),
        ("/%2e%2e/etc/passwd", None),
        ("/.%2e/etc/passwd", None),
        ("/..%2fetc%2fpasswd", None),  # CVE-2017-16762
        ("/a%2fb", None),
        ("/a%2Fb", None),
        ("/%2fetc/passwd", None),
        ("/a\\b", None),
        ("/..%5c..%5cboot.ini", None),
        ("/c:/boot.ini", None),  # RUSTSEC-2021-0135
        ("/C%3A/boot.ini", None),
        ("/c:", None),
        ("/a%00.txt", None),
        ("/a\x00", None),
        ("/a%0d%0ab", None),
        ("/a%ff", None),  # no UTF-8
        ("/a%c0%af", None),  # an overlong slash
        ("/%ed%a0%80", None),  # half a surrogate pair
        ("/.git/config", None),
        ("/a/.htpasswd", None),
        ("/%2ehtpasswd", None),
    ],
)
def test_a_path_is_names_or_nothing(path: str, expected: tuple[str, ...] | None) -> None:
    assert names_of(path) == expected


def test_dotfiles_are_names_where_they_are_wanted() -> None:
    assert names_of("/.well-known/acme", dotfiles=True) == (".well-known", "acme")
    assert names_of("/.../a", dotfiles=True) == ("...", "a")
    assert names_of("/./a", dotfiles=True) is None
    assert names_of("/../a", dotfiles=True) is None


def test_what_is_decoded_is_not_decoded_again() -> None:
    assert names_of("a%2fb", encoded=False) == ("a%2fb",)
    assert names_of("../a", encoded=False) is None


@given(st.text(alphabet="./\\%2ef0c5:a\x00", max_size=30) | st.text(max_size=20), st.booleans())
def test_names_never_have_a_separator_or_stand_for_another_directory(path: str, dotfiles: bool) -> None:
    for name in names_of(path, dotfiles=dotfiles) or ():
        assert name not in ("", ".", "..")
        assert not set(name) & set("/\\\0")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a file, beside another one with a secret."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("content")
    (root / "file").write_text("top")
    return root


def read(root: Path, *names: str) -> str:
    file, found = open_beneath(root, names)
    assert file is not None
    with file:
        assert state_of(os.fstat(file.fileno())) == state_of(found)
        return file.readall().decode()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def no_descriptor_is_left() -> Iterator[None]:
    """Whatever happens on the way, what was opened is closed."""
    before = descriptors()
    yield
    assert descriptors() == before


def test_files_are_opened_and_directories_are_told(root: Path) -> None:
    assert read(root, "file") == "top"
    assert read(root, "a", "b", "file") == "content"
    for names in ((), ("a",), ("a", "b")):
        file, found = open_beneath(root, names)
        assert file is None
        assert found.st_ino == root.joinpath(*names).stat().st_ino


@pytest.mark.parametrize("names", [("none",), ("a", "none"), ("file", "below"), ("a", "b", "file", "x"), ("x" * 300,)])
def test_what_is_not_there(root: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(NotBeneath):
        open_beneath(root, names)


def test_what_no_system_can_be_asked_for(root: Path) -> None:
    with pytest.raises(NotBeneath):
        open_beneath(root, ("a\0b",))
    with pytest.raises(NotBeneath):
        open_beneath(root, ("\udc80",))


def test_a_root_that_is_not_there_or_is_none(root: Path) -> None:
    for wrong in (root / "none", root / "file"):
        with pytest.raises(NotBeneath):
            open_beneath(wrong, ("file",))


def link(root: Path, name: str, target: str) -> None:
    os.symlink(target, root / name)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("l", "file"),
        ("l", "./file"),
        ("l", "a/../file"),
        ("l", "a/b/../../file"),
        ("a/l", "../file"),
        ("a/b/l", "../../file"),
    ],
)
def test_links_that_stay_inside_are_followed(root: Path, name: str, target: str) -> None:
    link(root, name, target)
    assert read(root, *name.split("/")) == "top"


def test_links_to_directories_and_to_links(root: Path) -> None:
    link(root, "d", "a/b")
    link(root, "e", "d/.")
    link(root, "self", ".")
    assert read(root, "d", "file") == "content"
    assert read(root, "e", "file") == "content"
    assert read(root, "self", "self", "d", "file") == "content"
    assert open_beneath(root, ("d",))[0] is None


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("l", "../outside/secret"),
        ("l", "a/../../outside/secret"),
        ("a/l", "../../outside/secret"),
        ("l", "/etc/passwd"),
        ("l", ".."),
        ("l", "../root/file"),  # out, and in again
        ("l", "none"),
        ("l", "l"),
    ],
)
def test_links_that_leave_are_not_followed(root: Path, name: str, target: str) -> None:
    """CVE-2024-23334"""
    link(root, name, target)
    for below in ((), ("secret",)):
        with pytest.raises(NotBeneath):
            open_beneath(root, (*name.split("/"), *below))


def test_an_absolute_link_leaves_even_where_it_leads_back(root: Path) -> None:
    link(root, "l", str(root / "file"))
    with pytest.raises(NotBeneath):
        open_beneath(root, ("l",))


def test_a_link_to_a_directory_outside_is_no_way_to_its_files(root: Path) -> None:
    link(root, "d", "../outside")
    with pytest.raises(NotBeneath):
        open_beneath(root, ("d", "secret"))


def test_links_in_a_circle_end(root: Path) -> None:
    link(root, "x", "y")
    link(root, "y", "x")
    for names in (("x",), ("x", "file")):
        with pytest.raises(NotBeneath):
            open_beneath(root, names)
    for number in range(60):
        link(root, f"l{number}", f"l{number + 1}" if number < 59 else "file")
    assert read(root, "l20") == "top"
    with pytest.raises(NotBeneath, match="in a circle"):
        open_beneath(root, ("l0",))


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    os.symlink(root, tmp_path / "current")
    assert read(tmp_path / "current", "file") == "top"


def test_a_fifo_is_not_opened(root: Path) -> None:
    """Opening it would wait for a writer."""
    os.mkfifo(root / "fifo")
    with pytest.raises(NotBeneath, match="neither"):
        open_beneath(root, ("fifo",))


def test_a_socket_is_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # its name has room for 107 bytes
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("s")
        with pytest.raises(NotBeneath, match="neither"):
            open_beneath(root, ("s",))


def test_a_device_is_not_opened() -> None:
    for name in ("null", "zero", "tty"):
        with pytest.raises(NotBeneath, match="neither"):
            open_beneath("/dev", (name,))


def test_a_file_that_becomes_a_fifo_between_look_and_opening(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.stat

    def look(path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        found = really(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        (root / "file").unlink()
        os.mkfifo(root / "file")
        return found

    monkeypatch.setattr(os, "stat", look)
    with pytest.raises(NotBeneath, match="no file any more"):
        open_beneath(root, ("file",))


def test_a_file_that_becomes_a_link_between_look_and_opening(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.stat

    def look(path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        found = really(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        (root / "file").unlink()
        os.symlink("../outside/secret", root / "file")
        return found

    monkeypatch.setattr(os, "stat", look)
    with pytest.raises(NotBeneath):
        open_beneath(root, ("file",))


def test_a_refusal_of_the_system_is_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions: the tests may run as root, whom nothing is refused."""
    really = os.open

    def refuse(path: str, flags: int, **more: int) -> int:
        if path == "file":
            raise OSError(errno.EACCES, "Permission denied")
        return really(path, flags, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(NotBeneath, match="Permission denied"):
        open_beneath(root, ("file",))
