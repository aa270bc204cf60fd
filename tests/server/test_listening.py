"""Listening sockets: one port for all, one error for all, and a queue that outlives who accepts from it."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from toolkit.errors import NetworkError
from toolkit.server import listening
from toolkit.server.listening import Shares, _dialable, address_of, bind_found, bind_unix, unlink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def shared(count: int = 2, host: str = "127.0.0.1", port: int = 0, unix: str | None = None) -> Iterator[Shares]:
    shares = Shares(count, host, port, unix)
    try:
        yield shares
    finally:
        shares.close()


def port_of(shares: Shares) -> int:
    number: int = shares.of(0)[0].getsockname()[1]
    return number


# Addresses


@pytest.mark.parametrize(
    ("host", "dialable"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_to_listen_on_as_one_to_connect_to(host: str, dialable: str) -> None:
    assert _dialable(host) == dialable


@pytest.mark.parametrize(("secure", "scheme"), [(False, "http"), (True, "https")])
def test_where_a_client_reaches_a_socket(secure: bool, scheme: str, tmp_path: Path) -> None:
    with shared(1) as shares:
        sock = shares.of(0)[0]
        assert address_of(sock, secure=secure) == f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"
    for path in (str(tmp_path / "s"), "\0toolkit-test-listening"):
        with shared(1, unix=path) as shares:
            assert address_of(shares.of(0)[0], secure=secure) == f"{scheme}+unix://" + path.replace("/", "%2F")


# Binding


def found(*hosts: str, port: int = 0) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port)) for host in hosts]


def test_every_address_is_bound_once_and_all_have_one_port() -> None:
    sockets = bind_found(found("127.0.0.1", "127.0.0.2", "127.0.0.1"), 0)
    try:
        names = [sock.getsockname() for sock in sockets]
        assert [host for host, _ in names] == ["127.0.0.1", "127.0.0.2"]
        assert len({port for _, port in names}) == 1
    finally:
        for sock in sockets:
            sock.close()


def test_one_address_that_cannot_be_had_lets_go_of_the_others() -> None:
    with shared(1) as taken:
        port = port_of(taken)
        with pytest.raises(OSError, match="in use") as caught:
            bind_found(found("127.0.0.2", "127.0.0.1", port=port), port)
        assert caught.value.errno == errno.EADDRINUSE
        for sock in bind_found(found("127.0.0.2", port=port), port):  # it is free again
            sock.close()


def test_a_unix_socket_replaces_one_that_was_left_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bind_unix(str(path)).close()
    assert path.is_socket()
    bind_unix(str(path)).close()
    unlink(str(path))
    unlink(str(path))  # gone already
    path.write_text("not a socket")
    with pytest.raises(OSError, match="in use"):
        bind_unix(str(path))
    assert path.read_text() == "not a socket"


# Sharing


def accepted(sock: socket.socket) -> int:
    """How many connections wait at this socket; they are accepted."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.accept()[0].close()
            count += 1
    return count


@pytest.mark.parametrize("count", [1, 2, 5])
def test_workers_share_a_port_and_what_comes_in(count: int) -> None:
    with shared(count) as shares, contextlib.ExitStack() as clients:
        (port,) = {sock.getsockname()[1] for number in range(count) for sock in shares.of(number)}
        for _ in range(64 * count):
            clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        got = [accepted(sock) for number in range(count) for sock in shares.of(number)]
        assert sum(got) == 64 * count
        assert min(got) > 0, "the kernel chooses by address; that one is left out has no chance worth naming"


def test_every_worker_has_every_address_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found("127.0.0.1", "127.0.0.2"))
    with shared(3, host="two.example") as shares:
        names = Counter(sock.getsockname() for number in range(3) for sock in shares.of(number))
        assert sorted(names.values()) == [3, 3]
        assert {host for host, _ in names} == {"127.0.0.1", "127.0.0.2"}
        assert len({port for _, port in names}) == 1


def test_where_ports_are_not_shared_out_all_accept_from_one_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_SPREADS", False)
    with shared(3) as shares:
        assert shares.of(0) == shares.of(1) == shares.of(2)
        shares.keep(1)
        socket.create_connection(("127.0.0.1", port_of(shares))).close()


@pytest.mark.parametrize("second", [1, 2])
@pytest.mark.parametrize("first", [1, 2])
def test_a_port_that_is_listened_on_is_refused_however_both_share_it(first: int, second: int) -> None:
    with shared(first) as shares:
        port = port_of(shares)
        with pytest.raises(NetworkError, match=f"cannot listen on 127.0.0.1:{port}: .* in use") as caught:
            Shares(second, "127.0.0.1", port, None)
        assert isinstance(caught.value.__cause__, OSError)
    with shared(second, port=port):
        pass


def test_a_queue_outlives_the_worker_that_it_belongs_to() -> None:
    with shared(2) as shares, contextlib.ExitStack() as clients:
        for number in range(2):  # both workers are gone, and their successors are not there yet
            for sock in shares.of(number):
                sock.dup().close()
        for _ in range(64):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", port_of(shares))))
            client.sendall(b"x")
        assert sum(accepted(sock) for number in range(2) for sock in shares.of(number)) == 64


def test_a_worker_keeps_its_own() -> None:
    with shared(3) as shares:
        shares.keep(1)
        assert [sock.fileno() >= 0 for number in range(3) for sock in shares.of(number)] == [False, True, False]


def test_a_unix_socket_is_everybodys_and_its_name_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with shared(2, unix=str(path)) as shares:
        assert shares.of(0) == shares.of(1)
        shares.keep(0)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_a_name_that_cannot_be_had_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("not a socket")
    with pytest.raises(NetworkError, match=f"cannot listen on {path}: "):
        Shares(2, "127.0.0.1", 0, str(path))
    assert path.read_text() == "not a socket"
