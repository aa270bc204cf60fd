"""Against Debian's nginx: a constant answer, its own connection limits, TLS and a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.helpers.peers import program
from tests.helpers.tls import authority
from toolkit.other.bench.run import Run, Stage

from .drive import PATIENCE, QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from toolkit.other.bench.record import Record

CONF = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; keepalive_requests 30;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        listen unix:{folder}/socket;
        ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
        location / {{ return 200 "hello, world"; }}
        location /moved {{ return 302 /; }}
        location /teapot {{ return 418 "short and stout"; }}
    }}
}}
"""


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """nginx, its port and its port for TLS."""
    binary = program("nginx")
    assert binary is not None, "nginx is not installed"
    certificate = authority().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    authority().cert_pem.write_to_path(folder / "ca.pem")
    port, tls_port = free_ports()
    conf = folder / "nginx.conf"
    conf.write_text(CONF.format(folder=folder, port=port, tls_port=tls_port))
    process = await asyncio.create_subprocess_exec(
        binary, "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log"), stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while not await listens(port):
                assert process.returncode is None, "nginx ended"
                await asyncio.sleep(0)
        yield port, tls_port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def loaded(**change: object) -> Record:
    options = replace(QUICK, connections=4, requests=200, check=True, **change)  # type: ignore[arg-type]  # by name
    async with asyncio.timeout(PATIENCE):
        return await Run(options).go(Stage(tell=lambda _: None))


@pytest.mark.parametrize("change", [{}, {"pipeline": 7}, {"keep_alive": False}, {"rate": 2000.0}], ids=repr)
async def test_every_request_is_answered(change: dict[str, object], tmp_path: Path) -> None:
    """nginx ends each connection after thirty requests; that costs no request, in a pipeline neither."""
    async with nginx(tmp_path) as (port, tls_port):
        for way in (
            {"url": f"http://127.0.0.1:{port}/"},
            {"url": f"https://127.0.0.1:{tls_port}/", "ca": str(tmp_path / "ca.pem")},
            {"url": "http://localhost/", "unix": str(tmp_path / "socket")},
        ):
            record = await loaded(**way, **change)
            assert record.errors == {}
            assert record.statuses == {200: 200}
            assert record.counts.opened >= (196 if change.get("keep_alive") is False else 3)


@pytest.mark.parametrize(("path", "status"), [("moved", 302), ("teapot", 418)])
async def test_statuses_are_counted(path: str, status: int, tmp_path: Path) -> None:
    async with nginx(tmp_path) as (port, _):
        record = await loaded(url=f"http://127.0.0.1:{port}/{path}")
    assert record.statuses == {status: 200}
    assert record.errors == ({} if status < 400 else {"status 418": 200})


async def test_a_head_has_no_body(tmp_path: Path) -> None:
    async with nginx(tmp_path) as (port, _):
        record = await loaded(url=f"http://127.0.0.1:{port}/", method="HEAD", pipeline=3)
    assert (record.errors, record.statuses) == ({}, {200: 200})
