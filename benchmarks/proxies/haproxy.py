"""HAProxy, with one thread, splicing what it can."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.core.child import end_with_parent, free_port, run_program

CONFIGURATION = """
global
    nbthread 1
    maxconn 1000
defaults
    mode http
    option splice-auto
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen proxy
    bind 127.0.0.1:{port}
    server upstream {upstream}
"""


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Proxy with HAProxy.")
    parser.add_argument("upstream", metavar="URL")
    options = parser.parse_args()
    end_with_parent()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="haproxy-") as scratch:
        path = Path(scratch, "haproxy.cfg")
        path.write_text(CONFIGURATION.format(port=port, upstream=urlsplit(options.upstream).netloc))
        run_program(["haproxy", "-db", "-f", str(path)], port)


if __name__ == "__main__":
    main()
