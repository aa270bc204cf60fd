"""The same words to curl and to us, against our own server and Debian's nginx: the same output and exit status."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.peers import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Site

ROOT = Path(__file__).parents[3]
PATIENCE = 20.0
CONF = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; types {{ text/plain txt; }}
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{ root {folder}/files; gzip on; gzip_types text/plain; }}
        location /moved {{ return 302 /a.txt; }}
        location /circle/ {{ return 302 /circle/$request_id; }}
        location /teapot {{ return 418 "short and stout"; }}
        location /private {{ return 401 "no"; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx's URL."""
    binary = program("nginx")
    assert binary is not None, "nginx is not installed"
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("a line\n" * 1000)
    folder.chmod(0o755)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    (folder / "nginx.conf").write_text(CONF.format(folder=folder, port=port))
    with subprocess.Popen(
        [binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "e")]
    ) as run:
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert time.monotonic() < until, "nginx does not listen"
            yield f"http://127.0.0.1:{port}"
        finally:
            run.terminate()


def both(ours: list[str], curls: list[str], data: bytes | None = None) -> list[tuple[int, bytes]]:
    """Exit status and standard output of each."""
    curl = program("curl")
    assert curl is not None, "curl is not installed"
    calls = [[sys.executable, "-m", "toolkit", *ours], [curl, "-s", *curls]]
    done = [subprocess.run(call, cwd=ROOT, input=data or b"", capture_output=True, timeout=PATIENCE) for call in calls]
    return [(one.returncode, one.stdout) for one in done]


#: Our subcommand, options that both have, the path.
TABLE: list[tuple[str, list[str], str]] = [
    ("get", [], "/status/200"),
    ("get", [], "/status/404"),
    ("get", ["-f"], "/status/404"),
    ("get", ["--fail-with-body"], "/status/500"),
    ("get", [], "/from/1"),
    ("get", ["-L"], "/from/1"),
    ("get", ["-L", "--max-redirs", "1"], "/from/5"),
    ("get", ["-m", "0.3"], "/never"),
    ("get", ["-w", "%{http_code} %{size_download} %{num_redirects} %{content_type}\\n"], "/status/200"),
    ("get", ["-L", "-o", "/dev/null", "-w", "%{url_effective} %{method} %{http_version}"], "/from/0"),
    ("get", ["-r", "0-3"], "/status/200"),
    ("post", ["-d", "a=1", "-d", "b=2"], "/echo"),
    ("post", ["-d", "@-"], "/echo"),
    ("post", ["--data-binary", "@-"], "/echo"),
    ("post", ["--data-raw", "@x"], "/echo"),
    ("post", ["--data-urlencode", "a=\u00e4 &", "--data-urlencode", "=b="], "/echo"),
    ("post", ["--json", '{"a": 1}'], "/echo"),
    ("post", ["-F", "a=b", "-F", "c=<-;type=text/x-own"], "/form"),
    ("post", ["-T", "-"], "/echo"),
    ("put", ["-T", "-"], "/echo"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "words", "path"), TABLE)
def test_the_same_as_curl(command: str, words: list[str], path: str, site: Site) -> None:
    url = site.url + path
    ours, curls = both([command, *words, url], ["-X", command.upper(), *words, url], b"from\r\nstdin\n")
    assert ours == curls


#: What is asked, without what each client says of itself.
ASKED: list[tuple[str, list[str]]] = [
    ("get", ["-H", "x-a: 1", "-H", "x-b;", "-H", "Accept:"]),
    ("get", ["-u", "me:secret", "-e", "http://r.test/", "-A", "x", "-b", "a=b"]),
    ("get", ["-G", "-d", "a=1", "--data-urlencode", "b= "]),
    ("post", ["-d", "a=1"]),
    ("post", ["--json", "[]"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "words"), ASKED)
def test_asked_for_the_same(command: str, words: list[str], site: Site) -> None:
    import json

    said = []
    for status, out in both([command, *words, f"{site.url}/show"], [*words, f"{site.url}/show"]):
        assert status == 0
        found = json.loads(out)
        for name in ("accept-encoding", *([] if "-A" in words else ["user-agent"])):
            found["fields"].pop(name, None)
        said.append(found)
    assert said[0] == said[1]


FAILURES: list[tuple[list[str], int]] = [
    (["http://no-such-host.invalid/"], 6),
    (["http://127.0.0.1:1/"], 7),
    (["-T", "/no/such", "http://127.0.0.1:1/"], 26),
    (["-o", "/no/such/folder/x", "URL/status/200"], 23),
    (["-o", "/dev/full", "URL/status/200"], 23),
    (["-L", "URL/circle"], 47),
    (["TLS/status/200"], 60),
    (["https://PLAIN/"], 35),
    (["URL/corrupt", "--compressed"], 61),
]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "expected"), FAILURES)
def test_the_same_exit_status(words: list[str], expected: int, site: Site) -> None:
    plain = site.url.removeprefix("http://")
    words = [one.replace("URL", site.url).replace("TLS", site.tls).replace("PLAIN", plain) for one in words]
    ours, curls = both(["get", *words], words)
    assert (ours[0], curls[0]) == (expected, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["/a.txt"],
        ["/a.txt", "--compressed"],
        ["/a.txt", "-r", "0-99"],
        ["/none"],
        ["/none", "-f"],
        ["/moved"],
        ["/moved", "-L"],
        ["/circle/", "-L", "--max-redirs", "5"],
        ["/teapot", "-w", "%{http_code}"],
        ["/private", "-f"],
    ],
)
def test_nginx_asked_by_both(words: list[str], nginx: str) -> None:
    ours, curls = both(["get", nginx + words[0], *words[1:]], [nginx + words[0], *words[1:]])
    assert ours == curls


@pytest.mark.slow
def test_a_file_of_nginxs_that_was_cut_off_is_gone_on_with(nginx: str, tmp_path: Path) -> None:
    from toolkit.client.resuming import Mark, write_mark

    target = tmp_path / "a.txt"
    call = [sys.executable, "-m", "toolkit", "get", "-v", f"{nginx}/a.txt", "-o", str(target)]
    first = subprocess.run(call, cwd=ROOT, capture_output=True, timeout=PATIENCE, check=True).stderr.decode()
    etag = next(line.partition(": ")[2] for line in first.splitlines() if line.lower().startswith("< etag"))
    whole = target.read_bytes()
    (tmp_path / "a.txt.toolkit-part").write_bytes(whole[:3000])
    mark = Mark.of(f"{nginx}/a.txt", etag, len(whole))
    (tmp_path / "a.txt.toolkit-part.json").write_bytes(write_mark(mark))
    target.unlink()
    form = ["-C", "-", "-w", "%{http_code}"]
    again = subprocess.run([*call, *form], cwd=ROOT, capture_output=True, timeout=PATIENCE, check=True)
    assert (again.stdout, target.read_bytes()) == (b"206", whole)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
