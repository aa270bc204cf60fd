"""nginx, with one worker: the files of a folder, or a proxy that does not buffer."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.core.child import end_with_parent, free_port, run_program

MAIN = """
{user}
daemon off;
worker_processes 1;
pid {scratch}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 127.0.0.1:{port} {tls};
        location / {{ {serve} }}
    }}
}}
"""
#: Buffers of 64 KiB serve large bodies better than the default of one page.
PROXY = """
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_buffer_size 64k;
            proxy_buffers 8 64k;
            proxy_ssl_verify off;
"""
TLS = "ssl; ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key"


def configuration(options: argparse.Namespace, port: int, scratch: str) -> str:
    """The whole of it."""
    serve = f"root {options.files.resolve()};" if options.files else PROXY.format(upstream=options.upstream)
    return MAIN.format(
        # Files and scratch space are the user's own; a worker that gave up root could not read them.
        user="user root;" if os.geteuid() == 0 else "",
        scratch=scratch,
        port=port,
        tls=TLS.format(folder=options.tls.resolve()) if options.tls else "",
        serve=serve,
    )


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Serve with nginx.")
    parser.add_argument("upstream", metavar="URL", nargs="?")
    parser.add_argument("--files", type=Path, metavar="FOLDER")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="with the certificate there")
    options = parser.parse_args()
    end_with_parent()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as scratch:
        path = Path(scratch, "nginx.conf")
        path.write_text(configuration(options, port, scratch))
        run_program(["nginx", "-p", scratch, "-e", "stderr", "-c", str(path)], port)


if __name__ == "__main__":
    main()
