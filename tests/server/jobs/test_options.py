"""What may be said of jobs, and what is refused where it is said."""

from __future__ import annotations

import math
from datetime import UTC

import pytest

from toolkit import App, JobOptions
from toolkit.errors import UseError
from toolkit.server.jobs.options import check_rules


def test_what_an_application_says() -> None:
    options = JobOptions(timezone="Europe/Berlin", at_once=3, threads=2)
    assert App(jobs=options).jobs.options is options
    assert App().jobs.options == JobOptions()
    assert JobOptions(timezone=UTC) != JobOptions(threads=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threads": 0}, r"JobOptions\(threads=0\): expected a number of them, 1 or more"),
        ({"threads": 1.5}, "threads=1.5"),
        ({"at_once": True}, "at_once=True"),
        ({"at_once": -1}, "at_once=-1"),
        ({"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus': no such time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(UseError, match=says):
        JobOptions(**options)  # type: ignore[arg-type]


def test_an_application_takes_nothing_else() -> None:
    with pytest.raises(UseError, match=r"App\(jobs=4\): expected JobOptions\(\.\.\.\)"):
        _ = App(jobs=4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"overlaps": True}, "web.x: unknown overlaps; there are name, overlap, missed, jitter, each_worker"),
        ({"missed": "all"}, "missed='all'; expected 'skip' or 'once'"),
        ({"name": 3}, "name=3; expected a text"),
        ({"name": ""}, "name=''; expected a text"),
        ({"jitter": -1}, "jitter=-1; expected seconds"),
        ({"jitter": math.nan}, "jitter=nan"),
        ({"jitter": "5"}, "jitter='5'"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, object], says: str) -> None:
    with pytest.raises(UseError, match=says):
        check_rules(rules, "web.x")  # type: ignore[arg-type]
