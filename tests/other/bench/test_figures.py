"""The JSON document: its keys, its numbers, and what is not one."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from toolkit import __version__
from toolkit.other.bench.figures import BadDocument, RunFigures, as_json, document, figures, read_document
from toolkit.other.bench.latencies import Latencies
from toolkit.other.bench.record import Record

from .samples import OPTIONS, filled, run_document, run_figures

if TYPE_CHECKING:
    from toolkit.other.bench.options import Options


def test_the_page_describes_every_key() -> None:
    text = (Path(__file__).parents[3] / "docs" / "bench.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([\w.]+)`", text[text.index("## The JSON document") :]))
    assert told >= keys(run_document(run_figures(replace(OPTIONS, expected_interval=0.001))))


def keys(found: object) -> set[str]:
    """Every key, however deep, but for those that are counted by: statuses and kinds of errors."""
    if isinstance(found, dict):
        below = [keys(value) for key, value in found.items() if key not in ("statuses", "errors")]
        return set(found) | set().union(*below)
    return set().union(*map(keys, found)) if isinstance(found, list) else set()


def test_a_document_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    found = run_document(run_figures(), run_figures(errors=3))
    path.write_bytes(as_json(found))
    assert read_document(str(path)) == orjson.loads(as_json(found))
    assert path.read_bytes().endswith(b"}\n")


def test_it_says_what_it_is_and_where_it_was_measured() -> None:
    found = run_document()
    assert (found["schema"], found["version"], found["toolkit"]) == ("toolkit-bench", 1, __version__)
    assert found["python"] == sys.version.split()[0]
    assert found["started"].endswith("+00:00")


def test_the_figures_are_those_of_the_record() -> None:
    record = filled(errors=2)
    record.counts.opened, record.counts.connecting, record.counts.slowest_connect = 2, 3_000_000, 2_000_000
    record.counts.paced, record.counts.late, record.counts.latest = 4, 400, 300
    found = figures(OPTIONS, record)
    assert found.keys() == RunFigures.__required_keys__
    assert (found["name"], found["url"], found["mode"]) == ("a run", "http://127.0.0.1:8000/x", "closed")
    assert (found["answers"], found["rate"], found["seconds"]) == (5000, 2500.0, 2.0)
    assert (found["statuses"], found["errors"]) == ({"200": 5000}, {"timeout": 2})
    assert found["connections"] == {"opened": 2, "mean": 0.0015, "max": 0.002}
    assert (found["generator"]["late_mean"], found["generator"]["late_max"]) == (100.0, 300)
    latency = found["latency"]
    assert list(latency["percentiles"]) == ["50", "75", "90", "99", "99.9", "99.99"]
    assert list(latency["percentiles"].values()) == sorted(latency["percentiles"].values())
    assert latency["count"] == len(Latencies.decode(latency["histogram"])) == 5000
    assert sum(found["timeline"]["answers"]) == 5000


@pytest.mark.parametrize(
    ("options", "mode", "measured_from", "corrected"),
    [
        (OPTIONS, "closed", "sent", None),
        (replace(OPTIONS, rate=5.0), "open", "due", None),
        (replace(OPTIONS, duplex=True, method="POST"), "closed, duplex", "sent", None),
        (replace(OPTIONS, expected_interval=0.001), "closed", "sent", "corrected"),
    ],
)
def test_it_says_from_when_latencies_count(
    options: Options, mode: str, measured_from: str, corrected: str | None
) -> None:
    found = run_figures(options)
    assert (found["mode"], found["latency"]["measured_from"]) == (mode, measured_from)
    assert (found["corrected"] and found["corrected"]["measured_from"]) == corrected
    if found["corrected"]:
        assert found["corrected"]["count"] > found["latency"]["count"]


def test_secrets_are_not_written_down() -> None:
    options = replace(OPTIONS, headers=(("authorization", "Bearer secret"),), body=b"password", method="POST")
    written = as_json(document([run_figures(options)]))
    assert b"secret" not in written
    assert b"password" not in written


def test_a_run_without_an_answer_has_figures() -> None:
    found = figures(OPTIONS, Record(), interrupted=True)
    assert (found["answers"], found["interrupted"], found["latency"]["count"]) == (0, True, 0)
    assert as_json(document([found]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"not json", "expected a file that --json wrote"),
        (b"[]", "no document of toolkit bench"),
        (b'{"schema": "other"}', "no document of toolkit bench"),
        (b'{"schema": "toolkit-bench", "version": 2}', "version 2 of the document; expected version 1"),
        (b'{"schema": "toolkit-bench", "version": 1}', "its runs are not whole"),
        (b'{"schema": "toolkit-bench", "version": 1, "runs": [{"name": "x"}]}', "its runs are not whole"),
    ],
)
def test_what_is_no_document_is_told(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadDocument, match=f"old.json: .*{words}"):
        read_document(str(path))
