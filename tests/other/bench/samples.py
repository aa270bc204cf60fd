"""Figures made by hand, for whatever reads them."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

from toolkit.other.bench.figures import document, figures
from toolkit.other.bench.options import Options
from toolkit.other.bench.record import Record

if TYPE_CHECKING:
    from toolkit.other.bench.figures import Document, RunFigures

__all__ = ["filled", "run_document", "run_figures"]

OPTIONS = Options(url="http://127.0.0.1:8000/x", name="a run", duration=2.0)


def filled(*, answers: int = 5000, rate: float = 2500.0, slower: float = 1.0, errors: int = 0) -> Record:
    """A record of answers around a millisecond; `slower` stretches their latencies."""
    record = Record()
    draw = random.Random(7)
    for _ in range(answers):
        record.latencies.record(round(draw.lognormvariate(13.8, 0.5) * slower))
    record.answered(200, answers)
    if errors:
        record.errors["timeout"] += errors
    record.counts.rate = rate
    record.counts.seconds = 2.0
    record.counts.received = 160 * answers
    record.counts.sent = 90 * answers
    for number in range(20):
        record.timeline.add(number / 10 + 0.01, number / 10 + 0.09, answers // 20, errors * (number == 3))
    return record


@cache
def run_figures(
    options: Options = OPTIONS,
    *,
    answers: int = 5000,
    rate: float = 2500.0,
    slower: float = 1.0,
    errors: int = 0,
    interrupted: bool = False,
) -> RunFigures:
    """The figures of such a record. Made once: nobody changes them."""
    record = filled(answers=answers, rate=rate, slower=slower, errors=errors)
    return figures(options, record, interrupted=interrupted)


def run_document(*runs: RunFigures) -> Document:
    """A document of such runs."""
    return document(list(runs) or [run_figures()])
