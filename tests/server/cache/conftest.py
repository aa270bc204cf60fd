"""A module whose peer is missing is not collected, with a notice; see `tests/helpers/peers.py`."""

from __future__ import annotations

from tests.helpers.peers import missing, required

PEERS = {"test_redis.py": ["redis-server"]}
collect_ignore = [] if required() else [name for name, peers in PEERS.items() if missing(peers)]


def pytest_report_header() -> list[str]:
    """Say aloud what is not collected for want of a peer."""
    return [f"NOT COLLECTED: {name}: {', '.join(missing(PEERS[name]))} missing" for name in collect_ignore]
