"""Who looks at the clock, of several processes: forked ones, as workers are."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from toolkit.server.jobs.lead import Lead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest


@contextmanager
def another(lead: Lead, does: Callable[[], object]) -> Iterator[int]:
    """A process that has done this, and lives until the end of the block."""
    ready, say = os.pipe()
    leash, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:  # whatever happens here: there is a second run of the tests otherwise
            os.close(held)
            does()
            os.write(say, b".")
            os.read(leash, 1)
        finally:
            os._exit(0)
    os.close(leash)
    os.close(say)
    assert os.read(ready, 1), "it failed"
    try:
        yield pid
    finally:
        os.close(held)
        os.waitpid(pid, 0)
        os.close(ready)


def test_one_leads_until_it_ends() -> None:
    lead = Lead()
    with another(lead, lead.take):
        assert not lead.take()
        assert not lead.take()
    assert lead.take()
    assert lead.take()
    lead.close()


def test_or_until_it_lets_go() -> None:
    lead = Lead()

    def take_and_release() -> None:
        assert lead.take()
        lead.release()
        lead.release()

    with another(lead, take_and_release):
        assert lead.take()
    lead.close()


def test_a_run_that_goes_on_elsewhere_keeps_its_job_and_no_other() -> None:
    lead = Lead()
    with another(lead, lambda: lead.hold("report")):
        assert not lead.hold("report")
        assert lead.hold("cleanup")
    assert lead.hold("report")
    lead.close()


def test_a_job_that_runs_twice_is_free_after_the_second_end() -> None:
    lead = Lead()

    def hold_twice() -> None:
        assert lead.hold("report")
        assert lead.hold("report")
        lead.let_go("report")

    def hold_twice_and_let_go() -> None:
        hold_twice()
        lead.let_go("report")

    with another(lead, hold_twice):
        assert not lead.hold("report")
    with another(lead, hold_twice_and_let_go):
        assert lead.hold("report")
    lead.close()


def test_what_was_looked_at_is_known_to_the_next() -> None:
    lead = Lead()

    def lead_and_look() -> None:
        assert lead.take()
        assert lead.since is None
        lead.looked(12.5, 1e9)

    with another(lead, lead_and_look):
        assert not lead.take()
    assert lead.take()
    assert lead.since == (12.5, 1e9)
    lead.looked(13, 1e9 + 1)
    assert lead.take()
    assert lead.since == (12.5, 1e9)  # still: other applications in this process go on from there, too
    lead.release()
    assert lead.take()
    assert lead.since == (13, 1e9 + 1)
    lead.close()


def test_without_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    lead = Lead()
    with another(lead, lead.take):
        assert not lead.take()
    assert lead.take()
    lead.close()
