"""Is the cause named rightly? Every cause at random sizes, followed as the store follows an incident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks.detection.campaign import spread
from benchmarks.detection.worlds import CAUSES, quiet
from benchmarks.torture.report import figure
from monitor.baseline import Baseline
from monitor.judge.evidence import Budget
from monitor.pipeline import History, walk
from monitor.reference import take_baseline
from monitor.store.incidents import Standing, decide
from monitor.wiring import wire_detectors
from tests.core_fakes import rag
from tests.core_fakes.world import QUARTER, span

RUNS = 60
WINDOWS = 8
"""Windows that a run is followed; an incident that has not opened then is silent."""
QUESTIONS = 150
CORPUS_SAMPLE = 1000
BASELINES = 6
"""Runs are spread over so many baselines, each of its own day."""
RIGHT, WRONG = 0.95, 0.01
SURE = 0.5
"""Every cause that the attribution names has a confidence above it; ``unknown`` has none."""
THRESHOLD = Budget().log_threshold(QUARTER, len(wire_detectors({})))


@dataclass(frozen=True)
class Task:
    cause: str
    run: int


@dataclass(frozen=True)
class Told:
    """What an incident said when it opened and at the end; ``silent`` where none opened."""

    cause: str
    opened: str
    final: str
    confidence: float
    fired: tuple[str, ...]


def follow(task: Task) -> Told:
    """Let a cause happen and walk the windows after it."""
    rng = np.random.default_rng([list(CAUSES).index(task.cause) if task.cause in CAUSES else 99, task.run])
    world = CAUSES.get(task.cause, quiet)(rng)
    day = task.run % BASELINES
    first = 1000 * day + 100 + WINDOWS * task.run
    history, standing, opened = History(), None, "silent"
    for number in range(first, first + WINDOWS):
        service = world.service(number, QUESTIONS)
        outcome = walk(
            span(number),
            service.collection(corpus_sample=CORPUS_SAMPLE),
            _baseline(day),
            1,
            history,
            threshold=THRESHOLD,
        )
        history = History(outcome.evidence or (), outcome.corpus_seen)
        firing = any(e.firing for e in history.evidence)
        step = decide(standing, outcome.verdict, firing=firing, backfill=False)
        if step is not None and step.kind == "resolved":
            break  # what people were told stays as it was
        if step is not None:
            opened = step.standing.cause if standing is None else opened
            standing = step.standing
    last = standing or Standing("none", "silent", 0.0, ())
    return Told(task.cause, opened, last.cause, last.confidence, last.fired)


@cache
def _baseline(day: int) -> Baseline:
    log = tuple(r for number in range(rag.QUIET) for r in rag.ask(1000 * day + number, QUESTIONS))
    collection = rag.Service(log).collection(corpus_sample=CORPUS_SAMPLE)
    return take_baseline(collection, rag.windows(rag.QUIET, 1000 * day)).baseline


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the confusion of causes and the shares of right, wrong, unknown and silent."""
    del pools
    runs = 2 if quick else RUNS
    tasks = [Task(cause, number) for cause in (*CAUSES, "quiet") for number in range(runs)]
    told = spread(follow, tasks, workers)
    drifted = [t for t in told if t.cause != "quiet"]
    figures = [figure("runs", len(told), f"runs, {runs} of each cause and of none")]
    figures += _shares("all causes, at the end", [(t.cause, t.final, t.confidence) for t in drifted])
    figures += [
        figure(
            "all causes, when the incident opens: right",
            float(np.mean([t.cause == t.opened for t in drifted])),
            "share",
        ),
        figure(
            "nothing happened: not silent",
            float(np.mean([t.final != "silent" for t in told if t.cause == "quiet"])),
            "share",
            WRONG,
        ),
    ]
    for cause in CAUSES:
        of_cause = [t for t in told if t.cause == cause]
        figures += _shares(cause, [(t.cause, t.final, t.confidence) for t in of_cause])
    return figures


def _shares(name: str, answers: Sequence[tuple[str, str, float]]) -> list[dict[str, Any]]:
    named = Counter(final for cause, final, _ in answers if final not in {cause, "unknown", "silent"})
    as_what = f" ({', '.join(f'{other} {count}' for other, count in named.most_common())})" if named else ""

    def share(which: Sequence[bool]) -> float:
        return float(np.mean(which))

    return [
        figure(
            f"{name}: right", share([a == b for a, b, _ in answers]), "share", RIGHT, higher_is_better=True
        ),
        figure(
            f"{name}: confidently wrong{as_what}",
            share([b not in {a, "unknown", "silent"} and sure > SURE for a, b, sure in answers]),
            "share",
            WRONG,
        ),
        figure(f"{name}: unknown", share([b == "unknown" for _, b, _ in answers]), "share"),
        figure(f"{name}: silent", share([b == "silent" for _, b, _ in answers]), "share"),
    ]
